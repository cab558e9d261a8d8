//! A USB bridge that loses bytes: in a certificate, the end of a command, a quote. What is in the
//! modem afterwards is what was meant, and nothing that only half arrived was carried out.

#![allow(clippy::unwrap_used)]

mod support;
use support::Bench;

/// Finds the first byte of what `creds write` sends for the CA, by the transcript of a whole run.
fn position_of(bench: &Bench, text: &str) -> u64 {
    let sent = bench.read("sent");
    let at = sent.find(text).unwrap();
    u64::try_from(at).unwrap() + 1
}

/// What the tool sends, byte for byte: a modem behind a recording line.
fn record(bench: &Bench) {
    use std::io::{Read as _, Write as _};
    let modem = bench.modem(|options| options.data = bench.path("recorded"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("tcp:{}", listener.local_addr().unwrap());
    let target = modem.port().trim_start_matches("tcp:").to_owned();
    let recording = std::thread::spawn(move || {
        let (mut tool, _) = listener.accept().unwrap();
        let mut line = std::net::TcpStream::connect(target).unwrap();
        let (mut back, mut to_tool) = (line.try_clone().unwrap(), tool.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut back, &mut to_tool));
        let (mut sent, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = tool.read(&mut buffer) {
            sent.extend_from_slice(&buffer[..length]);
            line.write_all(&buffer[..length]).unwrap();
        }
        let _ = line.shutdown(std::net::Shutdown::Both);
        sent
    });
    bench.done(&write(&port));
    std::fs::write(bench.path("sent"), recording.join().unwrap()).unwrap();
}

fn write(port: &str) -> [&str; 9] {
    let ca = "dev-certs/rootca/rootca.pem";
    [
        "modem", "creds", "write", "--port", port, "--tag", "10", "--ca", ca,
    ]
}

/// Loses the byte `offset` places behind the first one of `text`.
fn survives(text: &str, offset: u64) {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    record(&bench);
    let root = bench.read("dev-certs/rootca/rootca.pem");
    let byte = position_of(&bench, text) + offset;
    let modem = bench.modem(|options| {
        options.lost_bytes = vec![byte];
        options.refuses_overwrite = true;
    });
    bench.done(&write(modem.port()));
    assert_eq!(bench.stored(10, "ca").as_deref(), Some(&*root));
    let list = bench.done(&["modem", "creds", "list", "--port", modem.port()]);
    assert_eq!(list.lines().count(), 2, "{list}");
}

const END: &str = "-----END CERTIFICATE-----\n\"";

#[test]
fn in_the_certificate() {
    survives("AT%CMNG=0,10,0,", 200);
}

#[test]
fn the_quote_that_opens() {
    survives("\"-----BEGIN", 0);
}

#[test]
fn the_quote_that_closes() {
    survives(END, 26);
}

#[test]
fn the_end_of_the_command() {
    survives(END, 27);
}
