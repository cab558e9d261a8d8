//! What a program chooses, beside what Kconfig and the settings say.

use core::time::Duration;

use crate::{
    Handler, NoticeHandler, StartError, Who, driver,
    driver::Call,
    fota::{self, Firmware},
    seconds,
};

/// Builds the client: who is told of events, who the device is, and what is the driver's business.
///
/// Sizes are not here, since all memory is static: `CONFIG_IOTHUB_OUTBOX_SIZE`, `CONFIG_IOTHUB_MESSAGE_SIZE`. Nor is what
/// a user of the device may change, which is in Kconfig and in the settings.
///
/// ```no_run
/// use iothub::{Event, Firmware, Options};
///
/// fn on_event(event: Event<'_>) {
///     log::info!("{event:?}");
/// }
///
/// # fn main() -> Result<(), iothub::StartError> {
/// Options::new(on_event)
///     .hub("contoso.azure-devices.net", "thermometer-17")
///     .request_twin(false)
///     .firmware(Firmware::Application)
///     .start()
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing happens before start()"]
pub struct Options<'a> {
    pub(crate) call: Call,
    pub(crate) who: Who<'a>,
    pub(crate) module: &'a str,
    pub(crate) provisioning_payload: &'a [u8],
    pub(crate) attach: bool,
    pub(crate) reconnect: bool,
    pub(crate) request_twin: bool,
    pub(crate) keep_alive_limit: Duration,
    pub(crate) firmware: Firmware,
}

impl<'a> Options<'a> {
    /// With events to `handler`, and everything else as [`start`](crate::start) has it.
    pub const fn new(handler: Handler) -> Self {
        Self::with(Call::Event(handler))
    }

    /// As [`Options::new`], for a handler that wants to see the message that an event was read from.
    pub const fn with_notices(handler: NoticeHandler) -> Self {
        Self::with(Call::Notice(handler))
    }

    const fn with(call: Call) -> Self {
        Self {
            call,
            who: Who::Configured,
            module: "",
            provisioning_payload: b"",
            attach: true,
            reconnect: true,
            request_twin: true,
            keep_alive_limit: seconds(1177),
            firmware: Firmware::Automatic,
        }
    }

    /// Who the device is. [`Who::Configured`] unless this is called.
    pub const fn who(mut self, who: Who<'a>) -> Self {
        self.who = who;
        self
    }

    /// At this hub under this id, without DPS, whatever Kconfig and the settings say.
    pub const fn hub(self, hostname: &'a str, device_id: &'a str) -> Self {
        self.who(Who::Hub {
            hostname,
            device_id,
        })
    }

    /// Where DPS says; what it said before is tried first.
    pub const fn provisioned(self, id_scope: &'a str, registration_id: &'a str) -> Self {
        self.who(Who::Provisioned {
            id_scope,
            registration_id,
        })
    }

    /// As this module of the device. Modules have no messages from the cloud.
    pub const fn module(mut self, module_id: &'a str) -> Self {
        self.module = module_id;
        self
    }

    /// JSON of at most 256 bytes that DPS hands to the allocation webhook with each registration; what the webhook returns
    /// is in [`dps::Event::Assigned`](crate::dps::Event::Assigned).
    pub const fn provisioning_payload(mut self, json: &'a [u8]) -> Self {
        self.provisioning_payload = json;
        self
    }

    /// Whether modem and network are the driver's business, which is the default, or the application's.
    pub const fn attach(mut self, attach: bool) -> Self {
        self.attach = attach;
        self
    }

    /// Whether a connection that ended is made again with back-off, which is the default.
    pub const fn reconnect(mut self, reconnect: bool) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Whether the twin is asked for after each connect, which is the default. Firmware updates ask in any case.
    pub const fn request_twin(mut self, request_twin: bool) -> Self {
        self.request_twin = request_twin;
        self
    }

    /// The longest keep-alive of `CONFIG_MQTT_KEEPALIVE` that is let pass; 1177 s, from where on the hub may drop the
    /// device before a ping, unless this is called.
    pub const fn keep_alive_limit(mut self, limit: Duration) -> Self {
        self.keep_alive_limit = limit;
        self
    }

    /// What is done about firmware updates where `CONFIG_IOTHUB_FOTA` is set; [`Firmware::Automatic`] unless this is
    /// called.
    pub const fn firmware(mut self, firmware: Firmware) -> Self {
        self.firmware = firmware;
        self
    }

    /// Starts the driver. The device does not connect before [`connect`](crate::connect).
    ///
    /// # Errors
    /// The configuration cannot work, or it was started before.
    pub fn start(&self) -> Result<(), StartError> {
        driver::start(self)
    }

    pub(crate) fn wants_twin(&self) -> bool {
        self.request_twin || fota::is_wanted(self.firmware)
    }
}
