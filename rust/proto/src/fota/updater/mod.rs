//! The state machine: its states, and how one follows another. Facts and duties lie beside it.

mod duties;
mod facts;

use core::time::Duration;

use heapless::{Deque, String};

pub use duties::COMMAND_MAX;

use super::record::{Progress, Record};
use super::wish::{Job, VERSION_MAX};
use super::{Config, Event, Failure, Reason};
use crate::id::RequestId;
use crate::time::Instant;

/// How the last job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// There is none.
    Nothing,
    Current,
    Failed(Reason),
    RolledBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle(Last),
    /// [`Command::Start`] is due.
    Starting,
    /// Facts of the transfer are awaited.
    Running,
    /// The next attempt, when the timer says so.
    Waiting,
    /// The transfer is being stopped; [`Command::Cancel`] is due where it was not asked yet.
    Stopping {
        then: Then,
        asked: bool,
    },
    /// [`Command::Apply`] is due, once the record of it is stored.
    Applying {
        stored: bool,
    },
    /// The next boot runs the new image; it follows when that is reported, or by the timer.
    Applied,
    /// [`Command::Reboot`] is due.
    Rebooting,
    /// The new image runs, on trial. [`Command::Confirm`] is due where the hub is reached.
    Trial {
        reached: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Start,
    Idle(Last),
    /// Try again after a while: it had stood still.
    Retry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    Store,
    Start,
    Cancel,
    Apply,
    Confirm,
    Reboot,
    Report,
    RequestTwin,
}

/// The progress of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Told,
    Due,
    /// Accepted; its answer is awaited. `again`: something has changed since.
    Sent {
        request: RequestId,
        again: bool,
    },
}

/// A transfer that has said nothing for so long is begun anew.
pub(super) const STALL: Duration = Duration::from_secs(300);
/// So long the last report may hold up the restart.
const GRACE: Duration = Duration::from_secs(10);
/// After a call that failed.
const AGAIN: Duration = Duration::from_secs(10);
/// So often an image is marked for the boot loader and does not run.
const APPLY_MAX: u8 = 3;

/// The state of firmware updates: see the [module docs](crate::fota).
#[derive(Debug)]
pub struct Updater {
    pub(super) version: String<VERSION_MAX>,
    /// What ran before the image on trial.
    from: String<VERSION_MAX>,
    pub(super) reboot: bool,
    trial: Duration,
    progress_step: u8,
    retry_s: u32,
    attempts_max: u8,
    pub(super) state: State,
    /// Of the state's end or of its next step.
    pub(super) timer: Option<Instant>,
    pub(super) job: Job,
    pub(super) offset: u32,
    pub(super) size: u32,
    pub(super) attempts: u8,
    /// Times that this image was marked for the boot loader.
    pub(super) applied: u8,
    unsaved: bool,
    /// A call has failed: not again before.
    again_at: Option<Instant>,
    report: Report,
    report_at: Option<Instant>,
    pub(super) reported_percent: u8,
    pub(super) look_again: bool,
    /// Nothing was stored: what the twin reports is the memory.
    pub(super) forgetful: bool,
    pub(super) in_hand: Option<Duty>,
    events: Deque<Event, 8>,
}

impl Updater {
    /// What runs now, and what the last boot left.
    pub fn new(now: Instant, config: &Config<'_>) -> Self {
        let mut updater = Self {
            version: cut(config.version),
            from: String::new(),
            reboot: config.reboot,
            trial: config.trial,
            progress_step: config.progress_step,
            retry_s: u32::try_from(config.retry.as_secs()).unwrap_or(u32::MAX),
            attempts_max: config.attempts.max(1),
            state: State::Idle(Last::Nothing),
            timer: None,
            job: Job::default(),
            offset: 0,
            size: 0,
            attempts: 0,
            applied: 0,
            unsaved: false,
            again_at: None,
            report: Report::Told,
            report_at: None,
            reported_percent: 0,
            look_again: false,
            forgetful: false,
            in_hand: None,
            events: Deque::new(),
        };
        let record = Record::read(config.record);
        updater.forgetful = record.is_none();
        updater.boot(now, config.confirmed, record);
        updater
    }

