//! What the desired properties make of the state.

use super::reason::Last;
use super::updater::{CANCELLED, Duty, State, Then, Updater};
use super::wish::{Fault, Job};
use super::{NAME, Reason, report};
use crate::twin::View;

impl Updater {
    pub(super) fn judge(&mut self, desired: View<'_>, reported: View<'_>, whole: bool) {
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
            Ok(()) => self.wanted(&job, reported),
            // It may stand in the whole.
            Err(reason) if reason.is(Fault::Missing) && !whole => self.look_again = true,
            Err(reason) => self.refused(&job, reason),
        }
        if whole {
            self.forgetful = false;
        }
    }

    fn wanted(&mut self, job: &Job, reported: View<'_>) {
        let same = if job.id().is_empty() {
            job.name() == self.job.name()
        } else {
            job.id() == self.job.id()
        };
        match self.state {
            State::Idle if same && self.last.is_try() => return,
            State::Starting | State::Running | State::Waiting
                if job.identity() == self.job.identity() =>
            {
                self.job.become_like(job);
                if !same {
                    self.report_due();
                }
                return;
            }
            State::Stopping | State::Stopped => {
                self.replace(job);
                self.then = Then::Start;
                self.report_due();
                return;
            }
            _ if self.has_begun() => {
                log::info!("another job takes the place of the one under way");
                self.replace(job);
                self.stop(Then::Start);
                self.report_due();
                return;
            }
            State::Idle | State::Starting | State::Waiting => {}
            // Nordic's library has begun it.
            _ if self.state.is_trial() && self.job.id().is_empty() && self.runs(job) => {
                self.job.become_like(job);
                return;
            }
            _ => {
                self.look_again |= self.state.is_trial() && !same;
                return;
            }
        }
        let ended = self.remembered(job, reported);
        let applied = if same { self.applied } else { 0 };
        self.replace(job);
        self.applied = applied;
        if ended == Last::NOTHING {
            self.start();
        } else {
            self.end(ended);
        }
    }

    /// How a job has ended that is not new, by what the twin reports: where nothing was stored.
    fn remembered(&self, job: &Job, reported: View<'_>) -> Last {
        if !self.forgetful || job.id().is_empty() || self.runs(job) {
            return Last::NOTHING;
        }
        report::ended(reported, job.id())
    }

    fn refused(&mut self, job: &Job, reason: Reason) {
        let last = Last::failed(reason);
        if self.state == State::Idle {
            if self.last == last && job.id() == self.job.id() {
                return;
            }
        } else if !self.state.is_transfer() {
            reason.log("the update under way goes on", 0);
            return;
        }
        self.replace(job);
        self.leave(last);
        self.tell_failed(reason);
    }

    /// The cloud does not want it any more.
    fn withdrawn(&mut self) {
        let is_wrong = self.state == State::Idle && self.last.reason().is_some_and(Reason::is_wish);
        if !is_wrong && !self.state.is_transfer() {
            return;
        }
        let is_told = is_wrong || self.state.is_leaving() && self.then == Then::Idle;
        self.replace(&Job::new());
        self.leave(Last::NOTHING);
        if !is_told {
            self.tell(CANCELLED);
        }
    }

    /// Ends what is under way; what the platform has begun is stopped first.
    fn leave(&mut self, last: Last) {
        self.last = last;
        if self.state.is_leaving() {
            self.then = Then::Idle;
        } else if self.has_begun() {
            self.stop(Then::Idle);
        } else {
            self.enter(State::Idle, 0);
            self.report_due();
        }
    }

    /// Whether the platform has a transfer, or is just about to.
    pub(super) fn has_begun(&self) -> bool {
        self.state == State::Running
            || self.state == State::Starting && self.in_hand == Some(Duty::Start)
    }

    pub(super) fn runs(&self, job: &Job) -> bool {
        job.version() == self.version
    }
}
