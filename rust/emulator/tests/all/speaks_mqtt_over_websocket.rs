//! MQTT over WebSocket on the HTTPS port: the same hub, the same provisioning service, and the same
//! refusals.

#![allow(clippy::unwrap_used)] // helpers of tests

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::{Credentials, DEADLINE, Device, HUB, Hub, Stream, tls, token, within};

const PATH: &str = "/$iothub/websocket";

async fn hub(settings: &[(&str, &str)]) -> Hub {
    Hub::start_with(|options| {
        options.https = Some("127.0.0.1:0".parse().unwrap());
        for (name, value) in settings {
            options.settings.set(name, value).unwrap();
        }
    })
    .await
}

async fn dial(
    hub: &Hub,
    path: &str,
    subprotocol: Option<&str>,
    credentials: Option<&Credentials>,
) -> Result<WebSocketStream<Box<dyn Stream>>, Error> {
    let address = hub.emulator.https_addr().unwrap();
    let stream = tls(address, &hub.server_ca, credentials).await?;
    let stream: Box<dyn Stream> = Box::new(stream);
    let mut request = format!("wss://{HUB}{path}").into_client_request()?;
    if let Some(subprotocol) = subprotocol {
        let value = subprotocol.parse().unwrap();
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", value);
    }
    let (socket, answer) = client_async(request, stream).await?;
    assert_eq!(
        answer
            .headers()
            .get("Sec-WebSocket-Protocol")
            .map(|it| it.to_str().unwrap()),
        Some("mqtt")
    );
    Ok(socket)
}

/// A client whose bytes travel in messages of at most `size`.
async fn device(hub: &Hub, credentials: Option<&Credentials>, size: usize) -> Device {
    let socket = dial(hub, PATH, Some("AMQPWSB10, mqtt"), credentials);
    let socket = within("the upgrade", socket).await.unwrap();
    let (near, far) = tokio::io::duplex(1 << 20);
    tokio::spawn(carry(socket, far, size));
    Device::over(near)
}

async fn carry(socket: WebSocketStream<Box<dyn Stream>>, far: DuplexStream, size: usize) {
    let (mut sink, mut stream) = socket.split();
    let (mut read, mut write) = tokio::io::split(far);
    let out = async move {
        let mut buffer = vec![0; size];
        while let Ok(count @ 1..) = read.read(&mut buffer).await {
            let message = Message::binary(buffer[..count].to_vec());
            if sink.send(message).await.is_err() {
                return;
            }
        }
    };
    let back = async move {
        while let Some(Ok(message)) = stream.next().await {
            if let Message::Binary(bytes) = message {
                write.write_all(&bytes).await.unwrap();
            }
        }
        let _ = write.shutdown().await;
    };
    tokio::join!(out, back);
}

#[tokio::test]
async fn a_device_with_a_key_does_everything_in_messages_of_any_size() {
    let hub = hub(&[]).await;
    let entry = json!({"deviceId": "ws", "authentication": {"type": "sas"}});
    let (_, made) = hub.put("/devices/ws", &entry).await;
    let key = made["authentication"]["symmetricKey"]["primaryKey"]
        .as_str()
        .unwrap();
    let password = token(&format!("{HUB}/devices/ws"), key, 600, None);
    let user_name = format!("{HUB}/ws/?api-version=2021-04-12");
    for size in [1, 7, 1 << 20] {
        let mut device = device(&hub, None, size).await;
        device
            .connect_as("ws", &user_name, true, 60, Some(&password))
            .await;
        assert_eq!(device.connack().await.1, 0);
        device
            .subscribe(&["devices/ws/messages/devicebound/#"])
            .await;
        let large = "x".repeat(200_000);
        let body = if size == 1 { "small" } else { &large };
        device
            .publish("devices/ws/messages/events/a=b", body, 5)
            .await;
        device.expect_puback(5).await;
        let lines = hub.lines("/admin/telemetry.jsonl?device=ws&last=1").await;
        assert_eq!(lines[0]["body"].as_str().map(str::len), Some(body.len()));
        let (status, _) = hub
            .request(
                "POST",
                "/devices/ws/messages/deviceBound",
                &[],
                large.as_bytes(),
            )
            .await;
        // The largest message of the cloud is 64 KiB.
        assert_eq!(status, 413);
        let most = "y".repeat(60_000);
        hub.request(
            "POST",
            "/devices/ws/messages/deviceBound",
            &[],
            most.as_bytes(),
        )
        .await;
        let message = device.message().await;
        assert_eq!(message.payload, most);
        device.puback(message.packet_id).await;
        device.ping().await;
        device.disconnect().await;
    }
}

