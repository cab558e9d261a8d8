//! Shared access signatures of devices and of service clients.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support;
use crate::support::{HUB, Hub, token};
use serde_json::json;

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

/// A device with keys: both of them.
async fn register(hub: &Hub) -> [String; 2] {
    let (_, device) = hub
        .put("/devices/dev", &json!({"authentication": {"type": "sas"}}))
        .await;
    let keys = &device["authentication"]["symmetricKey"];
    ["primaryKey", "secondaryKey"].map(|key| keys[key].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_device_with_a_key() {
    let hub = Hub::start().await;
    let keys = register(&hub).await;
    let resource = format!("{HUB}/devices/dev");
    for key in &keys {
        let password = token(&resource, key, 3600, None);
        let (code, mut device) = try_connect(&hub, Some(&password)).await;
        assert_eq!(code, 0);
        device.ping().await;
    }
    // As the .NET SDK and IoT Edge encode the device id, and then the whole of it.
    hub.put("/devices/d%40v", &json!({"authentication": {"type": "sas", "symmetricKey": {"primaryKey": keys[0], "secondaryKey": keys[1]}}}))
        .await;
    let mut twice = hub.dial(None).await;
    let password = token(&format!("{HUB}/devices/d%40v"), &keys[0], 3600, None);
    let user_name = "hub.localhost/d@v/?api-version=2021-04-12";
    twice
        .connect_as("d@v", user_name, true, 60, Some(&password))
        .await;
    assert_eq!(twice.connack().await, (false, 0));
    let key = &keys[0];
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
    let key = &register(&hub).await[0];
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
async fn the_connection_ends_with_the_token_by_a_clock_that_is_moved() {
    let hub = Hub::start().await;
    let key = &register(&hub).await[0];
    let resource = format!("{HUB}/devices/dev");
    let shift = async |ms: i64| hub.put("/admin/clock", &json!({ "shiftMs": ms })).await.0;

    let lasting = token(&resource, key, 3600, None);
    let (code, mut device) = try_connect(&hub, Some(&lasting)).await;
    assert_eq!(code, 0);
    assert_eq!(shift(3_000_000).await, 200);
    device.ping().await;
    assert_eq!(shift(3_700_000).await, 200);
    device.expect_close().await;
    assert_eq!(hub.event("closed").await["reason"], "the token expired");
    assert_eq!(try_connect(&hub, Some(&lasting)).await.0, 5);

    // The other way round: long over, and good again an hour ago.
    assert_eq!(shift(-3_600_000).await, 200);
    let over = token(&resource, key, -10, None);
    let (code, mut device) = try_connect(&hub, Some(&over)).await;
    assert_eq!(code, 0);
    device.ping().await;
    assert_eq!(shift(0).await, 200);
    device.expect_close().await;
}

#[tokio::test]
async fn keys_can_be_switched_off() {
    let hub = Hub::start_with(|options| options.enforce_x509 = true).await;
    let key = &register(&hub).await[0];
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

#[tokio::test]
async fn a_policy_may_do_what_azure_lets_it_do() {
    let hub = Hub::start().await;
    let key = hub.emulator.service_key();
    let policies = [
        "iothubowner",
        "service",
        "registryReadWrite",
        "registryRead",
        "device",
        "provisioningserviceowner",
    ];
    for (method, path, allowed) in [
        (
            "GET",
            "/devices/none",
            &["iothubowner", "registryReadWrite", "registryRead"][..],
        ),
        (
            "PUT",
            "/devices/none",
            &["iothubowner", "registryReadWrite"],
        ),
        (
            "DELETE",
            "/devices/none",
            &["iothubowner", "registryReadWrite"],
        ),
        ("POST", "/devices/query", &["iothubowner", "service"]),
        ("GET", "/twins/none", &["iothubowner", "service"]),
        ("POST", "/twins/none/methods", &["iothubowner", "service"]),
        (
            "POST",
            "/devices/none/messages/deviceBound",
            &["iothubowner", "service"],
        ),
        (
            "GET",
            "/devices/none/messages/deviceBound",
            &["iothubowner", "device"],
        ),
        (
            "GET",
            "/messages/serviceBound/feedback",
            &["iothubowner", "service"],
        ),
        (
            "POST",
            "/enrollments/query",
            &["iothubowner", "provisioningserviceowner"],
        ),
        ("GET", "/admin/export", &["iothubowner"]),
        ("GET", "/admin/telemetry.jsonl", &["iothubowner"]),
    ] {
        for policy in policies {
            let token = token(HUB, key, 3600, Some(policy));
            let headers = [("authorization", token.as_str())];
            let (status, body) = hub.request(method, path, &headers, b"").await;
            assert_eq!(
                status != 401,
                allowed.contains(&policy),
                "{method} {path} by {policy}: {status} {body}"
            );
        }
    }
}

#[tokio::test]
async fn a_service_token_is_for_one_hub_and_for_a_part_of_its_paths() {
    let hub = Hub::start_with(|options| {
        options.more_hubs = vec!["second.localhost".to_owned()];
    })
    .await;
    let key = hub.emulator.service_key();
    let address = hub.emulator.http_addr().to_string();
    for (resource, path, host, allowed) in [
        ("hub.localhost", "/devices", "", true),
        ("HUB.localhost", "/devices", "hub.localhost:8080", true),
        ("hub.localhost/", "/devices", "", true),
        ("hub.localhost/devices", "/devices", "", true),
        ("hub.localhost/devices", "/devices/x", "", true),
        ("hub.localhost/devices", "/twins/x", "", false),
        ("hub.localhost/dev", "/devices", "", false),
        // What the client connects to.
        (&address, "/devices", "", true),
        ("127.0.0.1", "/devices", "", true),
        ("mybox:8080", "/devices", "mybox:8080", true),
        // Another hub's.
        (
            "second.localhost",
            "/devices?hub=second.localhost",
            "",
            true,
        ),
        ("second.localhost", "/devices", "second.localhost", true),
        ("second.localhost", "/devices", "", false),
        ("hub.localhost", "/devices?hub=second.localhost", "", false),
        ("other.azure-devices.net", "/devices", "", false),
        ("", "/devices", "", false),
    ] {
        let token = token(resource, key, 3600, Some("iothubowner"));
        let headers = [("authorization", token.as_str()), ("host", host)];
        let headers = &headers[..if host.is_empty() { 1 } else { 2 }];
        let (status, body) = hub.request("GET", path, headers, b"").await;
        let case = format!("{resource} for {path} at '{host}': {status} {body}");
        assert_eq!(status != 401, allowed, "{case}");
        if !allowed {
            assert!(
                body["Message"]
                    .as_str()
                    .unwrap()
                    .contains("the token is for"),
                "{case}"
            );
        }
    }
    let nameless = token(HUB, key, 3600, None);
    let (status, body) = hub
        .request("GET", "/devices", &[("authorization", &nameless)], b"")
        .await;
    assert!(
        status == 401 && body["Message"].as_str().unwrap().contains("skn"),
        "{body}"
    );
}
