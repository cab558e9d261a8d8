//! Transcripts: `> …` is what the driver is told to do, `* …` what the application is told.

mod power_cuts;
mod wishes;

use core::time::Duration;
use std::vec::Vec;

use super::*;
use crate::id::{Errno, RequestId};
use crate::time::Instant;
use crate::twin;

const JOB: &str = r#"{"fwVersion":"2.0.0","jobId":"j1","fwLocation":{"host":"fw.example","path":"/app.bin"},"fwFragmentSize":1024}"#;

struct Bench {
    updater: Updater,
    now: Instant,
    log: Vec<String>,
    stored: Vec<u8>,
    fails: Vec<&'static str>,
    requests: u32,
    last_report: String,
    /// Answers reports at once.
    online: bool,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Config<'_>)) -> Self {
        Self::boot("1.0.0", true, &[], change)
    }

    fn boot(
        version: &str,
        confirmed: bool,
        record: &[u8],
        change: impl FnOnce(&mut Config<'_>),
    ) -> Self {
        let mut config = Config::new(version);
        config.confirmed = confirmed;
        config.record = record;
        change(&mut config);
        let now = Instant::from_millis(0);
        let mut bench = Self {
            updater: Updater::new(now, &config),
            now,
            log: Vec::new(),
            stored: record.to_vec(),
            fails: Vec::new(),
            requests: 0,
            last_report: String::new(),
            online: true,
        };
        bench.drain();
        bench
    }

    /// The next boot, from what was stored.
    fn reboot(&self, version: &str, confirmed: bool) -> Self {
        Self::boot(version, confirmed, &self.stored, |_| {})
    }

    fn act(&mut self, f: impl FnOnce(&mut Updater, Instant)) {
        f(&mut self.updater, self.now);
        self.drain();
    }

    fn desired(&mut self, firmware: &str) {
        let patch = format!(r#"{{"firmware":{firmware},"$version":3}}"#);
        self.act(|updater, now| {
            updater.handle_desired(
                now,
                &twin::Desired {
                    version: 3,
                    patch: patch.as_bytes(),
                },
            );
        });
    }

    fn twin(&mut self, desired: &str, reported: &str) {
        let json = format!(
            r#"{{"desired":{{{desired}"$version":4}},"reported":{{{reported}"$version":5}}}}"#
        );
        self.act(|updater, now| {
            updater.handle_twin(
                now,
                &twin::Document {
                    request: RequestId::new(0),
                    version: 4,
                    json: json.as_bytes(),
                },
            );
        });
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.updater.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.act(Updater::handle_timeout);
        }
        self.now = end;
    }

    fn drain(&mut self) {
        loop {
            while let Some(event) = self.updater.poll_event() {
                self.log.push(format!("* {event:?}"));
            }
            let mut buffer = [0; COMMAND_MAX];
            let Some(command) = self.updater.poll_command(&mut buffer) else {
                break;
            };
            let (name, line) = match &command {
                Command::Store(record) => {
                    self.stored = record.to_vec();
                    let phase = Record::read(record).map(|record| record.progress);
                    ("store", format!("store {:?}", phase.expect("a record")))
                }
                Command::Start(source) => {
                    let scheme = if source.tls { "https" } else { "http" };
                    let (host, path) = (source.host.to_str(), source.path.to_str());
                    let at = format!("{}/{}", host.expect("text"), path.expect("text"));
                    ("start", format!("start {scheme}://{at}"))
                }
                Command::Report(json) => {
                    self.last_report = std::str::from_utf8(json).expect("text").into();
                    self.requests += 1;
                    if !self.fails.contains(&"report") {
                        self.updater.accepted(RequestId::new(self.requests));
                    }
                    let status = self.last_report.split('"').nth(5).expect("a status");
                    ("report", format!("report {status}"))
                }
                Command::Cancel => ("cancel", "cancel".into()),
                Command::Apply => ("apply", "apply".into()),
                Command::Confirm => ("confirm", "confirm".into()),
                Command::Reboot => ("reboot", "reboot".into()),
                Command::RequestTwin => ("twin", "twin".into()),
            };
            let failed = self.fails.iter().position(|fail| *fail == name);
            let result = match failed {
                Some(index) => {
                    self.fails.remove(index);
                    Err(Errno(-5))
                }
                None => Ok(()),
            };
            self.log.push(format!(
                "> {line}{}",
                if failed.is_some() { ", fails" } else { "" }
            ));
            self.updater.complete(self.now, result);
            if self.online && name == "report" && failed.is_none() {
                let request = RequestId::new(self.requests);
                assert!(self.updater.handle_reported(self.now, request, Ok(())));
            }
        }
    }

    #[track_caller]
    fn says(&mut self, expected: &[&str]) {
        assert_eq!(self.log, expected);
        self.log.clear();
    }
}

use super::record::Record;

