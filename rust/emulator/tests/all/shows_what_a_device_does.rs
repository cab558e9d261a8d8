//! `lastActivityTime` and the limit of subscriptions.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support::Hub;
use serde_json::json;

impl Hub {
    async fn shift(&self, hours: i64) {
        let shift = json!({"shiftMs": hours * 3_600_000});
        assert_eq!(self.put("/admin/clock", &shift).await.0, 200);
    }

    /// Hours of the day and date are enough: the clock moves by whole hours.
    async fn activity(&self) -> String {
        let (_, device) = self.get("/devices/dev").await;
        let (_, twin) = self.get("/twins/dev").await;
        assert_eq!(device["lastActivityTime"], twin["lastActivityTime"]);
        device["lastActivityTime"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn activity_moves_with_what_the_device_sends_and_gets() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    assert_eq!(hub.activity().await, "0001-01-01T00:00:00Z");
    let mut device = hub.connect("dev", &hub.ca.device("dev"), false).await;
    device
        .subscribe(&["devices/dev/messages/devicebound/#"])
        .await;
    let connected = hub.activity().await;
    hub.shift(2).await;
    assert_eq!(hub.activity().await, connected, "time alone is no activity");
    device.publish("devices/dev/messages/events/", "1", 1).await;
    device.expect_puback(1).await;
    let sent = hub.activity().await;
    assert!(sent > connected, "{sent} {connected}");
    hub.shift(4).await;
    let path = "/devices/dev/messages/deviceBound";
    assert_eq!(hub.request("POST", path, &[], b"x").await.0, 201);
    device.message().await;
    let got = hub.activity().await;
    assert!(got > sent, "{got} {sent}");
    hub.shift(6).await;
    drop(device);
    hub.event("closed").await;
    assert_eq!(hub.activity().await, got, "to lose a device is no activity");
}

#[tokio::test]
async fn one_subscription_too_many_closes_the_connection() {
    let hub = Hub::start_with(|options| {
        options.settings.set("maxSubscriptions", "2").unwrap();
    })
    .await;
    let mut device = hub.device("dev").await;
    device.subscribe(&["$iothub/twin/res/#"]).await;
    device
        .subscribe(&["$iothub/methods/POST/#", "$iothub/twin/res/#"])
        .await;
    let desired = ["$iothub/twin/PATCH/properties/desired/#"];
    assert_eq!(device.try_subscribe(&desired, 1).await, None);
    let closed = hub.event("closed").await;
    assert!(
        closed["reason"]
            .as_str()
            .unwrap()
            .contains("a device may have 2 subscriptions"),
        "{closed}"
    );
}

#[tokio::test]
async fn what_a_device_reports_and_acknowledges_is_in_the_log() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    let filters = ["$iothub/twin/res/#", "devices/dev/messages/devicebound/#"];
    device.subscribe(&filters).await;
    let patch = "$iothub/twin/PATCH/properties/reported/?$rid=1";
    device.publish(patch, r#"{"led":1}"#, 0).await;
    let topic = device.message().await.topic;
    assert!(topic.contains("/res/204/"), "{topic}");
    let reported = hub.event("twin").await;
    assert_eq!(reported["reason"], "reported properties, now version 2");

    let path = "/devices/dev/messages/deviceBound";
    let named = [("iothub-messageid", "m1")];
    assert_eq!(hub.request("POST", path, &named, b"x").await.0, 201);
    let message = device.message().await;
    device.puback(message.packet_id).await;
    let acknowledged = |event: &serde_json::Value| event["reason"] == "message 'm1' acknowledged";
    hub.event_where("c2d", acknowledged).await;
}
