//! Power cuts: the device's process is killed at a seeded moment of an update and started again; it
//! runs the old image or the new one, and its twin says which. `IOTHUB_KILLS` is their number (10),
//! `IOTHUB_SEED` the first seed (1):
//!
//! ```text
//! IOTHUB_KILLS=1000 cargo test --release -p iothub-demo --test all killed_at_any_moment -- --nocapture
//! ```

use std::{
    collections::BTreeMap,
    env, fs, thread,
    time::{Duration, Instant},
};

use crate::support::{TIMEOUT, World};
use iothub_demo::{DEVICE_ID, Lines};
use iothub_host::Network;
use serde_json::Value;

/// Small: four fragments, so that the moments lie close.
const BODY: [u8; 3200] = [7; 3200];

/// What the device was last heard to do.
const PHASES: [(&str, &str); 7] = [
    (
        "ready: every subscription",
        "the new image has reached the hub",
    ),
    (iothub_demo::said::ON_TRIAL, "the new image boots, on trial"),
    ("restarting for the firmware", "restarting"),
    ("is in place: a restart runs it", "the new image is marked"),
    ("going on at byte", "the download goes on"),
    ("fetching ", "downloading"),
    ("", "before the deployment"),
];

#[test]
fn a_device_killed_at_any_moment_runs_the_old_or_the_new_image() {
    let first = number("IOTHUB_SEED", 1);
    let kills = number("IOTHUB_KILLS", 10);
    let mut world = World::new();
    let setup = world.bench.setup();
    setup.setting("iothub/fota/trial_s", "600").expect("set");
    let mut lines = world.start(Network::Ipv4Only);
    let mut runs = settled(&world, "", None);

    // How long an update takes here, undisturbed: the kills are spread over it.
    let mut span = Duration::ZERO;
    let mut killed = BTreeMap::<&str, [u64; 2]>::new();
    for round in 0..=kills {
        let seed = first + round;
        let version = format!("1.{}.{}", round >> 16, round & 0xFFFF);
        let setup = world.bench.setup();
        setup.image(&version, &BODY).expect("an image");
        let mark = lines.mark();
        let begin = Instant::now();
        let rest = world.bench.rest();
        rest.deploy(DEVICE_ID, &version, "http").expect("deployed");
        if round > 0 {
            let random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let moment = span.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64);
            // The one sleep: what is killed must not be asked.
            thread::sleep(moment.saturating_sub(begin.elapsed()));
            let device = world.bench.device().expect("started");
            device.kill().expect("killed");
            let phase = phase(&lines, mark);
            lines = world.start(Network::Ipv4Only);
            let found = settled(&world, &runs, Some(&version));
            let count = killed.entry(phase).or_default();
            count[usize::from(found == version)] += 1;
            runs = found;
        } else {
            runs = settled(&world, &runs, Some(&version));
            assert_eq!(runs, version, "undisturbed, the new image runs");
            span = begin.elapsed();
        }
        let image = world.bench.setup().images().join(format!("{version}.bin"));
        fs::remove_file(image).expect("removed");
    }
    let sum = killed.values().flatten().sum::<u64>();
    assert_eq!(sum, kills);
    println!(
        "{kills} kills from seed {first}, within {} ms of a deployment:",
        span.as_millis()
    );
    for (phase, [old, new]) in killed {
        println!(
            "{:5} {phase}: {old} the old image, {new} the new one",
            old + new
        );
    }
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number"))
    })
}

/// What was killed: the last that it has said since the deployment.
fn phase(lines: &Lines, mark: usize) -> &'static str {
    let said = lines.all();
    let said = said.get(mark..).unwrap_or_default();
    PHASES
        .into_iter()
        .find(|(text, _)| said.iter().any(|line| line.contains(text)) || text.is_empty())
        .map_or("", |(_, phase)| phase)
}

/// Waits until the device reports how the job has ended, by the image that it then runs: the one
/// that the reported state goes with.
fn settled(world: &World, old: &str, new: Option<&str>) -> String {
    let mut last = Value::Null;
    let rest = world.bench.rest();
    let found = rest.until("the old or the new image", TIMEOUT * 3, |rest| {
        last = rest.firmware(DEVICE_ID)?;
        let text = |name: &str| last[name].as_str().unwrap_or_default().to_owned();
        let runs = text("currentFwVersion");
        let right = new.is_none_or(|new| text("jobId") == format!("job-{new}"))
            && match text("fwUpdateStatus").as_str() {
                "current" => new.is_none_or(|new| runs == new),
                "rolledback" => runs == old,
                _ => false,
            };
        Ok(right.then_some(runs))
    });
    found.unwrap_or_else(|error| panic!("it does not say which image runs: {error}; {last}"))
}
