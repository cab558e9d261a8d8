//! What cannot be is said before anything starts, by the name that the option has at the terminal.

use crate::support::program::Program;
use iothub_host::Network;

fn demo(arguments: &[&str]) -> (Option<i32>, String) {
    let mut program = Program::start(|command| {
        command.args(arguments);
    });
    let (status, error) = program.ends();
    (status.code(), program.printed.join("\n") + &error)
}

#[test]
fn options_that_cannot_be_are_named() {
    for (arguments, named) in [
        (
            &["device", "--data", "/nowhere", "--time-factor", "nan"][..],
            "--time-factor",
        ),
        (
            &["device", "--data", "/nowhere", "--time-factor", "1001"],
            "--time-factor",
        ),
        (
            &["device", "--data", "/nowhere", "--send-timeout", "0"],
            "--send-timeout",
        ),
        (
            &["device", "--data", "/nowhere", "--network", "5g"],
            "--network",
        ),
        (&["--network", "5g"], "--network"),
        (&["--once", "device", "--data", "/nowhere"], "--once"),
        (&["--http", "0", "device", "--data", "/nowhere"], "--http"),
    ] {
        let (status, said) = demo(arguments);
        assert_eq!(status, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
    }
}

#[test]
fn the_help_lists_every_network() {
    for arguments in [&["--help"][..], &["device", "--help"]] {
        let (_, said) = demo(arguments);
        for network in Network::ALL {
            assert!(said.contains(network.name()), "{network}: {said}");
        }
    }
}
