//! The hub dies under a connected device and comes back: nothing that was accepted is lost.

mod support;

use std::collections::BTreeSet;

use iothub_demo::DEVICE_ID;
use iothub_host::Network;
use serde_json::json;
use support::{PATIENCE, World};

#[test]
fn reconnects_after_hub_restart() {
    let mut world = World::new();
    let lines = world.start(Network::Ipv4Only);
    world.connected(&lines);
    world
        .bench
        .rest()
        .patch_desired(DEVICE_ID, &json!({ "telemetryInterval": 1 }))
        .expect("patched");
    lines
        .find_after(0, "telemetry every 1 s", PATIENCE)
        .expect("applied");

    let mark = lines.mark();
    world.bench.kill_hub().expect("killed");
    lines
        .find_after(mark, "next attempt in", PATIENCE)
        .expect("the device notices");
    let accepted = lines
        .find_after(lines.mark(), "telemetry ", PATIENCE)
        .expect("accepted offline");
    let mark = lines.mark();
    world.bench.restart_hub().expect("restarted");
    lines
        .find_after(mark, "ready: every subscription is granted", PATIENCE)
        .expect("back by itself");

    let timestamp = |text: &str| -> Option<u64> {
        text.split_once(r#""timestamp":"#)?
            .1
            .trim_end_matches('}')
            .parse()
            .ok()
    };
    let wanted: BTreeSet<_> = lines
        .all()
        .iter()
        .filter_map(|line| timestamp(line))
        .collect();
    assert!(
        timestamp(&accepted).is_some_and(|one| wanted.contains(&one)),
        "{accepted}"
    );
    world
        .bench
        .rest()
        .until("every accepted message", PATIENCE, |rest| {
            let arrived: BTreeSet<_> = rest
                .telemetry(DEVICE_ID, 0)?
                .iter()
                .filter_map(|message| message["body"]["timestamp"].as_u64())
                .collect();
            Ok(wanted.is_subset(&arrived).then_some(()))
        })
        .expect("nothing is lost");
}
