//! Which job is a new one, which takes the place of another, and which is taken back.

use super::*;

#[test]
fn another_job_takes_the_place_of_the_one_under_way() {
    let mut bench = Bench::new(|_| {});
    bench.desired(JOB);
    bench.log.clear();
    // Its id begins with the first one's, which Nordic's library takes for the same job.
    bench.desired(&JOB.replace("j1", "j10").replace("2.0.0", "3.0.0"));
    bench.says(&["> cancel", "> report downloading"]);
    assert!(
        bench
            .last_report
            .contains(r#""pendingFwVersion":"3.0.0","jobId":"j10""#)
    );
    bench.act(Updater::handle_stopped);
    bench.says(&[
        "* Started",
        "> start https://fw.example/app.bin",
        "> report downloading",
    ]);
    // And so does a third one while the second is being stopped.
    bench.desired(&JOB.replace("j1", "j2").replace("2.0.0", "4.0.0"));
    bench.desired(&JOB.replace("j1", "j3").replace("2.0.0", "5.0.0"));
    bench.log.clear();
    bench.act(|updater, now| updater.handle_failed(now, Reason::TRANSFER));
    assert_eq!(bench.log[0], "* Started");
    assert!(bench.last_report.contains(r#""jobId":"j3""#));
}

#[test]
fn the_same_image_under_another_job_goes_on() {
    let mut bench = Bench::new(|_| {});
    bench.desired(JOB);
    bench.act(|updater, now| updater.handle_progress(now, 500, 2000));
    bench.log.clear();
    bench.desired(&JOB.replace("j1", "j2"));
    bench.says(&["> report downloading"]);
    assert!(bench.last_report.contains(r#""jobId":"j2""#));
}

#[test]
fn null_and_a_document_without_it_cancel() {
    for whole in [false, true] {
        let mut bench = Bench::new(|_| {});
        bench.desired(JOB);
        bench.log.clear();
        if whole {
            bench.twin("", "");
        } else {
            bench.desired("null");
        }
        bench.says(&["* Cancelled", "> cancel"]);
        bench.act(Updater::handle_stopped);
        bench.says(&["> report current"]);
        // A cancelled job may be begun again.
        bench.desired(JOB);
        assert_eq!(bench.log[0], "* Started");
    }
}

/// The platform is stopped only where it has begun, or is about to.
#[test]
fn a_job_that_is_taken_back_before_it_begins_stops_nothing() {
    fn desired(firmware: &str) -> (u64, String) {
        (3, format!(r#"{{"firmware":{firmware},"$version":3}}"#))
    }
    fn handle(updater: &mut Updater, now: Instant, firmware: &str) {
        let (version, patch) = desired(firmware);
        let patch = patch.as_bytes();
        updater.handle_desired(now, &twin::Desired { version, patch });
    }
    let mut bench = Bench::new(|_| {});
    bench.act(|updater, now| {
        handle(updater, now, JOB);
        handle(updater, now, "null");
    });
    assert!(
        !bench.log.iter().any(|line| line == "> cancel"),
        "{:?}",
        bench.log
    );
    assert!(
        !bench.log.iter().any(|line| line.starts_with("> start")),
        "{:?}",
        bench.log
    );

    // While the call is being made.
    let mut bench = Bench::new(|_| {});
    let now = bench.now;
    handle(&mut bench.updater, now, JOB);
    let mut buffer = [0; COMMAND_MAX];
    loop {
        while bench.updater.poll_event().is_some() {}
        match bench.updater.poll_command(&mut buffer) {
            Some(Command::Start(_)) => break,
            Some(Command::Report(_)) => {
                bench.updater.accepted(RequestId::new(1));
                bench.updater.complete(now, Ok(()));
            }
            Some(_) => bench.updater.complete(now, Ok(())),
            None => panic!("nothing is started"),
        }
    }
    handle(&mut bench.updater, now, "null");
    bench.updater.complete(now, Ok(()));
    bench.drain();
    assert!(
        bench.log.iter().any(|line| line == "> cancel"),
        "{:?}",
        bench.log
    );
}

/// Job `j1` has failed, and its record is stored.
fn failed() -> Bench {
    let mut bench = Bench::new(|_| {});
    bench.desired(JOB);
    bench.act(|updater, now| updater.handle_failed(now, Reason::IMAGE));
    assert_eq!(
        progress(&bench.stored),
        "Ended(not an image for this device)"
    );
    bench.log.clear();
    bench
}

/// A boot with that desired object: what it reports, where the twin has another job's error.
fn reports_after_boot(bench: &Bench, desired: &str) -> String {
    let mut bench = bench.reboot("1.0.0", true);
    bench.twin(
        desired,
        r#""firmware":{"fwUpdateStatus":"error","currentFwVersion":"1.0.0","pendingFwVersion":"9.9.9","jobId":"j9"},"#,
    );
    bench.last_report
}

const NOTHING: &str = r#"{"firmware":{"fwUpdateStatus":"current","currentFwVersion":"1.0.0","pendingFwVersion":null,"jobId":null,"progress":null,"reason":null}}"#;

#[test]
fn a_failed_job_that_is_withdrawn_leaves_the_record() {
    for whole in [false, true] {
        let mut bench = failed();
        if whole {
            bench.twin("", "");
        } else {
            bench.desired("null");
        }
        bench.says(&["> store Ended(nothing)", "> report current"]);
        assert_eq!(bench.last_report, NOTHING);
        assert_eq!(reports_after_boot(&bench, ""), NOTHING);
        // Withdrawn while the device was off it leaves the record just so.
        let mut next = failed().reboot("1.0.0", true);
        next.twin("", "");
        assert_eq!(progress(&next.stored), "Ended(nothing)");
        // A withdrawal that comes again changes nothing, and the same job may be begun again.
        bench.desired("null");
        bench.says(&[]);
        bench.desired(JOB);
        assert_eq!(
            bench.log[..2],
            ["* Started", "> start https://fw.example/app.bin"]
        );
    }
}

#[test]
fn a_failed_job_that_a_refused_one_replaces_leaves_the_record() {
    let mut bench = failed();
    let refused = JOB.replace("j1", "j2").replace("fw.example", "");
    bench.desired(&refused);
    bench.says(&[
        "* Failed(host is empty)",
        "> store Ended(host is empty)",
        "> report error",
    ]);
    assert!(
        reports_after_boot(&bench, &format!(r#""firmware":{refused},"#))
            .contains(r#""jobId":"j2","progress":null,"reason":"host is empty""#)
    );
    bench.desired("null");
    bench.says(&["> store Ended(nothing)", "> report current"]);
    assert_eq!(reports_after_boot(&bench, ""), NOTHING);
}

#[test]
fn an_object_without_id_and_version_is_withdrawn_as_well() {
    let mut bench = Bench::new(|_| {});
    bench.desired("7");
    assert!(bench.last_report.contains(r#""fwUpdateStatus":"error""#));
    bench.desired("null");
    assert_eq!(bench.last_report, NOTHING);
}

#[test]
fn a_failed_job_that_another_replaces_leaves_the_record() {
    let mut bench = failed();
    bench.desired(&JOB.replace("j1", "j2"));
    bench.says(&[
        "* Started",
        "> store Ended(nothing)",
        "> start https://fw.example/app.bin",
        "> report downloading",
    ]);
    // The power goes, and meanwhile the second is withdrawn, or the first wanted again.
    assert_eq!(reports_after_boot(&bench, ""), NOTHING);
    let again = reports_after_boot(&bench, &format!(r#""firmware":{JOB},"#));
    assert!(
        again.contains(r#""fwUpdateStatus":"downloading""#),
        "{again}"
    );
    // One that is withdrawn while it is fetched leaves nothing either.
    bench.desired("null");
    bench.act(Updater::handle_stopped);
    assert_eq!(progress(&bench.stored), "Ended(nothing)");
    assert_eq!(bench.last_report, NOTHING);
}

#[test]
fn a_job_that_was_carried_out_or_taken_back_leaves_the_record_when_it_is_withdrawn() {
    let mut old = Bench::new(|_| {});
    old.desired(JOB);
    old.act(|updater, now| updater.handle_done(now));
    let mut back = old.reboot("1.0.0", true);
    back.twin("", "");
    assert_eq!(progress(&back.stored), "Ended(nothing)");
    assert_eq!(back.last_report, NOTHING);

    // During the trial it is too early: the twin is asked for once more.
    let mut new = old.reboot("2.0.0", false);
    new.twin("", "");
    new.act(Updater::handle_ready);
    assert_eq!(new.log.last().map(String::as_str), Some("> twin"));
    assert_eq!(progress(&new.stored), "Ended(current)");
    new.twin("", "");
    assert_eq!(progress(&new.stored), "Ended(nothing)");
    assert_eq!(new.last_report, NOTHING.replace("1.0.0", "2.0.0"));
}

#[test]
fn a_cancel_where_nothing_is_under_way_any_more() {
    let mut bench = Bench::new(|_| {});
    bench.desired(JOB);
    bench.log.clear();
    bench.fails = vec!["cancel"];
    bench.desired("null");
    bench.says(&["* Cancelled", "> cancel, fails", "> report current"]);
    // A word that comes late changes nothing.
    bench.act(|updater, now| updater.handle_done(now));
    bench.act(Updater::handle_stopped);
    bench.act(|updater, now| updater.handle_failed(now, Reason::HASH));
    bench.says(&[]);
}

#[test]
fn a_part_of_the_object_has_the_whole_asked_for() {
    let mut bench = Bench::new(|_| {});
    bench.desired(r#"{"fwVersion":"2.0.0"}"#);
    bench.says(&["> twin"]);
    bench.twin(&format!(r#""firmware":{JOB},"#), "");
    assert_eq!(bench.log[0], "* Started");
}

#[test]
fn without_a_record_the_twin_is_the_memory() {
    let reported = |status: &str, job: &str| {
        format!(
            r#""firmware":{{"fwUpdateStatus":{status},"currentFwVersion":"1.0.0","pendingFwVersion":"2.0.0","jobId":{job}}},"#
        )
    };
    let cases = [
        ("\"rolledback\"", "\"j1\"", "rolledback"),
        ("\"applying\"", "\"j1\"", "rolledback"),
        ("\"rebooting\"", "\"j1\"", "rolledback"),
        ("\"error\"", "\"j1\"", "error"),
        ("\"downloading\"", "\"j1\"", "downloading"),
        ("\"applying\"", "\"j\"", "downloading"),
        // What Nordic's library does not survive.
        ("\"strange\"", "\"j1\"", "downloading"),
        ("7", "\"j1\"", "downloading"),
        ("null", "{}", "downloading"),
        ("[]", "17", "downloading"),
    ];
    for (status, job, expected) in cases {
        let mut bench = Bench::new(|_| {});
        bench.twin(&format!(r#""firmware":{JOB},"#), &reported(status, job));
        assert_eq!(bench.updater.status(), expected, "{status} {job}");
    }
    // Nordic's library has started this image, and we confirm it.
    let mut bench = Bench::boot("2.0.0", false, &[], |_| {});
    bench.twin(
        &format!(r#""firmware":{JOB},"#),
        &reported("\"applying\"", "\"j1\""),
    );
    bench.act(Updater::handle_ready);
    assert!(bench.last_report.contains(r#""fwUpdateStatus":"current","currentFwVersion":"2.0.0","pendingFwVersion":"2.0.0","jobId":"j1""#));
}

#[test]
fn a_record_that_is_none_of_ours_is_no_record() {
    let mut unknown_progress = [0; RECORD_MAX];
    unknown_progress[0] = 3;
    unknown_progress[1] = 9;
    for record in [
        &b"x"[..],
        &[3, 9, 0, 0, 0],
        &[3, 4, 0, 0, 0, 200],
        &[0; 180],
        &[9; RECORD_MAX],
        &unknown_progress,
        &[0xFF; RECORD_MAX],
    ] {
        let mut bench = Bench::boot("1.0.0", true, record, |_| {});
        bench.says(&[]);
        assert_eq!(bench.updater.status(), "current");
    }
}

#[test]
fn a_damaged_record_hinders_no_report_and_no_update() {
    let mut old = Bench::new(|_| {});
    old.desired(JOB);
    old.act(|updater, now| updater.handle_failed(now, Reason::HASH));
    let record = old.stored.clone();
    for at in 0..record.len() {
        for byte in [0, 1, 0x1F, b'"', b'\\', 0x7F, 0x80, 0xC3, 0xFF] {
            let mut damaged = record.clone();
            damaged[at] = byte;
            let mut bench = Bench::boot("1.0.0", true, &damaged, |_| {});
            bench.twin("", "");
            assert!(
                bench.last_report.contains(r#""fwUpdateStatus":"current""#),
                "{at} {byte}"
            );
            bench.desired(&JOB.replace("j1", "j2"));
            assert!(
                bench.last_report.contains(r#""jobId":"j2","progress":0"#),
                "{at} {byte}"
            );
        }
    }
    // The version is one that does not fit a report, and the job is still the one that is wanted.
    let mut damaged = record;
    let version = RECORD_MAX - 1 - VERSION_MAX..RECORD_MAX - 1;
    assert!(damaged[version.clone()].starts_with(b"2.0.0\0"));
    damaged[version].fill(1);
    let mut bench = Bench::boot("1.0.0", true, &damaged, |_| {});
    bench.twin(&format!(r#""firmware":{JOB},"#), "");
    assert!(
        bench
            .last_report
            .contains(r#""pendingFwVersion":"2.0.0","jobId":"j1""#)
    );
}

#[test]
fn a_twin_that_comes_again_changes_nothing_at_any_stage() {
    let twin = format!(r#""firmware":{JOB},"#);
    let again = |bench: &mut Bench| {
        bench.log.clear();
        let reported = bench.last_report.clone();
        let reported = reported.trim_start_matches('{').strip_suffix('}');
        // Null takes a property away.
        let reported = reported
            .unwrap_or_default()
            .split(',')
            .filter(|member| !member.contains(":null"))
            .collect::<Vec<_>>()
            .join(",");
        let close = if reported.ends_with('}') { "," } else { "}," };
        for _ in 0..3 {
            bench.twin(&twin, &format!("{reported}{close}"));
            bench.desired(JOB);
        }
        bench.says(&[]);
    };
    let mut bench = Bench::new(|config| config.policy.reboot = false);
    bench.desired(JOB);
    again(&mut bench);
    bench.act(|updater, now| updater.handle_progress(now, 1000, 2000));
    again(&mut bench);
    bench.act(|updater, now| updater.handle_failed(now, Reason::CONNECT));
    again(&mut bench);
    bench.pass(5);
    bench.act(|updater, now| updater.handle_done(now));
    again(&mut bench);

    let record = bench.stored.clone();
    let mut bench = bench.reboot("2.0.0", false);
    bench.act(Updater::handle_ready);
    again(&mut bench);
    let mut bench = bench.reboot("2.0.0", true);
    bench.twin(&twin, "");
    again(&mut bench);

    let mut bench = Bench::boot("1.0.0", true, &record, |_| {});
    bench.twin(&twin, "");
    assert_eq!(bench.updater.status(), "rolledback");
    again(&mut bench);
}

/// Only before an image is put in its place the record has to be there.
#[test]
fn a_record_that_cannot_be_stored_is_stored_later() {
    let mut bench = Bench::new(|_| {});
    bench.desired(JOB);
    bench.log.clear();
    bench.fails = vec!["store"];
    bench.act(|updater, now| updater.handle_failed(now, Reason::IMAGE));
    let count = |bench: &Bench, begin: &str| {
        let lines = bench.log.iter().filter(|line| line.starts_with(begin));
        lines.count()
    };
    assert_eq!(count(&bench, "* Failed"), 1, "{:?}", bench.log);
    assert_eq!(count(&bench, "> store"), 1, "{:?}", bench.log);
    bench.log.clear();
    bench.pass(600);
    assert_eq!(bench.log, ["> store Ended(not an image for this device)"]);
}
