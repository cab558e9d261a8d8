//! What the world did.

use super::{AGAIN, Duty, GRACE, Report, STALL, State, Then, Updater};
use crate::fota::{Event, Failure, Reason};
use crate::id::RequestId;
use crate::time::Instant;
use crate::twin;

impl Updater {
    /// Fact: the hub has granted every subscription.
    pub fn handle_ready(&mut self, _now: Instant) {
        if let State::Trial { reached } = &mut self.state {
            *reached = true;
        }
    }

    /// Fact: the whole twin.
    pub fn handle_twin(&mut self, now: Instant, twin: &twin::Document<'_>) {
        let reported = twin.reported().object("firmware");
        self.judge(now, &twin.desired(), reported.as_ref(), true);
        if !self.is_reported(reported.as_ref()) {
            self.report_due();
        }
    }

    /// Fact: the desired properties have changed. What is missing from a part may stand in the whole, which is then
    /// asked for.
    pub fn handle_desired(&mut self, now: Instant, desired: &twin::Desired<'_>) {
        self.judge(now, &desired.properties(), None, false);
    }

    /// Fact: so much is in the slot.
    pub fn handle_progress(&mut self, now: Instant, offset: u32, size: u32) {
        if self.state != State::Running {
            return;
        }
        if offset > self.offset {
            self.attempts = 0;
        }
        self.offset = offset;
        self.size = size;
        self.timer = Some(now + STALL);
        self.tell(Event::Progress { offset, size });
        let percent = self.percent();
        let next = self.reported_percent.saturating_add(self.progress_step);
        if self.progress_step > 0 && percent >= next {
            self.report_due();
        }
    }

    /// Fact: the image is complete and is what the job says. `version` is what it calls itself, where the platform
    /// can read that.
    pub fn handle_done(&mut self, now: Instant, version: Option<&str>) {
        match self.state {
            State::Running | State::Starting => {
                self.in_hand.take_if(|duty| *duty == Duty::Start);
                if version.is_some_and(|version| self.version == *version) {
                    self.fail(Reason::SameVersion);
                    return;
                }
                self.state = State::Applying { stored: false };
                self.timer = Some(now + GRACE);
                self.report_due();
            }
            State::Stopping { .. } => self.stopped(now),
            _ => {}
        }
    }

    /// Fact: the transfer has failed.
    pub fn handle_failed(&mut self, now: Instant, failure: Failure) {
        match self.state {
            State::Running | State::Starting => {
                self.in_hand.take_if(|duty| *duty == Duty::Start);
                self.attempt_failed(now, failure);
            }
            State::Stopping { .. } => self.stopped(now),
            _ => {}
        }
    }

    /// Fact: the transfer has stopped, as it was asked to.
    pub fn handle_stopped(&mut self, now: Instant) {
        match self.state {
            State::Stopping { .. } => self.stopped(now),
            // Nobody here has asked: something else on the device has the slot.
            State::Running => self.attempt_failed(now, Failure::Transfer),
            _ => {}
        }
    }

    /// Fact: the slot needs to be erased and is not yet, or is.
    pub fn handle_erase(&mut self, now: Instant, done: bool) {
        if self.state == State::Running {
            self.timer = Some(now + STALL);
        }
        self.tell(if done {
            Event::EraseDone
        } else {
            Event::ErasePending
        });
    }

    /// Fact: a report was answered. `false` where the number is not of a report of ours.
    pub fn handle_reported(
        &mut self,
        now: Instant,
        request: RequestId,
        result: Result<(), twin::Failure>,
    ) -> bool {
        let Report::Sent {
            request: sent,
            again,
        } = self.report
        else {
            return false;
        };
        if sent != request {
            return false;
        }
        // What the hub refuses for what it is will not get better.
        let refused = matches!(result, Err(twin::Failure::Status(400..=499)));
        let retry = result.is_err() && !refused;
        if refused {
            log::warn!("the hub refuses the report of the firmware's state");
        }
        if retry {
            self.report_at = Some(now + AGAIN);
        }
        self.report = if again || retry {
            Report::Due
        } else {
            Report::Told
        };
        if self.state == State::Applied && self.report == Report::Told && self.reboot {
            self.state = State::Rebooting;
        }
        true
    }

    /// The number under which the last [`Command::Report`](crate::fota::Command::Report) was accepted.
    pub fn accepted(&mut self, request: RequestId) {
        if self.in_hand == Some(Duty::Report) {
            self.report = Report::Sent {
                request,
                again: false,
            };
        }
    }

    /// Fact: it is now so late.
    pub fn handle_timeout(&mut self, now: Instant) {
        let past = |at: &mut Instant| now >= *at;
        self.again_at.take_if(past);
        self.report_at.take_if(past);
        if self.timer.take_if(past).is_none() {
            return;
        }
        match self.state {
            State::Waiting => self.state = State::Starting,
            State::Running => {
                log::warn!("the download stands still");
                self.stop(Then::Retry);
            }
            State::Stopping { then, .. } => self.stop(then),
            State::Applied => self.state = State::Rebooting,
            State::Trial { .. } => {
                log::error!("the new image has not reached the hub: restarting into the old one");
                self.state = State::Rebooting;
            }
            _ => {}
        }
    }
}
