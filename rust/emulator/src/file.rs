//! Files that a person named on the command line.

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::code::Refusal;

/// What the system says, without the number of the error, which tells nobody more.
pub(crate) fn without_number(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Whose file or folder this is to be: as `mode` says on Unix, as the folder above it says
/// elsewhere.
pub(crate) trait Mode {
    /// Sets the mode of what is made with these options.
    fn owned(&mut self, mode: u32) -> &mut Self;
}

impl Mode for OpenOptions {
    fn owned(&mut self, mode: u32) -> &mut Self {
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(self, mode);
        #[cfg(not(unix))]
        let _ = mode;
        self
    }
}

impl Mode for DirBuilder {
    fn owned(&mut self, mode: u32) -> &mut Self {
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(self, mode);
        #[cfg(not(unix))]
        let _ = mode;
        self
    }
}

/// What stands in a file that somebody named.
pub(crate) fn read_text(path: &Path) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(|error| FileError::Unreadable(path.to_owned(), error))
}

/// TOML as JSON.
pub(crate) fn parse_toml(text: &str) -> Result<Value, toml::de::Error> {
    toml::from_str(text)
}

/// Why a file is of no use.
#[derive(Debug)]
pub(crate) enum FileError {
    /// The system does not give it.
    Unreadable(PathBuf, std::io::Error),
    /// It is no TOML.
    Toml(PathBuf, toml::de::Error),
    /// What it says makes no sense.
    Content(PathBuf, Refusal),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(
                f,
                "{}: {}; name a file that can be read",
                path.display(),
                without_number(error)
            ),
            Self::Toml(path, error) => {
                let text = error.to_string();
                write!(f, "{}: {}", path.display(), text.trim_end())
            }
            Self::Content(path, refusal) => write!(f, "{}: {}", path.display(), refusal.reason),
        }
    }
}

impl std::error::Error for FileError {}