    /// What the record and the running image say together. A swap happens at boot only, so that another version
    /// than `from` is the new image, and `from` is the old one.
    fn boot(&mut self, now: Instant, confirmed: bool, record: Option<Record>) {
        let Some(record) = record else {
            if !confirmed {
                self.begin_trial(now);
            }
            return;
        };
        self.job.id = record.job;
        self.job.version = record.version;
        let is_old = record.from == self.version;
        self.from = record.from;
        match record.progress {
            Progress::Ended(last) if confirmed => self.state = State::Idle(last),
            // Installed by other means.
            Progress::Ended(_) => self.begin_trial(now),
            // The power went before the boot loader was told, or right after.
            Progress::Applying(times) if is_old && times < APPLY_MAX => {
                self.applied = times;
                self.state = State::Idle(Last::Nothing);
            }
            Progress::Applying(_) | Progress::Applied if is_old => {
                self.unsaved = true;
                self.state = State::Idle(Last::RolledBack);
                self.tell(Event::RolledBack);
            }
            Progress::Applying(_) | Progress::Applied if confirmed => self.end(Last::Current),
            Progress::Applying(_) | Progress::Applied => {
                self.unsaved = true;
                self.begin_trial(now);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.timer, self.again_at, self.report_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// What the application is to be told.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(super) fn replace(&mut self, job: Job) {
        self.job = job;
        self.offset = 0;
        self.size = self.job.size;
        self.attempts = 0;
        self.applied = 0;
        self.reported_percent = 0;
    }

    /// Begins the job, unless it runs already.
    pub(super) fn start(&mut self) {
        self.timer = None;
        if self.job.version == self.version {
            self.end(Last::Current);
            return;
        }
        self.from = self.version.clone();
        self.state = State::Starting;
        self.report_due();
        self.tell(Event::Started);
    }

    pub(super) fn stop(&mut self, then: Then) {
        self.timer = None;
        self.state = State::Stopping { then, asked: false };
    }

    fn stopped(&mut self, now: Instant) {
        let State::Stopping { then, .. } = self.state else {
            return;
        };
        self.timer = None;
        self.in_hand.take_if(|duty| *duty == Duty::Cancel);
        match then {
            Then::Start => self.start(),
            Then::Idle(last) => {
                self.state = State::Idle(last);
                self.report_due();
            }
            Then::Retry => self.attempt_failed(now, Failure::Transfer),
        }
    }

    fn attempt_failed(&mut self, now: Instant, failure: Failure) {
        self.attempts = self.attempts.saturating_add(1);
        if !failure.is_passing() || self.attempts >= self.attempts_max {
            self.fail(Reason::Platform(failure));
            return;
        }
        let doublings = u32::from(self.attempts - 1).min(6);
        let wait = self.retry_s.saturating_mul(1 << doublings);
        log::warn!("firmware: {}; again in {wait} s", Reason::Platform(failure));
        self.state = State::Waiting;
        self.timer = Some(now + Duration::from_secs(wait.into()));
    }

    fn fail(&mut self, reason: Reason) {
        self.end(Last::Failed(reason));
        self.tell(Event::Failed(reason));
    }

    pub(super) fn end(&mut self, last: Last) {
        self.state = State::Idle(last);
        self.timer = None;
        self.unsaved = true;
        self.report_due();
    }

    fn begin_trial(&mut self, now: Instant) {
        self.state = State::Trial { reached: false };
        self.timer = Some(now + self.trial);
    }

    pub(super) fn report_due(&mut self) {
        self.report = match self.report {
            Report::Sent { request, .. } => Report::Sent {
                request,
                again: true,
            },
            _ => Report::Due,
        };
    }

    pub(super) fn tell(&mut self, event: Event) {
        if let (Event::Progress { .. }, Some(last @ Event::Progress { .. })) =
            (event, self.events.back_mut())
        {
            *last = event;
        } else if self.events.push_back(event).is_err() {
            log::error!("an event is lost: events are to be drained after every call");
        }
    }

    pub(super) fn percent(&self) -> u8 {
        // Nothing of 64 bits is divided: that is 400 bytes.
        let percent = match self.offset.checked_mul(100) {
            Some(hundredfold) => hundredfold / self.size.max(1),
            None => self.offset / (self.size / 100).max(1),
        };
        percent.min(100) as u8
    }
}

/// A version that is too long is cut, rather than refused: it is our own.
fn cut(version: &str) -> String<VERSION_MAX> {
    let mut text = String::new();
    for character in version.chars().filter(|character| !character.is_control()) {
        if text.push(character).is_err() {
            break;
        }
    }
    text
}
