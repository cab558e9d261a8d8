//! Nordic's nrfcredstore, unchanged, lists, writes, deletes and generates on the simulated modem.
//! IOTHUB_PYTHON names a Python that has it (`pip install nrfcredstore==2.1.0`); without it the
//! test is skipped.

#![allow(clippy::unwrap_used)]

mod support;
use iothub_provision::simulator::{Modem, Options, Style, Termination, Timing, serve_pty};
use std::process::Command;
use support::{Bench, text};

#[test]
fn nrfcredstore_works_with_the_simulated_modem() {
    let python = std::env::var("IOTHUB_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let probe = Command::new(&python)
        .args(["-c", "import nrfcredstore"])
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {python} has no nrfcredstore; name one that has with IOTHUB_PYTHON");
        return;
    }
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    let modem = Modem::new(Options::new(bench.path("modem-data"))).unwrap();
    let running = serve_pty(modem, Style::AtHost, Termination::Cr, Timing::Instant).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/on_a_pty.py");
    let run = |arguments: &str| {
        let output = Command::new(&python)
            .current_dir(bench.path(""))
            .args([script, running.port()])
            .args(arguments.split(' '))
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments}: {}", text(&output));
        text(&output)
    };
    assert!(run("imei").contains("352656100367872"));
    run("write 10 ROOT_CA_CERT dev-certs/rootca/rootca.pem");
    run("write 10 CLIENT_CERT dev-certs/devices/d1.chain.pem");
    run("write 10 CLIENT_KEY dev-certs/devices/d1.key");
    let listed = run("list");
    assert!(
        ["ROOT_CA_CERT", "CLIENT_CERT", "CLIENT_KEY"]
            .iter()
            .all(|kind| listed.contains(kind))
    );
    let root = bench.read("dev-certs/rootca/rootca.pem");
    assert_eq!(bench.stored(10, "ca").unwrap(), root.trim_end());
    run("delete 10 CLIENT_KEY");
    assert_eq!(bench.stored(10, "key"), None);
    run("generate 11 request.der");
    let request = std::fs::read(bench.path("request.der")).unwrap();
    iothub_provision::pki::SigningRequest::from_der(request).unwrap();
    run("deleteall");
    assert_eq!(bench.stored(11, "key"), None);
}
