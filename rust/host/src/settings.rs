//! Settings that survive a reboot: one file each, replaced by renaming, so that a crash leaves
//! either the old value or the new one.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Mutex,
};

use crate::{
    errno::Errno,
    lock, log,
    system::{readable_by, sync_folder},
};

/// The settings under one folder.
#[derive(Debug)]
pub(crate) struct Settings {
    folder: PathBuf,
    writing: Mutex<()>,
}

impl Settings {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            writing: Mutex::new(()),
        }
    }

    /// The value under `key`; `ENOENT` if there is none.
    pub(crate) fn load(&self, key: &str) -> Result<Vec<u8>, Errno> {
        let path = self.path(key)?;
        fs::read(&path).map_err(|error| failed(&path, &error))
    }

    /// Replaces the value under `key`; an empty one deletes it.
    pub(crate) fn store(&self, key: &str, value: &[u8]) -> Result<(), Errno> {
        let path = self.path(key)?;
        let written = {
            let _one_writer = lock(&self.writing);
            if value.is_empty() {
                remove(&path)
            } else {
                replace(&path, value, 0o644)
            }
        };
        written.map_err(|error| failed(&path, &error))
    }

    fn path(&self, key: &str) -> Result<PathBuf, Errno> {
        let good = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        if !key.split('/').all(good) {
            log::error!(
                "settings",
                "{key:?} is no key: letters, digits, '_', '-' and '.' between '/'"
            );
            return Err(Errno::INVAL);
        }
        Ok(self.folder.join(key))
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Writes a file beside `path` and renames it; makes the folders on the way.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let new = folder.join(name);
    let _ = fs::remove_file(&new);
    let mut options = fs::OpenOptions::new();
    readable_by(options.write(true).create_new(true), mode);
    let mut file = options.open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, path)?;
    sync_folder(folder)
}

fn failed(path: &Path, error: &io::Error) -> Errno {
    if error.kind() == io::ErrorKind::NotFound {
        return Errno::NOENT;
    }
    log::error!("settings", "{}: {error}", path.display());
    Errno::from(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> (tempfile::TempDir, Settings) {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::new(folder.path().join("settings"));
        (folder, settings)
    }

    #[test]
    fn a_value_is_kept_replaced_and_deleted() {
        let (_folder, settings) = settings();
        assert_eq!(settings.load("iothub/hostname"), Err(Errno::NOENT));
        settings.store("iothub/hostname", b"a.example").unwrap();
        settings.store("iothub/hostname", b"b.example").unwrap();
        assert_eq!(settings.load("iothub/hostname").unwrap(), b"b.example");
        settings.store("iothub/hostname", b"").unwrap();
        assert_eq!(settings.load("iothub/hostname"), Err(Errno::NOENT));
        settings.store("iothub/hostname", b"").unwrap();
    }

    #[test]
    fn a_file_left_by_a_crash_while_writing_is_no_obstacle_and_no_value() {
        let (folder, settings) = settings();
        settings.store("a/b", b"old").unwrap();
        fs::write(folder.path().join("settings/a/.b.new"), "half").unwrap();
        assert_eq!(settings.load("a/b").unwrap(), b"old");
        settings.store("a/b", b"new").unwrap();
        assert_eq!(settings.load("a/b").unwrap(), b"new");
        assert!(!folder.path().join("settings/a/.b.new").exists());
    }

    #[test]
    fn a_key_cannot_leave_the_folder() {
        let (_folder, settings) = settings();
        for key in [
            "",
            "/",
            "../x",
            "a/../../x",
            "a//b",
            "/etc/x",
            "a/.b",
            "a b",
            "ä",
        ] {
            assert_eq!(settings.store(key, b"x"), Err(Errno::INVAL), "{key:?}");
            assert_eq!(settings.load(key), Err(Errno::INVAL), "{key:?}");
        }
    }
}
