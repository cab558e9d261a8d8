//! `cfg` and `telemetryInterval`: what the twin desires, what the device's own settings say, and
//! what is reported.

use std::{format, string::String, time::Duration};

use iothub::twin::{Desired, Document};

use super::{World, desired, said, setting};
use crate::{client::double, configuration, interval};

/// What is reported of a configuration.
fn cfg(members: &str, ac: u16, av: u64, ad: &str) -> String {
    format!(r#"report {{"cfg":{{{members},"value":{{{members}}},"ac":{ac},"av":{av},"ad":{ad}}}}}"#)
}

fn members(actwt: u32, mvt: u32) -> String {
    format!(
        r#""act":true,"actwt":{actwt},"mvres":120,"mvt":{mvt},"loct":60,"accath":4,"accith":2,"accito":60,"nod":[],"upd":0,"led":true,"log":{}"#,
        iothub::LOG_LEVEL as u8
    )
}

fn own_interval() -> u32 {
    iothub::TELEMETRY_INTERVAL.as_secs() as u32
}

fn twin(json: &str, version: u64) {
    let document = Document {
        request: iothub::RequestId::new(1),
        version,
        json: json.as_bytes(),
    };
    interval::on_twin(&document);
    configuration::on_twin(&document);
}

#[test]
fn a_change_takes_effect_is_stored_and_is_acknowledged_with_its_version() {
    let _world = World::new();
    let patch = r#"{"cfg":{"actwt":30,"mvt":100}}"#;
    configuration::on_desired(&desired(patch, 7));
    assert_eq!(double::calls(), [cfg(&members(30, 100), 200, 7, "null")]);
    let now = configuration::current();
    assert_eq!(now.active_wait, Duration::from_secs(30));
    assert_eq!(
        setting("iothub/cfg").as_deref(),
        Some(r#"{"actwt":30,"mvt":100}"#)
    );
    assert_eq!(
        double::with(|double| double.wakes),
        1,
        "the loop looks at it"
    );

    // The same again changes nothing, and is acknowledged.
    configuration::on_desired(&desired(patch, 8));
    assert_eq!(double::calls(), [cfg(&members(30, 100), 200, 8, "null")]);
    assert_eq!(double::with(|double| double.wakes), 1);

    // What is not named stays; what is wrong is named.
    configuration::on_desired(&desired(r#"{"cfg":{"actwt":40,"mvt":0}}"#, 9));
    let remark = r#""mvt is 1 to 2147483647 s""#;
    assert_eq!(double::calls(), [cfg(&members(40, 100), 400, 9, remark)]);
    configuration::on_desired(&desired(r#"{"cfg":5}"#, 10));
    assert_eq!(
        double::calls(),
        [cfg(&members(40, 100), 400, 10, r#""cfg is an object""#)]
    );
    // Other properties say nothing.
    configuration::on_desired(&desired(r#"{"other":{"cfg":{"actwt":1}}}"#, 11));
    assert!(double::calls().is_empty());

    // After a restart.
    configuration::load();
    assert_eq!(
        configuration::current().active_wait,
        Duration::from_secs(40)
    );

    // Taken back: the build's own, of which no version is told.
    configuration::on_desired(&desired(r#"{"cfg":null}"#, 12));
    assert_eq!(
        double::calls(),
        [cfg(&members(own_interval(), 3600), 203, 0, "null")]
    );
    assert_eq!(setting("iothub/cfg"), None);
}

#[test]
fn the_longest_configuration_is_acknowledged() {
    let _world = World::new();
    let members = r#""act":false,"actwt":2147483647,"mvres":2147483647,"mvt":2147483647,"loct":2147483647,"accath":78.453,"accith":77.453,"accito":5242.877,"nod":["gnss","ncell","wifi","env","bat","fg","roam","btn","impact"],"upd":86400,"led":false,"log":0"#;
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let more: String = names.map(|name| format!(r#","{name}":1"#)).concat();
    let patch = format!(r#"{{"cfg":{{{members}{more}}}}}"#);
    configuration::on_desired(&desired(&patch, u64::MAX));
    let remark = names.map(|name| format!("{name} is not known")).join("; ");
    let remark = format!("\"{remark}\"");
    assert_eq!(double::calls(), [cfg(members, 200, u64::MAX, &remark)]);
}

#[test]
fn a_whole_twin_takes_away_what_it_does_not_name_and_what_is_reported_is_not_reported_again() {
    let _world = World::new();
    configuration::on_desired(&desired(r#"{"cfg":{"actwt":30,"mvt":100}}"#, 7));
    double::calls();
    twin(
        r#"{"desired":{"cfg":{"mvt":100},"$version":9},"reported":{"$version":1}}"#,
        9,
    );
    let own = own_interval();
    assert_eq!(double::calls(), [cfg(&members(own, 100), 200, 9, "null")]);

    // The hub has it: silence.
    let reported = members(own, 100);
    let known = |actwt: u32, ac: u16, av: u64| {
        let flat = members(actwt, 100);
        format!(
            r#"{{"desired":{{"cfg":{{"mvt":100}},"$version":9}},"reported":{{"cfg":{{{flat},"value":{{{reported}}},"ac":{ac},"av":{av},"ad":null}},"$version":2}}}}"#
        )
    };
    twin(&known(own, 200, 9), 9);
    assert!(double::calls().is_empty());
    // Anything of it otherwise: reported.
    for other in [
        known(own + 1, 200, 9),
        known(own, 400, 9),
        known(own, 200, 8),
    ] {
        twin(&other, 9);
        assert_eq!(
            double::calls(),
            [cfg(&members(own, 100), 200, 9, "null")],
            "{other}"
        );
    }
    let value =
        known(own, 200, 9).replacen("\"value\":{\"act\":true", "\"value\":{\"act\":false", 1);
    twin(&value, 9);
    assert_eq!(
        double::calls(),
        [cfg(&members(own, 100), 200, 9, "null")],
        "{value}"
    );

    // Removed while the device was away.
    twin(
        r#"{"desired":{"$version":10},"reported":{"$version":3}}"#,
        10,
    );
    assert_eq!(double::calls(), [cfg(&members(own, 3600), 203, 0, "null")]);
    twin(
        r#"{"desired":{"cfg":null,"$version":10},"reported":{"$version":3}}"#,
        10,
    );
    assert_eq!(double::calls(), [cfg(&members(own, 3600), 203, 0, "null")]);

    // What excludes one another once the rest is gone.
    twin(
        r#"{"desired":{"cfg":{"mvres":6000,"accito":5000}},"reported":{}}"#,
        11,
    );
    double::calls();
    twin(r#"{"desired":{"cfg":{"accito":5000}},"reported":{}}"#, 12);
    let [report] = &double::calls()[..] else {
        panic!("one report")
    };
    assert!(report.contains(r#""ac":400,"av":12"#), "{report}");
}

#[test]
fn the_devices_own_configuration_stands_behind_the_twins() {
    let _world = World::new();
    let store = |json: &str| {
        let mut remarks = configuration::Remarks::new();
        let stored = configuration::store(&iothub::twin::View::new(json.as_bytes()), &mut remarks);
        (stored.is_ok(), String::from(remarks.as_str()))
    };
    assert_eq!(store(r#"{"mvt":500}"#), (true, String::new()));
    assert_eq!(
        double::calls(),
        [cfg(&members(own_interval(), 500), 203, 0, "null")]
    );
    assert_eq!(setting("iothub/cfg_own").as_deref(), Some(r#"{"mvt":500}"#));
    configuration::on_desired(&desired(r#"{"cfg":{"mvt":100}}"#, 7));
    assert_eq!(
        configuration::current().movement_timeout,
        Duration::from_secs(100)
    );
    configuration::load();
    assert_eq!(
        configuration::current().movement_timeout,
        Duration::from_secs(100)
    );
    configuration::on_desired(&desired(r#"{"cfg":null}"#, 8));
    assert_eq!(
        configuration::current().movement_timeout,
        Duration::from_secs(500)
    );
    double::calls();

    // Nothing of what is wrong in part.
    assert_eq!(store("{}"), (false, String::new()));
    assert_eq!(
        store(r#"{"mvt":9,"mvx":1}"#),
        (false, "mvx is not known".into())
    );
    assert!(!store(r#"{"mvt":9,"led":1}"#).0);
    assert_eq!(
        configuration::current().movement_timeout,
        Duration::from_secs(500)
    );
    assert!(double::calls().is_empty());

    // Settings that cannot be written: nothing counts.
    let folder = super::data().join("settings");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "").unwrap();
    let mut remarks = configuration::Remarks::new();
    let view = iothub::twin::View::new(br#"{"mvt":9}"#);
    let stored = configuration::store(&view, &mut remarks);
    assert!(matches!(stored, Err(configuration::StoreError::Settings)));
    assert_eq!(
        configuration::current().movement_timeout,
        Duration::from_secs(500)
    );
    assert!(double::calls().is_empty());
    std::fs::remove_file(&folder).unwrap();
}

#[test]
fn a_damaged_setting_counts_as_far_as_it_is_right() {
    let _world = World::new();
    ncs::settings::write(c"iothub/cfg", br#"{"mvt":900,"led":7}"#).unwrap();
    ncs::settings::write(c"iothub/cfg_own", br#"{"loct":9}"#).unwrap();
    configuration::load();
    let now = configuration::current();
    assert_eq!(now.movement_timeout, Duration::from_secs(900));
    assert_eq!(now.location_timeout, Duration::from_secs(9));
    assert!(now.led);
}

#[test]
fn a_led_that_is_forbidden_goes_out_and_the_log_follows_its_level() {
    let _world = World::new();
    configuration::on_desired(&desired(r#"{"cfg":{"mvt":7}}"#, 1));
    assert!(said(|said| said.led.is_empty()));
    configuration::on_desired(&desired(r#"{"cfg":{"led":false,"log":1}}"#, 2));
    assert_eq!(said(|said| said.led.clone()), [false]);
    assert_eq!(log::max_level(), log::LevelFilter::Error);
    configuration::on_desired(&desired(r#"{"cfg":{"log":0}}"#, 3));
    assert_eq!(log::max_level(), log::LevelFilter::Off);
    configuration::on_desired(&desired(r#"{"cfg":null}"#, 4));
    assert_eq!(log::max_level(), iothub::LOG_LEVEL);
}

/// What is reported of the interval.
fn reported(value: u32, ac: u16, av: u64, ad: &str) -> String {
    format!(r#"report {{"telemetryInterval":{{"value":{value},"ac":{ac},"av":{av},"ad":{ad}}}}}"#)
}

fn interval_of(patch: &str, version: u64) -> std::vec::Vec<String> {
    interval::on_desired(&Desired {
        version,
        patch: patch.as_bytes(),
    });
    double::calls()
}

#[test]
fn the_desired_interval_goes_before_the_own() {
    let _world = World::new();
    let own = own_interval();
    assert_eq!(
        interval_of(r#"{"telemetryInterval":5}"#, 3),
        [reported(5, 200, 3, "null")]
    );
    assert_eq!(interval::current(), Duration::from_secs(5));
    assert_eq!(configuration::current().active_wait, Duration::from_secs(5));
    assert_eq!(double::with(|double| double.wakes), 1);
    let reason = r#""telemetryInterval is 1 to 86400 seconds""#;
    assert_eq!(
        interval_of(r#"{"telemetryInterval":0}"#, 4),
        [reported(5, 400, 4, reason)]
    );
    assert!(interval_of(r#"{"other":1}"#, 5).is_empty());
    assert_eq!(interval::current(), Duration::from_secs(5));

    // The own one is stored, and waits behind the desired one.
    interval::store(9).unwrap();
    assert!(double::calls().is_empty());
    assert_eq!(setting("iothub/telemetry_interval").as_deref(), Some("9"));
    assert_eq!(
        interval_of(r#"{"telemetryInterval":null}"#, 6),
        [reported(9, 203, 0, "null")]
    );
    assert!(
        interval_of(r#"{"telemetryInterval":null}"#, 7).is_empty(),
        "nothing changes"
    );
    // Without a desired one it counts at once.
    interval::store(own).unwrap();
    assert_eq!(double::calls(), [reported(own, 203, 0, "null")]);
    interval::store(own).unwrap();
    assert!(double::calls().is_empty(), "nothing changes");
    // As the shell has written it.
    ncs::settings::write(c"iothub/telemetry_interval", b"77").unwrap();
    let wakes = double::with(|double| double.wakes);
    interval::load();
    assert_eq!(interval::current(), Duration::from_secs(77));
    assert_eq!(double::with(|double| double.wakes), wakes + 1);
    interval::load();
    assert_eq!(double::with(|double| double.wakes), wakes + 1);
}

#[test]
fn a_whole_twin_without_an_interval_takes_the_desired_one_away() {
    let _world = World::new();
    let own = own_interval();
    let of = |json: &str, version| {
        interval::on_twin(&Document {
            request: iothub::RequestId::new(1),
            version,
            json: json.as_bytes(),
        });
        double::calls()
    };
    let desired = r#"{"desired":{"telemetryInterval":5,"$version":2},"reported":{}}"#;
    assert_eq!(of(desired, 2), [reported(5, 200, 2, "null")]);
    let removed = r#"{"desired":{"$version":3},"reported":{"telemetryInterval":{"value":5}}}"#;
    assert_eq!(of(removed, 3), [reported(own, 203, 0, "null")]);
    // The hub still believes 5: told again. Once it knows, silence.
    assert_eq!(of(removed, 3), [reported(own, 203, 0, "null")]);
    let known =
        format!(r#"{{"desired":{{}},"reported":{{"telemetryInterval":{{"value":{own}}}}}}}"#);
    assert!(of(&known, 4).is_empty());
    assert!(of(r#"{"desired":{},"reported":{}}"#, 4).is_empty());
}
