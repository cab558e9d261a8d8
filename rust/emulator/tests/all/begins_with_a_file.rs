//! Seed, export, import, timetable of faults.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::path::Path;
use std::process::{Command, Output};

use crate::support;
use crate::support::{Ca, Hub};
use serde_json::{Value, json};

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
    let seen = hub.get("/devices/dev").await.1["lastActivityTime"].clone();
    assert!(!seen.as_str().unwrap().starts_with("0001"), "{seen}");
}

#[tokio::test]
async fn when_a_device_was_last_seen_is_kept_and_comes_along() {
    const SEEN: &str = "2026-11-30T08:00:00.125Z";
    let hub = Hub::start().await;
    let device = json!({"deviceId": "dev", "lastActivityTime": SEEN});
    let import = async |device: &Value| {
        hub.post("/admin/import", &json!({"devices": [device]}))
            .await
    };
    assert_eq!(import(&device).await.0, 200);
    let (_, exported) = hub.get("/admin/export").await;
    assert_eq!(exported["devices"][0]["lastActivityTime"], SEEN);
    assert_eq!(
        import(&json!({"deviceId": "dev", "tags": {"n": 1}}))
            .await
            .0,
        200
    );
    let seen = async || hub.get("/devices/dev").await.1["lastActivityTime"].clone();
    assert_eq!(seen().await, SEEN);
    for wrong in [json!("yesterday"), json!(5)] {
        let (status, answer) = import(&json!({"deviceId": "dev", "lastActivityTime": wrong})).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer.to_string().contains("lastActivityTime"), "{answer}");
    }
}

#[tokio::test]
async fn a_registry_of_many_pages_is_exported_whole() {
    const DEVICES: usize = 1203;
    let mut devices: Vec<Value> = Vec::new();
    for number in 0..DEVICES {
        devices.push(json!({"deviceId": format!("d{number:05}"), "tags": {"n": number}}));
    }
    let message = |number: usize| {
        let device = if number.is_multiple_of(2) {
            "d00007"
        } else {
            "d01000"
        };
        json!({"deviceId": device, "messageId": format!("m{number:03}"), "body": "x"})
    };
    let messages: Vec<Value> = (0..120).map(message).collect();
    // Messages may stand before the devices that they are for.
    let document = json!({"messages": messages, "devices": devices});
    let hub = Hub::start().await;
    let (status, report) = hub.post("/admin/import", &document).await;
    assert_eq!(status, 200, "{report}");
    assert_eq!(report["written"]["devices"], json!(DEVICES));
    assert_eq!(report["written"]["messages"], json!(120));
    let (_, exported) = hub.get("/admin/export").await;
    let field = |part: &str, field: &str| -> Vec<String> {
        let rows = exported[part].as_array().unwrap().iter();
        rows.map(|row| row[field].as_str().unwrap().to_owned())
            .collect()
    };
    let expected: Vec<String> = (0..DEVICES).map(|n| format!("d{n:05}")).collect();
    assert_eq!(field("devices", "deviceId"), expected);
    assert_eq!(exported["devices"][1202]["tags"]["n"], 1202);
    let ids: Vec<&str> = messages
        .iter()
        .map(|it| it["messageId"].as_str().unwrap())
        .collect();
    assert_eq!(field("messages", "messageId"), ids);
    assert_eq!(exported["registrations"], json!([]));
}

#[tokio::test]
async fn an_export_that_cannot_be_written_leaves_the_copy_that_is_there() {
    let (folder, _) = folder(SEED);
    let path = folder.path();
    std::fs::write(path.join("state.json"), "the last one").unwrap();
    let hub = start(path).await;
    hub.emulator.shutdown().await;
    let database = rusqlite::Connection::open(path.join("data/emulator.db")).unwrap();
    database
        .execute(
            "INSERT INTO registrations (id, document) VALUES ('bad', 'no JSON')",
            [],
        )
        .unwrap();
    drop(database);
    let output = run(
        &["export", "--data-dir", "data", "--out", "state.json"],
        path,
    );
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("the registration of 'bad'"), "{text}");
    let kept = std::fs::read_to_string(path.join("state.json")).unwrap();
    assert_eq!(kept, "the last one");
    let names = std::fs::read_dir(path).unwrap();
    let temporary = names.filter(|it| {
        it.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with(".tmp")
    });
    assert_eq!(temporary.count(), 0);
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
        (json!({"devices": {"d": 1}}), "'devices' must be a list"),
        (
            json!({"messages": [3], "devices": null}),
            "messages, number 1: it must be an object",
        ),
        (json!([]), "must be an object"),
        (json!("text"), "must be an object"),
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

