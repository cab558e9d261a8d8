//! The application, once, for the Thingy:91 and for Linux.
//!
//! - **Telemetry** every `telemetryInterval` seconds: `{"temperature":25.1,"timestamp":49101}`, marked as JSON in UTF-8,
//!   with the application property `temperatureAlert`.
//! - **Desired property** `telemetryInterval`, 1 to 86400 as a number or a string of digits: applied, and reported back
//!   as IoT Plug and Play asks, `{"value":5,"ac":200,"av":7}`; anything else with `ac` 400 and a reason. Where the property
//!   is removed, the device's own interval counts again, and is reported with `ac` 203.
//! - **Method** `led` with 0 or 1.
//! - **Method** `config` with `{"telemetryInterval":60}`: the interval of this device from now on and after a restart,
//!   as long as the twin does not wish another. Nothing else can be set from afar: a wrong hub, device id or access
//!   point name would take the device off the air. Any other method is answered 404.
//! - **Cloud-to-device messages** go to the log, and so does every tenth of a firmware update.
#![no_std]
#![forbid(unsafe_code)]

mod c2d;
mod firmware;
mod interval;
mod methods;
mod telemetry;

use iothub::{Event, Firmware, Options, StartError};

/// Connects and sends telemetry for ever, on the caller's thread. Returns only where it cannot start.
pub fn run() -> StartError {
    let client = Options::new(on_event).firmware(Firmware::Automatic);
    if let Err(error) = client.start() {
        return error;
    }
    interval::load();
    if iothub::HOLD {
        log::warn!("held back by CONFIG_IOTHUB_HOLD: waiting for the shell's `iothub connect`");
        while is_idle() {
            iothub::wait(None);
        }
    } else if let Err(error) = iothub::connect() {
        log::error!("{error}");
    }
    telemetry::send_for_ever()
}

fn is_idle() -> bool {
    iothub::status().is_ok_and(|status| status.phase == iothub::Phase::Idle)
}

fn on_event(event: Event<'_>) {
    match event {
        Event::Twin(twin) => interval::on_twin(&twin),
        Event::Desired(desired) => interval::on_desired(&desired),
        Event::Method(request) => methods::on_method(&request),
        Event::C2d(message) => c2d::on_message(&message),
        Event::Firmware(event) if iothub::FOTA => firmware::on_event(event),
        _ => {}
    }
    if iothub::HOLD {
        iothub::wake();
    }
}
