//! A USB bridge that loses bytes: in a certificate, the end of a command, a quote, a digit of the
//! tag. What is in the modem afterwards is what was meant, and nothing that only half arrived was
//! carried out, or it is said.

#![allow(clippy::unwrap_used)]

use crate::support::Bench;
use iothub_provision::pki::{Key, SigningRequest};

fn write(port: &str) -> [&str; 9] {
    let ca = "dev-certs/rootca/rootca.pem";
    [
        "modem", "creds", "write", "--port", port, "--tag", "10", "--ca", ca,
    ]
}

/// Writes over a line that loses the byte behind `text`; returns what the tool says.
fn survives(text: &str) -> String {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let root = bench.read("dev-certs/rootca/rootca.pem");
    let modem = bench.modem(|options| options.refuses_overwrite = true);
    let said = bench.done(&write(&modem.losing_after(text).port));
    assert_eq!(bench.stored(10, "ca").as_deref(), Some(&*root));
    let list = bench.done(&["modem", "creds", "list", "--port", modem.port()]);
    assert_eq!(list.lines().count(), 2, "{list}");
    said
}

#[test]
fn in_the_certificate() {
    survives("AT%CMNG=0,10,0,\"-----BEGIN CERTIFICATE-----\nMII");
}

#[test]
fn the_quote_that_opens() {
    survives("AT%CMNG=0,10,0,");
}

#[test]
fn the_quote_that_closes() {
    survives("-----END CERTIFICATE-----\n");
}

#[test]
fn the_end_of_the_command() {
    survives("-----END CERTIFICATE-----\n\"");
}

#[test]
fn a_comma() {
    survives("AT%CMNG=0");
}

#[test]
fn the_end_of_a_question() {
    survives("AT+CFUN?\rAT%CMNG=1,10");
}

#[test]
fn a_digit_of_the_tag() {
    let said = survives("AT%CMNG=0,1");
    assert!(
        said.contains("the CA certificates arrived under tag 1; deleted there, written under 10"),
        "{said}"
    );
}

#[test]
fn what_the_wrong_tag_held_is_named() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let modem = bench.modem(|_| {});
    let other = ["--tag", "1", "--ca", "dev-certs/subca/subca.pem"];
    bench.done(&[&write(modem.port())[..5], &other[..]].concat());
    let said = bench.done(&write(&modem.losing_after("AT%CMNG=0,1").port));
    assert!(
        said.contains("under tag 1 over what was there, which is lost"),
        "{said}"
    );
    assert_eq!(bench.stored(1, "ca"), None);
    assert!(bench.stored(10, "ca").is_some());
}

#[test]
fn what_was_deleted_in_its_place_is_named() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let modem = bench.modem(|_| {});
    bench.done(&write(modem.port()));
    let other = ["--tag", "1", "--ca", "dev-certs/subca/subca.pem"];
    bench.done(&[&write(modem.port())[..5], &other[..]].concat());
    let line = modem.losing_after("AT%CMNG=3,1");
    let delete = [
        "modem", "creds", "delete", "--port", &line.port, "--tag", "10",
    ];
    let said = bench.done(&[&delete[..], &["--only", "ca"]].concat());
    let lost = "deleted was the CA certificates under tag 1; write it there again";
    assert!(said.contains(lost), "{said}");
    assert_eq!(bench.stored(10, "ca"), None);
}

#[test]
fn where_a_key_is_made() {
    let bench = Bench::new();
    let modem = bench.modem(|_| {});
    let line = modem.losing_after("AT%KEYGEN=1");
    let said = bench.done(&["modem", "keygen", "--port", &line.port, "--out", "d.csr"]);
    assert!(
        said.contains("the private key arrived under tag 1"),
        "{said}"
    );
    assert_eq!(bench.stored(1, "key"), None);
    let key = Key::from_pem(&bench.stored(10, "key").unwrap(), None).unwrap();
    let request = SigningRequest::from_pem(&bench.read("d.csr")).unwrap();
    assert_eq!(request.public_key(), key.public_key());
}
