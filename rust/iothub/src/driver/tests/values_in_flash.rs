//! Reports of which the newest counts, and what the application keeps: over power cuts, which are
//! the end of a world.

use super::outbox_in_flash::{connect, losses, run_until_idle, world};
use super::*;
use crate::outbox::{KEPT_SHORT, KEPT_SHORT_MAX};

fn report(world: &World, key: u8, patch: &str) -> Result<(), Error> {
    report_latest(world, key, patch.as_bytes())
}

/// The reports in the transcript, each with its `$rid`.
fn written(world: &World) -> Vec<(String, String)> {
    let transcript = world.transcript();
    let publishes = transcript
        .iter()
        .filter_map(|line| line.strip_prefix("> publish "));
    let rids = world.rids.take();
    publishes
        .map(|line| line.split_once(' ').unwrap().1.into())
        .zip(rids)
        .collect()
}

fn patches(written: &[(String, String)]) -> Vec<&str> {
    written.iter().map(|(patch, _)| patch.as_str()).collect()
}

fn answer(world: &World, driver: &mut Driver<&World>, status: u16, rid: &str) {
    let topic = format!("$iothub/twin/res/{status}/?$rid={rid}&$version=2");
    handle_publish(world, topic.as_bytes(), Some(b""));
    run_until_idle(world, driver);
}

