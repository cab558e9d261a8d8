//! OpenSSL's command line accepts each chain, key, request and proof, for every kind of key.

use crate::support::CODE;
use crate::support::{Bench, has_openssl};

fn issued_with(algorithm: &str) -> Bench {
    let bench = Bench::new();
    bench.done(&["ca", "create", "--algorithm", algorithm]);
    bench.done(&[
        "device",
        "create",
        "352656100367872",
        "--algorithm",
        algorithm,
    ]);
    bench.done(&["ca", "prove", CODE]);
    bench
}

fn is_verified(algorithm: &str, key_line: &str) {
    if !has_openssl() {
        return;
    }
    let bench = issued_with(algorithm);
    let (root, sub) = ("dev-certs/rootca/rootca.pem", "dev-certs/subca/subca.pem");
    let leaf = "dev-certs/devices/352656100367872.pem";
    let key = "dev-certs/devices/352656100367872.key";
    for (purpose, certificate) in [("sslclient", leaf), ("any", "dev-certs/subca/proof.pem")] {
        let arguments = [
            "verify",
            "-x509_strict",
            "-purpose",
            purpose,
            "-CAfile",
            root,
        ];
        let said = bench.openssl(&[&arguments[..], &["-untrusted", sub, certificate]].concat());
        assert!(said.ends_with(": OK\n"), "{said}");
    }
    bench.openssl(&["pkey", "-in", key, "-check", "-noout"]);
    let from_key = bench.openssl(&["pkey", "-in", key, "-pubout"]);
    assert_eq!(
        from_key,
        bench.openssl(&["x509", "-in", leaf, "-pubkey", "-noout"])
    );
    let shown = bench.openssl(&["x509", "-in", leaf, "-text", "-noout"]);
    assert!(shown.contains(key_line), "{shown}");
}

#[test]
fn with_p256() {
    is_verified("p256", "ASN1 OID: prime256v1");
}

#[test]
fn with_p384() {
    is_verified("p384", "ASN1 OID: secp384r1");
}

#[test]
fn with_rsa() {
    is_verified("rsa2048", "Public-Key: (2048 bit)");
}

#[test]
fn signing_requests() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    bench.done(&[
        "ca",
        "csr",
        "--name",
        "factory",
        "--common-name",
        "Factory-Y",
    ]);
    let said = bench.openssl(&[
        "req",
        "-in",
        "dev-certs/factory/factory.csr",
        "-verify",
        "-noout",
    ]);
    assert!(said.contains("verify OK"), "{said}");
}
