//! Device-to-cloud messages: properties, acknowledgement, streams.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support::{Hub, within};
use serde_json::json;

#[tokio::test]
async fn arrives_with_all_properties() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    let bag = "%24.ct=application%2Fjson&%24.ce=utf-8&%24.mid=m%201&alert=true&empty=&null";
    device
        .publish(
            &format!("devices/dev/messages/events/{bag}"),
            "{\"temperature\":21.5}",
            1,
        )
        .await;
    device.expect_puback(1).await;
    let lines = hub.lines("/admin/telemetry.jsonl").await;
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(
        (&line["seq"], &line["deviceId"], &line["hub"]),
        (&json!(1), &json!("dev"), &json!("hub.localhost"))
    );
    assert_eq!(
        (&line["format"], &line["body"]),
        (&json!("json"), &json!({"temperature": 21.5}))
    );
    assert_eq!(
        line["properties"],
        json!({"alert": "true", "empty": "", "null": null})
    );
    assert_eq!(
        line["systemProperties"],
        json!({"contentType": "application/json", "contentEncoding": "utf-8", "messageId": "m 1"})
    );
}

#[tokio::test]
async fn acknowledgements_come_in_order_and_since_goes_on_where_it_was() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    for id in 1..=300 {
        device
            .publish("devices/dev/messages/events/", &format!("{id}"), id)
            .await;
    }
    for id in 1..=300 {
        device.expect_puback(id).await;
    }
    for path in [
        "/admin/telemetry.jsonl?last=2",
        "/admin/telemetry.jsonl?last=2&device=dev&since=10",
    ] {
        let latest = hub.lines(path).await;
        assert_eq!(
            (latest.len(), &latest[0]["body"]),
            (2, &json!(299)),
            "{path}"
        );
    }
    for follow in ["&follow=true", "&follow=0"] {
        let path = format!("/admin/telemetry.jsonl?limit=2{follow}");
        let first = within(&path, hub.lines(&path)).await;
        assert_eq!((first.len(), &first[1]["body"]), (2, &json!(2)), "{path}");
    }
    // It waits for what is missing, and ends with it.
    let path = "/admin/telemetry.jsonl?since=299&limit=3&follow=true";
    let (more, ()) = within("the rest", async {
        tokio::join!(hub.lines(path), async {
            for id in 301..=305 {
                let topic = "devices/dev/messages/events/";
                device.publish(topic, &format!("{id}"), id).await;
                device.expect_puback(id).await;
            }
        })
    })
    .await;
    let bodies: Vec<_> = more.iter().map(|line| line["body"].as_u64()).collect();
    assert_eq!(bodies, [Some(300), Some(301), Some(302)]);
    let events = within(
        "events",
        hub.lines("/admin/events.jsonl?limit=1&follow=yes"),
    )
    .await;
    assert_eq!(events.len(), 1);
    let rest = hub.lines("/admin/telemetry.jsonl?since=297&limit=3").await;
    let bodies: Vec<_> = rest
        .iter()
        .map(|line| line["body"].as_u64().unwrap())
        .collect();
    assert_eq!(bodies, [298, 299, 300]);
    assert_eq!(
        hub.lines("/admin/telemetry.jsonl?device=other").await.len(),
        0
    );
}

#[tokio::test]
async fn what_the_hub_does_not_have_ends_the_connection() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    for (topic, why) in [
        (
            "devices/other/messages/events/",
            "not this device's telemetry topic",
        ),
        ("my/topic", "a device cannot publish to it"),
        (
            "devices/dev/messages/events/a=%ZZ",
            "property 'a=%ZZ' is not percent-encoded",
        ),
        ("$iothub/twin/GET/", "a device cannot publish to it"),
    ] {
        let mut device = hub.connect("dev", &hub.ca.device("dev"), true).await;
        device.publish(topic, "x", 1).await;
        device.expect_close().await;
        let of_this = |event: &serde_json::Value| event["reason"].as_str().unwrap().contains(why);
        hub.event_where("closed", of_this).await;
    }
    assert_eq!(hub.lines("/admin/telemetry.jsonl").await.len(), 0);
}

#[tokio::test]
async fn a_message_too_large_and_qos_2_end_the_connection() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    let large = "x".repeat(256 * 1024 - 3);
    device
        .publish("devices/dev/messages/events/a=12", &large, 1)
        .await;
    device.expect_puback(1).await;
    device
        .publish("devices/dev/messages/events/a=123", &large, 2)
        .await;
    device.expect_close().await;
    assert_eq!(hub.event("closed").await["code"], 413001);

    let mut device = hub.connect("dev", &hub.ca.device("dev"), true).await;
    device
        .write(b"\x34\x22\x00\x1cdevices/dev/messages/events/\x00\x01hi")
        .await;
    device.expect_close().await;
    hub.event_where("closed", |event| {
        event["reason"].as_str().unwrap().contains("QoS 2")
    })
    .await;
}

#[tokio::test]
async fn a_retained_message_becomes_a_property() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device
        .write(b"\x33\x22\x00\x1cdevices/dev/messages/events/\x00\x05hi")
        .await;
    device.expect_puback(5).await;
    assert_eq!(
        hub.lines("/admin/telemetry.jsonl").await[0]["properties"],
        json!({"mqtt-retain": "true"})
    );
}