/// The file is whole without what stood beside it.
#[tokio::test]
async fn a_clean_stop_folds_the_log_into_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_owned();
    let hub = Hub::start_with(|options| options.data_dir = Some(data)).await;
    for n in 0..20 {
        hub.register(&format!("dev{n}")).await;
    }
    hub.emulator.shutdown().await;
    let log = folder.path().join("emulator.db-wal");
    assert_eq!(std::fs::metadata(&log).map_or(0, |it| it.len()), 0);
    let copy = folder.path().join("copy.db");
    std::fs::copy(folder.path().join("emulator.db"), &copy).unwrap();
    let copy = rusqlite::Connection::open(copy).unwrap();
    let devices: i64 = copy
        .query_row("SELECT count(*) FROM devices", [], |row| row.get(0))
        .unwrap();
    assert_eq!(devices, 20);
}

async fn refused(folder: &Path) -> String {
    let mut options = iothub_emulator::Options::new("hub.localhost");
    options.mqtt = "127.0.0.1:0".parse().unwrap();
    options.http = "127.0.0.1:0".parse().unwrap();
    options.data_dir = Some(folder.to_owned());
    match iothub_emulator::Emulator::start(options).await {
        Ok(_) => "it started".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_database_that_was_emptied_is_no_empty_hub() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("emulator.db"), "").unwrap();
    std::fs::write(path("emulator.db-wal"), "frames").unwrap();
    assert!(
        refused(folder.path())
            .await
            .contains("is empty, and its write-ahead log")
    );
    std::fs::remove_file(path("emulator.db-wal")).unwrap();
    // The lock is there by now.
    assert!(
        refused(folder.path())
            .await
            .contains("is empty, though an emulator has run")
    );
    std::fs::remove_file(path("emulator.db")).unwrap();
    std::fs::write(path("emulator.db-wal"), "frames").unwrap();
    assert!(
        refused(folder.path())
            .await
            .contains("is missing, and its write-ahead log")
    );
    std::fs::remove_file(path("emulator.db-wal")).unwrap();
    assert_eq!(refused(folder.path()).await, "it started");
    // Nor is it for an export.
    std::fs::write(path("emulator.db"), "").unwrap();
    let exported = iothub_emulator::export(folder.path(), std::io::sink()).await;
    assert!(exported.unwrap_err().to_string().contains("is empty"));
}

#[tokio::test]
async fn a_key_is_never_written_through_a_link() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "untouched").unwrap();
    for name in ["server-key.pem", "server-chain.pem", "server-ca.pem"] {
        let there = outside.path().join(name);
        std::os::unix::fs::symlink(&there, folder.path().join(name)).unwrap();
    }
    std::os::unix::fs::symlink(&victim, folder.path().join("server-key.new")).unwrap();
    assert_eq!(refused(folder.path()).await, "it started");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
    assert!(!outside.path().join("server-key.pem").exists());
    let key = folder.path().join("server-key.pem");
    let about = std::fs::symlink_metadata(key).unwrap();
    assert!(about.is_file());
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
}

/// Entries that come again every millisecond, thousands of them, leave requests their turn; and
/// they do not pile up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timetable_that_never_ends_starves_nobody() {
    let hub = Hub::start().await;
    let table = "[[fault]]\nkind = 'puback'\ndevice = 'nobody'\neveryMs = 1\n".repeat(3000);
    let (status, _) = hub
        .request("PUT", "/admin/timetable", &[], table.as_bytes())
        .await;
    assert_eq!(status, 200);
    let mut device = hub.device("dev").await;
    for id in 1..200 {
        device
            .publish("devices/dev/messages/events/", "x", id)
            .await;
        device.expect_puback(id).await;
    }
    let (_, faults) = hub.get("/admin/faults").await;
    assert!(faults.as_array().is_some_and(|all| all.len() <= 3000));
    assert_eq!(hub.delete("/admin/timetable").await.0, 204);
    hub.emulator.shutdown().await;
}