#[test]
fn an_update_from_the_wish_to_the_hub() {
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
    bench.act(|updater, now| updater.handle_done(now, Some("2.0.0")));
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
        "> store Ended(Current)",
        "> report current",
    ]);
    assert_eq!(
        bench.last_report,
        r#"{"firmware":{"fwUpdateStatus":"current","currentFwVersion":"2.0.0","pendingFwVersion":"2.0.0","jobId":"j1","progress":null,"reason":null}}"#
    );
    // The same wish is not begun again, now and after the next boot.
    bench.desired(JOB);
    let mut bench = bench.reboot("2.0.0", true);
    bench.twin(&format!(r#""firmware":{JOB},"#), r#""firmware":{"fwUpdateStatus":"current","currentFwVersion":"2.0.0","pendingFwVersion":"2.0.0","jobId":"j1"},"#);
    bench.says(&[]);
}

#[test]
fn an_image_that_does_not_reach_the_hub_is_taken_back() {
    let mut old = Bench::new(|_| {});
    old.desired(JOB);
    old.act(|updater, now| updater.handle_done(now, None));
    let mut new = old.reboot("2.0.0", false);
    new.pass(899);
    new.says(&["> store Applied"]);
    new.pass(1);
    new.says(&["> reboot"]);
    let mut old = new.reboot("1.0.0", true);
    old.twin(&format!(r#""firmware":{JOB},"#), r#""firmware":{"fwUpdateStatus":"rebooting","currentFwVersion":"1.0.0","pendingFwVersion":"2.0.0","jobId":"j1"},"#);
    old.says(&[
        "* RolledBack",
        "> store Ended(RolledBack)",
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
    old.act(|updater, now| updater.handle_done(now, None));
    let old = old.reboot("1.0.0", true);
    assert_eq!(old.log, ["* RolledBack", "> store Ended(RolledBack)"]);
}

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
    bench.act(|updater, now| updater.handle_failed(now, Failure::Transfer));
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
    bench.act(|updater, now| updater.handle_failed(now, Failure::Hash));
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
fn an_attempt_that_fails_is_made_again_later_and_not_for_ever() {
    let mut bench = Bench::new(|config| config.attempts = 3);
    bench.desired(JOB);
    bench.log.clear();
    bench.act(|updater, now| updater.handle_failed(now, Failure::Connect));
    bench.pass(4);
    bench.says(&[]);
    bench.pass(1);
    bench.says(&["> start https://fw.example/app.bin"]);
    // Progress proves the way: the count starts anew.
    bench.act(|updater, now| updater.handle_progress(now, 100, 2000));
    bench.log.clear();
    bench.act(|updater, now| updater.handle_failed(now, Failure::Http(503)));
    bench.pass(5);
    bench.fails = vec!["start"];
    bench.act(|updater, now| updater.handle_failed(now, Failure::Tls));
    bench.pass(10);
    bench.says(&[
        "> start https://fw.example/app.bin",
        "> start https://fw.example/app.bin, fails",
        "* Failed(Platform(Connect))",
        "> store Ended(Failed(Platform(Connect)))",
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
fn what_cannot_get_better_is_not_tried_again() {
    let failures = [
        (Failure::Http(404), "the server answers 404"),
        (Failure::Size, "the image has another size than size says"),
        (Failure::Hash, "the image has another hash than sha256 says"),
        (Failure::Image, "not an image for this device"),
        (Failure::TooLarge, "the image does not fit the slot"),
        (Failure::Storage, "the image could not be stored"),
    ];
    for (failure, reason) in failures {
        let mut bench = Bench::new(|_| {});
        bench.desired(JOB);
        bench.log.clear();
        bench.act(|updater, now| updater.handle_failed(now, failure));
        assert_eq!(bench.log[0], format!("* Failed(Platform({failure:?}))"));
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
    bench.act(|updater, now| updater.handle_done(now, Some("1.0.0")));
    bench.says(&[
        "* Failed(SameVersion)",
        "> store Ended(Failed(SameVersion))",
        "> report error",
    ]);
    // The version that runs is not fetched at all.
    bench.desired(&JOB.replace("j1", "j2").replace("2.0.0", "1.0.0"));
    bench.says(&["> store Ended(Current)", "> report current"]);
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
    bench.says(&["* Failed(Wish(Firmware, Type))", "> report error, fails"]);
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
    bench.act(|updater, now| updater.handle_done(now, None));
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
fn the_application_restarts_where_it_wants_to() {
    let mut bench = Bench::new(|config| config.reboot = false);
    bench.desired(JOB);
    bench.act(|updater, now| updater.handle_done(now, None));
    bench.pass(1000);
    assert_eq!(
        bench.log.last().map(String::as_str),
        Some("> store Applied")
    );
    assert!(bench.last_report.contains(r#""fwUpdateStatus":"applying""#));
}

#[test]
fn what_cannot_be_stored_or_marked_leaves_all_as_it_is() {
    for (call, reason) in [("store", "Platform(Storage)"), ("apply", "NotApplied")] {
        let mut bench = Bench::new(|_| {});
        bench.desired(JOB);
        bench.fails = vec![call];
        bench.act(|updater, now| updater.handle_done(now, None));
        let tail = &bench.log[bench.log.len() - 3..];
        assert_eq!(tail[0], format!("* Failed({reason})"));
        assert_eq!(tail[2], "> report error");
        assert!(!bench.log.iter().any(|line| line == "> reboot"));
    }
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
        "> store Ended(Current)",
        "> report current",
    ]);
}

#[test]
fn another_job_during_the_trial_is_looked_at_after_it() {
    let mut old = Bench::new(|_| {});
    old.desired(JOB);
    old.act(|updater, now| updater.handle_done(now, None));
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
fn a_record_that_is_none_of_ours_is_no_record() {
    for record in [
        &b"x"[..],
        &[1, 9, 0, 0, 0],
        &[1, 4, 0, 0, 0, 200],
        &[0; 180],
    ] {
        let mut bench = Bench::boot("1.0.0", true, record, |_| {});
        bench.says(&[]);
        assert_eq!(bench.updater.status(), "current");
    }
}
