//! Cloud-to-device messages and everything else that arrives.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use crate::support::{Device, SUBSCRIBE};
use iothub_proto::{Event, Phase};

#[test]
fn properties_are_decoded_on_demand() {
    let mut device = Device::ready(|_| ());
    let topic = "devices/dev1/messages/devicebound/%24.mid=m%201&$.to=/devices/dev1/messages/deviceBound&flag&empty=&a=b=c&%C3%A9=%2B+";
    let now = device.now;
    let Some(Event::C2d(message)) =
        device
            .client
            .handle_publish(now, topic.as_bytes(), b"\x00\xff")
    else {
        panic!()
    };
    assert_eq!(message.payload, b"\x00\xff");
    let mut buffer = [0; 64];
    let mut value = |name: &str| {
        message
            .properties
            .find(name)
            .map(|property| property.value(&mut buffer).unwrap().map(String::from))
    };
    assert_eq!(value("$.mid"), Some(Some("m 1".into())));
    assert_eq!(
        value("$.to"),
        Some(Some("/devices/dev1/messages/deviceBound".into()))
    );
    assert_eq!(value("flag"), Some(None));
    assert_eq!(value("empty"), Some(Some(String::new())));
    assert_eq!(value("a"), Some(Some("b=c".into())));
    assert_eq!(value("é"), Some(Some("++".into())));
    assert_eq!(value("missing"), None);
    assert_eq!(message.properties.iter().count(), 6);
}

#[test]
fn topics_that_are_not_ours_are_told() {
    let mut device = Device::ready(|_| ());
    for topic in [
        "",
        "devices/dev2/messages/devicebound/",
        "devices/dev1x/messages/devicebound/",
        "devices/dev1/messages/devicebound",
        "x/devices/dev1/messages/devicebound/",
        "devices/dev1/$iothub/twin/res/200/?$rid=1",
        "$iothub/twin/res/20/?$rid=1",
        "$iothub/twin/res/abc/?$rid=1",
        "$iothub/twin/res/200",
        "$iothub/twin/res/200/x?$rid=1",
        "$iothub/methods/POST/led/",
        "$iothub/methods/POST//?$rid=1",
        "$iothub/methods/POST/a/b/?$rid=1",
        "$iothub/twin/PATCH/properties/desired",
        "$iothub/twin/PATCH/properties/desired/x",
    ] {
        device.publish(topic, "");
        device.expect(&format!("* UnknownTopic {topic}"));
    }
    device.publish_bytes(b"\xff\xfe/\x00", b"");
    assert_eq!(device.take().len(), 1);
}

#[test]
fn oversize_messages_end_with_a_connection_without_their_filter() {
    let mut device = Device::ready(|config| config.request_twin = true);
    for count in 1..=2 {
        device.act(|client, now| client.handle_oversize(now));
        device.expect(&format!(
            "* Oversize {{ discarded: false, count: {count} }}
             * Disconnected Oversize, again
             > abort"
        ));
        device.wait_for_timer();
        device.connack(0);
        let lines = device.take();
        let subscribe = lines
            .iter()
            .find(|line| line.starts_with("> subscribe"))
            .unwrap();
        assert_eq!(subscribe.contains("devicebound"), count == 1, "{subscribe}");
        assert_eq!(subscribe.ends_with(SUBSCRIBE), count == 1);
        assert!(lines.iter().any(|line| line.contains("twin/GET")));
    }
    // Still too large: then it is the twin.
    device.act(|client, now| client.handle_oversize(now));
    device.wait_for_timer();
    device.connack(0);
    device.suback(true);
    assert!(!device.take().iter().any(|line| line.contains("twin/GET")));
    // Once: a connection that lasts is followed by one with everything.
    device.wait(std::time::Duration::from_secs(61));
    device.closed();
    device.wait_for_timer();
    device.connack(0);
    let lines = device.take();
    assert!(lines.iter().any(|line| line.ends_with(SUBSCRIBE)));
    assert!(lines.iter().any(|line| line.contains("twin/GET")));
}

#[test]
fn what_was_read_away_is_told_and_all_goes_on() {
    let mut device = Device::ready(|_| ());
    for topic in [
        "devices/dev1/messages/devicebound/%24.mid=1",
        "$iothub/twin/res/200/?$rid=1",
        "$iothub/twin/PATCH/properties/desired/?$version=2",
        "none/of/ours",
    ] {
        assert_eq!(
            device.act(|client, now| client.handle_message(now, topic.as_bytes(), None)),
            Some(Event::Oversize {
                discarded: true,
                count: 0
            })
        );
    }
    device.expect("");
    assert_eq!(device.client.status().counters.oversize, 4);
    assert_eq!(device.client.status().phase, Phase::Ready);
}

#[test]
fn messages_before_and_after_the_connection() {
    let mut device = Device::new(|_| ());
    device.act(|client, now| client.connect(now).unwrap());
    device.skip();
    // A kept session delivers before CONNACK is processed.
    device.publish("devices/dev1/messages/devicebound/", "early");
    device.expect("* C2d  early");
    device.connack(0);
    device.closed();
    device.skip();
    device.publish("devices/dev1/messages/devicebound/", "late");
    device.publish("$iothub/methods/POST/led/?$rid=1", "");
    device.publish("$iothub/twin/PATCH/properties/desired/?$version=1", "{}");
    device.expect("* C2d  late");
}
