//! Nordic's Python tools on the simulated modem.

use std::process::Command;

use iothub_provision::simulator::{Modem, Options, Running, Style, Termination, Timing, serve_pty};

use super::{Bench, text};

/// The Python that has this module.
pub fn python_with(module: &str) -> Option<String> {
    let python = std::env::var("IOTHUB_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let probe = Command::new(&python)
        .args(["-c", &format!("import {module}")])
        .output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!("skipped: {python} has no {module}; name one that has with IOTHUB_PYTHON");
    None
}

pub fn modem(bench: &Bench) -> Running {
    let modem = Modem::new(Options::new(bench.path("modem-data"))).unwrap();
    serve_pty(modem, Style::AtHost, Termination::Cr, Timing::Instant).unwrap()
}

pub fn run(bench: &Bench, python: &str, module: &str, modem: &Running, arguments: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/support/on_a_pty.py");
    let output = Command::new(python)
        .current_dir(bench.path(""))
        .args([script, module, modem.port()])
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments}: {}", text(&output));
    text(&output)
}
