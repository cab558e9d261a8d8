//! How often telemetry is sent: the desired property, else the device's own setting, and the twin
//! is told which.

use crate::support::{TIMEOUT, World};
use iothub_demo::DEVICE_ID;
use iothub_host::Network;
use serde_json::{Value, json};

#[test]
fn the_desired_interval_goes_before_the_devices_own_setting() {
    let mut world = World::new();
    let lines = world.start(Network::Ipv4Only);
    world.connected(&lines);
    let rest = world.bench.rest();

    let version = rest
        .patch_desired(DEVICE_ID, &json!({ "telemetryInterval": 7 }))
        .expect("patched");
    reported(&world, &json!({ "value": 7, "ac": 200, "av": version }));

    // Stored for later; now the desired one counts.
    let mark = lines.mark();
    let (status, answer) = rest
        .method(DEVICE_ID, "config", &json!({ "telemetryInterval": 60 }))
        .expect("an answer");
    assert_eq!((status, &answer["status"]), (200, &json!(200)));
    let (_, answer) = rest
        .method(
            DEVICE_ID,
            "config",
            &json!({ "telemetryInterval": 60, "hostname": "evil" }),
        )
        .expect("an answer");
    assert_eq!(answer["status"], 400);

    // Removed while the device is away.
    rest.set_status(DEVICE_ID, "disabled").expect("disabled");
    lines
        .find_after(mark, iothub_demo::said::DISCONNECTED, TIMEOUT)
        .expect("the device is away");
    rest.patch_desired(DEVICE_ID, &json!({ "telemetryInterval": null }))
        .expect("patched");
    let told: Vec<_> = lines.all().split_off(mark);
    assert!(
        !told
            .iter()
            .any(|line| line.contains(iothub_demo::said::INTERVAL))
    );
    rest.set_status(DEVICE_ID, "enabled").expect("enabled");
    lines
        .find_after(
            mark,
            &format!("{}60 s", iothub_demo::said::INTERVAL),
            TIMEOUT,
        )
        .expect("its own setting counts again");
    reported(&world, &json!({ "value": 60, "ac": 203, "av": 0 }));
}

fn reported(world: &World, expected: &Value) {
    world
        .bench
        .rest()
        .until("a report", TIMEOUT, |rest| {
            let twin = rest.twin(DEVICE_ID)?;
            let found = &twin["properties"]["reported"]["telemetryInterval"];
            Ok((found == expected).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{expected}: {error}"));
}
