//! The client: its state, and what the application wishes.

mod duties;
mod facts;
mod link;
mod publish;

use core::time::Duration;

use crate::address::Prefixes;
use crate::config::{Config, Limits, Subscriptions, Timeouts};
use crate::dps::{self, Registration};
use crate::error::{Capacity, ConfigError, Disconnect, Error, InvalidRequest};
use crate::event::{Event, Events};
use crate::id::{CommandId, MessageId, MethodId, RequestId};
use crate::identity::{Identity, Names};
use crate::json;
use crate::maybe::Maybe;
use crate::methods::{self, Calls, MethodResponse};
use crate::network::Gate;
use crate::outbox::{self, Kind, Outbox};
use crate::reconnect::{self, Random};
use crate::status::{Counters, Phase, Status};
use crate::telemetry::{Qos, Telemetry};
use crate::time::Instant;
use crate::timer::{Timer, Timers};
use crate::twin::{Get, Tracker};
use crate::writer::Writer;

/// Protocol state for one device: see the [crate docs](crate) for the calling contract.
///
/// `OUTBOX` is the size of the outbox in bytes; a message takes its body, its property bag and 16 bytes.
/// Without `DPS` the code for it is not linked, and a configuration with it is refused.
// What is used most comes first, the large last: instructions with small offsets are short.
#[derive(Debug)]
#[repr(C)]
pub struct Client<const OUTBOX: usize, const DPS: bool = true> {
    state: State,
    in_hand: Maybe<(CommandId, Duty)>,
    /// The application wants to be connected.
    wanted: bool,
    attach: Attach,
    assignment: AssignmentDuty,
    get: Get,
    /// Failed requests for the document in a row, on this connection.
    get_failures: u32,
    /// Messages larger than the payload buffer, in a row.
    oversize: u32,
    next_message: u32,
    next_request: u32,
    next_command: u32,
    next_packet: u16,
    gate: Gate,
    settings: Settings,
    timers: Timers,
    tracker: Tracker,
    random: Random,
    last_connect: Option<Instant>,
    /// The last connect went to an IPv6 address.
    over_v6: bool,
    /// The packet whose round trip is measured.
    measured: Option<(u16, Instant)>,
    attempts: u32,
    last_disconnect: Maybe<Disconnect>,
    round_trip: Maybe<Duration>,
    counters: Counters,
    prefixes: Prefixes,
    calls: Calls,
    events: Events,
    identity: Identity,
    registration: Registration,
    outbox: Outbox<OUTBOX>,
}

/// What is copied from [`Config`] as it is.
#[derive(Debug)]
struct Settings {
    keep_alive: Duration,
    backoff: reconnect::Policy,
    timeouts: Timeouts,
    outbox: outbox::Policy,
    reconnect: bool,
    request_twin: bool,
    subscriptions: Subscriptions,
    limits: Limits,
}

/// Where the connection is. It moves on when the command has succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// There is none, and mqtt_helper's thread is not in its loop.
    Idle,
    /// `Connect` is in hand.
    Opening(Target),
    /// CONNECT is written.
    Greeting(Target),
    /// CONNACK has come.
    Open(Target, Subscription),
    /// `Disconnect` is due or in hand; then it has ended for this cause.
    Leaving(Target, Disconnect),
    /// It has ended; `Abort` is due or in hand.
    Ending,
}

/// Whom the connection goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Hub,
    Dps,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subscription {
    Due,
    Sent(u16),
    Granted,
}

