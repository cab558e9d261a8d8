//! The end of a connection, the back-off, and timers.

use core::time::Duration;

use super::{AssignmentUpdate, Client, Pending, Probe, State, Subscription, Target};
use crate::dps;
use crate::error::{Disconnect, ProvisioningFailure};
use crate::event::Event;
use crate::id::RequestId;
use crate::outbox::Kind;
use crate::reconnect::{Class, Failures};
use crate::time::Instant;
use crate::timer::Timer;
use crate::twin::{self, GetState};
use crate::zero_option::ZeroOption;

/// The client's answer to a method that the application has not answered in time.
const GATEWAY_TIMEOUT: i32 = 504;

/// After so many oversize messages in a row, one connection is made without C2D, …
const OVERSIZE_WITHOUT_C2D: u32 = 2;
/// … and without the twin's document.
const OVERSIZE_WITHOUT_TWIN: u32 = 3;

impl<const OUTBOX: usize, const WITH_DPS: bool> Client<OUTBOX, WITH_DPS> {
    /// Time has passed: acts on every timer that has expired.
    pub fn handle_timeout(&mut self, now: Instant) {
        let events = &mut self.events;
        self.network.handle_timeout(now, &mut |event| {
            events.push(Event::Network(event));
        });
        while let Some(id) = self.methods.expired(now) {
            log::warn!("a method was not answered in time: 504 is sent for it");
            if self.send_method_response(id, GATEWAY_TIMEOUT, &[]).is_err() {
                log::error!("no room in the outbox for the answer to a method");
            }
            self.methods.remove(id);
        }
        while let Some(timer) = self.timers.take_expired(now) {
            self.handle_timer(now, timer);
        }
    }

    fn handle_timer(&mut self, now: Instant, timer: Timer) {
        match timer {
            // `poll_command` goes on.
            Timer::Backoff | Timer::Attach | Timer::Abort => {}
            Timer::Connack => self.end_connection(now, Disconnect::ConnackTimeout),
            Timer::Suback => self.end_connection(now, Disconnect::SubackTimeout),
            Timer::Puback => self.end_connection(now, Disconnect::PubackTimeout),
            Timer::Link => self.link_timeout(now),
            Timer::Stable => {
                self.failures = Failures::NONE;
                self.oversize = 0;
            }
            Timer::Twin => match self.twin_get {
                GetState::Sent(request) => {
                    self.twin_get_failed(now, request, twin::Failure::Timeout)
                }
                GetState::Retry => {
                    self.queue_twin_get();
                }
                GetState::Idle | GetState::Due(_) => {}
            },
            Timer::Report => self.report_timeout(now),
            Timer::Dps => self.dps_timeout(now),
        }
    }

    /// Ends the connection: stops its timers, queues what was in flight again, and asks for
    /// `Abort`.
    pub(super) fn end_connection(&mut self, now: Instant, cause: Disconnect) {
        let (target, was_ready) = match self.state {
            State::Connecting(target)
            | State::AwaitingConnack(target)
            | State::Disconnecting(target, _) => (target, false),
            State::Connected(target, subscription) => {
                (target, subscription == Subscription::Granted)
            }
            State::Idle | State::Aborting => return,
        };
        if self.pending != Pending::Assignment {
            self.pending = Pending::None;
        }
        self.timers.stop_connection();
        self.outbox.rewind();
        self.methods.clear();
        self.measured = None;
        if let GetState::Due(request) | GetState::Sent(request) = self.twin_get
            && !self.settings.request_twin
        {
            self.events.push(Event::TwinFailed {
                request,
                reason: twin::Failure::Disconnected,
            });
        }
        self.twin_get = GetState::Idle;

        let wait = self.back_off(now, target, was_ready, cause);
        self.state = State::Aborting;
        self.last_disconnect = ZeroOption::Some(cause);
        // A `connect` since `disconnect` stays in force.
        if !self.settings.reconnect
            && !matches!(cause, Disconnect::Provisioned | Disconnect::Requested)
        {
            self.wanted = false;
        }
        self.events.push(Event::Disconnected {
            cause,
            retry_in: (self.wanted && self.network.is_up()).then_some(wait),
        });
    }

