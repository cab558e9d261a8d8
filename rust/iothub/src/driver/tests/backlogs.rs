//! What an outage leaves in flash: how fast it leaves, to a hub that throttles too, and what a
//! later build with another policy or another partition finds of it.

use iothub_proto::Delivery;

use super::outbox_in_flash::{
    ALARM, ALWAYS, NEVER, SPILL, connect, depth, drain, losses, published, run_until_idle, send,
    world,
};
use super::*;

#[test]
fn ten_thousand_stored_messages_leave_several_at_a_time_and_in_order() {
    const MESSAGES: usize = 10_000;
    // 2 MiB of external flash.
    let flash = Memory::new(4096, 512);
    let first = world(&flash);
    for number in 0..MESSAGES {
        send(&first, number, ALWAYS).unwrap();
    }

    let second = world(&flash);
    assert_eq!(depth(&second) as usize, MESSAGES);
    let mut driver = connect(&second);
    let (mut arrived, mut round_trips) = (Vec::new(), 0);
    loop {
        // All that is in flight is acknowledged after one round trip.
        let written = published(&second);
        if written.is_empty() {
            break;
        }
        round_trips += 1;
        for (number, packet) in written {
            arrived.push(number);
            second.push(Input::Puback { message_id: packet });
        }
        run_until_idle(&second, &mut driver);
    }
    assert_eq!(arrived, Vec::from_iter(0..MESSAGES));
    assert_eq!(round_trips, MESSAGES / 4);
    assert_eq!(depth(&second), 0);
}

