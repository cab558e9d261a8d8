//! Transcripts: `> …` is what the driver is told to do, `* …` what the application is told.

mod attempts;
mod desired_objects;
mod jobs;
mod power_cuts;
mod reports;
mod versions;
mod whole_update;

use core::time::Duration;
use std::vec::Vec;

use super::reason::Outcome;
use super::record::{Progress, Record};
use super::*;
use crate::id::{Errno, RequestId};
use crate::time::Instant;
use crate::twin;

const JOB: &str = r#"{"fwVersion":"2.0.0","jobId":"j1","fwLocation":{"host":"fw.example","path":"/app.bin"},"fwFragmentSize":1024}"#;

fn progress(record: &[u8]) -> String {
    let record = Record::read(record).expect("a record");
    match (record.progress, record.outcome) {
        (Progress::Applying, _) => format!("Applying({})", record.times),
        (Progress::Applied, _) => "Applied".into(),
        (Progress::Ended, Outcome::NOTHING) => "Ended(nothing)".into(),
        (Progress::Ended, Outcome::CURRENT) => "Ended(current)".into(),
        (Progress::Ended, outcome) => format!("Ended({})", outcome.reason().expect("a reason")),
    }
}

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
            updater: Updater::NEW,
            now,
            log: Vec::new(),
            stored: record.to_vec(),
            fails: Vec::new(),
            requests: 0,
            last_report: String::new(),
            online: true,
        };
        bench.updater.boot(now, &config);
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
                    ("store", format!("store {}", progress(record)))
                }
                Command::Start(source) => {
                    let scheme = if source.tls() { "https" } else { "http" };
                    let (host, path) = (source.host().to_str(), source.path().to_str());
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
