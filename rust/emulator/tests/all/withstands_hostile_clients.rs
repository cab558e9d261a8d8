//! Clients that mean harm: the hub stays up, its memory bounded, and the log says what happened.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::time::Duration;

use crate::support;
use crate::support::process::Process;
use crate::support::{Ca, Device, Hub, within};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

impl Hub {
    async fn hurried() -> Self {
        Self::start_with(|options| {
            options.settings.set("connectTimeoutMs", "300").unwrap();
            options.settings.set("maxUnproved", "8").unwrap();
        })
        .await
    }

    async fn refused(&self, why: &str) {
        self.event_where("refused", |event| {
            event["reason"].as_str().unwrap().contains(why)
        })
        .await;
    }

    async fn closed(&self, id: &str, why: &str) {
        self.event_where("closed", |event| {
            event["deviceId"] == id && event["reason"].as_str().unwrap().contains(why)
        })
        .await;
    }

    /// A device like any other is served.
    async fn still_serves(&self) {
        let mut device = self.device("good").await;
        device
            .publish("devices/good/messages/events/", "1", 1)
            .await;
        device.expect_puback(1).await;
    }
}

/// Reads until the other side has closed.
async fn expect_end(stream: &mut TcpStream) {
    let end = async { while !matches!(stream.read(&mut [0; 64]).await, Ok(0) | Err(_)) {} };
    within("the end", end).await;
}

#[tokio::test]
async fn who_says_nothing_or_says_it_slowly() {
    let hub = Hub::hurried().await;
    let address = hub.emulator.mqtt_addr();
    let mut silent = TcpStream::connect(address).await.unwrap();
    expect_end(&mut silent).await;
    // A TLS record that says it is long, and comes byte by byte.
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"\x16\x03\x01\x02\x00").await.unwrap();
    let drip = async {
        let mut drops = tokio::time::interval(Duration::from_millis(5));
        while slow.write_all(b"\x01").await.is_ok() {
            drops.tick().await;
            if matches!(slow.try_read(&mut [0; 64]), Ok(0)) {
                break;
            }
        }
    };
    within("the end of the time limit", drip).await;
    hub.refused("no TLS handshake within 300ms").await;
    let credentials = hub.ca.device("dev");
    let mut half = hub.dial(Some(&credentials)).await;
    half.write(b"\x10\x7f\x00\x04MQTT\x04").await;
    half.expect_close().await;
    hub.refused("no CONNECT within 300ms").await;
    hub.still_serves().await;
}

#[tokio::test]
async fn many_half_open_connections() {
    let hub = Hub::start_with(|options| {
        options.settings.set("maxUnproved", "8").unwrap();
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(hub.emulator.mqtt_addr()).await.unwrap();
        stream.write_all(b"\x16\x03\x01").await.unwrap();
        open.push(stream);
    }
    let mut ninth = TcpStream::connect(hub.emulator.mqtt_addr()).await.unwrap();
    expect_end(&mut ninth).await;
    hub.refused("8 connections have not sent CONNECT yet").await;
    drop(open);
    // Those that went make room.
    let room = async {
        hub.register("good").await;
        let credentials = hub.ca.device("good");
        let address = hub.emulator.mqtt_addr();
        while Device::dial(address, &hub.server_ca, Some(&credentials))
            .await
            .is_err()
        {}
    };
    within("room", room).await;
}

#[tokio::test]
async fn packets_that_are_no_packets() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let credentials = hub.ca.device("dev");
    // Seeded noise instead of CONNECT and behind it.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = |length: usize| -> Vec<u8> {
        let byte = |_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed as u8
        };
        (0..length).map(byte).collect()
    };
    for round in 0..40 {
        let mut device = hub.dial(Some(&credentials)).await;
        if round % 2 == 0 {
            device.connect("dev", true).await;
            assert_eq!(device.connack().await.1, 0);
        }
        // A reserved type first, so that none of it is a packet.
        let mut bytes = vec![0xf1];
        bytes.extend(noise(round * 7));
        let _ = device.try_write(&bytes).await;
        while device.packet().await.is_some() {}
    }
    hub.closed("dev", "malformed packet").await;
    hub.refused("malformed packet").await;
    hub.still_serves().await;
}

