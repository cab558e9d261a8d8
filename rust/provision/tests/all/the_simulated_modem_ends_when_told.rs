//! Ctrl-C, or a signal from a script, ends `simulate-modem` with status 0, and takes its link away.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::support::Bench;

#[track_caller]
fn ends_with(signal: &str) {
    let bench = Bench::new();
    let arguments = ["simulate-modem", "--data", "device", "--link", "port"];
    let mut child = bench
        .command(&arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut ready).unwrap();
    assert!(ready.starts_with("ready port="), "{ready}");
    assert!(bench.path("port").is_symlink());
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([signal, &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!bench.path("port").is_symlink());
}

#[test]
fn ctrl_c() {
    ends_with("-INT");
}

#[test]
fn terminate() {
    ends_with("-TERM");
}
