//! The driver on a platform without process, threads or C: what it does stands in a transcript,
//! `> …` for a call of C and `* …` for what the application's handler was told. The lock is a
//! `RefCell`: a call of C or of the handler with the lock held panics.
#![allow(clippy::unwrap_used, reason = "tests")]

extern crate std;

mod backlogs;
mod lte;
mod outbox_in_flash;
mod updates;
mod values_in_flash;
mod world;

use core::time::Duration;
use std::{collections::VecDeque, format, string::String, vec::Vec};

use iothub_proto::{Capacity, Disconnect, Error, Telemetry, fota::Policy, network, outbox};

use self::world::{ACTIVATED, CONNACK, Memory, REGISTERED, World, is, ready, run, subscribe_id};
use super::*;
use crate::state::State;

#[test]
fn events_are_told_before_the_next_command() {
    let world = World::new(false, |_| {});
    let mut driver = Driver::new(&world, Attempts::default());
    world.client(|client, now| client.connect(now)).unwrap();
    assert_ne!(run(&mut driver), None, "CONNACK is waited for");
    is(
        &world.transcript(),
        &["* Connecting { attempt: 1 }", "> connect", "* Peer(V4("],
    );
    // CONNACK while the message is written: it is told before the subscription goes out.
    world.push(CONNACK);
    let message = Telemetry::json(b"1");
    world.client(|client, _| client.send(&message)).unwrap();
    run(&mut driver);
    is(
        &world.transcript(),
        &["* Connected", "> subscribe", "> publish 2 1"],
    );
}

#[test]
fn what_came_before_a_message_is_told_before_it() {
    let world = World::new(false, |_| {});
    let mut driver = ready(&world);
    let message = Telemetry::json(b"1");
    world.client(|client, _| client.send(&message)).unwrap();
    run(&mut driver);
    is(&world.transcript(), &["> publish 2 1"]);
    world.push(Input::Puback { message_id: 2 });
    world.push(Input::Pingresp);
    handle_publish(
        &world,
        b"devices/device/messages/devicebound/",
        Some(b"from the cloud"),
    );
    is(
        &world.transcript(),
        &["* Sent(", "* Pingresp", "* C2d 14 bytes"],
    );
    // A message alone does not make the driver's thread run; there is nothing left for it.
    run(&mut driver);
    is(&world.transcript(), &[]);
}

