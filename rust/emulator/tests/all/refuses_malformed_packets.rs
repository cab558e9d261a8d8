//! What MQTT 3.1.1 forbids closes the connection; what it allows does not. After the cases that
//! brokers test themselves with.

#![allow(clippy::unwrap_used)] // helpers of tests

use crate::support::{Device, Hub};

/// A packet of a first byte and a body.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first, u8::try_from(body.len()).unwrap()];
    assert!(body.len() < 128);
    packet.extend_from_slice(body);
    packet
}

/// Strings with their lengths before them, and what follows.
fn strings(texts: &[&[u8]], rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(text);
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// A message to the own telemetry topic, which this comes behind.
fn publish(first: u8, end: &[u8], rest: &[u8]) -> Vec<u8> {
    let topic = [b"devices/dev/messages/events/", end].concat();
    packet(first, &strings(&[&topic], rest))
}

/// SUBSCRIBE and UNSUBSCRIBE with packet id 1.
fn subscribe(filter: &[u8]) -> Vec<u8> {
    packet(
        0x82,
        &[b"\0\x01".to_vec(), strings(&[filter], b"\x01")].concat(),
    )
}

fn unsubscribe(filter: &[u8]) -> Vec<u8> {
    packet(
        0xa2,
        &[b"\0\x01".to_vec(), strings(&[filter], b"")].concat(),
    )
}

async fn connected(hub: &Hub) -> Device {
    hub.connect("dev", &hub.ca.device("dev"), true).await
}

#[tokio::test]
async fn these_close_the_connection() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let mut count = 0;
    for (what, bytes) in [
        ("U+0000 in a topic", publish(0x30, b"a\0b", b"x")),
        (
            "a control character in a topic",
            publish(0x30, b"a\x1fb", b"x"),
        ),
        ("DEL in a topic", publish(0x30, b"a\x7fb", b"x")),
        (
            "U+0085 in a topic",
            publish(0x30, "a\u{85}b".as_bytes(), b"x"),
        ),
        (
            "a surrogate in a topic",
            publish(0x30, b"a\xed\xa0\x80b", b"x"),
        ),
        (
            "an overlong character in a topic",
            publish(0x30, b"a\xc0\xafb", b"x"),
        ),
        ("+ in a topic", publish(0x30, b"+", b"x")),
        ("# in a topic", publish(0x30, b"#", b"x")),
        ("+ within a level of a topic", publish(0x30, b"a+b", b"x")),
        ("an empty topic", packet(0x30, b"\0\0x")),
        ("a topic that is cut off", packet(0x30, b"\0\x05ab")),
        ("QoS 0 with DUP", publish(0x38, b"", b"x")),
        ("QoS 0 with DUP and RETAIN", publish(0x39, b"", b"x")),
        ("QoS 3", publish(0x36, b"", b"\0\x01x")),
        ("QoS 1 with packet id 0", publish(0x32, b"", b"\0\0x")),
        ("QoS 1 without a packet id", publish(0x32, b"", b"\x01")),
        ("SUBSCRIBE with flags 0", packet(0x80, b"\0\x01\0\x01a\x01")),
        ("SUBSCRIBE without a filter", packet(0x82, b"\0\x01")),
        ("SUBSCRIBE with an empty filter", subscribe(b"")),
        ("SUBSCRIBE with U+0000", subscribe(b"a\0")),
        ("SUBSCRIBE with QoS 3", packet(0x82, b"\0\x01\0\x01#\x03")),
        (
            "SUBSCRIBE with the bit of no local",
            packet(0x82, b"\0\x01\0\x01#\x05"),
        ),
        (
            "SUBSCRIBE with retain handling",
            packet(0x82, b"\0\x01\0\x01#\x11"),
        ),
        (
            "SUBSCRIBE with the highest bit",
            packet(0x82, b"\0\x01\0\x01#\x81"),
        ),
        (
            "SUBSCRIBE with packet id 0",
            packet(0x82, b"\0\0\0\x01#\x01"),
        ),
        ("UNSUBSCRIBE with flags 0", packet(0xa0, b"\0\x01\0\x01#")),
        ("UNSUBSCRIBE without a filter", packet(0xa2, b"\0\x01")),
        ("UNSUBSCRIBE with an empty filter", unsubscribe(b"")),
        ("UNSUBSCRIBE with U+0000", unsubscribe(b"a\0b")),
        (
            "UNSUBSCRIBE with a control character",
            unsubscribe(b"a\x01b"),
        ),
        ("UNSUBSCRIBE with # in the middle", unsubscribe(b"a/#/b")),
        ("UNSUBSCRIBE with # behind a letter", unsubscribe(b"a#")),
        ("UNSUBSCRIBE with + behind a letter", unsubscribe(b"a/b+/c")),
        ("UNSUBSCRIBE with packet id 0", packet(0xa2, b"\0\0\0\x01#")),
        ("PUBACK with packet id 0", packet(0x40, b"\0\0")),
        ("PUBACK with flags", packet(0x42, b"\0\x01")),
        ("PUBACK of three bytes", packet(0x40, b"\0\x01\0")),
        ("PINGREQ with a body", packet(0xc0, b"x")),
        ("PINGREQ with flags", packet(0xc1, b"")),
        ("DISCONNECT with a body", packet(0xe0, b"x")),
        ("CONNACK", packet(0x20, b"\0\0")),
        ("SUBACK", packet(0x90, b"\0\x01\0")),
        ("PINGRESP", packet(0xd0, b"")),
        ("the type 0", packet(0x00, b"")),
        ("the type 15", packet(0xf0, b"")),
    ] {
        let mut device = connected(&hub).await;
        device.write(&bytes).await;
        assert_eq!(device.packet().await, None, "{what}");
        count += 1;
    }
    let events = hub.lines("/admin/events.jsonl").await;
    let closed: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "closed")
        .collect();
    assert_eq!(closed.len(), count);
    for event in closed {
        assert_eq!(event["code"], 400_006, "{event}");
    }
}

