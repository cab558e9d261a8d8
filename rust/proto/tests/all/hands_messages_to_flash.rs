//! What a store in flash asks of the client: messages that are only in RAM go there, come back from
//! there, and are given up.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use core::time::Duration;

use iothub_proto::{
    Capacity, Delivery, Error, Event, MessageId, Qos, Telemetry,
    outbox::Keep,
    store::{Kind, Message, Priority},
};

use crate::support::{Device, OUTBOX, config};

fn message(payload: &str) -> Telemetry<'_> {
    Telemetry {
        payload: payload.as_bytes(),
        ..Telemetry::default()
    }
}

fn offline() -> Device {
    Device::new(|_| {})
}

fn send(device: &mut Device, payload: &str, delivery: Delivery) -> MessageId {
    let message = Telemetry {
        delivery,
        ..message(payload)
    };
    device.client.send(&message).unwrap()
}

fn spill(device: &mut Device, priority: Priority) -> Option<(u32, Vec<u8>)> {
    let mut content = [0; 256];
    let head = device.client.poll_spill(priority, 0, 0, &mut content)?;
    Some((
        head.id,
        content[head.topic..head.topic + head.payload].to_vec(),
    ))
}

fn stored<'a>(id: u32, payload: &'a str) -> Message<'a> {
    Message {
        kind: Kind::Qos1,
        id,
        time_s: 0,
        ttl_s: 0,
        topic: b"a=b",
        payload: payload.as_bytes(),
    }
}

#[test]
fn messages_are_spilled_oldest_first_each_once_and_by_priority() {
    let mut device = offline();
    let first = send(&mut device, "1", Delivery::default());
    let never = Delivery {
        keep: Some(Keep::Never),
        ..Delivery::default()
    };
    send(&mut device, "2", never);
    let high = Delivery {
        priority: Priority::High,
        ..Delivery::default()
    };
    let alarm = send(&mut device, "3", high);
    let last = send(&mut device, "4", Delivery::default());
    device.client.report(b"{}", None).unwrap();

    assert_eq!(
        spill(&mut device, Priority::High),
        Some((alarm.as_u32(), b"3".to_vec()))
    );
    assert_eq!(
        spill(&mut device, Priority::High),
        Some((alarm.as_u32(), b"3".to_vec())),
        "it was not stored"
    );
    assert!(device.client.spilled(7));
    assert_eq!(spill(&mut device, Priority::High), None);
    // One that was asked for and not stored is asked for again.
    let one = Some((first.as_u32(), b"1".to_vec()));
    assert_eq!(spill(&mut device, Priority::Normal), one);
    assert_eq!(spill(&mut device, Priority::Normal), one);
    assert!(device.client.spilled(8));
    assert!(!device.client.spilled(8), "nothing was copied since");
    assert_eq!(
        spill(&mut device, Priority::Normal),
        Some((last.as_u32(), b"4".to_vec()))
    );
    assert!(device.client.spilled(9));
    // Neither the one that is to stay in RAM, nor a report.
    assert_eq!(spill(&mut device, Priority::Normal), None);
}

#[test]
fn a_spilled_message_has_its_kind_and_what_is_left_of_its_time() {
    let mut device = offline();
    let mut content = [0; 64];
    let once = Telemetry {
        qos: Qos::AtMostOnce,
        ..message("12345")
    };
    device.client.send(&once).unwrap();
    let head = device
        .client
        .poll_spill(Priority::Normal, 10, 99, &mut content)
        .unwrap();
    assert_eq!(
        (head.kind, head.time_s, head.ttl_s, head.topic, head.payload),
        (Kind::Qos0, 99, 0, 0, 5)
    );
    assert!(device.client.spilled(1));
    device.client.send(&message("123")).unwrap();
    device.client.set_deadline(40);
    for (uptime, left) in [(10, 30), (39, 1), (40, 1), (90, 1)] {
        let head = device
            .client
            .poll_spill(Priority::Normal, uptime, 99, &mut content)
            .unwrap();
        assert_eq!((head.kind, head.ttl_s), (Kind::Qos1, left), "{uptime}");
    }
    let none = device
        .client
        .poll_spill(Priority::Normal, 10, 99, &mut [0; 2]);
    assert!(none.is_none(), "no room for it");
}

