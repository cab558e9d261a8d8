//! One conversation over a line: framing found by asking, one command at a time.

use std::time::{Duration, Instant};

use crate::error::{Error, Kind};
use crate::modem::codes::explain;
use crate::modem::port::{Port, without_colours};
use crate::modem::trace::Trace;

/// How commands are put on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Framing {
    /// The AT client (at_host), or the modem library behind it, with this terminator.
    AtHost(Ending),
    /// The serial modem application: CRLF both ways.
    Slm,
    /// Zephyr's shell: `at 'COMMAND'`.
    AtShell,
}

/// What ends a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// CR
    Cr,
    /// CR LF
    CrLf,
    /// LF
    Lf,
    /// NUL
    Null,
}

impl std::fmt::Display for Framing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Framing::AtHost(Ending::Cr) => "AT client (at_host), commands end with CR",
            Framing::AtHost(Ending::CrLf) => "AT client (at_host), commands end with CR LF",
            Framing::AtHost(Ending::Lf) => "AT client (at_host), commands end with LF",
            Framing::AtHost(Ending::Null) => "AT client (at_host), commands end with NUL",
            Framing::Slm => "serial modem application",
            Framing::AtShell => "Zephyr shell (at_shell)",
        })
    }
}

/// An open line whose framing is known.
pub struct Session {
    port: Port,
    pub(super) name: String,
    pub(super) framing: Framing,
    pub(super) was_wedged: bool,
    pub(super) is_in_step: bool,
    pub(super) questions_asked: usize,
    pub(super) marks_heard: usize,
    pub(super) refusals: usize,
    late_reads: usize,
    pace: f64,
    trace: Trace,
    pending: Vec<u8>,
}

impl Session {
    /// Opens a port (a path, or `tcp:host:port`) and finds out what answers. A line that is
    /// wedged by an unfinished command is freed.
    ///
    /// # Errors
    /// [`Kind::Port`] if it cannot be opened, [`Kind::NoAnswer`] if nothing answers.
    pub fn open(name: &str, baud: u32, trace: Trace) -> Result<Self, Error> {
        Self::open_paced(name, baud, trace, 1.0)
    }

