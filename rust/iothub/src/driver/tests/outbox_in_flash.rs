//! What goes to flash, and in which order it comes back. A power cut is the end of a world; the
//! next one has its flash.

use iothub_proto::{Delivery, outbox::Keep, store::Priority};

use super::*;
use crate::outbox::Losses;

const KEEP_ALIVE: Duration = Duration::from_secs(30);

pub(super) fn world(flash: &Memory) -> World {
    let world = World::new(false, |config| {
        // A minute without a connection is what is asked here, not how the client connects again.
        config.keep_alive = KEEP_ALIVE;
        config.backoff.min = Duration::from_millis(1);
        config.backoff.max = Duration::from_millis(1);
    });
    world.outbox.replace(FlashOutbox::new(flash.clone()));
    (&world).with_outbox(|outbox| outbox.mount(&world, 1));
    world
}

pub(super) fn send(world: &World, number: usize, delivery: Delivery) -> Result<MessageId, Error> {
    let payload = payload(number);
    let mut message = Telemetry::new(payload.as_bytes());
    message.delivery = delivery;
    super::super::send(world, None, &message)
}

/// 100 bytes that begin with the number.
fn payload(number: usize) -> String {
    format!("{number:<100}")
}

pub(super) const SPILL: Delivery = Delivery {
    priority: Priority::Normal,
    keep: Some(Keep::Spill),
    ttl_s: 0,
};
pub(super) const ALWAYS: Delivery = Delivery {
    keep: Some(Keep::Always),
    ..SPILL
};
pub(super) const NEVER: Delivery = Delivery {
    keep: Some(Keep::Never),
    ..SPILL
};
pub(super) const ALARM: Delivery = Delivery {
    priority: Priority::High,
    ..ALWAYS
};

/// Passes until there is nothing to do at once.
pub(super) fn run_until_idle(world: &World, driver: &mut Driver<&World>) {
    for _ in 0..200 {
        if run(driver) != Some(world.now()) {
            return;
        }
    }
    panic!("the driver does not come to rest");
}

/// The numbers of the messages in the transcript, with their packet ids.
pub(super) fn published(world: &World) -> Vec<(usize, u16)> {
    let transcript = world.transcript();
    let publishes = transcript.iter().filter_map(|line| {
        let mut words = line.strip_prefix("> publish ")?.split_whitespace();
        let packet = words.next()?.parse().unwrap();
        Some((words.next()?.parse().unwrap(), packet))
    });
    publishes.collect()
}

pub(super) fn connect(world: &World) -> Driver<&World> {
    let mut driver = Driver::new(world, Attempts::default());
    world.client(|client, now| client.connect(now)).unwrap();
    run_until_idle(world, &mut driver);
    world.push(CONNACK);
    run_until_idle(world, &mut driver);
    let message_id = subscribe_id(world);
    world.push(Input::Suback {
        message_id,
        granted: true,
    });
    run_until_idle(world, &mut driver);
    driver
}

/// Acknowledges what is written, until nothing more comes; the numbers in the order of the wire.
pub(super) fn drain(world: &World, driver: &mut Driver<&World>) -> Vec<usize> {
    let mut numbers = Vec::new();
    loop {
        let written = published(world);
        if written.is_empty() {
            return numbers;
        }
        // 4, and an alarm does not wait for room among them.
        assert!(written.len() <= 5, "{written:?} are in flight");
        for (number, packet) in written {
            numbers.push(number);
            world.push(Input::Puback { message_id: packet });
        }
        run_until_idle(world, driver);
    }
}

pub(super) fn depth(world: &World) -> u32 {
    world.with_outbox(|outbox| outbox.status(world)).store.depth
}

pub(super) fn losses(world: &World) -> Losses {
    world.with_outbox(|outbox| outbox.status(world)).losses
}

#[test]
fn what_this_build_cannot_send_is_given_up_and_told() {
    let flash = Memory::default();
    let first = world(&flash);
    let large = format!("{:<400}", 0);
    let mut message = Telemetry::new(large.as_bytes());
    message.delivery = ALWAYS;
    super::super::send(&first, None, &message).unwrap();
    send(&first, 1, ALWAYS).unwrap();

    let second = World::new(false, |config| config.limits.transmit = 300);
    second.outbox.replace(FlashOutbox::new(flash.clone()));
    (&second).with_outbox(|outbox| outbox.mount(&second, 1));
    let mut driver = connect(&second);
    assert_eq!(drain(&second, &mut driver), [1]);
    assert_eq!(losses(&second).too_large, 1);
    assert_eq!(depth(&second), 0);
}