#[test]
fn a_message_in_flight_stays_until_it_is_acknowledged() {
    let mut device = Device::ready(|_| {});
    let id = device.act(|client, _| client.send(&message("1")).unwrap());
    assert_eq!(
        spill(&mut device, Priority::Normal),
        Some((id.as_u32(), b"1".to_vec()))
    );
    assert!(!device.client.spilled(5), "it is on its way");
    assert!(device.client.holds(Priority::Normal, 5));
    assert!(!device.client.holds(Priority::Normal, 6));
    assert!(!device.client.holds(Priority::High, 5));
    assert_eq!(spill(&mut device, Priority::Normal), None, "it is stored");
    device.puback();
    assert!(!device.client.holds(Priority::Normal, 5));
}

#[test]
fn what_is_loaded_is_sent_and_what_is_given_up_is_not() {
    let mut device = offline();
    let load = |device: &mut Device, sequence, message: &Message<'_>| {
        device.client.load(Priority::Normal, sequence, message)
    };
    load(&mut device, 3, &stored(11, "x")).unwrap();
    load(&mut device, 4, &stored(12, "y")).unwrap();
    let alarm = device.client.load(Priority::High, 3, &stored(13, "z"));
    assert_eq!(alarm, Ok(()));
    assert!(device.client.holds(Priority::Normal, 3) && device.client.holds(Priority::High, 3));
    assert_eq!(
        spill(&mut device, Priority::Normal),
        None,
        "they are stored"
    );
    device.client.give_up(Priority::Normal, 4, 12);
    assert!(!device.client.holds(Priority::Normal, 4));
    assert!(device.client.holds(Priority::Normal, 3) && device.client.holds(Priority::High, 3));
    assert_eq!(device.client.status().counters.dropped, 1);
    assert_eq!(
        device.client.poll_event(),
        Some(Event::Dropped(MessageId::new(12)))
    );
    // One that is in RAM no more is told as well.
    device.client.give_up(Priority::Normal, 99, 77);
    assert_eq!(device.client.status().counters.dropped, 2);
    device.act(|client, now| client.connect(now).unwrap());
    device.connack(0);
    device.suback(true);
    let log = device.take();
    let written: Vec<_> = log
        .iter()
        .filter(|line| line.starts_with("> publish1"))
        .collect();
    assert_eq!(written.len(), 2, "{log:?}");
    assert!(
        written[0].ends_with("devices/dev1/messages/events/a=b z"),
        "{log:?}"
    );
    assert!(
        written[1].ends_with("devices/dev1/messages/events/a=b x"),
        "{log:?}"
    );
    // In flight: given up for the store, and not for the hub.
    device.client.give_up(Priority::Normal, 3, 11);
    assert!(device.client.holds(Priority::Normal, 3));
}

#[test]
fn what_never_fits_and_what_does_not_fit_now_differ() {
    let mut device = Device::new(|config| config.limits.transmit = 300);
    let long = "x".repeat(300);
    let refused = device.client.load(Priority::Normal, 1, &stored(1, &long));
    assert_eq!(refused, Err(Error::Capacity(Capacity::Message)));
    let mut sequence = 0;
    let full = loop {
        sequence += 1;
        if let Err(error) = device
            .client
            .load(Priority::Normal, sequence, &stored(1, "xxxxxxxx"))
        {
            break error;
        }
        assert!(sequence < 1000);
    };
    assert_eq!(full, Error::Capacity(Capacity::Outbox));
}

#[test]
fn half_full_is_more_than_half() {
    let mut device = offline();
    assert!(!device.client.is_half_full());
    let mut used = 0;
    while used <= OUTBOX / 2 {
        assert!(!device.client.is_half_full(), "{used}");
        device.client.send(&message("0123456789")).unwrap();
        used = device.client.status().outbox_used;
    }
    assert!(device.client.is_half_full());
}

