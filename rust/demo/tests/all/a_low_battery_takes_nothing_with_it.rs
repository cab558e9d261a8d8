//! While the battery is low, what was accepted is in flash at once: it arrives although the power
//! goes before the hub is back.

use std::collections::BTreeSet;

use iothub_demo::{DEVICE_ID, said, stamps, timestamp};
use iothub_host::Network;
use serde_json::{Value, json};

use crate::support::{TIMEOUT, World, waits_for};

#[test]
fn a_low_battery_takes_nothing_with_it() {
    let mut world = World::new();
    // 3,478 mV.
    let (_, lines) = world.begin(&json!({ "battery": { "percent": 21, "hours": 87_600 } }));
    world.connected(&lines);
    waits_for(&lines, "the battery is low: what waits is in flash");
    // A reading that waits for its position is in flash already.
    let cfg = json!({ "actwt": 3, "nod": ["gnss", "ncell", "wifi"] });
    let rest = world.bench.rest();
    let version = rest
        .patch_desired(DEVICE_ID, &json!({ "cfg": cfg }))
        .expect("patched");
    let applied = rest.until("an acknowledgement", TIMEOUT, |rest| {
        let twin = rest.twin(DEVICE_ID)?;
        Ok((twin["properties"]["reported"]["cfg"]["av"] == version).then_some(()))
    });
    applied.expect("acknowledged");
    // So is what comes behind one that is.
    let sent = rest.until("two of them", TIMEOUT, |rest| {
        let messages = rest.telemetry(DEVICE_ID, 0)?;
        let without = |message: &&Value| message["body"]["gnss"].is_null();
        Ok((messages.iter().filter(without).count() >= 2).then_some(()))
    });
    sent.expect("sent");
    let mark = lines.mark();
    world.bench.kill_hub().expect("killed");
    let until = |mark, text| lines.find_after(mark, text, TIMEOUT).expect(text);
    until(mark, said::RETRY);
    // Fewer than fill half of the outbox, which would be stored anyway.
    let line = until(lines.mark(), said::QUEUED);
    let accepted = timestamp(&line).expect("a time");
    // It is stored before the next one is made.
    until(lines.mark(), said::QUEUED);
    let device = world.bench.device().expect("started");
    device.kill().expect("the power is cut");
    world.bench.restart_hub().expect("restarted");
    world.start(Network::DualStack);
    let rest = world.bench.rest();
    let arrived = rest.until("what was accepted", TIMEOUT, |rest| {
        let messages = rest.telemetry(DEVICE_ID, 0)?;
        let arrived: BTreeSet<_> = messages.iter().flat_map(stamps).collect();
        Ok(arrived.contains(&accepted).then_some(()))
    });
    arrived.unwrap_or_else(|error| panic!("{accepted}: {error}"));
}