    /// Counts the failure, starts the back-off and returns its length.
    fn back_off(
        &mut self,
        now: Instant,
        target: Target,
        was_ready: bool,
        cause: Disconnect,
    ) -> Duration {
        let min = self.settings.backoff.min;
        let mut until = self.last_connect.map_or(now, |last| last + min);
        let is_failure = !matches!(
            cause,
            Disconnect::Requested | Disconnect::Provisioned | Disconnect::NetworkLost
        );
        if is_failure {
            let mut class = class(cause);
            let count = match (class, target) {
                (Class::Transient, _) => &mut self.failures.transient,
                (Class::Authorisation, Target::Hub) => &mut self.failures.refused_by_hub,
                (Class::Authorisation, Target::Dps) => &mut self.failures.refused_by_dps,
            };
            *count = count.saturating_add(1);
            let mut attempt = *count;
            let random = self.random.next();
            let assigned = !self.identity.hostname.is_empty();
            if let Some(registration) = self.dps() {
                match target {
                    Target::Dps => registration.dps_connect_failed(assigned),
                    Target::Hub if was_ready => {}
                    Target::Hub => {
                        if registration.hub_connect_failed(class) {
                            log::warn!("the assigned hub refuses the device: DPS is asked again");
                            // The refusals were the hub's: DPS has not been asked yet.
                            if class == Class::Authorisation {
                                (class, attempt) = (Class::Transient, 1);
                            }
                        }
                    }
                }
            }
            until = until.max(now + self.settings.backoff.delay(attempt, class, random));
        }
        self.set_earliest_connect(now, until);
        until.saturating_duration_since(now)
    }

    /// Allows no connect before `until`.
    pub(super) fn set_earliest_connect(&mut self, now: Instant, until: Instant) {
        if until > now {
            self.timers.start(Timer::Backoff, until);
        } else {
            self.timers.stop(Timer::Backoff);
        }
    }

    /// Starts the timer after which a failed call of the platform is made again.
    pub(super) fn retry_later(&mut self, now: Instant, timer: Timer) {
        self.failed_calls = self.failed_calls.saturating_add(1);
        let random = self.random.next();
        let delay = self
            .settings
            .backoff
            .delay(self.failed_calls, Class::Transient, random);
        self.timers.start(timer, now + delay);
    }

    /// Something was received: the link is alive, and has until the answer to the next ping or
    /// probe is overdue.
    pub(super) fn received(&mut self, now: Instant) {
        let keep_alive = self.settings.keep_alive;
        self.probe = Probe::NotNeeded;
        if matches!(self.state, State::Connected(..)) && !keep_alive.is_zero() {
            self.timers.start(Timer::Link, now + keep_alive);
        }
    }

    /// Nothing was received for a keep-alive: the platform has pinged, or a probe is due. The
    /// answer has [`Timeouts::silence`](crate::Timeouts) to arrive.
    fn link_timeout(&mut self, now: Instant) {
        self.probe = match self.probe {
            Probe::NotNeeded => Probe::Pinged,
            Probe::Needed => Probe::Due,
            Probe::Pinged | Probe::Due | Probe::Sent(_) => {
                self.end_connection(now, Disconnect::LinkSilent);
                return;
            }
        };
        self.timers
            .start(Timer::Link, now + self.settings.timeouts.silence);
    }

    /// The hub has acknowledged a message: the connection counts as good.
    pub(super) fn acknowledged(&mut self) {
        self.failures = Failures::NONE;
    }

