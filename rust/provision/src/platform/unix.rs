//! Modes, links and terminals of Unix; `syncfs` of Linux.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// What is said of a file that is for its owner alone.
pub(crate) const FOR_ITS_OWNER: &str = " (0600)";

/// Makes the file with this mode.
pub(crate) fn readable_by(options: &mut OpenOptions, mode: u32) {
    options.mode(mode);
}

/// What of a name no file can have: nothing that a device id may have.
pub(crate) fn no_file_name(_: &str) -> Option<String> {
    None
}

/// Only the owner may enter.
pub(crate) fn restrict_folder(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

/// Whether the open file still has a name.
pub(crate) fn is_linked(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() > 0)
}

/// Before a file gets its name: on Linux [`sync_folder`] waits for the disk once for all files.
pub(crate) fn finish(file: &File) -> io::Result<()> {
    match cfg!(target_os = "linux") {
        true => Ok(()),
        false => file.sync_all(),
    }
}

/// Waits until what was written to this folder's disk is on it.
#[cfg(target_os = "linux")]
pub(crate) fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = rustix::fs::syncfs(folder);
    }
}

/// Waits until the names in this folder are on its disk; each file has waited for itself.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Whether there is something of that name which can be opened, and is no terminal line.
pub(crate) fn is_no_line(name: &str) -> bool {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(name)
        .is_ok_and(|file| !file.is_terminal())
}

/// A symbolic link to a pseudo terminal.
pub(crate) fn link(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}
