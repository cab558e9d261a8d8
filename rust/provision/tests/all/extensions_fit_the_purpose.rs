//! Subject, extensions, serial number and validity are what root, intermediate, device and server
//! need and no more, as OpenSSL shows them.

use crate::support::CODE;
use crate::support::{Bench, has_openssl};

#[test]
fn of_root_intermediate_device_and_proof() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "352656100367872"]);
    bench.done(&["ca", "prove", CODE]);
    let extensions = "basicConstraints,keyUsage,extendedKeyUsage";
    let shown = |file: &str| {
        let path = format!("dev-certs/{file}.pem");
        let all = [
            "x509", "-in", &path, "-noout", "-subject", "-issuer", "-ext", extensions,
        ];
        let text = bench.openssl(&all);
        text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        shown("rootca/rootca"),
        "subject=CN = Development Root CA\nissuer=CN = Development Root CA\n\
         X509v3 Key Usage: critical\nCertificate Sign, CRL Sign\n\
         X509v3 Basic Constraints: critical\nCA:TRUE"
    );
    assert_eq!(
        shown("subca/subca"),
        "subject=CN = Development Intermediate CA\nissuer=CN = Development Root CA\n\
         X509v3 Key Usage: critical\nCertificate Sign, CRL Sign\n\
         X509v3 Extended Key Usage:\nTLS Web Client Authentication, TLS Web Server Authentication\n\
         X509v3 Basic Constraints: critical\nCA:TRUE"
    );
    assert_eq!(
        shown("devices/352656100367872"),
        "subject=CN = 352656100367872\nissuer=CN = Development Intermediate CA\n\
         X509v3 Key Usage: critical\nDigital Signature\n\
         X509v3 Extended Key Usage:\nTLS Web Client Authentication\n\
         X509v3 Basic Constraints: critical\nCA:FALSE"
    );
    assert_eq!(
        shown("subca/proof"),
        format!(
            "subject=CN = {CODE}\nissuer=CN = Development Intermediate CA\n\
         X509v3 Key Usage: critical\nDigital Signature\n\
         X509v3 Basic Constraints: critical\nCA:FALSE"
        )
    );
}

#[test]
fn serial_numbers_are_128_random_bits_and_name_the_kept_copy() {
    let bench = Bench::new();
    let made = bench.json(&["ca", "create"]);
    let serials: Vec<&str> = (0..2)
        .map(|at| made["authorities"][at]["serial"].as_str().unwrap())
        .collect();
    assert_ne!(serials[0], serials[1]);
    for serial in serials {
        assert_eq!(serial.len(), 32, "{serial}");
        assert!(
            bench
                .path(&format!("dev-certs/rootca/certs/{serial}.pem"))
                .exists()
        );
    }
    let index = bench.read("dev-certs/rootca/db/index.txt");
    assert_eq!(index.lines().count(), 2);
    assert!(
        index.contains("\tunknown\t/CN=Development Intermediate CA\n"),
        "{index}"
    );
}

#[test]
fn a_validity_never_outlives_the_issuer() {
    let bench = Bench::new();
    bench.done(&["ca", "create", "--days", "10"]);
    let device = bench.json(&["device", "create", "d1", "--days", "3650"]);
    let authority = bench.json(&["ca", "list"]);
    assert_eq!(
        device["device"]["notAfter"],
        authority["authorities"][1]["notAfter"]
    );
}

#[test]
fn a_modules_common_name_is_device_and_module() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let made = bench.json(&["device", "create", "d1/m1"]);
    let path = made["device"]["certificate"].as_str().unwrap();
    let certificate = iothub_provision::pki::Certificate::from_pem(&bench.read(path)).unwrap();
    assert_eq!(certificate.common_name(), Some("d1/m1"));
    let until = made["device"]["notAfter"].as_str().unwrap();
    assert!(until.contains("T") && until.ends_with("Z"), "{until}");
    bench.done(&["device", "verify", "d1/m1"]);
}
