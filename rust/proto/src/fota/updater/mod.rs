//! The state machine: its states, and how one follows another. Inputs and commands lie beside it.

mod commands;
mod inputs;

use core::time::Duration;

pub use commands::COMMAND_MAX;

use super::desired::Job;
use super::reason::Outcome;
use super::record::{Progress, Record};
use super::{Config, Event, ImageVersion, Policy, Reason, VERSION_MAX, Version, put, text};
use crate::id::RequestId;
use crate::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The last job has ended as [`Updater::outcome`] says.
    Idle,
    /// [`Command::Start`](super::Command::Start) is due.
    Starting,
    /// Inputs from the transfer are awaited.
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
pub(super) enum AfterStop {
    Idle,
    Start,
    /// Try again after a while: it had stood still.
    Retry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
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
pub(super) const STALL_TIMEOUT: u32 = 300;
/// So many seconds the last report may hold up the restart.
const REPORT_GRACE: u32 = 10;
/// Seconds after a call that failed.
const CALL_RETRY: u32 = 10;
/// So often an image is marked for the boot loader and does not run.
const APPLY_MAX: u8 = 3;

/// Events by their bit in [`Updater::pending_events`], in the order in which they are emitted.
const ROLLED_BACK: u32 = 0;
const CONFIRMED: u32 = 1;
pub(super) const CANCELLED: u32 = 2;
const FAILED: u32 = 3;
const STARTED: u32 = 4;
const ERASE_PENDING: u32 = 5;
const ERASE_DONE: u32 = 6;
const PROGRESS: u32 = 7;
const DONE: u32 = 8;

/// The state of firmware updates: see the [module docs](crate::fota). In C's order: what each step
/// looks at comes first, where the instructions that reach it are short.
#[derive(Debug)]
#[repr(C)]
pub struct Updater {
    pub(super) state: State,
    pub(super) after_stop: AfterStop,
    pub(super) executing: Option<Action>,
    /// Something is to be reported.
    report_pending: bool,
    /// A report is on its way: its answer is awaited.
    report_sent: bool,
    pub(super) store_pending: bool,
    /// What is stored says how a job has ended, or how far it is.
    pub(super) recorded: bool,
    pub(super) twin_pending: bool,
    /// Nothing was stored: what the twin reports is the memory.
    pub(super) without_record: bool,
    attempts: u8,
    /// What an image's header says is not compared.
    by_text: bool,
    /// The image of the job is older than the one before it.
    pub(super) is_older: bool,
    /// Times that this image was marked for the boot loader.
    pub(super) applied: u8,
    reported_percent: u8,
    /// How the last job has ended, or how this one is to end once it is stopped.
    pub(super) outcome: Outcome,
    pub(super) policy: Policy,
    pub(super) offset: u32,
    pub(super) size: u32,
    /// As far as the job ever was: only what is beyond it is progress.
    furthest: u32,
    request: RequestId,
    /// As the call says that is under way.
    now: Instant,
    timers: [Instant; 3],
    /// Events that are due.
    pending_events: u32,
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
        after_stop: AfterStop::Idle,
        outcome: Outcome::NOTHING,
        job: Job::new(),
        offset: 0,
        size: 0,
        furthest: 0,
        attempts: 0,
        by_text: false,
        is_older: false,
        applied: 0,
        store_pending: false,
        recorded: false,
        now: Instant::from_millis(0),
        timers: [Instant::NEVER; 3],
        report_pending: false,
        report_sent: false,
        request: RequestId::new(0),
        reported_percent: 0,
        twin_pending: false,
        without_record: false,
        executing: None,
        pending_events: 0,
        reason: Reason::NONE,
    };

