//! Modules of a device: identities of their own, with twin, methods and messages.

#![allow(clippy::unwrap_used)] // helpers of tests

use serde_json::{Value, json};

use crate::support::process::Process;
use crate::support::{Device, HUB, Hub, token};

const MODULE: &str = "/devices/dev/modules/temp";
const TWIN: &str = "/twins/dev/modules/temp";

async fn hub() -> (Hub, String) {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let (status, made) = hub
        .put(
            MODULE,
            &json!({"moduleId": "temp", "deviceId": "dev", "managedBy": "me"}),
        )
        .await;
    assert_eq!(status, 200, "{made}");
    let key = made["authentication"]["symmetricKey"]["primaryKey"]
        .as_str()
        .unwrap();
    let key = key.to_owned();
    (hub, key)
}

async fn dial(hub: &Hub, key: &str, resource: &str) -> Device {
    let mut device = hub.dial(None).await;
    let user_name = format!("{HUB}/dev/temp/?api-version=2021-04-12");
    let password = token(&format!("{HUB}{resource}"), key, 600, None);
    device
        .connect_as("dev/temp", &user_name, false, 60, Some(&password))
        .await;
    device
}

async fn connect(hub: &Hub, key: &str) -> Device {
    let mut device = dial(hub, key, MODULE).await;
    assert_eq!(device.connack().await.1, 0);
    device
}

#[tokio::test]
async fn the_registry_has_them_below_their_device() {
    let (hub, _) = hub().await;
    let (_, shown) = hub.get(MODULE).await;
    assert_eq!(
        (&shown["deviceId"], &shown["moduleId"], &shown["managedBy"]),
        (&json!("dev"), &json!("temp"), &json!("me"))
    );
    assert_eq!(shown.get("status"), None);
    let (status, twice) = hub.put(MODULE, &json!({})).await;
    assert_eq!((status, &twice["errorCode"]), (409, &json!(409_301)));
    let (_, all) = hub.get("/devices/dev/modules").await;
    assert_eq!(all.as_array().unwrap().len(), 1);
    // What is about devices is not about them.
    let (_, devices) = hub.get("/devices").await;
    assert_eq!(devices.as_array().unwrap().len(), 1);
    assert_eq!(
        hub.get("/statistics/devices").await.1["totalDeviceCount"],
        1
    );
    for (path, code) in [
        ("/devices/dev/modules/none", 404_010),
        ("/twins/dev/modules/none", 404_010),
        ("/devices/nobody/modules", 404_001),
    ] {
        let (status, answer) = hub.get(path).await;
        assert_eq!(
            (status, &answer["errorCode"]),
            (404, &json!(code)),
            "{path}"
        );
    }
    let (status, answer) = hub.put("/devices/nobody/modules/temp", &json!({})).await;
    assert_eq!((status, &answer["errorCode"]), (404, &json!(404_001)));
    for (path, body) in [
        ("/devices/dev/modules/a%2Fb", json!({})),
        ("/devices/dev/modules/a%23", json!({})),
        ("/devices/dev/modules/other", json!({"moduleId": "another"})),
        ("/devices/dev/modules/other", json!({"deviceId": "another"})),
    ] {
        assert_eq!(hub.put(path, &body).await.0, 400, "{path} {body}");
    }
    for number in 1..50 {
        assert_eq!(
            hub.put(&format!("/devices/dev/modules/m{number}"), &json!({}))
                .await
                .0,
            200
        );
    }
    assert_eq!(hub.put("/devices/dev/modules/m50", &json!({})).await.0, 400);
    assert_eq!(hub.delete("/devices/dev/modules/m1").await.0, 204);
    assert_eq!(hub.delete("/devices/dev").await.0, 204);
    assert_eq!(hub.get(MODULE).await.0, 404);
}

