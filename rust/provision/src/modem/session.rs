//! One conversation over a line: framing found by asking, one command at a time.

use std::time::{Duration, Instant};

use crate::error::{Error, Kind};
use crate::modem::codes::explain;
use crate::modem::port::Port;
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
    name: String,
    framing: Framing,
    was_wedged: bool,
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
        let port = Port::open(name, baud)?;
        let mut session = Self {
            port,
            name: name.to_owned(),
            framing: Framing::AtHost(Ending::Cr),
            was_wedged: false,
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

    /// Whether the line had to be freed first (F2).
    pub fn was_wedged(&self) -> bool {
        self.was_wedged
    }

    /// Sends one command and returns the lines before `OK`.
    ///
    /// # Errors
    /// [`Kind::Refused`] for `ERROR` and `+CME ERROR`, [`Kind::NoAnswer`] after 20 s where a key is made
    /// or the mode is changed, and after 8 s else.
    pub fn command(&mut self, command: &str) -> Result<Vec<String>, Error> {
        self.exchange(command, patience(command))
            .map_err(|failure| match failure {
                Failure::Line(error) => error,
                Failure::Silence => self.silent(command),
                Failure::Code(code) => refused(command, code),
            })
    }

    /// As [`Session::command`], but gives the number of a `+CME ERROR` instead of an error.
    pub(crate) fn try_command(&mut self, command: &str) -> Result<Result<Vec<String>, u16>, Error> {
        match self.exchange(command, patience(command)) {
            Ok(lines) => Ok(Ok(lines)),
            Err(Failure::Code(Some(code))) => Ok(Err(code)),
            Err(Failure::Code(None)) => Err(refused(command, None)),
            Err(Failure::Line(error)) => Err(error),
            Err(Failure::Silence) => Err(self.silent(command)),
        }
    }

    /// Frees the line, so that the next command has a chance, and says what has happened.
    fn silent(&mut self, command: &str) -> Error {
        let what = format!(
            "no answer to {} within {} s",
            short(command),
            patience(command).as_secs()
        );
        let what = Error::new(Kind::NoAnswer, what);
        match self.free() {
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

    /// Empties the command buffer of a board that hangs in an unfinished quote, or has overrun, and
    /// closes the quote, so that nothing of what stood there is carried out (F2). Whether the quote
    /// is open cannot be seen from here: so the second attempt.
    fn free(&mut self) -> Result<bool, Error> {
        self.send(&[BACKSPACE; BUFFER])?;
        for _ in 0..2 {
            self.send(CLOSE_QUOTE)?;
            if self.answers()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn detect(&mut self) -> Result<(), Error> {
        for round in 0..2 {
            for framing in CANDIDATES {
                self.framing = framing;
                if self.answers()? {
                    self.was_wedged = round > 0;
                    return Ok(());
                }
            }
            self.framing = CANDIDATES[0];
            if round == 0 && self.free()? {
                self.was_wedged = true;
                return Ok(());
            }
        }
        Err(Error::new(
            Kind::NoAnswer,
            format!("nothing on {} answers AT commands", self.name),
        )
        .advise(
            "is the board on, is it the right port, and does its firmware have the AT client? \
                 see modem ports and docs/provisioning.md",
        ))
    }

    /// Sends `AT`, twice if the first is lost in what stood on the line before.
    fn answers(&mut self) -> Result<bool, Error> {
        for _ in 0..2 {
            match self.exchange("AT", PROBE) {
                Ok(_) => {
                    if !self.is_in_step()? {
                        return Ok(false);
                    }
                    if self.framing == Framing::AtHost(Ending::CrLf) && self.is_slm() {
                        self.framing = Framing::Slm;
                    }
                    return Ok(true);
                }
                Err(Failure::Line(error)) => return Err(error),
                Err(Failure::Code(_)) => {}
                Err(Failure::Silence) => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Asks for something that has an answer of its own and reads up to it: an `OK` on its way to an
    /// `AT` before would be taken for the answer to the next command.
    fn is_in_step(&mut self) -> Result<bool, Error> {
        let mut outcome = self.exchange(MARK, PROBE);
        loop {
            match outcome {
                Ok(lines) if lines.iter().any(|line| line.starts_with(MARKED)) => return Ok(true),
                Ok(_) | Err(Failure::Code(_)) => outcome = self.receive(MARK, PROBE),
                Err(Failure::Silence) => return Ok(false),
                Err(Failure::Line(error)) => return Err(error),
            }
        }
    }

    fn is_slm(&mut self) -> bool {
        self.exchange("AT#XSLMVER", PROBE).is_ok()
    }

    fn exchange(&mut self, command: &str, patience: Duration) -> Result<Vec<String>, Failure> {
        self.drain().map_err(Failure::Line)?;
        self.trace.sent(command);
        self.send(&self.framed(command)).map_err(Failure::Line)?;
        self.receive(command, patience)
    }

    fn receive(&mut self, command: &str, patience: Duration) -> Result<Vec<String>, Failure> {
        let deadline = Instant::now() + patience;
        let mut lines = Vec::new();
        let mut buffer = [0; 1024];
        loop {
            while let Some(line) = self.next_line() {
                let line = self.cleaned(&line, command);
                match ending(&line) {
                    _ if line.is_empty() => {}
                    Some(Ok(())) => {
                        self.trace.received(&line);
                        return Ok(lines);
                    }
                    Some(Err(code)) => {
                        self.trace.received(&line);
                        return Err(Failure::Code(code));
                    }
                    None => {
                        self.trace.received(&line);
                        if !is_noise(&line, command) {
                            lines.push(line);
                        }
                    }
                }
            }
            if Instant::now() >= deadline {
                return Err(Failure::Silence);
            }
            let length = self.port.read(&mut buffer).map_err(Failure::Line)?;
            self.pending.extend_from_slice(&buffer[..length]);
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
    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
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
fn ending(line: &str) -> Option<Result<(), Option<u16>>> {
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

/// Log lines and unsolicited results, unless they are what the command asks for.
fn is_noise(line: &str, command: &str) -> bool {
    let is_log = line.starts_with('[') && line.contains("] <");
    let name = command
        .get(2..)
        .unwrap_or("")
        .split(['=', '?'])
        .next()
        .unwrap_or("");
    let unsolicited = UNSOLICITED.iter().any(|prefix| {
        line.starts_with(&format!("{prefix}:")) && !name.eq_ignore_ascii_case(prefix)
    });
    is_log || unsolicited || line.starts_with("*** ")
}

pub(crate) fn without_colours(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            clean.push(c);
        } else if rest.next() == Some('[') {
            rest.by_ref().find(char::is_ascii_alphabetic);
        }
    }
    clean
}

fn refused(command: &str, code: Option<u16>) -> Error {
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

/// In an order in which none answers to what is meant for another: LF before CR LF, since a
/// firmware that ends commands with LF takes the CR for part of the command.
const CANDIDATES: [Framing; 5] = [
    Framing::AtHost(Ending::Cr),
    Framing::AtHost(Ending::Lf),
    Framing::AtHost(Ending::CrLf),
    Framing::AtShell,
    Framing::AtHost(Ending::Null),
];
const UNSOLICITED: &[&str] = &[
    "+CGEV",
    "+CEREG",
    "+CSCON",
    "%XTIME",
    "+CNEC_ESM",
    "+CNEC_EMM",
    "%MDMEV",
    "%XSIM",
];
const BACKSPACE: u8 = 0x08;
/// at_host's CONFIG_AT_HOST_CMD_MAX_LEN.
const BUFFER: usize = 4096;
/// A quote that is taken back at once, and every terminator: a command without a character is
/// dropped.
const CLOSE_QUOTE: &[u8] = b"\"\x08\r\n\0";
const PROMPT: &str = "uart:~$ ";
const PIECE: usize = 256;
/// One byte at 115200 baud, 8N1.
const BYTE: Duration = Duration::from_nanos(86_806);
const MARK: &str = "AT+CMEE?";
const MARKED: &str = "+CMEE:";
const PROBE: Duration = Duration::from_millis(700);
/// How long a command may take: writing a key takes 1.5 s, making one and leaving a network longer.
fn patience(command: &str) -> Duration {
    let is_slow = ["AT%KEYGEN", "AT+CFUN="]
        .iter()
        .any(|slow| command.starts_with(slow));
    Duration::from_secs(if is_slow { 20 } else { 8 })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// A modem that answers one `AT` twice: the second `OK` arrives after the next question.
    fn modem_with_a_late_ok() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = format!("tcp:{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut late = "OK\r\n";
            for line in BufReader::new(stream.try_clone().unwrap()).split(b'\r') {
                let answer = match line.unwrap().as_slice() {
                    b"AT+CMEE?" => format!("{}+CMEE: 0\r\nOK\r\n", std::mem::take(&mut late)),
                    b"AT+CGMR" => format!("{}mfw_nrf9160\r\nOK\r\n", std::mem::take(&mut late)),
                    _ => "OK\r\n".to_owned(),
                };
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        port
    }

    #[test]
    fn an_answer_that_comes_late_is_not_the_next_one() {
        let mut session = Session::open(&modem_with_a_late_ok(), 115_200, Trace::off()).unwrap();
        assert_eq!(session.command("AT+CGMR").unwrap(), ["mfw_nrf9160"]);
    }
}