#[test]
fn the_modem_is_told_once_that_nothing_is_on_its_way() {
    let world = World::new(false, |_| {});
    let mut driver = ready(&world);
    run(&mut driver);
    let before = world.releases.get();
    run(&mut driver);
    assert_eq!(world.releases.get(), before, "nothing was on its way");

    let message = Telemetry::json(b"1");
    world.client(|client, _| client.send(&message)).unwrap();
    run(&mut driver);
    assert_eq!(world.releases.get(), before, "the PUBACK is to come");
    world.push(Input::Puback { message_id: 2 });
    run(&mut driver);
    assert_eq!(world.releases.get(), before + 1);
    run(&mut driver);
    assert_eq!(world.releases.get(), before + 1);

    world.client(|client, _| client.request_twin()).unwrap();
    run(&mut driver);
    assert_eq!(world.releases.get(), before + 1, "the twin is to come");
    let rid = world.rids.borrow().last().cloned().unwrap();
    let topic = format!("$iothub/twin/res/200/?$rid={rid}");
    handle_publish(
        &world,
        topic.as_bytes(),
        Some(br#"{"desired":{"$version":1},"reported":{"$version":1}}"#),
    );
    run(&mut driver);
    assert_eq!(world.releases.get(), before + 2);

    world.push(Input::Disconnected { result: -104 });
    run(&mut driver);
    assert_eq!(
        world.releases.get(),
        before + 2,
        "there is no connection to let go of"
    );
}

#[test]
fn a_message_before_the_start_is_nobodys() {
    let world = World::new(false, |_| {});
    world.state.replace(State::new());
    handle_publish(
        &world,
        b"devices/device/messages/devicebound/",
        Some(b"early"),
    );
    is(&world.transcript(), &[]);
}

#[test]
fn the_handler_may_call_the_client() {
    let world = World::new(false, |_| {});
    let mut driver = ready(&world);
    world.handler.replace(Some(|client, _| {
        client
            .send(&Telemetry::json(b"\"from the handler\""))
            .unwrap();
    }));
    world.push(Input::Pingresp);
    run(&mut driver);
    is(
        &world.transcript(),
        &["* Pingresp", "> publish 2 \"from the handler\""],
    );
}

#[test]
fn a_completion_of_a_connection_that_has_ended_does_nothing() {
    let world = World::new(false, |_| {});
    let mut driver = Driver::new(&world, Attempts::default());
    let message = Telemetry::json(b"1");
    world.client(|client, _| client.send(&message)).unwrap();
    world.client(|client, now| client.connect(now)).unwrap();
    run(&mut driver);
    world.push(CONNACK);
    world.transcript();
    // The connection ends while SUBSCRIBE is written, which succeeds all the same.
    let end = Input::Disconnected { result: -104 };
    world.interruption.replace(Some(("> subscribe", end)));
    let due = run(&mut driver).unwrap();
    is(
        &world.transcript(),
        &[
            "* Connected",
            "> subscribe",
            "* Disconnected",
            "> abort",
            "> store 1",
        ],
    );
    assert!(due > (&world).now(), "the back-off runs");
    // The next connection begins anew, with everything of its own.
    world.passes(Duration::from_secs(3));
    run(&mut driver);
    is(
        &world.transcript(),
        &["* Connecting { attempt: 2 }", "> connect", "* Peer"],
    );
    world.push(CONNACK);
    run(&mut driver);
    is(
        &world.transcript(),
        &["* Connected", "> subscribe", "> publish"],
    );
}

#[test]
fn a_failed_call_ends_the_connection_and_not_the_driver() {
    let world = World::new(false, |_| {});
    let mut driver = Driver::new(&world, Attempts::default());
    world.failure.replace(Some(("> connect", -113)));
    world.client(|client, now| client.connect(now)).unwrap();
    let due = run(&mut driver).unwrap();
    let transcript = world.transcript();
    is(
        &transcript,
        &[
            "* Connecting",
            "> connect",
            "* Disconnected { cause: ConnectFailed(Errno(-113))",
            "> abort",
            "> store 1",
        ],
    );
    assert!(due > (&world).now() && due <= (&world).now() + Duration::from_secs(3));
}

#[test]
fn failed_connects_are_stored_up_to_nine_and_forgotten_once_one_is_good() {
    let world = World::new(false, |config| config.backoff.max = Duration::from_secs(2));
    let mut driver = Driver::new(&world, Attempts::default());
    world.client(|client, now| client.connect(now)).unwrap();
    let mut stored = Vec::new();
    for _ in 0..11 {
        world.failure.replace(Some(("> connect", -111)));
        run(&mut driver);
        world.passes(Duration::from_secs(5));
        let transcript = world.transcript();
        assert_eq!(
            transcript
                .iter()
                .filter(|line| *line == "> connect")
                .count(),
            1,
            "{transcript:?}"
        );
        stored.extend(
            transcript
                .into_iter()
                .filter(|line| line.starts_with("> store")),
        );
    }
    let expected: Vec<_> = (1..=9).map(|n| format!("> store {n}")).collect();
    assert_eq!(stored, expected);
    assert_eq!(world.failure.take(), None);

    let mut stored = Attempts::default();
    assert!(stored.update(&world.client(|client, _| client.status().failures)));
    let mut driver = Driver::new(&world, stored);
    world.failure.replace(Some(("> connect", -111)));
    run(&mut driver);
    assert!(
        !world
            .transcript()
            .iter()
            .any(|line| line.starts_with("> store"))
    );
}

#[test]
fn a_full_outbox_is_the_senders_to_know() {
    let world = World::new(false, |config| config.outbox = outbox::Policy::Reject);
    let refused = loop {
        let message = Telemetry::json(&[b'1'; 200]);
        if let Err(error) = world.client(|client, _| client.send(&message)) {
            break error;
        }
    };
    assert_eq!(refused, Error::Capacity(Capacity::Outbox));
    run(&mut Driver::new(&world, Attempts::default()));
    is(&world.transcript(), &[]);
}
