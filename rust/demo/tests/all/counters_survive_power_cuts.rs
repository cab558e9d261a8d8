//! The counters of all starts are in flash: a restart takes nothing of them along, and a power cut
//! only what came after the last write.

use iothub_demo::DEVICE_ID;
use iothub_host::Network;
use serde_json::{Value, json};

use crate::support::{TIMEOUT, World};

fn total(world: &World, starts: u64) -> Value {
    let found = world.bench.rest().until("the counters", TIMEOUT, |rest| {
        let (_, answer) = rest.method(DEVICE_ID, "diagnostics", &json!(null))?;
        let total = answer["payload"]["total"].clone();
        Ok((total["starts"] == starts).then_some(total))
    });
    found.expect("told")
}

fn number(total: &Value, name: &str) -> u64 {
    total[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} in {total}"))
}

#[test]
fn counters_survive_power_cuts() {
    let mut world = World::new();
    let lines = world.start(Network::DualStack);
    world.connected(&lines);
    let first = total(&world, 1);
    assert_eq!(
        (number(&first, "resets"), number(&first, "connected")),
        (0, 1)
    );
    let rest = world.bench.rest();
    let (_, answer) = rest
        .method(DEVICE_ID, "reboot", &Value::Null)
        .expect("answered");
    assert_eq!(answer["status"], 202);
    let second = total(&world, 2);
    assert_eq!(number(&second, "resets"), 1);
    for starts in 3..5 {
        let device = world.bench.device().expect("started");
        device.kill().expect("killed");
        let lines = world.start(Network::DualStack);
        world.connected(&lines);
        let later = total(&world, starts);
        assert_eq!(number(&later, "resets"), 1, "the power was cut: {later}");
        // The connection of the first start, kept before the restart, and that of this one.
        assert!(number(&later, "connected") >= 2, "{later}");
        for name in ["bytesSent", "bytesReceived", "uptime"] {
            assert!(
                number(&later, name) >= number(&first, name),
                "{later} after {first}"
            );
        }
    }
}

/// The restart comes within a minute after the connection, before the counters are kept by
/// themselves.
#[test]
fn an_update_takes_no_counters_along() {
    let mut world = World::new();
    let lines = world.start(Network::DualStack);
    world.connected(&lines);
    let before = total(&world, 1);
    let setup = world.bench.setup();
    setup.image("1.1.0", &[7; 3200]).expect("an image");
    let rest = world.bench.rest();
    rest.deploy(DEVICE_ID, "1.1.0", "http").expect("deployed");
    let after = total(&world, 2);
    assert_eq!(number(&after, "resets"), 1);
    assert_eq!(number(&after, "connected"), 2, "{after} after {before}");
    for name in ["bytesSent", "bytesReceived", "uptime"] {
        assert!(
            number(&after, name) >= number(&before, name),
            "{after} after {before}"
        );
    }
}