    /// As [`Session::open`], with every wait for an answer multiplied by `pace`: for a line that is
    /// slower, or a simulated one that is quicker than a real one.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn open_paced(name: &str, baud: u32, trace: Trace, pace: f64) -> Result<Self, Error> {
        let port = Port::open(name, baud)?;
        let mut session = Self {
            port,
            name: name.to_owned(),
            framing: Framing::AtHost(Ending::Cr),
            was_wedged: false,
            is_in_step: false,
            questions_asked: 0,
            marks_heard: 0,
            refusals: 0,
            late_reads: 0,
            pace,
            trace,
            pending: Vec::new(),
        };
        session.detect()?;
        session.command("AT+CMEE=1")?;
        Ok(session)
    }

    /// The port's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What answers.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the line had to be freed of an unfinished command.
    pub fn was_wedged(&self) -> bool {
        self.was_wedged
    }

    /// Whether the next answer will be that of the next command.
    pub(crate) fn is_in_step(&self) -> bool {
        self.is_in_step
    }

    /// Sends one command and returns the lines before `OK`. What can be asked twice without harm is
    /// asked again, once, when a byte seems to have been lost on the way: nothing has come back, or
    /// the modem did not understand.
    ///
    /// # Errors
    /// [`Kind::Refused`] for `ERROR` and `+CME ERROR`, [`Kind::NoAnswer`] after 20 s where a key is
    /// made or the mode is changed, and after 8 s else.
    pub fn command(&mut self, command: &str) -> Result<Vec<String>, Error> {
        self.try_command(command)?
            .map_err(|code| refused(command, code))
    }

    /// As [`Session::command`], but gives the number of a `+CME ERROR` instead of an error; `None`
    /// is a plain `ERROR`.
    pub(crate) fn try_command(
        &mut self,
        command: &str,
    ) -> Result<Result<Vec<String>, Option<u16>>, Error> {
        let mut may_repeat = is_repeatable(command);
        loop {
            let silence = match self.exchange(command, time_limit(command)) {
                Ok(lines) => return Ok(Ok(lines)),
                Err(Failure::Code(None | Some(WRONG_PARAMETER))) if may_repeat => None,
                Err(Failure::Code(code)) => return Ok(Err(code)),
                Err(Failure::Line(error)) => return Err(error),
                Err(Failure::Silence) => Some(self.silent(command)),
            };
            match silence {
                Some(error) if !may_repeat || !self.is_in_step => return Err(error),
                _ => may_repeat = false,
            }
        }
    }

    /// Frees the line, so that the next command has a chance, and says what has happened.
    fn silent(&mut self, command: &str) -> Error {
        let what = format!(
            "no answer to {} within {} s",
            short(command),
            time_limit(command).as_secs()
        );
        let what = Error::new(Kind::NoAnswer, what);
        match self.free(&ALIVE) {
            Err(error) => error,
            Ok(true) => {
                self.was_wedged = true;
                what.advise(
                    "bytes were lost on the line, which hung and was freed; run the same command again",
                )
            }
            Ok(false) => {
                what.advise("check cable and power, then run iothub-provision modem doctor")
            }
        }
    }

    fn exchange(&mut self, command: &str, time_limit: Duration) -> Result<Vec<String>, Failure> {
        if !self.is_in_step && !self.get_in_step(&ALIVE[..2]).map_err(Failure::Line)? {
            return Err(Failure::Silence);
        }
        self.drain().map_err(Failure::Line)?;
        self.say(command).map_err(Failure::Line)?;
        let answer = self.receive(command, time_limit);
        self.is_in_step = !matches!(answer, Err(Failure::Silence | Failure::Line(_)));
        answer
    }

    fn receive(&mut self, command: &str, time_limit: Duration) -> Result<Vec<String>, Failure> {
        let deadline = self.deadline(time_limit);
        let mut lines = Vec::new();
        while let Some(line) = self.line_until(deadline, command).map_err(Failure::Line)? {
            match ending(&line) {
                Some(Ok(())) => return Ok(lines),
                Some(Err(code)) => return Err(Failure::Code(code)),
                None if is_noise(&line, command) => {}
                None => lines.push(line),
            }
        }
        Err(Failure::Silence)
    }

    /// When a wait of this length is over.
    pub(super) fn deadline(&self, time_limit: Duration) -> Instant {
        Instant::now() + time_limit.mul_f64(self.pace)
    }

    pub(super) fn say(&mut self, command: &str) -> Result<(), Error> {
        self.late_reads = 0;
        self.trace.sent(command);
        self.send(&self.framed(command))
    }

    /// The next line that is not empty, without the echo of this command; what has come before the
    /// deadline is read even if it has passed.
    pub(super) fn line_until(
        &mut self,
        deadline: Instant,
        command: &str,
    ) -> Result<Option<String>, Error> {
        let mut buffer = [0; 1024];
        loop {
            while let Some(line) = self.next_line() {
                let line = self.cleaned(&line, command);
                if !line.is_empty() {
                    self.trace.received(&line);
                    return Ok(Some(line));
                }
            }
            let is_late = Instant::now() >= deadline;
            let length = self.port.read(&mut buffer)?;
            self.pending.extend_from_slice(&buffer[..length]);
            if is_late {
                self.late_reads += 1;
                if length == 0 || self.late_reads > LATE_READS {
                    return Ok(None);
                }
            }
        }
    }

    fn framed(&self, command: &str) -> Vec<u8> {
        let ending: &[u8] = match self.framing {
            Framing::AtShell => {
                let escaped = command.replace('\n', "\\n");
                return format!("at '{escaped}'\r").into_bytes();
            }
            Framing::AtHost(Ending::Cr) => b"\r",
            Framing::AtHost(Ending::Lf) => b"\n",
            Framing::AtHost(Ending::Null) => b"\0",
            Framing::AtHost(Ending::CrLf) | Framing::Slm => b"\r\n",
        };
        [command.as_bytes(), ending].concat()
    }

    /// In pieces, no faster than the UART behind a USB bridge takes them: an old bridge loses
    /// bytes otherwise.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let paced = self.port.is_paced() && bytes.len() > PIECE;
        for piece in bytes.chunks(PIECE) {
            let started = Instant::now();
            self.port.write(piece)?;
            if paced {
                let due = BYTE.saturating_mul(u32::try_from(piece.len()).unwrap_or(u32::MAX));
                std::thread::sleep(due.saturating_sub(started.elapsed()));
            }
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<(), Error> {
        let mut buffer = [0; 1024];
        self.pending.clear();
        while self.port.has_input() && self.port.read(&mut buffer)? > 0 {}
        Ok(())
    }

    fn next_line(&mut self) -> Option<String> {
        let end = self.pending.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.pending.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).into_owned())
    }

    /// Without line ends, colours, the shell's prompt and its echo.
    fn cleaned(&self, line: &str, command: &str) -> String {
        let mut line = without_colours(line)
            .trim_matches(['\r', '\n', '\0'])
            .to_owned();
        if self.framing == Framing::AtShell {
            line = line.replace(PROMPT, "");
            let head: String = command.chars().take(12).collect();
            if line
                .trim_start()
                .starts_with(&format!("at '{}", head.lines().next().unwrap_or("")))
            {
                return String::new();
            }
        }
        line
    }
}

