//! `fleet`: every device of it is one of its own to the hub, and all end well.

use crate::support::{TIMEOUT, World, program::Program};
use iothub_demo::Rest;
use iothub_provision::pki::Pki;
use rustix::process::Signal;
use serde_json::{Value, json};
use time::OffsetDateTime;

const DEVICES: u32 = 12;

fn report(program: &mut Program) -> Value {
    let (status, error) = program.ends();
    assert_eq!(status.code(), Some(0), "{error}");
    serde_json::from_str(&program.printed.join("\n")).expect("one JSON object")
}

#[test]
fn each_device_is_one_of_its_own_to_the_hub() {
    let world = World::new();
    let root = world.folder.path().join("root.pem");
    let certificate = world.bench.setup().pki().authority_certificate("rootca");
    std::fs::write(&root, certificate.expect("the root").pem()).expect("written");
    let mut program = Program::start(|command| {
        command
            .args(["fleet", "--json", "--interval", "1", "--prefix", "many-"])
            .args(["--devices", &DEVICES.to_string()])
            .args([
                "--emulator",
                &format!("http://{}", world.bench.http_address()),
            ])
            .arg("--roots")
            .arg(&root)
            .arg("--data")
            .arg(world.folder.path().join("fleet"));
    });
    let rest = world.bench.rest();
    for number in 1..=DEVICES {
        let id = format!("many-{number:05}");
        does_what_the_back_end_wants(&rest, &id);
    }
    program.signal(Signal::INT);
    let report = report(&mut program);
    assert_eq!(
        (&report["ready"], &report["connects"]),
        (&json!(DEVICES), &json!(DEVICES)),
        "{report}"
    );
    assert_eq!(
        (&report["dropped"], &report["methods"]),
        (&json!(0), &json!(2 * DEVICES)),
        "{report}"
    );
    assert!(
        report["acknowledged"].as_u64() >= Some(DEVICES.into()),
        "{report}"
    );
    let closed = rest.until("the last good-bye", TIMEOUT, |rest| {
        let events = rest.events(0)?.into_iter();
        let closed: Vec<_> = events.filter(|event| event["event"] == "closed").collect();
        Ok((closed.len() >= DEVICES as usize).then_some(closed))
    });
    for event in closed.expect("closed") {
        let reason = event["reason"].as_str().expect("a reason");
        assert!(reason.contains("DISCONNECT"), "{event}");
    }
}

fn does_what_the_back_end_wants(rest: &Rest, id: &str) {
    let telemetry = rest.until("telemetry", TIMEOUT, |rest| {
        Ok(rest.telemetry(id, 0)?.pop())
    });
    let telemetry = telemetry.expect("telemetry arrives").to_string();
    for kind in ["gnss", "env", "bat"] {
        assert!(telemetry.contains(kind), "{telemetry}");
    }
    rest.until("the version that it runs", TIMEOUT, |rest| {
        let twin = rest.twin(id)?;
        let version = &twin["properties"]["reported"]["dev"]["v"]["appV"];
        Ok((version == env!("CARGO_PKG_VERSION")).then_some(()))
    })
    .expect("reported");
    let answer = rest.method(id, "led", &json!(1)).expect("called");
    assert_eq!(answer, (200, json!({"status": 200, "payload": 1})));
    let (_, answer) = rest.method(id, "reboot", &json!(null)).expect("called");
    assert_eq!(answer["status"], 404);
    for (wanted, code, holds) in [(json!(2), 200, 2), (json!("soon"), 400, 2)] {
        let desired = json!({ "telemetryInterval": wanted });
        let version = rest.patch_desired(id, &desired).expect("patched");
        rest.until("its acknowledgement", TIMEOUT, |rest| {
            let twin = rest.twin(id)?;
            let found = &twin["properties"]["reported"]["telemetryInterval"];
            let right = found["av"] == version && found["ac"] == code && found["value"] == holds;
            Ok(right.then_some(()))
        })
        .expect("acknowledged");
    }
}

