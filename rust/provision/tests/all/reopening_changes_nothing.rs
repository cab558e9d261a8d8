//! Every command that makes something can be run again: what is there stays as it is, and what
//! an interrupted run has left is finished.

use crate::support::Bench;

#[test]
fn a_second_run_changes_no_file() {
    let bench = Bench::new();
    let commands: [&[&str]; 3] = [
        &["ca", "create"],
        &["device", "create", "d1"],
        &["server", "hub", "--host", "localhost", "--host", "::1"],
    ];
    commands
        .iter()
        .for_each(|command| drop(bench.done(command)));
    let before = bench.snapshot();
    for command in commands {
        let said = bench.done(command);
        assert!(said.starts_with("= "), "{said}");
    }
    assert!(before == bench.snapshot());
}

#[test]
fn an_interrupted_ca_keeps_its_key() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let key = bench.read("dev-certs/subca/subca.key");
    std::fs::remove_file(bench.path("dev-certs/subca/subca.pem")).unwrap();
    bench.done(&["ca", "create"]);
    assert_eq!(key, bench.read("dev-certs/subca/subca.key"));
    bench.done(&["device", "create", "d1"]);
}

#[test]
fn an_interrupted_device_keeps_its_key() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    let key = bench.read("dev-certs/devices/d1.key");
    std::fs::remove_file(bench.path("dev-certs/devices/d1.pem")).unwrap();
    bench.done(&["device", "create", "d1"]);
    assert_eq!(key, bench.read("dev-certs/devices/d1.key"));
    bench.done(&["device", "verify", "d1"]);
}

#[test]
fn a_server_certificate_is_made_anew_for_other_names() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["server", "hub", "--host", "localhost"]);
    let made = bench.json(&[
        "server",
        "hub",
        "--host",
        "localhost",
        "--host",
        "127.0.0.1",
    ]);
    assert_eq!(made["server"]["created"], true);
    assert_eq!(
        made["server"]["names"],
        serde_json::json!(["127.0.0.1", "localhost"])
    );
}
