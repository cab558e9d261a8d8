//! A device whose key the modem, or somebody else, has made: `device create` and `device export`
//! say so, and change nothing.

use crate::support::Bench;

const ID: &str = "352656100367872";

#[test]
fn made_by_the_modem() {
    let bench = Bench::new();
    let modem = bench.modem(|_| {});
    bench.done(&["up", "--port", modem.port()]);
    let before = bench.snapshot();
    let said = bench.fails(5, &["device", "create", ID]);
    assert!(said.contains("the modem has made the key"), "{said}");
    assert!(said.contains("another id, or --replace"), "{said}");
    let said = bench.fails(5, &["device", "export", ID, "--out", "credentials"]);
    assert!(said.contains("the modem has made the key"), "{said}");
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn made_with_a_request() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let modem = bench.modem(|_| {});
    let keygen = ["modem", "keygen", "--port", modem.port(), "--out", "d.csr"];
    bench.done(&keygen);
    bench.done(&["device", "create", ID, "--csr", "d.csr"]);
    let said = bench.fails(5, &["device", "create", ID]);
    assert!(
        said.contains("made elsewhere, with a signing request"),
        "{said}"
    );
}
