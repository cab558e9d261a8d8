//! Power cuts while messages are stored, sent and released: the device's process is killed at a
//! seeded moment and started again, and each message whose acceptance was told arrives, in order.
//! `IOTHUB_KILLS` is their number (10), `IOTHUB_SEED` the first seed (1):
//!
//! ```text
//! IOTHUB_KILLS=1000 cargo test -p iothub-demo --test all loses_no_message -- --nocapture
//! ```

use std::{collections::BTreeSet, env, thread, time::Instant};

use crate::support::{TIMEOUT, World, quick};
use iothub_demo::{DEVICE_ID, DeviceOptions, Lines};
use iothub_host::Network;

/// Readings of one life: more than it can make before it is killed is of no use.
const READINGS: u32 = 40;

#[test]
fn a_device_killed_at_any_moment_loses_no_message() {
    let first = number("IOTHUB_SEED", 1);
    let kills = number("IOTHUB_KILLS", 10);
    let mut world = World::new();
    let start = |world: &mut World, network, first, end| {
        world.start_with(DeviceOptions {
            network,
            record: Some(first..end),
            flash_sectors: 128,
            ..quick()
        })
    };
    // How long a life takes here, undisturbed and with a flash that is there: the kills are spread
    // over it.
    let undisturbed = |world: &mut World, first, end| {
        let begin = Instant::now();
        let lines = start(world, Network::NoCell, first, end);
        lines
            .find_after(0, &format!("recorded {}", end - 1), TIMEOUT)
            .expect("undisturbed");
        begin.elapsed()
    };
    undisturbed(&mut world, 0, READINGS);
    let mut next = 2 * READINGS;
    let span = undisturbed(&mut world, READINGS, next);
    let mut accepted: BTreeSet<u32> = (0..next).collect();
    let (mut early, mut sending) = (0, 0);
    for round in 0..kills {
        let random = (first + round).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let fraction = (random >> 11) as f64 / (1_u64 << 53) as f64;
        // Each second one has coverage, and is killed while it sends; each eighth may send all.
        let (network, span) = match round % 2 {
            0 => (Network::NoCell, span),
            _ => (Network::DualStack, span * 4),
        };
        let begin = Instant::now();
        let lines = start(&mut world, network, next, next + READINGS);
        if round % 8 == 7 {
            lines
                .find_after(0, iothub_demo::said::OUTBOX_EMPTY, TIMEOUT)
                .expect("all is sent");
        } else {
            // The one sleep: what is killed must not be asked.
            thread::sleep(span.mul_f64(fraction).saturating_sub(begin.elapsed()));
        }
        world
            .bench
            .device()
            .expect("started")
            .kill()
            .expect("killed");
        let recorded = recorded(&lines);
        early += u64::from(recorded.is_empty());
        sending += u64::from(lines.all().iter().any(|line| line.contains("ready: ")));
        next = recorded.last().map_or(next, |last| last + 1);
        accepted.extend(recorded);
    }
    start(&mut world, Network::DualStack, next, next);
    let (mut arrived, mut since) = (Vec::new(), 0);
    let rest = world.bench.rest();
    let result = rest.until("all that was accepted", TIMEOUT * 3, |rest| {
        for message in rest.telemetry(DEVICE_ID, since)? {
            since = message["seq"].as_u64().unwrap_or(since);
            arrived.extend(message["body"]["minute"].as_u64());
        }
        let found: BTreeSet<_> = arrived.iter().map(|minute| *minute as u32).collect();
        Ok(accepted.difference(&found).next().is_none().then_some(()))
    });
    let found: BTreeSet<_> = arrived.iter().map(|minute| *minute as u32).collect();
    let lost: Vec<_> = accepted.difference(&found).collect();
    assert!(
        lost.is_empty(),
        "{result:?}: {lost:?} of {} are lost",
        accepted.len()
    );
    // What was stored in the moment of the cut is there too, though nobody was told; its number is
    // then given again.
    let mut seen = BTreeSet::new();
    let firsts: Vec<_> = arrived
        .iter()
        .filter(|minute| seen.insert(**minute))
        .collect();
    assert!(firsts.is_sorted(), "in order");
    println!(
        "{kills} kills from seed {first}, {early} before the first reading, {sending} with a connection: {} accepted, all arrived, {} of {} twice",
        accepted.len(),
        arrived.len() - found.len(),
        arrived.len(),
    );
}

/// The readings that a device has told as accepted, once it is dead.
fn recorded(lines: &Lines) -> Vec<u32> {
    // Its output is all there once it is closed.
    let _ = lines.find_after(usize::MAX, "", TIMEOUT);
    let all = lines.all();
    let recorded = all.iter().filter_map(|line| line.strip_prefix("recorded "));
    recorded.filter_map(|minute| minute.parse().ok()).collect()
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number"))
    })
}
