//! The loop: when it samples, when it sends, and what it tells the twin.

use std::{boxed::Box, string::String, vec::Vec};

use iothub::{Capacity, Error, Phase};
use iothub_host::{Sensor, Unavailable};
use ncs::board::Event;

use super::{CELL, TIME, World, desired, said, set};
use crate::{client::double, configuration, tracker};

type OnWait = Box<dyn FnMut() + Send>;

/// Begins the loop, and ends it at the wait after these.
fn run(waits: Vec<OnWait>) -> Vec<String> {
    let mut device = Box::new(tracker::Tracker::new());
    go_on(&mut device, waits)
}

fn go_on(device: &mut tracker::Tracker, waits: Vec<OnWait>) -> Vec<String> {
    double::run(waits, || device.run());
    double::calls()
}

fn nothing() -> OnWait {
    Box::new(|| {})
}

/// However early the loop looks again, it is time for a sample.
fn next_sample() -> OnWait {
    then(|| double::with(|double| double.now = (double.now / 20_000 + 1) * 20_000))
}

fn then(what: impl FnMut() + Send + 'static) -> OnWait {
    Box::new(what)
}

fn sent(calls: &[String]) -> Vec<&str> {
    let payloads = calls.iter().filter_map(|call| call.strip_prefix("send "));
    payloads.collect()
}

fn now() -> u64 {
    double::with(|double| double.now)
}

fn deadline() -> u64 {
    double::with(|double| double.deadline.unwrap())
}

const START: u64 = 1_000_000;
const AT_START: &str = "2027-01-15T08:16:40.000Z";

