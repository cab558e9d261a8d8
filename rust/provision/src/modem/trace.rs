//! The transcript of a conversation, with everything secret taken out.

use std::io::Write;

/// Where the transcript goes.
pub struct Trace {
    out: Option<Box<dyn Write + Send>>,
}

impl Trace {
    /// No transcript.
    pub fn off() -> Self {
        Self { out: None }
    }

    /// To a file or to standard error.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        Self {
            out: Some(Box::new(out)),
        }
    }

    pub(crate) fn sent(&mut self, command: &str) {
        self.write("→", &masked(command));
    }

    pub(crate) fn received(&mut self, line: &str) {
        self.write("←", line);
    }

    fn write(&mut self, mark: &str, text: &str) {
        if let Some(out) = &mut self.out {
            for line in text.lines() {
                let _ = writeln!(out, "{mark} {line}");
            }
        }
    }
}

/// A command without the content of keys and pre-shared keys (types 2, 3 and 4) and without a
/// passphrase.
pub(crate) fn masked(command: &str) -> String {
    let Some(rest) = command.strip_prefix("AT%CMNG=0,") else {
        return command.to_owned();
    };
    let mut parts = rest.splitn(3, ',');
    let (tag, kind) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let content = parts.next().unwrap_or("");
    match kind.trim() {
        "0" | "1" => command.to_owned(),
        _ => format!(
            "AT%CMNG=0,{tag},{kind},\"[secret, {} bytes]\"",
            content.len()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn keys_do_not_stand_in_a_transcript() {
        assert_eq!(
            masked("AT%CMNG=0,10,2,\"abc\",\"pw\""),
            "AT%CMNG=0,10,2,\"[secret, 10 bytes]\""
        );
        assert_eq!(masked("AT%CMNG=0,10,1,\"abc\""), "AT%CMNG=0,10,1,\"abc\"");
        assert_eq!(masked("AT+CFUN?"), "AT+CFUN?");
    }
}
