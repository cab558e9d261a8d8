//! What the world did.

use super::{
    Action, AfterStop, CALL_RETRY, ERASE_DONE, ERASE_PENDING, PROGRESS, REPORT_GRACE,
    STALL_TIMEOUT, State, Timer, Updater,
};
use crate::fota::reason::Outcome;
use crate::fota::{ImageVersion, NAME, Reason};
use crate::id::RequestId;
use crate::time::Instant;
use crate::twin::{self, View};

impl Updater {
    /// Input: the hub has granted every subscription.
    pub fn handle_ready(&mut self, _now: Instant) {
        if self.state == State::Trial {
            self.state = State::Reached;
        }
    }

    /// Input: the whole twin.
    pub fn handle_twin(&mut self, now: Instant, twin: &twin::Document<'_>) {
        self.now = now;
        let reported = View::new(twin.reported().raw(NAME).unwrap_or_default());
        self.evaluate(twin.desired(), reported, true);
        if !self.is_reported(reported) {
            self.report_due();
        }
    }

    /// Input: the desired properties have changed. What is missing from a part may stand in the
    /// whole, which is then asked for.
    pub fn handle_desired(&mut self, now: Instant, desired: &twin::Desired<'_>) {
        self.now = now;
        self.evaluate(desired.properties(), View::new(&[]), false);
    }

    /// Input: so much is in the slot.
    pub fn handle_progress(&mut self, now: Instant, offset: u32, size: u32) {
        if self.state != State::Running {
            return;
        }
        self.now = now;
        if offset > self.furthest {
            self.furthest = offset;
            self.attempts = 0;
        }
        self.offset = offset;
        self.size = size;
        self.wait(Timer::State, STALL_TIMEOUT);
        self.emit(PROGRESS);
        let step = self.policy.progress_step;
        if step > 0 && self.percent() >= self.reported_percent.saturating_add(step) {
            self.report_due();
        }
    }

    /// Input: the version in the image's header, as soon as its first bytes are there, and before
    /// [`handle_done`](Self::handle_done).
    pub fn handle_version(&mut self, now: Instant, version: ImageVersion) {
        let is_compared = !self.by_text && !self.job.by_text();
        let Some(running) = self
            .image_version()
            .filter(|_| is_compared && self.has_begun())
        else {
            return;
        };
        self.now = now;
        if version == running {
            self.leave(Outcome::failed(Reason::SAME_VERSION));
            self.emit_failed(Reason::SAME_VERSION);
        } else if version < running && !self.is_older {
            log::warn!("firmware: a downgrade, the image is older than what runs");
            self.is_older = true;
            self.report_due();
        }
    }

    /// Input: the image is complete and is what the job says.
    pub fn handle_done(&mut self, now: Instant) {
        if !self.has_begun() {
            self.handle_stopped(now);
            return;
        }
        self.now = now;
        self.executing.take_if(|action| *action == Action::Start);
        self.enter(State::Applying, REPORT_GRACE);
        self.report_due();
    }

    /// Input: the transfer has failed.
    pub fn handle_failed(&mut self, now: Instant, reason: Reason) {
        self.now = now;
        self.transfer_ended(reason);
    }

    /// Input: the transfer has stopped, as it was asked to; or because something else on the device
    /// wants the slot.
    pub fn handle_stopped(&mut self, now: Instant) {
        self.handle_failed(now, Reason::TRANSFER);
    }

    /// Input: the slot needs to be erased and is not yet, or is.
    pub fn handle_erase(&mut self, now: Instant, done: bool) {
        self.now = now;
        if self.state == State::Running {
            self.wait(Timer::State, STALL_TIMEOUT);
        }
        self.emit(if done { ERASE_DONE } else { ERASE_PENDING });
    }

    /// Input: a report was answered. `false` where the number is not of a report of ours.
    pub fn handle_reported(
        &mut self,
        now: Instant,
        request: RequestId,
        result: Result<(), twin::Failure>,
    ) -> bool {
        if !self.report_sent || self.request != request {
            return false;
        }
        self.now = now;
        self.report_sent = false;
        // What the hub refuses for what it is will not get better.
        if result.is_err() && !matches!(result, Err(twin::Failure::Status(400..=499))) {
            self.report_pending = true;
            self.wait(Timer::Report, CALL_RETRY);
        }
        if !self.report_pending && self.state == State::Applied && self.policy.reboot {
            self.state = State::Rebooting;
        }
        true
    }

    /// The number under which the last [`Command::Report`](crate::fota::Command::Report) was
    /// accepted.
    pub fn accepted(&mut self, request: RequestId) {
        self.report_sent = true;
        self.request = request;
    }

    /// Input: it is now so late.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.take_timer(Timer::Call);
        self.take_timer(Timer::Report);
        if !self.take_timer(Timer::State) {
            return;
        }
        match self.state {
            State::Waiting => self.state = State::Starting,
            State::Running => self.stop(AfterStop::Retry),
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
