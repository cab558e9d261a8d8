//! The configuration: what a program chooses, and what Kconfig and the settings say beside it.

use core::time::Duration;

use iothub_proto::{Config, ConfigError, Limits, Timeouts, network, outbox, store};

use crate::{
    clock::{milliseconds, seconds},
    fota::{self, Firmware},
    handler::Handler,
    identity::{Attempts, DeviceIdentity, Identity},
    kconfig,
};

/// Builds the client: who is told of events, who the device is, and what is the driver's business.
///
/// Sizes are not here, since all memory is static: `CONFIG_IOTHUB_OUTBOX_SIZE`,
/// `CONFIG_IOTHUB_MESSAGE_SIZE`. Nor is what a user of the device may change, which is in Kconfig
/// and in the settings.
///
/// ```no_run
/// use iothub::{Event, Firmware, Options};
///
/// fn on_event(event: Event<'_>) {
///     log::info!("{event:?}");
/// }
///
/// # fn main() -> Result<(), iothub::StartError> {
/// Options::new(&on_event)
///     .hub("contoso.azure-devices.net", "thermometer-17")
///     .request_twin(false)
///     .firmware(Firmware::Application)
///     .start()
/// # }
/// ```
#[derive(Clone, Copy)]
#[must_use = "nothing happens before start()"]
pub struct Options<'a> {
    pub(crate) handler: &'static dyn Handler,
    identity: DeviceIdentity<'a>,
    module: &'a str,
    model: &'static str,
    provisioning_payload: &'a [u8],
    pub(crate) attach: bool,
    reconnect: bool,
    request_twin: bool,
    keep_alive_limit: Duration,
    pub(crate) firmware: Firmware,
    pub(crate) outbox: bool,
}

impl<'a> Options<'a> {
    /// With events to `handler`, and everything else as [`start`](crate::start) has it.
    pub const fn new(handler: &'static dyn Handler) -> Self {
        Self {
            handler,
            identity: DeviceIdentity::Configured,
            module: "",
            model: kconfig::IOTHUB_MODEL_ID,
            provisioning_payload: b"",
            attach: true,
            reconnect: true,
            request_twin: true,
            keep_alive_limit: seconds(1177),
            firmware: Firmware::Automatic,
            outbox: true,
        }
    }

    /// Who the device is. [`DeviceIdentity::Configured`] unless this is called.
    pub const fn identity(mut self, identity: DeviceIdentity<'a>) -> Self {
        self.identity = identity;
        self
    }

    /// At this hub under this id, without DPS, whatever Kconfig and the settings say.
    pub const fn hub(self, hostname: &'a str, device_id: &'a str) -> Self {
        self.identity(DeviceIdentity::Hub {
            hostname,
            device_id,
        })
    }

    /// Where DPS says; what it said before is tried first.
    pub const fn provisioned(self, id_scope: &'a str, registration_id: &'a str) -> Self {
        self.identity(DeviceIdentity::Provisioned {
            id_scope,
            registration_id,
        })
    }

    /// As this module of the device. Modules have no messages from the cloud.
    pub const fn module(mut self, module_id: &'a str) -> Self {
        self.module = module_id;
        self
    }

    /// The model that the device says it implements (IoT Plug and Play), as in
    /// `dtmi:com:example:Thermostat;1`; `CONFIG_IOTHUB_MODEL_ID` unless this is called, and where
    /// that names one.
    pub const fn model(mut self, id: &'static str) -> Self {
        if self.model.is_empty() {
            self.model = id;
        }
        self
    }

    /// JSON of at most 256 bytes that DPS hands to the allocation webhook with each registration;
    /// what the webhook returns is in [`dps::Event::Assigned`](crate::dps::Event::Assigned).
    pub const fn provisioning_payload(mut self, json: &'a [u8]) -> Self {
        self.provisioning_payload = json;
        self
    }

    /// Whether modem and network are the driver's business, which is the default, or the
    /// application's.
    pub const fn attach(mut self, attach: bool) -> Self {
        self.attach = attach;
        self
    }

    /// Whether a connection that ended is made again with back-off, which is the default.
    pub const fn reconnect(mut self, reconnect: bool) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Whether the twin is asked for after each connect, which is the default. Firmware updates ask
    /// in any case.
    pub const fn request_twin(mut self, request_twin: bool) -> Self {
        self.request_twin = request_twin;
        self
    }

