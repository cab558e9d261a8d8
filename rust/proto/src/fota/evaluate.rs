//! What the desired properties make of the state.

use super::desired::Job;
use super::field::Fault;
use super::reason::Outcome;
use super::updater::{Action, AfterStop, CANCELLED, State, Updater};
use super::{NAME, Reason, report};
use crate::twin::View;

impl Updater {
    pub(super) fn evaluate(&mut self, desired: View<'_>, reported: View<'_>, whole: bool) {
        let raw = desired.raw(NAME);
        if raw.is_none() && !whole {
            return;
        }
        if raw.is_none_or(|raw| raw == b"null") {
            self.withdrawn();
            return;
        }
        let mut job = Job::new();
        match job.read(desired.as_bytes()) {
            Ok(()) => self.requested(&job, reported),
            // It may stand in the whole.
            Err(reason) if reason.is(Fault::Missing) && !whole => self.twin_pending = true,
            Err(reason) => self.refused(&job, reason),
        }
        if whole {
            self.without_record = false;
        }
    }

    fn requested(&mut self, job: &Job, reported: View<'_>) {
        let same = if job.id().is_empty() {
            job.name() == self.job.name()
        } else {
            job.id() == self.job.id()
        };
        match self.state {
            State::Idle if same && self.outcome.was_attempted() => return,
            State::Starting | State::Running | State::Waiting
                if job.identity() == self.job.identity() =>
            {
                self.job.copy_request(job);
                if !same {
                    self.report_due();
                }
                return;
            }
            State::Stopping | State::Stopped => {
                self.replace(job);
                self.after_stop = AfterStop::Start;
                self.report_due();
                return;
            }
            _ if self.has_begun() => {
                log::info!("another job takes the place of the one under way");
                self.replace(job);
                self.stop(AfterStop::Start);
                self.report_due();
                return;
            }
            State::Idle | State::Starting | State::Waiting => {}
            // Nordic's library has begun it.
            _ if self.state.is_trial() && self.job.id().is_empty() && self.runs(job) => {
                self.job.copy_request(job);
                return;
            }
            _ => {
                self.twin_pending |= self.state.is_trial() && !same;
                return;
            }
        }
        let ended = self.remembered(job, reported);
        let applied = if same { self.applied } else { 0 };
        self.replace(job);
        self.applied = applied;
        if ended == Outcome::NOTHING {
            self.start();
        } else {
            self.end(ended);
        }
    }

    /// How a job has ended that is not new, by what the twin reports: where nothing was stored.
    fn remembered(&self, job: &Job, reported: View<'_>) -> Outcome {
        if !self.without_record || job.id().is_empty() || self.runs(job) {
            return Outcome::NOTHING;
        }
        report::ended(reported, job.id())
    }

    fn refused(&mut self, job: &Job, reason: Reason) {
        let outcome = Outcome::failed(reason);
        if self.state == State::Idle {
            if self.outcome == outcome && job.id() == self.job.id() {
                return;
            }
        } else if !self.state.is_transfer() {
            reason.log("the update under way goes on", 0);
            return;
        }
        self.replace(job);
        self.leave(outcome);
        self.emit_failed(reason);
    }

    /// The cloud does not want it any more: nothing of it stays, and nothing of a job before it.
    fn withdrawn(&mut self) {
        let is_idle = self.state == State::Idle;
        if !is_idle && !self.state.is_transfer() {
            self.twin_pending |= self.state.is_trial();
            return;
        }
        if is_idle && self.outcome == Outcome::NOTHING && self.job.is_none() {
            return;
        }
        let is_known = is_idle || self.state.is_leaving() && self.after_stop == AfterStop::Idle;
        self.replace(&Job::new());
        self.leave(Outcome::NOTHING);
        if !is_known {
            self.emit(CANCELLED);
        }
    }

    /// Ends what is under way; what the platform has begun is stopped first.
    pub(super) fn leave(&mut self, outcome: Outcome) {
        self.outcome = outcome;
        self.store_pending |= self.recorded || outcome.was_attempted();
        if self.state.is_leaving() {
            self.after_stop = AfterStop::Idle;
        } else if self.has_begun() {
            self.stop(AfterStop::Idle);
        } else {
            self.enter(State::Idle, 0);
            self.report_due();
        }
    }

    /// Whether the platform has a transfer, or is just about to.
    pub(super) fn has_begun(&self) -> bool {
        self.state == State::Running
            || self.state == State::Starting && self.executing == Some(Action::Start)
    }

    pub(super) fn runs(&self, job: &Job) -> bool {
        job.version() == self.version
    }
}
