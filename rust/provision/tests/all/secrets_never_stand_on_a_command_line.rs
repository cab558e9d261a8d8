//! Every option that has to do with a secret takes a file or asks; the transcript of the line masks
//! what it carries.

#![allow(clippy::unwrap_used)]

use crate::support::Bench;
use std::collections::BTreeSet;

#[test]
fn every_option_for_a_secret_takes_a_file() {
    let bench = Bench::new();
    let script = bench.done(&["completion", "bash"]);
    let options: BTreeSet<&str> = script
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.starts_with("--"))
        .collect();
    assert!(options.len() > 40, "{options:?}");
    let words = [
        "passphrase",
        "password",
        "token",
        "secret",
        "connection",
        "api-key",
    ];
    let secret: Vec<&&str> = options
        .iter()
        .filter(|option| words.iter().any(|word| option.contains(word)))
        .collect();
    assert!(secret.len() >= 6, "{secret:?}");
    for option in secret {
        let is_safe = option.ends_with("-file") || **option == *"--ask-passphrase";
        assert!(is_safe, "{option}");
    }
}

#[test]
fn the_transcript_masks_keys() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    let modem = bench.modem(|_| {});
    let said = bench.done(&[
        "modem",
        "creds",
        "write",
        "--port",
        modem.port(),
        "--tag",
        "10",
        "--cert",
        "dev-certs/devices/d1.chain.pem",
        "--key",
        "dev-certs/devices/d1.key",
        "--trace",
        "trace.txt",
    ]);
    let key = bench.read("dev-certs/devices/d1.key");
    let body = key.lines().nth(1).unwrap();
    let trace = bench.read("trace.txt");
    assert!(trace.contains("AT%CMNG=0,10,2,\"[secret, "), "{trace}");
    assert!(!trace.contains(body) && !said.contains(body));
    assert!(!trace.contains("PRIVATE"));
}