    /// The longest keep-alive of `CONFIG_MQTT_KEEPALIVE` that is let pass; 1177 s, from where on
    /// the hub may drop the device before a ping, unless this is called.
    pub const fn keep_alive_limit(mut self, limit: Duration) -> Self {
        self.keep_alive_limit = limit;
        self
    }

    /// What is done about firmware updates where `CONFIG_IOTHUB_FOTA` is set;
    /// [`Firmware::Automatic`] unless this is called.
    pub const fn firmware(mut self, firmware: Firmware) -> Self {
        self.firmware = firmware;
        self
    }

    /// Whether the outbox in flash is used where `CONFIG_IOTHUB_OUTBOX_FLASH` is set, which is the
    /// default.
    pub const fn outbox(mut self, outbox: bool) -> Self {
        self.outbox = outbox;
        self
    }

    /// Whose messages the outbox in flash holds: the device, wherever its hub is.
    pub(crate) fn owner(&self) -> u32 {
        let mut identity = Identity::default();
        identity.load(&self.identity);
        let device = match identity.dps() {
            Some(dps) => dps.registration_id,
            None => &identity.device_id,
        };
        store::owner(&[device, self.module])
    }

    fn wants_twin(&self) -> bool {
        self.request_twin || fota::is_wanted(self.firmware)
    }

    /// Calls `f` with the configuration that these choices, the settings and Kconfig give.
    ///
    /// # Errors
    /// What `f` returns.
    pub(crate) fn with_config(
        &self,
        f: &mut dyn FnMut(&Config<'_>) -> Result<(), ConfigError>,
    ) -> Result<(), ConfigError> {
        let mut identity = Identity::default();
        identity.load(&self.identity);
        let mut config = Config::new(&identity.hostname, &identity.device_id);
        config.module_id = Some(self.module).filter(|id| !id.is_empty());
        config.model_id = Some(self.model).filter(|id| !id.is_empty());
        config.client_type = concat!("iothub/", env!("CARGO_PKG_VERSION"));
        config.keep_alive = seconds(kconfig::MQTT_KEEPALIVE);
        config.network = network::Config {
            enabled: self.attach && kconfig::IOTHUB_IPV6_WAIT,
            dual_stack: milliseconds(kconfig::IOTHUB_IPV6_WAIT_DUAL_STACK_MS),
            ipv6_only: milliseconds(kconfig::IOTHUB_IPV6_WAIT_IPV6_ONLY_MS),
        };
        config.backoff = kconfig::back_off();
        config.timeouts = Timeouts {
            connack: seconds(kconfig::IOTHUB_CONNACK_TIMEOUT_S),
            suback: seconds(kconfig::IOTHUB_SUBACK_TIMEOUT_S),
            puback: seconds(kconfig::IOTHUB_PUBACK_TIMEOUT_S),
            response: seconds(kconfig::IOTHUB_RESPONSE_TIMEOUT_S),
            method: seconds(kconfig::IOTHUB_METHOD_TIMEOUT_S),
            ..config.timeouts
        };
        config.outbox = if kconfig::IOTHUB_OUTBOX_DROP_OLDEST {
            outbox::Policy::DropOldest
        } else {
            outbox::Policy::Reject
        };
        config.dps = identity.dps();
        if let Some(dps) = &mut config.dps {
            dps.payload = Some(self.provisioning_payload).filter(|json| !json.is_empty());
            dps.reprovision_after =
                u32::try_from(kconfig::IOTHUB_DPS_REPROVISION_AFTER).unwrap_or(10);
        }
        config.assignment = identity.assignment();
        config.limits = Limits {
            packet: usize::try_from(kconfig::MQTT_HELPER_RX_TX_BUFFER_SIZE).unwrap_or(0),
            transmit: kconfig::MESSAGE,
        };
        config.reconnect = self.reconnect;
        config.request_twin = self.wants_twin();
        config.subscriptions = kconfig::SUBSCRIPTIONS;
        config.keep_alive_limit = self.keep_alive_limit;
        config.failures = Attempts::load().failures();
        config.seed = ncs::platform::random();
        f(&config)
    }
}
