//! What the driver must do now, and what becomes of it.

use super::{AGAIN, CONFIRMED, DONE, Duty, GRACE, Last, STALL, State, Then, Timer, Updater};
use crate::fota::record::{Progress, Record};
use crate::fota::wish::SOURCE_MAX;
use crate::fota::{Command, Reason};
use crate::id::Errno;
use crate::time::Instant;

impl Updater {
    /// What is to be done now; to be followed by [`complete`](Self::complete), one at a time. `buffer` needs
    /// [`COMMAND_MAX`] bytes.
    // In the frame of the driver's loop it would take 400 bytes more.
    #[inline(never)]
    pub fn poll_command<'b>(&mut self, buffer: &'b mut [u8]) -> Option<Command<'b>> {
        if self.in_hand.is_some() {
            return None;
        }
        let duty = self.duty()?;
        let command = match duty {
            Duty::Store => Command::Store(self.record().write(buffer)?),
            Duty::Start => Command::Start(self.job.source(buffer)?),
            Duty::Cancel => Command::Cancel,
            Duty::Apply => Command::Apply,
            Duty::Confirm => Command::Confirm,
            Duty::Reboot => Command::Reboot,
            Duty::RequestTwin => Command::RequestTwin,
            Duty::Report => {
                let report = self.write_report(buffer)?;
                self.reported_percent = self.percent();
                // What changes from now on is due again.
                self.is_due = false;
                Command::Report(report)
            }
        };
        self.in_hand = Some(duty);
        Some(command)
    }

    fn duty(&self) -> Option<Duty> {
        let may_call = !self.is_waiting(Timer::Call);
        // What is being stopped says soon what it is then.
        let is_leaving = self.state.is_leaving() && self.then == Then::Idle;
        let may_report =
            self.is_due && !self.is_sent && !self.is_waiting(Timer::Report) && !is_leaving;
        let is_applying = matches!(self.state, State::Applying | State::Stored);
        // A back end waits for the word `applying`; then the record is stored, and then it is done.
        if is_applying && may_report {
            return Some(Duty::Report);
        }
        // An older report is on its way, and its answer lets the next one go.
        if is_applying && self.is_waiting(Timer::State) && self.is_due && self.is_sent {
            return None;
        }
        match self.state {
            State::Applying => return Some(Duty::Store),
            _ if self.unsaved && may_call => return Some(Duty::Store),
            State::Stored => return Some(Duty::Apply),
            State::Starting if may_call => return Some(Duty::Start),
            State::Stopping => return Some(Duty::Cancel),
            State::Reached if may_call => return Some(Duty::Confirm),
            State::Rebooting => return Some(Duty::Reboot),
            _ => {}
        }
        if may_report {
            return Some(Duty::Report);
        }
        (self.look_again && may_call && !self.state.is_trial()).then_some(Duty::RequestTwin)
    }

    /// The command in hand was carried out, or was not. Where a fact has overtaken it, that counts.
    pub fn complete(&mut self, now: Instant, result: Result<(), Errno>) {
        self.now = now;
        let Some(duty) = self.in_hand.take() else {
            return;
        };
        match (duty, result.is_ok()) {
            (Duty::Store, true) => {
                self.unsaved = false;
                if self.state == State::Applying {
                    self.state = State::Stored;
                }
            }
            // Without it the next boot would not know what it is.
            (Duty::Store, false) if self.state == State::Applying => self.fail(Reason::STORAGE),
            (Duty::Store | Duty::Confirm | Duty::RequestTwin, false) => {
                self.wait(Timer::Call, AGAIN);
            }
            (Duty::Start, true) => {
                if self.state == State::Starting {
                    self.enter(State::Running, STALL);
                }
            }
            (Duty::Cancel, true) => {
                if self.state == State::Stopping {
                    self.enter(State::Stopped, STALL);
                }
            }
            // There is nothing to stop.
            (Duty::Start | Duty::Cancel, false) => self.transfer_ended(Reason::CONNECT),
            (Duty::Apply, true) => {
                self.unsaved = true;
                self.tell(DONE);
                let is_ours = self.policy.reboot;
                self.enter(State::Applied, if is_ours { GRACE } else { 0 });
                self.is_due |= is_ours;
            }
            (Duty::Apply, false) => self.fail(Reason::NOT_APPLIED),
            (Duty::Confirm, true) => {
                self.end(Last::CURRENT);
                self.tell(CONFIRMED);
            }
            // It does not come back, as a rule.
            (Duty::Reboot, _) => {
                self.enter(State::Applied, GRACE);
            }
            (Duty::Report, true) => {}
            (Duty::Report, false) => {
                self.report_due();
                self.wait(Timer::Report, AGAIN);
            }
            (Duty::RequestTwin, true) => self.look_again = false,
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
            last: self.last,
            job: self.job.kept(),
        }
    }
}

/// Bytes that [`Updater::poll_command`] needs.
pub const COMMAND_MAX: usize = SOURCE_MAX;
