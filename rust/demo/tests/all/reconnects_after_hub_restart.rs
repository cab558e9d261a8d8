//! The hub dies under a connected device and comes back: nothing that was accepted is lost.

use std::collections::BTreeSet;

use crate::support::{TIMEOUT, World};
use iothub_demo::{DEVICE_ID, stamps, timestamp};
use iothub_host::Network;
use serde_json::json;

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
        .find_after(0, &format!("{}1 s", iothub_demo::said::INTERVAL), TIMEOUT)
        .expect("applied");

    let mark = lines.mark();
    world.bench.kill_hub().expect("killed");
    lines
        .find_after(mark, iothub_demo::said::RETRY, TIMEOUT)
        .expect("the device notices");
    let accepted = lines
        .find_after(lines.mark(), iothub_demo::said::QUEUED, TIMEOUT)
        .expect("accepted offline");
    let mark = lines.mark();
    world.bench.restart_hub().expect("restarted");
    lines
        .find_after(mark, iothub_demo::said::READY, TIMEOUT)
        .expect("back by itself");

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
        .until("every accepted message", TIMEOUT, |rest| {
            let arrived: BTreeSet<_> = rest
                .telemetry(DEVICE_ID, 0)?
                .iter()
                .filter_map(|message| stamps(message).into_iter().min())
                .collect();
            Ok(wanted.is_subset(&arrived).then_some(()))
        })
        .expect("nothing is lost");
}
