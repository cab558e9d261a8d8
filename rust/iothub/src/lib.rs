//! Azure IoT Hub client for Zephyr and the nRF Connect SDK: the driver and the API that applications use.
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
//!     if iothub::start(on_event).is_err() || iothub::connect().is_err() {
//!         return;
//!     }
//!     loop {
//!         let _ = iothub::send(&Telemetry::new(br#"{"temperature":25.1}"#));
//!         iothub::wait(Some(iothub::now() + core::time::Duration::from_secs(20)));
//!     }
//! }
//! ```
//!
//! # Threads
//! There is one client. Its functions may be called from any thread and from inside the handler; none of them
//! waits for the network. The handler is called on the driver's thread, and for what the hub sends (messages, twins,
//! methods) on mqtt_helper's thread, never on both at once: it may call everything here, and should be quick.
//!
//! # Memory
//! All of it is static: the client with its outbox (`CONFIG_IOTHUB_OUTBOX_SIZE` and about 2 KiB), the transmit buffer
//! (`CONFIG_IOTHUB_MESSAGE_SIZE`) and the inbox (less than 1 KiB).
#![no_std]
#![forbid(unsafe_code)]

mod callbacks;
mod carry_out;
mod describe;
mod driver;
mod fota;
mod identity;
mod inbox;
mod interval;
mod kconfig;
mod options;
mod patience;
mod recovery;
mod sequence;
mod sync;
mod turn;

use core::time::Duration;

pub use driver::{Handler, Message, Notice, NoticeHandler, StartError};
pub use fota::{FOTA, Firmware};
pub use identity::{Assigned, Who};
pub use interval::{INTERVAL_MAX, store_telemetry_interval, telemetry_interval};
/// What an update tells, and its limits.
pub use iothub_proto::fota as firmware;
pub use iothub_proto::{
    C2d, Capacity, Config, ConfigError, Disconnect, Errno, Error, Event, Instant, InvalidRequest,
    MessageId, MethodId, MethodRequest, MethodResponse, Phase, Property, Qos, RequestId, Status,
    SystemProperties, Telemetry, dps, network, reconnect, twin,
};
pub use kconfig::{HOLD, LOG_LEVEL, MESSAGE_MAX, TELEMETRY_INTERVAL, c_api};
pub use ncs::platform::{Logger, set_led};
pub use options::Options;

/// Starts the driver with the configuration that Kconfig and the settings give, and delivers events to `handler`. The
/// device does not connect before [`connect`]. [`Options`] is the same with choices.
///
/// # Errors
/// The configuration cannot work, or it was started before.
pub fn start(handler: Handler) -> Result<(), StartError> {
    Options::new(handler).start()
}

/// Who the device is from the next [`connect`] on: a device and no module, without a payload for DPS. What the outbox holds for another device is
/// [dropped](Event::Dropped).
///
/// # Errors
/// [`ConfigError::Started`] before [`start`] and between [`connect`] and [`disconnect`]; else what is wrong with it.
pub fn reconfigure(who: &Who<'_>) -> Result<(), ConfigError> {
    driver::reconfigure(who)
}

/// Attaches to the network, connects, and stays connected until [`disconnect`].
///
/// # Errors
/// [`Error::NotReady`] before [`start`].
pub fn connect() -> Result<(), Error> {
    driver::with_client(|client, now| client.connect(now))
}

/// Leaves the hub. What the outbox holds is kept for the next [`connect`].
///
/// # Errors
/// [`Error::NotReady`] before [`start`].
pub fn disconnect() -> Result<(), Error> {
    driver::with_client(|client, now| client.disconnect(now))
}

/// Forgets what DPS has assigned, here and in the settings, and registers anew.
///
/// # Errors
/// [`Error::NotReady`] before [`start`]; [`InvalidRequest::NoProvisioning`] without an ID scope.
pub fn reprovision() -> Result<(), Error> {
    driver::with_client(|client, now| client.reprovision(now))
}

/// Accepts a telemetry message, connected or not. At QoS 1 it is kept until the hub has acknowledged it, which
/// [`Event::Sent`] tells.
///
/// # Errors
/// [`Error::InvalidRequest`] for a message that the hub would not take; [`Error::Capacity`] while the outbox is full.
pub fn send(message: &Telemetry<'_>) -> Result<MessageId, Error> {
    driver::with_client(|client, now| client.send(now, message))
}

/// As [`send`], under a number of the application's, which need not be unique. An application uses either this or
/// `send`.
///
/// # Errors
/// As [`send`].
pub fn send_as(id: MessageId, message: &Telemetry<'_>) -> Result<(), Error> {
    driver::with_client(|client, now| client.send_as(now, id, message))
}

/// Reports properties: `patch` is a JSON object, merged into the twin as RFC 7396 says. With `version` only if
/// the hub's reported version is that one. Answered by [`Event::Reported`] or [`Event::ReportFailed`].
///
/// # Errors
/// [`Error::Capacity`] while the outbox is full.
pub fn report(patch: &[u8], version: Option<u64>) -> Result<RequestId, Error> {
    driver::with_client(|client, now| client.report(now, patch, version))
}

