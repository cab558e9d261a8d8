//! What Nordic's library (NCS 2.9.0) is known to get wrong in the protocol, each as a test. What
//! has a file of its own stands there: encoding of properties, reconnects, back-off, waiting for
//! the network.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{Device, SUBSCRIBE};
use iothub_proto::{Config, Property, Telemetry, dps};

const SECOND: Duration = Duration::from_secs(1);

fn provisioned(config: &mut Config<'static>) {
    config.hostname = "";
    config.device_id = "";
    config.dps = Some(dps::Config::new("0ne000", "reg1"));
}

/// Its `$rid` is the first three digits of the uptime.
#[test]
fn no_two_requests_have_the_same_number() {
    let mut device = Device::ready(|_| ());
    let mut seen = BTreeSet::new();
    for _ in 0..2000 {
        let id = device.act(|client, _| client.report(b"{}", None).unwrap());
        assert!(seen.insert(id.as_u32()));
        let topic = format!("$iothub/twin/res/204/?$rid={}&$version=2", id.as_u32());
        device.publish(&topic, "");
    }
}

/// Its event of a failure has neither request nor status.
#[test]
fn a_refused_report_says_which_and_why() {
    let mut device = Device::ready(|_| ());
    for status in [
        400, 401, 403, 404, 405, 409, 412, 413, 415, 429, 499, 500, 502, 503, 504,
    ] {
        let id = device.act(|client, _| client.report(b"{}", None).unwrap());
        device.skip();
        let topic = format!("$iothub/twin/res/{status}/?$rid={}", id.as_u32());
        device.publish(&topic, "");
        device.expect(&format!(
            "* ReportFailed {{ request: {id:?}, reason: Status({status}) }}"
        ));
    }
}

/// It is ready after any SUBACK, and gets C2D at QoS 0.
#[test]
fn a_refused_subscription_is_not_ready() {
    let mut device = Device::new(|_| ());
    device.act(|client, now| client.connect(now).unwrap());
    device.connack(0);
    assert!(device.take()[3].ends_with(SUBSCRIBE));
    assert!(SUBSCRIBE.ends_with("devicebound/# 1"));
    device.act(|client, now| client.handle_suback(now, 1, false));
    device.expect("* Disconnected SubscribeRefused, again\n> abort");
}

/// It cannot be told to stop before CONNACK, and waits for that for ever.
#[test]
fn a_connect_can_be_given_up_and_ends_by_itself() {
    let mut device = Device::new(|_| ());
    device.act(|client, now| client.connect(now).unwrap());
    device.skip();
    device.act(|client, now| client.disconnect(now).unwrap());
    device.expect("* Disconnected Requested\n> abort");
    device.act(|client, now| client.connect(now).unwrap());
    device.wait_for_timer();
    device.skip();
    device.wait(30 * SECOND);
    device.expect("* Disconnected ConnackTimeout, again\n> abort");
}

/// It tells of a refusal twice, and of the end of a connection without a reason.
#[test]
fn one_event_and_one_reason_for_an_end() {
    let mut device = Device::new(|_| ());
    device.act(|client, now| client.connect(now).unwrap());
    device.skip();
    device.connack(5);
    device.closed();
    device.expect("* Disconnected Connack(NotAuthorised), again\n> abort");
    device.wait_for_timer();
    device.connack(0);
    device.skip();
    device.closed();
    device.closed();
    device.expect("* Disconnected Closed(Errno(-104)), again\n> abort");
}

/// Its topics end at 100 bytes, its messages have three properties, its user names 160 bytes.
#[test]
fn long_names_and_many_properties() {
    let name: &'static str = "d".repeat(128).leak();
    let mut device = Device::new(|config| config.device_id = name);
    device.act(|client, now| client.connect(now).unwrap());
    assert!(device.take()[1].contains(&format!("/{name}/?api-version=")));
    device.connack(0);
    device.suback(true);
    device.skip();
    let properties: Vec<_> = (0..20)
        .map(|number| Property {
            name: ["a", "b", "c", "d"][number % 4],
            value: Some("12345"),
        })
        .collect();
    let mut message = Telemetry::new(b"1");
    message.properties = &properties;
    device.act(|client, _| client.send(&message).unwrap());
    assert_eq!(device.take()[0].matches("=12345").count(), 20);
    let bag = "p=1&".repeat(20);
    device.publish(&format!("devices/{name}/messages/devicebound/{bag}"), "");
    assert_eq!(device.take()[0].matches("p=1").count(), 20);
}

/// It logs a message on another topic, and tells nobody.
#[test]
fn a_topic_of_nobody_is_an_event() {
    let mut device = Device::ready(|_| ());
    device.publish("$iothub/new/feature", "{}");
    device.expect("* UnknownTopic $iothub/new/feature");
}

/// It does not register again after 429, and notices the end of a connection to DPS after 90 s.
#[test]
fn dps_may_be_busy_and_may_hang_up() {
    let mut device = Device::new(provisioned);
    device.act(|client, now| client.connect(now).unwrap());
    device.connack(0);
    device.suback(true);
    let lines = device.take();
    let id = lines.last().unwrap().split("$rid=").nth(1).unwrap();
    let id = id.split(' ').next().unwrap().to_owned();
    let busy = format!("$dps/registrations/res/429/?$rid={id}&retry-after=5");
    device.publish(&busy, r#"{"errorCode":429001}"#);
    device.expect("* Provisioning(Assigning)");
    assert!(device.wait_for_timer() >= 5 * SECOND);
    assert!(device.take()[0].contains("$dps/registrations/PUT/iotdps-register/?$rid="));
    device.closed();
    device.expect("* Disconnected Closed(Errno(-104)), again\n> abort");
}

/// It never asks DPS again, whatever the assigned hub says.
#[test]
fn a_hub_that_refuses_for_good_is_left() {
    let mut device = Device::new(|config| {
        provisioned(config);
        config.assignment = Some(dps::Assignment {
            hostname: "old.example",
            device_id: "dev1",
        });
    });
    device.act(|client, now| client.connect(now).unwrap());
    for _ in 0..2 {
        assert!(
            device
                .take()
                .iter()
                .any(|line| line.starts_with("> connect old.example"))
        );
        device.connack(5);
        device.wait_for_timer();
    }
    let lines = device.take();
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("> connect global.azure-devices-provisioning.net")),
        "{lines:?}"
    );
}
