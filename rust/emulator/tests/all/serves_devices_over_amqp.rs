//! Devices and modules over AMQP, frame by frame: all that they do over MQTT.

#![allow(clippy::unwrap_used)] // helpers of tests

use iothub_emulator::AmqpPort;
use serde_json::json;

use crate::support::amqp::{Client, Frame, V};
use crate::support::{HUB, Hub, token};

async fn start() -> Hub {
    Hub::start_with(|options| {
        options.amqp = Some(AmqpPort::At("127.0.0.1:0".parse().unwrap()));
    })
    .await
}

/// The key of a device or a module, which is made.
async fn key(hub: &Hub, path: &str) -> String {
    let (status, made) = hub.put(path, &json!({})).await;
    assert_eq!(status, 200, "{made}");
    let key = &made["authentication"]["symmetricKey"]["primaryKey"];
    key.as_str().unwrap().to_owned()
}

fn of(path: &str, key: &str, seconds: i64) -> String {
    token(&format!("{HUB}{path}"), key, seconds, None)
}

async fn device(hub: &Hub, path: &str) -> Client {
    let key = key(hub, path).await;
    let address = hub.emulator.amqp_addr().unwrap();
    Client::open(address, &hub.server_ca, &of(path, &key, 3600)).await
}

/// A device that may send telemetry on link 2.
async fn sender(hub: &Hub) -> Client {
    let mut device = device(hub, "/devices/dev").await;
    device
        .attach(2, false, "/devices/dev/messages/events", vec![])
        .await;
    device.expect(0x12).await;
    device
}

fn text<'t>(text: &'t str, value: &'t str) -> (V<'t>, V<'t>) {
    (V::Symbol(text), V::Text(value))
}

#[tokio::test]
async fn telemetry_is_settled_when_it_is_stored() {
    let hub = start().await;
    let mut device = sender(&hub).await;
    let properties = vec![
        V::Text("m1"),
        V::Null,
        V::Null,
        V::Null,
        V::Null,
        V::Text("c1"),
    ];
    let application = vec![
        (V::Text("Case"), V::Text("kept")),
        (V::Text("n"), V::Long(-7)),
    ];
    device
        .whole(2, 1, vec![], properties, application, "hello")
        .await;
    assert!(device.expect(0x15).await.is_accepted());
    let lines = hub.lines("/admin/telemetry.jsonl").await;
    assert_eq!(lines[0]["body"], "hello");
    assert_eq!(lines[0]["properties"], json!({"Case": "kept", "n": "-7"}));
    assert_eq!(lines[0]["systemProperties"]["messageId"], "m1");
    assert_eq!(lines[0]["systemProperties"]["correlationId"], "c1");
    // Another's address is not its own.
    device
        .attach(3, false, "/devices/other/messages/events", vec![])
        .await;
    assert!(device.expect(0x16).await.has("amqp:"));
    let large = "x".repeat(256 * 1024);
    for (delivery, piece) in [(2, &large[..60_000]); 1] {
        let fields = vec![V::Uint(2), V::Uint(delivery), V::Bytes(b"t"), V::Uint(0)];
        device
            .send(1, &V::list(0x14, fields), piece.as_bytes())
            .await;
    }
    assert!(device.expect(0x15).await.has("amqp:decode-error"));
}

