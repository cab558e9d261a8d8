//! What the parsers of azure-sdk-for-c are known to get wrong, each by name. The vectors have more
//! of each kind.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::Duration;

use crate::support::Device;
use iothub_proto::{Event, Properties, dps};

/// It looks for `$iothub/twin/` anywhere in a topic.
#[test]
fn a_prefix_in_the_middle_of_a_topic_is_no_prefix() {
    let mut device = Device::ready(|_| ());
    let request = device.act(|client, _| client.request_twin().unwrap());
    device.skip();
    let rid = request.as_u32();
    let topic = format!("devices/my_device/$iothub/twin/res/200/?$rid={rid}");
    device.publish(&topic, r#"{"desired":{"$version":1},"reported":{}}"#);
    device.expect(&format!("* UnknownTopic {topic}"));
}

/// It takes `flag&a=1` for one property.
#[test]
fn a_key_without_a_value_ends_at_the_next_one() {
    let properties = Properties::new(b"flag&a=1");
    let mut buffer = [0; 8];
    let flag = properties.find("flag").unwrap();
    assert_eq!(flag.value(&mut buffer), Ok(None));
    let a = properties.find("a").unwrap();
    assert_eq!(a.value(&mut buffer), Ok(Some("1")));
    assert_eq!(properties.iter().count(), 2);
}

/// It hands out names and values as they came.
#[test]
fn names_and_values_are_decoded() {
    let properties = Properties::new(b"%24.to=%2Fdevices%2Fdev1");
    let mut buffer = [0; 32];
    let to = properties.find("$.to").unwrap();
    assert_eq!(to.value(&mut buffer), Ok(Some("/devices/dev1")));
}

/// It refuses `e=`.
#[test]
fn an_empty_value_is_a_value() {
    let properties = Properties::new(b"e=&f=1");
    let mut buffer = [0; 8];
    let e = properties.find("e").unwrap();
    assert_eq!(e.value(&mut buffer), Ok(Some("")));
    assert_eq!(properties.iter().count(), 2);
}

/// It takes any number for a status.
#[test]
fn a_status_has_three_digits() {
    let mut device = Device::ready(|_| ());
    for status in ["2", "20", "2000", "65736", "099"] {
        let topic = format!("$iothub/twin/res/{status}/?$rid=1");
        let event = device
            .client
            .handle_publish(device.now, topic.as_bytes(), b"{}");
        assert_eq!(event, Some(Event::UnknownTopic(topic.as_bytes())));
    }
}

/// Its documentation takes DPS's `retry-after` for milliseconds.
#[test]
fn retry_after_is_in_seconds() {
    let mut device = Device::new(|config| {
        config.dps = Some(dps::Config::new("0ne0", "reg1"));
        config.keep_alive = Duration::ZERO;
    });
    device.act(|client, now| client.connect(now).unwrap());
    device.connack(0);
    device.suback(true);
    let request = device.take().pop().unwrap();
    let rid = request.split("$rid=").nth(1).unwrap();
    let rid = rid.split(' ').next().unwrap();
    let topic = format!("$dps/registrations/res/202/?$rid={rid}&retry-after=7");
    device.publish(&topic, r#"{"operationId":"4.d0","status":"assigning"}"#);
    assert_eq!(device.wait_for_timer(), Duration::from_secs(7));
    assert!(
        device
            .take()
            .iter()
            .any(|line| line.contains("operationId=4.d0"))
    );
}
