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

#[test]
fn a_cancel_where_nothing_is_under_way_any_more() {
    let mut bench = Bench::new(|_| {});
    bench.desired(JOB);
    bench.log.clear();
    bench.fails = vec!["cancel"];
    bench.desired("null");
    bench.says(&["* Cancelled", "> cancel, fails", "> report current"]);
    // A word that comes late changes nothing.
    bench.act(|updater, now| updater.handle_done(now, None));
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
    bench.act(|updater, now| updater.handle_done(now, Some("2.0.0")));
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
