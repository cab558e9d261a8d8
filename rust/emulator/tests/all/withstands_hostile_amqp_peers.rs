//! Peers over AMQP that count wrongly, stop in the middle, or ask for what is not there: others do
//! not feel it.

#![allow(clippy::unwrap_used)] // helpers of tests

use iothub_emulator::AmqpPort;

use crate::support::amqp::{Client, V};
use crate::support::{HUB, Hub, token};

async fn start() -> Hub {
    Hub::start_with(|options| {
        options.settings.set("connectTimeoutMs", "5000").unwrap();
        options.settings.set("eventHubPartitions", "1").unwrap();
        options.amqp = Some(AmqpPort::At("127.0.0.1:0".parse().unwrap()));
    })
    .await
}

fn service(hub: &Hub) -> String {
    token(HUB, hub.emulator.service_key(), 3600, Some("service"))
}

async fn client(hub: &Hub) -> Client {
    let address = hub.emulator.amqp_addr().unwrap();
    Client::open(address, &hub.server_ca, &service(hub)).await
}

fn events() -> String {
    format!("iothub-ehub-{HUB}/ConsumerGroups/$Default/Partitions/0")
}

fn flow(handle: u32, window: u32, count: u32, credit: u32) -> V<'static> {
    let session = [V::Uint(0), V::Uint(window), V::Uint(0), V::Uint(5000)];
    let link = [V::Uint(handle), V::Uint(count), V::Uint(credit)];
    V::list(0x13, session.into_iter().chain(link).collect())
}

#[tokio::test]
async fn the_largest_credit_and_window_are_no_less_than_others() {
    let hub = start().await;
    let mut reader = client(&hub).await;
    reader.attach(2, true, &events(), vec![]).await;
    reader.expect(0x12).await;
    let flow = flow(2, u32::MAX, 0, u32::MAX);
    reader.send(1, &flow, b"").await;
    let mut device = hub.device("dev").await;
    for id in 1..=3 {
        let body = format!("body {id}");
        device
            .publish("devices/dev/messages/events/", &body, id)
            .await;
        device.expect_puback(id).await;
        assert!(reader.expect(0x14).await.has(&body));
    }
}

#[tokio::test]
async fn credit_that_is_taken_back_is_none() {
    let hub = start().await;
    let mut peer = client(&hub).await;
    // The answer to the token was the first.
    peer.send(1, &flow(1, 5000, 0, 0), b"").await;
    peer.renew(1, &service(&hub)).await;
    peer.expect(0x15).await;
    assert!(peer.is_silent().await);
    peer.send(1, &flow(1, 5000, 1, 1), b"").await;
    assert!(peer.expect(0x14).await.has("status-code"));
    let mut reader = client(&hub).await;
    reader.attach(2, true, &events(), vec![]).await;
    reader.expect(0x12).await;
    reader.send(1, &flow(2, 5000, 0, 10), b"").await;
    let mut device = hub.device("dev").await;
    let topic = "devices/dev/messages/events/";
    device.publish(topic, "first", 1).await;
    device.expect_puback(1).await;
    assert!(reader.expect(0x14).await.has("first"));
    reader.send(1, &flow(2, 5000, 0, 0), b"").await;
    assert!(reader.is_silent().await);
    device.publish(topic, "second", 2).await;
    device.expect_puback(2).await;
    assert!(reader.is_silent().await);
    reader.send(1, &flow(2, 5000, 1, 1), b"").await;
    assert!(reader.expect(0x14).await.has("second"));
}

#[tokio::test]
async fn there_are_no_transactions() {
    let hub = start().await;
    let mut peer = client(&hub).await;
    let mut fields = vec![V::Text("transactions"), V::Uint(2), V::Bool(false)];
    fields.extend([V::Null, V::Null, V::list(0x28, vec![])]);
    fields.push(V::list(0x30, vec![V::Symbol("amqp:local-transactions")]));
    peer.send(1, &V::list(0x12, fields), b"").await;
    assert!(peer.expect(0x16).await.has("amqp:not-implemented"));
    peer.attach(3, true, &events(), vec![]).await;
    assert_eq!(peer.frame().await.unwrap().code, 0x12);
}

