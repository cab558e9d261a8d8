//! Timers as a table of data.

use crate::time::Instant;

/// What is waited for. In the order in which they are served when several are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// No connect before this.
    Backoff,
    /// No `Attach` before this.
    Attach,
    /// No `Abort` before this.
    Abort,
    Connack,
    Suback,
    Puback,
    /// The link has been silent.
    Link,
    /// The connection has proved good.
    Stable,
    /// The twin's answer, or the next request for it.
    Twin,
    /// The answer to the oldest report.
    Report,
    /// DPS's answer, or the next request to it.
    Dps,
}

const ALL: [Timer; 11] = [
    Timer::Backoff,
    Timer::Attach,
    Timer::Abort,
    Timer::Connack,
    Timer::Suback,
    Timer::Puback,
    Timer::Link,
    Timer::Stable,
    Timer::Twin,
    Timer::Report,
    Timer::Dps,
];

/// When each is due.
#[derive(Debug)]
pub(crate) struct Timers([Instant; ALL.len()]);

impl Timers {
    pub(crate) const fn new() -> Self {
        Self([Instant::NEVER; ALL.len()])
    }

    pub(crate) fn start(&mut self, timer: Timer, at: Instant) {
        if let Some(slot) = self.0.get_mut(timer as usize) {
            *slot = at;
        }
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.start(timer, Instant::NEVER);
    }

    fn at(&self, timer: Timer) -> Instant {
        let at = self.0.get(timer as usize);
        at.copied().unwrap_or(Instant::NEVER)
    }

    pub(crate) fn is_off(&self, timer: Timer) -> bool {
        self.at(timer) == Instant::NEVER
    }

    /// Whether it runs and has not come.
    pub(crate) fn is_waiting(&self, timer: Timer, now: Instant) -> bool {
        self.at(timer) > now
    }

    /// Stops and returns one that has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let due = ALL.into_iter().find(|timer| self.at(*timer).is_due(now))?;
        self.stop(due);
        Some(due)
    }

    pub(crate) fn next(&self) -> Instant {
        self.0.into_iter().fold(Instant::NEVER, Instant::or_before)
    }
}