#[test]
fn a_message_past_its_deadline_is_given_up_unless_it_is_in_flight() {
    let mut device = offline();
    for (payload, deadline) in [("1", 10), ("2", 0), ("3", 20)] {
        device.client.send(&message(payload)).unwrap();
        device.client.set_deadline(deadline);
    }
    assert_eq!(device.client.expire(9), 0);
    assert_eq!(device.client.expire(10), 1);
    assert_eq!(device.client.expire(1000), 1);
    assert_eq!(device.client.status().counters.dropped, 2);
    let mut device = Device::ready(|_| {});
    device.act(|client, _| {
        client.send(&message("1")).unwrap();
        client.set_deadline(10);
    });
    assert_eq!(device.client.expire(1000), 0);
}

#[test]
fn a_prepared_message_is_whole_and_counted_once_it_is_stored() {
    let mut device = offline();
    let mut content = [0; 64];
    let telemetry = Telemetry {
        delivery: Delivery {
            ttl_s: 33,
            ..Delivery::default()
        },
        ..message("body")
    };
    let head = device
        .client
        .prepare(None, &telemetry, 5, &mut content)
        .unwrap();
    assert_eq!(
        (head.kind, head.time_s, head.ttl_s, head.topic, head.payload),
        (Kind::Qos1, 5, 33, 0, 4)
    );
    assert_eq!(&content[..4], b"body");
    assert_eq!(device.client.status().counters.accepted, 0);
    device.client.accepted();
    assert_eq!(device.client.status().counters.accepted, 1);
    assert_eq!(device.client.status().outbox_used, 0);
    let own = device
        .client
        .prepare(Some(MessageId::new(99)), &telemetry, 5, &mut content)
        .unwrap();
    assert_eq!(own.id, 99);
    let none = device.client.prepare(None, &telemetry, 5, &mut [0; 3]);
    assert_eq!(none, Err(Error::Capacity(Capacity::Message)));
    // Numbers go on where an earlier boot has ended.
    device.client.continue_after(500);
    let next = device
        .client
        .prepare(None, &telemetry, 5, &mut content)
        .unwrap();
    assert_eq!(next.id, 501);
}

#[test]
fn the_latest_report_takes_the_place_of_one_that_was_not_written() {
    let mut device = offline();
    device.client.report_latest(1, br#"{"a":1}"#).unwrap();
    device.client.report_latest(2, br#"{"b":1}"#).unwrap();
    device.client.report_latest(1, br#"{"a":2}"#).unwrap();
    let connect = |device: &mut Device| {
        device.act(|client, now| client.connect(now).unwrap());
        device.connack(0);
        device.suback(true);
        device.take()
    };
    let reports = |log: Vec<String>| -> Vec<String> {
        let lines = log.into_iter().filter(|line| line.contains("/reported/"));
        lines
            .filter_map(|line| Some(line.rsplit_once(' ')?.1.into()))
            .collect()
    };
    assert_eq!(reports(connect(&mut device)), [r#"{"b":1}"#, r#"{"a":2}"#]);
    // Those that are written stay.
    device.act(|client, _| client.report_latest(1, br#"{"a":3}"#).unwrap());
    assert_eq!(reports(device.take()), [r#"{"a":3}"#]);
    assert!(device.client.report_latest(1, b"no object").is_err());
    assert!(device.client.check_report(b"{}").is_ok());
    let mut config = config();
    config.limits.transmit = 300;
    let small = iothub_proto::Client::<OUTBOX>::new(&config).unwrap();
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(300));
    assert_eq!(
        small.check_report(long.as_bytes()),
        Err(Error::Capacity(Capacity::Message))
    );
}

#[test]
fn the_time_for_an_acknowledgement_begins_anew_with_each() {
    let mut device = Device::ready(|config| {
        config.timeouts.puback = Duration::from_secs(10);
        config.timeouts.response = Duration::from_secs(1000);
    });
    device.act(|client, _| client.send(&message("1")).unwrap());
    let first = device.last_packet();
    device.act(|client, _| client.send(&message("2")).unwrap());
    device.wait(Duration::from_secs(8));
    device.act(|client, now| client.handle_puback(now, first));
    device.wait(Duration::from_secs(8));
    device.skip();
    device.wait_until("PubackTimeout");
    let elapsed = device.now.as_millis() - 1000;
    assert_eq!(elapsed, 18_000, "10 s after the acknowledgement");
}
