//! The state machine: its states, and how one follows another. Facts and duties lie beside it.

mod duties;
mod facts;

use core::time::Duration;

pub use duties::COMMAND_MAX;

use super::reason::Last;
use super::record::{Progress, Record};
use super::wish::Job;
use super::{Config, Event, Policy, Reason, VERSION_MAX, Version, put};
use crate::id::RequestId;
use crate::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The last job has ended as [`Updater::last`] says.
    Idle,
    /// [`Command::Start`](super::Command::Start) is due.
    Starting,
    /// Facts of the transfer are awaited.
    Running,
    /// The next attempt, when the timer says so.
    Waiting,
    /// The transfer is to stop: [`Command::Cancel`](super::Command::Cancel) is due.
    Stopping,
    /// It was asked to stop; [`Updater::then`] follows its end.
    Stopped,
    /// The record of the new image is to be stored.
    Applying,
    /// [`Command::Apply`](super::Command::Apply) is due.
    Stored,
    /// The next boot runs the new image; it follows when that is reported, or by the timer.
    Applied,
    /// [`Command::Reboot`](super::Command::Reboot) is due.
    Rebooting,
    /// The new image runs, on trial.
    Trial,
    /// It has reached the hub: [`Command::Confirm`](super::Command::Confirm) is due.
    Reached,
}

impl State {
    /// There is a job, and the image is not complete.
    pub(super) const fn is_transfer(self) -> bool {
        matches!(
            self,
            Self::Starting | Self::Running | Self::Waiting | Self::Stopping | Self::Stopped
        )
    }

    pub(super) const fn is_leaving(self) -> bool {
        matches!(self, Self::Stopping | Self::Stopped)
    }

    pub(super) const fn is_trial(self) -> bool {
        matches!(self, Self::Trial | Self::Reached)
    }
}

/// What follows a transfer that is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Idle,
    Start,
    /// Try again after a while: it had stood still.
    Retry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    // None of them is 0, so that all zeros is an updater that has not begun.
    Store = 1,
    Start,
    Cancel,
    Apply,
    Confirm,
    Reboot,
    Report,
    RequestTwin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// Of the state's end or of its next step.
    State,
    /// A call has failed: not again before.
    Call,
    /// A report has failed: not again before.
    Report,
}

/// A transfer that has said nothing for so many seconds is begun anew.
pub(super) const STALL: u32 = 300;
/// So many seconds the last report may hold up the restart.
const GRACE: u32 = 10;
/// Seconds after a call that failed.
const AGAIN: u32 = 10;
/// So often an image is marked for the boot loader and does not run.
const APPLY_MAX: u8 = 3;

/// Events by their bit in [`Updater::told`], in the order in which they are told.
const ROLLED_BACK: u32 = 0;
const CONFIRMED: u32 = 1;
pub(super) const CANCELLED: u32 = 2;
const FAILED: u32 = 3;
const STARTED: u32 = 4;
const ERASE_PENDING: u32 = 5;
const ERASE_DONE: u32 = 6;
const PROGRESS: u32 = 7;
const DONE: u32 = 8;

/// The state of firmware updates: see the [module docs](crate::fota). In C's order: what each step looks at comes first,
/// where the instructions that reach it are short.
#[derive(Debug)]
#[repr(C)]
pub struct Updater {
    pub(super) state: State,
    pub(super) then: Then,
    pub(super) in_hand: Option<Duty>,
    /// Something is to be reported.
    is_due: bool,
    /// A report is on its way: its answer is awaited.
    is_sent: bool,
    unsaved: bool,
    pub(super) look_again: bool,
    /// Nothing was stored: what the twin reports is the memory.
    pub(super) forgetful: bool,
    attempts: u8,
    /// Times that this image was marked for the boot loader.
    pub(super) applied: u8,
    reported_percent: u8,
    /// How the last job has ended, or how this one is to end once it is stopped.
    pub(super) last: Last,
    pub(super) policy: Policy,
    pub(super) offset: u32,
    pub(super) size: u32,
    request: RequestId,
    /// As the call says that is under way.
    now: Instant,
    timers: [Instant; 3],
    /// Events that are due.
    told: u32,
    /// Of [`Event::Failed`].
    reason: Reason,
    /// What runs.
    pub(super) version: Version,
    pub(super) job: Job,
}

impl Updater {
    /// Before [`boot`](Self::boot).
    pub const NEW: Self = Self {
        policy: Policy {
            reboot: false,
            progress_step: 0,
            attempts: 0,
            trial_s: 0,
            retry_s: 0,
        },
        version: [0; VERSION_MAX + 1],
        state: State::Idle,
        then: Then::Idle,
        last: Last::NOTHING,
        job: Job::new(),
        offset: 0,
        size: 0,
        attempts: 0,
        applied: 0,
        unsaved: false,
        now: Instant::from_millis(0),
        timers: [Instant::NEVER; 3],
        is_due: false,
        is_sent: false,
        request: RequestId::new(0),
        reported_percent: 0,
        look_again: false,
        forgetful: false,
        in_hand: None,
        told: 0,
        reason: Reason::NONE,
    };

