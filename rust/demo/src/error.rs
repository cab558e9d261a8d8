//! What can go wrong here, in sentences for the person at the terminal.

use std::{fmt, io, path::Path};

use iothub_provision::Kind;

/// An error with what it was about.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    pub(crate) fn new(what: impl fmt::Display) -> Self {
        Self(what.to_string())
    }

    pub(crate) fn io(what: &str, source: io::Error) -> Self {
        Self(format!("{what}: {source}"))
    }

    /// What lies in the folder of a demonstration cannot be used, or it cannot be written.
    pub(crate) fn data(data: &Path, what: impl fmt::Display) -> Self {
        let data = data.display();
        Self(format!(
            "{what}\n  → delete {data}, or name another with --data"
        ))
    }

    /// Certificates in such a folder. What the tool for them advises are its own commands.
    pub(crate) fn certificates(data: &Path, error: &iothub_provision::Error) -> Self {
        match error.kind() {
            Kind::File | Kind::Content | Kind::Exists | Kind::Trust | Kind::Passphrase => {
                Self::data(data, error.message())
            }
            _ => Self::new(error),
        }
    }

    pub(crate) fn path(path: &Path, source: io::Error) -> Self {
        Self(format!("{}: {source}", path.display()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
