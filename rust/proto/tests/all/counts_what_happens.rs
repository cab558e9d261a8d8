//! The snapshot for a shell or a page: phase, last error, counters, and how long the last PUBACK
//! took.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use core::time::Duration;

use crate::support::Device;
use iothub_proto::{Disconnect, Errno, MethodResponse, Phase, Telemetry};

#[test]
fn a_message_on_its_way_there_and_the_end_of_its_connection() {
    let device = Device::new(|_| ());
    let before = device.client.status();
    assert_eq!(before.phase, Phase::Idle);
    assert_eq!(before.round_trip, None);
    assert_eq!(before.last_disconnect, None);

    let mut device = Device::ready(|_| ());
    let ready = device.client.status();
    assert_eq!(ready.phase, Phase::Ready);
    assert_eq!((ready.counters.connects, ready.counters.connected), (1, 1));

    device.act(|client, _| client.send(&Telemetry::new(b"12345")).unwrap());
    let written = device.client.status();
    let topic = "devices/dev1/messages/events/".len() as u32;
    assert_eq!(
        written.counters.bytes_sent - ready.counters.bytes_sent,
        topic + 5
    );
    assert_eq!(written.counters.published - ready.counters.published, 1);
    assert_eq!(
        (written.counters.accepted, written.counters.acknowledged),
        (1, 0)
    );
    assert!(written.outbox_used > 0);

    device.wait(Duration::from_millis(250));
    device.puback();
    let acknowledged = device.client.status();
    assert_eq!(acknowledged.counters.acknowledged, 1);
    assert_eq!(acknowledged.round_trip, Some(Duration::from_millis(250)));
    assert_eq!(acknowledged.outbox_used, 0);

    let topic = "devices/dev1/messages/devicebound/";
    device.publish(topic, "hello");
    assert_eq!(
        device.client.status().counters.bytes_received - acknowledged.counters.bytes_received,
        (topic.len() + 5) as u32
    );

    device.closed();
    let closed = device.client.status();
    assert_eq!(closed.phase, Phase::Backoff);
    assert!(
        matches!(closed.last_disconnect, Some(Disconnect::Closed(Errno(_)))),
        "{:?}",
        closed.last_disconnect
    );
    assert_eq!(closed.failures.total(), 1);
    assert_eq!(
        closed.round_trip,
        Some(Duration::from_millis(250)),
        "the last one stays"
    );
}

#[test]
fn bytes_of_every_kind_of_message_with_their_topics() {
    let mut device = Device::ready(|_| ());
    let mut sent = device.client.status().counters.bytes_sent;
    let mut count = |device: &mut Device| {
        let written: usize = device
            .take()
            .iter()
            .filter_map(|line| line.strip_prefix("> publish"))
            // Its QoS, its number, the topic, the payload.
            .map(|line| line.splitn(4, ' ').skip(2).map(str::len).sum::<usize>())
            .sum();
        let all = device.client.status().counters.bytes_sent;
        assert_eq!((all - sent) as usize, written);
        sent = all;
        written
    };
    device.act(|client, _| client.report(br#"{"a":1}"#, Some(12)).unwrap());
    assert!(count(&mut device) > 0);
    device.act(|client, _| client.request_twin().unwrap());
    assert!(count(&mut device) > 0);
    device.publish("$iothub/methods/POST/led/?$rid=1f", "1");
    device.take();
    device.act(|client, _| {
        let request = client.find_method(b"1f").unwrap();
        let answer = MethodResponse {
            request,
            status: -1,
            payload: b"{}",
        };
        client.respond(&answer).unwrap();
    });
    assert!(count(&mut device) > 0);
}

/// Whoever does not drain is told so by a count: eight events wait at the most.
#[test]
fn events_that_nobody_has_taken_are_counted() {
    let mut device = Device::ready(|_| ());
    device.skip();
    for _ in 0..10 {
        device.client.handle_oversize(device.now);
    }
    // Ten, and the end of the connection.
    assert_eq!(device.client.status().counters.events_lost, 3);
    device.act(|_, _| ());
    let lines = device.take();
    let events = lines.iter().filter(|line| line.starts_with("* "));
    assert_eq!(events.count(), 8, "{lines:?}");
    assert_eq!(device.client.status().counters.events_lost, 3);
}