    /// What runs now, and what the last boot left. A swap happens at boot only, so that another version than the
    /// record's `from` is the new image, and `from` is the old one.
    pub fn boot(&mut self, now: Instant, config: &Config<'_>) {
        self.now = now;
        self.policy = config.policy;
        // It is our own: what cannot be kept is cut off rather than refused.
        let printable = config
            .version
            .bytes()
            .take_while(|byte| matches!(byte, b' '..=b'~'));
        for (place, byte) in self.version.iter_mut().take(VERSION_MAX).zip(printable) {
            *place = byte;
        }
        let record = Record::read(config.record);
        self.forgetful = record.is_none();
        let mut is_old = false;
        let mut progress = Progress::Ended;
        if let Some(record) = record {
            progress = record.progress;
            self.last = record.last;
            put(self.job.kept_mut(), record.job);
            is_old = *self.job.from() == self.version;
            self.applied = record.times;
        }
        match progress {
            // The power went before the boot loader was told, or right after.
            Progress::Applying if is_old && self.applied < APPLY_MAX => {}
            Progress::Applying | Progress::Applied if is_old => {
                self.last = Last::ROLLED_BACK;
                self.unsaved = true;
                Reason::ROLLED_BACK.log("the old one runs", 0);
                self.tell(ROLLED_BACK);
            }
            Progress::Applying | Progress::Applied if config.confirmed => self.end(Last::CURRENT),
            // Or installed by other means.
            _ if !config.confirmed => {
                self.unsaved = progress != Progress::Ended;
                self.enter(State::Trial, self.policy.trial_s);
            }
            _ => {}
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let [state, call, report] = self.timers;
        let first = state.or_before(call).or_before(report);
        (first != Instant::NEVER).then_some(first)
    }

    /// Whether it was due, and is over.
    pub(super) fn take_timer(&mut self, timer: Timer) -> bool {
        let is_due = self.timers[timer as usize].is_due(self.now);
        if is_due {
            self.timers[timer as usize] = Instant::NEVER;
        }
        is_due
    }

    /// What the application is to be told.
    pub fn poll_event(&mut self) -> Option<Event> {
        let (offset, size) = (self.offset, self.size);
        let first = self.told.trailing_zeros();
        self.told &= self.told.wrapping_sub(1);
        Some(match first {
            ROLLED_BACK => Event::RolledBack,
            CONFIRMED => Event::Confirmed,
            CANCELLED => Event::Cancelled,
            FAILED => Event::Failed(self.reason),
            STARTED => Event::Started,
            ERASE_PENDING => Event::ErasePending,
            ERASE_DONE => Event::EraseDone,
            PROGRESS => Event::Progress { offset, size },
            DONE => Event::Done,
            _ => return None,
        })
    }

    pub(super) fn wait(&mut self, timer: Timer, seconds: u32) {
        let at = self.now + Duration::from_secs(seconds.into());
        if let Some(place) = self.timers.get_mut(timer as usize) {
            *place = at;
        }
    }

    pub(super) fn is_waiting(&self, timer: Timer) -> bool {
        self.timers[timer as usize] != Instant::NEVER
    }

    /// Into another state, with its timer, or without one at 0.
    #[inline(never)]
    pub(super) fn enter(&mut self, state: State, seconds: u32) {
        self.state = state;
        self.timers[Timer::State as usize] = Instant::NEVER;
        if seconds > 0 {
            self.wait(Timer::State, seconds);
        }
    }

    #[inline(never)]
    pub(super) fn replace(&mut self, job: &Job) {
        self.job.become_like(job);
        self.offset = 0;
        self.size = self.job.size();
        self.attempts = 0;
        self.applied = 0;
        self.reported_percent = 0;
    }

    /// Begins the job, unless it runs already.
    pub(super) fn start(&mut self) {
        if self.runs(&self.job) {
            self.end(Last::CURRENT);
            return;
        }
        self.last = Last::NOTHING;
        self.job.set_from(&self.version);
        self.enter(State::Starting, 0);
        self.report_due();
        self.tell(STARTED);
    }

    pub(super) fn stop(&mut self, then: Then) {
        self.then = then;
        self.enter(State::Stopping, 0);
    }

    /// The transfer has ended without an image.
    fn transfer_ended(&mut self, reason: Reason) {
        self.in_hand
            .take_if(|duty| matches!(duty, Duty::Start | Duty::Cancel));
        match self.state {
            State::Starting | State::Running => self.attempt_failed(reason),
            State::Stopping | State::Stopped => match self.then {
                Then::Start => self.start(),
                Then::Retry => self.attempt_failed(Reason::TRANSFER),
                Then::Idle => {
                    self.enter(State::Idle, 0);
                    self.report_due();
                }
            },
            _ => {}
        }
    }

    fn attempt_failed(&mut self, reason: Reason) {
        self.attempts = self.attempts.saturating_add(1);
        if self.attempts >= reason.attempts().min(self.policy.attempts) {
            self.fail(reason);
            return;
        }
        let doublings = (self.attempts - 1).min(6);
        let seconds = u32::from(self.policy.retry_s) << doublings;
        reason.log("again in ", seconds);
        self.enter(State::Waiting, seconds);
    }

    fn fail(&mut self, reason: Reason) {
        self.end(Last::failed(reason));
        self.tell_failed(reason);
    }

    #[inline(never)]
    pub(super) fn tell_failed(&mut self, reason: Reason) {
        reason.log("what runs is untouched", 0);
        self.reason = reason;
        self.tell(FAILED);
    }

    pub(super) fn end(&mut self, last: Last) {
        self.last = last;
        self.unsaved = true;
        self.enter(State::Idle, 0);
        self.report_due();
    }

    pub(super) fn report_due(&mut self) {
        self.is_due = true;
    }

    /// An event takes back what comes after it in the order and is not told yet: it is overtaken.
    pub(super) fn tell(&mut self, event: u32) {
        let bit = 1 << event;
        self.told = self.told & (bit - 1) | bit;
    }

    #[inline(never)]
    pub(super) fn percent(&self) -> u8 {
        (self.offset / (self.size / 100).max(1)).min(100) as u8
    }
}