#[tokio::test]
async fn these_are_refused_before_connack() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let connect = |flags: u8, texts: &[&[u8]]| {
        packet(
            0x10,
            &[
                b"\0\x04MQTT\x04".to_vec(),
                vec![flags, 0, 60],
                strings(texts, b""),
            ]
            .concat(),
        )
    };
    let user: &[u8] = b"hub.localhost/dev/?api-version=2021-04-12";
    for (what, bytes) in [
        (
            "U+0000 in the user name",
            connect(0x82, &[b"dev", b"hub.localhost/d\0v/?api-version=1"]),
        ),
        (
            "a control character in the user name",
            connect(0x82, &[b"dev", b"hub\x02/dev/?api-version=1"]),
        ),
        ("U+0000 in the client id", connect(0x82, &[b"d\0v", user])),
        (
            "a client id that is not UTF-8",
            connect(0x82, &[b"d\xffv", user]),
        ),
        (
            "U+0000 in the topic of the will",
            connect(0x86, &[b"dev", b"a\0", b"x", user]),
        ),
        (
            "# in the topic of the will",
            connect(0x86, &[b"dev", b"a/#", b"x", user]),
        ),
        (
            "a password without a user name",
            connect(0x42, &[b"dev", b"x"]),
        ),
        ("the reserved flag", connect(0x83, &[b"dev", user])),
        (
            "a will of QoS 3",
            connect(0x9e, &[b"dev", b"a", b"x", user]),
        ),
        ("QoS without a will", connect(0x8a, &[b"dev", user])),
        ("bytes behind the end", connect(0x82, &[b"dev", user, b"x"])),
        (
            "another protocol",
            packet(0x10, b"\0\x04MQTX\x04\x02\0\x3c\0\0"),
        ),
        (
            "flags of the packet",
            [&[0x12][..], &connect(0x82, &[b"dev", user])[1..]].concat(),
        ),
    ] {
        let mut device = hub.dial(Some(&hub.ca.device("dev"))).await;
        device.write(&bytes).await;
        assert_eq!(device.packet().await, None, "{what}");
    }
}

