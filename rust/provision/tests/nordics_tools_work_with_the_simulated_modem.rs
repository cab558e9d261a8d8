//! Nordic's own tools, unchanged, on the simulated modem: nrfcredstore lists, writes, deletes and
//! generates; nrfcloud-utils' device_credentials_installer makes a device ready and verifies it.
//! IOTHUB_PYTHON names a Python that has them (`pip install nrfcredstore==2.1.0
//! nrfcloud-utils==3.3.1`); without them the test is skipped.

#![allow(clippy::unwrap_used)]

mod support;
use iothub_provision::simulator::{Modem, Options, Running, Style, Termination, Timing, serve_pty};
use std::process::Command;
use support::{Bench, text};

/// The Python that has this module.
fn python_with(module: &str) -> Option<String> {
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

fn modem(bench: &Bench) -> Running {
    let modem = Modem::new(Options::new(bench.path("modem-data"))).unwrap();
    serve_pty(modem, Style::AtHost, Termination::Cr, Timing::Instant).unwrap()
}

fn run(bench: &Bench, python: &str, module: &str, modem: &Running, arguments: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/on_a_pty.py");
    let output = Command::new(python)
        .current_dir(bench.path(""))
        .args([script, module, modem.port()])
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments}: {}", text(&output));
    text(&output)
}

#[test]
fn nrfcredstore_works_with_the_simulated_modem() {
    let Some(python) = python_with("nrfcredstore") else {
        return;
    };
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    let modem = modem(&bench);
    let run = |arguments: &str| run(&bench, &python, "nrfcredstore.cli", &modem, arguments);
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

#[test]
fn the_device_credentials_installer_makes_a_device_ready() {
    let Some(python) = python_with("nrfcloud_utils") else {
        return;
    };
    let bench = Bench::new();
    bench.done(&["ca", "create", "--name", "ca"]);
    let modem = modem(&bench);
    let module = "nrfcloud_utils.device_credentials_installer";
    let ca = "--ca dev-certs/ca/ca.pem --ca-key dev-certs/ca/ca.key --id-imei --id-str nrf- -d -s";
    let said = run(
        &bench,
        &python,
        module,
        &modem,
        &format!("{ca} -F APP|MODEM --verify --plain"),
    );
    assert!(said.contains("COSE digest matches payload"), "{said}");
    assert!(said.contains("Credential verification: PASS"), "{said}");
    assert!(
        bench
            .read("onboard.csv")
            .starts_with("nrf-352656100367872,,,APP|MODEM,\"-----BEGIN")
    );
    assert!(bench.stored(16_842_753, "key").is_some());
}
