//! `cargo run -- --once --drive --json`: every sample of a drive through a tunnel arrives with its
//! own time.

use std::process::Command;

use serde_json::Value;

#[test]
fn once_drive_checks_the_whole_way() {
    let output = Command::new(env!("CARGO_BIN_EXE_iothub-demo"))
        .args(["--once", "--drive", "--json"])
        .output()
        .expect("it runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(report["failed"], 0, "{report:#}");
    assert!(report["passed"].as_u64() >= Some(16), "{report:#}");
    assert_eq!(output.status.code(), Some(0));
}
