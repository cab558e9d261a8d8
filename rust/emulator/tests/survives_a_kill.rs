//! What was acknowledged is there after SIGKILL.

#![allow(clippy::unwrap_used)] // helpers of tests

mod support;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::{Ca, Device};

struct Process {
    child: Child,
    mqtt: SocketAddr,
    http: SocketAddr,
}

impl Process {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_iothub-emulator"))
            .args([
                "--hostname",
                support::HUB,
                "--mqtt",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--quiet",
            ])
            .arg("--data-dir")
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let field = |name: &str| {
            line.split_whitespace()
                .find_map(|word| word.strip_prefix(name))
                .unwrap()
        };
        let mqtt = field("mqtt=").parse().unwrap();
        let http = field("http=http://").trim_end_matches('/').parse().unwrap();
        Self { child, mqtt, http }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> String {
        let (status, text) = support::http(self.http, method, path, &[], body.as_bytes()).await;
        assert!(status < 300, "{method} {path}: {status} {text}");
        text
    }
}

#[tokio::test]
async fn registry_twin_queue_session_and_telemetry() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::root("Root");
    let process = Process::start(folder.path());
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

    let process = Process::start(folder.path());
    process
        .call("POST", "/devices/dev/messages/deviceBound", "while away")
        .await;
    process.kill();

    let process = Process::start(folder.path());
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
