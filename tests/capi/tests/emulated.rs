//! Provisioning and a whole application, against the emulator.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../rust/host/tests/all/support/pki.rs"]
#[allow(dead_code)]
mod pki;
#[path = "support/world.rs"]
mod world;

use serde_json::json;
use world::{HOST, World};

/// Defects 7 and 20 among it: the names of the config are copied.
#[test]
fn dps_registers() {
    let Some(world) = World::start("dps_registers") else {
        return;
    };
    world.enrol("enabled");
    world.run("dps_registers");
    // Defect 16: read back in another life of the device.
    world.setting("iothub/dps/id_scope", "0ne00000001");
    world.run("dps_is_remembered");
    assert_eq!(world.get("/registrations/device-1")["status"], "assigned");
}

#[test]
fn dps_in_connect() {
    let Some(world) = World::start("dps_in_connect") else {
        return;
    };
    world.setting("iothub/dps/id_scope", "0ne00000001");
    world.enrol("enabled");
    world.run("dps_in_connect");
}

/// Defect 7: a refusal by DPS waits for the whole time that DPS may take, and is left over for the
/// next connect.
#[test]
fn dps_refused_in_connect() {
    let Some(world) = World::start("dps_refused_in_connect") else {
        return;
    };
    world.setting("iothub/dps/id_scope", "0ne00000001");
    world.enrol("disabled");
    world.run("dps_refused_in_connect");
}

/// 429 and 503 are asked again. Nordic's library fails.
#[test]
fn dps_throttled() {
    let Some(world) = World::start("dps_throttled") else {
        return;
    };
    world.enrol("enabled");
    for status in [429, 503] {
        let fault = json!({"kind": "provisioning", "status": status, "retryAfter": 1, "times": 1});
        world.send("POST", "/admin/faults", &fault);
    }
    world.run("dps_throttled");
    assert_eq!(world.get("/admin/faults"), json!([]), "both have struck");
}

/// Defect 17: a reset while DPS is at work, and a new registration at once.
#[test]
fn dps_reset_while_running() {
    let Some(world) = World::start("dps_reset_while_running") else {
        return;
    };
    world.enrol("enabled");
    world.run("dps_reset_while_running");
}

/// The older form has no functions for DPS: it is part of connecting.
#[test]
fn legacy_dps() {
    let Some(world) = World::start("legacy_dps") else {
        return;
    };
    world.setting("iothub/dps/id_scope", "0ne00000001");
    world.setting("iothub/device_id", "device-1");
    world.enrol("enabled");
    world.run("legacy_dps");
}

/// Nordic's five, in its order; the application restarts the device.
#[test]
fn fota() {
    let Some(world) = World::start("fota") else {
        return;
    };
    updates(&world, "fota");
}

/// As `fota`, of the older form.
#[test]
fn legacy_fota() {
    let Some(world) = World::start("legacy_fota") else {
        return;
    };
    world.setting("iothub/hostname", HOST);
    world.setting("iothub/device_id", "device-1");
    updates(&world, "legacy_fota");
}

/// Asks first for an image at a wrong place, then for one with another hash, then for a right one.
fn updates(world: &World, program: &str) {
    let device =
        json!({"deviceId": "device-1", "authentication": {"type": "certificateAuthority"}});
    world.send("PUT", "/devices/device-1", &device);
    world.image("1.0.0", &[7; 5000]);
    let deploy =
        json!({"deviceId": "device-1", "image": "1.0.0.bin", "jobId": "1", "protocol": "http"});
    let mut firmware = world.send("POST", "/admin/firmware/deployments", &deploy);
    let wants = |firmware: &serde_json::Value| {
        let patch = json!({"properties": {"desired": {"firmware": firmware}}});
        world.send("PATCH", "/twins/device-1", &patch);
    };
    let says = |status: &str, job: &str| {
        world.until("/twins/device-1", |twin| {
            let found = &twin["properties"]["reported"]["firmware"];
            found["fwUpdateStatus"] == status && found["jobId"] == job
        });
    };
    let host = firmware["fwLocation"]["host"].take();
    firmware["fwLocation"]["host"] = "".into();
    wants(&firmware);
    let device = world.spawn(program);
    says("error", "1");
    firmware["fwLocation"]["host"] = host;
    let hash = firmware["sha256"].take();
    firmware["sha256"] = "0".repeat(64).into();
    firmware["jobId"] = "2".into();
    wants(&firmware);
    says("error", "2");
    firmware["sha256"] = hash;
    firmware["jobId"] = "3".into();
    wants(&firmware);
    device.ends();
}

#[test]
fn legacy_dps_refused() {
    let Some(world) = World::start("legacy_dps_refused") else {
        return;
    };
    world.setting("iothub/dps/id_scope", "0ne00000001");
    world.setting("iothub/device_id", "device-1");
    world.enrol("disabled");
    world.run("legacy_dps_refused");
}

#[test]
fn sample() {
    let Some(world) = World::start("sample") else {
        return;
    };
    world.enrol("enabled");
    let device = world.spawn("sample");
    let telemetry = world.follow("/admin/telemetry.jsonl?device=device-1");
    let body = |line: &serde_json::Value| line["body"].to_string();

    let first = telemetry.find("telemetry", |_| true);
    assert!(body(&first).contains("25.1"), "{first}");
    assert_eq!(first["properties"]["kind"], "climate & more", "{first}");

    let desired = json!({"properties": {"desired": {"telemetryInterval": 1}}});
    world.send("PATCH", "/twins/device-1", &desired);
    for _ in 0..2 {
        telemetry.find("telemetry every second", |line| {
            body(line).contains("interval")
                && body(line).replace('\\', "").contains("\"interval\":1")
        });
    }
    let twin = world.get("/twins/device-1");
    assert_eq!(
        twin["properties"]["reported"]["telemetryInterval"], 1,
        "{twin}"
    );

    let method = |name: &str| {
        let call = json!({"methodName": name, "payload": 1, "responseTimeoutInSeconds": 10});
        world.send("POST", "/twins/device-1/methods", &call)
    };
    let worked = json!({"status": 200, "payload": {"it": "worked"}});
    assert_eq!(method("led"), worked);
    telemetry.find("telemetry with the LED on", |line| {
        body(line).replace('\\', "").contains("\"led\":1")
    });
    assert_eq!(method("no-such-method")["status"], 404);
    assert_eq!(method("stop"), worked);
    device.ends();
}