/// As azure-iot-sdk-c sends telemetry.
#[tokio::test]
async fn the_messages_of_a_batch_are_each_one() {
    let hub = start().await;
    let mut device = sender(&hub).await;
    let mut batch = Vec::new();
    for body in ["one", "two", "three"] {
        let mut message = Vec::new();
        V::list(0x73, vec![V::Text(body)]).write(&mut message);
        V::Described(0x74, Box::new(V::Map(vec![text("Case", body)]))).write(&mut message);
        V::Described(0x75, Box::new(V::Bytes(body.as_bytes()))).write(&mut message);
        V::Described(0x75, Box::new(V::Bytes(&message))).write(&mut batch);
    }
    let fields = |delivery, format| {
        let format = V::Uint(format);
        V::list(
            0x14,
            vec![V::Uint(2), V::Uint(delivery), V::Bytes(b"t"), format],
        )
    };
    device.send(1, &fields(1, 0x8001_3700), &batch).await;
    assert!(device.expect(0x15).await.is_accepted());
    let broken = [&batch[..], &[0, 0x53, 0x75, 0xa0, 3, 0, 0x53, 0x75]].concat();
    device.send(1, &fields(2, 0x8001_3700), &broken).await;
    assert!(device.expect(0x15).await.has("amqp:decode-error"));
    let lines = hub.lines("/admin/telemetry.jsonl").await;
    assert_eq!(lines.len(), 3);
    for (line, body) in lines.iter().zip(["one", "two", "three"]) {
        assert_eq!(line["body"], body);
        assert_eq!(line["properties"], json!({"Case": body}));
        assert_eq!(line["systemProperties"]["messageId"], body);
    }
}

#[tokio::test]
async fn messages_to_it_are_accepted_rejected_or_given_back() {
    let hub = start().await;
    let mut device = device(&hub, "/devices/dev").await;
    for body in ["one", "two", "three"] {
        let message = json!({"body": body, "ack": "full", "messageId": body});
        let (status, answer) = hub.post("/admin/devices/dev/messages", &message).await;
        assert!((200..300).contains(&status), "{answer}");
    }
    device
        .attach(2, true, "/devices/dev/messages/devicebound", vec![])
        .await;
    device.expect(0x12).await;
    device.credit(2, 0, 3).await;
    for body in ["one", "two", "three"] {
        let message = device.expect(0x14).await;
        assert!(message.has(body) && message.has("iothub-deliverycount"));
        assert!(message.has("/devices/dev/messages/deviceBound"));
    }
    // Delivery 0 was the answer of $cbs.
    device.dispose(1, 0x24).await;
    device.dispose(2, 0x25).await;
    device.dispose(3, 0x26).await;
    assert!(device.is_silent().await);
    device.credit(2, 3, 1).await;
    assert!(device.expect(0x14).await.has("three"));
    device.dispose(4, 0x24).await;
    assert!(device.is_silent().await);
    let mut told = Vec::new();
    crate::support::within("three records", async {
        while told.len() < 3 {
            let (status, records) = hub.get("/messages/serviceBound/feedback").await;
            if status == 200 {
                told.extend(records.as_array().unwrap().clone());
            }
        }
    })
    .await;
    let mut told: Vec<_> = told
        .iter()
        .map(|it| {
            (
                it["originalMessageId"].as_str().unwrap(),
                it["statusCode"].as_str().unwrap(),
            )
        })
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("one", "Success"),
            ("three", "Success"),
            ("two", "Rejected")
        ]
    );
}

async fn twin_links(device: &mut Client, path: &str) {
    let address = format!("{path}/twin");
    device.attach(2, false, &address, vec![]).await;
    device.expect(0x12).await;
    device.attach(3, true, &address, vec![]).await;
    device.expect(0x12).await;
    device.credit(3, 0, 10).await;
}

async fn ask(
    device: &mut Client,
    delivery: u32,
    operation: &str,
    resource: &str,
    body: &str,
) -> Frame {
    let mut annotations = vec![text("operation", operation)];
    if !resource.is_empty() {
        annotations.push(text("resource", resource));
    }
    let correlation = format!("request {delivery}");
    let mut properties: Vec<V<'_>> = (0..5).map(|_| V::Null).collect();
    properties.push(V::Text(&correlation));
    device
        .whole(2, delivery, annotations, properties, vec![], body)
        .await;
    let answer = device.expect(0x14).await;
    assert!(answer.has(&correlation), "{operation} {resource}");
    answer
}

/// The status among the annotations of an answer.
fn status(answer: &Frame) -> u32 {
    let name = b"status";
    let at = answer.bytes.windows(name.len()).position(|it| it == name);
    let value = &answer.bytes[at.unwrap() + name.len()..];
    match value[0] {
        0x54 => value[1].into(),
        0x71 => u32::from_be_bytes(value[1..5].try_into().unwrap()),
        other => panic!("{other:#x} is no int"),
    }
}

