//! The twin: requests are counted, answers matched, versions tracked.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::time::Duration;

use crate::support::Device;
use iothub_proto::{Error, InvalidRequest};

const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/?$version=";

fn document(version: u64) -> String {
    format!(r#"{{"desired":{{"$version":{version}}},"reported":{{"$version":1}}}}"#)
}

/// The `$rid` of the last GET.
fn rid(device: &mut Device) -> String {
    let lines = device.take();
    let line = lines
        .iter()
        .rfind(|line| line.contains("twin/GET"))
        .expect("a GET");
    line.split("$rid=").nth(1).unwrap().into()
}

fn answer(device: &mut Device, status: u16, body: &str) {
    let rid = rid(device);
    device.publish(&format!("$iothub/twin/res/{status}/?$rid={rid}"), body);
}

fn connected() -> Device {
    let mut device = Device::new(|config| config.request_twin = true);
    device.act(|client, now| client.connect(now).unwrap());
    device.connack(0);
    device.suback(true);
    device
}

#[test]
fn old_changes_are_ignored_and_gaps_get_the_document() {
    let mut device = connected();
    answer(&mut device, 200, &document(5));
    device.expect(&format!("* Twin 5 {}", document(5)));
    for version in [4, 5] {
        device.publish(&format!("{DESIRED}{version}"), "{}");
    }
    device.silent();
    device.publish(&format!("{DESIRED}6"), r#"{"a":1}"#);
    device.expect(r#"* Desired 6 {"a":1}"#);
    device.publish(&format!("{DESIRED}9"), r#"{"b":null}"#);
    let lines = device.take();
    assert_eq!(lines[0], r#"* Desired 9 {"b":null}"#);
    assert!(lines[1].contains("$iothub/twin/GET/"), "{lines:?}");
}

#[test]
fn a_document_that_a_change_has_overtaken_is_got_again() {
    let mut device = connected();
    let rid = rid(&mut device);
    device.publish(&format!("{DESIRED}8"), r#"{"a":1}"#);
    device.skip();
    device.publish(&format!("$iothub/twin/res/200/?$rid={rid}"), &document(7));
    answer(&mut device, 200, &document(8));
    device.expect(&format!("* Twin 8 {}", document(8)));
}

#[test]
fn a_twin_that_was_made_anew_starts_from_one() {
    let mut device = connected();
    answer(&mut device, 200, &document(100));
    device.closed();
    device.wait(Duration::from_secs(10));
    device.connack(0);
    answer(&mut device, 200, &document(1));
    device.expect(&format!("* Twin 1 {}", document(1)));
}

#[test]
fn failures_are_told_and_asked_again_where_that_helps() {
    let mut device = connected();
    for (status, body) in [(429, ""), (503, ""), (500, "{}")] {
        answer(&mut device, status, body);
        assert!(device.take()[0].contains(&format!("reason: Status({status})")));
        device.wait_until("$iothub/twin/GET/");
    }
    device.wait_until("reason: Timeout");
    device.wait_until("$iothub/twin/GET/");
    answer(&mut device, 200, "[1]");
    let lines = device.take();
    assert!(lines[0].contains("Malformed"), "{lines:?}");
    device.wait(Duration::from_secs(100));
    assert!(!device.take().iter().any(|line| line.contains("GET")));
}

#[test]
fn answers_to_nothing_are_told() {
    let mut device = connected();
    let rid = rid(&mut device);
    for query in ["?$rid=1", "?$rid=x", "", "?$version=3"] {
        device.publish(&format!("$iothub/twin/res/200/{query}"), &document(1));
    }
    device.expect(
        "* UnmatchedAnswer { status: 200, request: Some(1) }
         * UnmatchedAnswer { status: 200, request: None }
         * UnmatchedAnswer { status: 200, request: None }
         * UnmatchedAnswer { status: 200, request: None }",
    );
    device.publish(&format!("$iothub/twin/res/200/?$rid={rid}"), &document(1));
    device.skip();
    device.publish(&format!("$iothub/twin/res/200/?$rid={rid}"), &document(1));
    device.expect(&format!(
        "* UnmatchedAnswer {{ status: 200, request: Some({rid}) }}"
    ));
}

#[test]
fn reports_are_answered_one_by_one() {
    let mut device = Device::ready(|_| ());
    let first = device
        .act(|client, _| client.report(br#"{"a":1}"#, None))
        .unwrap();
    let second = device
        .act(|client, _| client.report(br#"{"b":{"c":2}}"#, Some(4)))
        .unwrap();
    let (first, second) = (first.as_u32(), second.as_u32());
    device.expect(&format!(
        r#"> publish0 2 $iothub/twin/PATCH/properties/reported/?$rid={first} {{"a":1}}
           > publish0 3 $iothub/twin/PATCH/properties/reported/?$rid={second}&$version=4 {{"b":{{"c":2}}}}"#
    ));
    device.publish(&format!("$iothub/twin/res/412/?$rid={second}"), "");
    device.publish(
        &format!("$iothub/twin/res/204/?$version=9&$rid={first}"),
        "",
    );
    device.expect(&format!(
        "* ReportFailed {{ request: RequestId({second}), reason: Status(412) }}
         * Reported {{ request: RequestId({first}), version: Some(9) }}"
    ));
    device.publish(&format!("$iothub/twin/res/204/?$rid={first}"), "");
    device.expect(&format!(
        "* UnmatchedAnswer {{ status: 204, request: Some({first}) }}"
    ));
}

#[test]
fn reports_survive_a_reconnect_and_have_a_deadline() {
    let mut device = Device::ready(|_| ());
    device.act(|client, _| client.report(b"{}", None)).unwrap();
    let report = device.take()[0].replace("publish0 2", "");
    device.closed();
    device.wait(Duration::from_secs(10));
    device.connack(0);
    device.suback(true);
    assert!(
        device
            .take()
            .iter()
            .any(|line| line.replace("publish0 2", "") == report)
    );
    device.wait(Duration::from_secs(30));
    assert!(device.take()[0].contains("reason: Timeout"));
    assert_eq!(device.client.status().outbox_used, 0);
}

#[test]
fn bad_patches_are_refused_before_a_byte_is_sent() {
    let mut device = Device::ready(|_| ());
    let deep = format!("{}1{}", r#"{"a":"#.repeat(65), "}".repeat(65));
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(33_000));
    for patch in [
        "",
        "1",
        "[1]",
        r#"{"a":}"#,
        "{} {}",
        deep.as_str(),
        long.as_str(),
    ] {
        let refused = device.act(|client, _| client.report(patch.as_bytes(), None));
        assert_eq!(refused, Err(Error::InvalidRequest(InvalidRequest::Patch)));
    }
    device.silent();
}

#[test]
fn hostile_changes_are_ignored() {
    let mut device = Device::ready(|_| ());
    let deep = "[".repeat(20_000);
    for body in ["", "x", "[]", "{", deep.as_str()] {
        device.publish(&format!("{DESIRED}1"), body);
    }
    device.publish_bytes(format!("{DESIRED}1").as_bytes(), b"{\"a\":\"\xff\"}");
    device.publish("$iothub/twin/PATCH/properties/desired/?$version=-1", "{}");
    device.silent();
    device.publish(
        "$iothub/twin/PATCH/properties/desired/",
        r#"{"$version":3}"#,
    );
    device.expect(r#"* Desired 3 {"$version":3}"#);
}

#[test]
fn a_request_needs_a_connection_and_is_made_once_at_a_time() {
    let mut device = Device::new(|_| ());
    assert_eq!(
        device.act(|client, _| client.request_twin()),
        Err(Error::NotReady)
    );
    let mut device = Device::ready(|_| ());
    let first = device.act(|client, _| client.request_twin()).unwrap();
    let second = device.act(|client, _| client.request_twin()).unwrap();
    assert_eq!(first, second);
    assert_eq!(device.take().len(), 1);
    device.closed();
    let lines = device.take();
    assert!(lines[0].contains("reason: Disconnected"), "{lines:?}");
}
