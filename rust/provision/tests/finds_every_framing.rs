//! Whatever firmware stands before the modem, its framing is found and the same command works.

mod support;
use iothub_provision::simulator::{Style, Termination};
use support::Bench;

#[track_caller]
fn finds(style: Style, termination: Termination, framing: &str) {
    let bench = Bench::new();
    let modem = bench.modem_with(style, termination, |_| {});
    let info = bench.json(&["modem", "info", "--port", modem.port()]);
    assert_eq!(info["framing"], framing);
    assert_eq!(info["imei"], "352656100367872");
    bench.done(&["ca", "create"]);
    let (port, ca) = (modem.port(), "dev-certs/rootca/rootca.pem");
    bench.done(&[
        "modem", "creds", "write", "--port", port, "--tag", "10", "--ca", ca,
    ]);
}

#[test]
fn at_host_with_cr() {
    finds(
        Style::AtHost,
        Termination::Cr,
        "AT client (at_host), commands end with CR",
    );
}

#[test]
fn at_host_with_lf() {
    finds(
        Style::AtHost,
        Termination::Lf,
        "AT client (at_host), commands end with LF",
    );
}

#[test]
fn at_host_with_nul() {
    finds(
        Style::AtHost,
        Termination::Null,
        "AT client (at_host), commands end with NUL",
    );
}

#[test]
fn serial_modem() {
    finds(Style::Slm, Termination::CrLf, "serial modem application");
}
