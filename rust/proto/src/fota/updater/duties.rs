//! What the driver must do now, and what becomes of it.

use core::ffi::CStr;

use heapless::Vec;

use super::{AGAIN, Duty, GRACE, Last, Report, STALL, State, Then, Updater};
use crate::fota::record::{Progress, RECORD_MAX, Record};
use crate::fota::wish::{HOST_MAX, PATH_MAX};
use crate::fota::{Command, Event, Failure, Reason, Source};
use crate::id::Errno;
use crate::time::Instant;

impl Updater {
    /// What is to be done now; to be followed by [`complete`](Self::complete), one at a time. `buffer` needs
    /// [`COMMAND_MAX`] bytes.
    pub fn poll_command<'b>(&mut self, buffer: &'b mut [u8]) -> Option<Command<'b>> {
        if self.in_hand.is_some() {
            return None;
        }
        let duty = self.duty()?;
        let command = match duty {
            Duty::Store => Command::Store(put(buffer, &self.record())?),
            Duty::Start => Command::Start(self.source(buffer)?),
            Duty::Cancel => Command::Cancel,
            Duty::Apply => Command::Apply,
            Duty::Confirm => Command::Confirm,
            Duty::Reboot => Command::Reboot,
            Duty::RequestTwin => Command::RequestTwin,
            Duty::Report => Command::Report(self.write_report(buffer)?),
        };
        if duty == Duty::Report {
            self.reported_percent = self.percent();
        }
        self.in_hand = Some(duty);
        Some(command)
    }

    fn duty(&self) -> Option<Duty> {
        let may_call = self.again_at.is_none();
        // What is being stopped says soon what it is then.
        let is_leaving = matches!(
            self.state,
            State::Stopping {
                then: Then::Idle(_),
                ..
            }
        );
        let may_report = self.report == Report::Due && self.report_at.is_none() && !is_leaving;
        match self.state {
            // A back end waits for the word `applying`; then the record is stored, and then it is done.
            State::Applying { .. } if may_report => return Some(Duty::Report),
            State::Applying { .. } if self.timer.is_some() && self.is_behind() => return None,
            State::Applying { stored: false } => return Some(Duty::Store),
            _ if self.unsaved && may_call => return Some(Duty::Store),
            State::Applying { stored: true } => return Some(Duty::Apply),
            State::Starting if may_call => return Some(Duty::Start),
            State::Stopping { asked: false, .. } => return Some(Duty::Cancel),
            State::Trial { reached: true } if may_call => return Some(Duty::Confirm),
            State::Rebooting => return Some(Duty::Reboot),
            _ => {}
        }
        if may_report {
            return Some(Duty::Report);
        }
        let on_trial = matches!(self.state, State::Trial { .. });
        (self.look_again && may_call && !on_trial).then_some(Duty::RequestTwin)
    }

    /// The command in hand was carried out, or was not. Where a fact has overtaken it, that counts.
    pub fn complete(&mut self, now: Instant, result: Result<(), Errno>) {
        let Some(duty) = self.in_hand.take() else {
            return;
        };
        match (duty, result) {
            (Duty::Store, Ok(())) => {
                self.unsaved = false;
                if let State::Applying { stored } = &mut self.state {
                    *stored = true;
                }
            }
            (Duty::Store, Err(_)) => match self.state {
                // Without it the next boot would not know what it is.
                State::Applying { .. } => self.fail(Reason::Platform(Failure::Storage)),
                _ => self.again_at = Some(now + AGAIN),
            },
            (Duty::Start, result) => self.started(now, result),
            (Duty::Cancel, Ok(())) => {
                if let State::Stopping { asked, .. } = &mut self.state {
                    *asked = true;
                    self.timer = Some(now + STALL);
                }
            }
            // There is nothing to stop.
            (Duty::Cancel, Err(_)) => {
                if matches!(self.state, State::Stopping { .. }) {
                    self.stopped(now);
                }
            }
            (Duty::Apply, Ok(())) => {
                self.state = State::Applied;
                self.timer = None;
                self.unsaved = true;
                self.tell(Event::Done);
                if self.reboot {
                    self.report_due();
                    self.timer = Some(now + GRACE);
                }
            }
            (Duty::Apply, Err(_)) => self.fail(Reason::NotApplied),
            (Duty::Confirm, Ok(())) => {
                self.end(Last::Current);
                self.tell(Event::Confirmed);
            }
            (Duty::Confirm, Err(_)) => self.again_at = Some(now + AGAIN),
            // It does not come back, as a rule.
            (Duty::Reboot, _) => {
                self.state = State::Applied;
                self.timer = Some(now + GRACE);
            }
            (Duty::Report, Ok(())) => {}
            (Duty::Report, Err(_)) => self.report_at = Some(now + AGAIN),
            (Duty::RequestTwin, Ok(())) => self.look_again = false,
            (Duty::RequestTwin, Err(_)) => self.again_at = Some(now + AGAIN),
        }
    }

    fn started(&mut self, now: Instant, result: Result<(), Errno>) {
        match (self.state, result) {
            (State::Starting, Ok(())) => {
                self.state = State::Running;
                self.timer = Some(now + STALL);
            }
            (State::Starting, Err(_)) => self.attempt_failed(now, Failure::Connect),
            (State::Stopping { .. }, Err(_)) => self.stopped(now),
            _ => {}
        }
    }

    /// Whether an older report is on its way, and its answer lets the next one go.
    fn is_behind(&self) -> bool {
        matches!(self.report, Report::Sent { again: true, .. })
    }

    fn record(&self) -> Vec<u8, RECORD_MAX> {
        let progress = match self.state {
            State::Applying { .. } => Progress::Applying(self.applied.saturating_add(1)),
            State::Applied | State::Rebooting | State::Trial { .. } => Progress::Applied,
            State::Idle(last) => Progress::Ended(last),
            // Nothing of a transfer needs to be known: the twin says it again.
            _ => Progress::Ended(Last::Nothing),
        };
        Record {
            progress,
            job: self.job.id.clone(),
            version: self.job.version.clone(),
            from: self.from.clone(),
        }
        .write()
    }

    fn source<'b>(&self, buffer: &'b mut [u8]) -> Option<Source<'b>> {
        let (host, rest) = c_text(buffer, &self.job.host)?;
        let (path, _) = c_text(rest, &self.job.path)?;
        Some(Source {
            host,
            path,
            tls: !self.job.plain,
            port: self.job.port,
            sec_tags: self.job.sec_tags.clone(),
            fragment: self.job.fragment,
            size: self.job.size,
            sha256: self.job.sha256,
            identity: self.job.identity(),
        })
    }
}

/// Bytes that [`Updater::poll_command`] needs.
pub const COMMAND_MAX: usize = HOST_MAX + PATH_MAX + 2;

fn put<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> Option<&'b [u8]> {
    let place = buffer.get_mut(..bytes.len())?;
    place.copy_from_slice(bytes);
    Some(place)
}

fn c_text<'b>(buffer: &'b mut [u8], text: &str) -> Option<(&'b CStr, &'b mut [u8])> {
    let (place, rest) = buffer.split_at_mut_checked(text.len() + 1)?;
    let (last, front) = place.split_last_mut()?;
    front.copy_from_slice(text.as_bytes());
    *last = 0;
    Some((CStr::from_bytes_with_nul(place).ok()?, rest))
}
