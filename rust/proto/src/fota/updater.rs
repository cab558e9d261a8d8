//! The state machine: facts, duties, and what each makes of the other.

use core::ffi::CStr;
use core::time::Duration;

use heapless::{Deque, String, Vec};

use super::record::{Progress, RECORD_MAX, Record};
use super::wish::{HOST_MAX, Job, PATH_MAX, VERSION_MAX};
use super::{Command, Config, Event, Failure, Reason, Source};
use crate::id::{Errno, RequestId};
use crate::time::Instant;
use crate::twin;

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

/// The state of firmware updates: see the [module docs](self).
#[derive(Debug)]
pub struct Updater {
    pub(super) version: String<VERSION_MAX>,
    /// What ran before the image on trial.
    from: String<VERSION_MAX>,
    pub(super) reboot: bool,
    trial: Duration,
    progress_step: u8,
    retry: Duration,
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
            retry: config.retry,
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

    /// Fact: the hub has granted every subscription.
    pub fn handle_ready(&mut self, _now: Instant) {
        if let State::Trial { reached } = &mut self.state {
            *reached = true;
        }
    }

    /// Fact: the whole twin.
    pub fn handle_twin(&mut self, now: Instant, twin: &twin::Document<'_>) {
        let reported = twin.reported().object("firmware");
        self.judge(now, &twin.desired(), reported.as_ref(), true);
        if !self.is_reported(reported.as_ref()) {
            self.report_due();
        }
    }

    /// Fact: the desired properties have changed. What is missing from a part may stand in the whole, which is then
    /// asked for.
    pub fn handle_desired(&mut self, now: Instant, desired: &twin::Desired<'_>) {
        self.judge(now, &desired.properties(), None, false);
    }

    /// Fact: so much is in the slot.
    pub fn handle_progress(&mut self, now: Instant, offset: u32, size: u32) {
        if self.state != State::Running {
            return;
        }
        if offset > self.offset {
            self.attempts = 0;
        }
        self.offset = offset;
        self.size = size;
        self.timer = Some(now + STALL);
        self.tell(Event::Progress { offset, size });
        let percent = self.percent();
        let next = self.reported_percent.saturating_add(self.progress_step);
        if self.progress_step > 0 && percent >= next {
            self.report_due();
        }
    }

    /// Fact: the image is complete and is what the job says. `version` is what it calls itself, where the platform
    /// can read that.
    pub fn handle_done(&mut self, now: Instant, version: Option<&str>) {
        match self.state {
            State::Running | State::Starting => {
                self.in_hand.take_if(|duty| *duty == Duty::Start);
                if version.is_some_and(|version| self.version == *version) {
                    self.fail(Reason::SameVersion);
                    return;
                }
                self.state = State::Applying { stored: false };
                self.timer = Some(now + GRACE);
                self.report_due();
            }
            State::Stopping { .. } => self.stopped(now),
            _ => {}
        }
    }

    /// Fact: the transfer has failed.
    pub fn handle_failed(&mut self, now: Instant, failure: Failure) {
        match self.state {
            State::Running | State::Starting => {
                self.in_hand.take_if(|duty| *duty == Duty::Start);
                self.attempt_failed(now, failure);
            }
            State::Stopping { .. } => self.stopped(now),
            _ => {}
        }
    }

    /// Fact: the transfer has stopped, as it was asked to.
    pub fn handle_stopped(&mut self, now: Instant) {
        match self.state {
            State::Stopping { .. } => self.stopped(now),
            // Nobody here has asked: something else on the device has the slot.
            State::Running => self.attempt_failed(now, Failure::Transfer),
            _ => {}
        }
    }

    /// Fact: the slot needs to be erased and is not yet, or is.
    pub fn handle_erase(&mut self, now: Instant, done: bool) {
        if self.state == State::Running {
            self.timer = Some(now + STALL);
        }
        self.tell(if done {
            Event::EraseDone
        } else {
            Event::ErasePending
        });
    }

