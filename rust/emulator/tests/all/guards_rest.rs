//! Who may use REST, and what hostile requests get.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support;
use crate::support::Hub;
use serde_json::json;

/// As `ErrorCode:InvalidProtocolVersion;BadRequest` of the real hub.
#[tokio::test]
async fn other_web_pages_and_other_names_are_not_served() {
    let hub = Hub::start().await;
    for headers in [
        [("host", "evil.example")],
        [("host", "127.0.0.1.evil.example")],
        [("host", "localhost.evil.example:8080")],
        [("host", "192.0.2.1")],
        [("origin", "http://evil.example")],
    ] {
        let (status, body) = hub.request("GET", "/devices", &headers, b"").await;
        assert_eq!(
            (status, &body["errorCode"]),
            (401, &json!(401002)),
            "{headers:?}"
        );
    }
    for host in [
        "localhost",
        "localhost:1",
        "127.0.0.1",
        "[::1]",
        "[::1]:80",
        "::1",
        "hub.localhost",
        "HUB.localhost:80",
    ] {
        assert_eq!(
            hub.request("GET", "/devices", &[("host", host)], b"")
                .await
                .0,
            200,
            "{host}"
        );
    }
}

#[tokio::test]
async fn who_shows_no_valid_token_stays_under_the_rules_for_strangers() {
    let hub = Hub::start().await;
    for shown in ["x", "Bearer", "Bearer ", "Bearer guessed", "Basic eDp5"] {
        for (method, path, headers) in [
            (
                "GET",
                "/admin/connection-string",
                &[("host", "evil.example:8080")][..],
            ),
            ("GET", "/admin/export", &[("host", "evil.example:8080")]),
            ("GET", "/admin/events", &[("host", "evil.example:8080")]),
            (
                "PUT",
                "/devices/pwn",
                &[
                    ("host", "evil.example:8080"),
                    ("origin", "http://evil.example:8080"),
                ],
            ),
        ] {
            let headers = [headers, &[("authorization", shown)]].concat();
            let (status, body) = hub.request(method, path, &headers, b"").await;
            assert_eq!(status, 401, "{method} {path} {headers:?}: {body}");
        }
        let here = [("authorization", shown)];
        assert_eq!(hub.request("GET", "/devices", &here, b"").await.0, 200);
    }
    assert_eq!(hub.get("/devices").await.1, json!([]));
}

#[tokio::test]
async fn a_method_that_a_path_has_not_is_named() {
    let hub = Hub::start().await;
    let (status, body) = hub.request("DELETE", "/admin", &[], b"").await;
    assert_eq!(
        (status, &body["Message"]),
        (
            405,
            &json!("ErrorCode:MethodNotAllowed;/admin has no DELETE: see the header Allow")
        )
    );
}

#[tokio::test]
async fn with_a_token_nothing_but_the_page_is_open() {
    let hub = Hub::start().await;
    let Hub { emulator, .. } = hub;
    emulator.shutdown().await;
    let mut options = iothub_emulator::Options::new(support::HUB);
    options.mqtt = "127.0.0.1:0".parse().unwrap();
    options.http = "127.0.0.1:0".parse().unwrap();
    options.token = Some("secret".to_owned());
    let emulator = iothub_emulator::Emulator::start(options).await.unwrap();
    let ask = |path: &'static str, value: &'static str| {
        let address = emulator.http_addr();
        async move {
            let headers = [("authorization", value)];
            let headers = if value.is_empty() {
                &headers[..0]
            } else {
                &headers[..]
            };
            support::http(address, "GET", path, headers, b"").await.0
        }
    };
    assert_eq!(ask("/", "").await, 200);
    assert_eq!(ask("/page/app.js", "").await, 200);
    assert_eq!(ask("/page/nothing.js", "").await, 401);
    assert_eq!(ask("/devices", "").await, 401);
    assert_eq!(ask("/devices", "Bearer wrong!").await, 401);
    assert_eq!(ask("/devices", "Bearer secret").await, 200);
}

