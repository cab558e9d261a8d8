//! The audit trail: a line for each certificate, with who, when and what, and no key.

#![allow(clippy::unwrap_used)]

use crate::support;
use crate::support::Bench;
use crate::support::CODE;
use iothub_provision::pki::Certificate;
use serde_json::Value;

#[test]
fn what_was_issued_is_noted() {
    let bench = Bench::new();
    let run = |arguments: &[&str]| {
        let output = bench
            .command(arguments)
            .env_remove("SUDO_USER")
            .env("USER", "alice")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", support::text(&output));
    };
    run(&["ca", "create"]);
    run(&["ca", "prove", CODE]);
    run(&["device", "create", "d1"]);
    run(&["device", "create", "d1"]);
    let read = |ca: &str| -> Vec<Value> {
        let text = bench.read(&format!("dev-certs/{ca}/db/audit.jsonl"));
        assert!(!text.contains("KEY"), "{text}");
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let root = read("rootca");
    assert_eq!(root.len(), 2, "{root:?}");
    assert_eq!(root[1]["subject"], "CN=Development Intermediate CA");
    let intermediate = read("subca");
    assert_eq!(intermediate.len(), 2, "{intermediate:?}");
    let device = Certificate::from_pem(&bench.read("dev-certs/devices/d1.pem")).unwrap();
    let noted = &intermediate[1];
    assert_eq!(noted["event"], "issued");
    assert_eq!(noted["issuer"], "subca");
    assert_eq!(noted["subject"], "CN=d1");
    assert_eq!(noted["serial"], device.serial());
    assert_eq!(noted["sha256"], device.thumbprint());
    assert!(noted["by"].as_str().unwrap().starts_with("alice"));
    assert!(noted["at"].as_str().unwrap().ends_with('Z'), "{noted}");
}
