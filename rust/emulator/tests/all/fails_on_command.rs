//! Faults on command.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support::Hub;
use serde_json::{Value, json};

impl Hub {
    async fn fault(&self, fault: Value) {
        let (status, answer) = self.post("/admin/faults", &fault).await;
        assert_eq!(status, 201, "{answer}");
    }
}

#[tokio::test]
async fn connack_code() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    hub.fault(json!({"kind": "connack", "code": 3, "device": "dev", "times": 1}))
        .await;
    let mut device = hub.dial(Some(&hub.ca.device("dev"))).await;
    device.connect("dev", true).await;
    assert_eq!(device.connack().await, (false, 3));
    hub.connect("dev", &hub.ca.device("dev"), true)
        .await
        .ping()
        .await;
}

#[tokio::test]
async fn a_puback_that_never_comes_although_the_message_is_stored() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    hub.fault(json!({"kind": "puback", "times": 1})).await;
    device.publish("devices/dev/messages/events/", "1", 1).await;
    device.publish("devices/dev/messages/events/", "2", 2).await;
    device.expect_puback(2).await;
    assert_eq!(hub.lines("/admin/telemetry.jsonl").await.len(), 2);
}

#[tokio::test]
async fn a_late_puback_comes_after_the_next_one() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    hub.fault(json!({"kind": "puback", "delayMs": 300, "times": 1}))
        .await;
    device.publish("devices/dev/messages/events/", "1", 1).await;
    device.publish("devices/dev/messages/events/", "2", 2).await;
    device.expect_puback(2).await;
    device.expect_puback(1).await;
}

#[tokio::test]
async fn a_throttle() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device
        .subscribe(&["$iothub/twin/res/#", "$iothub/methods/POST/#"])
        .await;
    hub.fault(json!({"kind": "throttle", "status": 429, "times": 2}))
        .await;
    device.publish("$iothub/twin/GET/?$rid=1", "", 0).await;
    let answer = device.message().await;
    assert_eq!(answer.topic, "$iothub/twin/res/429/?$rid=1");
    assert!(answer.payload.contains("429001"), "{}", answer.payload);
    assert_eq!(
        hub.post("/twins/dev/methods", &json!({"methodName": "led"}))
            .await
            .0,
        429
    );
    device.publish("$iothub/twin/GET/?$rid=2", "", 0).await;
    assert_eq!(device.message().await.topic, "$iothub/twin/res/200/?$rid=2");
}

#[tokio::test]
async fn drops_by_messages_and_by_bytes() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let credentials = hub.ca.device("dev");
    hub.fault(json!({"kind": "dropEvery", "messages": 2, "times": 1}))
        .await;
    let mut device = hub.connect("dev", &credentials, true).await;
    device.publish("devices/dev/messages/events/", "1", 1).await;
    device.expect_puback(1).await;
    device.publish("devices/dev/messages/events/", "2", 2).await;
    device.expect_close().await;
    assert_eq!(hub.event("closed").await["code"], 400029);
    hub.fault(json!({"kind": "dropAtByte", "bytes": 500, "times": 1}))
        .await;
    let mut device = hub.connect("dev", &credentials, true).await;
    device
        .publish("devices/dev/messages/events/", &"x".repeat(500), 1)
        .await;
    device.expect_close().await;
}

#[tokio::test]
async fn the_clock_can_be_shifted() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let century = 60 * 365 * 86_400_000_i64;
    assert_eq!(
        hub.put("/admin/clock", &json!({"shiftMs": century}))
            .await
            .0,
        200
    );
    let soon = hub.ca.device_with("dev", |params| {
        params.not_after = rcgen::date_time_ymd(2040, 1, 1)
    });
    let mut device = hub.dial(Some(&soon)).await;
    device.connect("dev", true).await;
    assert_eq!(device.connack().await, (false, 5));
    let reason = hub.event("refused").await["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        reason.contains("'CN=dev' expired at 2040-01-01"),
        "{reason}"
    );
}

#[tokio::test]
async fn faults_are_listed_and_taken_back() {
    let hub = Hub::start().await;
    hub.fault(json!({"kind": "pingresp"})).await;
    hub.fault(json!({"kind": "suback"})).await;
    assert_eq!(hub.delete("/admin/faults/2").await.0, 204);
    assert_eq!(hub.delete("/admin/faults/2").await.0, 404);
    let (_, all) = hub.get("/admin/faults").await;
    assert_eq!(
        (all.as_array().unwrap().len(), &all[0]["kind"]),
        (1, &json!("pingresp"))
    );
    assert_eq!(hub.delete("/admin/faults").await.0, 204);
    hub.device("dev").await.ping().await;
}

#[tokio::test]
async fn a_timetable_begins_and_ends_while_the_hub_runs() {
    let hub = Hub::start().await;
    let table = "[[fault]]\nkind = 'connack'\ncode = 3\ntimes = 1\n\
                 [[fault]]\nkind = 'stall'\ndelayMs = 1\nafterMs = 3600000\n";
    let put = async |text: &str| {
        hub.request("PUT", "/admin/timetable", &[], text.as_bytes())
            .await
    };
    let (status, running) = put(table).await;
    assert_eq!((status, &running["entries"]), (200, &json!(2)), "{running}");
    let (status, refusal) = put("[[fault]]\nkind = 'puback'\nafterMs = -1").await;
    assert_eq!(status, 400, "{refusal}");
    assert_eq!(hub.get("/admin/timetable").await.1["timetable"], table);
    let begun = |events: &[Value]| {
        events
            .iter()
            .any(|it| it.to_string().contains("set by the timetable"))
    };
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while !begun(&hub.lines("/admin/events.jsonl").await) {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the first entry did not happen"
        );
        tokio::task::yield_now().await;
    }
    hub.register("dev").await;
    let mut device = hub.dial(Some(&hub.ca.device("dev"))).await;
    device.connect("dev", true).await;
    assert_eq!(device.connack().await, (false, 3));
    assert_eq!(hub.delete("/admin/timetable").await.0, 204);
    assert_eq!(hub.delete("/admin/timetable").await.0, 404);
    assert_eq!(hub.get("/admin/timetable").await.1["entries"], Value::Null);
}
