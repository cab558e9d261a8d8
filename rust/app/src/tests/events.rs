//! Events go to who they are for.

use iothub::{Event, MessageId, firmware, twin::Desired};

use super::{World, desired};
use crate::{client::double, configuration, firmware as update, interval, on_event};

const INTERVAL: &str = r#"{"telemetryInterval":5,"cfg":{"mvt":77}}"#;

#[test]
fn a_desired_patch_goes_to_the_interval_and_to_the_configuration() {
    let _world = World::new();
    on_event(Event::Desired(Desired {
        version: 4,
        patch: INTERVAL.as_bytes(),
    }));
    assert_eq!(double::calls().len(), 2);
    assert_eq!(interval::current().as_secs(), 5);
    assert_eq!(configuration::current().movement_timeout.as_secs(), 77);
}

#[test]
fn a_whole_twin_goes_to_both_as_well() {
    let _world = World::new();
    let json = std::format!(r#"{{"desired":{INTERVAL},"reported":{{}}}}"#);
    on_event(Event::Twin(iothub::twin::Document {
        request: iothub::RequestId::new(1),
        version: 4,
        json: json.as_bytes(),
    }));
    assert_eq!(double::calls().len(), 2);
    assert_eq!(interval::current().as_secs(), 5);
    assert_eq!(configuration::current().movement_timeout.as_secs(), 77);
}

#[test]
fn what_waits_for_an_update_looks_at_each_event_whether_the_radio_is_on() {
    let _world = World::new();
    let wakes = || double::with(|double| double.wakes);
    on_event(Event::Sent(MessageId::new(1)));
    assert_eq!(wakes(), 0, "nothing waits");
    configuration::on_desired(&desired(r#"{"cfg":{"upd":600}}"#, 1));
    let before = wakes();
    on_event(Event::Sent(MessageId::new(1)));
    assert_eq!(wakes(), before + 1);
}

#[test]
fn the_log_knows_how_far_an_update_is() {
    let _world = World::new();
    if !iothub::FOTA {
        return;
    }
    on_event(Event::Firmware(firmware::Event::Started));
    let told = |offset| {
        on_event(Event::Firmware(firmware::Event::Progress {
            offset,
            size: 1000,
        }));
        update::told()
    };
    assert_eq!([told(99), told(250), told(100), told(1000)], [0, 2, 2, 10]);
    on_event(Event::Firmware(firmware::Event::Started));
    assert_eq!(update::told(), 0);
}

#[test]
fn a_device_is_held_until_it_leaves_the_first_phase() {
    let _world = World::new();
    assert!(!crate::is_idle());
    double::with(|double| double.status.as_mut().unwrap().phase = iothub::Phase::Idle);
    assert!(crate::is_idle());
    double::with(|double| double.status = None);
    assert!(!crate::is_idle());
}
