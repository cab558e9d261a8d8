//! Direct methods.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support::Hub;
use serde_json::{Value, json};

fn rid(topic: &str) -> &str {
    topic.split_once("?$rid=").unwrap().1
}

#[tokio::test]
async fn a_method_goes_there_and_back() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device.subscribe(&["$iothub/methods/POST/#"]).await;
    for (payload, answer, expected) in [
        (
            json!({"methodName": "led", "payload": 1}),
            "{\"ok\":true}",
            json!({"status": 200, "payload": {"ok": true}}),
        ),
        (
            json!({"methodName": "led"}),
            "",
            json!({"status": 200, "payload": null}),
        ),
    ] {
        let call = hub.post("/twins/dev/methods", &payload);
        let serve = async {
            let request = device.message().await;
            assert!(
                request.topic.starts_with("$iothub/methods/POST/led/?$rid="),
                "{}",
                request.topic
            );
            assert_eq!(
                serde_json::from_str::<Value>(&request.payload).unwrap(),
                payload["payload"]
            );
            device
                .publish(
                    &format!("$iothub/methods/res/200/?$rid={}", rid(&request.topic)),
                    answer,
                    0,
                )
                .await;
        };
        let (answered, ()) = tokio::join!(call, serve);
        assert_eq!(answered, (200, expected));
    }
}

/// Nordic's library keeps 7 characters of an id, and answers with what it kept.
#[tokio::test]
async fn the_ids_of_requests_count_in_hexadecimal_on_each_connection() {
    let hub = Hub::start().await;
    for _ in 0..2 {
        let mut device = hub.device("dev").await;
        device.subscribe(&["$iothub/methods/POST/#"]).await;
        for number in 1..=17 {
            let document = json!({"methodName": "led"});
            let call = hub.post("/twins/dev/methods", &document);
            let serve = async {
                let request = device.message().await;
                assert_eq!(rid(&request.topic), format!("{number:x}"));
                let topic = format!("$iothub/methods/res/200/?$rid={number:x}");
                device.publish(&topic, "", 0).await;
            };
            let (answered, ()) = tokio::join!(call, serve);
            assert_eq!(answered.0, 200);
        }
        device.disconnect().await;
    }
}

/// As the Azure CLI and clients with numbers in floating point send them.
#[tokio::test]
async fn time_outs_may_be_texts() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device.subscribe(&["$iothub/methods/POST/#"]).await;
    for (response, connect) in [(json!("30"), json!("0")), (json!(5.0), json!(0.0))] {
        let document = json!({
            "methodName": "led", "responseTimeoutInSeconds": response, "connectTimeoutInSeconds": connect,
        });
        let call = hub.post("/twins/dev/methods", &document);
        let serve = async {
            let request = device.message().await;
            let topic = format!("$iothub/methods/res/200/?$rid={}", rid(&request.topic));
            device.publish(&topic, "", 0).await;
        };
        let (answered, ()) = tokio::join!(call, serve);
        assert_eq!(answered.0, 200, "{document}");
    }
    for wrong in [json!("soon"), json!("4"), json!(30.5), json!(true)] {
        let document = json!({"methodName": "led", "responseTimeoutInSeconds": wrong});
        let (status, refused) = hub.post("/twins/dev/methods", &document).await;
        assert_eq!((status, &refused["errorCode"]), (400, &json!(400_004)));
    }
}

#[tokio::test]
async fn an_answer_that_is_not_json_fails_the_call_at_once() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device.subscribe(&["$iothub/methods/POST/#"]).await;
    let document = json!({"methodName": "led", "responseTimeoutInSeconds": 300});
    let call = hub.post("/twins/dev/methods", &document);
    let serve = async {
        let request = device.message().await;
        let topic = format!("$iothub/methods/res/200/?$rid={}", rid(&request.topic));
        device.publish(&topic, "it is on", 0).await;
    };
    let ((status, body), ()) = tokio::join!(call, serve);
    assert_eq!(status, 502, "{body}");
    let told = body["Message"].as_str().unwrap();
    assert!(
        told.starts_with("ErrorCode:InvalidResponseWhileProxying;") && told.contains("is not JSON"),
        "{told}"
    );
    device.ping().await;
}

