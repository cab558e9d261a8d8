//! Files that are whole or absent: written beside their place, then renamed into it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::Error;

/// Writes a file that only its owner may read (mode 0600).
pub(crate) fn write_private(path: &Path, content: &str) -> Result<(), Error> {
    write(path, content.as_bytes(), 0o600)
}

/// Writes a file that everybody may read (mode 0644).
pub(crate) fn write_public(path: &Path, content: &str) -> Result<(), Error> {
    write(path, content.as_bytes(), 0o644)
}

/// Adds one line to a file that is only ever appended to.
pub(crate) fn append_line(path: &Path, line: &str) -> Result<(), Error> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
        .map_err(|error| Error::file(path, "append to", &error))
}

/// Creates a folder, with its parents, that only its owner may enter.
pub(crate) fn create_private_folder(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(|error| Error::file(path, "create the folder", &error))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .map_err(|error| Error::file(path, "set the permissions of", &error))
}

/// Reads a text file.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(|error| Error::file(path, "read", &error))
}

/// Makes what was renamed into these folders survive a power cut.
pub(crate) fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let beside = beside(path);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        Error::file(path, "write", &error)
    })
}

fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}-{count}.new", std::process::id()));
    path.with_file_name(name)
}