#[tokio::test]
async fn a_certificate_counts_and_can_be_switched_off() {
    let hub = hub(&[]).await;
    hub.register("ca1").await;
    let shown = hub.ca.device("ca1");
    let mut device_ = device(&hub, Some(&shown), 1 << 16).await;
    device_.connect("ca1", true).await;
    assert_eq!(device_.connack().await.1, 0);
    let mut without = device(&hub, None, 1 << 16).await;
    without.connect("ca1", true).await;
    assert_eq!(without.connack().await.1, 5);

    let strict = self::hub(&[("x509CaOverHttps", "false")]).await;
    strict.register("ca1").await;
    let mut refused = device(&strict, Some(&strict.ca.device("ca1")), 1 << 16).await;
    refused.connect("ca1", true).await;
    assert_eq!(refused.connack().await.1, 5);
    let event = strict.event("refused").await;
    assert!(
        event["reason"]
            .as_str()
            .unwrap()
            .contains("x509CaOverHttps"),
        "{event}"
    );
    let by_thumbprint = strict.ca.device("thumb");
    let entry = json!({"deviceId": "thumb", "authentication": {"type": "selfSigned",
        "x509Thumbprint": {"primaryThumbprint": by_thumbprint.sha256()}}});
    assert_eq!(strict.put("/devices/thumb", &entry).await.0, 200);
    let mut let_in = device(&strict, Some(&by_thumbprint), 1 << 16).await;
    let_in.connect("thumb", true).await;
    assert_eq!(let_in.connack().await.1, 0);

    let without = self::hub(&[("httpsClientCertificates", "false")]).await;
    without.register("ca1").await;
    let mut refused = device(&without, Some(&without.ca.device("ca1")), 1 << 16).await;
    refused.connect("ca1", true).await;
    assert_eq!(refused.connack().await.1, 5);
}

#[tokio::test]
async fn the_provisioning_service_is_there_too() {
    let hub = hub(&[]).await;
    let group = json!({"enrollmentGroupId": "line", "attestation": {"type": "x509",
        "x509": {"signingCertificates": {"primary": {"certificate": hub.ca.pem}}}}});
    assert_eq!(hub.put("/enrollmentGroups/line", &group).await.0, 200);
    let mut device = device(&hub, Some(&hub.ca.device("reg1")), 1 << 16).await;
    let user_name = "0ne00000001/registrations/reg1/api-version=2019-03-31";
    device.connect_as("reg1", user_name, true, 60, None).await;
    assert_eq!(device.connack().await.1, 0);
    device.subscribe(&["$dps/registrations/res/#"]).await;
    device
        .publish(
            "$dps/registrations/PUT/iotdps-register/?$rid=1",
            "{\"registrationId\":\"reg1\"}",
            0,
        )
        .await;
    let answer = device.message().await;
    assert!(
        answer.topic.starts_with("$dps/registrations/res/20"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_is_no_websocket_for_a_door_is_refused_and_a_text_message_closes() {
    let hub = hub(&[]).await;
    for subprotocol in [None, Some("chat")] {
        let refused = dial(&hub, PATH, subprotocol, None).await;
        let Err(Error::Http(answer)) = refused else {
            panic!("{subprotocol:?}: {:?}", refused.map(drop));
        };
        assert_eq!(answer.status(), 400);
    }
    let mut socket = dial(
        &hub,
        "/$iothub/websocket?iothub-no-client-cert=true",
        Some("mqtt"),
        None,
    )
    .await
    .unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    let ended = async { while let Some(Ok(_)) = socket.next().await {} };
    within("the close", ended).await;
    let event = hub.event("refused").await;
    assert!(
        event["reason"].as_str().unwrap().contains("text message"),
        "{event}"
    );
    // Larger than any packet, and than any message that is read.
    let mut socket = dial(&hub, PATH, Some("mqtt"), None).await.unwrap();
    let _ = socket.send(Message::binary(vec![0x10; 2 << 20])).await;
    let ended = async { while let Some(Ok(_)) = socket.next().await {} };
    tokio::time::timeout(DEADLINE, ended).await.unwrap();
}
