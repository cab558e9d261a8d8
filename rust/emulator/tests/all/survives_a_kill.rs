//! What was acknowledged is there after SIGKILL.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::process::Command;

use crate::support;
use crate::support::process::Process;
use crate::support::{Ca, Device};
use serde_json::Value;

#[tokio::test]
async fn registry_twin_queue_session_and_telemetry() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::root("Root");
    let process = Process::start(&["--data-dir"], folder.path());
    let certificate = serde_json::json!({"name": "root", "certificate": ca.pem}).to_string();
    process
        .call("POST", "/admin/certificates", &certificate)
        .await;
    let device = r#"{"authentication":{"type":"certificateAuthority"}}"#;
    process.call("PUT", "/devices/dev", device).await;
    process
        .call(
            "PATCH",
            "/twins/dev",
            r#"{"properties":{"desired":{"a":1}}}"#,
        )
        .await;
    let server_ca = std::fs::read_to_string(folder.path().join("server-ca.pem")).unwrap();
    let credentials = ca.device("dev");
    let mut device = Device::dial(process.mqtt, &server_ca, Some(&credentials))
        .await
        .unwrap();
    device.connect("dev", false).await;
    assert_eq!(device.connack().await, (false, 0));
    device
        .subscribe(&["devices/dev/messages/devicebound/#", "$iothub/twin/res/#"])
        .await;
    let mut acknowledged = 0;
    for id in 1..=200 {
        device
            .publish("devices/dev/messages/events/", &id.to_string(), id)
            .await;
    }
    // Killed in the middle of it.
    while acknowledged < 50 {
        acknowledged += 1;
        device.expect_puback(acknowledged).await;
    }
    process.kill();
    while let Some((0x40, id)) = device.packet().await {
        acknowledged = u16::from_be_bytes([id[0], id[1]]);
    }

    let process = Process::start(&["--data-dir"], folder.path());
    process
        .call("POST", "/devices/dev/messages/deviceBound", "while away")
        .await;
    process.kill();

    let process = Process::start(&["--data-dir"], folder.path());
    let lines = process.call("GET", "/admin/telemetry.jsonl", "").await;
    let stored: Vec<u64> = lines
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["body"]
                .as_u64()
                .unwrap()
        })
        .collect();
    for id in 1..=u64::from(acknowledged) {
        assert!(stored.contains(&id), "{id} was acknowledged and is gone");
    }
    let twin = process.call("GET", "/twins/dev", "").await;
    assert!(twin.contains("\"a\":1"), "{twin}");
    let mut device = Device::dial(process.mqtt, &server_ca, Some(&credentials))
        .await
        .unwrap();
    device.connect("dev", false).await;
    assert_eq!(device.connack().await, (true, 0));
    assert_eq!(device.message().await.payload, "while away");
    process.kill();
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_iothub-emulator"))
        .args(["--ephemeral", "--http", "127.0.0.1:0", "--mqtt", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains(&format!("cannot listen on {address} for mqtt")),
        "{text}"
    );
    assert!(text.contains("choose another port with --mqtt"), "{text}");
}

/// Devices that send as fast as they can while the process is killed.
#[tokio::test]
async fn everything_that_was_acknowledged_under_load() {
    const DEVICES: usize = 6;
    const WINDOW: u16 = 32;
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::root("Root");
    let process = Process::start(&["--data-dir"], folder.path());
    let certificate = serde_json::json!({"name": "root", "certificate": ca.pem}).to_string();
    process
        .call("POST", "/admin/certificates", &certificate)
        .await;
    let server_ca = std::fs::read_to_string(folder.path().join("server-ca.pem")).unwrap();
    let mut load = tokio::task::JoinSet::new();
    for number in 0..DEVICES {
        let id = format!("dev{number}");
        let device = r#"{"authentication":{"type":"certificateAuthority"}}"#;
        process.call("PUT", &format!("/devices/{id}"), device).await;
        let credentials = ca.device(&id);
        let mut device = Device::dial(process.mqtt, &server_ca, Some(&credentials))
            .await
            .unwrap();
        device.connect(&id, false).await;
        assert_eq!(device.connack().await.1, 0);
        device.subscribe(&["$iothub/twin/res/#"]).await;
        load.spawn(async move {
            let (mut sent, mut stored, mut version) = (0u16, 0u16, 0i64);
            loop {
                while sent < stored + WINDOW {
                    sent += 1;
                    let topic = format!("devices/{id}/messages/events/");
                    if device
                        .try_publish(&topic, &sent.to_string(), sent)
                        .await
                        .is_err()
                    {
                        return (id, stored, version);
                    }
                }
                let report = format!("$iothub/twin/PATCH/properties/reported/?$rid={sent}");
                let body = format!("{{\"sent\":{sent}}}");
                let _ = device.try_publish(&report, &body, 0).await;
                match device.packet().await {
                    Some((0x40, id)) => stored = u16::from_be_bytes([id[0], id[1]]),
                    Some((0x30, body)) => {
                        let text = String::from_utf8_lossy(&body).into_owned();
                        let (_, number) = text.split_once("$version=").unwrap();
                        version = number.parse().unwrap();
                    }
                    Some(other) => panic!("{other:?}"),
                    None => return (id, stored, version),
                }
            }
        });
    }
    // Killed once there is something to lose.
    let loaded = async {
        loop {
            let lines = process.call("GET", "/admin/telemetry.jsonl", "").await;
            if lines.lines().count() > 500 {
                return;
            }
        }
    };
    support::within("five hundred messages", loaded).await;
    process.kill();

    let process = Process::start(&["--data-dir"], folder.path());
    let lines = process.call("GET", "/admin/telemetry.jsonl", "").await;
    let all: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut acknowledged = 0;
    while let Some(done) = load.join_next().await {
        let (id, stored, version) = done.unwrap();
        let bodies = all.iter().filter(|line| line["deviceId"] == *id);
        let bodies: Vec<u64> = bodies.map(|line| line["body"].as_u64().unwrap()).collect();
        let expected: Vec<u64> = (1..=u64::from(stored)).collect();
        assert!(bodies.starts_with(&expected), "{id} lost some of {stored}");
        let twin = process.call("GET", &format!("/twins/{id}"), "").await;
        let twin: Value = serde_json::from_str(&twin).unwrap();
        let kept = twin["properties"]["reported"]["$version"].as_i64().unwrap();
        assert!(
            kept >= version,
            "{id} is at version {kept}, and was told {version}"
        );
        acknowledged += usize::from(stored);
    }
    assert!(acknowledged > 100, "{acknowledged} is no load");
    process.kill();
}
