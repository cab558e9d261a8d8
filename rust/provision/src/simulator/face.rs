//! The firmware between the line and the modem: how commands are framed, and how that goes wrong.

/// Which firmware answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "kebab-case")]
pub enum Style {
    /// The AT client: a line is a command, no echo.
    #[default]
    AtHost,
    /// Zephyr's shell: `at 'COMMAND'`, echo and prompt.
    AtShell,
    /// The serial modem application: CRLF before each answer.
    Slm,
}

/// What ends a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "kebab-case")]
pub enum Termination {
    /// NUL
    Null,
    /// CR
    #[default]
    Cr,
    /// LF
    Lf,
    /// CR LF
    CrLf,
}

/// The state of one line. Bytes go in, commands come out.
#[derive(Debug)]
pub struct Face {
    style: Style,
    termination: Termination,
    buffer: Vec<u8>,
    quoted: bool,
}

impl Face {
    /// A line that nothing was typed on yet.
    pub fn new(style: Style, termination: Termination) -> Self {
        Self {
            style,
            termination,
            buffer: Vec::new(),
            quoted: false,
        }
    }

    /// What the firmware says when it starts.
    pub fn banner(&self) -> &'static str {
        match self.style {
            Style::AtHost => {
                "*** Booting nRF Connect SDK v2.9.0 ***\r\nThe AT host sample started\r\n"
            }
            Style::AtShell => "*** Booting nRF Connect SDK v2.9.0 ***\r\nuart:~$ ",
            Style::Slm => "Ready\r\n",
        }
    }

    /// What goes back at once for a byte: the shell's echo.
    pub fn echo(&self, byte: u8) -> Option<String> {
        match (self.style, byte) {
            (Style::AtShell, b'\r') => Some("\r\n".to_owned()),
            (Style::AtShell, b'\n') => None,
            (Style::AtShell, _) => Some(char::from(byte).to_string()),
            _ => None,
        }
    }

    /// Takes a byte; returns a command when one is complete.
    ///
    /// The defect of at_host is kept: a byte that no longer fits is dropped *before* it is seen
    /// whether it is a quote, so after an overflow inside quotes no terminator is recognised any
    /// more until the line is cleared with BS and a quote is sent. BS takes a quote away and
    /// leaves the quoted state as it is.
    pub fn feed(&mut self, byte: u8) -> Option<String> {
        if matches!(byte, BACKSPACE | DELETE) {
            self.buffer.pop();
            return None;
        }
        if byte == 0 && self.termination != Termination::Null {
            return None;
        }
        if !self.quoted && self.ends(byte) {
            return self.take();
        }
        if self.buffer.len() >= BUFFER - 1 {
            return None;
        }
        self.buffer.push(byte);
        let is_quote = byte == b'"' || (self.style == Style::AtShell && byte == b'\'');
        if is_quote && self.style != Style::AtShell {
            self.quoted = !self.quoted;
        }
        None
    }

    /// Puts an answer into this firmware's form.
    pub fn dress(&self, answer: &str) -> String {
        match self.style {
            Style::AtHost => answer.to_owned(),
            Style::AtShell => format!("{answer}\r\nuart:~$ "),
            Style::Slm => match answer.trim_end().rsplit_once("\r\n") {
                Some((lines, last)) => format!("\r\n{lines}\r\n\r\n{last}\r\n"),
                None => format!("\r\n{answer}"),
            },
        }
    }

    /// What to run for a command line, or what the shell says about it.
    ///
    /// # Errors
    /// What the shell says of a line that is no AT command.
    pub fn command(&self, line: &str) -> Result<String, String> {
        if self.style != Style::AtShell {
            return Ok(line.to_owned());
        }
        let line = line.trim();
        let Some(rest) = line.strip_prefix("at ") else {
            let name = line.split(' ').next().unwrap_or_default();
            return Err(format!("{name}: command not found\r\n"));
        };
        let rest = rest.trim();
        if matches!(rest, "events_enable" | "events_disable") {
            return Err(String::new());
        }
        let bare = rest
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''));
        let command = bare.unwrap_or(rest);
        let unescapes = command.to_ascii_uppercase().starts_with("AT%CMNG=0");
        Ok(if unescapes {
            command.replace("\\n", "\r\n")
        } else {
            command.to_owned()
        })
    }

    fn ends(&self, byte: u8) -> bool {
        let after_cr = self.buffer.last() == Some(&b'\r');
        match (self.style, self.termination) {
            (Style::AtShell, _) => byte == b'\r' || byte == b'\n',
            (_, Termination::Null) => byte == 0,
            (_, Termination::Cr) => byte == b'\r',
            (_, Termination::Lf) => byte == b'\n',
            (_, Termination::CrLf) => byte == b'\n' && after_cr,
        }
    }

    /// Whitespace alone is no command.
    fn take(&mut self) -> Option<String> {
        self.quoted = false;
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned();
        (!line.trim().is_empty()).then_some(line)
    }
}

/// CONFIG_AT_HOST_CMD_MAX_LEN.
const BUFFER: usize = 4096;
const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(face: &mut Face, text: &str) -> Vec<String> {
        text.bytes().filter_map(|byte| face.feed(byte)).collect()
    }

    fn write(tag: u32, length: usize) -> String {
        format!("AT%CMNG=0,{tag},0,\"{}\"\r", "x".repeat(length))
    }

    #[test]
    fn the_longest_content_is_4078_for_tag_10_and_4072_for_the_nrf_cloud_tag() {
        for (tag, length) in [(10, 4078), (16_842_753, 4072)] {
            let mut face = Face::new(Style::AtHost, Termination::Cr);
            assert_eq!(feed(&mut face, &write(tag, length)).len(), 1);
            assert_eq!(feed(&mut face, &write(tag, length + 1)).len(), 0);
        }
    }

    #[test]
    fn an_overflow_wedges_the_line_until_it_is_freed() {
        let mut face = Face::new(Style::AtHost, Termination::Cr);
        assert!(feed(&mut face, &write(10, 4200)).is_empty());
        assert!(feed(&mut face, "AT\r").is_empty());
        assert!(feed(&mut face, "\"\r").is_empty());
        let clear = "\u{8}".repeat(BUFFER);
        assert!(feed(&mut face, &clear).is_empty());
        assert!(feed(&mut face, "AT\r").is_empty());
        assert!(feed(&mut face, &clear).is_empty());
        assert!(feed(&mut face, "\"\u{8}\r").is_empty());
        assert_eq!(feed(&mut face, "AT\r"), ["AT"]);
    }

    #[test]
    fn crlf_in_cr_mode_leaves_the_lf_for_the_next_command() {
        let mut face = Face::new(Style::AtHost, Termination::Cr);
        assert_eq!(feed(&mut face, "AT\r\nAT+CGSN\r\n"), ["AT", "\nAT+CGSN"]);
    }

    #[test]
    fn the_shell_unescapes_line_ends_only_for_a_write() {
        let face = Face::new(Style::AtShell, Termination::Cr);
        assert_eq!(
            face.command("at 'AT%CMNG=0,1,0,\"a\\nb\"'").as_deref(),
            Ok("AT%CMNG=0,1,0,\"a\r\nb\"")
        );
        assert_eq!(
            face.command("at 'AT+X=\"a\\nb\"'").as_deref(),
            Ok("AT+X=\"a\\nb\"")
        );
        assert_eq!(
            face.command("AT"),
            Err("AT: command not found\r\n".to_owned())
        );
    }
}
