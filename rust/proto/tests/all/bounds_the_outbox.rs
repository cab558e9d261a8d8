//! The outbox: bounded, in order, and never silent about what it gives up.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::time::Duration;

use crate::support::{Device, OUTBOX};
use iothub_proto::{
    Capacity, Delivery, Error, InvalidRequest, Property, Qos, Telemetry, outbox, store::Priority,
};

fn fill(device: &mut Device) -> u32 {
    let mut accepted = 0;
    while device
        .act(|client, _| client.send(&Telemetry::new(&[b'x'; 84])))
        .is_ok()
    {
        accepted += 1;
    }
    accepted
}

#[test]
fn full_is_an_error_and_room_comes_back() {
    let mut device = Device::new(|_| ());
    assert_eq!(fill(&mut device), (OUTBOX as u32 - 512) / 100);
    let full = device.act(|client, _| client.send(&Telemetry::new(&[0; 84])));
    assert_eq!(full, Err(Error::Capacity(Capacity::Outbox)));
    device.act(|client, now| client.connect(now).unwrap());
    device.connack(0);
    device.puback();
    assert!(
        device
            .act(|client, _| client.send(&Telemetry::new(&[0; 84])))
            .is_ok()
    );
    assert_eq!(device.client.status().counters.dropped, 0);
}

#[test]
fn drop_oldest_tells_each_one() {
    let mut device = Device::new(|config| config.outbox = outbox::Policy::DropOldest);
    for _ in 0..18 {
        device.act(|client, _| client.send(&Telemetry::new(&[b'x'; 84])).unwrap());
    }
    device.expect("* Dropped 1\n* Dropped 2\n* Dropped 3");
    device.act(|client, _| client.send(&Telemetry::new(&[b'x'; 284])).unwrap());
    device.expect("* Dropped 4\n* Dropped 5\n* Dropped 6");
    // More than one call may tell: then it is refused instead.
    let refused = device.act(|client, _| client.send(&Telemetry::new(&[b'x'; 1500])));
    assert_eq!(refused, Err(Error::Capacity(Capacity::Outbox)));
    assert_eq!(device.take().len(), 7);
    // What is on its way is not dropped.
    device.act(|client, now| client.connect(now).unwrap());
    device.connack(0);
    device.skip();
    let mut device = Device::ready(|config| config.outbox = outbox::Policy::DropOldest);
    for _ in 0..16 {
        device.act(|client, _| client.send(&Telemetry::new(&[b'x'; 84])).unwrap());
    }
    let lines = device.take();
    assert_eq!(lines.last().unwrap(), "* Dropped 5", "{lines:?}");
    assert_eq!(device.client.status().counters.dropped, 1);
}

#[test]
fn what_can_never_be_sent_is_refused_at_once() {
    let mut device = Device::new(|_| ());
    let mut send = |message: &Telemetry<'_>| device.act(|client, _| client.send(message));
    let property = |name, value| Property { name, value };

    assert_eq!(
        send(&Telemetry::new(&[0; 1600])),
        Err(Error::Capacity(Capacity::Message))
    );
    let huge = vec![0; 256 * 1024 + 1];
    let size = Err(Error::InvalidRequest(InvalidRequest::MessageSize));
    assert_eq!(send(&Telemetry::new(&huge)), size);
    let mut message = Telemetry::new(&huge[2..]);
    message.properties = &[Property {
        name: "a",
        value: Some("b"),
    }];
    assert_eq!(send(&message), size);
    assert_eq!(
        send(&Telemetry::new(&huge[1..])),
        Err(Error::Capacity(Capacity::Message))
    );

    let long = "é".repeat(170);
    let properties = [property("a", Some(long.as_str()))];
    let mut message = Telemetry::new(b"");
    message.properties = &properties;
    assert_eq!(send(&message), Err(Error::Capacity(Capacity::Topic)));
    let properties = [property("", None)];
    message.properties = &properties;
    assert_eq!(
        send(&message),
        Err(Error::InvalidRequest(InvalidRequest::PropertyName))
    );
    for id in ["a b", "é", "a/b", &"x".repeat(129)] {
        let mut message = Telemetry::new(b"");
        message.system.message_id = Some(id);
        assert_eq!(
            send(&message),
            Err(Error::InvalidRequest(InvalidRequest::MessageId))
        );
    }
    assert_eq!(device.client.status().outbox_used, 0);
}

