//! The configuration of a client.

use core::time::Duration;

use crate::error::ConfigError;
use crate::identity::{API_VERSION, NAME_MAX, Names, is_assignment, is_hostname, is_id};
use crate::{dps, network, outbox, percent, reconnect};

/// Everything that is decided before the start. Texts are copied by
/// [`Client::new`](crate::Client::new).
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
    /// `DeviceClientType`: name and version of the software. The client percent-encodes it.
    pub client_type: &'static str,
    /// Keep-alive of the MQTT connection, as the platform's stack is configured. Zero: none.
    pub keep_alive: Duration,
    /// The largest [`Config::keep_alive`] that is accepted: 1177 s, two thirds of the hub's limit
    /// of 1767 s, which nothing raises.
    pub keep_alive_limit: Duration,
    /// Whether and how long to wait for the network.
    pub network: network::Config,
    /// Back-off between connects.
    pub backoff: reconnect::Policy,
    /// How long to wait for each answer.
    pub timeouts: Timeouts,
    /// What to do when the outbox is full.
    pub outbox: outbox::Policy,
    /// Reconnect after each disconnect. If not set, the client is idle after a disconnect, until
    /// `connect`.
    pub reconnect: bool,
    /// GET the twin after each connect and after a gap in the versions.
    pub request_twin: bool,
    /// What the hub may send unasked.
    pub subscriptions: Subscriptions,
    /// The platform's buffers.
    pub limits: Limits,
    /// Provisioning by DPS; the hub's host name and the device id come from there.
    pub dps: Option<dps::Config<'c>>,
    /// DPS's assignment of an earlier boot; the first connect goes to that hub.
    pub assignment: Option<dps::Assignment<'c>>,
    /// Failed connects in a row before this boot ([`Status::failures`](crate::Status)), where the
    /// platform stores them: the back-off and the count until DPS is asked again continue from
    /// there.
    pub failures: reconnect::Failures,
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
            network: network::Config::new(),
            backoff: reconnect::Policy::new(),
            timeouts: Timeouts::new(),
            outbox: outbox::Policy::Reject,
            reconnect: true,
            request_twin: true,
            subscriptions: Subscriptions::ALL,
            limits: Limits::new(),
            dps: None,
            assignment: None,
            failures: reconnect::Failures::NONE,
            seed: 0,
        }
    }
}

impl<'c> Config<'c> {
    /// Checks host name, device id and module id. With DPS they are those of the assignment, or
    /// empty.
    pub(crate) fn names(&self) -> Result<Names<'c>, ConfigError> {
        let (hostname, device_id) = match (&self.dps, &self.assignment) {
            (Some(_), Some(assignment))
                if is_assignment(assignment.hostname, assignment.device_id) =>
            {
                (assignment.hostname, assignment.device_id)
            }
            (Some(_), _) => ("", ""),
            (None, _) => (self.hostname, self.device_id),
        };
        if self.dps.is_none() {
            if !is_hostname(hostname) {
                return Err(ConfigError::Hostname);
            }
            if !is_id(device_id) {
                return Err(ConfigError::DeviceId);
            }
        }
        let module_id = self.module_id.unwrap_or_default();
        if self.module_id.is_some() && !is_id(module_id) {
            return Err(ConfigError::ModuleId);
        }
        Ok(Names {
            hostname,
            device_id,
            module_id,
        })
    }

    /// Length of the longest client id and user name that these names can become, whatever DPS
    /// assigns. Those of the connection to DPS are shorter.
    pub(crate) fn longest_connect(&self, names: &Names<'_>) -> usize {
        let dps = self.dps.is_some();
        let hostname_and_device = if dps {
            2 * NAME_MAX
        } else {
            names.hostname.len() + names.device_id.len()
        };
        let module = if names.module_id.is_empty() {
            0
        } else {
            names.module_id.len() + 1
        };
        let device = if dps { NAME_MAX } else { names.device_id.len() };
        let model = self
            .model_id
            .map_or(0, |model| "&model-id=".len() + percent::encoded_len(model));
        let user_name = hostname_and_device
            + module
            + "//?api-version=&DeviceClientType=".len()
            + API_VERSION.len()
            + percent::encoded_len(self.client_type)
            + model;
        user_name + device + module
    }
}

/// What the hub may send unasked. The answers to twin requests are always subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriptions {
    /// Changes of the desired properties. If not set, changes are seen only when the twin is read.
    pub desired: bool,
    /// Direct methods. If not set, the hub tells callers that the device is not connected.
    pub methods: bool,
    /// Cloud-to-device messages. If not set, the hub keeps them until they expire. Modules never
    /// receive any.
    pub c2d: bool,
}

impl Subscriptions {
    /// All of them.
    pub const ALL: Self = Self {
        desired: true,
        methods: true,
        c2d: true,
    };

    /// All zeros, so that an unconfigured client in static memory takes no flash.
    pub(crate) const NONE: Self = Self {
        desired: false,
        methods: false,
        c2d: false,
    };
}

/// How long to wait for each answer; every wait has an end.
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
    /// From a method to the application's answer; afterwards the client answers 504.
    pub method: Duration,
    /// From the end of the keep-alive to giving up a link on which nothing is received. The
    /// keep-alive begins with what was received last; writing does not prolong it.
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

/// Sizes of the platform's buffers, so that a message that cannot be sent is refused at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The MQTT stack's packet buffer (`CONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE`): holds a whole
    /// CONNECT or SUBSCRIBE, and of a PUBLISH all but the payload.
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
