//! While the battery is low, what was accepted is in flash at once: it arrives although the power
//! goes before the hub is back.

use std::collections::BTreeSet;

use iothub_demo::{DEVICE_ID, said, stamps, timestamp};
use iothub_host::Network;
use serde_json::json;

use crate::support::{TIMEOUT, World, waits_for};

#[test]
fn a_low_battery_takes_nothing_with_it() {
    let mut world = World::new();
    // 3,478 mV.
    let (_, lines) = world.begin(&json!({ "battery": { "percent": 21, "hours": 87_600 } }));
    world.connected(&lines);
    waits_for(&lines, "the battery is low: what waits is in flash");
    world
        .bench
        .rest()
        .patch_desired(DEVICE_ID, &json!({ "telemetryInterval": 1 }))
        .expect("patched");
    waits_for(&lines, &format!("{}1 s", said::INTERVAL));
    let mark = lines.mark();
    world.bench.kill_hub().expect("killed");
    let until = |mark, text| lines.find_after(mark, text, TIMEOUT).expect(text);
    until(mark, said::RETRY);
    let mut accepted = BTreeSet::new();
    for _ in 0..3 {
        let line = until(lines.mark(), said::QUEUED);
        accepted.insert(timestamp(&line).expect("a time"));
    }
    // Each is stored before the next one is made.
    until(lines.mark(), said::QUEUED);
    let device = world.bench.device().expect("started");
    device.kill().expect("the power is cut");
    world.bench.restart_hub().expect("restarted");
    world.start(Network::DualStack);
    let rest = world.bench.rest();
    let arrived = rest.until("what was accepted", TIMEOUT, |rest| {
        let messages = rest.telemetry(DEVICE_ID, 0)?;
        let arrived: BTreeSet<_> = messages.iter().flat_map(stamps).collect();
        Ok(accepted.is_subset(&arrived).then_some(()))
    });
    arrived.unwrap_or_else(|error| panic!("{accepted:?}: {error}"));
}
