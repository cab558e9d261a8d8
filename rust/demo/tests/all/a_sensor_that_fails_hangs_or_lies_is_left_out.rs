//! Sensors that do not work: the sample goes without them, the log says so once, and the device
//! goes on.

use crate::support::{TIMEOUT, World};
use iothub_demo::DEVICE_ID;
use serde_json::json;

#[test]
fn a_sensor_that_fails_hangs_or_lies_is_left_out() {
    let mut world = World::new();
    world
        .bench
        .setup()
        .setting("iothub/telemetry_interval", "1")
        .expect("set");
    let always = [0, 1_000_000];
    let (_, lines) = world.begin(&json!({ "faults": [
        { "sensor": "humidity", "kind": "hangs", "s": always },
        { "sensor": "pressure", "kind": "nan", "s": always },
        { "sensor": "gas", "kind": "broken", "s": always },
        { "sensor": "temperature", "kind": "lies", "s": [0, 4] },
        { "sensor": "latitude", "kind": "nan", "s": always },
    ]}));
    world.connected(&lines);
    lines
        .find_after(0, "temperature is there again", TIMEOUT)
        .expect("it works again");
    let environment = world
        .bench
        .rest()
        .until("a temperature", TIMEOUT, |rest| {
            let messages = rest.telemetry(DEVICE_ID, 0)?;
            let readings = messages
                .iter()
                .filter_map(|message| message["body"]["env"].as_array());
            let mut readings = readings.flatten().map(|reading| reading["v"].clone());
            Ok(readings.rfind(|reading| reading["temp"].is_number()))
        })
        .expect("it arrives");
    assert!(environment["light"].is_number(), "{environment}");
    for name in ["hum", "atmp", "gas"] {
        assert!(environment.get(name).is_none(), "{environment}");
    }
    let messages = world
        .bench
        .rest()
        .telemetry(DEVICE_ID, 0)
        .expect("telemetry");
    assert!(
        messages
            .iter()
            .all(|message| message["body"].get("gnss").is_none())
    );
    for name in ["humidity", "pressure", "gas", "temperature", "latitude"] {
        let warnings = lines.all();
        let warnings = warnings
            .iter()
            .filter(|line| line.contains("<wrn>") && line.contains(&format!(" {name}: ")));
        assert_eq!(warnings.count(), 1, "{name}");
    }
    let answer = world
        .bench
        .rest()
        .method(DEVICE_ID, "diagnostics", &json!(null));
    let (_, answer) = answer.expect("an answer");
    assert_eq!(answer["status"], 200);
    let failing = answer["payload"]["sensorsFailing"]
        .as_u64()
        .expect("a number");
    assert_eq!(failing.count_ones(), 4, "{answer}");
}
