//! The client against a model of the hub on a fake clock: loss, duplication, re-ordering, slow and
//! silent peers, failing calls, a network that comes and goes, and a disconnect at every step. Each
//! run follows from its seed. `SEEDS=100000` runs more of them, `SEED=7` one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod world;

use std::time::Duration;

use iothub_proto::reconnect::{Class, Policy};
use world::{Fault, Faults, World};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn nothing_is_lost_whatever_happens() {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(10_000),
    };
    let mut coverage = world::Coverage::default();
    for seed in seeds {
        let mut world = World::new(seed, Faults::random(seed));
        for _ in 0..40 {
            world.step();
        }
        world.finish();
        coverage.add(&world);
    }
    if number("SEED").is_none() {
        coverage.assert_everything_happened();
    }
}

/// The same course without faults, and one fault at each of its steps.
#[test]
fn a_fault_at_every_step() {
    let course = |fault: Option<(Fault, u32)>| {
        let mut world = World::new(1, Faults::at(fault));
        for _ in 0..100 {
            world.step();
        }
        world.finish();
        world.commands
    };
    let commands = course(None);
    assert!(commands > 20, "{commands}");
    for fault in [
        Fault::Closed,
        Fault::Failed,
        Fault::Silent,
        Fault::Swallowed,
    ] {
        for at in 0..commands {
            course(Some((fault, at)));
        }
    }
}

#[test]
fn the_schedule_of_the_back_off() {
    let policy = Policy::new();
    let bounds = |class| {
        (1..=9).map(move |attempt| {
            let delay = |random| policy.delay(attempt, class, random).as_millis();
            (delay(0), delay(u32::MAX / 2), delay(u32::MAX))
        })
    };
    let transient: Vec<_> = bounds(Class::Transient).collect();
    assert_eq!(transient, SCHEDULE);
    let authorisation: Vec<_> = bounds(Class::Authorisation)
        .map(|(_, _, max)| max)
        .take(7)
        .collect();
    assert_eq!(
        authorisation,
        [89999, 269999, 809999, 2429999, 3599999, 3599999, 3599999]
    );
    let strange = Policy {
        min: Duration::from_secs(5),
        max: Duration::MAX,
        ..policy
    };
    assert!(strange.delay(u32::MAX, Class::Transient, u32::MAX) > Duration::from_secs(5));
}

const SCHEDULE: [(u128, u128, u128); 9] = [
    (1000, 1999, 2999),
    (3000, 5999, 8999),
    (9000, 17999, 26999),
    (27000, 53999, 80999),
    (81000, 161999, 242999),
    (200000, 399999, 599999),
    (200000, 399999, 599999),
    (200000, 399999, 599999),
    (200000, 399999, 599999),
];
