//! A renewed CA has the same key and name: certificates that it signed before stay valid.

use crate::support::Bench;

#[test]
fn a_renewed_ca_keeps_its_devices() {
    let bench = Bench::new();
    let prefix = [
        "--subject-prefix",
        "/C=NO/O=Company",
        "--unit",
        "Test Devices",
        "--days",
        "100",
    ];
    bench.done(&[&["ca", "create"][..], &prefix[..]].concat());
    bench.done(&["device", "create", "d1"]);
    let before = bench.json(&["ca", "list"]);
    for name in ["rootca", "subca"] {
        bench.done(&["ca", "renew", name, "--days", "200"]);
    }
    let after = bench.json(&["ca", "list"]);
    for at in 0..2 {
        let (old, new) = (&before["authorities"][at], &after["authorities"][at]);
        assert_eq!(old["subject"], new["subject"]);
        assert_ne!(old["serial"], new["serial"]);
        assert_eq!(
            (&old["daysLeft"], &new["daysLeft"]),
            (&99.into(), &199.into())
        );
    }
    let subject = after["authorities"][1]["subject"].as_str().unwrap();
    assert_eq!(
        subject,
        "C=NO, O=Company, OU=Test Devices, CN=Development Intermediate CA"
    );
    let chain = bench.read("dev-certs/devices/d1.pem") + &bench.read("dev-certs/subca/subca.pem");
    bench.write("chain.pem", &chain);
    bench.done(&["device", "verify", "d1", "--chain", "chain.pem"]);
}

#[test]
fn a_ca_is_renewed_by_the_signer_that_has_its_key() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&[
        "ca",
        "import-chain",
        "--name",
        "again",
        "dev-certs/rootca/rootca.pem",
    ]);
    bench.done(&["ca", "renew", "subca", "--days", "100"]);
}
