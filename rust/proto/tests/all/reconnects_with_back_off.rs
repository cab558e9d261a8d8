//! Each end of a connection has its own cause, is followed by an abort, and by a wait before the
//! next connect.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::time::Duration;

use crate::support::{Device, SUBSCRIBE, USER};
use iothub_proto::{Disconnect, Error, Event, InvalidRequest, Telemetry};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn messages_are_sent_again_in_order_with_dup() {
    let mut device = Device::ready(|_| ());
    device.act(|client, _| {
        for payload in [b"1", b"2", b"3", b"4", b"5", b"6"] {
            client.send(&Telemetry::new(payload)).unwrap();
        }
    });
    device.expect(
        "> publish1 2 devices/dev1/messages/events/ 1
         > publish1 3 devices/dev1/messages/events/ 2
         > publish1 4 devices/dev1/messages/events/ 3
         > publish1 5 devices/dev1/messages/events/ 4",
    );
    device.act(|client, now| client.handle_puback(now, 3));
    device.expect(
        "* Sent 2
         > publish1 6 devices/dev1/messages/events/ 5",
    );
    device.closed();
    device.expect(
        "* Disconnected Closed(Errno(-104)), again
         > abort",
    );
    device.wait(5 * SECOND);
    device.connack(0);
    device.expect(&format!(
        "* Connecting {{ attempt: 2 }}
         > connect hub.example dev1 {USER}
         * Connected {{ session_present: false }}
         > subscribe 7 {SUBSCRIBE}
         > publish1 2 dup devices/dev1/messages/events/ 1
         > publish1 4 dup devices/dev1/messages/events/ 3
         > publish1 5 dup devices/dev1/messages/events/ 4
         > publish1 6 dup devices/dev1/messages/events/ 5"
    ));
    let counters = device.client.status().counters;
    assert_eq!(
        (counters.connects, counters.resent, counters.acknowledged),
        (2, 4, 1)
    );
}

#[test]
fn silence_at_any_step_ends_in_a_cause_of_its_own() {
    let mut device = Device::new(|config| config.keep_alive = 100 * SECOND);
    device.act(|client, now| client.connect(now).unwrap());
    device.skip();
    assert_eq!(device.wait_for_timer(), 30 * SECOND);
    device.expect("* Disconnected ConnackTimeout, again\n> abort");

    device.wait_for_timer();
    device.connack(0);
    device.skip();
    assert_eq!(device.wait_for_timer(), 30 * SECOND);
    device.expect("* Disconnected SubackTimeout, again\n> abort");

    device.wait_for_timer();
    device.connack(0);
    device.act(|client, _| client.send(&Telemetry::new(b"a")).unwrap());
    device.suback(true);
    device.skip();
    assert_eq!(device.wait_for_timer(), 60 * SECOND);
    device.skip(); // the connection counts as stable; PUBACK is due at the same moment
    device.wait_for_timer();
    device.connack(0);
    device.suback(true);
    device.puback();
    device.wait(99 * SECOND);
    device.act(|client, now| client.handle_pingresp(now));
    device.skip();
    assert_eq!(device.wait_for_timer(), 100 * SECOND);
    device.silent(); // the platform has pinged
    assert_eq!(device.wait_for_timer(), 30 * SECOND);
    device.expect("* Disconnected LinkSilent, again\n> abort");
}

#[test]
fn refusals_are_told_once_and_waited_out_longer() {
    let mut device = Device::new(|_| ());
    device.act(|client, now| client.connect(now).unwrap());
    device.skip();
    for code in 1..=6 {
        device.connack(code);
        device.closed(); // mqtt_helper reports the end as well
        let lines = device.take();
        assert_eq!(lines.len(), 2, "{lines:?}");
        let wait = device.wait_for_timer();
        let authorisation = matches!(code, 2 | 4 | 5);
        assert!(
            wait >= if authorisation { 30 * SECOND } else { SECOND },
            "{code} {wait:?}"
        );
        device.skip();
    }
    device.connack(0);
    device.suback(false);
    let lines = device.take();
    assert_eq!(
        lines[2..],
        ["* Disconnected SubscribeRefused, again", "> abort"]
    );
}

#[test]
fn a_failed_command_ends_the_connection_once() {
    let mut device = Device::new(|_| ());
    device.fail("> connect", -113);
    device.act(|client, now| client.connect(now).unwrap());
    device.expect(&format!(
        "* Connecting {{ attempt: 1 }}
         > connect hub.example dev1 {USER}
         * Disconnected ConnectFailed(Errno(-113)), again
         > abort"
    ));
    device.wait_for_timer();
    device.fail("> subscribe", -104);
    device.connack(0);
    device.closed();
    device.skip();

    // An abort that fails is tried again, and there is no connect before it has succeeded.
    device.wait_for_timer();
    device.connack(0);
    device.suback(true);
    device.skip();
    device.fail("> abort", -116);
    device.closed();
    device.expect("* Disconnected Closed(Errno(-104)), again\n> abort");
    while !device.take().iter().any(|line| line == "> abort") {
        device.wait_for_timer();
    }
    device.wait_until("> connect");
}