enum Failure {
    Line(Error),
    Silence,
    Code(Option<u16>),
}

/// `OK`, `ERROR` or `+CME ERROR: n`.
pub(super) fn ending(line: &str) -> Option<Result<(), Option<u16>>> {
    match line.trim() {
        "OK" => Some(Ok(())),
        "ERROR" => Some(Err(None)),
        text => {
            let code = text
                .strip_prefix("+CME ERROR:")
                .or(text.strip_prefix("+CMS ERROR:"))?;
            Some(Err(code.trim().parse().ok()))
        }
    }
}

/// Log lines, and results that belong to another command: nobody has asked for them.
fn is_noise(line: &str, command: &str) -> bool {
    let is_log = line.starts_with('[') && line.contains("] <");
    let asked = command.get(2..).unwrap_or("");
    let asked = asked.split(['=', '?']).next().unwrap_or("");
    let unsolicited = name_in(line).is_some_and(|name| !name.eq_ignore_ascii_case(asked));
    is_log || unsolicited || line.starts_with("*** ")
}

/// `+CGEV` of `+CGEV: ME DETACH`.
fn name_in(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    let letters = name.strip_prefix(['+', '%', '#'])?;
    let is_name = !letters.is_empty()
        && letters
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then_some(name)
}

/// Whether asking twice does no more than asking once.
fn is_repeatable(command: &str) -> bool {
    let once = ["AT%CMNG=0", "AT%KEYGEN"];
    !once.iter().any(|once| command.starts_with(once))
}

/// For a line on which something has answered.
pub(super) const ALIVE: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
];

pub(super) fn refused(command: &str, code: Option<u16>) -> Error {
    match code.map(explain) {
        Some(text) => Error::new(
            Kind::Refused,
            format!(
                "{} was refused: {} (+CME ERROR: {})",
                short(command),
                text.meaning,
                text.code
            ),
        )
        .advise(text.advice),
        None => Error::new(
            Kind::Refused,
            format!("{} was refused (ERROR)", short(command)),
        )
        .advise("this firmware may not have the command; see iothub-provision modem info"),
    }
}

/// The name of a command, without its arguments: they may be long, and secret.
fn short(command: &str) -> String {
    let mut fields = command.splitn(4, ',');
    let head: Vec<&str> = fields.by_ref().take(3).collect();
    head.join(",").lines().next().unwrap_or_default().to_owned()
}

const PROMPT: &str = "uart:~$ ";
const PIECE: usize = 256;
/// One byte at 115200 baud, 8N1.
const BYTE: Duration = Duration::from_nanos(86_806);
/// Also what the modem says to a command with a byte missing.
const WRONG_PARAMETER: u16 = 50;
/// How often a line is read after the deadline: a board that never stops talking has an end too.
const LATE_READS: usize = 64;
/// How long a command may take: writing a key takes 1.5 s, making one and leaving a network longer.
fn time_limit(command: &str) -> Duration {
    let is_slow = ["AT%KEYGEN", "AT+CFUN="]
        .iter()
        .any(|slow| command.starts_with(slow));
    Duration::from_secs(if is_slow { 20 } else { 8 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_other_commands_are_noise() {
        assert!(is_noise("+CGEV: ME DETACH", "AT+CFUN=4"));
        assert!(is_noise("%NCELLMEAS: 1", "AT+CGMR"));
        assert!(is_noise(
            "[00:00:01.000,000] <inf> app: +CFUN: 1",
            "AT+CFUN?"
        ));
        assert!(!is_noise("+CFUN: 4", "AT+CFUN?"));
        assert!(!is_noise("%CMNG: 10,0,\"AB\"", "AT%CMNG=1,10"));
        assert!(!is_noise("mfw_nrf9160_1.3.5", "AT+CGMR"));
        assert!(!is_noise("+abc/def=", "AT%CMNG=2,10,0"));
    }
}