#[test]
fn a_boot_begins_each_sector_once_with_reports_and_values_in_them_too() {
    for (sector_size, sectors) in [(4096, 16), (4096, 64)] {
        let flash = Memory::new(sector_size, sectors);
        let first = world(&flash);
        for number in 0..60_u8 {
            super::super::report_latest(&first, number % 4, br#"{"a":1}"#).unwrap();
            let kept = [number; 100];
            first.with_outbox(|outbox| outbox.keep(&first, number % 4, &kept).unwrap());
        }
        let messages = sectors as usize * 20;
        for number in 0..messages {
            send(&first, number, ALWAYS).unwrap();
        }
        let boot = flash.as_partition(sector_size, sectors);
        let second = world(&boot);
        assert_eq!(*boot.begun.borrow(), std::vec![1; sectors as usize]);
        assert_eq!(depth(&second) as usize, messages);
    }
}

/// A hub that throttles is slow to acknowledge, and drops a connection of which it has had enough.
#[test]
fn a_hub_that_throttles_gets_no_more_than_it_takes_and_alarms_do_not_wait_for_the_backlog() {
    const BACKLOG: usize = 300;
    let flash = Memory::new(1024, 128);
    let first = world(&flash);
    for number in 0..BACKLOG {
        send(&first, number, ALWAYS).unwrap();
    }

    let second = world(&flash);
    let mut driver = connect(&second);
    let (mut arrived, mut in_flight) = (Vec::new(), VecDeque::new());
    let mut alarms = 0;
    for second_of_time in 0..2_000 {
        for (number, packet) in published(&second) {
            if number >= 1000 {
                let accepted = 10 * (number - 1000);
                assert!(
                    second_of_time <= accepted + 6,
                    "{number} waits {second_of_time}"
                );
            }
            arrived.push(number);
            in_flight.push_back(packet);
        }
        assert!(in_flight.len() <= 5, "{in_flight:?}");
        if depth(&second) == 0 {
            break;
        }
        if second_of_time % 10 == 0 && alarms < 20 {
            send(&second, 1000 + alarms, ALARM).unwrap();
            alarms += 1;
        }
        if second_of_time % 50 == 49 {
            in_flight.clear();
            second.push(Input::Disconnected { result: -104 });
            run_until_idle(&second, &mut driver);
            second.passes(Duration::from_secs(2));
            run_until_idle(&second, &mut driver);
            second.push(CONNACK);
            run_until_idle(&second, &mut driver);
            let message_id = subscribe_id(&second);
            second.push(Input::Suback {
                message_id,
                granted: true,
            });
        } else if let Some(packet) = in_flight.pop_front() {
            second.push(Input::Puback { message_id: packet });
        }
        second.passes(Duration::from_secs(1));
        run_until_idle(&second, &mut driver);
    }
    assert_eq!((depth(&second), alarms), (0, 20));
    for (begin, all) in [(0, BACKLOG), (1000, alarms)] {
        let mut first_times: Vec<usize> = Vec::new();
        for number in arrived
            .iter()
            .filter(|number| (*number / 1000) == begin / 1000)
        {
            if !first_times.contains(number) {
                first_times.push(*number);
            }
        }
        assert_eq!(first_times, Vec::from_iter(begin..begin + all));
    }
    // What was in flight when the connection was dropped comes again, and nothing else.
    assert!(
        arrived.len() < BACKLOG + alarms + 6 * 6,
        "{}",
        arrived.len()
    );
}

#[test]
fn whatever_the_policy_of_the_next_build_what_is_stored_arrives_in_order() {
    for (stored, later) in [
        (SPILL, ALWAYS),
        (SPILL, NEVER),
        (ALWAYS, SPILL),
        (ALWAYS, NEVER),
    ] {
        let flash = Memory::default();
        let first = world(&flash);
        for number in 0..20 {
            send(&first, number, stored).unwrap();
        }
        super::super::flush(&first);

        let second = world(&flash);
        for number in 20..24 {
            send(&second, number, later).unwrap();
        }
        let mut driver = connect(&second);
        let mut arrived = drain(&second, &mut driver);
        assert_eq!(arrived.len(), 24);
        if later == NEVER {
            // What is in RAM only does not wait for what is in flash.
            arrived.retain(|number| *number < 20);
            assert_eq!(arrived, Vec::from_iter(0..20));
        } else {
            assert_eq!(arrived, Vec::from_iter(0..24), "{stored:?}, then {later:?}");
        }
        assert_eq!(depth(&second), 0);
    }
}

#[test]
fn a_build_that_does_not_use_the_outbox_leaves_it_to_the_next_that_does() {
    let flash = Memory::default();
    for number in 0..3 {
        send(&world(&flash), number, ALWAYS).unwrap();
    }
    let without = World::new(false, |_| {});
    let mut driver = connect(&without);
    send(&without, 10, SPILL).unwrap();
    run_until_idle(&without, &mut driver);
    assert_eq!(drain(&without, &mut driver), [10]);

    let third = world(&flash);
    let mut driver = connect(&third);
    assert_eq!(drain(&third, &mut driver), [0, 1, 2]);
}

#[test]
fn a_partition_that_grows_or_shrinks_keeps_what_lies_in_it() {
    let flash = Memory::new(1024, 16);
    let first = world(&flash);
    for number in 0..40 {
        send(&first, number, ALWAYS).unwrap();
    }
    send(&first, 1000, ALARM).unwrap();
    let next = first.client(|client, _| client.status().counters.accepted);
    assert_eq!(next, 41);

    let larger = world(&flash.as_partition(1024, 64));
    let mut driver = connect(&larger);
    let expected: Vec<_> = [1000].into_iter().chain(0..40).collect();
    assert_eq!(drain(&larger, &mut driver), expected);

    // 7 messages a sector: the first 4 sectors have 28 of them, and the alarm's sector is gone.
    let smaller = world(&flash.as_partition(1024, 4));
    let mut driver = connect(&smaller);
    assert_eq!(drain(&smaller, &mut driver), Vec::from_iter(0..28));
    assert_eq!(depth(&smaller), 0);
    send(&smaller, 41, ALWAYS).unwrap();
    run_until_idle(&smaller, &mut driver);
    assert_eq!(drain(&smaller, &mut driver), [41]);
}

/// Records belong to their sector, so that of sectors of another size little can be read: what is
/// lost is counted, what is read is what was sent, and the store works.
#[test]
fn sectors_of_another_size_are_an_outbox_that_has_lost_what_it_cannot_read() {
    for (sector_size, sectors) in [(512, 32), (2048, 8), (4096, 4)] {
        let flash = Memory::new(1024, 16);
        let first = world(&flash);
        for number in 0..40 {
            send(&first, number, ALWAYS).unwrap();
        }
        let second = world(&flash.as_partition(sector_size, sectors));
        let mut driver = connect(&second);
        let arrived = drain(&second, &mut driver);
        assert!(arrived.is_sorted() && arrived.iter().all(|number| *number < 40));
        let status = second.with_outbox(|outbox| outbox.status(&second)).store;
        assert!(arrived.len() as u32 + status.damaged > 20, "{status:?}");
        assert_eq!(status.depth, 0);
        for number in 40..100 {
            send(&second, number, ALWAYS).unwrap();
            run_until_idle(&second, &mut driver);
            assert_eq!(drain(&second, &mut driver), [number]);
        }
    }
}

#[test]
fn a_time_to_live_is_counted_over_a_power_cut() {
    let flash = Memory::default();
    let first = world(&flash);
    let short = Delivery {
        ttl_s: 100,
        ..ALWAYS
    };
    send(&first, 0, short).unwrap();
    first.passes(Duration::from_secs(60));
    // What is stored last says how late it is.
    send(&first, 1, short).unwrap();

    let second = world(&flash);
    second.passes(Duration::from_secs(50));
    let mut driver = connect(&second);
    assert_eq!(drain(&second, &mut driver), [1]);
    assert_eq!(losses(&second).expired, 1);
}

/// With `CONFIG_IOTHUB_OUTBOX_DROP_OLDEST` the oldest telemetry gives way, without it the newest is
/// refused: none in silence, and alarms have room.
#[test]
fn a_full_store_gives_up_or_refuses_telemetry_by_priority_and_tells_each() {
    let world = world(&Memory::default());
    let mut refused = 0;
    for number in 0..200 {
        refused += u32::from(send(&world, number, ALWAYS).is_err());
        if number % 40 == 0 {
            send(&world, 1000 + number, ALARM).unwrap();
        }
    }
    let status = world.with_outbox(|outbox| outbox.status(&world));
    assert_eq!(status.store.high, 5);
    assert_eq!(status.losses.refused, refused);
    assert_eq!(status.store.depth + status.store.dropped + refused, 205);
    let mut driver = connect(&world);
    let told = world
        .transcript
        .borrow()
        .iter()
        .filter(|line| line.starts_with("* Dropped"))
        .count();
    let mut arrived = drain(&world, &mut driver);
    let alarms: Vec<_> = arrived.extract_if(.., |number| *number >= 1000).collect();
    assert_eq!(alarms, [1000, 1040, 1080, 1120, 1160]);
    if kconfig::IOTHUB_OUTBOX_DROP_OLDEST {
        assert_eq!(refused, 0);
        assert!(status.store.dropped > 80, "{status:?}");
        let dropped = status.store.dropped as usize;
        assert_eq!(arrived, Vec::from_iter(dropped..200));
        // As far as there is room for events.
        assert!(told > 0);
    } else {
        assert_eq!((status.store.dropped, told), (0, 0));
        let kept = 200 - refused as usize;
        assert_eq!(arrived, Vec::from_iter(0..kept));
    }
}
