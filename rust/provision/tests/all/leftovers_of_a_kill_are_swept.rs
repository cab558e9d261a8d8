//! What a killed run has left half written, perhaps a key, is gone after the next command.

#![allow(clippy::unwrap_used)]

use crate::support::Bench;

#[test]
fn leftovers_of_a_kill_are_swept() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let left = "dev-certs/subca/subca.key.4711-0.new";
    bench.write(left, "half a key");
    bench.write("dev-certs/notes.new", "somebody else's");
    bench.done(&["ca", "list"]);
    assert!(!bench.path(left).exists());
    assert!(bench.path("dev-certs/notes.new").exists());
}

#[test]
fn in_the_simulated_modem_too() {
    let bench = Bench::new();
    drop(bench.modem(|_| {}));
    let left = "modem-data/modem/credentials/10/key.pem.4711-0.new";
    std::fs::create_dir_all(bench.path("modem-data/modem/credentials/10")).unwrap();
    bench.write(left, "half a key");
    let _modem = bench.modem(|_| {});
    assert!(!bench.path(left).exists());
}
