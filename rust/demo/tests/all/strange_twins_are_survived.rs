//! Desired properties that are deep, large or of the wrong type.

use crate::support::{TIMEOUT, World};
use iothub_demo::DEVICE_ID;
use iothub_host::Network;
use serde_json::{Value, json};

#[test]
fn strange_twins_are_survived() {
    let mut world = World::new();
    let lines = world.start(Network::Ipv4Only);
    world.connected(&lines);
    let rest = world.bench.rest();

    let mut deep = json!(1);
    for _ in 0..8 {
        deep = json!({ "deeper": deep });
    }
    rest.patch_desired(DEVICE_ID, &json!({ "deep": deep, "list": [1, "two", [3]] }))
        .expect("patched");
    for (value, code) in [
        (json!(null), None),
        (json!({ "a": 1 }), Some(400)),
        (json!(-5), Some(400)),
        (json!("7"), Some(200)),
    ] {
        let version = rest
            .patch_desired(DEVICE_ID, &json!({ "telemetryInterval": value }))
            .expect("patched");
        if let Some(code) = code {
            acknowledged(&world, code, version);
        }
    }

    // 30 KB do not fit the device's buffer of 4 KB: it says so and stays.
    let mark = lines.mark();
    let large: Value = (0..10)
        .map(|index| (format!("p{index}"), json!("x".repeat(3000))))
        .collect();
    rest.patch_desired(DEVICE_ID, &large).expect("patched");
    lines
        .find_after(mark, iothub_demo::said::TOO_LARGE, TIMEOUT)
        .expect("the device says why");
    rest.until("a method is answered", TIMEOUT, |rest| {
        let (status, answer) = rest.method(DEVICE_ID, "led", &json!(0))?;
        Ok((status == 200 && answer["status"] == 200).then_some(()))
    })
    .expect("the device is there");
}

fn acknowledged(world: &World, code: u64, version: u64) {
    world
        .bench
        .rest()
        .until("an acknowledgement", TIMEOUT, |rest| {
            let twin = rest.twin(DEVICE_ID)?;
            let found = &twin["properties"]["reported"]["telemetryInterval"];
            Ok((found["ac"] == code && found["av"] == version).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{code} for version {version}: {error}"));
}
