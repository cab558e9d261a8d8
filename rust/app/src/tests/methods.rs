//! Direct methods.

use std::string::String;

use super::{World, said, set, setting};
use crate::{client::double, configuration, methods};

fn call(name: &str, payload: &str) -> (i32, String) {
    let mut buffer = [0; 1280];
    let (status, answer) = methods::answer(name, None, payload.as_bytes(), &mut buffer);
    (status, String::from_utf8(answer.to_vec()).unwrap())
}

#[test]
fn the_led_is_switched_unless_the_configuration_forbids_it() {
    let _world = World::new();
    assert_eq!(call("led", " 1\n"), (200, r#"{"led":1}"#.into()));
    assert_eq!(call("led", "0"), (200, r#"{"led":0}"#.into()));
    for wrong in ["", "2", "true", "10"] {
        assert_eq!(call("led", wrong).0, 400, "{wrong}");
    }
    assert_eq!(said(|said| core::mem::take(&mut said.led)), [true, false]);
    configuration::on_desired(&super::desired(r#"{"cfg":{"led":false}}"#, 1));
    said(|said| said.led.clear());
    assert_eq!(call("led", "1").0, 409);
    assert_eq!(call("led", "0").0, 200);
    assert_eq!(said(|said| said.led.clone()), [false]);
}

#[test]
fn a_buzz_has_a_length() {
    let _world = World::new();
    for right in ["1", "10000", " 250 "] {
        assert_eq!(
            call("buzz", right),
            (200, r#"{"buzz":"under way"}"#.into()),
            "{right}"
        );
    }
    for wrong in ["0", "10001", "-1", "1.5", "", "long"] {
        assert_eq!(call("buzz", wrong).0, 400, "{wrong}");
    }
}

#[test]
fn a_method_that_is_not_there_and_one_of_a_component_are_not_found() {
    let _world = World::new();
    let unknown = r#"{"error":"no such method"}"#;
    assert_eq!(call("dance", ""), (404, unknown.into()));
    let mut buffer = [0; 1280];
    let answer = methods::answer("led", Some("lamp"), b"1", &mut buffer);
    assert_eq!(answer, (404, unknown.as_bytes()));
    assert!(said(|said| said.led.is_empty()));
}

#[test]
fn config_stores_an_interval_or_fields_and_names_what_is_wrong() {
    let _world = World::new();
    let stored = (200, r#"{"stored":"telemetryInterval"}"#.into());
    assert_eq!(call("config", r#"{"telemetryInterval":60}"#), stored);
    assert_eq!(setting("iothub/telemetry_interval").as_deref(), Some("60"));
    for wrong in [
        r#"{"telemetryInterval":0}"#,
        r#"{"telemetryInterval":60,"mvt":5}"#,
    ] {
        assert_eq!(call("config", wrong).0, 400, "{wrong}");
    }
    assert_eq!(setting("iothub/telemetry_interval").as_deref(), Some("60"));
    assert_eq!(
        call("config", r#"{"mvt":5}"#),
        (200, r#"{"stored":"cfg"}"#.into())
    );
    assert_eq!(setting("iothub/cfg_own").as_deref(), Some(r#"{"mvt":5}"#));
    let error = r#"{"error":"mvt is 1 to 2147483647 s"}"#;
    assert_eq!(call("config", r#"{"mvt":0}"#), (400, error.into()));
    let error = r#"{"error":"no field is named"}"#;
    assert_eq!(call("config", "{}"), (400, error.into()));
    let folder = super::data().join("settings");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "").unwrap();
    assert_eq!(call("config", r#"{"mvt":5}"#).0, 507);
    assert_eq!(call("config", r#"{"telemetryInterval":60}"#).0, 507);
    std::fs::remove_file(&folder).unwrap();
}

#[test]
fn diagnostics_have_counters_and_the_configuration() {
    let _world = World::new();
    set(&[(iothub_host::Sensor::Temperature, 99_000)]);
    crate::measure::environment();
    double::with(|double| {
        let counters = &mut double.status.as_mut().unwrap().counters;
        (counters.connects, counters.connected) = (11, 12);
        (counters.accepted, counters.acknowledged) = (13, 14);
        (counters.resent, counters.dropped) = (15, 16);
        (counters.bytes_sent, counters.bytes_received) = (17, 18);
        double.status.as_mut().unwrap().outbox_used = 19;
    });
    let (status, answer) = call("diagnostics", "");
    assert_eq!(status, 200);
    let head = r#"{"uptime":1000,"time":"2027-01-15T08:16:40.000Z","resetCause":8,"connects":11,"connected":12,"accepted":13,"acknowledged":14,"resent":15,"dropped":16,"bytesSent":17,"bytesReceived":18,"outbox":19,"#;
    assert!(answer.starts_with(head), "{answer}");
    let tail = r#""sensorsFailing":1,"cfg":{"act":true,"actwt":20,"#;
    assert!(answer.contains(tail), "{answer}");
    assert!(
        answer.contains(r#","radio":{"#) && answer.ends_with("}}"),
        "{answer}"
    );
    assert_eq!(answer.matches('{').count(), answer.matches('}').count());
    double::with(|double| double.status = None);
    assert_eq!(call("diagnostics", "").0, 503);
}

#[test]
fn what_is_under_way_is_accepted() {
    let _world = World::new();
    assert_eq!(
        call("sample", ""),
        (202, r#"{"sample":"under way"}"#.into())
    );
    assert_eq!(
        call("locate", ""),
        (202, r#"{"position":"searched for"}"#.into())
    );
    assert_eq!(
        call("reboot", ""),
        (202, r#"{"reboot":"under way"}"#.into())
    );
    assert_eq!(call("coredump", "").0, 404);
    assert_eq!(
        double::with(|double| double.wakes),
        2,
        "for the sample and the search"
    );
}

#[test]
fn a_restart_begins_once_it_is_answered() {
    let _world = World::new();
    for (name, status) in [("reboot", 400), ("sample", 202)] {
        methods::answered(name, status);
    }
    assert_eq!(double::with(|double| double.wakes), 0);
    methods::answered("reboot", 202);
    let mut device = std::boxed::Box::new(crate::tracker::Tracker::new());
    let nothing = || -> std::boxed::Box<dyn FnMut() + Send> { std::boxed::Box::new(|| {}) };
    double::run((0..1000).map(|_| nothing()).collect(), || device.run());
    assert_eq!(double::calls().last().map(String::as_str), Some("reboot"));
}

#[test]
fn faults_are_asked_for_by_name() {
    use ncs::board::TestFault;
    let _world = World::new();
    for (name, expected) in [
        ("hang", Some(TestFault::Hang)),
        ("panic", Some(TestFault::Panic)),
        ("memory", Some(TestFault::Memory)),
    ] {
        let answer = methods::fault(std::format!("\"{name}\"").as_bytes());
        assert_eq!(answer, (202, &br#"{"fault":"under way"}"#[..]), "{name}");
        assert_eq!(crate::tracker::asked_fault(), expected);
    }
    assert_eq!(methods::fault(b"\"hang-driver\"").0, 202);
    assert_eq!(methods::fault(b"hang").0, 400);
    assert_eq!(crate::tracker::asked_fault(), None);
}

#[test]
fn what_the_outbox_in_flash_holds_is_told_in_full() {
    let mut status = iothub::OutboxStatus::default();
    (status.store.depth, status.store.high, status.store.dropped) = (1, 2, 4);
    (status.store.damaged, status.store.foreign) = (7, 8);
    (status.store.sectors, status.store.erases) = ((10, 11), (12, 13));
    status.oldest = Some(core::time::Duration::from_secs(3));
    (
        status.losses.expired,
        status.losses.too_large,
        status.losses.refused,
        status.losses.reports,
    ) = (5, 6, 9, 14);
    let mut text = String::new();
    methods::write_stored(&mut text, &status).unwrap();
    assert_eq!(
        text,
        r#","stored":{"depth":1,"alarms":2,"oldest":3,"room":4,"expired":5,"tooLarge":6,"damaged":7,"foreign":8,"refused":9,"reports":14,"sectors":[10,11],"erases":[12,13]}"#
    );
}