#[test]
fn a_disconnect_in_the_middle_of_a_command_voids_its_completion() {
    let mut device = Device::ready(|_| ());
    let mut buffer = [0; 4096];
    device.client.send(&Telemetry::new(b"a")).unwrap();
    let (id, _) = device.client.poll_command(device.now, &mut buffer).unwrap();
    device
        .client
        .handle_disconnect(device.now, iothub_proto::Errno(-32));
    device.client.complete(device.now, id, Ok(()));
    device.drain();
    device.expect("* Disconnected Closed(Errno(-32)), again\n> abort");
    // Late inputs of the old connection change nothing.
    device.closed();
    device.connack(0);
    device.act(|client, now| client.handle_suback(now, 1, true));
    device.act(|client, now| client.handle_puback(now, 2));
    device.silent();
    assert_ne!(device.client.status().outbox_used, 0);
}

#[test]
fn disconnecting_and_connecting_again() {
    let mut device = Device::ready(|_| ());
    let again = device.act(|client, now| client.connect(now));
    assert_eq!(
        again,
        Err(Error::InvalidRequest(InvalidRequest::AlreadyStarted))
    );
    device.act(|client, now| client.disconnect(now).unwrap());
    device.expect(
        "> disconnect
         * Disconnected Requested
         > abort",
    );
    device.wait(3600 * SECOND);
    device.silent();
    let idle = device.act(|client, now| client.disconnect(now));
    assert_eq!(idle, Err(Error::Disconnected));

    device.act(|client, now| client.connect(now).unwrap());
    device.connack(0);
    device.suback(true);
    device.skip();
    device.act(|client, now| client.disconnect(now).unwrap());
    device.act(|client, now| client.connect(now).unwrap());
    device.expect(
        "> disconnect
         * Disconnected Requested
         > abort",
    );
    assert_eq!(device.wait_for_timer(), SECOND);
    device.expect(&format!(
        "* Connecting {{ attempt: 1 }}
         > connect hub.example dev1 {USER}"
    ));
    // There is no way out of CONNECTING but an abort.
    device.act(|client, now| client.disconnect(now).unwrap());
    device.expect("* Disconnected Requested\n> abort");
}

#[test]
fn without_reconnect_the_end_is_the_end() {
    let mut device = Device::ready(|config| config.reconnect = false);
    device.closed();
    device.expect("* Disconnected Closed(Errno(-104))\n> abort");
    device.wait(3600 * SECOND);
    device.silent();
    device.act(|client, now| client.connect(now).unwrap());
    assert!(device.take()[1].starts_with("> connect"));
}