#[tokio::test]
async fn a_peer_that_ends_in_the_middle_of_a_message_has_sent_none() {
    let hub = start().await;
    let (status, _) = hub
        .put("/devices/dev", &serde_json::json!({"deviceId": "dev"}))
        .await;
    assert_eq!(status, 200);
    let piece = |more| {
        let mut fields = vec![V::Uint(2), V::Uint(1), V::Bytes(b"t"), V::Uint(0)];
        fields.extend([V::Bool(false), V::Bool(more)]);
        V::list(0x14, fields)
    };
    let mut message = Vec::new();
    V::list(
        0x73,
        vec![
            V::Null,
            V::Null,
            V::Text("/devices/dev/messages/devicebound"),
        ],
    )
    .write(&mut message);
    V::Described(0x75, Box::new(V::Bytes(b"hello"))).write(&mut message);
    let (first, last) = message.split_at(20);
    // By close, by detach, by the end of the session, and by nothing at all.
    for ending in [
        Some((0, V::list(0x18, vec![]))),
        Some((1, V::list(0x16, vec![V::Uint(2), V::Bool(true)]))),
        Some((1, V::list(0x17, vec![]))),
        None,
    ] {
        let mut peer = client(&hub).await;
        peer.attach(2, false, "/messages/devicebound", vec![]).await;
        peer.expect(0x12).await;
        peer.send(1, &piece(true), first).await;
        let Some((channel, frame)) = ending else {
            continue;
        };
        peer.send(channel, &frame, b"").await;
        assert!(matches!(
            peer.frame().await.unwrap().code,
            0x13 | 0x15..=0x18
        ));
    }
    // A link of that handle begins anew.
    let mut peer = client(&hub).await;
    peer.attach(2, false, "/messages/devicebound", vec![]).await;
    peer.expect(0x12).await;
    peer.send(1, &piece(true), first).await;
    let detach = V::list(0x16, vec![V::Uint(2), V::Bool(true)]);
    peer.send(1, &detach, b"").await;
    peer.expect(0x16).await;
    peer.attach(2, false, "/messages/devicebound", vec![]).await;
    peer.expect(0x12).await;
    peer.send(1, &piece(true), first).await;
    peer.send(1, &piece(false), last).await;
    while !peer.expect(0x15).await.is_accepted() {}
    let (_, queue) = hub.get("/admin/devices/dev/messages").await;
    let waiting = queue["messages"].as_array().or(queue.as_array());
    assert_eq!(waiting.map(Vec::len), Some(1), "{queue}");
}

#[tokio::test]
async fn a_peer_that_wants_to_hear_something_hears_it() {
    let hub = start().await;
    let mut peer = Client::dial(hub.emulator.amqp_addr().unwrap(), &hub.server_ca).await;
    peer.write(b"AMQP\x00\x01\x00\x00").await;
    let mut open = vec![V::Text("test"), V::Text(HUB), V::Null, V::Null];
    open.push(V::Uint(400));
    peer.send(0, &V::list(0x10, open), b"").await;
    assert_eq!(peer.take(8).await, b"AMQP\x00\x01\x00\x00");
    peer.expect(0x10).await;
    for _ in 0..3 {
        assert_eq!(peer.frame().await.unwrap().code, 0);
    }
}

#[tokio::test]
async fn a_beginning_that_drips_has_an_end() {
    let hub = start().await;
    let address = hub.emulator.amqp_addr().unwrap();
    let mut slow = Vec::new();
    for bytes in [&b"A"[..], b"AMQP\x00\x01\x00\x00\x00\x00", b"AMQP\x03\x01"] {
        let mut peer = Client::dial(address, &hub.server_ca).await;
        peer.write(bytes).await;
        slow.push(peer);
    }
    // Another comes and goes beside them.
    let mut good = client(&hub).await;
    good.attach(2, true, &events(), vec![]).await;
    good.expect(0x12).await;
    for _ in &slow {
        hub.event_where("refused", |event| {
            event["reason"].as_str().unwrap().contains("no AMQP open")
        })
        .await;
    }
    for mut peer in slow {
        while peer.frame().await.is_some() {}
    }
}