#[test]
fn once_is_done_when_it_is_written() {
    let mut device = Device::ready(|_| ());
    let mut message = Telemetry::new(b"a");
    message.qos = Qos::AtMostOnce;
    device.act(|client, _| client.send(&message).unwrap());
    device.expect("> publish0 2 devices/dev1/messages/events/ a\n* Sent 1");
    device.fail("> publish0", -104);
    device.act(|client, _| client.send(&message).unwrap());
    device.wait(Duration::from_secs(5));
    device.connack(0);
    let lines = device.take();
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("events/ a"))
            .count(),
        2
    );
    assert_eq!(lines.last().unwrap(), "* Sent 2");
}

#[test]
fn order_holds_across_qualities_of_service() {
    let mut device = Device::new(|_| ());
    for number in 0..8u8 {
        let payload = [b'0' + number];
        let mut message = Telemetry::new(&payload);
        message.qos = if number == 6 {
            Qos::AtMostOnce
        } else {
            Qos::AtLeastOnce
        };
        device.act(|client, _| client.send(&message).unwrap());
    }
    device.act(|client, now| client.connect(now).unwrap());
    device.connack(0);
    while device.client.status().outbox_used > 0 {
        let next = device.client.status().counters.acknowledged as u16 + 2;
        let next = if next >= 8 { next + 1 } else { next };
        device.act(|client, now| client.handle_puback(now, next));
    }
    let sent: Vec<_> = device
        .take()
        .iter()
        .filter(|line| line.contains("/events/"))
        .map(|line| line.chars().last().unwrap())
        .collect();
    assert_eq!(sent, ['0', '1', '2', '3', '4', '5', '6', '7']);
}

#[test]
fn the_bag_is_encoded_and_ordered() {
    let mut device = Device::ready(|_| ());
    let mut message = Telemetry::json(b"{}");
    message.system.message_id = Some("m:1");
    let properties = [
        Property {
            name: "b",
            value: Some("x y/&=+$"),
        },
        Property {
            name: "é",
            value: Some(""),
        },
        Property {
            name: "flag",
            value: None,
        },
    ];
    message.properties = &properties;
    device.act(|client, _| client.send(&message).unwrap());
    device.expect(
        "> publish1 2 devices/dev1/messages/events/%24.mid=m%3A1&%24.ct=application%2Fjson&%24.ce=utf-8&b=x%20y%2F%26%3D%2B%24&%C3%A9=&flag {}",
    );
}

/// Four messages are on their way at once, and one alarm beside them; alarms come before what else
/// waits, and the rest keeps its order.
#[test]
fn an_alarm_overtakes_what_waits_and_has_a_place_of_its_own() {
    let mut device = Device::ready(|_| ());
    let mut send = |payload: &str, priority| {
        let delivery = Delivery {
            priority,
            ..Delivery::default()
        };
        device.act(|client, _| {
            let message = Telemetry {
                delivery,
                ..Telemetry::new(payload.as_bytes())
            };
            client.send(&message).unwrap()
        });
        device.take().len()
    };
    for payload in ["1", "2", "3", "4"] {
        assert_eq!(send(payload, Priority::Normal), 1, "{payload}");
    }
    assert_eq!(send("5", Priority::Normal), 0, "four are on their way");
    assert_eq!(send("a", Priority::High), 1, "an alarm has a place");
    assert_eq!(send("b", Priority::High), 0, "one");
    let mut written = Vec::new();
    for packet in 1..=7 {
        let next = |lines: Vec<String>| -> Vec<String> {
            let published = lines
                .into_iter()
                .filter(|line| line.starts_with("> publish1"));
            published
                .map(|line| line[line.len() - 1..].to_owned())
                .collect()
        };
        device.act(|client, now| client.handle_puback(now, packet + 1));
        written.extend(next(device.take()));
    }
    assert_eq!(written, ["b", "5"]);
}

#[test]
fn a_report_may_take_the_whole_of_a_message() {
    let mut device = Device::ready(|config| config.limits.transmit = 300);
    let first = device.act(|client, _| client.report(b"{}", None).unwrap().as_u32());
    let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={}", first + 1).len();
    let patch = |len: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(len - 8));
    let mut report =
        |len: usize| device.act(|client, _| client.report(patch(len).as_bytes(), None).map(drop));
    assert_eq!(
        report(300 - topic + 1),
        Err(Error::Capacity(Capacity::Message))
    );
    assert_eq!(report(300 - topic), Ok(()));
}
