//! `cargo run -- --once --outage --json`: a day without coverage, and a power cut in the middle of
//! it.

use std::process::Command;

use serde_json::Value;

#[test]
fn once_outage_checks_the_whole_way() {
    let output = Command::new(env!("CARGO_BIN_EXE_iothub-demo"))
        .args(["--once", "--outage", "--json"])
        .output()
        .expect("it runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(report["failed"], 0, "{report:#}");
    assert_eq!(report["passed"], 7, "{report:#}");
    assert_eq!(output.status.code(), Some(0));
}
