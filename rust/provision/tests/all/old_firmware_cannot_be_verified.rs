//! Modem firmware before 1.3.2 lists placeholders in place of hashes: that is said, not passed.

use crate::support::Bench;

#[test]
fn old_firmware_cannot_be_verified() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let modem = bench.modem(|options| options.firmware = "mfw_nrf9160_1.2.3".to_owned());
    let ca = [
        "--port",
        modem.port(),
        "--tag",
        "10",
        "--ca",
        "dev-certs/rootca/rootca.pem",
    ];
    bench.done(&[&["modem", "creds", "write"][..], &ca[..]].concat());
    let said = bench.fails(13, &[&["modem", "creds", "verify"][..], &ca[..]].concat());
    assert!(
        said.contains("cannot be verified: this modem firmware lists no hashes"),
        "{said}"
    );
    let said = bench.done(&["modem", "creds", "list", "--port", modem.port()]);
    assert!(said.contains("not listed by this modem firmware"), "{said}");
    let said = bench.fails(12, &["modem", "doctor", "--port", modem.port()]);
    assert!(said.contains("%KEYGEN needs 1.3.0"), "{said}");
}

/// 1.3.1 makes keys and lists no hashes: `up` works, says what it could not check, and can be
/// repeated.
#[test]
fn up_says_what_it_could_not_verify() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let modem = bench.modem(|options| {
        options.firmware = "mfw_nrf9160_1.3.1".to_owned();
        options.functional_mode = 1;
    });
    let root = "dev-certs/rootca/rootca.pem";
    let up = ["up", "--port", modem.port(), "--root", root];
    let first = bench.done(&up);
    assert!(!first.contains("verified by SHA-256"), "{first}");
    assert!(first.contains("written, not verified"), "{first}");
    let stored = bench.stored(10, "cert");
    let second = bench.done(&up);
    assert!(!second.contains('✓'), "{second}");
    assert_eq!(bench.stored(10, "cert"), stored);
}
