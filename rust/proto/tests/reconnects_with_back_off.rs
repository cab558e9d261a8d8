//! Each end of a connection has its own cause, is followed by an abort, and by a wait before the next connect.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::time::Duration;

use iothub_proto::{Disconnect, Error, Event, InvalidRequest, Telemetry};
use support::{Device, SUBSCRIBE, USER};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn messages_are_sent_again_in_order_with_dup() {
    let mut device = Device::ready(|_| ());
    device.act(|client, now| {
        for payload in [b"1", b"2", b"3", b"4", b"5", b"6"] {
            client.send(now, &Telemetry::new(payload)).unwrap();
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
    device.act(|client, now| client.send(now, &Telemetry::new(b"a")).unwrap());
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
    assert_eq!(device.wait_for_timer(), 130 * SECOND);
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
    device
        .client
        .send(device.now, &Telemetry::new(b"a"))
        .unwrap();
    let (id, _) = device.client.poll_command(device.now, &mut buffer).unwrap();
    device
        .client
        .handle_disconnect(device.now, iothub_proto::Errno(-32));
    device.client.complete(device.now, id, Ok(()));
    device.drain();
    device.expect("* Disconnected Closed(Errno(-32)), again\n> abort");
    // Late facts of the old connection change nothing.
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
    assert_eq!(device.client.status().attempts, 3);
    device.wait(60 * SECOND);
    assert_eq!(device.client.status().attempts, 0);
    assert_eq!(
        device.client.status().last_disconnect,
        Some(Disconnect::Closed(iothub_proto::Errno(-104)))
    );
    assert_eq!(device.client.poll_event(), None::<Event<'_>>);
}

/// With `reconnect` off as well: the end of the old connection is not that of the wish for the next.
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