#[test]
fn a_hub_of_its_own_is_started_and_ends_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut program = Program::start(|command| {
        command
            .args(["fleet", "--devices", "5", "--for", "60", "--interval", "1"])
            .args(["--mqtt", "0", "--http", "0", "--data"])
            .arg(folder.path());
    });
    program.waits_for("registering 5 devices");
    program.waits_for("all devices are ready");
    program.signal(Signal::INT);
    let (status, error) = program.ends();
    assert_eq!((status.code(), error.as_str()), (Some(0), ""));
    let printed = program.printed.join("\n");
    assert!(
        printed.contains("5 of 5 ready; 5 connects, 0 failed"),
        "{printed}"
    );
    assert!(printed.contains("each device: "), "{printed}");
    assert!(!printed.contains("not connected"), "{printed}");
}

#[test]
fn it_ends_in_time_with_a_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut program = Program::start(|command| {
        command
            .args(["fleet", "--json", "--devices", "1", "--for", "1"])
            .args(["--mqtt", "0", "--http", "0", "--data"])
            .arg(folder.path());
    });
    let report = report(&mut program);
    assert_eq!(report["devices"], 1, "{report}");
    assert!(report["seconds"].as_f64() >= Some(1.0), "{report}");
    assert!(report["memoryBytesPerDevice"].is_u64(), "{report}");
}

#[test]
fn why_nobody_could_connect_is_said() {
    let world = World::new();
    let folder = tempfile::tempdir().expect("a folder");
    let other = Pki::development(folder.path(), OffsetDateTime::now_utc()).expect("made");
    let root = folder.path().join("other-root.pem");
    let certificate = other.authority_certificate("rootca").expect("the root");
    std::fs::write(&root, certificate.pem()).expect("written");
    let mut program = Program::start(|command| {
        command
            .args(["fleet", "--devices", "3", "--for", "60", "--emulator"])
            .arg(format!("http://{}", world.bench.http_address()))
            .arg("--roots")
            .arg(&root)
            .arg("--data")
            .arg(folder.path());
    });
    program.waits_for("invalid peer certificate");
    program.signal(Signal::INT);
    let (status, error) = program.ends();
    assert_eq!(status.code(), Some(1), "{error}");
    assert!(error.contains("no device could connect"), "{error}");
    let printed = program.printed.join("\n");
    let (_, causes) = printed
        .split_once("not connected because:")
        .expect("causes");
    assert!(causes.contains("invalid peer certificate"), "{printed}");
}

#[test]
fn a_device_that_is_there_already_stays_as_it_is() {
    let world = World::new();
    let rest = world.bench.rest();
    let root = world.folder.path().join("root.pem");
    let certificate = world.bench.setup().pki().authority_certificate("rootca");
    std::fs::write(&root, certificate.expect("the root").pem()).expect("written");
    let start = |until: &str| {
        let mut program = Program::start(|command| {
            command
                .args(["fleet", "--devices", "1", "--for", "60", "--emulator"])
                .arg(format!("http://{}", world.bench.http_address()))
                .arg("--roots")
                .arg(&root)
                .arg("--data")
                .arg(world.folder.path().join("fleet"));
        });
        program.waits_for(until);
        program.signal(Signal::INT);
        program.ends()
    };
    assert_eq!(start("all devices are ready").0.code(), Some(0));
    rest.set_status("fleet-00001", "disabled").expect("set");
    let (status, error) = start("fleet-00001: ");
    assert_eq!(status.code(), Some(1), "{error}");
    let device = rest.device("fleet-00001").expect("there");
    assert_eq!(device["status"], "disabled");
}

#[test]
fn what_cannot_be_is_named() {
    for (arguments, named) in [
        (&["fleet", "--devices", "0"][..], "--devices"),
        (&["fleet", "--faulty", "101"], "--faulty"),
        (&["fleet", "--for", "0"], "--for"),
        (&["fleet", "--prefix", "device/module-"], "--prefix"),
        (&["fleet", "--roots", "f"], "--emulator"),
        (&["fleet", "--connection-string-file", "f"], "--roots"),
        (
            &["fleet", "--emulator", "http://127.0.0.1:1", "--http", "0"],
            "--http",
        ),
        (&["fleet", "--once"], "--once"),
    ] {
        let mut program = Program::start(|command| {
            command.args(arguments);
        });
        let (status, error) = program.ends();
        assert_eq!(status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(named), "{arguments:?}: {error}");
    }
}
