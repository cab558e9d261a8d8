//! What a client is made of.

use core::time::Duration;

use crate::{dps, network, outbox, reconnect};

/// Everything that is decided before the start. Texts are copied by [`Client::new`](crate::Client::new).
#[derive(Clone, Copy, Debug)]
pub struct Config<'c> {
    /// The hub, `{name}.azure-devices.net`. Empty with [`Config::dps`].
    pub hostname: &'c str,
    /// The device's id; equal to the certificate's common name. Empty with [`Config::dps`].
    pub device_id: &'c str,
    /// For a module of the device.
    pub module_id: Option<&'c str>,
    /// The Plug and Play model, `dtmi:…;1`.
    pub model_id: Option<&'static str>,
    /// `DeviceClientType`: which software this is. Percent-encoded by us.
    pub client_type: &'static str,
    /// Of the MQTT connection, as the platform's stack is configured. Zero: none.
    pub keep_alive: Duration,
    /// The largest [`Config::keep_alive`] that is accepted: 1177 s, two thirds of the hub's limit of
    /// 1767 s, which nothing raises.
    pub keep_alive_limit: Duration,
    /// The network gate.
    pub gate: network::GateConfig,
    /// Back-off between connects.
    pub backoff: reconnect::Policy,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// What to do when the outbox is full.
    pub outbox: outbox::Policy,
    /// Connect again by itself. If not, the client is idle after a disconnect, until `connect`.
    pub reconnect: bool,
    /// GET the twin after each connect and after a gap in the versions.
    pub request_twin: bool,
    /// What the hub may send by itself.
    pub subscriptions: Subscriptions,
    /// The platform's buffers.
    pub limits: Limits,
    /// Provisioning by DPS; the hub's host name and the device id come from there.
    pub dps: Option<dps::Config<'c>>,
    /// What DPS answered on an earlier boot; tried first.
    pub assignment: Option<dps::Assignment<'c>>,
    /// Failed connects in a row before this boot ([`Status::attempts`](crate::Status)), if they are kept: the back-off and
    /// the count until DPS is asked again go on from there.
    pub attempts: u32,
    /// Randomness for jitter and for the first `$rid`.
    pub seed: u64,
}

impl<'c> Config<'c> {
    /// Defaults for a device with a hub; everything can be changed.
    pub const fn new(hostname: &'c str, device_id: &'c str) -> Self {
        Self {
            hostname,
            device_id,
            module_id: None,
            model_id: None,
            client_type: concat!("iothub/", env!("CARGO_PKG_VERSION")),
            keep_alive: Duration::from_secs(240),
            keep_alive_limit: Duration::from_secs(1177),
            gate: network::GateConfig::new(),
            backoff: reconnect::Policy::new(),
            timeouts: Timeouts::new(),
            outbox: outbox::Policy::Reject,
            reconnect: true,
            request_twin: true,
            subscriptions: Subscriptions::ALL,
            limits: Limits::new(),
            dps: None,
            assignment: None,
            attempts: 0,
            seed: 0,
        }
    }
}

/// What the hub may send by itself. The answers to what the device asks of its twin are always subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriptions {
    /// Changes of the desired properties. Without, they are seen only when the twin is read.
    pub desired: bool,
    /// Direct methods. Without, the hub tells the callers that the device is not there.
    pub methods: bool,
    /// Cloud-to-device messages. Without, the hub keeps them until they expire. A module never has them.
    pub c2d: bool,
}

impl Subscriptions {
    /// Everything.
    pub const ALL: Self = Self {
        desired: true,
        methods: true,
        c2d: true,
    };

    /// Zeros, as everything of a client before it is configured: so it needs no place in flash.
    pub(crate) const NONE: Self = Self {
        desired: false,
        methods: false,
        c2d: false,
    };
}

/// How long to wait for what; every wait has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From CONNECT to CONNACK.
    pub connack: Duration,
    /// From SUBSCRIBE to SUBACK.
    pub suback: Duration,
    /// From a message to its PUBACK, or from one PUBACK to the next.
    pub puback: Duration,
    /// From a twin or DPS request to its answer.
    pub response: Duration,
    /// For the application to answer a method; then 504 is sent for it.
    pub method: Duration,
    /// Beyond the keep-alive, until a silent link is given up.
    pub silence: Duration,
}

impl Timeouts {
    pub(crate) const NONE: Self = Self {
        connack: Duration::ZERO,
        suback: Duration::ZERO,
        puback: Duration::ZERO,
        response: Duration::ZERO,
        method: Duration::ZERO,
        silence: Duration::ZERO,
    };

    /// 30 s for each; 60 s for PUBACK.
    pub const fn new() -> Self {
        Self {
            connack: Duration::from_secs(30),
            suback: Duration::from_secs(30),
            puback: Duration::from_secs(60),
            response: Duration::from_secs(30),
            method: Duration::from_secs(30),
            silence: Duration::from_secs(30),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::new()
    }
}

/// Sizes of the platform's buffers, so that what cannot be sent is refused before it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The MQTT stack's packet buffer (`CONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE`): holds a whole CONNECT or
    /// SUBSCRIBE, and of a PUBLISH all but the payload.
    pub packet: usize,
    /// The buffer that the driver passes to [`Client::poll_command`](crate::Client::poll_command).
    pub transmit: usize,
}

impl Limits {
    /// 1024 and 4096 bytes.
    pub const fn new() -> Self {
        Self {
            packet: 1024,
            transmit: 4096,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
