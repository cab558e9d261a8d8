//! Ctrl-C during `--once`: no folder with keys stays, nothing is said of steps that were not done,
//! and the status is the one that shells know.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::support::program::Program;
use rustix::process::Signal;

/// A device that writes without end into the folder that is to be removed, and heeds no signal.
const SCRIBBLER: &str = r#"#!/bin/sh
trap '' INT TERM
echo scribbling
while kill -0 $PPID 2>/dev/null; do
    : >one; : >two; : >three
done
"#;

fn left(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path().display().to_string())
        .collect()
}

#[test]
fn though_a_child_still_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (temporary, device) = (folder.path().join("tmp"), folder.path().join("scribbler"));
    fs::create_dir(&temporary).expect("made");
    fs::write(&device, SCRIBBLER).expect("written");
    fs::set_permissions(&device, fs::Permissions::from_mode(0o755)).expect("made a program");
    let mut program = Program::start(|command| {
        command.args(["--once", "--verbose", "--mqtt", "0", "--device"]);
        command.arg(&device).env("TMPDIR", &temporary);
    });
    program.waits_for("scribbling");
    assert_eq!(left(&temporary).len(), 1);
    program.signal(Signal::INT);
    let (status, error) = program.ends();
    assert_eq!(status.code(), Some(130), "{error}");
    assert_eq!(error, "");
    assert_eq!(left(&temporary), [""; 0]);
    says_nothing_of_failures(&program);
}

#[test]
fn at_any_step() {
    let temporary = tempfile::tempdir().expect("a folder");
    for line in [1, 2, 3, 6, 20, 40, 60] {
        let mut program = Program::start(|command| {
            command.args(["--once", "--verbose"]);
            command.env("TMPDIR", temporary.path());
        });
        assert!(program.waits_for_lines(line));
        program.signal(Signal::TERM);
        let (status, error) = program.ends();
        assert_eq!(status.code(), Some(130), "at line {line}: {error}");
        assert_eq!(left(temporary.path()), [""; 0], "at line {line}");
        says_nothing_of_failures(&program);
    }
}

/// Beside what hub and device say of each other's end.
fn says_nothing_of_failures(program: &Program) {
    let mut own = program.printed.iter().filter(|line| !line.contains('│'));
    let failure = own.find(|line| line.contains("FAIL") || line.contains("failed"));
    assert_eq!(failure, None, "{:#?}", program.printed);
}
