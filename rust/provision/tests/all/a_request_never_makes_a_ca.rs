//! A signing request that asks for CA:TRUE gets a device certificate that is none.

#![allow(clippy::unwrap_used)]

use crate::support::Bench;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

fn greedy_request(bench: &Bench) {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "d1");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let request = params
        .serialize_request(&KeyPair::generate().unwrap())
        .unwrap();
    bench.write("greedy.csr", &request.pem().unwrap());
}

#[test]
fn device_create_ignores_it_and_says_so() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    greedy_request(&bench);
    let said = bench.done(&["device", "create", "d1", "--csr", "greedy.csr"]);
    assert!(said.contains("! the request asks to become a CA"), "{said}");
    let checked = bench.done(&["device", "verify", "d1"]);
    assert!(
        checked.contains("✓ device certificate is not a CA"),
        "{checked}"
    );
}

#[test]
fn sign_ca_is_bound_by_the_path_length() {
    let bench = Bench::new();
    bench.done(&["ca", "create", "--name", "top"]);
    bench.done(&[
        "ca",
        "create",
        "--name",
        "last",
        "--parent",
        "top",
        "--path-length",
        "0",
    ]);
    greedy_request(&bench);
    let sign = [
        "ca",
        "sign-ca",
        "--issuer",
        "last",
        "--csr",
        "greedy.csr",
        "--out",
        "x.pem",
    ];
    let said = bench.fails(6, &[&sign[..], &["--path-length", "0"]].concat());
    assert!(said.contains("may have 0 further CAs below it"), "{said}");
    assert!(!bench.path("x.pem").exists());
}

#[test]
fn a_request_that_was_changed_is_refused() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&[
        "ca",
        "csr",
        "--name",
        "factory",
        "--common-name",
        "Factory-Y",
    ]);
    let mut block = iothub_provision::pem::blocks(&bench.read("dev-certs/factory/factory.csr"))
        .unwrap()
        .remove(0);
    let at = block
        .der
        .windows(9)
        .position(|found| found == b"Factory-Y")
        .unwrap();
    block.der[at] = b'X';
    bench.write("changed.csr", &block.encode());
    let said = bench.fails(6, &["device", "create", "d1", "--csr", "changed.csr"]);
    assert!(
        said.contains("changed.csr: the signature of the signing request is wrong"),
        "{said}"
    );
}
