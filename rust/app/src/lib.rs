//! The application, once, for the Thingy:91 and for Linux.
//!
//! - **Telemetry** every `telemetryInterval` seconds: `{"temperature":25.1,"timestamp":49101}`, marked as JSON in UTF-8,
//!   with the application property `temperatureAlert`.
//! - **Desired property** `telemetryInterval`, 1 to 86400 as a number or a string of digits: applied, and reported back
//!   as IoT Plug and Play asks, `{"value":5,"ac":200,"av":7}`; anything else with `ac` 400 and a reason.
//! - **Method** `led` with 0 or 1; any other name is answered 404.
//! - **Cloud-to-device messages** go to the log.
#![no_std]
#![forbid(unsafe_code)]

mod c2d;
mod interval;
mod led;
mod telemetry;

use iothub::{Event, StartError};

/// Connects and sends telemetry for ever, on the caller's thread. Returns only where it cannot start.
pub fn run() -> StartError {
    if let Err(error) = iothub::start(on_event) {
        return error;
    }
    if let Err(error) = iothub::connect() {
        log::error!("{error}");
    }
    telemetry::send_for_ever()
}

fn on_event(event: Event<'_>) {
    match event {
        Event::Twin(twin) => interval::on_twin(&twin),
        Event::Desired(desired) => interval::on_desired(&desired),
        Event::Method(request) => led::on_method(&request),
        Event::C2d(message) => c2d::on_message(&message),
        _ => {}
    }
}
