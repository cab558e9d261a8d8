//! A device takes its messages over HTTP, as `az iot device c2d-message receive` does.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support::{HUB, Hub, exchange, token};
use serde_json::json;

const QUEUE: &str = "/devices/dev/messages/deviceBound";

/// Status, headers by their names, body.
async fn call(hub: &Hub, method: &str, path: &str) -> (u16, Vec<(String, String)>, String) {
    let address = hub.emulator.http_addr();
    let (status, head, body) = exchange(address, method, path, &[], b"").await;
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    (status, headers.collect(), body)
}

fn of<'h>(headers: &'h [(String, String)], name: &str) -> &'h str {
    let found = headers.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value)
}

async fn send(hub: &Hub, id: &str) {
    let headers = [
        ("iothub-messageid", id),
        ("iothub-ack", "full"),
        ("iothub-app-colour", "dark%20red"),
        ("content-type", "text/plain"),
    ];
    assert_eq!(hub.request("POST", QUEUE, &headers, b"hello").await.0, 201);
}

async fn receive(hub: &Hub) -> (String, String) {
    let (status, headers, body) = call(hub, "GET", QUEUE).await;
    assert_eq!((status, body.as_str()), (200, "hello"));
    let lock = of(&headers, "etag").trim_matches('"').to_owned();
    (lock, of(&headers, "iothub-deliverycount").to_owned())
}

#[tokio::test]
async fn one_message_at_a_time_under_a_lock() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    assert_eq!(call(&hub, "GET", QUEUE).await.0, 204);
    send(&hub, "m 1").await;
    let (status, headers, body) = call(&hub, "GET", QUEUE).await;
    assert_eq!((status, body.as_str()), (200, "hello"));
    for (name, value) in [
        ("iothub-messageid", "m%201"),
        ("iothub-to", QUEUE),
        ("iothub-ack", "full"),
        ("iothub-deliverycount", "1"),
        ("iothub-contenttype", "text%2Fplain"),
        ("iothub-app-colour", "dark%20red"),
    ] {
        assert_eq!(of(&headers, name), value, "{name}");
    }
    // It is locked: nobody else gets it.
    assert_eq!(call(&hub, "GET", QUEUE).await.0, 204);
    let lock = of(&headers, "etag").trim_matches('"');
    for wrong in [
        format!("{QUEUE}/x"),
        format!("{QUEUE}/ffff-1"),
        format!("/devices/other/messages/deviceBound/{lock}"),
    ] {
        assert_eq!(call(&hub, "DELETE", &wrong).await.0, 412, "{wrong}");
    }
    assert_eq!(
        call(&hub, "DELETE", &format!("{QUEUE}/{lock}")).await.0,
        204
    );
    assert_eq!(
        call(&hub, "DELETE", &format!("{QUEUE}/{lock}")).await.0,
        412
    );
    assert_eq!(hub.get("/admin/devices/dev/messages").await.1, json!([]));
    let (_, feedback) = hub.get("/messages/serviceBound/feedback").await;
    assert_eq!(feedback[0]["statusCode"], "Success");
}

#[tokio::test]
async fn what_is_abandoned_comes_again_and_what_is_rejected_does_not() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    send(&hub, "m").await;
    let (lock, count) = receive(&hub).await;
    assert_eq!(count, "1");
    let path = format!("{QUEUE}/{lock}/abandon");
    assert_eq!(call(&hub, "POST", &path).await.0, 204);
    let (lock, count) = receive(&hub).await;
    assert_eq!(count, "2");
    let path = format!("{QUEUE}/{lock}?api-version=2021-04-12&reject=");
    assert_eq!(call(&hub, "DELETE", &path).await.0, 204);
    assert_eq!(call(&hub, "GET", QUEUE).await.0, 204);
    let (_, letters) = hub.get("/admin/dead-letters?device=dev").await;
    assert_eq!(letters[0]["reason"], "Rejected");
    let (_, feedback) = hub.get("/messages/serviceBound/feedback").await;
    assert_eq!(feedback[0]["statusCode"], "Rejected");
}

/// A token of a device is good for its own paths, and told so elsewhere.
#[tokio::test]
async fn with_a_token_of_its_own() {
    let hub = Hub::start().await;
    let keys = json!({"type": "sas", "symmetricKey": {
        "primaryKey": "AAECAwQFBgcICQoLDA0ODw==", "secondaryKey": "DwECAwQFBgcICQoLDA0ODw==",
    }});
    for id in ["dev", "other"] {
        let document = json!({"authentication": keys});
        assert_eq!(hub.put(&format!("/devices/{id}"), &document).await.0, 200);
    }
    let mine = token(
        &format!("{HUB}/devices/dev"),
        "AAECAwQFBgcICQoLDA0ODw==",
        3600,
        None,
    );
    let wrong = token(
        &format!("{HUB}/devices/dev"),
        "AQECAwQFBgcICQoLDA0ODw==",
        3600,
        None,
    );
    for (token, method, path, status, why) in [
        (&mine, "GET", QUEUE, 204, ""),
        (
            &mine,
            "GET",
            "/devices/other/messages/deviceBound",
            401,
            "the token is valid, and it is device 'dev's own",
        ),
        (
            &mine,
            "GET",
            "/twins/dev",
            401,
            "the token is valid, and it is device 'dev's own",
        ),
        (
            &mine,
            "POST",
            QUEUE,
            401,
            "the token is valid, and it is device 'dev's own",
        ),
        (&wrong, "GET", QUEUE, 401, "fits none of the keys"),
    ] {
        let headers = [("authorization", token.as_str())];
        let (got, body) = hub.request(method, path, &headers, b"").await;
        assert_eq!(got, status, "{method} {path}: {body}");
        let told = body["Message"].as_str().unwrap_or_default();
        assert!(told.contains(why), "{method} {path}: {told}");
    }
}
