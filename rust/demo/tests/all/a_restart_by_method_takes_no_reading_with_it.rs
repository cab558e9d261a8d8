//! `cfg.upd` keeps readings for an hour; a restart by method sends them first.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::support::{TIMEOUT, World};
use iothub_demo::DEVICE_ID;
use serde_json::{Value, json};

/// Two samples of environment, battery and fuel gauge, and the network.
const WAITING: u64 = 7;
const SAMPLES: usize = 2;

#[test]
fn a_restart_by_method_takes_no_reading_with_it() {
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
    let stamps = |messages: &[Value]| -> BTreeSet<u64> {
        let readings = messages
            .iter()
            .filter_map(|message| message["body"]["bat"].as_array());
        let stamps = readings.flatten().filter_map(|it| it["ts"].as_u64());
        stamps.collect()
    };
    let before = stamps(&rest.telemetry(DEVICE_ID, 0).expect("telemetry"));
    rest.until("readings that wait", TIMEOUT, |rest| {
        let (_, answer) = rest.method(DEVICE_ID, "diagnostics", &json!({}))?;
        let waiting = answer["payload"]["readingsWaiting"].as_u64();
        Ok(waiting.filter(|waiting| *waiting >= WAITING))
    })
    .expect("they wait");
    let asked = SystemTime::now().duration_since(UNIX_EPOCH);
    let asked = u64::try_from(asked.expect("a time").as_millis()).expect("a number");
    let (_, answer) = rest
        .method(DEVICE_ID, "reboot", &Value::Null)
        .expect("answered");
    assert_eq!(answer["status"], 202);
    rest.until("what waited", TIMEOUT, |rest| {
        let now = stamps(&rest.telemetry(DEVICE_ID, 0)?);
        let old = now.difference(&before).filter(|stamp| **stamp <= asked);
        Ok((old.count() >= SAMPLES).then_some(()))
    })
    .expect("nothing is taken along");
}
