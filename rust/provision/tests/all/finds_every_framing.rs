//! Whatever firmware stands before the modem, its framing is found and the same command works, also
//! if each answer takes longer than the tool waits for the first.

#![allow(clippy::unwrap_used)]

use crate::support::Bench;
use iothub_provision::modem::{Modem, Session, Trace};
use iothub_provision::simulator::{Style, Termination, Timing};

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

/// A modem sixty times slower than a real one, and everything, its waits too, five times quicker.
#[track_caller]
fn finds_slow(style: Style, termination: Termination, framing: &str) {
    const QUICKER: f64 = 5.0;
    let bench = Bench::new();
    let modem = bench.modem_in(Timing::Real(60.0 / QUICKER), style, termination, |_| {});
    let session = Session::open_paced(modem.port(), 115_200, Trace::off(), 1.0 / QUICKER);
    let mut modem = Modem::new(session.unwrap());
    assert_eq!(modem.session().framing().to_string(), framing);
    assert_eq!(modem.imei().unwrap(), "352656100367872");
}

#[test]
fn a_slow_at_host_with_cr() {
    let framing = "AT client (at_host), commands end with CR";
    finds_slow(Style::AtHost, Termination::Cr, framing);
}

#[test]
fn a_slow_at_host_with_lf() {
    let framing = "AT client (at_host), commands end with LF";
    finds_slow(Style::AtHost, Termination::Lf, framing);
}

#[test]
fn a_slow_at_host_with_cr_lf() {
    let framing = "AT client (at_host), commands end with CR LF";
    finds_slow(Style::AtHost, Termination::CrLf, framing);
}

#[test]
fn a_slow_at_host_with_nul() {
    let framing = "AT client (at_host), commands end with NUL";
    finds_slow(Style::AtHost, Termination::Null, framing);
}

#[test]
fn a_slow_shell() {
    finds_slow(Style::AtShell, Termination::Cr, "Zephyr shell (at_shell)");
}

#[test]
fn a_slow_serial_modem() {
    finds_slow(Style::Slm, Termination::CrLf, "serial modem application");
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
