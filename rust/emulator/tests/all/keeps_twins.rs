//! Twins from both sides.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support::Hub;
use serde_json::{Value, json};

const TWIN: &[&str] = &[
    "$iothub/twin/res/#",
    "$iothub/twin/PATCH/properties/desired/#",
];

fn body(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_device_gets_reports_and_is_told() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device.subscribe(TWIN).await;
    device.publish("$iothub/twin/GET/?$rid=1", " ", 0).await;
    let got = device.message().await;
    assert_eq!(got.topic, "$iothub/twin/res/200/?$rid=1");
    assert_eq!(
        body(&got.payload),
        json!({"desired": {"$version": 1}, "reported": {"$version": 1}})
    );

    device
        .publish(
            "$iothub/twin/PATCH/properties/reported/?$rid=id_two",
            "{\"led\":1,\"gone\":null}",
            9,
        )
        .await;
    device.expect_puback(9).await;
    assert_eq!(
        device.message().await.topic,
        "$iothub/twin/res/204/?$rid=id_two&$version=2"
    );

    let patch =
        json!({"tags": {"site": "A"}, "properties": {"desired": {"interval": 1, "old": null}}});
    let (status, twin) = hub.patch("/twins/dev", &patch).await;
    assert_eq!(status, 200);
    let told = device.message().await;
    assert_eq!(
        told.topic,
        "$iothub/twin/PATCH/properties/desired/?$version=2"
    );
    assert_eq!(
        body(&told.payload),
        json!({"interval": 1, "old": null, "$version": 2})
    );
    assert_eq!(twin["properties"]["reported"]["led"], 1);
    assert_eq!(
        twin["properties"]["desired"]["$metadata"]["interval"]["$lastUpdatedVersion"],
        2
    );
    assert_eq!(
        (&twin["tags"], &twin["connectionState"]),
        (&json!({"site": "A"}), &json!("Connected"))
    );

    let (_, twin) = hub
        .put(
            "/twins/dev",
            &json!({"properties": {"desired": {"only": true}}}),
        )
        .await;
    assert_eq!(
        body(&device.message().await.payload),
        json!({"only": true, "$version": 3})
    );
    assert_eq!(
        (&twin["tags"], &twin["properties"]["desired"]["interval"]),
        (&json!({}), &Value::Null)
    );
}

#[tokio::test]
async fn a_bad_report_is_answered_and_changes_nothing() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device.subscribe(TWIN).await;
    let deep = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
    let large = json!({"k": (0..9).map(|n| (format!("k{n}"), "x".repeat(4000))).collect::<std::collections::BTreeMap<_, _>>()});
    for (query, payload, status, why) in [
        ("", "{\"a\":", 400, "not JSON"),
        ("", "[1]", 400, "must be a JSON object"),
        ("", deep.as_str(), 400, "recursion limit"),
        (
            "",
            "{\"a.b\":1}",
            400,
            "Property name a.b contains invalid character '.'",
        ),
        ("", &large.to_string(), 400, "exceeds maximum 32768"),
        ("&$version=7", "{\"a\":1}", 412, "builds on version 7"),
    ] {
        device
            .publish(
                &format!("$iothub/twin/PATCH/properties/reported/?$rid=r{query}"),
                payload,
                0,
            )
            .await;
        let answer = device.message().await;
        assert_eq!(
            answer.topic,
            format!("$iothub/twin/res/{status}/?$rid=r"),
            "{payload:.40}"
        );
        assert!(answer.payload.contains(why), "{}", answer.payload);
    }
    device
        .publish(
            "$iothub/twin/PATCH/properties/reported/?$rid=r&$version=1",
            "{\"a\":1}",
            0,
        )
        .await;
    assert_eq!(
        device.message().await.topic,
        "$iothub/twin/res/204/?$rid=r&$version=2"
    );
}

#[tokio::test]
async fn etags_guard_the_service_side() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let (_, twin) = hub.get("/twins/dev").await;
    let stale = twin["etag"].as_str().unwrap().to_owned();
    let patch = json!({"tags": {"n": 1}}).to_string();
    let with = |tag: String| vec![("if-match", tag)];
    for (headers, status) in [(with("*".into()), 200), (with(format!("\"{stale}\"")), 412)] {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let (found, body) = hub
            .request("PATCH", "/twins/dev", &headers, patch.as_bytes())
            .await;
        assert_eq!(found, status, "{body}");
    }
    let (status, body) = hub.patch("/twins/nobody", &json!({})).await;
    assert_eq!((status, &body["errorCode"]), (404, &json!(404001)));
    assert!(
        body["Message"]
            .as_str()
            .unwrap()
            .starts_with("ErrorCode:DeviceNotFound;"),
        "{body}"
    );
}

#[tokio::test]
async fn without_the_response_subscription_there_is_silence() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device.publish("$iothub/twin/GET/?$rid=1", "", 3).await;
    device.expect_puback(3).await;
    device.ping().await;
}