#[tokio::test]
async fn these_do_not() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let mut device = connected(&hub).await;
    for (what, bytes) in [
        (
            "PUBACK of an id that was never used",
            packet(0x40, b"\x30\x39"),
        ),
        ("a repetition", publish(0x3a, b"", b"\0\x09x")),
        (
            "a body of zeros and control characters",
            publish(0x30, b"", b"\0\x01\x1f"),
        ),
        (
            "letters beyond ASCII",
            publish(0x30, "é=你".as_bytes(), b""),
        ),
    ] {
        device.write(&bytes).await;
        if bytes[0] == 0x3a {
            device.expect_puback(9).await;
        }
        device.ping().await;
        println!("{what}: the connection lives on");
    }
    device
        .write(&unsubscribe(b"devices/+/messages/devicebound/#"))
        .await;
    assert_eq!(device.packet().await, Some((0xb0, vec![0, 1])));
    device.ping().await;
}

/// Characters that no text of MQTT may hold: U+0000, half of a surrogate pair, control characters.
const FORBIDDEN: [&[u8]; 7] = [
    b"to\0",
    b"to\xed\xa0\x80",
    b"to\x01p",
    b"to\x1fp",
    b"to\x7fp",
    b"to\xc2\x9fp",
    b"to\xed\xbf\xbf",
];

/// A packet of each type as it should be: first byte, body.
fn sound() -> Vec<(u8, Vec<u8>)> {
    let id = b"\0\x01".to_vec();
    let filter = |rest: &[u8]| [id.clone(), strings(&[b"p"], rest)].concat();
    vec![
        (0x20, vec![0, 0]),
        (0x30, strings(&[b"topic"], b"payload")),
        (0x40, id.clone()),
        (0x50, id.clone()),
        (0x62, id.clone()),
        (0x70, id.clone()),
        (0x82, filter(b"\x01")),
        (0x90, [id.clone(), vec![0]].concat()),
        (0xa2, filter(b"")),
        (0xb0, id.clone()),
        (0xc0, Vec::new()),
        (0xd0, Vec::new()),
        (0xe0, Vec::new()),
        (0xf0, Vec::new()),
    ]
}

/// Every way in which the packets of brokers' own tests are wrong, on a connection that is up.
fn malformed() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |what: String, bytes: Vec<u8>| all.push((what, bytes));
    for (first, body) in sound() {
        let of = |first: u8| packet(first, &body);
        // What only a server sends, and what belongs to QoS 2, which IoT Hub has not.
        if [2, 5, 6, 7, 9, 11, 13, 15].contains(&(first >> 4)) {
            add(format!("{first:#04x}"), of(first));
        }
        if first != 0x30 {
            for flags in [0u8, 1, 2, 4, 6, 8, 10].map(|flags| (first & 0xf0) | flags) {
                if flags != first {
                    add(format!("{flags:#04x}: flags"), of(flags));
                }
            }
            let longer = [&body[..], b"\0"].concat();
            add(format!("{first:#04x}: a byte more"), packet(first, &longer));
        }
        for length in 0..body.len().min(4) {
            let short = packet(first, &body[..length]);
            // PUBLISH may have any length behind its topic.
            add(format!("{first:#04x}: cut to {length}"), short);
        }
        let endless = vec![first, 0x80, 0x80, 0x80, 0x80, 0x01];
        add(format!("{first:#04x}: a length of five bytes"), endless);
        if [4, 5, 6, 7, 8, 9, 10, 11].contains(&(first >> 4)) {
            let zero = [b"\0\0", &body[2..]].concat();
            add(format!("{first:#04x}: packet id 0"), packet(first, &zero));
        }
    }
    for text in FORBIDDEN {
        add(
            format!("topic {text:x?}"),
            packet(0x30, &strings(&[text], b"x")),
        );
        add(format!("filter {text:x?}"), subscribe(text));
        add(format!("filter to leave {text:x?}"), unsubscribe(text));
    }
    for qos in [3u8, 4, 8, 0x10, 0x20, 0x40, 0x80] {
        let body = [b"\0\x01".to_vec(), strings(&[b"#"], &[qos])].concat();
        add(
            format!("SUBSCRIBE with {qos:#x} for QoS"),
            packet(0x82, &body),
        );
    }
    let id = b"\0\x01".to_vec();
    let filters =
        |parts: &[Vec<u8>]| packet(0x82, &[std::slice::from_ref(&id), parts].concat().concat());
    let (none, some) = (strings(&[b""], b"\0"), strings(&[b"q"], b"\0"));
    add(
        "first filter empty".into(),
        filters(&[none.clone(), some.clone()]),
    );
    add("second filter empty".into(), filters(&[some, none.clone()]));
    add("both filters empty".into(), filters(&[none.clone(), none]));
    for (what, texts) in [("first", [&b""[..], b"q"]), ("second", [b"q", b""])] {
        let body = [id.clone(), strings(&texts, b"")].concat();
        add(format!("{what} filter to leave empty"), packet(0xa2, &body));
    }
    for flags in [0x34, 0x36, 0x3c, 0x3e] {
        add(
            format!("PUBLISH {flags:#x}"),
            publish(flags, b"", b"\0\x05x"),
        );
    }
    add(
        "a second CONNECT".into(),
        packet(
            0x10,
            &[
                b"\0\x04MQTT\x04\x02\0\x0a".to_vec(),
                strings(&[b"dev"], b""),
            ]
            .concat(),
        ),
    );
    all
}