#[tokio::test]
async fn an_edge_device_has_those_of_its_runtime() {
    let hub = Hub::start().await;
    hub.put("/devices/edge", &json!({"capabilities": {"iotEdge": true}}))
        .await;
    let (_, all) = hub.get("/devices/edge/modules").await;
    let ids: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["moduleId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["$edgeAgent", "$edgeHub"]);
    // A device whose id begins alike has none.
    hub.register("edge0").await;
    assert_eq!(hub.get("/devices/edge0/modules").await.1, json!([]));
}

#[tokio::test]
async fn telemetry_twin_method_and_message() {
    let (hub, key) = hub().await;
    let mut module = connect(&hub, &key).await;
    module
        .subscribe(&[
            "$iothub/twin/res/#",
            "$iothub/methods/POST/#",
            "$iothub/twin/PATCH/properties/desired/#",
            "devices/dev/modules/temp/messages/devicebound/#",
            "devices/dev/modules/temp/inputs/#",
        ])
        .await;
    module
        .publish(
            "devices/dev/modules/temp/messages/events/%24.on=out&a=b",
            "1",
            3,
        )
        .await;
    module.expect_puback(3).await;
    let line = &hub.lines("/admin/telemetry.jsonl").await[0];
    assert_eq!(
        (&line["deviceId"], &line["moduleId"]),
        (&json!("dev"), &json!("temp"))
    );
    assert_eq!(line["systemProperties"]["outputName"], "out");
    module
        .publish(
            "$iothub/twin/PATCH/properties/reported/?$rid=1",
            "{\"v\":7}",
            0,
        )
        .await;
    assert!(
        module
            .message()
            .await
            .topic
            .starts_with("$iothub/twin/res/204/?$rid=1")
    );
    let (_, twin) = hub
        .patch(
            TWIN,
            &json!({"tags": {"t": 1}, "properties": {"desired": {"d": 2}}}),
        )
        .await;
    assert_eq!(
        (&twin["moduleId"], &twin["properties"]["reported"]["v"]),
        (&json!("temp"), &json!(7))
    );
    assert_eq!(twin["connectionState"], "Connected");
    let told = module.message().await;
    assert_eq!(told.payload, "{\"d\":2,\"$version\":2}");
    // The device's own twin is another.
    assert_eq!(
        hub.get("/twins/dev").await.1["properties"]["reported"]["v"],
        Value::Null
    );
    let call = json!({"methodName": "m", "payload": 1});
    let path = format!("{TWIN}/methods");
    let (answer, ()) = tokio::join!(hub.post(&path, &call), async {
        let request = module.message().await;
        assert_eq!(
            (request.topic.as_str(), request.payload.as_str()),
            ("$iothub/methods/POST/m/?$rid=1", "1")
        );
        module
            .publish("$iothub/methods/res/200/?$rid=1", "2", 0)
            .await;
    });
    assert_eq!(answer, (200, json!({"status": 200, "payload": 2})));
    let (status, _) = hub
        .request(
            "POST",
            "/devices/dev/modules/temp/messages/deviceBound",
            &[],
            b"hello",
        )
        .await;
    assert_eq!(status, 201);
    let message = module.message().await;
    assert!(
        message
            .topic
            .starts_with("devices/dev/modules/temp/messages/devicebound/"),
        "{message:?}"
    );
    module.puback(message.packet_id).await;
    // Only its own.
    assert_eq!(
        module
            .try_subscribe(&["devices/dev/messages/devicebound/#"], 1)
            .await,
        None
    );
}

#[tokio::test]
async fn who_may_connect_as_one() {
    let (hub, key) = hub().await;
    for resource in [
        "/devices/dev",
        "/devices/dev/modules/other",
        "/devices/dev/temp",
    ] {
        assert_eq!(
            dial(&hub, &key, resource).await.connack().await.1,
            5,
            "{resource}"
        );
    }
    let entry = json!({"authentication": {"type": "certificateAuthority"}});
    assert_eq!(hub.put("/devices/dev/modules/ca", &entry).await.0, 200);
    let user_name = format!("{HUB}/dev/ca/?api-version=2021-04-12");
    for (name, code) in [("dev/ca", 0), ("dev", 5), ("ca", 5)] {
        let mut module = hub.dial(Some(&hub.ca.device(name))).await;
        module
            .connect_as("dev/ca", &user_name, true, 60, None)
            .await;
        assert_eq!(module.connack().await.1, code, "{name}");
    }
    // With the device goes what is below it.
    let mut module = connect(&hub, &key).await;
    let (_, shown) = hub.get("/devices/dev").await;
    let mut disabled = shown.clone();
    disabled["status"] = json!("disabled");
    let tag = shown["etag"].as_str().unwrap();
    let headers = [("If-Match", tag)];
    let body = disabled.to_string();
    let put = hub.request("PUT", "/devices/dev", &headers, body.as_bytes());
    assert_eq!(put.await.0, 200);
    module.expect_close().await;
    assert_eq!(dial(&hub, &key, MODULE).await.connack().await.1, 5);
}

#[tokio::test]
async fn queries_are_about_devices_or_about_modules() {
    let (hub, _) = hub().await;
    hub.put("/devices/dev/modules/second", &json!({})).await;
    hub.patch(TWIN, &json!({"tags": {"site": "roof"}})).await;
    hub.patch("/twins/dev", &json!({"tags": {"site": "roof"}}))
        .await;
    for (query, expected) in [
        ("SELECT * FROM devices", 1),
        ("SELECT * FROM devices WHERE tags.site = 'roof'", 1),
        ("SELECT * FROM devices WHERE deviceId = 'dev/temp'", 0),
        ("SELECT * FROM devices.modules", 2),
        ("SELECT * FROM devices.modules WHERE tags.site = 'roof'", 1),
        (
            "SELECT * FROM devices.modules WHERE moduleId = 'second' AND deviceId = 'dev'",
            1,
        ),
        ("SELECT * FROM devices WHERE status = 'disabled'", 0),
    ] {
        let (status, rows) = hub.post("/devices/query", &json!({"query": query})).await;
        assert_eq!(
            (status, rows.as_array().unwrap().len()),
            (200, expected),
            "{query}: {rows}"
        );
    }
    let (_, rows) = hub
        .post(
            "/devices/query",
            &json!({"query": "SELECT COUNT() AS n FROM devices.modules"}),
        )
        .await;
    assert_eq!(rows, json!([{"n": 2}]));
}

#[tokio::test]
async fn they_are_there_after_a_kill_and_in_an_export() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&["--data-dir"], folder.path());
    process.call("PUT", "/devices/dev", "{}").await;
    process.call("PUT", MODULE, r#"{"managedBy":"me"}"#).await;
    process.call("PATCH", TWIN, r#"{"tags":{"a":1}}"#).await;
    process.kill();
    let process = Process::start(&["--data-dir"], folder.path());
    let shown: Value = serde_json::from_str(&process.call("GET", MODULE, "").await).unwrap();
    assert_eq!(shown["managedBy"], "me");
    let all = process.call("GET", "/admin/export", "").await;
    let other = Hub::start().await;
    assert_eq!(
        other
            .request("POST", "/admin/import", &[], all.as_bytes())
            .await
            .0,
        200
    );
    assert_eq!(other.get(TWIN).await.1["tags"], json!({"a": 1}));
    assert_eq!(
        other.get(MODULE).await.1["authentication"],
        shown["authentication"]
    );
}
