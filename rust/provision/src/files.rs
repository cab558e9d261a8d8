//! Files that are whole or absent: written beside their place, then renamed into it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Kind};
use crate::platform;

/// Writes a file that only its owner may read (mode 0600).
pub(crate) fn write_private(path: &Path, content: &str) -> Result<(), Error> {
    write(path, content.as_bytes(), 0o600)
}

/// Writes a file that everybody may read (mode 0644).
pub(crate) fn write_public(path: &Path, content: &str) -> Result<(), Error> {
    spares_keys(path)?;
    write(path, content.as_bytes(), 0o644)
}

/// Whatever is to be written: a private key that stands there would be lost for ever.
pub(crate) fn spares_keys(path: &Path) -> Result<(), Error> {
    let mark = b"PRIVATE KEY-----";
    let old = path.is_file().then(|| read_bytes(path).unwrap_or_default());
    match old
        .unwrap_or_default()
        .windows(mark.len())
        .any(|it| it == mark)
    {
        false => Ok(()),
        true => Err(Error::new(
            Kind::Exists,
            format!(
                "{} holds a private key, which would be lost",
                path.display()
            ),
        )
        .advise("give another name; a key that is of no use any more is deleted by hand")),
    }
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
    platform::restrict_folder(path)
        .map_err(|error| Error::file(path, "set the permissions of", &error))
}

/// Checks that there is a folder for this file, before work that would be lost without one.
pub(crate) fn has_place(path: &Path) -> Result<(), Error> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => Err(Error::new(
            Kind::File,
            format!("there is no folder {}", folder.display()),
        )
        .advise("create the folder first")),
        _ => Ok(()),
    }
}

/// Reads a text file as people have it: UTF-8, with or without a byte order mark, or UTF-16 with
/// one, which is what PowerShell 5 writes.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    text(&read_bytes(path)?).map_err(|error| error.at(path.display()))
}

/// Reads a file that may be text or not.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    match read {
        Ok(length) if length as u64 > LARGEST => Err(Error::new(
            Kind::Content,
            format!("{} has more than {LARGEST} bytes", path.display()),
        )
        .advise("give the file itself: no certificate, key or list is that large")),
        Ok(_) => Ok(bytes),
        Err(error) => Err(Error::file(path, "read", &error)),
    }
}

/// More than a list of a hundred thousand devices has; what has no end has more.
const LARGEST: u64 = 256 << 20;

/// The text of a file. Bytes that are no text are replaced, since a PEM file may have a note in any
/// encoding in front.
pub(crate) fn text(bytes: &[u8]) -> Result<String, Error> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks(2).map(|pair| match pair {
            [first, second] => unit([*first, *second]),
            _ => 0xD800,
        });
        String::from_utf16(&units.collect::<Vec<u16>>()).map_err(|_| {
            Error::new(Kind::Content, "the file is UTF-16, and damaged")
                .advise("save it as UTF-8; in PowerShell with Set-Content -Encoding utf8")
        })
    };
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => Ok(String::from_utf8_lossy(rest).into_owned()),
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0, second, ..] | [second, 0, ..] if second.is_ascii_graphic() => Err(Error::new(
            Kind::Content,
            "the file is UTF-16 without a byte order mark",
        )
        .advise("save it as UTF-8; in PowerShell with Set-Content -Encoding utf8")),
        _ => Ok(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// Whether these bytes are DER: they begin with a SEQUENCE that goes to their end.
pub(crate) fn is_der(bytes: &[u8]) -> bool {
    let length = match bytes {
        [0x30, short @ ..=0x7F, ..] => 2 + usize::from(*short),
        [0x30, 0x81, one, ..] => 3 + usize::from(*one),
        [0x30, 0x82, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => return false,
    };
    length == bytes.len()
}

/// Makes everything that was written to this folder's disk so far survive a power cut: once for a
/// whole batch, since waiting for the disk after each file is most of the time that a file takes.
pub(crate) fn sync_folder(folder: &Path) {
    platform::sync_folder(folder);
}

/// Deletes what a process that was killed has left half written, in this folder and below. Whoever
/// still writes holds a lock on his file.
pub(crate) fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => sweep(&path),
            Ok(kind) if kind.is_file() && is_beside(&path) => remove_unless_locked(&path),
            _ => {}
        }
    }
}

fn remove_unless_locked(path: &Path) {
    if let Ok(file) = File::open(path)
        && file.try_lock().is_ok()
    {
        let _ = fs::remove_file(path);
    }
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let beside = beside(path);
    let written = create_locked(&beside, mode)
        .and_then(|mut file| file.write_all(content).map(|()| file))
        .and_then(|file| platform::finish(&file).map(|()| file))
        .and_then(|_locked| fs::rename(&beside, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        Error::file(path, "write", &error)
    })
}

/// A sweep may come between the making and the locking: then it is made again.
fn create_locked(path: &Path, mode: u32) -> io::Result<File> {
    loop {
        let mut options = OpenOptions::new();
        platform::readable_by(options.write(true).create_new(true), mode);
        let file = options.open(path)?;
        file.lock()?;
        if platform::is_linked(&file)? {
            return Ok(file);
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}-{count}.new", std::process::id()));
    path.with_file_name(name)
}

/// Whether [`beside`] makes such names.
fn is_beside(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let parts = name
        .strip_suffix(".new")
        .and_then(|name| name.rsplit_once('.'))
        .and_then(|(_, mark)| mark.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    parts.is_some_and(|(process, count)| is_number(process) && is_number(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_leftovers_are_swept() {
        let folder = tempfile::TempDir::new().unwrap();
        let below = folder.path().join("devices");
        fs::create_dir(&below).unwrap();
        let left = below.join("d1.key.4711-3.new");
        let locked = below.join("d2.key.4711-4.new");
        let names = ["d1.pem", "notes.new", "d1.key.new", "d-1.new", "x.a-1.new"];
        let others: Vec<PathBuf> = names.iter().map(|name| below.join(name)).collect();
        for path in others.iter().chain([&left]) {
            fs::write(path, "x").unwrap();
        }
        let writer = create_locked(&locked, 0o600).unwrap();
        sweep(folder.path());
        assert!(!left.exists());
        assert!(locked.exists() && others.iter().all(|path| path.exists()));
        drop(writer);
        sweep(folder.path());
        assert!(!locked.exists());
    }

    #[test]
    fn writers_and_sweepers_do_not_disturb_each_other() {
        let folder = tempfile::TempDir::new().unwrap();
        std::thread::scope(|scope| {
            let writing: Vec<_> = (0..2)
                .map(|writer| {
                    let path = folder.path().join(format!("{writer}.pem"));
                    scope.spawn(move || (0..500).try_for_each(|_| write_public(&path, "whole")))
                })
                .collect();
            let is_done = || writing.iter().all(|thread| thread.is_finished());
            while !is_done() {
                sweep(folder.path());
            }
            for thread in writing {
                thread.join().unwrap().unwrap();
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
