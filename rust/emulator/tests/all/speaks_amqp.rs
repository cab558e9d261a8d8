//! AMQP, frame by frame: what services are told, and what a peer cannot do. Microsoft's clients are
//! in tests/interop.

#![allow(clippy::unwrap_used)] // helpers of tests

use iothub_emulator::AmqpPort;

use crate::support::amqp::{Client, V};
use crate::support::{HUB, Hub, token};

async fn start() -> Hub {
    start_with(&[]).await
}

async fn start_with(settings: &[(&str, &str)]) -> Hub {
    Hub::start_with(|options| {
        for (name, value) in settings {
            options.settings.set(name, value).unwrap();
        }
        options.amqp = Some(AmqpPort::At("127.0.0.1:0".parse().unwrap()));
        options.settings.set("eventHubPartitions", "1").unwrap();
    })
    .await
}

async fn client(hub: &Hub) -> Client {
    let address = hub.emulator.amqp_addr().unwrap();
    let token = token(HUB, hub.emulator.service_key(), 3600, Some("service"));
    Client::open(address, &hub.server_ca, &token).await
}

fn events() -> String {
    format!("iothub-ehub-{HUB}/ConsumerGroups/$Default/Partitions/0")
}

#[tokio::test]
async fn a_reader_gets_what_it_gives_credit_for_and_no_more() {
    let hub = start().await;
    let mut device = hub.device("dev").await;
    for id in 1..=5 {
        device
            .publish("devices/dev/messages/events/", &format!("body {id}"), id)
            .await;
        device.expect_puback(id).await;
    }
    let mut reader = client(&hub).await;
    reader.attach(2, true, &events(), vec![]).await;
    reader.expect(0x12).await;
    assert!(reader.is_silent().await);
    reader.credit(2, 0, 2).await;
    for id in 1..=2 {
        let event = reader.expect(0x14).await;
        assert!(event.has(&format!("body {id}")) && event.has("iothub-connection-device-id"));
        assert_eq!(event.sequence_number(), id - 1);
    }
    assert!(reader.is_silent().await);
    // The third, the fourth, the fifth; and then one that comes while it is waited for.
    reader.credit(2, 2, 10).await;
    for id in 3..=5 {
        assert_eq!(reader.expect(0x14).await.sequence_number(), id - 1);
    }
    device
        .publish("devices/dev/messages/events/a=b", "live", 6)
        .await;
    let event = reader.expect(0x14).await;
    assert!(event.has("live") && event.sequence_number() == 5);
}

#[tokio::test]
async fn a_message_is_accepted_or_the_reason_is_told() {
    let hub = start().await;
    let mut device = hub.device("dev").await;
    device
        .subscribe(&["devices/dev/messages/devicebound/#"])
        .await;
    let mut sender = client(&hub).await;
    sender
        .attach(2, false, "/messages/devicebound", vec![])
        .await;
    sender.expect(0x12).await;
    sender
        .message(2, 1, "/devices/dev/messages/devicebound", "hello")
        .await;
    let accepted = sender.expect(0x15).await;
    assert!(accepted.bytes.windows(3).any(|it| it == [0, 0x53, 0x24]));
    let message = device.message().await;
    assert_eq!(message.payload, "hello");
    assert!(message.topic.contains("Case=kept") && message.topic.contains("%24.mid=m"));
    for (delivery, to, condition) in [
        (2, "/devices/nobody/messages/devicebound", "amqp:not-found"),
        (3, "/devices/dev", "com.microsoft:argument-error"),
        (
            4,
            "/devices/dev/modules/m/messages/devicebound",
            "amqp:not-allowed",
        ),
    ] {
        sender.message(2, delivery, to, "x").await;
        let rejected = sender.expect(0x15).await;
        assert!(rejected.has(condition), "{to}");
    }
    // The device has taken it: feedback comes, and is settled.
    device.puback(message.packet_id).await;
    sender
        .attach(3, true, "/messages/serviceBound/feedback", vec![])
        .await;
    sender.credit(3, 0, 1).await;
    let batch = sender.expect(0x14).await;
    assert!(batch.has("originalMessageId") && batch.has("Success"));
    let accepted = V::Described(0x24, Box::new(V::List(vec![])));
    let settle = vec![V::Bool(true), V::Uint(1), V::Null, V::Bool(true), accepted];
    sender.send(1, &V::list(0x15, settle), b"").await;
    assert!(sender.is_silent().await);
    assert_eq!(hub.get("/messages/serviceBound/feedback").await.0, 204);
}