/// The command in the driver's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    Attach,
    Assignment,
    Connect,
    Subscribe(u16),
    Get(RequestId),
    Register(RequestId),
    /// A record of the outbox, by its packet id.
    Record(u16),
    Disconnect,
    Abort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attach {
    Due,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AssignmentDuty {
    None,
    Store,
    Erase,
}

/// QoS 1 messages, and reports, that may be on their way at once.
const WINDOW: usize = 4;

/// The twin's limit for a section.
const PATCH_MAX: usize = 32 * 1024;

/// A PUBLISH's bytes beside topic and payload: type, length, topic length, packet id.
const PUBLISH_OVERHEAD: usize = 1 + 4 + 2 + 2;
/// A CONNECT's bytes beside client id and user name: fixed header, protocol, level, flags, keep-alive, two lengths.
const CONNECT_OVERHEAD: usize = 5 + 10 + 4;

impl<const OUTBOX: usize, const DPS: bool> Client<OUTBOX, DPS> {
    /// Checks the configuration and copies it.
    ///
    /// Fails with a [`ConfigError`] that names the field.
    pub fn new(config: &Config<'_>) -> Result<Self, ConfigError> {
        let mut client = Self::unconfigured();
        client.configure(config)?;
        Ok(client)
    }

    /// A client that cannot do anything before [`Client::configure`], for a place in static memory: a client is too
    /// large for the stack of a device. It is all zeros, and so takes no flash.
    pub const fn unconfigured() -> Self {
        Self {
            state: State::Idle,
            in_hand: Maybe::Nothing,
            wanted: false,
            attach: Attach::Due,
            assignment: AssignmentDuty::None,
            get: Get::Idle,
            get_failures: 0,
            oversize: 0,
            next_message: 0,
            next_request: 0,
            next_command: 0,
            next_packet: 0,
            gate: Gate::unconfigured(),
            settings: Settings {
                keep_alive: Duration::ZERO,
                backoff: reconnect::Policy::NONE,
                timeouts: Timeouts::NONE,
                outbox: outbox::Policy::Reject,
                reconnect: false,
                request_twin: false,
                subscriptions: Subscriptions::ALL,
                limits: Limits {
                    packet: 0,
                    transmit: 0,
                },
            },
            timers: Timers::new(),
            tracker: Tracker::new(),
            random: Random::new(0),
            last_connect: None,
            over_v6: false,
            measured: None,
            attempts: 0,
            last_disconnect: Maybe::Nothing,
            round_trip: Maybe::Nothing,
            counters: Counters::new(),
            prefixes: Prefixes::new(),
            calls: Calls::new(),
            events: Events::new(),
            identity: Identity::new(),
            registration: Registration::new(),
            outbox: Outbox::new(),
        }
    }

    /// What [`Client::new`] does, in place. Before anything else, and once.
    ///
    /// Fails as [`Client::new`]; then the client is as it was.
    pub fn configure(&mut self, config: &Config<'_>) -> Result<(), ConfigError> {
        if config.keep_alive > config.keep_alive_limit {
            return Err(ConfigError::KeepAlive);
        }
        let backoff = config.backoff;
        if backoff.min.is_zero()
            || backoff.min > backoff.max
            || backoff.authorisation_min.is_zero()
            || backoff.authorisation_min > backoff.authorisation_max
        {
            return Err(ConfigError::Backoff);
        }
        let names = self.check(config, &config.limits)?;
        self.settings = Settings {
            keep_alive: config.keep_alive,
            backoff,
            timeouts: config.timeouts,
            outbox: config.outbox,
            reconnect: config.reconnect,
            request_twin: config.request_twin,
            subscriptions: config.subscriptions,
            limits: config.limits,
        };
        self.gate = Gate::new(config.gate);
        self.random = Random::new(config.seed);
        self.next_message = 1;
        self.next_command = 1;
        self.next_packet = 1;
        // Small, so that it stays readable in logs; random, so that no answer to an earlier boot fits.
        self.next_request = self.random.next() & 0xF_FFFF;
        self.attempts = config.attempts;
        self.become_device(&names, config);
        Ok(())
    }

    /// The names of a configuration that can work with these buffers.
    fn check<'a>(&self, config: &Config<'a>, limits: &Limits) -> Result<Names<'a>, ConfigError> {
        let names = Names::new(config)?;
        let mut words = names.longest_connect(config);
        if let Some(dps) = &config.dps {
            if !DPS {
                return Err(ConfigError::NoProvisioning);
            }
            dps.check()?;
            words = words.max(dps.longest_connect(config.client_type));
        }
        check_buffers(limits, words, names.telemetry_topic_len())?;
        Ok(names)
    }

    fn become_device(&mut self, names: &Names<'_>, config: &Config<'_>) {
        self.identity.set(names, config);
        if DPS {
            self.registration
                .set(config.dps.as_ref(), names.is_assigned());
        }
    }

    /// Wish: attach, pass the gate, provision, connect, and stay connected.
    ///
    /// Fails with [`InvalidRequest::AlreadyStarted`].
    pub fn connect(&mut self, now: Instant) -> Result<(), Error> {
        if self.wanted {
            return Err(Error::InvalidRequest(InvalidRequest::AlreadyStarted));
        }
        self.wanted = true;
        let minimum = self.settings.backoff.min;
        self.not_before(now, self.last_connect.map_or(now, |last| last + minimum));
        Ok(())
    }

    /// Wish: end the connection and stay so. What was accepted is written before, as far as that needs no answer;
    /// the outbox is kept.
    ///
    /// Fails with [`Error::Disconnected`] if `connect` was not called.
    pub fn disconnect(&mut self, now: Instant) -> Result<(), Error> {
        if !self.wanted {
            return Err(Error::Disconnected);
        }
        self.wanted = false;
        match self.state {
            State::Open(target, _) => {
                self.state = State::Leaving(target, Disconnect::Requested);
            }
            State::Opening(_) | State::Greeting(_) => self.end(now, Disconnect::Requested),
            State::Leaving(target, _) => {
                self.state = State::Leaving(target, Disconnect::Requested);
            }
            State::Idle | State::Ending => {
                self.last_disconnect = Maybe::Some(Disconnect::Requested);
                self.events.push(Event::Disconnected {
                    cause: Disconnect::Requested,
                    retry_in: None,
                });
            }
        }
        Ok(())
    }

    /// Wish: keep the message and send it when there is a connection. [`Event::Sent`] or [`Event::Dropped`]
    /// follows.
    ///
    /// Fails with [`Error::InvalidRequest`] for what the hub would refuse, with [`Error::Capacity`] where it
    /// does not fit: into the outbox now ([`Capacity::Outbox`]) or ever ([`Capacity::Message`],
    /// [`Capacity::Topic`]).
    pub fn send(&mut self, now: Instant, message: &Telemetry<'_>) -> Result<MessageId, Error> {
        let id = MessageId(self.next_message);
        self.send_as(now, id, message)?;
        self.next_message = self.next_message.wrapping_add(1);
        Ok(id)
    }

    /// As [`Client::send`], under a number of the application's, which need not be unique. An application
    /// uses either this or `send`.
    pub fn send_as(
        &mut self,
        now: Instant,
        id: MessageId,
        message: &Telemetry<'_>,
    ) -> Result<(), Error> {
        let _ = now;
        let bag = message.check().map_err(Error::InvalidRequest)?;
        self.check_size(
            self.identity.names().telemetry_topic_len() + bag,
            message.payload.len(),
        )?;
        let kind = match message.qos {
            Qos::AtMostOnce => Kind::Once,
            Qos::AtLeastOnce => Kind::Kept,
        };
        self.make_room(kind, bag, message.payload.len())?;
        let content = self.outbox.push(kind, id.0, bag, message.payload.len())?;
        let mut writer = Writer::new(content);
        let _ = message.write_bag(&mut writer);
        let _ = writer.bytes(message.payload);
        self.counters.accepted = self.counters.accepted.wrapping_add(1);
        Ok(())
    }

    /// Wish: patch the reported properties with a JSON object; with `version` the hub refuses (412) where its
    /// own is another. Kept until [`Event::Reported`] or [`Event::ReportFailed`], over reconnects.
    ///
    /// Fails with [`InvalidRequest::Patch`] or [`Error::Capacity`].
    pub fn report(
        &mut self,
        now: Instant,
        patch: &[u8],
        version: Option<u64>,
    ) -> Result<RequestId, Error> {
        let _ = now;
        if patch.len() > PATCH_MAX || !json::is_object(patch) {
            return Err(Error::InvalidRequest(InvalidRequest::Patch));
        }
        let id = self.request_id();
        let mut head = [0; 64];
        let mut writer = Writer::new(&mut head);
        let written = writer.number(u64::from(id.0)).and_then(|()| match version {
            Some(version) => {
                writer.text("&$version=")?;
                writer.number(version)
            }
            None => Ok(()),
        });
        debug_assert!(written.is_ok(), "two numbers fit");
        let (head, len) = writer.finish();
        let head = head.get(..len).unwrap_or_default();
        self.check_size(duties::REPORT_TOPIC.len() + len, patch.len())?;
        let content = self.outbox.push(Kind::Report, id.0, len, patch.len())?;
        let mut writer = Writer::new(content);
        let _ = writer.bytes(head);
        let _ = writer.bytes(patch);
        Ok(id)
    }

    /// Wish: get the whole twin. [`Event::Twin`] or [`Event::TwinFailed`] follows. One request is on its way
    /// at a time: where there is one already, its number is returned.
    ///
    /// Fails with [`Error::NotReady`] without a connection to the hub.
    pub fn request_twin(&mut self, now: Instant) -> Result<RequestId, Error> {
        let _ = now;
        if !matches!(self.state, State::Open(Target::Hub, _)) {
            return Err(Error::NotReady);
        }
        Ok(match self.get {
            Get::Due(id) | Get::Sent(id) => id,
            Get::Idle | Get::Again => self.want_twin(),
        })
    }

    /// Wish: answer a method.
    ///
    /// Fails with [`InvalidRequest::UnknownMethod`] where it does not wait any more, with
    /// [`InvalidRequest::MethodAnswer`] or [`Error::Capacity`]; after these two it still waits.
    pub fn respond(&mut self, now: Instant, answer: &MethodResponse<'_>) -> Result<(), Error> {
        let _ = now;
        if self.calls.rid(answer.request).is_none() {
            return Err(Error::InvalidRequest(InvalidRequest::UnknownMethod));
        }
        if answer.payload.len() > methods::BODY_MAX
            || !(answer.payload.is_empty() || json::is_valid(answer.payload))
        {
            return Err(Error::InvalidRequest(InvalidRequest::MethodAnswer));
        }
        self.answer_call(answer.request, answer.status, answer.payload)
    }

    /// The method call that waits under this `$rid`.
    pub fn find_method(&self, rid: &[u8]) -> Option<MethodId> {
        self.calls.find(rid)
    }

    /// Wish: be another device, or at another hub. Of `config` only that counts: names, module, DPS and its
    /// assignment. What the outbox holds is [dropped](Event::Dropped), unless nothing is different.
    ///
    /// Fails with [`ConfigError::Started`] unless there was no `connect`, or a `disconnect` since, or a
    /// connection that has ended for good; else as [`Client::new`].
    pub fn reconfigure(&mut self, config: &Config<'_>) -> Result<(), ConfigError> {
        if self.wanted
            || matches!(
                self.state,
                State::Opening(_) | State::Greeting(_) | State::Open(..)
            )
        {
            return Err(ConfigError::Started);
        }
        let names = self.check(config, &self.settings.limits)?;
        let is_same = self.identity.names() == names;
        let registered = self.dps().map(|registration| registration.names());
        if is_same && registered == config.dps.as_ref().map(dps::Config::names) {
            return Ok(());
        }
        self.become_device(&names, config);
        if is_same {
            return Ok(());
        }
        while let Some(record) = self.outbox.find(&mut |_| true) {
            self.outbox.remove(&record);
            match record.kind {
                Kind::Once | Kind::Kept if self.events.room() > 1 => self.dropped(record.id),
                // More than one call may tell: counted all the same.
                Kind::Once | Kind::Kept => {
                    self.counters.dropped = self.counters.dropped.wrapping_add(1);
                }
                Kind::Report if self.events.room() > 1 => self.events.push(Event::ReportFailed {
                    request: RequestId(record.id),
                    reason: crate::twin::Failure::Disconnected,
                }),
                _ => {}
            }
        }
        Ok(())
    }

    /// Wish: forget DPS's assignment and register anew.
    ///
    /// Fails with [`InvalidRequest::NoProvisioning`].
    pub fn reprovision(&mut self, now: Instant) -> Result<(), Error> {
        let Some(registration) = self.dps() else {
            return Err(Error::InvalidRequest(InvalidRequest::NoProvisioning));
        };
        registration.require();
        self.identity.forget_assignment();
        self.assignment = AssignmentDuty::Erase;
        match self.state {
            State::Open(Target::Hub, _) => {
                self.in_hand = Maybe::Nothing;
                self.state = State::Leaving(Target::Hub, Disconnect::Requested);
            }
            State::Opening(Target::Hub) | State::Greeting(Target::Hub) => {
                self.end(now, Disconnect::Requested);
            }
            _ => {}
        }
        Ok(())
    }

    /// A copy of what is worth knowing.
    pub fn status(&self) -> Status {
        let phase = match self.state {
            State::Opening(Target::Dps)
            | State::Greeting(Target::Dps)
            | State::Open(Target::Dps, _) => Phase::Provisioning,
            State::Opening(_) | State::Greeting(_) => Phase::Connecting,
            State::Open(_, Subscription::Granted) => Phase::Ready,
            State::Open(..) => Phase::Connected,
            State::Leaving(..) | State::Ending => Phase::Closing,
            State::Idle if !self.wanted => Phase::Idle,
            State::Idle if !self.gate.is_open() => Phase::Network,
            State::Idle => Phase::Backoff,
        };
        Status {
            phase,
            last_disconnect: self.last_disconnect.get(),
            attempts: self.attempts,
            counters: Counters {
                events_lost: self.events.lost(),
                ..self.counters
            },
            round_trip: self.round_trip.get(),
            outbox_used: self.outbox.used(),
        }
    }

    /// The hub's host name; empty before DPS has assigned one.
    pub fn hostname(&self) -> &str {
        &self.identity.hostname
    }

    /// The device id at that hub; empty before DPS has assigned one.
    pub fn device_id(&self) -> &str {
        &self.identity.device_id
    }

    /// The registration; never where the client was made without DPS, which the compiler sees.
    fn dps(&mut self) -> Option<&mut Registration> {
        (DPS && self.registration.is_set()).then_some(&mut self.registration)
    }

    fn request_id(&mut self) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request = self.next_request.wrapping_add(1);
        id
    }

    fn want_twin(&mut self) -> RequestId {
        let id = self.request_id();
        self.get = Get::Due(id);
        self.timers.stop(Timer::Twin);
        id
    }

    /// Whether a publish of this size can be handed out and written.
    fn check_size(&self, topic: usize, payload: usize) -> Result<(), Error> {
        let limits = &self.settings.limits;
        if topic + PUBLISH_OVERHEAD > limits.packet {
            Err(Error::Capacity(Capacity::Topic))
        } else if topic.saturating_add(payload) > limits.transmit {
            Err(Error::Capacity(Capacity::Message))
        } else {
            Ok(())
        }
    }

    /// Checks that there is room, or makes it where the policy is to drop.
    fn make_room(&mut self, kind: Kind, head: usize, body: usize) -> Result<(), Error> {
        loop {
            let full = match self.outbox.check(kind, head, body) {
                Err(full @ Error::Capacity(Capacity::Outbox)) => full,
                other => return other,
            };
            // One event is left free for what else the call may have to say.
            if self.settings.outbox == outbox::Policy::Reject || self.events.room() <= 1 {
                return Err(full);
            }
            let in_hand = self.in_hand.get();
            let oldest = self.outbox.find(&mut |record| {
                matches!(record.kind, Kind::Once | Kind::Kept)
                    && !record.in_flight
                    && !is_in_hand(in_hand, record.packet)
            });
            let Some(oldest) = oldest else {
                return Err(full);
            };
            self.outbox.remove(&oldest);
            self.dropped(oldest.id);
        }
    }

    fn dropped(&mut self, id: u32) {
        self.counters.dropped = self.counters.dropped.wrapping_add(1);
        self.events.push(Event::Dropped(MessageId(id)));
    }

    /// Puts the answer to a call into the outbox; the call does not wait any more.
    fn answer_call(&mut self, id: MethodId, status: i32, payload: &[u8]) -> Result<(), Error> {
        let Some(rid) = self.calls.rid(id) else {
            return Ok(());
        };
        let limits = &self.settings.limits;
        push_answer(&mut self.outbox, limits, status, rid, payload)?;
        self.calls.remove(id);
        Ok(())
    }
}

