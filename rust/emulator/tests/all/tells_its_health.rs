//! What orchestrators ask, and options from the environment and from a file.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::{self, HUB, Hub};
use serde_json::json;

#[tokio::test]
async fn health_is_open_and_metrics_are_not() {
    let mut options = iothub_emulator::Options::new(HUB);
    options.mqtt = "127.0.0.1:0".parse().unwrap();
    options.http = "127.0.0.1:0".parse().unwrap();
    options.token = Some("secret".to_owned());
    let emulator = iothub_emulator::Emulator::start(options).await.unwrap();
    let ask = async |path: &str| {
        let at = emulator.http_addr();
        support::http(at, "GET", path, &[], b"").await
    };
    assert_eq!(ask("/health").await, (200, "alive\n".to_owned()));
    assert_eq!(ask("/ready").await, (200, "ready\n".to_owned()));
    assert_eq!(ask("/metrics").await.0, 401);
    emulator.shutdown().await;
}

#[tokio::test]
async fn metrics_count_devices_and_messages() {
    let hub = Hub::start().await;
    let mut device = hub.device("one").await;
    let off = json!({"status": "disabled", "authentication": {"type": "sas"}});
    assert_eq!(hub.put("/devices/off", &off).await.0, 200);
    device.publish("devices/one/messages/events/", "x", 1).await;
    device.expect_puback(1).await;
    let (status, text) = support::http(hub.emulator.http_addr(), "GET", "/metrics", &[], b"").await;
    assert_eq!(status, 200, "{text}");
    for line in [
        "iothub_connections{hub=\"hub.localhost\"} 1",
        "iothub_devices{hub=\"hub.localhost\"} 2",
        "iothub_devices_enabled{hub=\"hub.localhost\"} 1",
        "iothub_telemetry_messages_total 1",
        "iothub_c2d_messages_total 0",
        "# EOF",
    ] {
        assert!(
            text.lines().any(|it| it == line),
            "{line} is not in\n{text}"
        );
    }
}

/// A process, and what it said on its first line.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let out = child.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        (Self(child), line)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn emulator() -> Command {
    Command::new(env!("CARGO_BIN_EXE_iothub-emulator"))
}

#[test]
fn options_come_from_the_environment_and_from_a_file_and_health_asks_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("emulator.toml");
    // The port of MQTT is taken: the environment has another one.
    std::fs::write(
        &file,
        "hostname = \"other.localhost\"\nephemeral = true\nquiet = true\nmqtt = \"192.0.2.1:1\"\n",
    )
    .unwrap();
    let (_running, ready) = Running::start(
        emulator()
            .args(["--http", "127.0.0.1:0"])
            .env("IOTHUB_EMULATOR_CONFIG", &file)
            .env("IOTHUB_EMULATOR_MQTT", "127.0.0.1:0")
            .env("IOTHUB_EMULATOR_HUB", "a.localhost,b.localhost"),
    );
    assert!(ready.starts_with("ready mqtt=127.0.0.1:"), "{ready}");
    let http = ready
        .split_whitespace()
        .find_map(|it| it.strip_prefix("http=http://"));
    let http = http.unwrap().trim_end_matches('/');
    let health = emulator()
        .arg("health")
        .env("IOTHUB_EMULATOR_HTTP", http)
        .output()
        .unwrap();
    assert!(health.status.success(), "{health:?}");
    let at = http.parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_, about) = runtime.block_on(support::http(at, "GET", "/admin", &[], b""));
    let about: serde_json::Value = serde_json::from_str(&about).unwrap();
    assert_eq!(
        about["hubs"],
        json!(["other.localhost", "a.localhost", "b.localhost"])
    );
}

/// An image has a data folder in its environment: whoever starts it may want nothing kept, and the
/// other way round.
#[test]
fn the_command_line_goes_before_a_variable_that_it_excludes() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (set, argument, is_kept) in [
        (&["DATA_DIR"][..], Some("--ephemeral"), false),
        (&["DATA_DIR", "EPHEMERAL"], None, false),
        (&["EPHEMERAL"], Some("--data-dir"), true),
    ] {
        let mut program = emulator();
        program.args(["--quiet", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        for name in set {
            let variable = format!("IOTHUB_EMULATOR_{name}");
            match *name {
                "DATA_DIR" => program.env(variable, &data),
                _ => program.env(variable, if is_kept { "Yes" } else { "1" }),
            };
        }
        program.args(argument);
        if argument == Some("--data-dir") {
            program.arg(&data);
        }
        let (_running, ready) = Running::start(&mut program);
        assert!(ready.starts_with("ready "), "{set:?}: {ready}");
        assert_eq!(data.exists(), is_kept, "{set:?} {argument:?}");
    }
    let odd = emulator()
        .env("IOTHUB_EMULATOR_EPHEMERAL", "perhaps")
        .output()
        .unwrap();
    assert_eq!(odd.status.code(), Some(2));
    let both = emulator()
        .args(["--ephemeral", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn who_is_not_there_is_not_healthy_and_a_wrong_file_is_told() {
    let asked = emulator()
        .args(["health", "--http", "127.0.0.1:1"])
        .output()
        .unwrap();
    assert_eq!(asked.status.code(), Some(1));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("emulator.toml");
    std::fs::write(&file, "htp = \"127.0.0.1:0\"").unwrap();
    let started = emulator().arg("--config").arg(&file).output().unwrap();
    assert_eq!(started.status.code(), Some(2));
    let told = String::from_utf8(started.stderr).unwrap();
    assert!(told.contains("option 'htp' is none of hostname"), "{told}");
}
