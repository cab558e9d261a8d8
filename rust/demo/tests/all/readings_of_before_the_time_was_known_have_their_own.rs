//! Nobody knows the time for the first seconds: what was measured then is stamped when it comes,
//! with when it was measured.

use std::collections::BTreeSet;

use crate::support::{TIMEOUT, World};
use iothub_demo::{DEVICE_ID, stamps};
use serde_json::json;

/// Milliseconds until somebody tells the time.
const UNKNOWN: u64 = 5000;

#[test]
fn readings_of_before_the_time_was_known_have_their_own() {
    let mut world = World::new();
    world
        .bench
        .setup()
        .setting("iothub/telemetry_interval", "1")
        .expect("set");
    let (began, lines) = world.begin(&json!({ "time_s": UNKNOWN / 1000 }));
    world.connected(&lines);
    let first: BTreeSet<u64> = world
        .bench
        .rest()
        .until("readings of before", TIMEOUT, |rest| {
            let all = rest.telemetry(DEVICE_ID, 0)?;
            let all: BTreeSet<_> = all.iter().flat_map(stamps).collect();
            let is_after = all.iter().any(|stamp| *stamp > began + UNKNOWN + 2000);
            Ok(is_after.then(|| {
                all.into_iter()
                    .filter(|stamp| *stamp < began + UNKNOWN)
                    .collect()
            }))
        })
        .expect("they arrive");
    assert!(first.len() >= 2, "{first:?}");
    assert!(
        first.iter().all(|stamp| *stamp >= began),
        "{began}: {first:?}"
    );
}
