//! Seed, export, import, timetable of faults.

#![allow(clippy::unwrap_used)] // helpers of tests

mod support;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use support::{Ca, Hub};

const SEED: &str = r#"
[[certificates]]
name = "factory"
file = "ca.pem"

[[devices]]
deviceId = "dev"
authentication = { type = "certificateAuthority" }
tags = { site = "roof" }
properties = { desired = { interval = 5 } }

[[devices]]
deviceId = "old"
status = "disabled"
authentication = { type = "sas", symmetricKey = { primaryKey = "AAAAAAAAAAAAAAAAAAAAAA==" } }

[[enrollmentGroups]]
enrollmentGroupId = "line1"
attestation = { type = "x509", x509 = { signingCertificates = { primary = { file = "ca.pem" } } } }

[[messages]]
deviceId = "dev"
messageId = "m1"
body = "hello"
"#;

/// A folder with a seed and its CA.
fn folder(seed: &str) -> (tempfile::TempDir, Ca) {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::root("Factory");
    std::fs::write(folder.path().join("ca.pem"), &ca.pem).unwrap();
    std::fs::write(folder.path().join("seed.toml"), seed).unwrap();
    (folder, ca)
}

async fn start(folder: &Path) -> Hub {
    Hub::start_with(|options| {
        options.seed = Some(folder.join("seed.toml"));
        options.data_dir = Some(folder.join("data"));
    })
    .await
}

