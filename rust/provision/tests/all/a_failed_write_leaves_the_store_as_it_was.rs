//! A write that the modem refuses is rolled back, or said to be half done.

use crate::support::Bench;

fn write<'a>(port: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let all = ["modem", "creds", "write", "--port", port, "--tag", "10"];
    let files = [
        "--ca",
        "dev-certs/rootca/rootca.pem",
        "--cert",
        "dev-certs/devices/d1.chain.pem",
    ];
    [&all[..], &files[..], more].concat()
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    bench
}

#[test]
fn what_was_new_is_deleted_again() {
    let bench = bench();
    let modem = bench.modem(|options| options.capacity = 1000);
    let said = bench.fails(12, &write(modem.port(), &[]));
    assert!(
        said.contains("AT%CMNG=0,10,1 was refused: the credential store is full (+CME ERROR: 515)"),
        "{said}"
    );
    assert!(said.contains("delete tags that are not used"), "{said}");
    assert_eq!(bench.stored(10, "ca"), None);
}

#[test]
fn what_was_replaced_is_named() {
    let bench = bench();
    let modem = bench.modem(|options| options.capacity = 1000);
    let ca = [
        "modem",
        "creds",
        "write",
        "--port",
        modem.port(),
        "--tag",
        "10",
    ];
    bench.done(&[&ca[..], &["--ca", "dev-certs/subca/subca.pem"]].concat());
    let said = bench.fails(14, &write(modem.port(), &["--replace"]));
    assert!(
        said.contains("under tag 10 this is changed already: CA certificates"),
        "{said}"
    );
}

#[test]
fn an_online_modem_is_refused_if_it_must_stay_so() {
    let bench = bench();
    let modem = bench.modem(|options| options.functional_mode = 1);
    let said = bench.fails(12, &write(modem.port(), &["--keep-online"]));
    assert!(said.contains("the modem is online (CFUN=1)"), "{said}");
    assert_eq!(bench.stored(10, "ca"), None);
}