#[test]
fn a_day_without_a_connection_is_kept_in_order() {
    let flash = Memory::default();
    let first = world(&flash);
    let mut driver = Driver::new(&first, Attempts::default());
    first.client(|client, now| client.connect(now)).unwrap();
    for number in 0..50 {
        send(&first, number, SPILL).unwrap();
        first.passes(Duration::from_secs(10));
        run_until_idle(&first, &mut driver);
    }
    assert_eq!(depth(&first), 50);

    let second = world(&flash);
    let mut driver = connect(&second);
    send(&second, 50, SPILL).unwrap();
    assert_eq!(drain(&second, &mut driver), Vec::from_iter(0..51));
    assert_eq!(depth(&second), 0);
    assert_eq!(depth(&world(&flash)), 0);
}

#[test]
fn while_the_connection_is_good_nothing_is_written_to_flash() {
    let flash = Memory::default();
    let world = world(&flash);
    let mut driver = connect(&world);
    let before = flash.bytes.borrow().clone();
    for number in 0..20 {
        send(&world, number, SPILL).unwrap();
        run_until_idle(&world, &mut driver);
        assert_eq!(drain(&world, &mut driver), [number]);
    }
    assert_eq!(*flash.bytes.borrow(), before);
}

#[test]
fn a_power_cut_costs_only_what_was_in_ram_and_younger_than_the_spill_age() {
    let flash = Memory::default();
    let first = world(&flash);
    let mut driver = Driver::new(&first, Attempts::default());
    first.client(|client, now| client.connect(now)).unwrap();
    send(&first, 0, SPILL).unwrap();
    send(&first, 1, NEVER).unwrap();
    send(&first, 2, ALWAYS).unwrap();
    run_until_idle(&first, &mut driver);
    assert_eq!(depth(&first), 2, "what is before it goes with it");
    send(&first, 3, SPILL).unwrap();
    first.passes(Duration::from_secs(59));
    run_until_idle(&first, &mut driver);
    first.passes(Duration::from_secs(1));
    run_until_idle(&first, &mut driver);
    assert_eq!(depth(&first), 3);

    let second = world(&flash);
    let mut driver = connect(&second);
    assert_eq!(drain(&second, &mut driver), [0, 2, 3]);
}

#[test]
fn what_is_in_flight_is_stored_and_not_sent_twice() {
    let flash = Memory::default();
    let first = world(&flash);
    let mut driver = connect(&first);
    for number in 0..6 {
        send(&first, number, SPILL).unwrap();
    }
    run_until_idle(&first, &mut driver);
    let written = published(&first);
    assert_eq!(written.len(), 4);
    super::super::flush(&first);
    assert_eq!(depth(&first), 6);
    let (_, packet) = written[0];
    first.push(Input::Puback { message_id: packet });
    run_until_idle(&first, &mut driver);
    let next: Vec<_> = published(&first)
        .iter()
        .map(|(number, _)| *number)
        .collect();
    assert_eq!(next, [4], "the window goes on");

    // At least once: where nothing was released yet, all of it.
    let second = world(&flash);
    let mut driver = connect(&second);
    assert_eq!(drain(&second, &mut driver), Vec::from_iter(0..6));
}

#[test]
fn an_alarm_overtakes_a_backlog() {
    let flash = Memory::default();
    let first = world(&flash);
    for number in 0..60 {
        send(&first, number, ALWAYS).unwrap();
    }
    let second = world(&flash);
    let mut driver = connect(&second);
    send(&second, 1000, ALARM).unwrap();
    send(&second, 1001, ALARM).unwrap();
    run_until_idle(&second, &mut driver);
    let numbers = drain(&second, &mut driver);
    let alarms = |number: &usize| *number >= 1000;
    let place = numbers.iter().position(alarms).unwrap();
    assert!(place <= 8, "{numbers:?}");
    let telemetry: Vec<_> = numbers
        .iter()
        .filter(|number| !alarms(number))
        .copied()
        .collect();
    assert_eq!(telemetry, Vec::from_iter(0..60));
    let alarms: Vec<_> = numbers.iter().filter(|number| alarms(number)).collect();
    assert_eq!(alarms, [&1000, &1001]);
}

