//! The watchdog bites for the driver's thread, too, and `diagnostics` names it after the restart;
//! an unknown fault is refused.

use std::time::Duration;

use iothub_demo::{DEVICE_ID, DeviceOptions};
use serde_json::json;

use crate::support::{TIMEOUT, World, quick};

/// Longer than a connect takes on a machine that is very busy.
const WATCHDOG: Duration = Duration::from_secs(20);

#[test]
fn a_driver_that_hangs_is_restarted() {
    let mut world = World::new();
    let lines = world.start_with(DeviceOptions {
        watchdog: WATCHDOG,
        ..quick()
    });
    world.connected(&lines);
    let rest = world.bench.rest();
    let fault = |kind| {
        rest.until("an answer", TIMEOUT, |rest| {
            let (http, answer) = rest.method(DEVICE_ID, "fault", &json!(kind))?;
            Ok((http == 200).then(|| answer["status"].clone()))
        })
    };
    assert_eq!(fault("nothing").expect("answered"), 400);
    assert_eq!(fault("hang-driver").expect("answered"), 202);
    let found = rest.until("the fault", TIMEOUT, |rest| {
        let (_, answer) = rest.method(DEVICE_ID, "diagnostics", &json!(null))?;
        let fault = &answer["payload"]["fault"];
        Ok(fault.is_object().then(|| fault.clone()))
    });
    let expected = json!({ "reason": "watchdog", "thread": "iothub" });
    assert_eq!(found.expect("told"), expected);
}
