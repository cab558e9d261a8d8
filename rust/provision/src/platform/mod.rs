//! What Linux, other Unix systems and Windows do differently: who may read a file, and when it is
//! on the disk.
//!
//! `portable` is what is left without Unix. It is compiled and tested on every system, so that it
//! stays whole; which of the two is used the target decides.

#[cfg(any(not(unix), test))]
#[cfg_attr(unix, allow(dead_code))]
mod portable;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use portable::{
    FOR_ITS_OWNER, finish, is_linked, is_no_line, link, no_file_name, readable_by, restrict_folder,
    sync_folder,
};
#[cfg(unix)]
pub(crate) use unix::{
    FOR_ITS_OWNER, finish, is_linked, is_no_line, link, no_file_name, readable_by, restrict_folder,
    sync_folder,
};

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};

    use super::*;

    #[test]
    fn both_write_whole_files() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("file");
        restrict_folder(folder.path()).unwrap();
        portable::restrict_folder(folder.path()).unwrap();
        for with in [readable_by, portable::readable_by] {
            let mut options = OpenOptions::new();
            with(options.write(true).create_new(true), 0o600);
            let file = options.open(&path).unwrap();
            assert!(is_linked(&file).unwrap() && portable::is_linked(&file).unwrap());
            finish(&file).unwrap();
            portable::finish(&file).unwrap();
            fs::remove_file(&path).unwrap();
        }
        sync_folder(folder.path());
        portable::sync_folder(folder.path());
    }

    #[test]
    fn names_that_windows_has_no_file_for_are_known() {
        for name in ["a:b", "*", "d?", "con", "NUL", "aux.1", "com1", "d1/lpt9"] {
            assert!(portable::no_file_name(name).is_some(), "{name}");
            assert_eq!(no_file_name(name).is_some(), cfg!(not(unix)), "{name}");
        }
        for name in [
            "352656100367872",
            "d1/m1",
            "console",
            "com",
            "com10",
            "a.con",
            "%=@$'!(),",
        ] {
            assert_eq!(portable::no_file_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_file_is_no_serial_line() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "x").unwrap();
        let name = path.to_string_lossy();
        assert!(is_no_line(&name) && portable::is_no_line(&name));
        assert!(!portable::is_no_line("COM3"));
        assert!(portable::link(&path, &folder.path().join("link")).is_err());
    }
}
