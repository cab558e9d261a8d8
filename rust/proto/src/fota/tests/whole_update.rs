//! From the desired object to the restart, the trial, and what comes after it.

use super::*;

#[test]
fn an_update_from_the_desired_object_to_the_hub() {
    let mut bench = Bench::new(|_| {});
    bench.twin("", "");
    bench.says(&["> report current"]);
    assert_eq!(
        bench.last_report,
        r#"{"firmware":{"fwUpdateStatus":"current","currentFwVersion":"1.0.0","pendingFwVersion":null,"jobId":null,"progress":null,"reason":null}}"#
    );
    bench.desired(JOB);
    bench.says(&[
        "* Started",
        "> start https://fw.example/app.bin",
        "> report downloading",
    ]);
    bench.act(|updater, now| updater.handle_progress(now, 100, 2000));
    bench.act(|updater, now| updater.handle_progress(now, 200, 2000));
    bench.says(&[
        "* Progress { offset: 100, size: 2000 }",
        "* Progress { offset: 200, size: 2000 }",
        "> report downloading",
    ]);
    assert_eq!(
        bench.last_report,
        r#"{"firmware":{"fwUpdateStatus":"downloading","currentFwVersion":"1.0.0","pendingFwVersion":"2.0.0","jobId":"j1","progress":10,"reason":null}}"#
    );
    bench.act(|updater, now| updater.handle_done(now));
    bench.says(&[
        "> report applying",
        "> store Applying(1)",
        "> apply",
        "* Done",
        "> store Applied",
        "> report rebooting",
        "> reboot",
    ]);

    let mut bench = bench.reboot("2.0.0", false);
    bench.says(&["> store Applied"]);
    bench.act(Updater::handle_ready);
    bench.says(&[
        "> confirm",
        "* Confirmed",
        "> store Ended(current)",
        "> report current",
    ]);
    assert_eq!(
        bench.last_report,
        r#"{"firmware":{"fwUpdateStatus":"current","currentFwVersion":"2.0.0","pendingFwVersion":"2.0.0","jobId":"j1","progress":null,"reason":null}}"#
    );
    // The same job is not begun again, now and after the next boot.
    bench.desired(JOB);
    let mut bench = bench.reboot("2.0.0", true);
    bench.twin(&format!(r#""firmware":{JOB},"#), r#""firmware":{"fwUpdateStatus":"current","currentFwVersion":"2.0.0","pendingFwVersion":"2.0.0","jobId":"j1"},"#);
    bench.says(&[]);
}

#[test]
fn an_image_that_does_not_reach_the_hub_is_taken_back() {
    let mut old = Bench::new(|_| {});
    old.desired(JOB);
    old.act(|updater, now| updater.handle_done(now));
    let mut new = old.reboot("2.0.0", false);
    new.pass(899);
    new.says(&["> store Applied"]);
    new.pass(1);
    new.says(&["> reboot"]);
    let mut old = new.reboot("1.0.0", true);
    old.twin(&format!(r#""firmware":{JOB},"#), r#""firmware":{"fwUpdateStatus":"rebooting","currentFwVersion":"1.0.0","pendingFwVersion":"2.0.0","jobId":"j1"},"#);
    old.says(&[
        "* RolledBack",
        "> store Ended(the new image did not reach the hub, or was refused at boot)",
        "> report rolledback",
    ]);
    assert!(
        old.last_report
            .contains(r#""pendingFwVersion":"2.0.0","jobId":"j1""#)
    );
    assert!(
        old.last_report
            .contains(r#""reason":"the new image did not reach the hub"#)
    );
}

#[test]
fn an_image_that_crashes_before_it_can_say_anything_is_taken_back_too() {
    let mut old = Bench::new(|_| {});
    old.desired(JOB);
    old.act(|updater, now| updater.handle_done(now));
    let old = old.reboot("1.0.0", true);
    assert_eq!(
        old.log,
        [
            "* RolledBack",
            "> store Ended(the new image did not reach the hub, or was refused at boot)"
        ]
    );
}

#[test]
fn a_confirmation_that_fails_is_made_again() {
    let mut bench = Bench::boot("2.0.0", false, &[], |_| {});
    bench.fails = vec!["confirm", "confirm"];
    bench.act(Updater::handle_ready);
    bench.says(&["> confirm, fails"]);
    bench.pass(20);
    bench.says(&[
        "> confirm, fails",
        "> confirm",
        "* Confirmed",
        "> store Ended(current)",
        "> report current",
    ]);
}

#[test]
fn another_job_during_the_trial_is_looked_at_after_it() {
    let mut old = Bench::new(|_| {});
    old.desired(JOB);
    old.act(|updater, now| updater.handle_done(now));
    let mut new = old.reboot("2.0.0", false);
    new.log.clear();
    let next = JOB.replace("j1", "j2").replace("2.0.0", "3.0.0");
    new.desired(&next);
    new.act(Updater::handle_ready);
    assert_eq!(new.log.last().map(String::as_str), Some("> twin"));
    new.twin(&format!(r#""firmware":{next},"#), "");
    assert!(new.log.iter().any(|line| line == "* Started"));
}

#[test]
fn the_application_restarts_where_it_wants_to() {
    let mut bench = Bench::new(|config| config.policy.reboot = false);
    bench.desired(JOB);
    bench.act(|updater, now| updater.handle_done(now));
    bench.pass(1000);
    assert_eq!(
        bench.log.last().map(String::as_str),
        Some("> store Applied")
    );
    assert!(bench.last_report.contains(r#""fwUpdateStatus":"applying""#));
}

#[test]
fn what_cannot_be_stored_or_marked_leaves_all_as_it_is() {
    for (call, reason) in [
        ("store", "the image could not be stored"),
        ("apply", "the image could not be marked for the boot loader"),
    ] {
        let mut bench = Bench::new(|_| {});
        bench.desired(JOB);
        bench.fails = vec![call];
        bench.act(|updater, now| updater.handle_done(now));
        let tail = &bench.log[bench.log.len() - 3..];
        assert_eq!(tail[0], format!("* Failed({reason})"));
        assert_eq!(tail[2], "> report error");
        assert!(!bench.log.iter().any(|line| line == "> reboot"));
    }
}