    /// Fact: a report was answered. `false` where the number is not of a report of ours.
    pub fn handle_reported(
        &mut self,
        now: Instant,
        request: RequestId,
        result: Result<(), twin::Failure>,
    ) -> bool {
        let Report::Sent {
            request: sent,
            again,
        } = self.report
        else {
            return false;
        };
        if sent != request {
            return false;
        }
        // What the hub refuses for what it is will not get better.
        let refused = matches!(result, Err(twin::Failure::Status(400..=499)));
        let retry = result.is_err() && !refused;
        if refused {
            log::warn!("the hub refuses the report of the firmware's state");
        }
        if retry {
            self.report_at = Some(now + AGAIN);
        }
        self.report = if again || retry {
            Report::Due
        } else {
            Report::Told
        };
        if self.state == State::Applied && self.report == Report::Told && self.reboot {
            self.state = State::Rebooting;
        }
        true
    }

    /// The number under which the last [`Command::Report`] was accepted.
    pub fn accepted(&mut self, request: RequestId) {
        if self.in_hand == Some(Duty::Report) {
            self.report = Report::Sent {
                request,
                again: false,
            };
        }
    }

    /// Fact: it is now so late.
    pub fn handle_timeout(&mut self, now: Instant) {
        let past = |at: &mut Instant| now >= *at;
        self.again_at.take_if(past);
        self.report_at.take_if(past);
        if self.timer.take_if(past).is_none() {
            return;
        }
        match self.state {
            State::Waiting => self.state = State::Starting,
            State::Running => {
                log::warn!("the download stands still");
                self.stop(Then::Retry);
            }
            State::Stopping { then, .. } => self.stop(then),
            State::Applied => self.state = State::Rebooting,
            State::Trial { .. } => {
                log::error!("the new image has not reached the hub: restarting into the old one");
                self.state = State::Rebooting;
            }
            _ => {}
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

    /// What is to be done now; to be followed by [`complete`](Self::complete), one at a time. `buffer` needs
    /// [`COMMAND_MAX`] bytes.
    pub fn poll_command<'b>(&mut self, buffer: &'b mut [u8]) -> Option<Command<'b>> {
        if self.in_hand.is_some() {
            return None;
        }
        let duty = self.duty()?;
        let command = match duty {
            Duty::Store => Command::Store(put(buffer, &self.record())?),
            Duty::Start => Command::Start(self.source(buffer)?),
            Duty::Cancel => Command::Cancel,
            Duty::Apply => Command::Apply,
            Duty::Confirm => Command::Confirm,
            Duty::Reboot => Command::Reboot,
            Duty::RequestTwin => Command::RequestTwin,
            Duty::Report => Command::Report(self.write_report(buffer)?),
        };
        if duty == Duty::Report {
            self.reported_percent = self.percent();
        }
        self.in_hand = Some(duty);
        Some(command)
    }

    fn duty(&self) -> Option<Duty> {
        let may_call = self.again_at.is_none();
        // What is being stopped says soon what it is then.
        let is_leaving = matches!(
            self.state,
            State::Stopping {
                then: Then::Idle(_),
                ..
            }
        );
        let may_report = self.report == Report::Due && self.report_at.is_none() && !is_leaving;
        match self.state {
            // A back end waits for the word `applying`; then the record is stored, and then it is done.
            State::Applying { .. } if may_report => return Some(Duty::Report),
            State::Applying { .. } if self.timer.is_some() && self.is_behind() => return None,
            State::Applying { stored: false } => return Some(Duty::Store),
            _ if self.unsaved && may_call => return Some(Duty::Store),
            State::Applying { stored: true } => return Some(Duty::Apply),
            State::Starting if may_call => return Some(Duty::Start),
            State::Stopping { asked: false, .. } => return Some(Duty::Cancel),
            State::Trial { reached: true } if may_call => return Some(Duty::Confirm),
            State::Rebooting => return Some(Duty::Reboot),
            _ => {}
        }
        if may_report {
            return Some(Duty::Report);
        }
        let on_trial = matches!(self.state, State::Trial { .. });
        (self.look_again && may_call && !on_trial).then_some(Duty::RequestTwin)
    }

