//! How a connection ends, and what time does to it.

use core::time::Duration;

use super::{AssignmentDuty, Client, Duty, State, Subscription, Target};
use crate::dps;
use crate::error::Disconnect;
use crate::event::Event;
use crate::id::RequestId;
use crate::maybe::Maybe;
use crate::outbox::Kind;
use crate::reconnect::Class;
use crate::time::Instant;
use crate::timer::Timer;
use crate::twin::{self, Get};

/// The status of the answer that is given for an application that gave none.
const GATEWAY_TIMEOUT: i32 = 504;

/// From so many oversize messages in a row on, one connection goes without C2D, …
const OVERSIZE_WITHOUT_C2D: u32 = 2;
/// … and without the twin's document.
const OVERSIZE_WITHOUT_TWIN: u32 = 3;

/// Timers that belong to a connection.
const OF_CONNECTION: [Timer; 8] = [
    Timer::Connack,
    Timer::Suback,
    Timer::Puback,
    Timer::Link,
    Timer::Stable,
    Timer::Twin,
    Timer::Report,
    Timer::Dps,
];

impl<const OUTBOX: usize, const WITH_DPS: bool> Client<OUTBOX, WITH_DPS> {
    /// Fact: time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.gate.handle_timeout(now, &mut self.events);
        while let Some(id) = self.calls.expired(now) {
            log::warn!("a method was not answered in time: 504 is sent for it");
            if self.answer_call(id, GATEWAY_TIMEOUT, &[]).is_err() {
                log::error!("no room in the outbox for the answer to a method");
            }
            self.calls.remove(id);
        }
        while let Some(timer) = self.timers.take_due(now) {
            self.handle_timer(now, timer);
        }
    }

    fn handle_timer(&mut self, now: Instant, timer: Timer) {
        match timer {
            // What waited for them is a duty now.
            Timer::Backoff | Timer::Attach | Timer::Abort => {}
            Timer::Connack => self.end(now, Disconnect::ConnackTimeout),
            Timer::Suback => self.end(now, Disconnect::SubackTimeout),
            Timer::Puback => self.end(now, Disconnect::PubackTimeout),
            Timer::Link => self.end(now, Disconnect::LinkSilent),
            Timer::Stable => {
                self.attempts = 0;
                self.oversize = 0;
            }
            Timer::Twin => match self.get {
                Get::Sent(request) => self.get_failed(now, request, twin::Failure::Timeout),
                Get::Again => {
                    self.want_twin();
                }
                Get::Idle | Get::Due(_) => {}
            },
            Timer::Report => self.report_timeout(now),
            Timer::Dps => self.provisioning_timeout(now),
        }
    }

    /// The connection is over: its waits are void, what was on its way waits again, and `Abort` is due.
    pub(super) fn end(&mut self, now: Instant, cause: Disconnect) {
        let (target, was_ready) = match self.state {
            State::Opening(target) | State::Greeting(target) | State::Leaving(target, _) => {
                (target, false)
            }
            State::Open(target, subscription) => (target, subscription == Subscription::Granted),
            State::Idle | State::Ending => return,
        };
        if self.in_hand != Duty::Assignment {
            self.in_hand = Duty::Nothing;
        }
        for timer in OF_CONNECTION {
            self.timers.stop(timer);
        }
        self.outbox.rewind();
        self.calls.clear();
        self.measured = None;
        if let Get::Due(request) | Get::Sent(request) = self.get
            && !self.settings.request_twin
        {
            self.events.push(Event::TwinFailed {
                request,
                reason: twin::Failure::Disconnected,
            });
        }
        self.get = Get::Idle;

        let wait = self.back_off(now, target, was_ready, cause);
        self.state = State::Ending;
        self.last_disconnect = Maybe::Some(cause);
        // A wish for another connection, made since `disconnect`, stays.
        if !self.settings.reconnect
            && !matches!(cause, Disconnect::Provisioned | Disconnect::Requested)
        {
            self.wanted = false;
        }
        self.events.push(Event::Disconnected {
            cause,
            retry_in: (self.wanted && self.gate.is_open()).then_some(wait),
        });
    }

    /// Counts the failure, starts the back-off and returns it.
    fn back_off(
        &mut self,
        now: Instant,
        target: Target,
        was_ready: bool,
        cause: Disconnect,
    ) -> Duration {
        let policy = self.settings.backoff;
        let mut until = self.last_connect.map_or(now, |last| last + policy.min);
        let is_failure = !matches!(
            cause,
            Disconnect::Requested | Disconnect::Provisioned | Disconnect::NetworkLost
        );
        if is_failure {
            let class = class(cause);
            self.attempts = self.attempts.saturating_add(1);
            let random = self.random.next();
            until = until.max(now + policy.delay(self.attempts, class, random));
            let assigned = !self.identity.hostname.is_empty();
            if let Some(registration) = self.dps() {
                match target {
                    Target::Dps => registration.failed(assigned),
                    Target::Hub if was_ready => {}
                    Target::Hub => {
                        if registration.hub_failed(class) {
                            log::warn!("the assigned hub does not take us: DPS is asked again");
                        }
                    }
                }
            }
        }
        self.not_before(now, until);
        until.saturating_duration_since(now)
    }

    /// There is no connect before this.
    pub(super) fn not_before(&mut self, now: Instant, until: Instant) {
        if until > now {
            self.timers.start(Timer::Backoff, until);
        } else {
            self.timers.stop(Timer::Backoff);
        }
    }

    /// Starts the timer of a platform call that failed.
    pub(super) fn pause(&mut self, now: Instant, timer: Timer) {
        self.attempts = self.attempts.saturating_add(1);
        let random = self.random.next();
        let delay = self
            .settings
            .backoff
            .delay(self.attempts, Class::Transient, random);
        self.timers.start(timer, now + delay);
    }

    /// Something was received or written: the link has until the next PINGRESP is overdue.
    pub(super) fn heard_or_wrote(&mut self, now: Instant) {
        let keep_alive = self.settings.keep_alive;
        if matches!(self.state, State::Open(..)) && !keep_alive.is_zero() {
            self.timers.start(
                Timer::Link,
                now + keep_alive + self.settings.timeouts.silence,
            );
        }
    }

    /// The twin did not come. Asked for by ourselves, it is asked for again where that can help.
    pub(super) fn get_failed(&mut self, now: Instant, request: RequestId, reason: twin::Failure) {
        self.events.push(Event::TwinFailed { request, reason });
        self.get = Get::Idle;
        self.timers.stop(Timer::Twin);
        let again = match reason {
            twin::Failure::Status(status) => status == 429 || status >= 500,
            reason => reason == twin::Failure::Timeout,
        };
        if again && self.settings.request_twin {
            self.get = Get::Again;
            self.get_failures = self.get_failures.saturating_add(1);
            let random = self.random.next();
            let delay = self
                .settings
                .backoff
                .delay(self.get_failures, Class::Transient, random);
            self.timers.start(Timer::Twin, now + delay);
        }
    }

    /// The oldest report on its way has had its time.
    fn report_timeout(&mut self, now: Instant) {
        let oldest = self
            .outbox
            .find(&mut |record| record.kind == Kind::Report && record.in_flight);
        if let Some(record) = oldest {
            self.outbox.remove(&record);
            self.events.push(Event::ReportFailed {
                request: RequestId(record.id),
                reason: twin::Failure::Timeout,
            });
        }
        self.restart(now, Timer::Report, Kind::Report);
    }

    /// Starts the timer anew if more of this kind is on its way, else stops it.
    pub(super) fn restart(&mut self, now: Instant, timer: Timer, kind: Kind) {
        let timeouts = &self.settings.timeouts;
        let wait = match timer {
            Timer::Puback => timeouts.puback,
            _ => timeouts.response,
        };
        let more = self
            .outbox
            .find(&mut |record| record.kind == kind && record.in_flight);
        match more {
            Some(_) => self.timers.start(timer, now + wait),
            None => self.timers.stop(timer),
        }
    }

    fn provisioning_timeout(&mut self, now: Instant) {
        match self.dps().map(|registration| registration.step) {
            Some(dps::Step::Pause) => {
                if let Some(registration) = self.dps() {
                    registration.step = dps::Step::Request;
                }
            }
            Some(dps::Step::Answer(_)) => {
                self.events.push(Event::Provisioning(dps::Event::Failed(
                    dps::Failure::Timeout,
                )));
                self.end(now, Disconnect::ProvisioningTimeout);
            }
            _ => {}
        }
    }

    /// What DPS's answer comes to.
    pub(super) fn provisioned<'a>(
        &mut self,
        now: Instant,
        outcome: dps::Outcome<'a>,
    ) -> Option<Event<'a>> {
        match outcome {
            dps::Outcome::Again { seconds, throttled } => {
                let mut delay = Duration::from_secs(u64::from(seconds));
                if let Some(times) = throttled {
                    let random = self.random.next();
                    let policy = &self.settings.backoff;
                    delay = delay.max(policy.delay(u32::from(times), Class::Transient, random));
                }
                self.timers.start(Timer::Dps, now + delay);
                Some(Event::Provisioning(dps::Event::Assigning))
            }
            dps::Outcome::Assigned { payload } => {
                self.assignment = AssignmentDuty::Store;
                self.timers.stop(Timer::Dps);
                self.state = State::Leaving(Target::Dps, Disconnect::Provisioned);
                Some(Event::Provisioning(dps::Event::Assigned { payload }))
            }
            dps::Outcome::Failed(failure) => {
                self.events
                    .push(Event::Provisioning(dps::Event::Failed(failure)));
                self.end(now, Disconnect::ProvisioningFailed(failure));
                None
            }
        }
    }

    pub(super) fn avoids_c2d(&self) -> bool {
        self.oversize >= OVERSIZE_WITHOUT_C2D
    }

    pub(super) fn avoids_twin(&self) -> bool {
        self.oversize >= OVERSIZE_WITHOUT_TWIN
    }
}

fn class(cause: Disconnect) -> Class {
    match cause {
        Disconnect::Connack(code) if code.is_authorisation() => Class::Authorisation,
        Disconnect::ProvisioningFailed(failure) => failure.class(),
        _ => Class::Transient,
    }
}
