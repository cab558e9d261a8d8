//! Cloud-to-device messages: queue, order, acknowledgement, sessions.

#![allow(clippy::unwrap_used)] // helpers of tests

mod support;

use serde_json::json;
use support::Hub;

const INBOX: &[&str] = &["devices/+/messages/devicebound/#"];

impl Hub {
    async fn send(&self, id: &str, message_id: &str, body: &str) {
        let headers = [
            ("iothub-messageid", message_id),
            ("iothub-ack", "full"),
            ("iothub-app-colour", "r%C3%B6t"),
        ];
        let path = format!("/devices/{id}/messages/deviceBound");
        let (status, answer) = self.request("POST", &path, &headers, body.as_bytes()).await;
        assert_eq!((status, &answer["messageId"]), (201, &json!(message_id)));
    }

    async fn waiting(&self, id: &str) -> usize {
        self.get(&format!("/devices/{id}/messages/deviceBound"))
            .await
            .1
            .as_array()
            .unwrap()
            .len()
    }
}

#[tokio::test]
async fn a_message_waits_for_its_device_and_goes_with_the_puback() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    hub.send("dev", "m/1", "hello").await;
    let mut device = hub.connect("dev", &hub.ca.device("dev"), false).await;
    device.subscribe(INBOX).await;
    let message = device.message().await;
    assert_eq!(
        message.topic,
        "devices/dev/messages/devicebound/%24.mid=m%2F1&%24.to=%2Fdevices%2Fdev%2Fmessages%2FdeviceBound\
         &iothub-ack=full&colour=r%C3%B6t"
    );
    assert_eq!(
        (message.payload.as_str(), message.qos, message.dup),
        ("hello", 1, false)
    );
    assert_eq!(hub.waiting("dev").await, 1);
    device.puback(message.packet_id).await;
    device.ping().await;
    assert_eq!(hub.waiting("dev").await, 0);
}

#[tokio::test]
async fn without_a_puback_it_comes_again_on_the_next_connection() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let credentials = hub.ca.device("dev");
    let mut device = hub.connect("dev", &credentials, false).await;
    device.subscribe(INBOX).await;
    hub.send("dev", "m1", "one").await;
    assert!(!device.message().await.dup);
    drop(device);
    hub.event("closed").await;
    // The session is there, so that nothing has to be subscribed.
    let mut device = hub.dial(Some(&credentials)).await;
    device.connect("dev", false).await;
    assert_eq!(device.connack().await, (true, 0));
    let again = device.message().await;
    assert_eq!((again.payload.as_str(), again.dup), ("one", true));
    device.puback(again.packet_id).await;
    device.ping().await;
    assert_eq!(hub.waiting("dev").await, 0);
}

#[tokio::test]
async fn a_clean_session_throws_the_queue_away() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    hub.send("dev", "m1", "one").await;
    let mut device = hub.connect("dev", &hub.ca.device("dev"), true).await;
    device.subscribe(INBOX).await;
    device.ping().await;
    assert_eq!(hub.waiting("dev").await, 0);
}

#[tokio::test]
async fn messages_come_in_order_and_must_be_acknowledged_in_order() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    for n in 1..=3 {
        hub.send("dev", &format!("m{n}"), &format!("{n}")).await;
    }
    let mut device = hub.connect("dev", &hub.ca.device("dev"), false).await;
    device.subscribe(INBOX).await;
    let mut ids = Vec::new();
    for n in 1..=3 {
        let message = device.message().await;
        assert_eq!(message.payload, format!("{n}"));
        ids.push(message.packet_id);
    }
    device.puback(ids[1]).await;
    device.expect_close().await;
    let closed = hub.event("closed").await;
    assert!(
        closed["reason"].as_str().unwrap().contains("out of order"),
        "{closed}"
    );
    assert_eq!(hub.waiting("dev").await, 3);
}

#[tokio::test]
async fn the_queue_has_its_limits() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    for n in 1..=50 {
        hub.send("dev", &format!("m{n}"), "x").await;
    }
    let path = "/devices/dev/messages/deviceBound";
    let (status, body) = hub.request("POST", path, &[], b"x").await;
    assert_eq!((status, &body["errorCode"]), (403, &json!(403004)));
    let (_, purged) = hub.delete("/devices/dev/commands").await;
    assert_eq!(purged["totalMessagesPurged"], 50);
    let (_, letters) = hub.get("/admin/dead-letters?device=dev").await;
    assert_eq!(
        (letters.as_array().map(Vec::len), &letters[0]["reason"]),
        (Some(50), &json!("Purged"))
    );
    let (_, letters) = hub.get("/admin/dead-letters?device=other").await;
    assert_eq!(letters, json!([]));
    let (status, _) = hub.request("POST", path, &[], &vec![b'x'; 65_537]).await;
    assert_eq!(status, 413);
    let (status, _) = hub
        .request("POST", path, &[("iothub-ack", "maybe")], b"x")
        .await;
    assert_eq!(status, 400);
    let (status, _) = hub
        .request("POST", "/devices/nobody/messages/deviceBound", &[], b"x")
        .await;
    assert_eq!(status, 404);
}
