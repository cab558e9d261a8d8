//! What would wedge the board, lock somebody out or not work is refused before a byte is sent.

use crate::support::Bench;

#[track_caller]
fn refused(bench: &Bench, port: &str, status: i32, more: &str, sentence: &str) {
    let all = ["modem", "creds", "write", "--port", port];
    let more: Vec<&str> = more.split(' ').collect();
    let said = bench.fails(status, &[&all[..], &more[..]].concat());
    assert!(said.contains(sentence), "{said}");
    assert!(!bench.path("modem-data/modem/credentials").exists());
}

#[test]
fn bad_credentials_never_reach_the_modem() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    bench.done(&["device", "create", "d2"]);
    bench.write(
        "many.pem",
        &bench.read("dev-certs/rootca/rootca.pem").repeat(9),
    );
    bench.write(
        "escaped.pem",
        &bench
            .read("dev-certs/rootca/rootca.pem")
            .replace('\n', "\\n"),
    );
    let modem = bench.modem(|_| {});
    let port = modem.port();
    let root = "--ca dev-certs/rootca/rootca.pem";
    refused(
        &bench,
        port,
        4,
        "--tag 10 --ca many.pem",
        "under tag 10 4077 fit",
    );
    refused(
        &bench,
        port,
        4,
        "--tag 10 --ca escaped.pem",
        "two characters \\n instead of line breaks",
    );
    refused(
        &bench,
        port,
        4,
        "--tag 10 --ca dev-certs/rootca/rootca.key",
        "it holds PRIVATE KEY",
    );
    refused(
        &bench,
        port,
        4,
        "--tag 10 --cert dev-certs/subca/subca.pem",
        "is a CA's, not a device's",
    );
    refused(
        &bench,
        port,
        6,
        "--tag 10 --cert dev-certs/devices/d1.pem --key dev-certs/devices/d2.key",
        "the key dev-certs/devices/d2.key does not fit dev-certs/devices/d1.pem",
    );
    refused(
        &bench,
        port,
        2,
        &format!("--tag 4294967292 {root}"),
        "is reserved by the modem",
    );
    refused(
        &bench,
        port,
        5,
        &format!("--tag 16842753 {root}"),
        "holds nRF Cloud's credentials",
    );
    refused(&bench, port, 2, "--tag 10", "no credential is given");
}