#[test]
fn a_sample_is_sent_at_once_and_the_twin_is_told_of_the_device_and_of_the_newest() {
    let _world = World::new();
    set(&[
        (Sensor::Temperature, 25_300),
        (Sensor::BatteryVoltage, 3_950),
    ]);
    said(|said| said.cell = Some(CELL));
    let calls = run(std::vec![]);
    let ts = TIME + START as i64;
    let network =
        r#""band":6446,"nw":"LTE-M","rsrp":-97,"area":2305,"mccmnc":24201,"cell":33703719"#;
    let [send, device, health, newest] = &calls[..] else {
        panic!("{calls:?}");
    };
    let begin = std::format!(
        r#"send batch temperatureAlert=false {AT_START} {{"env":[{{"v":{{"temp":25.3}},"ts":{ts}}}],"bat":[{{"v":3950,"ts":{ts}}}],"roam":[{{"v":{{{network},"#
    );
    assert!(send.starts_with(&begin), "{send}");
    let begin = r#"report {"dev":{"v":{"imei":"350457790000001","iccid":""#;
    assert!(device.starts_with(begin), "{device}");
    let end = std::format!(r#""brdV":"linux"}},"ts":{ts}}}}}"#);
    assert!(device.ends_with(&end), "{device}");
    assert!(device.contains(r#","modV":""#), "{device}");
    let expected = std::format!(
        r#"report {{"health":{{"v":{{"resetCause":8,"fault":{{"reason":"panic","number":4,"thread":"main"}}}},"ts":{ts}}}}}"#
    );
    assert_eq!(*health, expected);
    let begin = r#"report {"env":{"v":{"temp":25.3,"hum":null,"#;
    assert!(newest.starts_with(begin), "{newest}");
    assert!(
        newest.contains(r#""bat":{"v":3950,"#) && newest.contains(r#""roam":{"#),
        "{newest}"
    );
    assert_eq!(deadline(), START + 20_000);
    assert_eq!(tracker::diagnostics().waiting, 0);
}

#[test]
fn while_the_battery_is_low_what_was_accepted_goes_to_flash() {
    let _world = World::new();
    let flushes = |calls: &[String]| calls.iter().filter(|call| *call == "flush").count();
    set(&[(Sensor::BatteryVoltage, 3_499)]);
    let charged = then(|| set(&[(Sensor::BatteryVoltage, 3_500)]));
    let calls = run(std::vec![nothing(), nothing(), charged, nothing()]);
    assert_eq!(flushes(&calls), 3, "{calls:?}");
    let sent = calls.iter().position(|call| call.starts_with("send "));
    let flushed = calls.iter().position(|call| call == "flush");
    assert!(sent < flushed, "{calls:?}");
}

#[test]
fn samples_come_at_the_interval_and_the_twin_is_told_no_more_often_than_each_minute() {
    let _world = World::new();
    set(&[(Sensor::Temperature, 25_300)]);
    let calls = run((0..6).map(|_| nothing()).collect());
    assert_eq!(sent(&calls).len(), 7);
    assert_eq!(now(), START + 6 * 20_000);
    let reports = calls
        .iter()
        .filter(|call| call.starts_with("report {\"env\""));
    assert_eq!(reports.count(), 3, "at 0, 60 and 120 s: {calls:?}");
    let devices = calls
        .iter()
        .filter(|call| call.contains("\"dev\"") || call.contains("\"health\""));
    assert_eq!(devices.count(), 2);
}

#[test]
fn a_twin_that_cannot_be_told_is_told_later() {
    let _world = World::new();
    set(&[(Sensor::Temperature, 25_300)]);
    double::with(|double| double.report_error = Some(Error::Capacity(Capacity::Outbox)));
    let calls = run(std::vec![then(|| double::with(|double| double
        .report_error =
        None))]);
    let reports: Vec<_> = calls
        .iter()
        .filter(|call| call.starts_with("report"))
        .collect();
    assert_eq!(reports.len(), 3, "{calls:?}");
}

#[test]
fn the_temperature_alert_is_above_thirty_degrees() {
    let _world = World::new();
    for (temperature, alert) in [(30_000, "false"), (30_001, "true"), (-40_000, "false")] {
        set(&[(Sensor::Temperature, temperature)]);
        let calls = run(std::vec![]);
        let begin = std::format!("batch temperatureAlert={alert} ");
        assert!(sent(&calls)[0].starts_with(&begin), "{temperature}");
    }
    said(|said| said.values.clear());
    set(&[(Sensor::BatteryVoltage, 3_950)]);
    let calls = run(std::vec![]);
    assert!(sent(&calls)[0].starts_with("batch 2027-"), "{calls:?}");
    // The hottest of a batch counts.
    configuration::on_desired(&desired(r#"{"cfg":{"upd":30}}"#, 1));
    set(&[(Sensor::Temperature, 31_000)]);
    let cooler = then(|| set(&[(Sensor::Temperature, 20_000)]));
    let mut device = Box::new(tracker::Tracker::new());
    double::calls();
    let calls = go_on(&mut device, std::vec![cooler, nothing(), nothing()]);
    let batches = sent(&calls);
    assert_eq!(batches.len(), 2, "{calls:?}");
    assert!(
        batches[0].starts_with("batch temperatureAlert=true "),
        "{calls:?}"
    );
    assert!(
        batches[1].starts_with("batch temperatureAlert=false "),
        "{calls:?}"
    );
}

#[test]
fn what_is_not_to_be_sampled_is_not() {
    let _world = World::new();
    set(&[
        (Sensor::Temperature, 25_300),
        (Sensor::BatteryVoltage, 3_950),
        (Sensor::BatteryCurrent, 1),
        (Sensor::BatteryTemperature, 1),
        (Sensor::BatteryCharge, 1),
    ]);
    said(|said| said.cell = Some(CELL));
    let kinds = |nod: &str| {
        let patch = std::format!(r#"{{"cfg":{{"nod":{nod}}}}}"#);
        configuration::on_desired(&desired(&patch, 1));
        double::calls();
        tracker::on_board(Event::Impact(900));
        tracker::on_board(Event::Button(2));
        said(|said| said.methods.clear());
        let calls = run(std::vec![]);
        let payload = sent(&calls).first().copied().unwrap_or_default();
        let all = ["env", "bat", "fg", "roam", "btn", "impact"];
        let mut kinds: Vec<_> = all
            .into_iter()
            .filter(|kind| payload.contains(&std::format!("\"{kind}\":[")))
            .collect();
        if said(|said| said.methods.iter().any(|methods| methods.gnss)) {
            kinds.push("gnss");
        }
        kinds
    };
    let all = ["env", "bat", "fg", "roam", "btn", "impact", "gnss"];
    assert_eq!(kinds("[]"), all);
    for left_out in all {
        let expected: Vec<_> = all.into_iter().filter(|kind| *kind != left_out).collect();
        assert_eq!(
            kinds(&std::format!("[\"{left_out}\"]")),
            expected,
            "{left_out}"
        );
    }
}

#[test]
fn a_passive_device_samples_when_it_moves() {
    let _world = World::new();
    set(&[(Sensor::Temperature, 25_300)]);
    configuration::on_desired(&desired(
        r#"{"cfg":{"act":false,"mvres":120,"mvt":3600}}"#,
        1,
    ));
    double::calls();
    let mut device = Box::new(tracker::Tracker::new());
    go_on(&mut device, std::vec![]);
    assert_eq!(deadline(), START + 3_600_000);
    tracker::on_board(Event::Moving);
    assert!(go_on(&mut device, std::vec![]).is_empty());
    assert_eq!(deadline(), START + 120_000);
    assert_eq!(sent(&go_on(&mut device, std::vec![nothing()])).len(), 1);
    tracker::on_board(Event::Still);
    go_on(&mut device, std::vec![]);
    assert_eq!(deadline(), START + 120_000 + 3_600_000);
}

#[test]
fn a_button_and_a_shock_are_sent_at_once_with_a_sample() {
    let _world = World::new();
    configuration::on_desired(&desired(r#"{"cfg":{"upd":600}}"#, 1));
    double::calls();
    let mut device = Box::new(tracker::Tracker::new());
    go_on(&mut device, std::vec![]);
    set(&[(Sensor::Temperature, 25_300)]);
    double::with(|double| double.now += 5_000);
    for strength in [700, 900, 800] {
        tracker::on_board(Event::Impact(strength));
    }
    tracker::on_board(Event::Button(3));
    assert_eq!(
        double::with(|double| double.wakes),
        5,
        "with the configuration's"
    );
    let calls = go_on(&mut device, std::vec![]);
    let ts = TIME + START as i64 + 5_000;
    let end = std::format!(r#""btn":[{{"v":3,"ts":{ts}}}],"impact":[{{"v":9,"ts":{ts}}}]}}"#);
    assert!(sent(&calls)[0].ends_with(&end), "{calls:?}");
    assert!(sent(&calls)[0].contains("\"env\""), "{calls:?}");
    // What happened is told once, and is no state for the twin.
    assert!(
        calls
            .iter()
            .all(|call| !call.starts_with("report") || !call.contains("btn"))
    );
    assert!(go_on(&mut device, std::vec![]).is_empty());
    // Numbers of buttons are those of a byte; the strongest shock there is stays within its type.
    tracker::on_board(Event::Button(300));
    tracker::on_board(Event::Impact(100_000));
    let calls = go_on(&mut device, std::vec![]);
    assert!(
        sent(&calls)[0].contains(r#""impact":[{"v":655.35,"#),
        "{calls:?}"
    );
    assert!(!sent(&calls)[0].contains("btn"), "{calls:?}");
}

#[test]
fn a_method_asks_for_a_sample_or_a_position() {
    let _world = World::new();
    set(&[(Sensor::Temperature, 25_300)]);
    configuration::on_desired(&desired(r#"{"cfg":{"act":false,"upd":600,"loct":45}}"#, 1));
    double::calls();
    let mut device = Box::new(tracker::Tracker::new());
    go_on(&mut device, std::vec![]);
    double::with(|double| double.now += 5_000);
    tracker::sample();
    assert_eq!(sent(&go_on(&mut device, std::vec![])).len(), 1);
    said(|said| said.searches.clear());
    said(|said| said.locate = Some(Ok(())));
    tracker::locate();
    assert!(go_on(&mut device, std::vec![]).is_empty());
    assert_eq!(said(|said| said.searches.clone()), [45]);
    set(&POSITION);
    tracker::on_board(Event::Located(Ok(())));
    let calls = go_on(&mut device, std::vec![]);
    assert!(
        sent(&calls)[0].contains("gnss"),
        "without waiting: {calls:?}"
    );
}

const POSITION: [(Sensor, i32); 6] = [
    (Sensor::Latitude, 500_000_000),
    (Sensor::Longitude, 80_000_000),
    (Sensor::Accuracy, 42),
    (Sensor::Altitude, 281),
    (Sensor::Speed, 0),
    (Sensor::FixAge, 1_000),
];

#[test]
fn what_waits_waits_for_the_position() {
    let _world = World::new();
    set(&[(Sensor::Temperature, 25_300)]);
    said(|said| said.locate = Some(Ok(())));
    let mut device = Box::new(tracker::Tracker::new());
    assert!(go_on(&mut device, std::vec![]).is_empty());
    assert_eq!(said(|said| said.searches.clone()), [60]);
    assert_eq!(tracker::diagnostics().waiting, 1);
    // One search at a time.
    double::with(|double| double.now += 20_000);
    assert!(go_on(&mut device, std::vec![]).is_empty());
    assert_eq!(said(|said| said.searches.len()), 1);
    set(&POSITION);
    tracker::on_board(Event::Located(Ok(())));
    let calls = go_on(&mut device, std::vec![]);
    let ts = TIME + now() as i64 - 1_000;
    let begin = std::format!(
        r#"batch temperatureAlert=false 2027-01-15T08:17:00.000Z {{"gnss":[{{"v":{{"lng":8,"lat":50,"acc":4.2,"alt":28.1,"spd":0}},"ts":{ts}}}],"env":["#
    );
    assert!(sent(&calls)[0].starts_with(&begin), "{calls:?}");
    // A position that nobody searches for is not taken.
    said(|said| said.locate = None);
    tracker::on_board(Event::Located(Ok(())));
    assert!(go_on(&mut device, std::vec![]).is_empty());
}

#[test]
fn a_search_without_a_position_ends() {
    let _world = World::new();
    set(&[(Sensor::Temperature, 25_300)]);
    said(|said| said.locate = Some(Ok(())));
    // Without one.
    let mut device = Box::new(tracker::Tracker::new());
    assert!(go_on(&mut device, std::vec![]).is_empty());
    tracker::on_board(Event::Located(Err(iothub_errno())));
    assert_eq!(sent(&go_on(&mut device, std::vec![])).len(), 1);
    // It says nothing: half a minute after its time it is given up.
    configuration::on_desired(&desired(r#"{"cfg":{"act":false,"mvt":100000}}"#, 1));
    double::calls();
    tracker::sample();
    assert!(go_on(&mut device, std::vec![]).is_empty());
    let end = now() + 60_000 + 30_000;
    assert_eq!(deadline(), end);
    double::with(|double| double.now = end - 1);
    assert!(go_on(&mut device, std::vec![]).is_empty());
    double::with(|double| double.now = end);
    assert_eq!(sent(&go_on(&mut device, std::vec![])).len(), 1);
    // A search that cannot begin is not waited for.
    for answer in [Unavailable::Missing, Unavailable::Broken] {
        said(|said| said.locate = Some(Err(answer)));
        tracker::sample();
        assert_eq!(sent(&go_on(&mut device, std::vec![])).len(), 1);
    }
}

fn iothub_errno() -> ncs::Errno {
    ncs::settings::write(c"", b"x").expect_err("a key of no letter")
}

#[test]
fn a_network_is_told_where_it_is_another_or_after_a_quarter_of_an_hour() {
    let _world = World::new();
    said(|said| said.cell = Some(CELL));
    let mut device = Box::new(tracker::Tracker::new());
    let mut has = |after: u64, cell: iothub_host::Cell| {
        double::with(|double| double.now += after);
        said(|said| said.cell = Some(cell));
        sent(&go_on(&mut device, std::vec![])).len() == 1
    };
    assert!(has(0, CELL));
    assert!(!has(20_000, CELL));
    let louder = iothub_host::Cell { rsrp: -60, ..CELL };
    assert!(!has(20_000, louder), "the same place");
    let other = iothub_host::Cell { id: 5, ..CELL };
    assert!(has(20_000, other));
    assert!(!has(899_999, other));
    assert!(has(20_000, other));
    let area = iothub_host::Cell { area: 5, ..other };
    assert!(has(20_000, area));
    let operator = iothub_host::Cell {
        mccmnc: 26201,
        ..area
    };
    assert!(has(20_000, operator));
}

#[test]
fn batches_leave_together_at_their_time() {
    let _world = World::new();
    set(&[(Sensor::Temperature, 25_300)]);
    configuration::on_desired(&desired(r#"{"cfg":{"upd":60}}"#, 1));
    double::calls();
    let mut device = Box::new(tracker::Tracker::new());
    assert_eq!(
        sent(&go_on(&mut device, std::vec![])).len(),
        1,
        "the first at once"
    );
    let calls = go_on(&mut device, std::vec![nothing(), nothing()]);
    assert!(sent(&calls).is_empty(), "{calls:?}");
    assert_eq!(tracker::diagnostics().waiting, 2);
    let calls = go_on(&mut device, std::vec![nothing()]);
    assert_eq!(sent(&calls).len(), 1);
    assert_eq!(sent(&calls)[0].matches("\"temp\"").count(), 3);
    assert_eq!(tracker::diagnostics().waiting, 0);
}

#[test]
fn what_has_no_time_of_day_waits_for_it_or_until_there_is_hardly_any_room() {
    let _world = World::new();
    set(&[(Sensor::Temperature, 25_300)]);
    said(|said| said.time = None);
    let mut device = Box::new(tracker::Tracker::new());
    assert!(go_on(&mut device, std::vec![]).is_empty());
    assert_eq!(deadline(), START + 20_000, "nothing polls for the time");
    assert!(go_on(&mut device, std::vec![nothing(), nothing()]).is_empty());
    said(|said| said.time = Some(TIME));
    let calls = go_on(&mut device, std::vec![]);
    let batch = sent(&calls)[0];
    for taken in [START, START + 20_000] {
        let ts = std::format!("\"ts\":{}", TIME + taken as i64);
        assert!(batch.contains(&ts), "{ts} in {batch}");
    }
    said(|said| said.time = None);
    let mut device = Box::new(tracker::Tracker::new());
    let room = iothub::READINGS - iothub::READINGS / 4;
    let calls = go_on(&mut device, (1..room - 1).map(|_| next_sample()).collect());
    assert!(calls.is_empty(), "{calls:?}");
    let calls = go_on(&mut device, std::vec![next_sample()]);
    assert!(!sent(&calls).is_empty(), "{calls:?}");
    assert!(
        sent(&calls)[0].starts_with("batch temperatureAlert=false - {"),
        "{calls:?}"
    );
    assert!(!sent(&calls)[0].contains("ts"), "{calls:?}");
}

#[test]
fn readings_wait_while_the_outbox_is_full_and_the_oldest_give_way() {
    let _world = World::new();
    set(&[(Sensor::Temperature, 25_300)]);
    double::with(|double| double.send_error = Some(Error::Capacity(Capacity::Outbox)));
    let mut device = Box::new(tracker::Tracker::new());
    assert!(go_on(&mut device, std::vec![]).is_empty());
    assert_eq!(deadline(), START + 10_000, "it looks again after a while");
    let wakes = double::with(|double| double.wakes);
    tracker::on_room();
    tracker::on_room();
    assert_eq!(double::with(|double| double.wakes), wakes + 1, "once");
    // 10 s between two looks, a sample each other time.
    let waits = 2 * iothub::READINGS + 4;
    assert!(go_on(&mut device, (0..waits).map(|_| nothing()).collect()).is_empty());
    let told = tracker::diagnostics();
    assert_eq!(told.waiting, iothub::READINGS);
    assert!(told.dropped > 0);
    double::with(|double| double.send_error = None);
    let calls = go_on(&mut device, std::vec![]);
    let readings: usize = sent(&calls)
        .iter()
        .map(|batch| batch.matches("\"temp\"").count())
        .sum();
    assert!(
        (iothub::READINGS..=iothub::READINGS + 1).contains(&readings),
        "{readings}"
    );
    assert_eq!(tracker::diagnostics().waiting, 0);
    // What is refused for another reason is not tried for ever.
    double::with(|double| double.send_error = Some(Error::Capacity(Capacity::Message)));
    double::with(|double| double.now += 20_000);
    assert!(sent(&go_on(&mut device, std::vec![])).is_empty());
    assert_eq!(tracker::diagnostics().waiting, 0);
}

#[test]
fn a_restart_sends_what_waits_leaves_the_hub_and_comes() {
    let _world = World::new();
    set(&[(Sensor::Temperature, 25_300)]);
    configuration::on_desired(&desired(r#"{"cfg":{"upd":600}}"#, 1));
    let mut device = Box::new(tracker::Tracker::new());
    go_on(&mut device, std::vec![]);
    double::with(|double| {
        double.now += 20_000;
        double.status.as_mut().unwrap().outbox_used = 5;
    });
    double::calls();
    tracker::restart();
    let empty = then(|| double::with(|double| double.status.as_mut().unwrap().outbox_used = 0));
    let idle = then(|| double::with(|double| double.status.as_mut().unwrap().phase = Phase::Idle));
    let calls = go_on(&mut device, std::vec![nothing(), empty, nothing(), idle]);
    assert_eq!(sent(&calls).len(), 1, "{calls:?}");
    assert_eq!(&calls[calls.len() - 3..], ["disconnect", "flush", "reboot"]);
    assert_eq!(now(), START + 20_000 + 4 * 50);
}

#[test]
fn a_restart_does_not_wait_for_a_hub_that_is_away() {
    let _world = World::new();
    let mut device = Box::new(tracker::Tracker::new());
    go_on(&mut device, std::vec![]);
    double::with(|double| double.status.as_mut().unwrap().outbox_used = 5);
    double::calls();
    tracker::restart();
    let calls = go_on(&mut device, (0..1000).map(|_| nothing()).collect());
    assert_eq!(calls, ["disconnect", "flush", "reboot"]);
    assert_eq!(
        now(),
        START + 5_000 + 3_000,
        "for the outbox, and for the good-bye"
    );
}

#[test]
fn a_plain_text_needs_no_escapes() {
    for (text, expected) in [
        ("mfw_nrf91x1_2.0.1", true),
        (" !#[]~", true),
        ("", false),
        ("a\"b", false),
        ("a\\b", false),
        ("a\nb", false),
        ("\u{7f}", false),
        ("\u{fc}", false),
    ] {
        assert_eq!(tracker::is_plain(text), expected, "{text:?}");
    }
}