#[tokio::test]
async fn packets_that_are_too_large() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let credentials = hub.ca.device("dev");
    // Only the length is sent: nobody waits for 256 MiB, nor makes room for them.
    for first in [b"\x30\xff\xff\xff\x7f", b"\x82\xff\xff\xff\x7f"] {
        let mut device = hub.connect("dev", &credentials, true).await;
        device.write(first).await;
        device.expect_close().await;
    }
    hub.closed("dev", "a packet of 268435455 bytes is larger than")
        .await;
    let mut device = hub.dial(Some(&credentials)).await;
    device.write(b"\x10\xff\xff\xff\x7f").await;
    device.expect_close().await;
    hub.refused("a packet of 268435455 bytes").await;
    let mut device = hub.connect("dev", &credentials, true).await;
    let large = "x".repeat(256 * 1024 + 1);
    let _ = device
        .try_publish("devices/dev/messages/events/", &large, 1)
        .await;
    device.expect_close().await;
    let large = |event: &serde_json::Value| {
        let reason = event["reason"].as_str().unwrap();
        event["code"] == 413001 && reason.starts_with("a message of 262145 bytes")
    };
    hub.event_where("closed", large).await;
    hub.still_serves().await;
}

#[tokio::test]
async fn floods_of_topics_and_filters() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let credentials = hub.ca.device("dev");
    let long = "x/".repeat(32_000);
    for topic in [
        "devices/other/messages/events/",
        "$SYS/broker",
        "a\u{1}b",
        &long,
    ] {
        let mut device = hub.connect("dev", &credentials, true).await;
        for id in 1..=200 {
            if device.try_publish(topic, "x", id).await.is_err() {
                break;
            }
        }
        device.expect_close().await;
    }
    let mut device = hub.connect("dev", &credentials, true).await;
    let filters: Vec<String> = (0..2000).map(|n| format!("flood/{n}/#")).collect();
    let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    assert_eq!(device.try_subscribe(&filters, 1).await, None);
    for event in hub.lines("/admin/events.jsonl").await {
        assert!(
            event.to_string().len() < 2000,
            "a line of the log is bounded"
        );
        assert!(!event["reason"].as_str().unwrap_or("").contains('\u{1}'));
    }
    assert_eq!(hub.lines("/admin/telemetry.jsonl").await.len(), 0);
    hub.still_serves().await;
}

#[tokio::test]
async fn twins_that_are_too_much() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    device.subscribe(&["$iothub/twin/res/#"]).await;
    let string = |length: usize| format!("\"{}\"", "x".repeat(length));
    let many: Vec<String> = (0..9)
        .map(|n| format!("\"k{n}\":{}", string(4000)))
        .collect();
    let deep = format!("{}1{}", "{\"a\":".repeat(20_000), "}".repeat(20_000));
    for (body, why) in [
        (format!("{{{}}}", many.join(",")), "exceeds maximum 32768"),
        (format!("{{\"a\":{}}}", string(200_000)), "4096"),
        (format!("{{\"{}\":1}}", "k".repeat(100_000)), "1024"),
        (deep, ""),
        ("[".repeat(100_000), ""),
        (format!("{{\"a\":{}}}", "9".repeat(100_000)), ""),
    ] {
        for _ in 0..3 {
            device
                .publish("$iothub/twin/PATCH/properties/reported/?$rid=1", &body, 0)
                .await;
            let answer = device.message().await;
            assert_eq!(answer.topic, "$iothub/twin/res/400/?$rid=1", "{body:.40}");
            assert!(answer.payload.contains(why), "{}", answer.payload);
            assert!(answer.payload.len() < 10_000, "{}", answer.payload.len());
        }
    }
    let (_, twin) = hub.get("/twins/dev").await;
    assert_eq!(twin["properties"]["reported"]["$version"], 1);
}

