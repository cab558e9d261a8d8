//! Whenever Ctrl-C comes, hub and device end, the program says no more than that it stops, and its
//! status is 0.

use std::{fs, io::Write as _};

use crate::support::program::{Gate, Program};
use rustix::process::Signal;

/// Between two gates, so that it is before the hub's start for certain.
#[test]
fn before_the_hub_is_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Gate::at(folder.path().join("device/settings/iothub/hostname"));
    let second = Gate::at(folder.path().join("lock"));
    let mut program = Program::start(|command| {
        command.args(["--mqtt", "0", "--http", "0", "--data"]);
        command.arg(folder.path());
    });
    let _first = first.lets_write();
    program.signal(Signal::INT);
    program.waits_for("stopping");
    let _second = second.lets_write();
    let (status, error) = program.ends();
    assert_eq!(status.code(), Some(0), "{error}");
    assert_eq!((program.printed.len(), error.as_str()), (1, ""));
}

#[test]
fn while_it_is_starting_and_afterwards() {
    for line in [1, 2, 6, 10, 18, 24] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut program = Program::start(|command| {
            command.args(["--mqtt", "0", "--http", "0", "--data"]);
            command.arg(folder.path());
        });
        assert!(program.waits_for_lines(line));
        program.signal(Signal::INT);
        let (status, error) = program.ends();
        assert_eq!(status.code(), Some(0), "at line {line}: {error}");
        assert_eq!(error, "", "at line {line}");
        let stopped = program.printed.iter().any(|line| line == "stopping");
        assert!(stopped, "at line {line}: {:#?}", program.printed);
    }
}

/// What SIGTERM is to the device's own process: a gate holds it before the simulated board runs.
#[test]
fn the_device_process_ends_well_from_its_first_moment_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let slots = folder.path().join("firmware");
    fs::create_dir_all(folder.path().join("modem")).expect("made");
    let device = || {
        Program::start(|command| {
            command.args(["device", "--time-factor", "0.01", "--data"]);
            command.arg(folder.path());
        })
    };
    let mut first = device();
    first.waits_for(iothub_demo::said::ATTACHING);
    first.signal(Signal::TERM);
    assert_eq!(first.ends().0.code(), Some(0));

    let state = fs::read(slots.join("state")).expect("the slots' state");
    fs::remove_file(slots.join("state")).expect("removed");
    let gate = Gate::at(slots.join("state"));
    let mut second = device();
    let mut opened = gate.lets_read();
    second.signal(Signal::TERM);
    opened.write_all(&state).expect("written");
    drop(opened);
    let (status, error) = second.ends();
    assert_eq!(status.code(), Some(0), "{status}: {error}");
}
