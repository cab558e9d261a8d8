//! Thousands of messages in flash, and a hub that throttles: it acknowledges late, stalls, and
//! drops the connection again and again. `IOTHUB_BACKLOG` is their number (3,000).

use std::{collections::BTreeSet, env, fs, time::Duration};

use iothub_demo::{DEVICE_ID, DeviceOptions, Rest};
use iothub_host::Network;
use serde_json::{Value, json};

use crate::support::{TIMEOUT, World, quick};

/// What may be before an alarm that is raised in the middle of a backlog: what is in flight, and
/// what the hub had read and not yet stored.
const BEFORE: usize = 8;
const ALARMS: usize = 5;

#[derive(Default)]
struct Arrived {
    since: u64,
    /// In their order; alarms too.
    bodies: Vec<Value>,
}

impl Arrived {
    fn look(&mut self, rest: &Rest) {
        for message in rest.telemetry(DEVICE_ID, self.since).expect("telemetry") {
            self.since = message["seq"].as_u64().expect("a number");
            self.bodies.push(message["body"].clone());
        }
    }

    /// Waits until more than so many are there.
    fn wait_for_more_than(&mut self, rest: &Rest, count: usize) {
        let found = rest.until("messages", TIMEOUT * 4, |rest| {
            self.look(rest);
            Ok((self.bodies.len() > count).then_some(()))
        });
        found.unwrap_or_else(|error| panic!("{} of {count}: {error}", self.bodies.len()));
    }

    fn numbers(&self, name: &str) -> Vec<u64> {
        let bodies = self.bodies.iter();
        bodies.filter_map(|body| body[name].as_u64()).collect()
    }
}

#[test]
fn a_throttled_backlog_is_drained_in_order() {
    let backlog: u32 =
        env::var("IOTHUB_BACKLOG").map_or(3_000, |text| text.parse().expect("a number"));
    let mut world = World::new();
    let record = |network, record| DeviceOptions {
        network,
        record: Some(record),
        flash_sectors: 512,
        ..quick()
    };
    let lines = world.start_with(record(Network::NoCell, 0..backlog));
    let last = format!("recorded {}", backlog - 1);
    lines.find_after(0, &last, TIMEOUT * 4).expect("stored");
    let device = world.bench.device().expect("started");
    device.kill().expect("killed");

    let rest = world.bench.rest();
    for fault in [
        json!({ "kind": "puback", "device": DEVICE_ID, "delayMs": 5 }),
        json!({ "kind": "dropEvery", "device": DEVICE_ID, "messages": backlog / 4 + 7 }),
    ] {
        rest.fault(&fault).expect("throttled");
    }
    let lines = world.start_with(record(Network::DualStack, backlog..backlog));
    world.connected(&lines);
    let mut arrived = Arrived::default();
    for alarm in 0..ALARMS {
        arrived.wait_for_more_than(&rest, (alarm + 1) * backlog as usize / (ALARMS + 2));
        let answered = rest.until("an answer", TIMEOUT, |rest| {
            let (_, answer) = rest.method(DEVICE_ID, "alarm", &json!(alarm))?;
            Ok((answer["status"] == 200).then_some(()))
        });
        answered.expect("raised");
        arrived.look(&rest);
        let known = arrived.bodies.len();
        arrived.wait_for_more_than(&rest, known + BEFORE);
        let place = arrived
            .bodies
            .iter()
            .position(|body| body["alarm"] == alarm);
        let place = place.expect("an alarm that overtakes");
        assert!(place <= known + BEFORE, "{place} of {known}");
    }

    // Nothing is to be done while the hub does not answer.
    #[cfg(target_os = "linux")]
    {
        let stall = Duration::from_secs(3);
        let fault = json!({ "kind": "stall", "device": DEVICE_ID, "delayMs": stall.as_millis() as u64, "times": 1 });
        let known = arrived.bodies.len();
        arrived.wait_for_more_than(&rest, known + BEFORE);
        rest.fault(&fault).expect("stalled");
        let mut still = (arrived.bodies.len(), std::time::Instant::now(), 0);
        let id = world.bench.device().expect("started").id();
        let quiet = rest.until("a stall", TIMEOUT, |rest| {
            arrived.look(rest);
            if arrived.bodies.len() != still.0 {
                still = (
                    arrived.bodies.len(),
                    std::time::Instant::now(),
                    processor_ms(id),
                );
            }
            Ok((still.1.elapsed() > stall / 2).then(|| processor_ms(id) - still.2))
        });
        let used = quiet.expect("still");
        assert!(used < 500, "{used} ms of work in 1.5 s");
    }

    arrived.wait_for_more_than(&rest, backlog as usize + ALARMS - 1);
    let found = rest.until("all of them", TIMEOUT * 4, |rest| {
        arrived.look(rest);
        let minutes: BTreeSet<_> = arrived.numbers("minute").into_iter().collect();
        Ok((minutes.len() == backlog as usize).then_some(()))
    });
    found.expect("none is lost");
    let mut seen = BTreeSet::new();
    let minutes = arrived.numbers("minute");
    let firsts: Vec<_> = minutes
        .iter()
        .filter(|minute| seen.insert(**minute))
        .collect();
    assert!(firsts.is_sorted(), "in order");
    let twice = minutes.len() - seen.len();
    let drops = rest
        .events(0)
        .expect("events")
        .iter()
        .filter(|event| event["event"] == "closed")
        .count();
    assert!(drops >= 3, "{drops} connections were dropped");
    // What was in flight when a connection was dropped.
    assert!(twice <= 4 * drops, "{twice} twice, {drops} drops");
    println!(
        "{backlog} messages and {ALARMS} alarms over {} connections, {twice} twice",
        drops + 1
    );
}

/// What a process has used of a processor.
#[cfg(target_os = "linux")]
fn processor_ms(id: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
    let (_, fields) = stat.rsplit_once(") ").expect("fields");
    let ticks = fields.split(' ').skip(11).take(2);
    ticks
        .map(|field| field.parse::<u64>().expect("a number") * 10)
        .sum()
}