#[tokio::test]
async fn so_does_every_other_way_to_be_malformed() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let credentials = hub.ca.device("dev");
    let all = malformed();
    assert!(all.len() > 150, "{}", all.len());
    for (what, bytes) in &all {
        let mut device = hub.connect("dev", &credentials, true).await;
        device.write(bytes).await;
        // What is short of its announced length waits for the rest; none of these is.
        assert_eq!(device.packet().await, None, "{what}: {bytes:x?}");
    }
}

#[tokio::test]
async fn so_does_whatever_comes_before_connect() {
    let hub = Hub::start().await;
    hub.register("dev").await;
    let credentials = hub.ca.device("dev");
    let mut first: Vec<Vec<u8>> = sound()
        .iter()
        .map(|(first, body)| packet(*first, body))
        .collect();
    for type_0 in [0x00, 0x01, 0x02, 0x04, 0x08] {
        first.push(packet(type_0, b""));
    }
    let user: &[u8] = b"hub.localhost/dev/?api-version=2021-04-12";
    let connect =
        |head: &[u8], texts: &[&[u8]]| packet(0x10, &[head.to_vec(), strings(texts, b"")].concat());
    let head = b"\0\x04MQTT\x04\x82\0\x3c";
    // Cut off anywhere.
    for length in 0..head.len() + 4 {
        let whole = [head.to_vec(), strings(&[b"dev", user], b"")].concat();
        first.push(packet(0x10, &whole[..length]));
    }
    // Flags of the packet, of the reserved bit, and of a will that is not there.
    for flags in [0x11, 0x12, 0x14, 0x18, 0x1f] {
        let mut bytes = connect(head, &[b"dev", user]);
        bytes[0] = flags;
        first.push(bytes);
    }
    for flags in [0x83, 0x8a, 0x92, 0xa2, 0x9e, 0x42] {
        let head = [&head[..7], &[flags], &head[8..]].concat();
        first.push(connect(&head, &[b"dev", user]));
    }
    for head in [
        &b"\0\x03MQT\x04\x82\0\x3c"[..],
        b"\0\0\x04\x82\0\x3c",
        b"\0\x05MQTTT\x04\x82\0\x3c",
        b"\0\x04MQTU\x04\x82\0\x3c",
    ] {
        first.push(connect(head, &[b"dev", user]));
    }
    for text in FORBIDDEN {
        first.push(connect(head, &[text, user]));
        first.push(connect(head, &[b"dev", text]));
        let will = [&head[..7], &[0x86], &head[8..]].concat();
        first.push(connect(&will, &[b"dev", text, b"m", user]));
    }
    first.push(vec![0x10, 0x80, 0x80, 0x80, 0x80, 0x01]);
    assert!(first.len() > 65, "{}", first.len());
    for bytes in &first {
        let mut device = hub.dial(Some(&credentials)).await;
        device.write(bytes).await;
        assert_eq!(device.packet().await, None, "{bytes:x?}");
    }
}