#[tokio::test]
async fn its_twin_is_read_reported_and_followed() {
    let hub = start().await;
    let mut device = device(&hub, "/devices/dev").await;
    twin_links(&mut device, "/devices/dev").await;
    let twin = ask(&mut device, 1, "GET", "", "").await;
    assert!(status(&twin) == 200 && twin.has("desired") && twin.has("reported"));
    let reported = "/properties/reported";
    let answer = ask(&mut device, 2, "PATCH", reported, "{\"led\":true}").await;
    assert!(status(&answer) == 200 && answer.has("version"));
    let (_, shown) = hub.get("/twins/dev").await;
    assert_eq!(shown["properties"]["reported"]["led"], true);
    for (delivery, operation, resource, body) in [
        (3, "PATCH", reported, "{\"a\":"),
        (4, "PATCH", "/elsewhere", "{}"),
        (5, "JUMP", "", ""),
    ] {
        let answer = ask(&mut device, delivery, operation, resource, body).await;
        assert_eq!(status(&answer), 400, "{operation} {resource}");
    }
    let desired = "/notifications/twin/properties/desired";
    assert_eq!(status(&ask(&mut device, 6, "PUT", desired, "").await), 200);
    let patch = json!({"properties": {"desired": {"interval": 5}}});
    hub.patch("/twins/dev", &patch).await;
    let told = device.expect(0x14).await;
    assert!(told.has(desired) && told.has("interval"));
    assert_eq!(
        status(&ask(&mut device, 7, "DELETE", desired, "").await),
        200
    );
    hub.patch("/twins/dev", &patch).await;
    assert!(device.is_silent().await);
}

#[tokio::test]
async fn its_methods_are_called() {
    let hub = start().await;
    let mut device = device(&hub, "/devices/dev").await;
    let address = "/devices/dev/methods/devicebound";
    let absent = hub
        .post("/twins/dev/methods", &json!({"methodName": "led"}))
        .await;
    assert_eq!(absent.0, 404);
    device.attach(2, false, address, vec![]).await;
    device.expect(0x12).await;
    device.attach(3, true, address, vec![]).await;
    device.expect(0x12).await;
    device.credit(3, 0, 10).await;
    assert!(device.is_silent().await);
    for (delivery, answer, expected) in [
        (
            1,
            "{\"ok\":true}",
            (200, json!({"status": 207, "payload": {"ok": true}})),
        ),
        (2, "", (200, json!({"status": 207, "payload": null}))),
    ] {
        let document = json!({"methodName": "led", "payload": 1});
        let call = hub.post("/twins/dev/methods", &document);
        let serve = async {
            let request = device.expect(0x14).await;
            assert!(request.has("IoThub-methodname") && request.has("led"));
            // Five nulls before the correlation id, which is a UUID of version 4.
            let nulls = [0x40, 0x40, 0x40, 0x40, 0x40, 0x98];
            let at = request.bytes.windows(6).position(|it| it == nulls).unwrap() + 6;
            let uuid: [u8; 16] = request.bytes[at..at + 16].try_into().unwrap();
            let (version, variant) = (uuid[6] >> 4, uuid[8] >> 6);
            assert_eq!((version, variant), (4, 2), "{uuid:02x?}");
            let digits: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
            let mut properties: Vec<V<'_>> = (0..5).map(|_| V::Null).collect();
            properties.push(match delivery {
                1 => V::Uuid(uuid),
                _ => V::Text(&digits),
            });
            let application = vec![(V::Text("IoThub-status"), V::Long(207))];
            device
                .whole(2, delivery, vec![], properties, application, answer)
                .await;
        };
        let (answered, ()) = tokio::join!(call, serve);
        assert_eq!(answered, expected);
    }
}