    /// The twin could not be read. Where the client itself asked for it, it asks again unless that
    /// is of no use.
    pub(super) fn twin_get_failed(
        &mut self,
        now: Instant,
        request: RequestId,
        reason: twin::Failure,
    ) {
        self.events.push(Event::TwinFailed { request, reason });
        self.twin_get = GetState::Idle;
        self.timers.stop(Timer::Twin);
        let retry = match reason {
            twin::Failure::Status(status) => status == 429 || status >= 500,
            reason => reason == twin::Failure::Timeout,
        };
        if retry && self.settings.request_twin {
            self.twin_get = GetState::Retry;
            self.twin_get_failures = self.twin_get_failures.saturating_add(1);
            let random = self.random.next();
            let delay =
                self.settings
                    .backoff
                    .delay(self.twin_get_failures, Class::Transient, random);
            self.timers.start(Timer::Twin, now + delay);
        }
    }

    /// The oldest report in flight was not answered in time.
    fn report_timeout(&mut self, now: Instant) {
        let oldest = self
            .outbox
            .find(&mut |record| record.kind == Kind::Report && record.in_flight());
        if let Some(record) = oldest {
            self.outbox.remove(&record);
            self.events.push(Event::ReportFailed {
                request: RequestId(record.id),
                reason: twin::Failure::Timeout,
            });
        }
        self.restart_timer(now, Timer::Report, Kind::Report);
    }

    /// Restarts the timer if more of this kind is in flight, otherwise stops it.
    pub(super) fn restart_timer(&mut self, now: Instant, timer: Timer, kind: Kind) {
        let timeouts = &self.settings.timeouts;
        let wait = match timer {
            Timer::Puback => timeouts.puback,
            _ => timeouts.response,
        };
        let more = self
            .outbox
            .find(&mut |record| record.kind == kind && record.in_flight());
        match more {
            Some(_) => self.timers.start(timer, now + wait),
            None => self.timers.stop(timer),
        }
    }

    fn dps_timeout(&mut self, now: Instant) {
        match self.dps().map(|registration| registration.step) {
            Some(dps::Step::Waiting) => {
                if let Some(registration) = self.dps() {
                    registration.step = dps::Step::Request;
                }
            }
            Some(dps::Step::AwaitingAnswer(_)) => {
                self.events.push(Event::Provisioning(dps::Event::Failed(
                    ProvisioningFailure::Timeout,
                )));
                self.end_connection(now, Disconnect::ProvisioningTimeout);
            }
            _ => {}
        }
    }

    /// Acts on DPS's answer.
    pub(super) fn handle_dps_outcome<'a>(
        &mut self,
        now: Instant,
        outcome: dps::Outcome<'a>,
    ) -> Option<Event<'a>> {
        match outcome {
            dps::Outcome::Retry { seconds, throttled } => {
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
                self.failures.refused_by_dps = 0;
                self.assignment = AssignmentUpdate::Store;
                self.timers.stop(Timer::Dps);
                self.state = State::Disconnecting(Target::Dps, Disconnect::Provisioned);
                Some(Event::Provisioning(dps::Event::Assigned { payload }))
            }
            dps::Outcome::Failed(failure) => {
                self.events
                    .push(Event::Provisioning(dps::Event::Failed(failure)));
                self.end_connection(now, Disconnect::ProvisioningFailed(failure));
                None
            }
        }
    }

    pub(super) fn skips_c2d(&self) -> bool {
        self.oversize >= OVERSIZE_WITHOUT_C2D
    }

    pub(super) fn skips_twin(&self) -> bool {
        self.oversize >= OVERSIZE_WITHOUT_TWIN
    }
}

fn class(cause: Disconnect) -> Class {
    match cause {
        Disconnect::Connack(code) if code.is_authorisation() => Class::Authorisation,
        Disconnect::ProvisioningFailed(failure) => match failure {
            ProvisioningFailure::Refused { status, .. } if status == 429 || status >= 500 => {
                Class::Transient
            }
            ProvisioningFailure::Malformed | ProvisioningFailure::Timeout => Class::Transient,
            _ => Class::Authorisation,
        },
        _ => Class::Transient,
    }
}