/// As [`report`]; `accepted` gets the number before the answer can come. It runs under the lock: no call of this crate.
///
/// # Errors
/// As [`report`].
pub fn report_as(
    patch: &[u8],
    version: Option<u64>,
    accepted: impl FnOnce(RequestId),
) -> Result<(), Error> {
    driver::with_client(|client, now| client.report(now, patch, version).map(accepted))
}

/// As [`request_twin`]; `accepted` as with [`report_as`].
///
/// # Errors
/// As [`request_twin`].
pub fn request_twin_as(accepted: impl FnOnce(RequestId)) -> Result<(), Error> {
    driver::with_client(|client, now| client.request_twin(now).map(accepted))
}

/// Asks for the twin, which arrives as [`Event::Twin`]. Done by itself after each connect.
///
/// # Errors
/// [`Error::NotReady`] while not connected to the hub.
pub fn request_twin() -> Result<RequestId, Error> {
    driver::with_client(|client, now| client.request_twin(now))
}

/// Answers a direct method, from inside the handler or later.
///
/// # Errors
/// [`Error::InvalidRequest`] for a request that is not waiting any more; [`Error::Capacity`] while the outbox is full.
pub fn respond(answer: &MethodResponse<'_>) -> Result<(), Error> {
    driver::with_client(|client, now| client.respond(now, answer))
}

/// As [`respond`], to the call with this `$rid`.
///
/// # Errors
/// As [`respond`].
pub fn respond_to(rid: &[u8], status: i32, payload: &[u8]) -> Result<(), Error> {
    driver::with_client(|client, now| {
        let request = client
            .find_method(rid)
            .ok_or(Error::InvalidRequest(InvalidRequest::UnknownMethod))?;
        let answer = MethodResponse {
            request,
            status,
            payload,
        };
        client.respond(now, &answer)
    })
}

/// Tells the AAAA records of `ipv4only.arpa`, which an application has asked the network's DNS for: from then on the IPv4
/// address behind a NAT64 of any prefix is told for certain (RFC 7050) in [`Event::Peer`], until the network is lost. Without,
/// other prefixes than the well-known one are guessed.
///
/// # Errors
/// [`Error::NotReady`] before [`start`].
pub fn tell_ipv4only(records: &[[u8; 16]]) -> Result<(), Error> {
    driver::with_client(|client, now| {
        client.handle_ipv4only(now, records);
        Ok(())
    })
}

/// A snapshot: state, last error and its cause, counters.
///
/// # Errors
/// [`Error::NotReady`] before [`start`].
pub fn status() -> Result<Status, Error> {
    driver::with_client(|client, _| Ok(client.status()))
}

/// Whether the calling thread is inside the handler, and so must not wait for an event.
pub fn in_handler() -> bool {
    turn::is_mine()
}

/// Keeps events for [`wait_for`] from now on; call it before what the first of them comes from.
pub fn keep_events() {
    sequence::keep();
}

/// For sequential code: takes the events that have come since the last call, oldest first, and waits for further ones,
/// until `wanted` finds what it looks for; `None` after `timeout`, and inside the handler. What came before is looked at
/// too, so that nothing is missed between a wish and the wait; the newest 6 are kept. Events that borrow (messages,
/// twins, methods) go to the handler only. For one thread, which may not be in [`wait`] at the same time.
///
/// ```no_run
/// use core::time::Duration;
///
/// use iothub::{Event, Telemetry};
///
/// fn measure_once() -> Option<()> {
///     iothub::keep_events();
///     iothub::connect().ok()?;
///     let ready = |event: &Event| matches!(event, Event::Ready).then_some(());
///     iothub::wait_for(Duration::from_secs(120), ready)?;
///     let id = iothub::send(&Telemetry::json(br#"{"temperature":25.1}"#)).ok()?;
///     let sent = |event: &Event| (*event == Event::Sent(id)).then_some(());
///     iothub::wait_for(Duration::from_secs(60), sent)?;
///     iothub::disconnect().ok()
/// }
/// ```
pub fn wait_for<R>(
    timeout: Duration,
    wanted: impl FnMut(&Event<'static>) -> Option<R>,
) -> Option<R> {
    sequence::wait_for(timeout, wanted)
}

/// Time since boot.
pub fn now() -> Instant {
    Instant::from_millis(ncs::platform::uptime_ms())
}

/// Blocks the application's thread until [`wake`] or the deadline; `None` waits for ever. For one thread.
pub fn wait(deadline: Option<Instant>) {
    ncs::platform::Waiter::Application.wait(deadline.map(Instant::as_millis));
}

/// Ends the application's [`wait`]; from any thread, and from the handler.
pub fn wake() {
    ncs::platform::Waiter::Application.wake();
}

const fn milliseconds(value: i64) -> Duration {
    Duration::from_millis(value.unsigned_abs())
}

const fn seconds(value: i64) -> Duration {
    Duration::from_secs(value.unsigned_abs())
}