#[test]
fn of_each_key_the_newest_report_outlives_a_power_cut() {
    let flash = Memory::default();
    let first = world(&flash);
    for number in 0..40 {
        report(&first, 0, &format!(r#"{{"a":{number}}}"#)).unwrap();
        report(&first, 1, r#"{"b":1}"#).unwrap();
    }

    let second = world(&flash);
    let mut driver = connect(&second);
    let reports = written(&second);
    assert_eq!(patches(&reports), [r#"{"a":39}"#, r#"{"b":1}"#]);
    answer(&second, &mut driver, 204, &reports[0].1);

    // What the hub has answered is not sent again, and what it has not is.
    let third = world(&flash);
    let mut driver = connect(&third);
    let reports = written(&third);
    assert_eq!(patches(&reports), [r#"{"b":1}"#]);
    answer(&third, &mut driver, 204, &reports[0].1);
    let last = world(&flash);
    connect(&last);
    assert!(written(&last).is_empty());
}

#[test]
fn a_newer_report_than_the_one_on_its_way_is_sent_after_it_and_stays() {
    let flash = Memory::default();
    let first = world(&flash);
    let mut driver = connect(&first);
    report(&first, 3, r#"{"a":1}"#).unwrap();
    run_until_idle(&first, &mut driver);
    let older = written(&first);
    report(&first, 3, r#"{"a":2}"#).unwrap();
    answer(&first, &mut driver, 204, &older[0].1);
    let newer = written(&first);
    assert_eq!(patches(&newer), [r#"{"a":2}"#]);

    let second = world(&flash);
    let mut driver = connect(&second);
    let again = written(&second);
    assert_eq!(patches(&again), [r#"{"a":2}"#]);
    answer(&second, &mut driver, 204, &again[0].1);
    assert!(written(&second).is_empty());
}

#[test]
fn what_the_hub_has_no_time_for_is_sent_again_and_what_it_refuses_is_not() {
    let flash = Memory::default();
    let world_ = world(&flash);
    let mut driver = connect(&world_);
    report(&world_, 0, r#"{"a":1}"#).unwrap();
    for status in [429, 503] {
        run_until_idle(&world_, &mut driver);
        let reports = written(&world_);
        assert_eq!(patches(&reports), [r#"{"a":1}"#], "before {status}");
        answer(&world_, &mut driver, status, &reports[0].1);
        assert!(written(&world_).is_empty(), "not at once");
        world_.passes(Duration::from_secs(30));
    }
    run_until_idle(&world_, &mut driver);
    let reports = written(&world_);
    assert_eq!(losses(&world_).reports, 0);
    answer(&world_, &mut driver, 400, &reports[0].1);
    world_.passes(Duration::from_secs(60));
    run_until_idle(&world_, &mut driver);
    assert!(written(&world_).is_empty());
    assert_eq!(losses(&world_).reports, 1);
    let second = world(&flash);
    connect(&second);
    assert!(written(&second).is_empty());
}

#[test]
fn a_stored_report_that_this_build_cannot_send_is_counted_and_holds_up_no_other() {
    let flash = Memory::new(4096, 4);
    let first = world(&flash);
    let large = format!(r#"{{"a":"{:<300}"}}"#, "");
    report(&first, 0, &large).unwrap();
    report(&first, 1, r#"{"b":1}"#).unwrap();

    let second = World::new(false, |config| config.limits.transmit = 300);
    second.outbox.replace(FlashOutbox::new(flash.clone()));
    (&second).with_outbox(|outbox| outbox.mount(&second, 1));
    let mut driver = connect(&second);
    let reports = written(&second);
    assert_eq!(patches(&reports), [r#"{"b":1}"#]);
    assert_eq!(losses(&second).reports, 1);
    answer(&second, &mut driver, 204, &reports[0].1);
    assert_eq!(losses(&second).reports, 1);
    let status = second.with_outbox(|outbox| outbox.status(&second));
    assert!(format!("{status}").contains(", reports 1;"), "{status}");

    // It is gone for good, for a build that could send it as well.
    let third = world(&flash);
    connect(&third);
    assert!(written(&third).is_empty());
}

#[test]
fn what_the_application_keeps_is_there_after_a_power_cut() {
    let flash = Memory::default();
    let first = world(&flash);
    let keep = |world: &World, key, value: &[u8]| {
        world.with_outbox(|outbox| outbox.keep(world, key, value))
    };
    let kept =
        |world: &World, key| world.with_outbox(|outbox| outbox.kept(key, &mut [0; 8]).to_vec());
    for number in 0..200_u32 {
        keep(&first, 0, &number.to_le_bytes()).unwrap();
    }
    keep(&first, 1, b"longer than the buffer").unwrap();
    report(&first, 0, "{}").unwrap();
    let too_large = Err(Error::Capacity(Capacity::Message));
    assert_eq!(keep(&first, 4, b"no key"), too_large);
    assert_eq!(keep(&first, 0, &[0; 200]), too_large);
    keep(&first, KEPT_SHORT, &[9; KEPT_SHORT_MAX]).unwrap();
    let longer = [0; KEPT_SHORT_MAX + 1];
    assert_eq!(keep(&first, KEPT_SHORT, &longer), too_large);
    assert_eq!(keep(&first, KEPT_SHORT + 1, b"no key"), too_large);
    let second = world(&flash);
    assert_eq!(kept(&second, 0), 199_u32.to_le_bytes());
    assert_eq!(kept(&second, 1), b"longer t");
    assert_eq!(kept(&second, 4), b"", "a report is none of them");
    assert_eq!(kept(&second, KEPT_SHORT), [9; 8]);
    keep(&second, 0, b"").unwrap();
    assert_eq!(kept(&world(&flash), 0), b"");
}

#[test]
fn without_the_outbox_in_flash_the_newest_report_is_kept_in_ram() {
    let world = World::new(false, |_| {});
    for number in 0..40 {
        report(&world, 0, &format!(r#"{{"a":{number}}}"#)).unwrap();
    }
    assert_eq!(
        report(&world, 4, "{}"),
        Err(Error::Capacity(Capacity::Message))
    );
    assert_eq!(
        report(&world, 0, "no object"),
        Err(Error::InvalidRequest(iothub_proto::InvalidRequest::Patch))
    );
    world.passes(Duration::from_secs(3600));
    let mut driver = connect(&world);
    run_until_idle(&world, &mut driver);
    assert_eq!(patches(&written(&world)), [r#"{"a":39}"#]);
    let keep = world.with_outbox(|outbox| outbox.keep(&world, 0, b"1"));
    assert_eq!(keep, Err(Error::NotReady));
}
