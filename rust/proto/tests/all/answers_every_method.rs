//! Methods: each call is answered, by the application or for it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::time::Duration;

use crate::support::Device;
use iothub_proto::{Capacity, Error, Event, InvalidRequest, MethodId, MethodResponse, Telemetry};

fn call(device: &mut Device, rid: &str) -> Option<MethodId> {
    let topic = format!("$iothub/methods/POST/led/?$rid={rid}");
    let now = device.now;
    let event = device.client.handle_publish(now, topic.as_bytes(), b"1");
    let id = match event {
        Some(Event::Method(call)) => Some(call.id),
        None => None,
        other => panic!("{other:?}"),
    };
    device.drain();
    id
}

fn respond(
    device: &mut Device,
    request: MethodId,
    status: i32,
    payload: &[u8],
) -> Result<(), Error> {
    let answer = MethodResponse {
        request,
        status,
        payload,
    };
    device.act(|client, _| client.respond(&answer))
}

#[test]
fn answers_carry_the_request_id_as_it_came() {
    let mut device = Device::ready(|_| ());
    for (rid, status) in [("1", 200), ("a-b_c", 65535), ("日", -1), ("%24x", i32::MIN)] {
        let id = call(&mut device, rid).unwrap();
        assert_eq!(
            respond(&mut device, id, status, b"{\"it\":\"worked\"}"),
            Ok(())
        );
        let line = device.take().remove(0);
        let topic = format!(" $iothub/methods/res/{status}/?$rid={rid} ");
        assert!(line.contains(&topic), "{line}");
        let again = respond(&mut device, id, 200, b"");
        assert_eq!(
            again,
            Err(Error::InvalidRequest(InvalidRequest::UnknownMethod))
        );
    }
}

#[test]
fn components_and_odd_names() {
    let mut device = Device::ready(|_| ());
    for name in ["thermostat1*getMaxMin", "*x", "a*b*c", "led%20on"] {
        device.publish(&format!("$iothub/methods/POST/{name}/?$rid=1"), "");
    }
    device.expect("* Method thermostat1*getMaxMin\n* Method *x\n* Method a*b*c\n* Method led%20on");
}

#[test]
fn nobody_answers_in_time() {
    let mut device = Device::ready(|_| ());
    let id = call(&mut device, "7").unwrap();
    assert_eq!(device.wait_for_timer(), Duration::from_secs(30));
    device.expect("> publish0 2 $iothub/methods/res/504/?$rid=7");
    let late = respond(&mut device, id, 200, b"");
    assert_eq!(
        late,
        Err(Error::InvalidRequest(InvalidRequest::UnknownMethod))
    );
}

#[test]
fn too_many_calls_and_names_that_are_no_text() {
    let mut device = Device::ready(|_| ());
    for rid in 1..=4 {
        assert!(call(&mut device, &rid.to_string()).is_some());
    }
    assert_eq!(call(&mut device, "5"), None);
    device.expect("> publish0 2 $iothub/methods/res/503/?$rid=5");
    let mut device = Device::ready(|_| ());
    let long = "9".repeat(60);
    assert_eq!(call(&mut device, &long), None);
    device.expect(&format!(
        "> publish0 2 $iothub/methods/res/503/?$rid={long}"
    ));
    device.publish_bytes(b"$iothub/methods/POST/\xff\xfe/?$rid=6", b"");
    device.expect("> publish0 3 $iothub/methods/res/400/?$rid=6");
    // What cannot stand in a topic cannot be answered.
    device.publish("$iothub/methods/POST/led/?$rid=+", "");
    device.expect("* UnknownTopic $iothub/methods/POST/led/?$rid=+");
}

#[test]
fn a_call_with_too_large_a_body_is_answered() {
    let mut device = Device::ready(|_| ());
    let topic = b"$iothub/methods/POST/upload/?$rid=1f";
    assert_eq!(
        device.act(|client, now| client.handle_message(now, topic, None)),
        Some(Event::Oversize {
            discarded: true,
            count: 0
        })
    );
    device.expect("> publish0 2 $iothub/methods/res/413/?$rid=1f");
    let body = vec![b' '; 128 * 1024 + 1];
    device.publish_bytes(topic, &body);
    device.expect(
        "* Oversize { discarded: true, count: 0 }
         > publish0 3 $iothub/methods/res/413/?$rid=1f",
    );
    assert_eq!(device.client.status().counters.oversize, 2);
}

#[test]
fn answers_overtake_messages_and_fit_into_a_full_outbox() {
    let mut device = Device::ready(|_| ());
    while device
        .act(|client, _| client.send(&Telemetry::new(&[b'x'; 100])))
        .is_ok()
    {}
    device.skip();
    let id = call(&mut device, "1").unwrap();
    let too_long = respond(
        &mut device,
        id,
        200,
        format!("\"{}\"", "y".repeat(3000)).as_bytes(),
    );
    assert_eq!(too_long, Err(Error::Capacity(Capacity::Message)));
    assert_eq!(respond(&mut device, id, 200, b"{}"), Ok(()));
    let lines = device.take();
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].contains("$iothub/methods/res/200/?$rid=1 {}"),
        "{lines:?}"
    );
}

#[test]
fn answers_are_for_their_connection_only() {
    let mut device = Device::ready(|_| ());
    let id = call(&mut device, "1").unwrap();
    assert_eq!(
        respond(&mut device, id, 200, b"not json"),
        Err(Error::InvalidRequest(InvalidRequest::MethodAnswer))
    );
    device.closed();
    assert_eq!(
        respond(&mut device, id, 200, b""),
        Err(Error::InvalidRequest(InvalidRequest::UnknownMethod))
    );
    device.wait(Duration::from_secs(10));
    device.connack(0);
    assert!(
        !device
            .take()
            .iter()
            .any(|line| line.contains("methods/res"))
    );
}
