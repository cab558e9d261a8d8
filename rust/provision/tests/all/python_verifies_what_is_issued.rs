//! Python's `cryptography` and PyJWT verify a chain and a token. IOTHUB_PYTHON names a Python
//! that has them; without it the test is skipped.

#![allow(clippy::unwrap_used)]

use crate::support::{Bench, text};
use std::process::Command;

const SCRIPT: &str = "
import sys, jwt
from cryptography import x509
root = x509.load_pem_x509_certificate(open('dev-certs/rootca/rootca.pem', 'rb').read())
leaf, sub = x509.load_pem_x509_certificates(open('dev-certs/devices/d1.chain.pem', 'rb').read())
leaf.verify_directly_issued_by(sub)
sub.verify_directly_issued_by(root)
assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
claims = jwt.decode(sys.argv[1], leaf.public_key(), algorithms=['ES256'])
assert claims['sub'] == 'd1', claims
";

#[test]
fn python_verifies_what_is_issued() {
    let python = std::env::var("IOTHUB_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let probe = Command::new(&python)
        .args(["-c", "import jwt, cryptography"])
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {python} has no PyJWT and cryptography; see IOTHUB_PYTHON");
        return;
    }
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    let key = [
        "nrfcloud",
        "jwt",
        "--key",
        "dev-certs/devices/d1.key",
        "--sub",
        "d1",
    ];
    let token = bench.done(&[&key[..], &["--days", "1"]].concat());
    let output = Command::new(&python)
        .current_dir(bench.path(""))
        .args(["-c", SCRIPT, token.trim()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
}
