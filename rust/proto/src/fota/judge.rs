//! What the desired properties make of the state.

use super::updater::{Duty, Last, STALL, State, Then, Updater};
use super::wish::{Fault, Field, Job};
use super::{Event, Failure, Reason, report};
use crate::time::Instant;
use crate::twin;

impl Updater {
    pub(super) fn judge(
        &mut self,
        now: Instant,
        desired: &twin::View<'_>,
        reported: Option<&twin::View<'_>>,
        whole: bool,
    ) {
        let raw = match desired.raw(Field::Firmware.name()) {
            None if !whole => return,
            None | Some(b"null") => {
                self.withdrawn(now);
                return;
            }
            Some(raw) => raw,
        };
        let mut job = Job::default();
        match job.read(raw) {
            Ok(()) => self.wanted(job, reported),
            Err((_, Fault::Missing)) if !whole => self.look_again = true,
            Err((field, fault)) => self.refused(now, job, Reason::Wish(field, fault)),
        }
        if whole {
            self.forgetful = false;
        }
    }

    fn wanted(&mut self, job: Job, reported: Option<&twin::View<'_>>) {
        let same = if job.id.is_empty() {
            self.job.id.is_empty() && job.version == self.job.version
        } else {
            job.id == self.job.id
        };
        match self.state {
            State::Idle(Last::Nothing | Last::Failed(Reason::Wish(..))) => {}
            State::Idle(_) if same => return,
            State::Idle(_) => {}
            State::Starting | State::Running | State::Waiting
                if job.identity() == self.job.identity() =>
            {
                if !same {
                    self.report_due();
                }
                self.job = job;
                return;
            }
            State::Starting if self.in_hand != Some(Duty::Start) => {}
            State::Waiting => {}
            State::Starting | State::Running => {
                log::info!("another job takes the place of the one under way");
                self.replace(job);
                self.stop(Then::Start);
                self.report_due();
                return;
            }
            State::Stopping { asked, .. } => {
                self.replace(job);
                self.state = State::Stopping {
                    then: Then::Start,
                    asked,
                };
                self.report_due();
                return;
            }
            State::Trial { .. } if self.job.id.is_empty() && job.version == self.version => {
                self.job = job;
                return;
            }
            State::Applying { .. } | State::Applied | State::Rebooting | State::Trial { .. } => {
                if matches!(self.state, State::Trial { .. }) && !same {
                    self.look_again = true;
                }
                return;
            }
        }
        let ended = self.remembered(&job, reported);
        let applied = if same { self.applied } else { 0 };
        self.replace(job);
        self.applied = applied;
        match ended {
            Some(last) => self.end(last),
            None => self.start(),
        }
    }

    /// How a job has ended that is not new, by what the twin reports: where nothing was stored.
    fn remembered(&self, job: &Job, reported: Option<&twin::View<'_>>) -> Option<Last> {
        let forgotten = self.forgetful && !job.id.is_empty() && job.version != self.version;
        let reported = reported.filter(|_| forgotten)?;
        let is = |name, text: &str| report::is(reported, name, text);
        if !is("jobId", &job.id) {
            return None;
        }
        let status = "fwUpdateStatus";
        if is(status, "applying") || is(status, "rebooting") || is(status, "rolledback") {
            Some(Last::RolledBack)
        } else if is(status, "error") {
            Some(Last::Failed(Reason::Platform(Failure::Transfer)))
        } else {
            None
        }
    }

    fn refused(&mut self, now: Instant, job: Job, reason: Reason) {
        match self.state {
            State::Idle(Last::Failed(last)) if last == reason && job.id == self.job.id => {}
            State::Idle(_) | State::Waiting => {
                self.replace(job);
                self.timer = None;
                self.state = State::Idle(Last::Failed(reason));
                self.report_due();
                self.tell(Event::Failed(reason));
            }
            State::Starting | State::Running | State::Stopping { .. } => {
                self.replace(job);
                self.leave(now, Last::Failed(reason));
                self.tell(Event::Failed(reason));
            }
            _ => log::warn!("firmware: {reason}; the update under way goes on"),
        }
    }

    /// The cloud does not want it any more.
    fn withdrawn(&mut self, now: Instant) {
        match self.state {
            State::Idle(Last::Failed(Reason::Wish(..))) => {
                self.replace(Job::default());
                self.state = State::Idle(Last::Nothing);
                self.report_due();
            }
            State::Starting | State::Running | State::Waiting | State::Stopping { .. } => {
                let stopping_for = match self.state {
                    State::Stopping { then, .. } => then,
                    _ => Then::Start,
                };
                self.replace(Job::default());
                self.leave(now, Last::Nothing);
                if !matches!(stopping_for, Then::Idle(_)) {
                    self.tell(Event::Cancelled);
                }
            }
            _ => {}
        }
    }

    /// Stops what is under way.
    fn leave(&mut self, now: Instant, last: Last) {
        match self.state {
            State::Starting if self.in_hand != Some(Duty::Start) => {
                self.state = State::Idle(last);
            }
            State::Waiting => self.state = State::Idle(last),
            State::Stopping { asked, .. } => {
                self.state = State::Stopping {
                    then: Then::Idle(last),
                    asked,
                };
                return;
            }
            _ => {
                self.stop(Then::Idle(last));
                self.timer = Some(now + STALL);
                return;
            }
        }
        self.timer = None;
        self.report_due();
    }
}
