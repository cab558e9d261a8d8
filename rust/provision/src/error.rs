//! One error type for the library and the tool: what went wrong, and what to do about it.

use std::fmt;
use std::path::Path;

/// What kind of failure this is. The number is the exit status of the tool and does not change
/// between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A fault of the tool itself. Report it.
    Internal = 1,
    /// The command line, or a value on it, is wrong.
    Usage = 2,
    /// A file is missing, unreadable or cannot be written.
    File = 3,
    /// The content of a file is not what its place asks for: no PEM, a damaged certificate.
    Content = 4,
    /// Something is there already and would be overwritten.
    Exists = 5,
    /// Certificates, keys or chains do not fit each other, have expired, or break a rule.
    Trust = 6,
    /// A passphrase is missing or wrong.
    Passphrase = 7,
    /// No serial port, or it cannot be opened.
    Port = 10,
    /// The modem does not answer.
    NoAnswer = 11,
    /// The modem answered with an error.
    Refused = 12,
    /// What the modem holds is not what was written.
    Mismatch = 13,
    /// A step failed and left work half done; the advice names the command that finishes it.
    HalfDone = 14,
    /// A server cannot be reached.
    Unreachable = 20,
    /// A server refused the credentials.
    Denied = 21,
    /// A server answered with an error.
    Server = 22,
    /// Ctrl-C: 128 and the number of the signal, as shells have it.
    Interrupted = 130,
}

impl Kind {
    /// Every kind with the sentence that `--help` shows for its exit status.
    pub const ALL: &'static [(Kind, &'static str)] = &[
        (Kind::Internal, "a fault of the tool itself"),
        (Kind::Usage, "the command line is wrong"),
        (
            Kind::File,
            "a file is missing, unreadable or cannot be written",
        ),
        (Kind::Content, "a file does not hold what it should"),
        (
            Kind::Exists,
            "something is there already; --replace overwrites it",
        ),
        (
            Kind::Trust,
            "certificates or keys do not fit, have expired, or break a rule",
        ),
        (Kind::Passphrase, "a passphrase is missing or wrong"),
        (Kind::Port, "no serial port, or it cannot be opened"),
        (Kind::NoAnswer, "the modem does not answer"),
        (Kind::Refused, "the modem answered with an error"),
        (Kind::Mismatch, "the modem does not hold what was written"),
        (
            Kind::HalfDone,
            "half done; the message names the command that finishes it",
        ),
        (Kind::Unreachable, "a server cannot be reached"),
        (Kind::Denied, "a server refused the credentials"),
        (Kind::Server, "a server answered with an error"),
        (Kind::Interrupted, "ended by Ctrl-C"),
    ];

    /// The exit status of the tool.
    pub fn exit_status(self) -> u8 {
        self as u8
    }

    /// The name that `--json` uses.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Internal => "internal",
            Kind::Usage => "usage",
            Kind::File => "file",
            Kind::Content => "content",
            Kind::Exists => "exists",
            Kind::Trust => "trust",
            Kind::Passphrase => "passphrase",
            Kind::Port => "port",
            Kind::NoAnswer => "no-answer",
            Kind::Refused => "refused",
            Kind::Mismatch => "mismatch",
            Kind::HalfDone => "half-done",
            Kind::Unreachable => "unreachable",
            Kind::Denied => "denied",
            Kind::Server => "server",
            Kind::Interrupted => "interrupted",
        }
    }
}

/// What went wrong, where, and what to do next. Never holds key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    message: String,
    advice: Option<String>,
}

impl Error {
    /// An error of this kind; the message names the thing that is wrong.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            advice: None,
        }
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Puts the place in front of the message: `rootca.pem: …`.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// Adds what else the user must know.
    #[must_use]
    pub(crate) fn and(mut self, more: &str) -> Self {
        self.message = format!("{}; {more}", self.message);
        self
    }

    /// The kind: who is to blame.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next, where that is known.
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    pub(crate) fn file(path: &Path, doing: &str, error: &std::io::Error) -> Self {
        let made = Self::new(
            Kind::File,
            format!("cannot {doing} {}: {error}", path.display()),
        );
        match error.kind() {
            std::io::ErrorKind::NotFound => made.advise("check the path, or create the file first"),
            std::io::ErrorKind::PermissionDenied => {
                made.advise("check who owns the file and the folder")
            }
            _ => made,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(advice) = &self.advice {
            write!(f, "\n  → {advice}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