#[tokio::test]
async fn a_module_has_links_of_its_own() {
    let hub = start().await;
    hub.put("/devices/dev", &json!({})).await;
    let path = "/devices/dev/modules/camera";
    let mut module = device(&hub, path).await;
    module
        .attach(4, false, &format!("{path}/messages/events"), vec![])
        .await;
    module.expect(0x12).await;
    module.whole(4, 1, vec![], vec![], vec![], "seen").await;
    assert!(module.expect(0x15).await.is_accepted());
    let lines = hub.lines("/admin/telemetry.jsonl").await;
    assert_eq!(
        (&lines[0]["deviceId"], &lines[0]["moduleId"]),
        (&json!("dev"), &json!("camera"))
    );
    twin_links(&mut module, path).await;
    let reported = "/properties/reported";
    let answer = ask(&mut module, 2, "PATCH", reported, "{\"lens\":1}").await;
    assert_eq!(status(&answer), 200);
    let (_, twin) = hub.get("/twins/dev/modules/camera").await;
    assert_eq!(twin["properties"]["reported"]["lens"], 1);
    // Its device's are not its own.
    module
        .attach(5, false, "/devices/dev/messages/events", vec![])
        .await;
    module.expect(0x16).await;
}

#[tokio::test]
async fn a_token_that_ends_takes_its_own_devices_links_only() {
    let hub = start().await;
    let short = key(&hub, "/devices/short").await;
    let long = key(&hub, "/devices/long").await;
    let address = hub.emulator.amqp_addr().unwrap();
    let long = of("/devices/long", &long, 90_000);
    let mut client = Client::open(address, &hub.server_ca, &long).await;
    client.renew(1, &of("/devices/short", &short, 3600)).await;
    assert!(client.expect(0x14).await.has("OK"));
    for (handle, id) in [(2, "short"), (3, "long")] {
        let address = format!("/devices/{id}/messages/events");
        client.attach(handle, false, &address, vec![]).await;
        client.expect(0x12).await;
    }
    let shift = json!({"shiftMs": 7_200_000});
    assert_eq!(hub.put("/admin/clock", &shift).await.0, 200);
    assert!(client.expect(0x16).await.has("amqp:unauthorized-access"));
    client
        .whole(3, 2, vec![], vec![], vec![], "still here")
        .await;
    assert!(client.expect(0x15).await.is_accepted());
    assert!(client.is_silent().await);
    // With another token it is back.
    client.renew(3, &of("/devices/short", &short, 90_000)).await;
    assert!(client.expect(0x14).await.has("OK"));
    client
        .attach(4, false, "/devices/short/messages/events", vec![])
        .await;
    client.expect(0x12).await;
    client.whole(4, 4, vec![], vec![], vec![], "back").await;
    assert!(client.expect(0x15).await.is_accepted());
}

#[tokio::test]
async fn more_than_there_is_room_for_arrives_in_order() {
    let hub = start().await;
    let mut device = sender(&hub).await;
    let body = "x".repeat(230_000);
    for delivery in 1..=60 {
        let mut message = Vec::new();
        let body = format!("{delivery} {body}");
        V::Described(0x75, Box::new(V::Bytes(body.as_bytes()))).write(&mut message);
        let pieces: Vec<&[u8]> = message.chunks(60_000).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let more = at + 1 < pieces.len();
            let mut fields = vec![V::Uint(2), V::Uint(delivery), V::Bytes(b"t"), V::Uint(0)];
            fields.extend([V::Bool(false), V::Bool(more)]);
            device.send(1, &V::list(0x14, fields), piece).await;
        }
    }
    for _ in 0..60 {
        assert!(device.expect(0x15).await.is_accepted());
    }
    let lines = hub.lines("/admin/telemetry.jsonl").await;
    let numbers = lines.iter().map(|line| {
        let body = line["body"].as_str().unwrap();
        body.split_once(' ').unwrap().0.parse().unwrap()
    });
    assert_eq!(numbers.collect::<Vec<u32>>(), (1..=60).collect::<Vec<_>>());
}
