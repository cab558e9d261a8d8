//! `cfg.upd` keeps readings for an hour; a restart by method sends them first, and a power cut
//! leaves them in flash.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::support::{TIMEOUT, World, waits_for};
use iothub_demo::DEVICE_ID;
use iothub_host::Network;
use serde_json::{Value, json};

/// Two samples of environment, battery and fuel gauge, and the network.
const WAITING: u64 = 7;
const SAMPLES: usize = 2;

#[test]
fn a_restart_by_method_takes_no_reading_with_it() {
    let (world, wait) = buffered();
    let (_, answer) = world
        .bench
        .rest()
        .method(DEVICE_ID, "reboot", &Value::Null)
        .expect("answered");
    assert_eq!(answer["status"], 202);
    wait.arrives(&world);
}

#[test]
fn a_power_cut_takes_no_reading_with_it() {
    let (mut world, wait) = buffered();
    for life in 0..2 {
        world
            .bench
            .device()
            .expect("started")
            .kill()
            .expect("killed");
        // In the first one nothing can be sent, and the power is cut once more.
        let network = [Network::NoCell, Network::DualStack][life];
        let lines = world.start(network);
        let said = waits_for(&lines, "readings of before wait");
        let (_, count) = said.split_once("] <inf> iothub_app: ").expect("a line");
        let count: u64 = count
            .split(' ')
            .next()
            .expect("a word")
            .parse()
            .expect("a number");
        assert!(count >= WAITING, "{said}");
    }
    wait.arrives(&world);
}

/// What waits in a device.
struct Wait {
    /// Stamps of what was there before.
    before: BTreeSet<u64>,
    /// When it was known to wait.
    asked: u64,
}

impl Wait {
    fn arrives(&self, world: &World) {
        world
            .bench
            .rest()
            .until("what waited", TIMEOUT, |rest| {
                let now = stamps(&rest.telemetry(DEVICE_ID, 0)?);
                let old = now
                    .difference(&self.before)
                    .filter(|stamp| **stamp <= self.asked);
                Ok((old.count() >= SAMPLES).then_some(()))
            })
            .expect("nothing is taken along");
    }
}

/// A device whose readings wait for an hour.
fn buffered() -> (World, Wait) {
    let mut world = World::new();
    let (_, lines) = world.begin(&json!({}));
    world.connected(&lines);
    let rest = world.bench.rest();
    let cfg = json!({ "actwt": 1, "upd": 3600, "nod": ["gnss", "ncell"] });
    let version = rest
        .patch_desired(DEVICE_ID, &json!({ "cfg": cfg }))
        .expect("patched");
    rest.until("an acknowledgement", TIMEOUT, |rest| {
        let twin = rest.twin(DEVICE_ID)?;
        Ok((twin["properties"]["reported"]["cfg"]["av"] == version).then_some(()))
    })
    .expect("acknowledged");
    let before = stamps(&rest.telemetry(DEVICE_ID, 0).expect("telemetry"));
    rest.until("readings that wait", TIMEOUT, |rest| {
        let (_, answer) = rest.method(DEVICE_ID, "diagnostics", &json!({}))?;
        let waiting = answer["payload"]["readingsWaiting"].as_u64();
        Ok(waiting.filter(|waiting| *waiting >= WAITING))
    })
    .expect("they wait");
    let asked = SystemTime::now().duration_since(UNIX_EPOCH);
    let asked = u64::try_from(asked.expect("a time").as_millis()).expect("a number");
    (world, Wait { before, asked })
}

/// Of the battery.
fn stamps(messages: &[Value]) -> BTreeSet<u64> {
    let readings = messages
        .iter()
        .filter_map(|message| message["body"]["bat"].as_array());
    let stamps = readings.flatten().filter_map(|it| it["ts"].as_u64());
    stamps.collect()
}