#[tokio::test]
async fn beyond_loopback_a_token_is_required() {
    let mut options = iothub_emulator::Options::new(support::HUB);
    options.http = "0.0.0.0:0".parse().unwrap();
    let error = iothub_emulator::Emulator::start(options).await.unwrap_err();
    assert!(error.to_string().contains("REST needs a token"), "{error}");
}

#[tokio::test]
async fn hostile_paths_ids_and_bodies() {
    let hub = Hub::start().await;
    for path in [
        "/../../etc/passwd",
        "/page/app.js/../../x",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/admin/nothing",
    ] {
        assert_eq!(hub.get(path).await.0, 404, "{path}");
    }
    for id in ["x'%20OR%201=1--", "%3Cscript%3E", "a%2Fb", "%00", "%FF"] {
        let (status, _) = hub.put(&format!("/devices/{id}"), &json!({})).await;
        assert_eq!(status, 400, "{id}");
    }
    for id in ["a%2Bb", "a%23b"] {
        let (status, body) = hub.put(&format!("/devices/{id}"), &json!({})).await;
        let told = body["Message"].as_str().unwrap();
        assert!(
            status == 400 && told.ends_with("+ and # are not supported"),
            "{id}: {status} {told}"
        );
    }
    let enrollment = json!({
        "deviceId": "a+b", "attestation": {"type": "symmetricKey"}
    });
    let (status, body) = hub.put("/enrollments/e1", &enrollment).await;
    assert_eq!(status, 400, "{body}");
    let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    for body in ["{", "[]", "\"\"", deep.as_str()] {
        assert_eq!(
            hub.request("PUT", "/devices/dev", &[], body.as_bytes())
                .await
                .0,
            400,
            "{body:.20}"
        );
    }
    let large = vec![b' '; 2 * 1024 * 1024];
    assert_eq!(hub.request("PUT", "/devices/dev", &[], &large).await.0, 413);
    for query in ["since=x", "since=-1", "limit=many", "follow=perhaps"] {
        assert_eq!(
            hub.get(&format!("/admin/events.jsonl?{query}")).await.0,
            400,
            "{query}"
        );
    }
    assert_eq!(hub.get("/devices").await.0, 200);
}

#[tokio::test]
async fn the_ca_that_devices_must_trust_can_be_fetched() {
    let hub = Hub::start().await;
    let (status, text) = hub.get("/admin/server-ca.pem").await;
    assert_eq!((status, text), (200, json!(hub.server_ca)));
}

#[tokio::test]
async fn a_device_that_is_there_is_changed_only_by_who_says_so() {
    let hub = Hub::start().await;
    let put = async |headers: &[(&str, &str)], status: &str| {
        let body = json!({"authentication": {"type": "sas"}, "status": status}).to_string();
        hub.request("PUT", "/devices/dev", headers, body.as_bytes())
            .await
    };
    let (status, made) = put(&[], "enabled").await;
    assert_eq!(status, 200, "{made}");
    let (status, refusal) = put(&[], "disabled").await;
    assert_eq!((status, &refusal["errorCode"]), (409, &json!(409_001)));
    assert_eq!(hub.get("/devices/dev").await.1["status"], "enabled");
    let tag = format!("\"{}\"", made["etag"].as_str().unwrap());
    assert_eq!(put(&[("if-match", &tag)], "disabled").await.0, 200);
    assert_eq!(put(&[("if-match", &tag)], "enabled").await.0, 412);
    assert_eq!(put(&[("if-match", "*")], "enabled").await.0, 200);
}

#[tokio::test]
async fn who_does_not_finish_the_head_of_a_request_is_cut_off() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut settings = iothub_emulator::Settings::default();
    settings.set("connectTimeoutMs", "300").unwrap();
    let hub = Hub::start_with(|options| options.settings = settings).await;
    let mut slow = tokio::net::TcpStream::connect(hub.emulator.http_addr())
        .await
        .unwrap();
    slow.write_all(b"GET /admin HTTP/1.1\r\nhost: x\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(TIMEOUT, slow.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "it is still open: {rest:?}");
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    assert_eq!(hub.get("/admin").await.0, 200);
}

const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);
