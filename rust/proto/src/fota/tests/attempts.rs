//! Transfers that fail, stop, or stand still.

use super::*;

#[test]
fn an_attempt_that_fails_is_made_again_later_and_not_for_ever() {
    let mut bench = Bench::new(|config| config.policy.attempts = 3);
    bench.desired(JOB);
    bench.log.clear();
    bench.act(|updater, now| updater.handle_failed(now, Reason::CONNECT));
    bench.pass(4);
    bench.says(&[]);
    bench.pass(1);
    bench.says(&["> start https://fw.example/app.bin"]);
    // Progress proves the way: the count starts anew.
    bench.act(|updater, now| updater.handle_progress(now, 100, 2000));
    bench.log.clear();
    bench.act(|updater, now| updater.handle_failed(now, Reason::http(503)));
    bench.pass(5);
    bench.fails = vec!["start"];
    bench.act(|updater, now| updater.handle_failed(now, Reason::TLS));
    bench.pass(10);
    bench.says(&[
        "> start https://fw.example/app.bin",
        "> start https://fw.example/app.bin, fails",
        "* Failed(no connection to the host)",
        "> store Ended(no connection to the host)",
        "> report error",
    ]);
    assert!(
        bench
            .last_report
            .contains(r#""reason":"no connection to the host""#)
    );
    // The same job is not begun again, the next one is; after a boot as well.
    bench.desired(JOB);
    let mut bench = bench.reboot("1.0.0", true);
    bench.twin(&format!(r#""firmware":{JOB},"#), r#""firmware":{"fwUpdateStatus":"error","currentFwVersion":"1.0.0","pendingFwVersion":"2.0.0","jobId":"j1"},"#);
    bench.says(&[]);
    bench.desired(&JOB.replace("j1", "j2"));
    assert_eq!(bench.log[0], "* Started");
}

#[test]
fn a_refusal_without_a_status_may_pass_but_is_not_asked_about_for_long() {
    let mut bench = Bench::new(|_| {});
    bench.desired(JOB);
    for wait in [5, 10, 20] {
        bench.log.clear();
        bench.act(|updater, now| updater.handle_failed(now, Reason::REFUSED));
        bench.pass(wait);
        bench.says(&["> start https://fw.example/app.bin"]);
    }
    bench.log.clear();
    bench.act(|updater, now| updater.handle_failed(now, Reason::REFUSED));
    assert_eq!(
        bench.log[0],
        "* Failed(the server refuses it, or has no ranges)"
    );
}

#[test]
fn a_server_that_lets_it_begin_again_and_again_is_given_up() {
    let mut bench = Bench::new(|config| config.policy.attempts = 3);
    bench.desired(JOB);
    // Each time the slot is emptied, and fills to where it was before.
    for _ in 0..3 {
        bench.pass(20);
        for offset in [256, 512, 768] {
            bench.act(|updater, now| updater.handle_progress(now, offset, 2000));
        }
        bench.log.clear();
        bench.act(|updater, now| updater.handle_failed(now, Reason::TRANSFER));
    }
    assert_eq!(bench.log[0], "* Failed(the transfer broke off)");
    // How far it came is nothing to another job.
    bench.desired(&JOB.replace("j1", "j2"));
    for _ in 0..2 {
        bench.act(|updater, now| updater.handle_failed(now, Reason::TRANSFER));
        bench.pass(20);
    }
    bench.act(|updater, now| updater.handle_progress(now, 256, 2000));
    bench.log.clear();
    bench.act(|updater, now| updater.handle_failed(now, Reason::TRANSFER));
    bench.says(&[]);
}

#[test]
fn what_cannot_get_better_is_not_tried_again() {
    let failures = [
        (Reason::http(404), "the server answers 404"),
        (Reason::SIZE, "the image has another size than size says"),
        (Reason::HASH, "the image has another hash than sha256 says"),
        (Reason::IMAGE, "not an image for this device"),
        (Reason::TOO_LARGE, "the image does not fit the slot"),
        (Reason::STORAGE, "the image could not be stored"),
    ];
    for (failure, reason) in failures {
        let mut bench = Bench::new(|_| {});
        bench.desired(JOB);
        bench.log.clear();
        bench.act(|updater, now| updater.handle_failed(now, failure));
        assert_eq!(bench.log[0], format!("* Failed({reason})"));
        assert!(
            bench
                .last_report
                .contains(&format!(r#""reason":"{reason}""#))
        );
        assert!(bench.last_report.contains(r#""fwUpdateStatus":"error""#));
        // What the record keeps is the same after a boot.
        let mut bench = bench.reboot("1.0.0", true);
        bench.twin(&format!(r#""firmware":{JOB},"#), "");
        assert!(
            bench
                .last_report
                .contains(&format!(r#""reason":"{reason}""#))
        );
    }
}

#[test]
fn an_image_that_is_not_what_the_job_calls_it() {
    let mut bench = Bench::new(|_| {});
    bench.desired(JOB);
    bench.log.clear();
    // Its header says so in the first fragment: the rest is not fetched.
    bench.act(|updater, now| updater.handle_version(now, ImageVersion::new(0x0100_0000, 0)));
    bench.act(|updater, now| updater.handle_progress(now, 1024, 100_000));
    bench.says(&[
        "* Failed(the image is the version that runs)",
        "> store Ended(the image is the version that runs)",
        "> cancel",
    ]);
    // Where it was the last fragment, too, the end comes in place of the stop.
    bench.act(|updater, now| updater.handle_done(now));
    bench.says(&["> report error"]);
    assert!(
        bench
            .last_report
            .contains(r#""reason":"the image is the version that runs""#)
    );
    assert!(bench.reboot("1.0.0", true).updater.status() == "error");
    // The version that runs is not fetched at all.
    bench.desired(&JOB.replace("j1", "j2").replace("2.0.0", "1.0.0"));
    bench.says(&["> store Ended(current)", "> report current"]);
}

#[test]
fn a_transfer_that_stops_unasked_or_stands_still_is_begun_again() {
    let mut bench = Bench::new(|_| {});
    bench.desired(JOB);
    bench.log.clear();
    bench.act(Updater::handle_stopped);
    bench.pass(5);
    bench.says(&["> start https://fw.example/app.bin"]);
    bench.pass(300);
    bench.says(&["> cancel"]);
    // Even the cancel goes unanswered: it is asked again.
    bench.pass(300);
    bench.says(&["> cancel"]);
    bench.act(Updater::handle_stopped);
    bench.pass(10);
    bench.says(&["> start https://fw.example/app.bin"]);
}

#[test]
fn erasing_is_told() {
    let mut bench = Bench::new(|_| {});
    bench.desired(JOB);
    bench.log.clear();
    bench.act(|updater, now| updater.handle_erase(now, false));
    bench.pass(200);
    bench.act(|updater, now| updater.handle_erase(now, true));
    // It keeps the watch on the transfer quiet.
    bench.pass(299);
    bench.says(&["* ErasePending", "* EraseDone"]);
}

#[test]
fn an_erase_that_never_ends_is_begun_again_and_the_running_image_goes_on() {
    let mut bench = Bench::new(|config| config.policy.attempts = 2);
    bench.desired(JOB);
    bench.log.clear();
    for end in [
        "> start https://fw.example/app.bin",
        "* Failed(the transfer broke off)",
    ] {
        bench.act(|updater, now| updater.handle_erase(now, false));
        bench.pass(300);
        bench.says(&["* ErasePending", "> cancel"]);
        bench.act(Updater::handle_stopped);
        bench.pass(5);
        assert_eq!(bench.log.first().map(String::as_str), Some(end));
        bench.log.clear();
    }
    assert!(
        bench
            .last_report
            .contains(r#""fwUpdateStatus":"error","currentFwVersion":"1.0.0""#)
    );
}
