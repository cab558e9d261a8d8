//! Keep-alive, filters, malformed packets, the will: each end of a connection is in the log.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support;
use crate::support::Hub;
use serde_json::json;

async fn reason(hub: &Hub) -> (u64, String) {
    let closed = hub.event("closed").await;
    (
        closed["code"].as_u64().unwrap(),
        closed["reason"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn silence_beyond_one_and_a_half_keep_alives() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let mut device = hub.dial(Some(&hub.ca.device("dev"))).await;
    device
        .connect_as(
            "dev",
            "hub.localhost/dev/?api-version=2021-04-12",
            true,
            1,
            None,
        )
        .await;
    assert_eq!(device.connack().await.1, 0);
    device.expect_close().await;
    assert!(
        reason(&hub)
            .await
            .1
            .starts_with("nothing was heard for 1.5 s")
    );
}

#[tokio::test]
async fn a_filter_that_the_hub_does_not_have() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    assert_eq!(
        device
            .try_subscribe(&["$iothub/twin/res/#", "my/#"], 1)
            .await,
        None
    );
    assert_eq!(
        reason(&hub).await,
        (
            400003,
            "filter 'my/#' is not one of the service's".to_owned()
        )
    );
}

#[tokio::test]
async fn a_subscription_with_qos_2_is_granted_qos_1() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    assert_eq!(
        device.try_subscribe(&["$iothub/methods/POST/#"], 2).await,
        Some(vec![1])
    );
    assert_eq!(
        device.try_subscribe(&["$iothub/methods/POST/#"], 0).await,
        Some(vec![0])
    );
}

#[tokio::test]
async fn malformed_packets() {
    let hub = Hub::start().await;
    for bytes in [
        &b"\x00\x00"[..],
        b"\x82\x02\x00\x01",
        b"\x30\xff\xff\xff\xff\x7f",
        b"\x10\x00",
        b"\x20\x02\x00\x00",
    ] {
        let mut device = hub.device("dev").await;
        device.write(bytes).await;
        device.expect_close().await;
    }
    let mut stranger = hub.dial(None).await;
    stranger.write(b"GET / HTTP/1.1\r\n\r\n").await;
    stranger.expect_close().await;
    hub.event_where("refused", |event| event["code"] == 400006)
        .await;
}

#[tokio::test]
async fn a_goodbye_is_no_warning() {
    let hub = Hub::start().await;
    hub.device("dev").await.disconnect().await;
    let closed = hub.event("closed").await;
    assert_eq!(
        (&closed["level"], &closed["reason"]),
        (&json!("info"), &json!("the device sent DISCONNECT"))
    );
}

#[tokio::test]
async fn the_will_is_sent_only_if_the_device_did_not_say_goodbye() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let topic = "devices/dev/messages/events/reason=lost";
    for goodbye in [true, false] {
        let mut device = hub.dial(Some(&hub.ca.device("dev"))).await;
        let mut connect = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0b1000_0110, 0, 60];
        for field in [
            "dev",
            topic,
            "bye",
            "hub.localhost/dev/?api-version=2021-04-12",
        ] {
            connect.extend(u16::try_from(field.len()).unwrap().to_be_bytes());
            connect.extend(field.as_bytes());
        }
        let mut packet = vec![0x10, u8::try_from(connect.len()).unwrap()];
        packet.extend(connect);
        device.write(&packet).await;
        assert_eq!(device.connack().await.1, 0);
        if goodbye {
            device.disconnect().await;
            assert!(hub.lines("/admin/telemetry.jsonl").await.is_empty());
        }
    }
    hub.event_where("closed", |event| event["level"] == "warn")
        .await;
    let lines = support::within("the will", async {
        loop {
            let lines = hub.lines("/admin/telemetry.jsonl").await;
            if !lines.is_empty() {
                return lines;
            }
            tokio::task::yield_now().await;
        }
    });
    let lines = lines.await;
    assert_eq!(
        lines[0]["properties"],
        json!({"reason": "lost", "iothub-MessageType": "Will"})
    );
    assert_eq!((lines.len(), &lines[0]["body"]), (1, &json!("bye")));
}

#[tokio::test]
async fn a_handshake_that_fails_is_in_the_log() {
    let hub = Hub::start().await;
    let wrong = support::Ca::root("Not The Server's");
    let dialled = support::Device::dial(hub.emulator.mqtt_addr(), &wrong.pem, None).await;
    assert!(dialled.is_err());
    let event = hub.event("refused").await;
    assert!(
        event["reason"]
            .as_str()
            .unwrap()
            .contains("does not trust the CA"),
        "{event}"
    );
}

/// What no handshake can prove anything with is named for what it is.
#[tokio::test]
async fn a_key_that_can_be_guessed_is_named() {
    let hub = Hub::start().await;
    let folder = tempfile::tempdir().unwrap();
    for (key, config, why) in [
        (
            "rsa:1024",
            "[x]\nextendedKeyUsage = clientAuth\n",
            "has an RSA key of 1024 bits: 2048 are needed",
        ),
        ("rsa:2048", "[x]\n", "is not X.509 version 3"),
    ] {
        let path = |name: &str| folder.path().join(name);
        std::fs::write(
            path("cnf"),
            format!("[req]\ndistinguished_name = dn\n[dn]\n{config}"),
        )
        .unwrap();
        let made = std::process::Command::new("openssl")
            .current_dir(folder.path())
            .args([
                "req",
                "-x509",
                "-nodes",
                "-config",
                "cnf",
                "-extensions",
                "x",
                "-subj",
                "/CN=dev",
            ])
            .args(["-newkey", key, "-keyout", "key", "-out", "certificate"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        // rustls itself would not take such a key.
        let address = hub.emulator.mqtt_addr().to_string();
        let mut client = std::process::Command::new("openssl");
        client
            .current_dir(folder.path())
            .args(["s_client", "-connect", &address, "-tls1_2"])
            .args([
                "-cipher",
                "DEFAULT@SECLEVEL=0",
                "-cert",
                "certificate",
                "-key",
                "key",
            ])
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let mut client = client.spawn().unwrap();
        hub.event_where("refused", |event| {
            event["reason"].as_str().unwrap().contains(why)
        })
        .await;
        // It may have gone already.
        let _ = client.kill();
        client.wait().unwrap();
    }
}

#[tokio::test]
async fn a_stop_is_said_to_the_devices() {
    let hub = Hub::start().await;
    let mut device = hub.device("dev").await;
    let Hub { emulator, .. } = hub;
    let (closed, ()) = tokio::join!(device.packet(), emulator.shutdown());
    assert_eq!(closed, None::<(u8, Vec<u8>)>);
}