#[test]
fn a_connection_that_lasted_starts_the_count_anew() {
    let mut device = Device::ready(|_| ());
    for _ in 0..3 {
        device.closed();
        device.wait_for_timer();
        device.connack(0);
        device.suback(true);
    }
    assert_eq!(device.client.status().failures.total(), 3);
    device.wait(60 * SECOND);
    assert_eq!(device.client.status().failures.total(), 0);
    assert_eq!(
        device.client.status().last_disconnect,
        Some(Disconnect::Closed(iothub_proto::Errno(-104)))
    );
    assert_eq!(device.client.poll_event(), None::<Event<'_>>);
}

/// With `reconnect` off as well: the end of the old connection does not cancel the request for the
/// next.
#[test]
fn a_connect_right_after_a_disconnect_is_not_lost() {
    let mut device = Device::ready(|config| config.reconnect = false);
    device.act(|client, now| {
        client.disconnect(now).unwrap();
        client.connect(now).unwrap();
    });
    device.expect(
        "> disconnect
         * Disconnected Requested, again
         > abort",
    );
    device.wait(SECOND);
    device.expect(&format!(
        "* Connecting {{ attempt: 1 }}
         > connect hub.example dev1 {USER}"
    ));
}

/// The wait after the next failure, in whole seconds.
fn wait_after(device: &mut Device, fail: impl FnOnce(&mut Device)) -> u64 {
    fail(device);
    let start = device.now;
    device.wait_until("> connect");
    device.now.saturating_duration_since(start).as_secs()
}

#[test]
fn each_class_of_failure_is_counted_on_its_own() {
    for seed in 0..20 {
        let mut device = Device::new(|config| config.seed = seed);
        device.act(|client, now| client.connect(now).unwrap());
        for minimum in [1, 3, 9, 27] {
            let wait = wait_after(&mut device, |device| device.connack(3));
            assert!((minimum..=3 * minimum).contains(&wait), "{wait}");
        }
        let refused = wait_after(&mut device, |device| device.connack(5));
        assert!((30..=90).contains(&refused), "{refused}");
        let transient = wait_after(&mut device, Device::closed);
        assert!((81..=243).contains(&transient), "{transient}");
        let refused = wait_after(&mut device, |device| device.connack(4));
        assert!((90..=270).contains(&refused), "{refused}");
        let failures = device.client.status().failures;
        assert_eq!(
            (
                failures.transient,
                failures.refused_by_hub,
                failures.total()
            ),
            (5, 2, 7)
        );
        // A hub that accepts the device ends the refusals, and not yet the rest.
        device.connack(0);
        device.suback(true);
        let failures = device.client.status().failures;
        assert_eq!((failures.transient, failures.refused_by_hub), (5, 0));
    }
}

#[test]
fn the_counts_of_an_earlier_boot_are_those_of_their_class() {
    let mut device = Device::new(|config| {
        config.failures.transient = 4;
        config.failures.refused_by_hub = 1;
    });
    device.act(|client, now| client.connect(now).unwrap());
    assert!(device.take()[0].contains("attempt: 6"));
    let refused = wait_after(&mut device, |device| device.connack(5));
    assert!((90..=270).contains(&refused), "{refused}");
    let transient = wait_after(&mut device, |device| device.connack(3));
    assert!((81..=243).contains(&transient), "{transient}");
}

#[test]
fn a_connection_with_an_acknowledged_message_counts_as_good() {
    type Deliver = fn(&mut Device);
    let deliveries: [(Deliver, bool); 5] = [
        (
            |device| {
                device.act(|client, _| client.send(&Telemetry::new(b"a")).unwrap());
                device.puback();
            },
            true,
        ),
        (
            |device| {
                let id = device.act(|client, _| client.report(b"{}", None).unwrap());
                device.publish(&format!("$iothub/twin/res/204/?$rid={}", id.as_u32()), "");
            },
            true,
        ),
        (
            |device| {
                let id = device.act(|client, _| client.report(b"{}", None).unwrap());
                device.publish(&format!("$iothub/twin/res/429/?$rid={}", id.as_u32()), "");
            },
            false,
        ),
        (
            |device| {
                let id = device.act(|client, _| client.request_twin().unwrap());
                device.publish(
                    &format!("$iothub/twin/res/200/?$rid={}", id.as_u32()),
                    r#"{"desired":{"$version":1},"reported":{}}"#,
                );
            },
            true,
        ),
        // Nothing of the device's was acknowledged.
        (
            |device| {
                device.act(|client, now| client.handle_puback(now, 77));
                device.publish("devices/dev1/messages/devicebound/", "c2d");
            },
            false,
        ),
    ];
    for (at, (deliver, is_good)) in deliveries.into_iter().enumerate() {
        let mut device = Device::ready(|_| ());
        for _ in 0..5 {
            device.closed();
            device.wait_until("> connect");
            device.connack(0);
            device.suback(true);
            deliver(&mut device);
        }
        let expected = if is_good { 0 } else { 5 };
        assert_eq!(device.client.status().failures.transient, expected, "{at}");
        let wait = wait_after(&mut device, Device::closed);
        let bounds = if is_good { 1..=3 } else { 200..=600 };
        assert!(bounds.contains(&wait), "{at} {wait}");
    }
}

#[test]
fn a_lost_network_is_no_failure() {
    use iothub_proto::network::Input::{Activated, Deactivated, Ipv6Up, Registered};
    let mut device = Device::new(|config| config.network = iothub_proto::network::Config::new());
    device.act(|client, now| client.connect(now).unwrap());
    device.network(Registered { roaming: false });
    for _ in 0..8 {
        device.network(Activated { reason: None });
        device.network(Ipv6Up);
        device.wait(SECOND);
        device.connack(0);
        device.suback(true);
        device.network(Deactivated);
        assert!(device.take().contains(&"* Disconnected NetworkLost".into()));
        assert_eq!(device.client.status().failures.total(), 0);
    }
}

/// Calls of the platform that fail have a count of their own too.
#[test]
fn aborts_that_fail_do_not_lengthen_the_back_off() {
    let mut device = Device::ready(|_| ());
    for _ in 0..6 {
        device.fail("> abort", -116);
    }
    device.closed();
    for minimum in [1, 3, 9, 27, 81, 200] {
        let start = device.now;
        device.wait_until("> abort");
        let wait = device.now.saturating_duration_since(start).as_secs();
        assert!((minimum..=3 * minimum).contains(&wait), "{wait}");
    }
    assert_eq!(device.client.status().failures.total(), 1);
    assert!(device.take().last().unwrap().starts_with("> connect"));
    device.connack(0);
    device.suback(true);
    let wait = wait_after(&mut device, Device::closed);
    assert!((3..=9).contains(&wait), "{wait}");
}