#[tokio::test]
async fn nothing_is_attached_without_the_right_token() {
    let hub = start().await;
    let address = hub.emulator.amqp_addr().unwrap();
    let key = hub.emulator.service_key();
    for (resource, key, policy, answer) in [
        (HUB, key, Some("registryRead"), "lacks ServiceConnect"),
        (
            "hub.localhost/devices/d",
            key,
            Some("service"),
            "not for this address",
        ),
        ("elsewhere.net", key, Some("service"), "no token was put"),
        (
            HUB,
            "AAECAwQFBgcICQoLDA0ODw==",
            Some("service"),
            "no token was put",
        ),
        (HUB, key, Some("service"), "there is nothing at the address"),
    ] {
        let token = token(resource, key, 3600, policy);
        let mut client = Client::open(address, &hub.server_ca, &token).await;
        let node = match answer {
            "there is nothing at the address" => "nowhere",
            _ => "/messages/devicebound",
        };
        client.attach(2, false, node, vec![]).await;
        let detach = client.expect(0x16).await;
        assert!(detach.has(answer), "{resource} {policy:?}");
    }
}

/// azure-iot-sdk-c takes an answer for an error that comes before its request was settled.
#[tokio::test]
async fn a_token_is_settled_before_it_is_answered() {
    let hub = start().await;
    hub.put("/devices/dev", &serde_json::json!({})).await;
    let address = hub.emulator.amqp_addr().unwrap();
    let wrong = "AAECAwQFBgcICQoLDA0ODw==";
    for (resource, key, policy) in [
        (HUB, hub.emulator.service_key(), Some("service")),
        ("hub.localhost/devices/dev", wrong, None),
    ] {
        let mut client = Client::dial(address, &hub.server_ca).await;
        client.begin().await;
        client.put_token(&token(resource, key, 3600, policy)).await;
        let mut codes = Vec::new();
        while codes.last() != Some(&0x14) {
            codes.push(client.frame().await.unwrap().code);
        }
        assert_eq!(codes[codes.len() - 2..], [0x15, 0x14], "{codes:02x?}");
    }
    let refused = hub.lines("/admin/events.jsonl?device=dev").await;
    assert!(
        refused.iter().any(|it| it["event"] == "refused"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_hubs_own_address_leads_to_the_event_hub() {
    let hub = start().await;
    let mut client = client(&hub).await;
    client
        .attach(2, true, "/messages/events/$management", vec![])
        .await;
    let detach = client.expect(0x16).await;
    let port = hub.emulator.amqp_addr().unwrap().port();
    let address = format!("amqps://{HUB}:{port}/iothub-ehub-{HUB}/$management");
    assert!(detach.has("amqp:link:redirect") && detach.has(&address));
}

#[tokio::test]
async fn a_token_that_ends_takes_its_links_with_it() {
    let hub = start().await;
    let mut client = client(&hub).await;
    client.attach(2, true, &events(), vec![]).await;
    client.expect(0x12).await;
    let (status, _) = hub
        .put("/admin/clock", &serde_json::json!({"shiftMs": 7_200_000}))
        .await;
    assert_eq!(status, 200);
    assert!(client.expect(0x16).await.has("amqp:unauthorized-access"));
}

#[tokio::test]
async fn what_is_no_amqp_or_proves_nothing_is_closed() {
    let hub = start_with(&[("connectTimeoutMs", "2000")]).await;
    let address = hub.emulator.amqp_addr().unwrap();
    for (bytes, reason) in [
        (
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            "does the peer speak AMQP 1.0?",
        ),
        (b"AMQP\x00\x00\x09\x01", "neither that of AMQP 1.0"),
        (&[0, 1, 0, 1, 2, 0, 0, 0], "a frame of 65537 bytes"),
        (
            b"AMQP\x00\x01\x00\x00\x00\x00\x00\x09\x02\x00\x00\x00\x40",
            "without a performative",
        ),
        // Silence, after the header.
        (b"AMQP\x00\x01\x00\x00", "no AMQP open"),
    ] {
        let mut client = Client::dial(address, &hub.server_ca).await;
        client.write(bytes).await;
        hub.event_where("refused", |event| {
            event["reason"].as_str().unwrap().contains(reason)
        })
        .await;
    }
    // Opened, and no token.
    let mut client = Client::dial(address, &hub.server_ca).await;
    client.begin().await;
    assert!(client.expect(0x18).await.has("no token within"));
}

#[tokio::test]
async fn what_a_peer_opens_has_a_bound() {
    let hub = start().await;
    let mut window = vec![V::Null, V::Uint(0), V::Uint(5000)];
    window.push(V::Uint(5000));
    let session = V::list(0x11, window);
    let mut greedy = client(&hub).await;
    greedy.send(64, &session, b"").await;
    assert!(greedy.expect(0x18).await.has("above 63"));
    let mut greedy = client(&hub).await;
    greedy.attach(128, true, "$cbs", vec![]).await;
    assert!(greedy.expect(0x18).await.has("above 127"));
    // A delivery that never ends.
    let mut endless = client(&hub).await;
    endless
        .attach(2, false, "/messages/devicebound", vec![])
        .await;
    endless.expect(0x12).await;
    let piece = vec![0; 60_000];
    let more = || {
        let mut fields = vec![V::Uint(2), V::Uint(1), V::Bytes(b"t"), V::Uint(0)];
        fields.extend([V::Bool(false), V::Bool(true)]);
        V::list(0x14, fields)
    };
    for _ in 0..40 {
        endless.send(1, &more(), &piece).await;
    }
    let mut fields = vec![V::Uint(2), V::Uint(1), V::Bytes(b"t"), V::Uint(0)];
    fields.extend([V::Bool(false), V::Bool(false)]);
    endless.send(1, &V::list(0x14, fields), b"").await;
    assert!(
        endless
            .expect(0x16)
            .await
            .has("amqp:link:message-size-exceeded")
    );
    // More than it was given credit for.
    let mut hasty = client(&hub).await;
    hasty
        .attach(2, false, "/messages/devicebound", vec![])
        .await;
    hasty.expect(0x12).await;
    for delivery in 1..=101 {
        let mut fields = vec![V::Uint(2), V::Uint(delivery), V::Bytes(b"t"), V::Uint(0)];
        fields.extend([V::Bool(false), V::Bool(true)]);
        hasty.send(1, &V::list(0x14, fields), b"").await;
        let mut fields = vec![V::Uint(2), V::Uint(delivery), V::Null, V::Null];
        fields.extend([
            V::Null,
            V::Bool(true),
            V::Null,
            V::Null,
            V::Null,
            V::Bool(true),
        ]);
        hasty.send(1, &V::list(0x14, fields), b"").await;
    }
    assert!(hasty.expect(0x18).await.has("beyond the link's credit"));
}

#[tokio::test]
async fn a_token_that_is_renewed_keeps_its_links() {
    let hub = start().await;
    let mut reader = client(&hub).await;
    reader.attach(2, true, &events(), vec![]).await;
    reader.expect(0x12).await;
    reader.credit(2, 0, 10).await;
    let key = hub.emulator.service_key();
    reader
        .renew(1, &token(HUB, key, 90_000, Some("service")))
        .await;
    reader.expect(0x15).await;
    assert!(reader.expect(0x14).await.has("status-code"));
    let shift = serde_json::json!({"shiftMs": 7_200_000});
    assert_eq!(hub.put("/admin/clock", &shift).await.0, 200);
    assert!(reader.is_silent().await);
    let mut device = hub.device("dev").await;
    device
        .publish("devices/dev/messages/events/", "still", 1)
        .await;
    assert!(reader.expect(0x14).await.has("still"));
}

#[tokio::test]
async fn who_comes_with_a_higher_epoch_has_the_partition() {
    let hub = start().await;
    let epoch = |number| vec![(V::Symbol("com.microsoft:epoch"), V::Long(number))];
    let mut first = client(&hub).await;
    first.attach(2, true, &events(), epoch(1)).await;
    first.expect(0x12).await;
    let mut lower = client(&hub).await;
    for (handle, properties) in [(2, epoch(0)), (3, vec![])] {
        lower.attach(handle, true, &events(), properties).await;
        assert!(lower.expect(0x16).await.has("amqp:link:stolen"));
    }
    assert!(first.is_silent().await);
    let mut second = client(&hub).await;
    second.attach(2, true, &events(), epoch(2)).await;
    second.expect(0x12).await;
    second.credit(2, 0, 10).await;
    let told = first.expect(0x16).await;
    assert!(told.has("amqp:link:stolen") && told.has("higher epoch of '2'"));
    let mut device = hub.device("dev").await;
    device
        .publish("devices/dev/messages/events/", "mine", 1)
        .await;
    assert!(second.expect(0x14).await.has("mine"));
}

#[tokio::test]
async fn frames_that_make_no_sense_end_the_connection_and_nothing_else() {
    let hub = start().await;
    let uint = V::Uint;
    let window = || vec![V::Null, uint(0), uint(50), uint(50)];
    for (why, channel, frame) in [
        (
            "where no session was begun",
            7,
            V::list(0x14, vec![uint(0)]),
        ),
        ("which is in use", 1, V::list(0x11, window())),
        (
            "attach without a handle",
            1,
            V::list(0x12, vec![V::Text("x")]),
        ),
        (
            "which is in use",
            1,
            V::list(0x12, vec![V::Text("x"), uint(0), V::Bool(false)]),
        ),
        ("transfer without a handle", 1, V::list(0x14, vec![])),
        (
            "where no link is attached",
            1,
            V::list(0x14, vec![uint(9), uint(1)]),
        ),
        (
            "where the peer receives",
            1,
            V::list(0x14, vec![uint(1), uint(1)]),
        ),
        (
            "a delivery without a number",
            1,
            V::list(0x14, vec![uint(0)]),
        ),
        (
            "where no link is attached",
            1,
            V::list(0x13, vec![uint(0), uint(5), uint(0), uint(5), uint(99)]),
        ),
        (
            "a frame of kind 0x10",
            1,
            V::list(0x10, vec![V::Text("again")]),
        ),
        ("a frame of kind 0x77", 1, V::list(0x77, vec![])),
    ] {
        let mut peer = client(&hub).await;
        peer.send(channel, &frame, b"").await;
        let close = peer.expect(0x18).await;
        assert!(close.has("amqp:connection:framing-error"), "{why}");
        assert!(close.has(why), "{why}");
        assert!(peer.frame().await.is_none());
    }
    // Bytes that are no value, a frame shorter than its head, one whose head is longer than it.
    for bytes in [
        &[0, 0, 0, 12, 2, 0, 0, 1, 0, 0x53, 0x14, 0xff][..],
        &[0, 0, 0, 4],
        &[0, 0, 0, 8, 9, 0, 0, 0],
        &[0, 0, 0, 8, 2, 7, 0, 0],
        &[
            0, 0, 0, 16, 2, 0, 0, 1, 0, 0x53, 0x14, 0xd0, 0xff, 0xff, 0xff, 0xff,
        ],
        &[0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0],
    ] {
        let mut peer = client(&hub).await;
        peer.write(bytes).await;
        peer.expect(0x18).await;
        assert!(peer.frame().await.is_none(), "{bytes:x?}");
    }
    // A disposition of what never was, a detach of what is not there, an end: no harm.
    let mut peer = client(&hub).await;
    let all = vec![V::Bool(true), uint(0), uint(u32::MAX), V::Bool(true)];
    peer.send(1, &V::list(0x15, all), b"").await;
    peer.send(1, &V::list(0x16, vec![uint(50)]), b"").await;
    assert!(peer.is_silent().await);
    peer.send(1, &V::list(0x17, vec![]), b"").await;
    peer.expect(0x17).await;
    let mut good = client(&hub).await;
    good.attach(2, true, &events(), vec![]).await;
    good.expect(0x12).await;
}

#[tokio::test]
async fn sasl_plain_takes_a_policy_with_its_key_or_a_token() {
    let hub = start().await;
    let address = hub.emulator.amqp_addr().unwrap();
    let key = hub.emulator.service_key().to_owned();
    let service = token(HUB, &key, 3600, Some("service"));
    let (_, made) = hub.put("/devices/dev", &serde_json::json!({})).await;
    let device = made["authentication"]["symmetricKey"]["primaryKey"]
        .as_str()
        .unwrap();
    let device = token(&format!("{HUB}/devices/dev"), device, 3600, None);
    let name = "hub";
    for (response, taken) in [
        (format!("\0iothubowner\0{key}"), true),
        (format!("\0service@sas.root.{name}\0{service}"), true),
        (format!("\0dev@sas.{name}\0{device}"), true),
        (format!("\0iothubowner\0{key}x"), false),
        (format!("\0nobody\0{key}"), false),
        (format!("\0iothubowner@sas.root.{name}\0{service}"), false),
        (format!("\0other@sas.{name}\0{device}"), false),
        ("iothubowner".to_owned(), false),
        (String::new(), false),
        ("\0\0\0\0".to_owned(), false),
    ] {
        let mut client = Client::dial(address, &hub.server_ca).await;
        let answer = client.sasl("PLAIN", response.as_bytes()).await;
        assert_eq!(answer, taken, "{response:?}");
    }
}