/// Whether everything but a message's own part fits the platform's buffers.
fn check_buffers(limits: &Limits, words: usize, topic: usize) -> Result<(), ConfigError> {
    let packet = (topic + PUBLISH_OVERHEAD)
        .max(words + CONNECT_OVERHEAD)
        .max(duties::SUBSCRIBE_LEN);
    if limits.packet < packet {
        return Err(ConfigError::PacketBuffer);
    }
    if limits.transmit < words + crate::identity::NAME_MAX + 1 {
        return Err(ConfigError::TransmitBuffer);
    }
    Ok(())
}

/// Puts an answer into the outbox.
fn push_answer<const N: usize>(
    outbox: &mut Outbox<N>,
    limits: &Limits,
    status: i32,
    rid: &[u8],
    payload: &[u8],
) -> Result<(), Error> {
    let digits = decimal_len(status);
    let head = digits + "/?$rid=".len() + rid.len();
    let topic = duties::ANSWER_TOPIC.len() + head;
    if topic + PUBLISH_OVERHEAD > limits.packet {
        return Err(Error::Capacity(Capacity::Topic));
    }
    if topic.saturating_add(payload.len()) > limits.transmit {
        return Err(Error::Capacity(Capacity::Message));
    }
    let content = outbox.push(Kind::Answer, 0, head, payload.len())?;
    let mut writer = Writer::new(content);
    let _ = methods::write_answer_topic(&mut writer, status, rid);
    let _ = writer.bytes(payload);
    Ok(())
}

fn decimal_len(number: i32) -> usize {
    let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
    digits + usize::from(number < 0)
}

fn is_in_hand(in_hand: Option<(CommandId, Duty)>, packet: u16) -> bool {
    matches!(in_hand, Some((_, Duty::Record(id))) if id == packet)
}