    /// The command in hand was carried out, or was not. Where a fact has overtaken it, that counts.
    pub fn complete(&mut self, now: Instant, result: Result<(), Errno>) {
        let Some(duty) = self.in_hand.take() else {
            return;
        };
        match (duty, result) {
            (Duty::Store, Ok(())) => {
                self.unsaved = false;
                if let State::Applying { stored } = &mut self.state {
                    *stored = true;
                }
            }
            (Duty::Store, Err(_)) => match self.state {
                // Without it the next boot would not know what it is.
                State::Applying { .. } => self.fail(Reason::Platform(Failure::Storage)),
                _ => self.again_at = Some(now + AGAIN),
            },
            (Duty::Start, result) => self.started(now, result),
            (Duty::Cancel, Ok(())) => {
                if let State::Stopping { asked, .. } = &mut self.state {
                    *asked = true;
                    self.timer = Some(now + STALL);
                }
            }
            // There is nothing to stop.
            (Duty::Cancel, Err(_)) => {
                if matches!(self.state, State::Stopping { .. }) {
                    self.stopped(now);
                }
            }
            (Duty::Apply, Ok(())) => {
                self.state = State::Applied;
                self.timer = None;
                self.unsaved = true;
                self.tell(Event::Done);
                if self.reboot {
                    self.report_due();
                    self.timer = Some(now + GRACE);
                }
            }
            (Duty::Apply, Err(_)) => self.fail(Reason::NotApplied),
            (Duty::Confirm, Ok(())) => {
                self.end(Last::Current);
                self.tell(Event::Confirmed);
            }
            (Duty::Confirm, Err(_)) => self.again_at = Some(now + AGAIN),
            // It does not come back, as a rule.
            (Duty::Reboot, _) => {
                self.state = State::Applied;
                self.timer = Some(now + GRACE);
            }
            (Duty::Report, Ok(())) => {}
            (Duty::Report, Err(_)) => self.report_at = Some(now + AGAIN),
            (Duty::RequestTwin, Ok(())) => self.look_again = false,
            (Duty::RequestTwin, Err(_)) => self.again_at = Some(now + AGAIN),
        }
    }

    fn started(&mut self, now: Instant, result: Result<(), Errno>) {
        match (self.state, result) {
            (State::Starting, Ok(())) => {
                self.state = State::Running;
                self.timer = Some(now + STALL);
            }
            (State::Starting, Err(_)) => self.attempt_failed(now, Failure::Connect),
            (State::Stopping { .. }, Err(_)) => self.stopped(now),
            _ => {}
        }
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
        let wait = self.retry * (1 << doublings);
        log::warn!(
            "firmware: {}; again in {} s",
            Reason::Platform(failure),
            wait.as_secs()
        );
        self.state = State::Waiting;
        self.timer = Some(now + wait);
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

    /// Whether an older report is on its way, and its answer lets the next one go.
    fn is_behind(&self) -> bool {
        matches!(self.report, Report::Sent { again: true, .. })
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
        let percent = u64::from(self.offset) * 100 / u64::from(self.size.max(1));
        percent.min(100) as u8
    }

    fn record(&self) -> Vec<u8, RECORD_MAX> {
        let progress = match self.state {
            State::Applying { .. } => Progress::Applying(self.applied.saturating_add(1)),
            State::Applied | State::Rebooting | State::Trial { .. } => Progress::Applied,
            State::Idle(last) => Progress::Ended(last),
            // Nothing of a transfer needs to be known: the twin says it again.
            _ => Progress::Ended(Last::Nothing),
        };
        Record {
            progress,
            job: self.job.id.clone(),
            version: self.job.version.clone(),
            from: self.from.clone(),
        }
        .write()
    }

    fn source<'b>(&self, buffer: &'b mut [u8]) -> Option<Source<'b>> {
        let (host, rest) = c_text(buffer, &self.job.host)?;
        let (path, _) = c_text(rest, &self.job.path)?;
        Some(Source {
            host,
            path,
            tls: !self.job.plain,
            port: self.job.port,
            sec_tags: self.job.sec_tags.clone(),
            fragment: self.job.fragment,
            size: self.job.size,
            sha256: self.job.sha256,
            identity: self.job.identity(),
        })
    }
}

/// Bytes that [`Updater::poll_command`] needs.
pub const COMMAND_MAX: usize = HOST_MAX + PATH_MAX + 2;

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

fn put<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> Option<&'b [u8]> {
    let place = buffer.get_mut(..bytes.len())?;
    place.copy_from_slice(bytes);
    Some(place)
}

fn c_text<'b>(buffer: &'b mut [u8], text: &str) -> Option<(&'b CStr, &'b mut [u8])> {
    let (place, rest) = buffer.split_at_mut_checked(text.len() + 1)?;
    let (last, front) = place.split_last_mut()?;
    front.copy_from_slice(text.as_bytes());
    *last = 0;
    Some((CStr::from_bytes_with_nul(place).ok()?, rest))
}
