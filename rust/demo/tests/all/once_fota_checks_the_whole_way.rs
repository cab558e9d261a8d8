//! `cargo run -- --once --fota --json`: an update, a cut at half of it, wrong images, a rollback,
//! power cuts.

use std::process::Command;

use serde_json::Value;

#[test]
fn once_fota_checks_the_whole_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let once = || {
        let output = Command::new(env!("CARGO_BIN_EXE_iothub-demo"))
            .args(["--once", "--fota", "--json", "--data"])
            .arg(folder.path())
            .output()
            .expect("it runs");
        let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        (output.status.code(), report)
    };
    let (status, report) = once();
    assert_eq!(report["failed"], 0, "{report:#}");
    assert!(report["passed"].as_u64() >= Some(9), "{report:#}");
    assert_eq!(status, Some(0));

    // What that device runs now would be taken for what this scenario has loaded.
    let (status, report) = once();
    let last = &report["checks"][1]["detail"];
    let why = last.as_str().expect("a detail");
    assert!(why.contains("name another folder"), "{report:#}");
    assert_eq!((status, report["checks"][2].is_null()), (Some(1), true));
}