#[tokio::test]
async fn names_that_are_sql_and_bodies_that_are_html() {
    let hub = Hub::start().await;
    let id = "a'--(*)";
    let path = "/devices/a'--(*)";
    let document = json!({"deviceId": id, "authentication": {"type": "certificateAuthority"}});
    assert_eq!(hub.put(path, &document).await.0, 200);
    hub.register("other").await;
    let mut device = hub.connect(id, &hub.ca.device(id), false).await;
    let html = "<img src=x onerror=alert(1)>";
    device
        .publish(&format!("devices/{id}/messages/events/"), html, 1)
        .await;
    device.expect_puback(1).await;
    let address = hub.emulator.http_addr();
    for path in [
        "/admin/telemetry.jsonl?device=a'--(*)",
        "/admin/events.jsonl",
    ] {
        let (status, head, _) = support::exchange(address, "GET", path, &[], b"").await;
        assert_eq!(status, 200);
        assert!(
            head.contains("content-type: application/x-ndjson"),
            "{head}"
        );
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        assert!(
            head.contains("content-security-policy: default-src 'self'"),
            "{head}"
        );
    }
    let lines = hub.lines("/admin/telemetry.jsonl?device=a'--(*)").await;
    assert_eq!((lines.len(), &lines[0]["body"]), (1, &json!(html)));
    assert_eq!(
        hub.lines("/admin/telemetry.jsonl?device=a'%20OR%20'1'='1")
            .await
            .len(),
        0
    );
    let query = json!({"query": "SELECT * FROM devices WHERE deviceId = 'x'' OR ''1''=''1'"});
    assert_eq!(hub.post("/devices/query", &query).await.0, 400);
    assert_eq!(hub.delete(path).await.0, 204);
    assert_eq!(hub.get("/devices").await.1.as_array().unwrap().len(), 1);
}

/// `HOSTILE_CONNECTS=10000` makes it what the name says.
#[tokio::test]
async fn thousands_of_connects_with_bad_certificates() {
    let count = std::env::var("HOSTILE_CONNECTS").map_or(200, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&["--data-dir"], folder.path());
    let (good, bad) = (Ca::root("Good"), Ca::root("Bad"));
    let certificate = json!({"name": "good", "certificate": good.pem}).to_string();
    process
        .call("POST", "/admin/certificates", &certificate)
        .await;
    let device = r#"{"authentication":{"type":"certificateAuthority"}}"#;
    process.call("PUT", "/devices/dev", device).await;
    let server_ca = std::fs::read_to_string(folder.path().join("server-ca.pem")).unwrap();
    let wrong = [bad.device("dev"), good.device("somebody")];
    let storm = |rounds: usize| {
        let (wrong, server_ca, address) = (&wrong, &server_ca, process.mqtt);
        async move {
            for round in 0..rounds {
                let credentials = Some(&wrong[round % 2]);
                let mut device = Device::dial(address, server_ca, credentials).await.unwrap();
                device.connect("dev", true).await;
                assert_eq!(device.connack().await, (false, 5));
                device.expect_close().await;
            }
        }
    };
    storm(50).await;
    let before = process.memory();
    storm(count).await;
    let grown = process.memory().saturating_sub(before);
    println!("{count} connects: {before} KiB and {grown} KiB more");
    assert!(grown < 16 * 1024, "{grown} KiB more after {count} connects");
    let events = process.call("GET", "/admin/events.jsonl", "").await;
    let refused = events
        .lines()
        .filter(|line| line.contains("\"refused\""))
        .count();
    assert!(refused >= (count + 50).min(4_990), "{refused}");
    let mut device = Device::dial(process.mqtt, &server_ca, Some(&good.device("dev")))
        .await
        .unwrap();
    device.connect("dev", true).await;
    assert_eq!(device.connack().await, (false, 0));
}
