//! What the driver must do now, and what becomes of it.

use super::{
    Action, AfterStop, CALL_RETRY, CONFIRMED, DONE, Outcome, REPORT_GRACE, STALL_TIMEOUT, State,
    Timer, Updater,
};
use crate::fota::desired::SOURCE_MAX;
use crate::fota::record::{Progress, Record};
use crate::fota::{Command, Reason};
use crate::id::Errno;
use crate::time::Instant;

impl Updater {
    /// What is to be done now; to be followed by [`complete`](Self::complete), one at a time.
    /// `buffer` needs [`COMMAND_MAX`] bytes.
    // In the frame of the driver's loop it would take 400 bytes more.
    #[inline(never)]
    pub fn poll_command<'b>(&mut self, buffer: &'b mut [u8]) -> Option<Command<'b>> {
        if self.executing.is_some() {
            return None;
        }
        let action = self.next_action()?;
        let command = match action {
            Action::Store => Command::Store(self.record().write(buffer)?),
            Action::Start => Command::Start(self.job.source(buffer)?),
            Action::Cancel => Command::Cancel,
            Action::Apply => Command::Apply,
            Action::Confirm => Command::Confirm,
            Action::Reboot => Command::Reboot,
            Action::RequestTwin => Command::RequestTwin,
            Action::Report => {
                let report = self.write_report(buffer)?;
                self.reported_percent = self.percent();
                // What changes from now on is due again.
                self.report_pending = false;
                Command::Report(report)
            }
        };
        self.executing = Some(action);
        Some(command)
    }

    fn next_action(&self) -> Option<Action> {
        let may_call = !self.is_waiting(Timer::Call);
        // What is being stopped says soon what it is then.
        let is_leaving = self.state.is_leaving() && self.after_stop == AfterStop::Idle;
        let may_report = self.report_pending
            && !self.report_sent
            && !self.is_waiting(Timer::Report)
            && !is_leaving;
        let is_applying = matches!(self.state, State::Applying | State::Stored);
        // A back end waits for the word `applying`; then the record is stored, and then it is done.
        if is_applying && may_report {
            return Some(Action::Report);
        }
        // An older report is on its way, and its answer lets the next one go.
        if is_applying && self.is_waiting(Timer::State) && self.report_pending && self.report_sent {
            return None;
        }
        match self.state {
            State::Applying => return Some(Action::Store),
            _ if self.store_pending && may_call => return Some(Action::Store),
            State::Stored => return Some(Action::Apply),
            State::Starting if may_call => return Some(Action::Start),
            State::Stopping => return Some(Action::Cancel),
            State::Reached if may_call => return Some(Action::Confirm),
            State::Rebooting => return Some(Action::Reboot),
            _ => {}
        }
        if may_report {
            return Some(Action::Report);
        }
        (self.twin_pending && may_call && !self.state.is_trial()).then_some(Action::RequestTwin)
    }

    /// The command was carried out, or was not. Where an input has overtaken it, the input counts.
    pub fn complete(&mut self, now: Instant, result: Result<(), Errno>) {
        self.now = now;
        let Some(action) = self.executing.take() else {
            return;
        };
        match (action, result.is_ok()) {
            (Action::Store, true) => {
                self.store_pending = false;
                self.recorded = self.record().is_of_job();
                if self.state == State::Applying {
                    self.state = State::Stored;
                }
            }
            // Without it the next boot would not know what it is.
            (Action::Store, false) if self.state == State::Applying => self.fail(Reason::STORAGE),
            (Action::Store | Action::Confirm | Action::RequestTwin, false) => {
                self.wait(Timer::Call, CALL_RETRY);
            }
            (Action::Start, true) => {
                if self.state == State::Starting {
                    self.enter(State::Running, STALL_TIMEOUT);
                }
            }
            (Action::Cancel, true) => {
                if self.state == State::Stopping {
                    self.enter(State::Stopped, STALL_TIMEOUT);
                }
            }
            // There is nothing to stop.
            (Action::Start | Action::Cancel, false) => self.transfer_ended(Reason::CONNECT),
            (Action::Apply, true) => {
                self.store_pending = true;
                self.emit(DONE);
                let is_ours = self.policy.reboot;
                self.enter(State::Applied, if is_ours { REPORT_GRACE } else { 0 });
                self.report_pending |= is_ours;
            }
            (Action::Apply, false) => self.fail(Reason::NOT_APPLIED),
            (Action::Confirm, true) => {
                self.end(Outcome::CURRENT);
                self.emit(CONFIRMED);
            }
            // It does not come back, as a rule.
            (Action::Reboot, _) => {
                self.enter(State::Applied, REPORT_GRACE);
            }
            (Action::Report, true) => {}
            (Action::Report, false) => {
                self.report_due();
                self.wait(Timer::Report, CALL_RETRY);
            }
            (Action::RequestTwin, true) => self.twin_pending = false,
        }
    }

    fn record(&self) -> Record<'_> {
        let is_applying = self.state == State::Applying;
        let progress = match self.state {
            State::Applying => Progress::Applying,
            State::Applied | State::Rebooting | State::Trial | State::Reached => Progress::Applied,
            // Nothing of a transfer needs to be known: the twin says it again.
            _ => Progress::Ended,
        };
        Record {
            progress,
            times: self.applied.saturating_add(is_applying.into()),
            outcome: self.outcome,
            job: self.job.recorded(),
        }
    }
}

/// Bytes that [`Updater::poll_command`] needs.
pub const COMMAND_MAX: usize = SOURCE_MAX;
