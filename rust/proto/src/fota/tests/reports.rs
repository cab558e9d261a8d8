//! Reports that are late, fail, or are refused.

use super::*;

#[test]
fn a_report_that_fails_is_made_again_and_one_that_is_refused_is_not() {
    let mut bench = Bench::new(|_| {});
    bench.online = false;
    bench.twin("", "");
    bench.says(&["> report current"]);
    let answer = |bench: &mut Bench, result| {
        let request = RequestId::new(bench.requests);
        bench.act(|updater, now| assert!(updater.handle_reported(now, request, result)));
    };
    answer(&mut bench, Err(twin::Failure::Timeout));
    bench.says(&[]);
    bench.pass(10);
    bench.says(&["> report current"]);
    answer(&mut bench, Err(twin::Failure::Status(400)));
    bench.pass(100);
    bench.says(&[]);
    // The outbox is full.
    bench.fails = vec!["report"];
    bench.desired("5");
    bench.says(&[
        "* Failed(firmware is of the wrong type)",
        "> report error, fails",
    ]);
    bench.pass(10);
    bench.says(&["> report error"]);
    // Another's answer is not ours.
    bench.act(|updater, now| assert!(!updater.handle_reported(now, RequestId::new(99), Ok(()))));
}

#[test]
fn while_one_report_is_on_its_way_what_changes_is_told_after_it() {
    let mut bench = Bench::new(|_| {});
    bench.online = false;
    bench.desired(JOB);
    bench.log.clear();
    bench.act(|updater, now| updater.handle_progress(now, 1000, 2000));
    bench.act(|updater, now| updater.handle_done(now));
    // The word `applying` is not lost behind it.
    bench.says(&["* Progress { offset: 1000, size: 2000 }"]);
    let request = RequestId::new(bench.requests);
    bench.act(|updater, now| assert!(updater.handle_reported(now, request, Ok(()))));
    bench.says(&[
        "> report applying",
        "> store Applying(1)",
        "> apply",
        "* Done",
        "> store Applied",
    ]);
    // Offline: the restart waits for the report, but not for ever.
    bench.pass(9);
    bench.says(&[]);
    bench.pass(1);
    bench.says(&["> reboot"]);
}

#[test]
fn what_changes_while_a_report_is_handed_over_is_told_after_it() {
    let mut bench = Bench::new(|_| {});
    bench.online = false;
    bench.updater.report_due();
    let mut buffer = [0; COMMAND_MAX];
    let command = bench.updater.poll_command(&mut buffer);
    assert!(matches!(command, Some(Command::Report(_))));
    bench.updater.report_due();
    bench.updater.accepted(RequestId::new(7));
    bench.updater.complete(bench.now, Ok(()));
    bench.drain();
    bench.says(&[]);
    bench.act(|updater, now| assert!(updater.handle_reported(now, RequestId::new(7), Ok(()))));
    bench.says(&["> report current"]);
}
