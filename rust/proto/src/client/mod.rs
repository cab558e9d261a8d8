//! The client: its state and its identity.

mod commands;
mod inputs;
mod link;
mod publish;
mod requests;
mod stored;

use core::time::Duration;

use crate::address::Prefixes;
use crate::config::{Config, Limits, Subscriptions, Timeouts};
use crate::dps::{self, Registration};
use crate::error::{ConfigError, Disconnect};
use crate::event::{Event, Events};
use crate::id::RequestId;
use crate::identity::{Identity, Names};
use crate::methods::PendingMethods;
use crate::network::NetworkMonitor;
use crate::outbox::{self, Kind, Outbox};
use crate::reconnect::{self, Failures, Random};
use crate::status::{Counters, Phase, Status};
use crate::time::Instant;
use crate::timer::Timers;
use crate::twin::{GetState, VersionTracker};
use crate::zero_option::ZeroOption;

/// Protocol state for one device: see the [crate docs](crate) for the calling contract.
///
/// `OUTBOX` is the size of the outbox in bytes; a message takes its body, its property bag and 16
/// bytes. Without `DPS` the code for DPS is not linked, and a configuration with DPS is refused.
// The fields that are used most come first, the large ones last: instructions with small offsets
// are shorter.
#[derive(Debug)]
#[repr(C)]
pub struct Client<const OUTBOX: usize, const DPS: bool = true> {
    state: State,
    pending: Pending,
    /// `connect` was called, and `disconnect` was not.
    wanted: bool,
    attach: Attach,
    assignment: AssignmentUpdate,
    probe: Probe,
    twin_get: GetState,
    /// Failed requests for the twin in a row, on this connection.
    twin_get_failures: u32,
    /// Messages larger than the payload buffer, in a row.
    oversize: u32,
    next_message: u32,
    next_request: u32,
    /// The number of the last command.
    command: u32,
    next_packet: u16,
    network: NetworkMonitor,
    settings: Settings,
    timers: Timers,
    twin_version: VersionTracker,
    random: Random,
    last_connect: Option<Instant>,
    /// The last connect went to an IPv6 address.
    over_v6: bool,
    /// The packet whose round trip is measured.
    measured: Option<(u16, Instant)>,
    failures: Failures,
    /// Failed calls of `Attach` or `Abort` in a row.
    failed_calls: u32,
    last_disconnect: ZeroOption<Disconnect>,
    round_trip: ZeroOption<Duration>,
    counters: Counters,
    prefixes: Prefixes,
    methods: PendingMethods,
    events: Events,
    identity: Identity,
    registration: Registration,
    outbox: Outbox<OUTBOX>,
}

/// The part of [`Config`] that is stored unchanged.
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

/// The state of the connection. It advances when the command has succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// No connection, and mqtt_helper's thread is not in its loop.
    Idle,
    /// `Connect` is pending.
    Connecting(Target),
    /// CONNECT is written.
    AwaitingConnack(Target),
    /// CONNACK has accepted the connection.
    Connected(Target, Subscription),
    /// `Disconnect` is to be made or pending; afterwards the connection has ended for this cause.
    Disconnecting(Target, Disconnect),
    /// The connection has ended; `Abort` is to be made or pending.
    Aborting,
}

/// The service that the connection goes to.
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

/// The command that the driver is executing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Pending {
    None,
    Attach,
    Assignment,
    Connect,
    Subscribe(u16),
    GetTwin(RequestId),
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
enum AssignmentUpdate {
    None,
    Store,
    Erase,
}

/// A SUBSCRIBE, repeated for its answer. The platform pings a keep-alive after the last *write*, so
/// that it never pings where QoS 0 is written more often than that; nothing else would then be
/// answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// Nothing was written since something was received: the platform pings in time.
    NotNeeded,
    /// Something was written since.
    Needed,
    /// The platform's ping is not answered yet.
    Pinged,
    /// To be sent.
    Due,
    Sent(u16),
}

/// QoS 1 messages, and reports, that may be in flight at once.
const WINDOW: usize = 4;

/// The hub drops a client after 29.45 minutes of silence at the latest.
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(1767);

/// A PUBLISH's bytes beside topic and payload: type, length, topic length, packet id.
const PUBLISH_OVERHEAD: usize = 1 + 4 + 2 + 2;
/// A CONNECT's bytes beside client id and user name: fixed header, protocol, level, flags,
/// keep-alive, two lengths.
const CONNECT_OVERHEAD: usize = 5 + 10 + 4;

impl<const OUTBOX: usize, const DPS: bool> Client<OUTBOX, DPS> {
    /// Checks the configuration and copies it.
    ///
    /// # Errors
    /// A [`ConfigError`] that names the field.
    pub fn new(config: &Config<'_>) -> Result<Self, ConfigError> {
        let mut client = Self::unconfigured();
        client.configure(config)?;
        Ok(client)
    }

    /// A client that does nothing before [`Client::configure`], for static memory: a client is too
    /// large for the stack of a device. It is all zeros, and so takes no flash.
    pub const fn unconfigured() -> Self {
        Self {
            state: State::Idle,
            pending: Pending::None,
            wanted: false,
            attach: Attach::Due,
            assignment: AssignmentUpdate::None,
            probe: Probe::NotNeeded,
            twin_get: GetState::Idle,
            twin_get_failures: 0,
            oversize: 0,
            next_message: 0,
            next_request: 0,
            command: 0,
            next_packet: 0,
            network: NetworkMonitor::unconfigured(),
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
            twin_version: VersionTracker::new(),
            random: Random::new(0),
            last_connect: None,
            over_v6: false,
            measured: None,
            failures: Failures::NONE,
            failed_calls: 0,
            last_disconnect: ZeroOption::None,
            round_trip: ZeroOption::None,
            counters: Counters::new(),
            prefixes: Prefixes::new(),
            methods: PendingMethods::new(),
            events: Events::new(),
            identity: Identity::new(),
            registration: Registration::new(),
            outbox: Outbox::new(),
        }
    }

