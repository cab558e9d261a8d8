//! Cloud-to-device messages: queue, order, acknowledgement, sessions.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support::Hub;
use serde_json::json;

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
        self.get(&format!("/admin/devices/{id}/messages"))
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

/// What headers cannot carry: names in their own case, and properties without a value.
#[tokio::test]
async fn a_message_may_be_sent_as_json() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device.subscribe(INBOX).await;
    let document = json!({
        "messageId": "m", "body": {"z": 1, "a": 2}, "properties": {"MixedCase": "v", "alone": null, "empty": ""},
        "correlationId": "c", "contentType": "application/json", "contentEncoding": "utf-8", "ack": "full",
        "expiryTimeUtc": "2037-01-01T00:00:00.000Z",
    });
    let path = "/admin/devices/dev/messages";
    assert_eq!(hub.post(path, &document).await.0, 201);
    let message = device.message().await;
    assert_eq!(message.payload, r#"{"z":1,"a":2}"#);
    assert_eq!(
        message.topic,
        "devices/dev/messages/devicebound/%24.mid=m&%24.to=%2Fdevices%2Fdev%2Fmessages%2FdeviceBound&%24.cid=c\
         &%24.ct=application%2Fjson&%24.ce=utf-8&%24.exp=2037-01-01T00%3A00%3A00.000Z&iothub-ack=full\
         &MixedCase=v&alone&empty="
    );
    for (wrong, why) in [
        (json!({"boby": "x"}), "field 'boby'"),
        (json!({"properties": {"a": 1}}), "property 'a'"),
        (json!({"properties": []}), "properties must be"),
        (json!({"bodyBase64": "!"}), "bodyBase64"),
        (json!({"expiryTimeUtc": "soon"}), "expiryTimeUtc 'soon'"),
        (json!({"messageId": 7}), "messageId must be a text"),
    ] {
        let (status, refused) = hub.post(path, &wrong).await;
        let told = refused["Message"].as_str().unwrap();
        assert!(status == 400 && told.contains(why), "{wrong}: {told}");
    }
}

#[tokio::test]
async fn plain_headers_say_what_the_body_is() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device.subscribe(INBOX).await;
    let path = "/devices/dev/messages/deviceBound";
    for (headers, expected) in [
        (
            &[
                ("content-type", "application/json"),
                ("content-encoding", "utf-8"),
            ][..],
            "&%24.ct=application%2Fjson&%24.ce=utf-8",
        ),
        (
            &[
                ("content-type", "text/plain"),
                ("iothub-contenttype", "text%2Fcsv"),
            ],
            "&%24.ct=text%2Fcsv",
        ),
        (
            &[("iothub-expiry", "2037-01-01T00%3A00%3A00Z")],
            "&%24.exp=2037-01-01T00%3A00%3A00.000Z",
        ),
        (&[("content-type", "application/x-www-form-urlencoded")], ""),
    ] {
        assert_eq!(hub.request("POST", path, headers, b"x").await.0, 201);
        let message = device.message().await;
        let (_, rest) = message.topic.split_once("%2FdeviceBound").unwrap();
        assert_eq!(rest, expected, "{headers:?}");
        device.puback(message.packet_id).await;
    }
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

#[tokio::test]
async fn what_was_delivered_too_often_is_a_dead_letter() {
    let hub = Hub::start_with(|options| {
        options.settings.set("c2dMaxDeliveryCount", "2").unwrap();
    })
    .await;
    hub.register("dev").await;
    let credentials = hub.ca.device("dev");
    hub.send("dev", "m1", "one").await;
    let mut device = hub.connect("dev", &credentials, false).await;
    device.subscribe(INBOX).await;
    assert_eq!(device.message().await.payload, "one");
    let mut device = hub.connect("dev", &credentials, false).await;
    assert_eq!(device.message().await.payload, "one");
    assert_eq!(hub.waiting("dev").await, 1);
    let mut device = hub.connect("dev", &credentials, false).await;
    device.ping().await;
    assert_eq!(hub.waiting("dev").await, 0);
    let (_, letters) = hub.get("/admin/dead-letters?device=dev").await;
    let reasons: Vec<_> = letters
        .as_array()
        .unwrap()
        .iter()
        .map(|letter| &letter["reason"])
        .collect();
    assert_eq!(reasons, [&json!("DeliveryCountExceeded")]);
}

#[tokio::test]
async fn no_more_than_sixteen_are_on_their_way_at_once() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    for n in 1..=18 {
        hub.send("dev", &format!("m{n}"), &format!("{n}")).await;
    }
    let mut device = hub.connect("dev", &hub.ca.device("dev"), false).await;
    device.subscribe(INBOX).await;
    let mut ids = Vec::new();
    for n in 1..=16 {
        let message = device.message().await;
        assert_eq!(message.payload, format!("{n}"));
        ids.push(message.packet_id);
    }
    device.ping().await;
    for (id, next) in [(ids[0], "17"), (ids[1], "18")] {
        device.puback(id).await;
        assert_eq!(device.message().await.payload, next);
        device.ping().await;
    }
}