    /// What runs now, and what the last boot left. A swap happens at boot only: what is not
    /// confirmed is the new image; of what is, another version than the record's `from` is the new
    /// one, and `from` is the old one.
    pub fn boot(&mut self, now: Instant, config: &Config<'_>) {
        self.now = now;
        self.policy = config.policy;
        self.by_text = config.by_text;
        // It is our own: what cannot be kept is cut off rather than refused.
        let printable = config
            .version
            .bytes()
            .take_while(|byte| matches!(byte, b' '..=b'~'));
        for (place, byte) in self.version.iter_mut().take(VERSION_MAX).zip(printable) {
            *place = byte;
        }
        let record = Record::read(config.record);
        self.without_record = record.is_none();
        let mut is_old = false;
        let mut progress = Progress::Ended;
        if let Some(record) = record {
            progress = record.progress;
            self.recorded = record.is_of_job();
            self.outcome = record.outcome;
            put(self.job.recorded_mut(), record.job);
            is_old = *self.job.from() == self.version;
            self.applied = record.times;
            let before = ImageVersion::parse(text(self.job.from()));
            self.is_older = !self.by_text && before > self.image_version();
        }
        match progress {
            // Only an image on trial is not confirmed, whatever it calls itself; or it was
            // installed by other means.
            _ if !config.confirmed => {
                self.store_pending = progress != Progress::Ended;
                self.enter(State::Trial, self.policy.trial_s);
            }
            // The power went before the boot loader was told, or right after.
            Progress::Applying if is_old && self.applied < APPLY_MAX => {}
            Progress::Applying | Progress::Applied if is_old => {
                self.outcome = Outcome::ROLLED_BACK;
                self.store_pending = true;
                Reason::ROLLED_BACK.log("the old one runs", 0);
                self.emit(ROLLED_BACK);
            }
            Progress::Applying | Progress::Applied => self.end(Outcome::CURRENT),
            Progress::Ended => {}
        }
    }

    /// Of what runs, where that is not a free text.
    pub(super) fn image_version(&self) -> Option<ImageVersion> {
        ImageVersion::parse(text(&self.version))
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

    /// The next event for the application.
    pub fn poll_event(&mut self) -> Option<Event> {
        let (offset, size) = (self.offset, self.size);
        let first = self.pending_events.trailing_zeros();
        self.pending_events &= self.pending_events.wrapping_sub(1);
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
        self.job.copy_request(job);
        self.offset = 0;
        self.size = self.job.size();
        self.furthest = 0;
        self.attempts = 0;
        self.applied = 0;
        self.is_older = false;
        self.reported_percent = 0;
    }

    /// Begins the job, unless it runs already.
    pub(super) fn start(&mut self) {
        self.job.set_from(&self.version);
        if self.runs(&self.job) {
            self.end(Outcome::CURRENT);
            return;
        }
        self.outcome = Outcome::NOTHING;
        self.store_pending |= self.recorded;
        self.enter(State::Starting, 0);
        self.report_due();
        self.emit(STARTED);
    }

    pub(super) fn stop(&mut self, after_stop: AfterStop) {
        self.after_stop = after_stop;
        self.enter(State::Stopping, 0);
    }

    /// The transfer has ended without an image.
    fn transfer_ended(&mut self, reason: Reason) {
        self.executing
            .take_if(|action| matches!(action, Action::Start | Action::Cancel));
        match self.state {
            State::Starting | State::Running => self.attempt_failed(reason),
            State::Stopping | State::Stopped => match self.after_stop {
                AfterStop::Start => self.start(),
                AfterStop::Retry => self.attempt_failed(Reason::TRANSFER),
                AfterStop::Idle => {
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
        self.end(Outcome::failed(reason));
        self.emit_failed(reason);
    }

    #[inline(never)]
    pub(super) fn emit_failed(&mut self, reason: Reason) {
        reason.log("what runs is untouched", 0);
        self.reason = reason;
        self.emit(FAILED);
    }

    pub(super) fn end(&mut self, outcome: Outcome) {
        self.outcome = outcome;
        self.store_pending = true;
        self.enter(State::Idle, 0);
        self.report_due();
    }

    pub(super) fn report_due(&mut self) {
        self.report_pending = true;
    }

    /// An event takes back those behind it in the order that were not polled yet: they are
    /// overtaken.
    pub(super) fn emit(&mut self, event: u32) {
        let bit = 1 << event;
        self.pending_events = self.pending_events & (bit - 1) | bit;
    }

    #[inline(never)]
    pub(super) fn percent(&self) -> u8 {
        (self.offset / (self.size / 100).max(1)).min(100) as u8
    }
}
