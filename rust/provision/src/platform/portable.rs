//! What every system has. On Windows a file has the permissions of its folder, which are the user's
//! own below the profile.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// What is said of a file that is for its owner alone: here its folder decides.
pub(crate) const FOR_ITS_OWNER: &str = "";

/// There are no modes.
pub(crate) fn readable_by(_: &mut OpenOptions, _mode: u32) {}

/// There are no modes.
pub(crate) fn restrict_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// An open file keeps its name here.
pub(crate) fn is_linked(_: &File) -> io::Result<bool> {
    Ok(true)
}

/// Waits until the file is on the disk.
pub(crate) fn finish(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Nothing is left to wait for.
pub(crate) fn sync_folder(_: &Path) {}

/// What of a name no file of Windows can have, where it is not the whole of a name that is a
/// device's there.
pub(crate) fn no_file_name(name: &str) -> Option<String> {
    let is_odd = |c: char| matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|');
    if let Some(odd) = name.chars().find(|c| is_odd(*c)) {
        return Some(format!("no file of Windows can have {odd:?} in its name"));
    }
    let mut parts = name.split('/');
    let stem = |part: &str| {
        part.split('.')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    let is_device = |part: &str| {
        let stem = stem(part);
        let numbered = |kind| {
            let number = stem.strip_prefix(kind);
            number.is_some_and(|it| it.len() == 1 && it.bytes().all(|b| b.is_ascii_digit()))
        };
        matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
    };
    parts
        .find(|part| is_device(part))
        .map(|part| format!("{part} is a device of Windows, and no file can have its name"))
}

/// Whether it is a file: a serial line has no path.
pub(crate) fn is_no_line(name: &str) -> bool {
    Path::new(name).is_file()
}

/// There are no pseudo terminals that a link could lead to.
pub(crate) fn link(_target: &Path, _link: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
