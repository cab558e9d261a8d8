//! What the world did.

use super::{
    AGAIN, Duty, ERASE_DONE, ERASE_PENDING, GRACE, PROGRESS, STALL, State, Then, Timer, Updater,
};
use crate::fota::{NAME, Reason};
use crate::id::RequestId;
use crate::time::Instant;
use crate::twin::{self, View};

impl Updater {
    /// Fact: the hub has granted every subscription.
    pub fn handle_ready(&mut self, _now: Instant) {
        if self.state == State::Trial {
            self.state = State::Reached;
        }
    }

    /// Fact: the whole twin.
    pub fn handle_twin(&mut self, now: Instant, twin: &twin::Document<'_>) {
        self.now = now;
        let reported = View::new(twin.reported().raw(NAME).unwrap_or_default());
        self.judge(twin.desired(), reported, true);
        if !self.is_reported(reported) {
            self.report_due();
        }
    }

    /// Fact: the desired properties have changed. What is missing from a part may stand in the whole, which is then
    /// asked for.
    pub fn handle_desired(&mut self, now: Instant, desired: &twin::Desired<'_>) {
        self.now = now;
        self.judge(desired.properties(), View::new(&[]), false);
    }

    /// Fact: so much is in the slot.
    pub fn handle_progress(&mut self, now: Instant, offset: u32, size: u32) {
        if self.state != State::Running {
            return;
        }
        self.now = now;
        if offset > self.offset {
            self.attempts = 0;
        }
        self.offset = offset;
        self.size = size;
        self.wait(Timer::State, STALL);
        self.tell(PROGRESS);
        let step = self.policy.progress_step;
        if step > 0 && self.percent() >= self.reported_percent.saturating_add(step) {
            self.report_due();
        }
    }

    /// Fact: the image is complete and is what the job says. `version` is what it calls itself, where the platform
    /// can read that.
    pub fn handle_done(&mut self, now: Instant, version: Option<&str>) {
        if !self.has_begun() {
            self.handle_stopped(now);
            return;
        }
        self.now = now;
        self.in_hand.take_if(|duty| *duty == Duty::Start);
        if version == Some(crate::fota::text(&self.version)) {
            self.fail(Reason::SAME_VERSION);
            return;
        }
        self.enter(State::Applying, GRACE);
        self.report_due();
    }

    /// Fact: the transfer has failed.
    pub fn handle_failed(&mut self, now: Instant, reason: Reason) {
        self.now = now;
        self.transfer_ended(reason);
    }

    /// Fact: the transfer has stopped, as it was asked to; or because something else on the device wants the slot.
    pub fn handle_stopped(&mut self, now: Instant) {
        self.handle_failed(now, Reason::TRANSFER);
    }

    /// Fact: the slot needs to be erased and is not yet, or is.
    pub fn handle_erase(&mut self, now: Instant, done: bool) {
        self.now = now;
        if self.state == State::Running {
            self.wait(Timer::State, STALL);
        }
        self.tell(if done { ERASE_DONE } else { ERASE_PENDING });
    }

    /// Fact: a report was answered. `false` where the number is not of a report of ours.
    pub fn handle_reported(
        &mut self,
        now: Instant,
        request: RequestId,
        result: Result<(), twin::Failure>,
    ) -> bool {
        if !self.is_sent || self.request != request {
            return false;
        }
        self.now = now;
        self.is_sent = false;
        // What the hub refuses for what it is will not get better.
        if result.is_err() && !matches!(result, Err(twin::Failure::Status(400..=499))) {
            self.is_due = true;
            self.wait(Timer::Report, AGAIN);
        }
        if !self.is_due && self.state == State::Applied && self.policy.reboot {
            self.state = State::Rebooting;
        }
        true
    }

    /// The number under which the last [`Command::Report`](crate::fota::Command::Report) was accepted.
    pub fn accepted(&mut self, request: RequestId) {
        self.is_sent = true;
        self.request = request;
    }

    /// Fact: it is now so late.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.take_timer(Timer::Call);
        self.take_timer(Timer::Report);
        if !self.take_timer(Timer::State) {
            return;
        }
        match self.state {
            State::Waiting => self.state = State::Starting,
            State::Running => self.stop(Then::Retry),
            State::Stopped => self.state = State::Stopping,
            State::Applied => self.state = State::Rebooting,
            State::Trial | State::Reached => {
                Reason::ROLLED_BACK.log("restarting into the old one", 0);
                self.state = State::Rebooting;
            }
            _ => {}
        }
    }
}
