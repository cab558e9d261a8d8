//! A link is alive while something is received. What is written proves nothing: where nothing
//! written asks for an answer and the platform has no reason to ping, SUBSCRIBE is repeated.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::time::Duration;

use crate::support::Device;
use iothub_proto::{Qos, Telemetry};

const SECOND: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(240);
const PROBE: &str = "twin/res/# 0";

fn ready() -> Device {
    let mut device = Device::ready(|config| config.keep_alive = KEEP_ALIVE);
    // The connection counts as stable.
    device.wait(60 * SECOND);
    device.act(|client, now| client.handle_pingresp(now));
    device
}

fn send(device: &mut Device, qos: Qos) {
    let mut message = Telemetry::new(b"a");
    message.qos = qos;
    device.act(|client, _| client.send(&message).unwrap());
}

/// Writes QoS 0 each minute until a line has this in it, and returns how long that took.
fn write_until(device: &mut Device, text: &str) -> Duration {
    let start = device.now;
    loop {
        send(device, Qos::AtMostOnce);
        for _ in 0..60 {
            device.wait(SECOND);
            if device.take().iter().any(|line| line.contains(text)) {
                return device.now.saturating_duration_since(start);
            }
        }
        assert!(
            device.now.saturating_duration_since(start) < 24 * 3600 * SECOND,
            "never {text}"
        );
    }
}

#[test]
fn where_only_qos_0_is_written() {
    let mut device = ready();
    let noticed = write_until(&mut device, "LinkSilent");
    assert_eq!(noticed, KEEP_ALIVE + 30 * SECOND);
}

#[test]
fn an_answer_to_the_probe_proves_the_link_until_the_next() {
    let mut device = ready();
    for _ in 0..10 {
        assert_eq!(write_until(&mut device, PROBE), KEEP_ALIVE);
        device.wait(2 * SECOND);
        let lines = device.take();
        assert!(lines.is_empty(), "one probe: {lines:?}");
        let probe = device.last_packet();
        device.act(|client, now| client.handle_suback(now, probe, true));
        // No second `Ready`, and nothing else.
        device.silent();
    }
    assert_eq!(device.client.status().phase, iothub_proto::Phase::Ready);
    assert_eq!(
        write_until(&mut device, "LinkSilent"),
        KEEP_ALIVE + 30 * SECOND
    );
}

#[test]
fn a_probe_that_is_refused_ends_the_connection() {
    let mut device = ready();
    write_until(&mut device, PROBE);
    let probe = device.last_packet();
    device.act(|client, now| client.handle_suback(now, probe.wrapping_add(1), false));
    device.silent();
    device.act(|client, now| client.handle_suback(now, probe, true));
    write_until(&mut device, PROBE);
    let probe = device.last_packet();
    device.act(|client, now| client.handle_suback(now, probe, false));
    device.expect("* Disconnected SubscribeRefused, again\n> abort");
}

/// As a SUBACK may overtake the completion of its command.
#[test]
fn the_answer_may_overtake_its_probe() {
    let mut device = ready();
    device
        .client
        .send(&{
            let mut message = Telemetry::new(b"a");
            message.qos = Qos::AtMostOnce;
            message
        })
        .unwrap();
    device.drain();
    device.skip();
    device.now = device.now + KEEP_ALIVE;
    device.client.handle_timeout(device.now);
    let mut buffer = [0; 4096];
    let (id, command) = device.client.poll_command(device.now, &mut buffer).unwrap();
    let iothub_proto::Command::Subscribe { message_id, .. } = command else {
        panic!("{command:?}")
    };
    device.client.handle_suback(device.now, message_id, true);
    device.client.complete(device.now, id, Ok(()));
    device.drain();
    device.silent();
    device.wait(KEEP_ALIVE + 29 * SECOND);
    device.silent();
    device.wait(SECOND);
    device.expect("* Disconnected LinkSilent, again\n> abort");
}

#[test]
fn what_is_answered_and_an_idle_link_are_not_probed() {
    let mut device = ready();
    for _ in 0..100 {
        send(&mut device, Qos::AtLeastOnce);
        device.puback();
        device.wait(200 * SECOND);
    }
    assert!(!device.take().iter().any(|line| line.contains("subscribe")));
    // The platform pings by itself: nothing was written since the last answer.
    for _ in 0..10 {
        device.act(|client, now| client.handle_pingresp(now));
        device.wait(KEEP_ALIVE + 29 * SECOND);
    }
    device.silent();
    device.wait(SECOND);
    device.expect("* Disconnected LinkSilent, again\n> abort");
}

#[test]
fn without_a_keep_alive_nothing_is_probed() {
    let mut device = Device::ready(|config| config.keep_alive = Duration::ZERO);
    for _ in 0..1000 {
        send(&mut device, Qos::AtMostOnce);
        device.wait(60 * SECOND);
    }
    assert!(!device.take().iter().any(|line| line.contains("subscribe")));
}