    /// Does what [`Client::new`] does, in place. To be called before anything else, and once.
    ///
    /// # Errors
    /// As [`Client::new`]; the client is then unchanged.
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
        self.network = NetworkMonitor::new(config.network);
        self.random = Random::new(config.seed);
        self.next_message = 1;
        self.next_packet = 1;
        // Small, so that a log stays readable; random, so that no answer to a request of an earlier
        // boot matches.
        self.next_request = self.random.next() & 0xF_FFFF;
        self.failures = config.failures;
        self.set_device(&names, config);
        if DPS {
            self.registration.resume(&config.failures);
        }
        Ok(())
    }

    /// Checks a configuration, with these buffers.
    fn check<'a>(&self, config: &Config<'a>, limits: &Limits) -> Result<Names<'a>, ConfigError> {
        let names = config.names()?;
        let connect_len = config.longest_connect(&names);
        if let Some(dps) = &config.dps {
            if !DPS {
                return Err(ConfigError::NoProvisioning);
            }
            dps.check()?;
        }
        check_buffers(limits, connect_len, names.telemetry_topic_len())?;
        Ok(names)
    }

    fn set_device(&mut self, names: &Names<'_>, config: &Config<'_>) {
        self.identity
            .set(names, config.model_id, config.client_type);
        if DPS {
            self.registration
                .set(config.dps.as_ref(), names.is_assigned());
        }
    }

    /// Changes the device, or its hub. Of `config` only names, module, DPS and DPS's assignment are
    /// used. Messages in the outbox are [dropped](Event::Dropped), unless the names are the same as
    /// before.
    ///
    /// # Errors
    /// [`ConfigError::Started`] after `connect`, unless `disconnect` was called since or the
    /// connection has ended for good; otherwise as [`Client::new`].
    pub fn reconfigure(&mut self, config: &Config<'_>) -> Result<(), ConfigError> {
        if self.wanted
            || matches!(
                self.state,
                State::Connecting(_) | State::AwaitingConnack(_) | State::Connected(..)
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
        self.set_device(&names, config);
        if is_same {
            return Ok(());
        }
        while let Some(record) = self.outbox.find(&mut |_| true) {
            self.outbox.remove(&record);
            match record.kind {
                Kind::Qos0 | Kind::Qos1 if self.events.room() > 1 => self.dropped(record.id),
                // No room for the event; the message is counted all the same.
                Kind::Qos0 | Kind::Qos1 => {
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

    /// A snapshot of the state and the counters.
    pub fn status(&self) -> Status {
        let phase = match self.state {
            State::Connecting(Target::Dps)
            | State::AwaitingConnack(Target::Dps)
            | State::Connected(Target::Dps, _) => Phase::Provisioning,
            State::Connecting(_) | State::AwaitingConnack(_) => Phase::Connecting,
            State::Connected(_, Subscription::Granted) => Phase::Ready,
            State::Connected(..) => Phase::Connected,
            State::Disconnecting(..) | State::Aborting => Phase::Closing,
            State::Idle if !self.wanted => Phase::Idle,
            State::Idle if !self.network.is_up() => Phase::Network,
            State::Idle => Phase::Backoff,
        };
        Status {
            phase,
            last_disconnect: self.last_disconnect.get(),
            failures: self.failures,
            counters: Counters {
                events_lost: self.events.lost(),
                ..self.counters
            },
            round_trip: self.round_trip.get(),
            outbox_used: self.outbox.used(),
        }
    }

    /// Ready, and nothing on its way in either direction: no message, no request, no method without
    /// its answer.
    pub fn is_quiet(&self) -> bool {
        matches!(
            self.state,
            State::Connected(Target::Hub, Subscription::Granted)
        ) && self.pending == Pending::None
            && self.outbox.used() == 0
            && !matches!(self.twin_get, GetState::Due(_) | GetState::Sent(_))
            && self.methods.next() == Instant::NEVER
    }

    /// The hub's host name; empty before DPS has assigned one.
    pub fn hostname(&self) -> &str {
        &self.identity.hostname
    }

    /// The device id at that hub; empty before DPS has assigned one.
    pub fn device_id(&self) -> &str {
        &self.identity.device_id
    }

    /// The registration, where DPS is configured. With `DPS` false the compiler removes what
    /// follows from it.
    fn dps(&mut self) -> Option<&mut Registration> {
        (DPS && self.registration.is_set()).then_some(&mut self.registration)
    }
}

/// Checks that CONNECT, SUBSCRIBE and the longest topic without properties fit the platform's
/// buffers.
fn check_buffers(limits: &Limits, connect_len: usize, topic: usize) -> Result<(), ConfigError> {
    let packet = (topic + PUBLISH_OVERHEAD)
        .max(connect_len + CONNECT_OVERHEAD)
        .max(commands::SUBSCRIBE_LEN);
    if limits.packet < packet {
        return Err(ConfigError::PacketBuffer);
    }
    if limits.transmit < connect_len + crate::identity::NAME_MAX + 1 {
        return Err(ConfigError::TransmitBuffer);
    }
    Ok(())
}
