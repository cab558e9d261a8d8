//! `device --data` takes a folder of a device's, and for itself alone.

use std::{fs, path::Path};

use crate::support::program::Program;
use rustix::process::Signal;

fn device(folder: &Path) -> Program {
    Program::start(|command| {
        command.args(["device", "--data"]).arg(folder);
    })
}

#[test]
fn a_second_device_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("modem")).expect("made");
    let mut first = device(folder.path());
    first.waits_for(iothub_demo::said::ATTACHING);
    let (status, error) = device(folder.path()).ends();
    assert_eq!(status.code(), Some(1));
    assert!(error.contains("in use by another device"), "{error}");
    first.signal(Signal::KILL);
    first.ends();
    let mut next = device(folder.path());
    next.waits_for(iothub_demo::said::ATTACHING);
}

#[test]
fn a_folder_that_is_none_of_a_devices_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing");
    let (status, error) = device(&missing).ends();
    assert_eq!(status.code(), Some(1));
    let said = ["--data", "there is no such folder", "simulate-modem"];
    assert!(said.iter().all(|said| error.contains(said)), "{error}");
    assert!(!missing.exists());

    let other = folder.path().join("other");
    fs::create_dir(&other).expect("made");
    fs::write(other.join("notes.txt"), "mine").expect("written");
    let (status, error) = device(&other).ends();
    assert_eq!(status.code(), Some(1));
    assert!(
        error.contains("no modem") && error.contains("up"),
        "{error}"
    );
    assert_eq!(fs::read_dir(&other).expect("a folder").count(), 1);
}
