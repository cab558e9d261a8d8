//! Shared access signatures of devices and of service clients.

#![allow(clippy::unwrap_used)] // helpers of tests

mod support;

use serde_json::json;
use support::{HUB, Hub, token};

async fn try_connect(hub: &Hub, password: Option<&str>) -> (u8, support::Device) {
    let mut device = hub.dial(None).await;
    device
        .connect_as(
            "dev",
            "hub.localhost/dev/?api-version=2021-04-12",
            true,
            60,
            password,
        )
        .await;
    let (_, code) = device.connack().await;
    (code, device)
}

#[tokio::test]
async fn a_device_with_a_key() {
    let hub = Hub::start().await;
    let (_, device) = hub
        .put("/devices/dev", &json!({"authentication": {"type": "sas"}}))
        .await;
    let keys = &device["authentication"]["symmetricKey"];
    let resource = format!("{HUB}/devices/dev");
    for key in ["primaryKey", "secondaryKey"] {
        let password = token(&resource, keys[key].as_str().unwrap(), 3600, None);
        let (code, mut device) = try_connect(&hub, Some(&password)).await;
        assert_eq!(code, 0);
        device.ping().await;
    }
    let key = keys["primaryKey"].as_str().unwrap();
    for (password, why) in [
        (None, "no token was presented"),
        (
            Some("let me in".to_owned()),
            "does not begin with 'SharedAccessSignature '",
        ),
        (Some(token(&resource, key, -10, None)), "the token expired"),
        (
            Some(token(&format!("{HUB}/devices/other"), key, 3600, None)),
            "and not for 'hub.localhost/devices/dev'",
        ),
        (
            Some(token(&resource, "AAECAwQFBgcICQoLDA0ODw==", 3600, None)),
            "fits none of the keys",
        ),
    ] {
        assert_eq!(try_connect(&hub, password.as_deref()).await.0, 5, "{why}");
        hub.event_where("refused", |event| {
            event["reason"].as_str().unwrap().contains(why)
        })
        .await;
    }
}

#[tokio::test]
async fn the_connection_ends_with_the_token() {
    let hub = Hub::start().await;
    let (_, device) = hub
        .put("/devices/dev", &json!({"authentication": {"type": "sas"}}))
        .await;
    let key = device["authentication"]["symmetricKey"]["primaryKey"]
        .as_str()
        .unwrap();
    let (code, mut device) = try_connect(
        &hub,
        Some(&token(&format!("{HUB}/devices/dev"), key, 2, None)),
    )
    .await;
    assert_eq!(code, 0);
    device.expect_close().await;
    assert_eq!(hub.event("closed").await["reason"], "the token expired");
}

#[tokio::test]
async fn keys_can_be_switched_off() {
    let hub = Hub::start_with(|options| options.enforce_x509 = true).await;
    let (_, device) = hub
        .put("/devices/dev", &json!({"authentication": {"type": "sas"}}))
        .await;
    let key = device["authentication"]["symmetricKey"]["primaryKey"]
        .as_str()
        .unwrap();
    assert_eq!(
        try_connect(
            &hub,
            Some(&token(&format!("{HUB}/devices/dev"), key, 3600, None))
        )
        .await
        .0,
        5
    );
    assert!(
        hub.event("refused").await["reason"]
            .as_str()
            .unwrap()
            .contains("disableDeviceSAS")
    );
}

#[tokio::test]
async fn a_service_client_signs_with_the_owners_key() {
    let hub = Hub::start().await;
    let ask = |header: String| async {
        let header = header;
        hub.request("GET", "/devices", &[("authorization", &header)], b"")
            .await
    };
    let key = hub.emulator.service_key();
    assert_eq!(ask(token(HUB, key, 3600, Some("iothubowner"))).await.0, 200);
    let (status, body) = ask(token(HUB, key, -1, Some("iothubowner"))).await;
    assert!(
        status == 401 && body["Message"].as_str().unwrap().contains("expired"),
        "{body}"
    );
    let (status, body) = ask(token(
        HUB,
        "AAECAwQFBgcICQoLDA0ODw==",
        3600,
        Some("iothubowner"),
    ))
    .await;
    assert!(
        status == 401
            && body["Message"]
                .as_str()
                .unwrap()
                .contains("fits none of the keys"),
        "{body}"
    );
}
