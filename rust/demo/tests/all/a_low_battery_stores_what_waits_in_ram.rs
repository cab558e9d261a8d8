//! Below `CONFIG_IOTHUB_OUTBOX_BATTERY_LOW_MV` the readings of a device without coverage outlive a
//! power cut at once, not after a minute.

use crate::support::{TIMEOUT, World, quick};
use iothub_demo::{DEVICE_ID, DeviceOptions};
use iothub_host::Network;
use serde_json::{Value, json};

#[test]
fn a_low_battery_stores_what_waits_in_ram() {
    let mut world = World::new();
    // 3,470 mV: less a simulated battery never has.
    let path = world.folder.path().join("world.json");
    let description = json!({ "battery": { "percent": 20, "hours": 87_600 } });
    std::fs::write(&path, description.to_string()).expect("written");
    world.bench.begin_world();
    let lines = world.start_with(DeviceOptions {
        network: Network::NoCell,
        world: Some(path),
        ..quick()
    });
    lines
        .find_after(0, "the battery is low: what waits is in flash", TIMEOUT)
        .expect("told");
    let device = world.bench.device().expect("started");
    device.kill().expect("killed");
    let told = lines.all();
    let queued: Vec<_> = told
        .iter()
        .filter(|line| line.contains(" queued: "))
        .collect();
    assert!(!queued.is_empty(), "{told:#?}");

    let lines = world.start(Network::DualStack);
    lines
        .find_after(0, " messages of before are in the outbox", TIMEOUT)
        .expect("stored");
    let rest = world.bench.rest();
    let battery = rest.until("the reading of before", TIMEOUT, |rest| {
        let messages = rest.telemetry(DEVICE_ID, 0)?;
        let readings = messages
            .iter()
            .filter_map(|message| message["body"]["bat"].as_array())
            .flatten();
        let mut values = readings.filter_map(|reading: &Value| reading["v"].as_u64());
        Ok(values.find(|mv| *mv < 3500))
    });
    battery.expect("it arrives");
}
