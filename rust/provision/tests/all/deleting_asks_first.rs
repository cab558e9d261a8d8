//! Deleting a whole tag or all tags needs a yes; nRF Cloud's tag is left alone.

use crate::support::Bench;

#[test]
fn deleting_asks_first() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let modem = bench.modem(|_| {});
    let port = modem.port();
    let write = [
        "modem",
        "creds",
        "write",
        "--port",
        port,
        "--ca",
        "dev-certs/rootca/rootca.pem",
    ];
    bench.done(&[&write[..], &["--tag", "10"]].concat());
    bench.done(&[&write[..], &["--tag", "16842753", "--allow-nrf-cloud-tag"]].concat());

    let delete = ["modem", "creds", "delete", "--port", port];
    let said = bench.fails(2, &[&delete[..], &["--all-tags"]].concat());
    assert!(
        said.contains("1 credential would be deleted, and nobody can be asked"),
        "{said}"
    );
    assert!(bench.stored(10, "ca").is_some());
    bench.done(&[&delete[..], &["--all-tags", "--yes"]].concat());
    assert!(bench.stored(10, "ca").is_none());
    assert!(bench.stored(16_842_753, "ca").is_some());
    let said = bench.done(&[&delete[..], &["--tag", "10", "--only", "key"]].concat());
    assert!(said.contains("= nothing to delete"), "{said}");
}
