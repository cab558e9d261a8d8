//! Azure IoT Hub client for Zephyr and the nRF Connect SDK: the driver and the API that
//! applications use.
//!
//! ```no_run
//! use iothub::{Event, MethodResponse, Telemetry};
//!
//! fn on_event(event: Event<'_>) {
//!     match event {
//!         Event::Method(request) => {
//!             let answer = MethodResponse { request: request.id, status: 404, payload: b"" };
//!             let _ = iothub::respond(&answer);
//!         }
//!         Event::C2d(message) => log::info!("{} bytes", message.payload.len()),
//!         _ => {}
//!     }
//! }
//!
//! fn main() {
//!     if iothub::start(&on_event).is_err() || iothub::connect().is_err() {
//!         return;
//!     }
//!     loop {
//!         let _ = iothub::send(&Telemetry::new(br#"{"temperature":25.1}"#));
//!         iothub::wait(Some(iothub::now() + core::time::Duration::from_secs(20)));
//!     }
//! }
//! ```
//!
//! Programs for one feature each are in `rust/iothub/examples`: `twin` (a desired property, taken
//! or refused, and acknowledged), `methods` (with an answer), `dps` (DPS says which hub), `updates`
//! (firmware). Their handlers have a context.
//!
//! # Threads
//! There is one client. Its functions may be called from any thread and from inside the handler;
//! none of them waits for the network. The handler is called on the driver's thread, and for what
//! the hub sends (messages, twins, methods) on mqtt_helper's thread, never on both at once: it may
//! call everything here, and should be quick.
//!
//! # Memory
//! All of it is static: the client with its outbox (`CONFIG_IOTHUB_OUTBOX_SIZE` and about 2 KiB),
//! the transmit buffer (`CONFIG_IOTHUB_MESSAGE_SIZE`) and the inbox (less than 1 KiB).
#![no_std]
#![forbid(unsafe_code)]

mod callbacks;
#[doc(hidden)]
pub mod capi_support;
mod client;
mod clock;
mod configuration;
mod describe;
mod driver;
mod execute;
mod fota;
mod handler;
mod handler_lock;
#[cfg(test)]
#[path = "handler_lock/tests.rs"]
mod handler_lock_tests;
mod identity;
mod inbox;
mod interval;
mod kconfig;
mod lte;
mod outbox;
mod partition;
mod reminder;
mod retry;
mod sequence;
mod state;
mod sync;
mod thread;

use client::{CLIENT, with_client};

pub use clock::now;
pub use configuration::Options;
pub use fota::{FOTA, Firmware};
pub use handler::{Handler, StartError};
pub use identity::{DeviceIdentity, setting_counts};
pub use interval::{INTERVAL_MAX, store_telemetry_interval, telemetry_interval};
/// What an update tells, and its limits.
pub use iothub_proto::fota as firmware;
pub use iothub_proto::{
    C2d, Capacity, Config, ConfigError, Delivery, Disconnect, Errno, Error, Event, Instant,
    InvalidRequest, MessageId, MethodId, MethodRequest, MethodResponse, Phase, Properties,
    Property, Qos, ReceivedProperty, RequestId, Status, SystemProperties, Telemetry, dps, network,
    pnp, reconnect, twin,
};
pub use iothub_proto::{
    outbox::Keep,
    store::{Priority, Status as StoreStatus},
};
pub use kconfig::{
    ASSISTANCE, BATTERY_LOW_MV, FAULT_COMMAND, HOLD, KEEP, LOG_LEVEL, MESSAGE_MAX, READINGS,
    SURVEY, TELEMETRY_INTERVAL,
};
pub use ncs::platform::{Logger, set_led};
pub use outbox::{KEPT, KEPT_SHORT, KEPT_SHORT_MAX, Losses, OUTBOX_FLASH, OutboxStatus, REPORTS};
pub use sequence::EventQueue;

/// Starts the driver with the configuration that Kconfig and the settings give, and delivers events
/// to `handler`. The device does not connect before [`connect`]. [`Options`] is the same with
/// choices.
///
/// # Errors
/// The configuration cannot work, or it was started before.
pub fn start(handler: &'static dyn Handler) -> Result<(), StartError> {
    Options::new(handler).start()
}

/// Who the device is from the next [`connect`] on: a device and no module, without a payload for
/// DPS. What the outbox holds for another device is [dropped](Event::Dropped).
///
/// # Errors
/// [`ConfigError::Started`] before [`start`] and between [`connect`] and [`disconnect`]; else what
/// is wrong with it.
pub fn reconfigure(identity: &DeviceIdentity<'_>) -> Result<(), ConfigError> {
    thread::reconfigure(identity)
}

/// Attaches to the network, connects, and stays connected until [`disconnect`].
///
/// # Errors
/// [`Error::NotReady`] before [`start`].
pub fn connect() -> Result<(), Error> {
    with_client(|client, now| client.connect(now))
}

/// Leaves the hub. What the outbox holds is kept for the next [`connect`].
///
/// # Errors
/// [`Error::NotReady`] before [`start`].
pub fn disconnect() -> Result<(), Error> {
    with_client(|client, now| client.disconnect(now))
}