fn run(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_iothub-emulator"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[test]
fn a_misspelt_field_of_a_device_is_named() {
    let (folder, _) = folder("[[devices]]\ndeviceId = \"dev\"\ntag = { site = \"roof\" }\n");
    let output = run(
        &[
            "--ephemeral",
            "--mqtt",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--seed",
            "seed.toml",
        ],
        folder.path(),
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        said.contains("seed.toml: devices, number 1: field 'tag' is none of hub, deviceId"),
        "{said}"
    );
}

#[tokio::test]
async fn a_seed_is_there_from_the_start_and_what_is_kept_wins() {
    let (folder, ca) = folder(SEED);
    let hub = start(folder.path()).await;
    let mut device = hub.connect("dev", &ca.device("dev"), false).await;
    device
        .subscribe(&["devices/dev/messages/devicebound/#"])
        .await;
    assert_eq!(device.message().await.payload, "hello");
    let (_, twin) = hub.get("/twins/dev").await;
    assert_eq!(twin["properties"]["desired"]["interval"], 5);
    assert_eq!(twin["tags"], json!({"site": "roof"}));
    assert_eq!(hub.get("/devices/old").await.1["status"], "disabled");
    assert_eq!(hub.get("/enrollmentGroups/line1").await.0, 200);
    let desired = json!({"properties": {"desired": {"interval": 6}}});
    assert_eq!(hub.patch("/twins/dev", &desired).await.0, 200);
    let seeded = hub.event("seed").await;
    assert!(
        seeded["reason"].as_str().unwrap().contains("2 devices"),
        "{seeded}"
    );
    hub.emulator.shutdown().await;

    let hub = start(folder.path()).await;
    let (_, twin) = hub.get("/twins/dev").await;
    assert_eq!(twin["properties"]["desired"]["interval"], 6);
    let seeded = hub.event("seed").await;
    assert!(
        seeded["reason"].as_str().unwrap().contains("0 devices"),
        "{seeded}"
    );
}

#[tokio::test]
async fn what_was_exported_comes_back_the_same() {
    let (folder, _) = folder(SEED);
    let hub = start(folder.path()).await;
    let desired = json!({"properties": {"desired": {"interval": 7}}});
    hub.patch("/twins/dev", &desired).await;
    let (_, twin) = hub.get("/twins/dev").await;
    let (status, running) = hub.get("/admin/export").await;
    assert_eq!(status, 200);
    hub.emulator.shutdown().await;

    let path = folder.path();
    let output = run(
        &["export", "--data-dir", "data", "--out", "state.json"],
        path,
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let file = std::fs::metadata(path.join("state.json")).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777,
        0o600
    );
    let exported = std::fs::read_to_string(path.join("state.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&exported).unwrap(), running);

    let import = [
        "import",
        "--data-dir",
        "copy",
        "--hub",
        support::HUB,
        "state.json",
    ];
    let output = run(&import, path);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.starts_with("imported ") && said.contains("2 devices"),
        "{said}"
    );
    let hub = Hub::start_with(|options| options.data_dir = Some(path.join("copy"))).await;
    let (_, copied) = hub.get("/twins/dev").await;
    assert_eq!(copied["properties"], twin["properties"]);
    let key = |twin: &Value| twin["authentication"]["symmetricKey"]["primaryKey"].clone();
    assert_eq!(
        key(&hub.get("/devices/old").await.1),
        "AAAAAAAAAAAAAAAAAAAAAA=="
    );
    // A second time over REST: the device is told to come again.
    let mut device = hub.connect("dev", &hub.ca.device("dev"), true).await;
    let (status, report) = hub
        .request("POST", "/admin/import", &[], exported.as_bytes())
        .await;
    assert_eq!((status, &report["written"]["devices"]), (200, &json!(2)));
    device.expect_close().await;
}

#[tokio::test]
async fn a_part_that_makes_no_sense_is_named_and_nothing_is_taken_in() {
    let hub = Hub::start().await;
    let good = json!({"deviceId": "good"});
    for (document, why) in [
        (json!({"device": []}), "'device' is none of"),
        (json!({"format": "x"}), "format \"x\""),
        (
            json!({"devices": [good, {"deviceId": "a b"}]}),
            "devices, number 2",
        ),
        (json!({"devices": [good, {}]}), "'deviceId' is missing"),
        (
            json!({"devices": [{"deviceId": "d", "hub": "elsewhere"}]}),
            "no hub 'elsewhere'",
        ),
        (
            json!({"certificates": [{"name": "x", "certificate": "y"}]}),
            "certificates, number 1",
        ),
        (
            json!({"messages": [{"deviceId": "nobody", "messageId": "1"}]}),
            "messages, number 1",
        ),
        (json!([]), "must be an object"),
    ] {
        let (status, body) = hub.post("/admin/import", &document).await;
        assert!((400..500).contains(&status), "{document}");
        let message = body["Message"].as_str().unwrap();
        assert!(message.contains(why), "{document}: {message}");
    }
    assert_eq!(hub.get("/devices/good").await.0, 404);
}

#[tokio::test]
async fn a_file_that_is_missing_or_wrong_ends_the_start() {
    let (folder, _) = folder("[[devices]]\ndeviceId = 5\n");
    let start = [
        "--ephemeral",
        "--mqtt",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
    ];
    for (more, why) in [
        (&["--seed", "none.toml"][..], "none.toml: No such file"),
        (
            &["--seed", "seed.toml"],
            "seed.toml: devices, number 1: 'deviceId' is missing",
        ),
        (&["--faults", "ca.pem"], "ca.pem: TOML parse error"),
    ] {
        let output = run(&[&start[..], more].concat(), folder.path());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{more:?}: {text}");
        assert!(text.contains(why), "{more:?}: {text}");
    }
    let output = run(&["export", "--data-dir", "nowhere"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(!folder.path().join("nowhere").exists());
    assert_eq!(
        run(&["--ephemeral", "export"], folder.path()).status.code(),
        Some(2)
    );
}

#[tokio::test]
async fn faults_happen_by_the_timetable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faults.toml");
    let table = "[[fault]]\nkind = 'connack'\ncode = 3\nforMs = 400\n\n\
                 [[fault]]\nkind = 'clock'\nshiftMs = 5000\nafterMs = 50\n\n\
                 [[fault]]\nkind = 'move'\ndevice = 'dev'\nhub = 'second.localhost'\nafterMs = 600\n";
    std::fs::write(&path, table).unwrap();
    let hub = Hub::start_with(|options| {
        options.faults = Some(path);
        options.more_hubs = vec!["second.localhost".to_owned()];
    })
    .await;
    hub.register("dev").await;
    hub.event_where("fault", |event| {
        event["reason"]
            .as_str()
            .unwrap()
            .contains("set by the timetable")
    })
    .await;
    hub.event_where("fault", |event| {
        event["reason"] == "taken back by the timetable"
    })
    .await;
    let mut device = hub.connect("dev", &hub.ca.device("dev"), true).await;
    device.expect_close().await;
    let (_, about) = hub.get("/admin").await;
    assert_eq!(about["clockShiftMs"], 5000);
    assert_eq!(hub.get("/devices/dev").await.0, 404);
    assert_eq!(hub.get("/devices/dev?hub=second.localhost").await.0, 200);
}

#[tokio::test]
async fn one_emulator_runs_on_a_folder() {
    let (folder, _) = folder(SEED);
    let hub = start(folder.path()).await;
    let mut options = iothub_emulator::Options::new("hub.localhost");
    options.mqtt = "127.0.0.1:0".parse().unwrap();
    options.http = "127.0.0.1:0".parse().unwrap();
    options.data_dir = Some(folder.path().join("data"));
    let refused = iothub_emulator::Emulator::start(options).await;
    let error = refused.err().map(|error| error.to_string());
    assert!(
        error
            .as_deref()
            .is_some_and(|error| error.contains("another emulator runs on it")),
        "{error:?}"
    );
    hub.emulator.shutdown().await;
}
