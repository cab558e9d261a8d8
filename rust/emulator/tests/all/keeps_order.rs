//! JSON comes out in the order in which it went in: Microsoft's Embedded C samples read a twin up
//! to `$version`.

use crate::support::{self, Hub};
use serde_json::json;

const DESIRED: &str =
    r#"{"$version":9,"zeta":1,"mid":2,"alpha":{"y":1,"c":{"z":1,"a":2},"b":2},"$metadata":{}}"#;

/// Where each of some texts stands; each must be there, once at least.
fn in_order(text: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        let at = text[from..].find(part);
        assert!(at.is_some(), "'{part}' does not come next in {text}");
        from += at.unwrap_or_default() + part.len();
    }
}

async fn patch(hub: &Hub, desired: &str) -> String {
    let body = format!(r#"{{"properties":{{"desired":{desired}}}}}"#);
    let address = hub.emulator.http_addr();
    let (status, text) = support::http(address, "PATCH", "/twins/dev", &[], body.as_bytes()).await;
    assert_eq!(status, 200, "{text}");
    text
}

#[tokio::test]
async fn a_twin_ends_with_its_version() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device
        .subscribe(&[
            "$iothub/twin/res/#",
            "$iothub/twin/PATCH/properties/desired/#",
        ])
        .await;
    let service = patch(&hub, DESIRED).await;
    let (_, desired) = service.split_once(r#""desired":"#).unwrap_or_default();
    in_order(
        desired,
        &[
            r#""zeta":1,"mid":2,"alpha":{"y":1,"c":{"z":1,"a":2},"b":2},"$metadata":{"$lastUpdated":"#,
            r#""$version":2}"#,
            r#""reported":{"$metadata":"#,
        ],
    );
    assert_eq!(
        device.message().await.payload,
        r#"{"zeta":1,"mid":2,"alpha":{"y":1,"c":{"z":1,"a":2},"b":2},"$version":2}"#
    );

    device
        .publish(
            "$iothub/twin/PATCH/properties/reported/?$rid=1",
            r#"{"z":1,"m":1,"b":1,"a":1}"#,
            0,
        )
        .await;
    assert_eq!(
        device.message().await.topic,
        "$iothub/twin/res/204/?$rid=1&$version=2"
    );
    // What goes leaves the order of the others alone; what comes anew comes last.
    patch(&hub, r#"{"zeta":null,"new":0,"mid":3}"#).await;
    device.message().await;
    device.publish("$iothub/twin/GET/?$rid=2", "", 0).await;
    assert_eq!(
        device.message().await.payload,
        r#"{"desired":{"mid":3,"alpha":{"y":1,"c":{"z":1,"a":2},"b":2},"new":0,"$version":3},"reported":{"z":1,"m":1,"b":1,"a":1,"$version":2}}"#
    );
    let (_, exported) =
        support::http(hub.emulator.http_addr(), "GET", "/admin/export", &[], b"").await;
    let compact: String = exported.split_whitespace().collect();
    in_order(
        &compact,
        &[r#""desired":{"mid":3,"alpha":{"y":1,"c":{"z":1,"a":2},"b":2},"new":0"#],
    );
}

#[tokio::test]
async fn telemetry_is_as_the_device_sent_it() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    let body = r#"{"z":{"y":1,"b":2},"a":[3]}"#;
    device
        .publish("devices/dev/messages/events/z=1&y=2&a=3", body, 1)
        .await;
    device.expect_puback(1).await;
    let address = hub.emulator.http_addr();
    let (_, line) = support::http(address, "GET", "/admin/telemetry.jsonl", &[], b"").await;
    in_order(
        &line,
        &[
            &format!(r#""body":{body}"#),
            r#""properties":{"z":"1","y":"2","a":"3"}"#,
        ],
    );
}

#[tokio::test]
async fn a_method_is_called_with_what_the_service_sent() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device.subscribe(&["$iothub/methods/POST/#"]).await;
    let document = json!({"methodName": "m", "payload": {"z": 1, "a": {"y": 1, "b": 2}}});
    let call = hub.post("/twins/dev/methods", &document);
    let serve = async {
        let request = device.message().await;
        assert_eq!(request.payload, r#"{"z":1,"a":{"y":1,"b":2}}"#);
        let topic = "$iothub/methods/res/200/?$rid=1";
        device.publish(topic, r#"{"z":1,"a":2}"#, 0).await;
    };
    let (answered, ()) = tokio::join!(call, serve);
    assert_eq!(answered.1["payload"].to_string(), r#"{"z":1,"a":2}"#);
}
