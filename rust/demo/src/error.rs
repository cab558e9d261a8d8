//! What can go wrong here, in sentences for the person at the terminal.

use std::{fmt, io, path::Path};

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