#[test]
fn a_full_store_refuses_telemetry_and_takes_alarms() {
    let world = world(&Memory::default());
    let mut accepted = 0;
    let refused = loop {
        match send(&world, accepted, SPILL) {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, Error::Capacity(Capacity::Outbox));
    assert!(accepted > 80, "{accepted}");
    assert_eq!(losses(&world).refused, 1);
    send(&world, 1000, ALARM).unwrap();
    let mut driver = connect(&world);
    let mut numbers = drain(&world, &mut driver);
    numbers.retain(|number| *number < 1000);
    assert_eq!(numbers, Vec::from_iter(0..accepted));
}

#[test]
fn what_is_not_worth_sending_any_more_is_told() {
    let flash = Memory::default();
    let first = world(&flash);
    let short = |delivery| Delivery {
        ttl_s: 100,
        ..delivery
    };
    send(&first, 0, short(ALWAYS)).unwrap();
    send(&first, 1, ALWAYS).unwrap();
    send(&first, 2, short(NEVER)).unwrap();
    send(&first, 3, NEVER).unwrap();
    first.passes(Duration::from_secs(101));
    let mut driver = connect(&first);
    let dropped = |world: &World| {
        let transcript = world.transcript.borrow();
        transcript
            .iter()
            .filter(|line| line.starts_with("* Dropped"))
            .count()
    };
    assert_eq!(dropped(&first), 2);
    assert_eq!(losses(&first).expired, 2, "of RAM and of flash");
    let mut numbers = drain(&first, &mut driver);
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 3]);
    assert_eq!(depth(&first), 0);
}

#[test]
fn numbers_go_on_over_a_restart() {
    let flash = Memory::default();
    let first = world(&flash);
    let last = send(&first, 0, ALWAYS)
        .and_then(|_| send(&first, 1, ALWAYS))
        .unwrap();
    let second = world(&flash);
    let next = send(&second, 2, ALWAYS).unwrap();
    assert_eq!(next.as_u32(), last.as_u32() + 1);
}

#[test]
fn messages_of_another_device_are_not_sent() {
    let flash = Memory::default();
    send(&world(&flash), 0, ALWAYS).unwrap();
    let second = world(&flash);
    second.with_outbox(|outbox| outbox.change_owner(&second, 2));
    let mut driver = connect(&second);
    assert!(drain(&second, &mut driver).is_empty());
    assert_eq!(depth(&second), 0);
}

/// Whatever the order of sends, acknowledgements, lost connections, waits and power cuts: what has
/// to be there arrives, in its order.
#[test]
fn nothing_kept_is_lost_and_the_order_is_kept_in_300_devices() {
    for seed in 0..300u64 {
        let mut random = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut below = |end: u64| {
            random ^= random >> 12;
            random ^= random << 25;
            random ^= random >> 27;
            (random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % end
        };
        let flash = Memory::default();
        let (mut safe, mut arrived) = (Vec::new(), Vec::new());
        let mut number = 0;
        for _ in 0..4 {
            let world = world(&flash);
            let mut driver = connect(&world);
            let mut unacknowledged = Vec::new();
            for _ in 0..40 {
                match below(8) {
                    0..4 => {
                        let delivery = [ALWAYS, SPILL, ALARM][below(3) as usize];
                        if send(&world, number, delivery).is_ok() && delivery != SPILL {
                            safe.push((number, delivery.priority));
                        }
                        number += 1;
                    }
                    4 | 5 => {
                        for packet in unacknowledged.drain(..) {
                            world.push(Input::Puback { message_id: packet });
                        }
                    }
                    6 => {
                        unacknowledged.clear();
                        world.push(Input::Disconnected { result: -1 });
                        run_until_idle(&world, &mut driver);
                        world.passes(Duration::from_secs(below(80)));
                        run_until_idle(&world, &mut driver);
                        world.push(CONNACK);
                    }
                    _ => world.passes(Duration::from_secs(1)),
                }
                run_until_idle(&world, &mut driver);
                for (number, packet) in published(&world) {
                    arrived.push(number);
                    unacknowledged.push(packet);
                }
            }
        }
        let last = world(&flash);
        let mut driver = connect(&last);
        arrived.extend(drain(&last, &mut driver));
        for (number, _) in &safe {
            assert!(arrived.contains(number), "seed {seed}: {number} is lost");
        }
        // The first time that each arrives is in the order in which they were accepted.
        for priority in [Priority::Normal, Priority::High] {
            let mut first = Vec::new();
            for number in &arrived {
                if safe.contains(&(*number, priority)) && !first.contains(number) {
                    first.push(*number);
                }
            }
            assert!(first.is_sorted(), "seed {seed}: {first:?}");
        }
        assert_eq!(depth(&last), 0, "seed {seed}");
    }
}