/// Forgets what DPS has assigned, here and in the settings, and registers anew.
///
/// # Errors
/// [`Error::NotReady`] before [`start`]; [`InvalidRequest::NoProvisioning`] without an ID scope.
pub fn reprovision() -> Result<(), Error> {
    with_client(|client, now| client.reprovision(now))
}

/// Accepts a telemetry message, connected or not. At QoS 1 it is kept until the hub has
/// acknowledged it, which [`Event::Sent`] tells.
///
/// # Errors
/// [`Error::InvalidRequest`] for a message that the hub would not take; [`Error::Capacity`] while
/// the outbox is full.
pub fn send(message: &Telemetry<'_>) -> Result<MessageId, Error> {
    thread::send(None, message)
}

/// Stores in flash what was accepted and is only in RAM: before a restart of the application's own,
/// and where a brown-out warning leaves the milliseconds. Nothing without
/// `CONFIG_IOTHUB_OUTBOX_FLASH`.
pub fn flush() {
    thread::flush();
}

/// What the outbox in flash holds, and how worn the flash is. All zeros without
/// `CONFIG_IOTHUB_OUTBOX_FLASH`.
pub fn outbox_status() -> OutboxStatus {
    thread::outbox_status()
}

/// Reports properties: `patch` is a JSON object, merged into the twin as RFC 7396 says. With
/// `version` only if the hub's reported version is that one. Answered by [`Event::Reported`] or
/// [`Event::ReportFailed`].
///
/// # Errors
/// [`Error::Capacity`] while the outbox is full.
pub fn report(patch: &[u8], version: Option<u64>) -> Result<RequestId, Error> {
    with_client(|client, _| client.report(patch, version))
}

/// Reports properties of which only the newest counts: under each `key` below [`REPORTS`] the last
/// `patch` is kept, not a queue of them. With `CONFIG_IOTHUB_OUTBOX_FLASH` it is in flash when this
/// returns, and is sent until the hub has answered, power cuts or not; without, one that was not
/// written yet is replaced. [`Event::Reported`] comes for the one that is sent.
///
/// # Errors
/// [`InvalidRequest::Patch`]; [`Capacity::Message`] for more than a flash page has room for, an
/// eighth of it, or a key that is none; [`Capacity::Outbox`] while there is no room.
pub fn report_latest(key: u8, patch: &[u8]) -> Result<(), Error> {
    thread::report_latest(key, patch)
}

/// Keeps a value of the application's own beside the outbox in flash, under a `key` below [`KEPT`],
/// in place of what was kept there: for counters and states that are to outlive a power cut. Each
/// takes a write, and none an erase of its own. Under [`KEPT_SHORT`] is one more, of at most
/// [`KEPT_SHORT_MAX`] bytes.
///
/// # Errors
/// [`Error::NotReady`] without the outbox in flash; [`Error::Capacity`] as [`report_latest`].
pub fn keep(key: u8, value: &[u8]) -> Result<(), Error> {
    thread::keep(key, value)
}

/// What was [kept](keep) last under a key, before a restart or since; empty where nothing was. As
/// much of it as `buffer` has room for.
pub fn kept(key: u8, buffer: &mut [u8]) -> &[u8] {
    thread::kept(key, buffer)
}

/// Asks for the twin, which arrives as [`Event::Twin`]. Done by itself after each connect.
///
/// # Errors
/// [`Error::NotReady`] while not connected to the hub.
pub fn request_twin() -> Result<RequestId, Error> {
    with_client(|client, _| client.request_twin())
}

/// Answers a direct method, from inside the handler or later.
///
/// # Errors
/// [`Error::InvalidRequest`] for a request that is not waiting any more; [`Error::Capacity`] while
/// the outbox is full.
pub fn respond(answer: &MethodResponse<'_>) -> Result<(), Error> {
    with_client(|client, _| client.respond(answer))
}

/// Tells the AAAA records of `ipv4only.arpa`, which an application has asked the network's DNS for:
/// from then on the IPv4 address behind a NAT64 of any prefix is told for certain (RFC 7050) in
/// [`Event::Peer`], until the network is lost. Without, other prefixes than the well-known one are
/// guessed.
///
/// # Errors
/// [`Error::NotReady`] before [`start`].
pub fn tell_ipv4only(records: &[[u8; 16]]) -> Result<(), Error> {
    with_client(|client, _| {
        client.handle_ipv4only(records);
        Ok(())
    })
}

/// A snapshot: state, last error and its cause, counters.
///
/// # Errors
/// [`Error::NotReady`] before [`start`].
pub fn status() -> Result<Status, Error> {
    with_client(|client, _| Ok(client.status()))
}

/// Whether the calling thread is inside the handler, and so must not wait for an event.
pub fn in_handler() -> bool {
    CLIENT.handler_lock.is_mine()
}

/// Blocks the application's thread until [`wake`] or the deadline; `None` waits for ever. For one
/// thread.
pub fn wait(deadline: Option<Instant>) {
    ncs::platform::Waiter::Application.wait(deadline.map(Instant::as_millis));
}

/// Ends the application's [`wait`]; from any thread, and from the handler.
pub fn wake() {
    ncs::platform::Waiter::Application.wake();
}