#[tokio::test]
async fn a_device_that_is_away_or_does_not_listen_is_not_online() {
    let hub = Hub::start().await;
    hub.register("away").await;
    let (status, body) = hub
        .post("/twins/away/methods", &json!({"methodName": "led"}))
        .await;
    assert_eq!((status, &body["errorCode"]), (404, &json!(404103)));
    assert!(
        body["Message"]
            .as_str()
            .unwrap()
            .contains("is not connected"),
        "{body}"
    );
    let _deaf = hub.device("deaf").await;
    let (_, body) = hub
        .post("/twins/deaf/methods", &json!({"methodName": "led"}))
        .await;
    assert!(
        body["Message"]
            .as_str()
            .unwrap()
            .contains("has not subscribed to methods"),
        "{body}"
    );
    let (_, body) = hub
        .post("/twins/nobody/methods", &json!({"methodName": "led"}))
        .await;
    assert_eq!(body["errorCode"], 404001);
}

#[tokio::test]
async fn the_call_waits_for_the_device_to_connect() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let document = json!({"methodName": "led", "connectTimeoutInSeconds": 20});
    let call = hub.post("/twins/dev/methods", &document);
    let serve = async {
        let mut device = hub.connect("dev", &hub.ca.device("dev"), true).await;
        device.subscribe(&["$iothub/methods/POST/#"]).await;
        let request = device.message().await;
        device
            .publish(
                &format!("$iothub/methods/res/65535/?$rid={}", rid(&request.topic)),
                "[1]",
                1,
            )
            .await;
        device.expect_puback(1).await;
        device
    };
    let (answered, _device) = tokio::join!(call, serve);
    assert_eq!(answered, (200, json!({"status": 65535, "payload": [1]})));
}

#[tokio::test]
async fn no_answer_is_a_gateway_timeout_and_a_late_one_is_in_the_log() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device.subscribe(&["$iothub/methods/POST/#"]).await;
    let (status, body) = hub
        .post(
            "/twins/dev/methods",
            &json!({"methodName": "led", "responseTimeoutInSeconds": 5}),
        )
        .await;
    assert_eq!((status, &body["errorCode"]), (504, &json!(504101)));
    let request = device.message().await;
    device
        .publish(
            &format!("$iothub/methods/res/200/?$rid={}", rid(&request.topic)),
            "",
            0,
        )
        .await;
    device.ping().await;
    let of_this = |event: &Value| {
        event["reason"]
            .as_str()
            .unwrap()
            .contains("for which nobody waits")
    };
    hub.event_where("method", of_this).await;
}

#[tokio::test]
async fn a_device_that_goes_ends_the_call() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device.subscribe(&["$iothub/methods/POST/#"]).await;
    let document = json!({"methodName": "led"});
    let call = hub.post("/twins/dev/methods", &document);
    let serve = async {
        device.message().await;
        device.disconnect().await;
    };
    let ((status, body), ()) = tokio::join!(call, serve);
    assert_eq!((status, &body["errorCode"]), (404, &json!(404104)));
}

#[tokio::test]
async fn a_bad_call_is_refused() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    for (call, why) in [
        (json!({}), "methodName"),
        (json!({"methodName": "a/b"}), "methodName 'a/b'"),
        (
            json!({"methodName": "a", "responseTimeoutInSeconds": 4}),
            "responseTimeoutInSeconds must be 5 to 300",
        ),
        (
            json!({"methodName": "a", "connectTimeoutInSeconds": 301}),
            "connectTimeoutInSeconds must be 0 to 300",
        ),
    ] {
        let (status, body) = hub.post("/twins/dev/methods", &call).await;
        assert_eq!(status, 400);
        assert!(body["Message"].as_str().unwrap().contains(why), "{body}");
    }
}
