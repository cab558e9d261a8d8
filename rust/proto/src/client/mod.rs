//! The client: its state, and who it is.

mod duties;
mod facts;
mod link;
mod publish;
mod wishes;

use core::time::Duration;

use crate::address::Prefixes;
use crate::config::{Config, Limits, Subscriptions, Timeouts};
use crate::dps::{self, Registration};
use crate::error::{ConfigError, Disconnect};
use crate::event::{Event, Events};
use crate::id::RequestId;
use crate::identity::{Identity, Names};
use crate::maybe::Maybe;
use crate::methods::Calls;
use crate::network::Gate;
use crate::outbox::{self, Kind, Outbox};
use crate::reconnect::{self, Random};
use crate::status::{Counters, Phase, Status};
use crate::time::Instant;
use crate::timer::Timers;
use crate::twin::{Get, Tracker};

/// Protocol state for one device: see the [crate docs](crate) for the calling contract.
///
/// `OUTBOX` is the size of the outbox in bytes; a message takes its body, its property bag and 16 bytes.
/// Without `DPS` the code for it is not linked, and a configuration with it is refused.
// What is used most comes first, the large last: instructions with small offsets are short.
#[derive(Debug)]
#[repr(C)]
pub struct Client<const OUTBOX: usize, const DPS: bool = true> {
    state: State,
    in_hand: Duty,
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
    /// The number of the last command.
    command: u32,
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
#[repr(u8)]
enum Duty {
    Nothing,
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

/// The hub drops a client after 29.45 minutes of silence at the latest.
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(1767);

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
            in_hand: Duty::Nothing,
            wanted: false,
            attach: Attach::Due,
            assignment: AssignmentDuty::None,
            get: Get::Idle,
            get_failures: 0,
            oversize: 0,
            next_message: 0,
            next_request: 0,
            command: 0,
            next_packet: 0,
            gate: Gate::unconfigured(),
            settings: Settings {
                keep_alive: Duration::ZERO,
                backoff: reconnect::Policy::NONE,
                timeouts: Timeouts::NONE,
                outbox: outbox::Policy::Reject,
                reconnect: false,
                request_twin: false,
                subscriptions: Subscriptions::NONE,
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
        if config.keep_alive > config.keep_alive_limit.min(KEEP_ALIVE_MAX) {
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
        self.next_packet = 1;
        // Small, so that it stays readable in logs; random, so that no answer to an earlier boot fits.
        self.next_request = self.random.next() & 0xF_FFFF;
        self.attempts = config.attempts;
        self.become_device(&names, config);
        if DPS {
            self.registration.resume(config.attempts);
        }
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
