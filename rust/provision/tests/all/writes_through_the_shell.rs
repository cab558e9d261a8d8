//! at_shell stores certificates with CRLF; the hash of that form is accepted too.

use crate::support::Bench;
use iothub_provision::simulator::{Style, Termination};

#[test]
fn writes_through_the_shell() {
    let bench = Bench::new();
    let modem = bench.modem_with(Style::AtShell, Termination::Cr, |_| {});
    let info = bench.json(&["modem", "info", "--port", modem.port()]);
    assert_eq!(info["framing"], "Zephyr shell (at_shell)");
    bench.done(&["ca", "create"]);
    let ca = "dev-certs/rootca/rootca.pem";
    bench.done(&[
        "modem",
        "creds",
        "write",
        "--port",
        modem.port(),
        "--tag",
        "10",
        "--ca",
        ca,
    ]);
    assert_eq!(
        bench.stored(10, "ca").unwrap(),
        bench.read(ca).replace('\n', "\r\n")
    );
    let again = [
        "modem",
        "creds",
        "write",
        "--port",
        modem.port(),
        "--tag",
        "10",
        "--ca",
        ca,
    ];
    assert!(bench.done(&again).contains("there already"));
}
