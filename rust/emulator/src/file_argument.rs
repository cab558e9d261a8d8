//! Files that arguments name.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// A file that cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    option: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.error.to_string();
        let why = error.split(" (os error").next().unwrap_or_default();
        let (option, path) = (self.option, self.path.display());
        write!(f, "{option}{path}: {why}; name a file that can be read")
    }
}

impl std::error::Error for Unreadable {}

/// The text of a file. `option` is what names it, with a space behind it.
pub(crate) fn read(option: &'static str, path: &Path) -> Result<String, Unreadable> {
    std::fs::read_to_string(path).map_err(|error| Unreadable {
        option,
        path: path.to_owned(),
        error,
    })
}

/// A token that cannot be written.
#[derive(Debug)]
pub(crate) struct Unwritable {
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, error) = (self.path.display(), &self.error);
        write!(f, "--token-file {path}: it cannot be written: {error}")
    }
}

impl std::error::Error for Unwritable {}

/// Writes a new token, beside the file first, so that it is there whole or not at all.
pub(crate) fn make_token(path: &Path) -> Result<(), Unwritable> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let write = || {
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{}", iothub_emulator::new_token())?;
        file.persist_noclobber(path).map_err(|error| error.error)
    };
    write().map(drop).map_err(|error| Unwritable {
        path: path.to_owned(),
        error,
    })
}
