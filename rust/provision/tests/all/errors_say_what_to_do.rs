//! Wrong input gets one sentence with the place and the remedy, an exit status of its own, and
//! changes nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::support::Bench;

#[track_caller]
fn says(bench: &Bench, status: i32, command: &str, sentence: &str) {
    let before = bench.snapshot();
    let arguments: Vec<&str> = command.split(' ').collect();
    let said = bench.fails(status, &arguments);
    assert!(said.contains(sentence), "{said}");
    assert!(before == bench.snapshot(), "{command} changed files");
}

#[test]
fn errors_say_what_to_do() {
    let bench = Bench::new();
    says(
        &bench,
        3,
        "device create d1",
        "there is no CA subca in dev-certs",
    );
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    bench.write("no.pem", "hello\n");
    bench.write("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    bench.write("batch.csv", "name\nd1\n");
    says(&bench, 2, "device create a/b/c", "cannot be a device id");
    says(&bench, 2, "device create ../../x", "cannot be a device id");
    says(
        &bench,
        3,
        "device create d2 --csr none.csr",
        "cannot read none.csr",
    );
    says(
        &bench,
        4,
        "device create d2 --csr no.pem",
        "it holds no PEM block at all",
    );
    says(
        &bench,
        4,
        "ca import-chain --name x cut.pem",
        "cut.pem: the block CERTIFICATE has no END",
    );
    says(
        &bench,
        4,
        "device batch batch.csv",
        "batch.csv: no column deviceId",
    );
    says(
        &bench,
        6,
        "device verify d2 --chain dev-certs/devices/d1.pem",
        "common name is the device id",
    );
    says(
        &bench,
        2,
        "ca create --name devices",
        "cannot be the name of a CA",
    );
    says(
        &bench,
        5,
        "ca csr --name subca --common-name x",
        "has its certificate already",
    );
    says(
        &bench,
        2,
        "ca create --subject-prefix NO",
        "the subject prefix has \"NO\" in it",
    );
    says(&bench, 2, "device create", "required");
}

#[test]
fn a_key_of_another_ca_is_named() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    std::fs::copy(
        bench.path("dev-certs/rootca/rootca.key"),
        bench.path("dev-certs/subca/subca.key"),
    )
    .unwrap();
    says(
        &bench,
        6,
        "device create d1",
        "subca.pem: the key of subca does not fit its certificate",
    );
}

#[test]
fn json_carries_the_error() {
    let bench = Bench::new();
    let output = bench.tool(&["device", "create", "d1", "--json"]);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["error"]["kind"], "file");
    assert_eq!(said["error"]["status"], 3);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn an_address_without_its_scheme_or_with_the_wrong_one() {
    let bench = Bench::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in server.incoming().flatten() {
            let mut client = client;
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let hub = format!("hub device list --emulator localhost:{port}");
    says(&bench, 2, &hub, "http:// is missing");
    let hub = format!("hub device list --emulator https://localhost:{port}");
    says(
        &bench,
        20,
        &hub,
        "does not speak TLS: try the address with http://",
    );
}

#[test]
fn a_port_that_is_none() {
    let bench = Bench::new();
    bench.write("notes.txt", "no port");
    for name in ["/dev/null", "notes.txt"] {
        let command = format!("up --port {name}");
        says(&bench, 10, &command, &format!("{name} is no serial port"));
    }
}

#[test]
fn a_batch_that_fails_is_not_ticked() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.write("batch.csv", "deviceId,csr\nd1,none.csr\n");
    let said = bench.fails(3, &["device", "batch", "batch.csv"]);
    assert!(said.contains("✗ 0 made") && !said.contains('✓'), "{said}");
}
