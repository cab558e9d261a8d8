//! nrfcloud-utils' device_credentials_installer, unchanged, makes a device ready on the simulated
//! modem and verifies it. IOTHUB_PYTHON names a Python that has it (`pip install
//! nrfcloud-utils==3.3.1`); without it the test is skipped.

#![allow(clippy::unwrap_used)]

use crate::support::Bench;
use crate::support::python::{modem, python_with, run};

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
