//! A command with an open quote, or one that overran at_host's buffer, makes the board deaf; the
//! next command of the tool frees it and says so.

use crate::support::Bench;
use iothub_provision::simulator::{Modem, Options, Style, Termination, Timing, serve_pty};
use std::io::Write as _;

#[test]
fn a_wedged_line_is_freed() {
    let bench = Bench::new();
    let modem = Modem::new(Options::new(bench.path("modem-data"))).unwrap();
    let running = serve_pty(modem, Style::AtHost, Termination::Cr, Timing::Instant).unwrap();
    let command = format!("AT%CMNG=0,10,0,\"{}\"\r", "x".repeat(4200));
    let mut port = std::fs::OpenOptions::new()
        .write(true)
        .open(running.port())
        .unwrap();
    port.write_all(command.as_bytes()).unwrap();
    drop(port);

    let said = bench.done(&["modem", "doctor", "--port", running.port()]);
    assert!(
        said.contains("! the line hung in an unfinished command and was freed"),
        "{said}"
    );
    let said = bench.done(&["modem", "doctor", "--port", running.port()]);
    assert!(!said.contains("hung"), "{said}");
}
