//! Nordic's nrfcredstore, unchanged, on the simulated modem: it lists, writes, deletes and
//! generates. IOTHUB_PYTHON names a Python that has it (`pip install nrfcredstore==2.1.0`); without
//! it the test is skipped.

#![allow(clippy::unwrap_used)]

use crate::support::Bench;
use crate::support::python::{modem, python_with, run};

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
