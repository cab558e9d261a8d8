//! Completion for three shells and a manual page for each command.

use crate::support::Bench;

#[test]
fn completion_and_manual_name_every_command() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish"] {
        let said = bench.done(&["completion", shell]);
        for command in ["ca", "device", "modem", "hub", "up", "nrfcloud", "monitor"] {
            assert!(
                said.contains(command),
                "{shell} does not complete {command}"
            );
        }
    }
    bench.done(&["man", "--to", "man1"]);
    for page in [
        "iothub-provision",
        "iothub-provision-up",
        "iothub-provision-modem-creds-write",
    ] {
        assert!(
            bench
                .read(&format!("man1/{page}.1"))
                .contains(".SH SYNOPSIS"),
            "{page}"
        );
    }
}
