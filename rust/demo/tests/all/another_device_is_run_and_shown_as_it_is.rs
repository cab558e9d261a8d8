//! `--device`: what is named runs, or it is refused; and no step shows more than that device
//! showed.

use std::{path::Path, process::Command};

use serde_json::Value;

/// Our own device as somebody's command: on another network than the one that it is told, with what
/// it finds in its environment alone.
const DUAL_STACK: &str = r#"#!/bin/sh
cd / || exit
"$1" device --data "$IOTHUB_DATA" --port "$IOTHUB_PORT" --network dual-stack --time-factor 0.1
"#;

struct Output {
    status: Option<i32>,
    report: Value,
    error: String,
}

fn once(scenario: &[&str], device: &str) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_iothub-demo"))
        .args(["--once", "--json", "--mqtt", "0", "--device", device])
        .args(scenario)
        .output()
        .expect("it runs");
    Output {
        status: output.status.code(),
        report: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        error: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn checks(report: &Value) -> Vec<(&str, &str)> {
    let checks = report["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let all = checks.iter();
    all.filter_map(|it| Some((it["name"].as_str()?, it["detail"].as_str()?)))
        .collect()
}

#[test]
fn a_command_with_arguments_is_the_device_and_its_network_is_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("a device.sh");
    std::fs::write(&script, DUAL_STACK).expect("written");
    let demo = Path::new(env!("CARGO_BIN_EXE_iothub-demo"));
    let device = format!("sh '{}' '{}'", script.display(), demo.display());
    let Output {
        status,
        report,
        error,
    } = once(&[], &device);
    assert_eq!(status, Some(0), "{report:#} {error}");
    let checks = checks(&report);
    assert!(
        checks.iter().all(|(name, _)| !name.contains("IPv6-only")),
        "{report:#}"
    );
    let (_, attached) = checks
        .iter()
        .find(|(name, _)| *name == "device attaches to a network")
        .expect("the step");
    assert!(
        attached.contains("IPv4 and IPv6") && attached.contains("over IPv4 to 13.70.74.195"),
        "{attached}"
    );
}

#[test]
fn a_device_that_ends_at_once_fails_and_nothing_is_said_of_the_steps_behind() {
    let Output { status, report, .. } = once(&[], "/bin/false");
    assert_eq!(status, Some(1), "{report:#}");
    let checks = checks(&report);
    let (name, detail) = checks.last().expect("a step");
    assert_eq!(*name, "device runs", "{report:#}");
    assert!(detail.contains("exit status: 1"), "{detail}");
    assert!(checks.len() <= 4, "{report:#}");
}

#[test]
fn updates_run_the_device_that_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("device.sh");
    std::fs::write(&script, DUAL_STACK).expect("written");
    let demo = Path::new(env!("CARGO_BIN_EXE_iothub-demo"));
    let device = format!("sh '{}' '{}'", script.display(), demo.display());
    let Output {
        status,
        report,
        error,
    } = once(&["--fota"], &device);
    assert_eq!(status, Some(0), "{report:#} {error}");
    assert_eq!(report["passed"], 9, "{report:#}");
    let checks = checks(&report);
    let (_, back) = checks
        .iter()
        .find(|(name, _)| name.contains("rolled back"))
        .expect("the step");
    assert!(back.contains("tried for 20 s"), "{back}");
}

#[test]
fn updates_of_a_device_that_ends_at_once_fail() {
    let Output { status, report, .. } = once(&["--fota"], "/bin/false");
    assert_eq!(status, Some(1), "{report:#}");
    let checks = checks(&report);
    let (name, detail) = checks.last().expect("a step");
    assert_eq!(*name, "device reports what it runs", "{report:#}");
    assert!(detail.contains("exit status: 1"), "{detail}");
}

#[test]
fn a_device_that_has_no_world_is_told_one_by_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("device.sh");
    let says = "{ printf 'error: '; cat \"$IOTHUB_WORLD\"; echo \" $1\"; } >&2; exit 3\n";
    std::fs::write(&script, says).expect("written");
    let device = format!("sh '{}' {{}}", script.display());
    let Output { status, report, .. } = once(&["--drive"], &device);
    assert_eq!(status, Some(1), "{report:#}");
    let checks = checks(&report);
    let (name, detail) = checks.last().expect("a step");
    assert_eq!(*name, "device runs", "{report:#}");
    let words: Vec<_> = detail.split(' ').collect();
    // Covered, with satellites, before the drive's first stop; last the cell, and the first argument.
    assert_eq!(
        (words.len(), words[2], words[3]),
        (31, "1", "1"),
        "{detail}"
    );
    assert_eq!(words[22], "50501", "{detail}");
    assert!(words[30].starts_with("--credentials="), "{detail}");
}

#[test]
fn a_device_is_told_another_port_where_the_usual_one_is_taken() {
    // Taken here, or by somebody else already.
    let _taken = std::net::TcpListener::bind("127.0.0.1:8883");
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("device.sh");
    std::fs::write(&script, "echo \"$IOTHUB_PORT $@\" >&2; exit 3\n").expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_iothub-demo"))
        .args(["--once", "--device"])
        .arg(format!("sh '{}' {{}}", script.display()))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let said = said
        .lines()
        .find(|it| it.contains("--credentials="))
        .unwrap_or_default();
    let port = said
        .split_once("--port=")
        .and_then(|(_, rest)| rest.split(' ').next())
        .unwrap_or_default();
    assert!(!port.is_empty() && port != "8883", "{said}");
    assert!(said.contains(&format!("{port} --credentials=")), "{said}");
}
