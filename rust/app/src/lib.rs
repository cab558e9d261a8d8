//! The application, once, for nRF91 boards and for Linux: what Nordic's asset tracker v2 was for
//! Azure.
//!
//! - **Samples** of the board's sensors, its position, its battery and its network, taken at an
//!   interval or when it moves, each stamped with the time of day. They leave in batches of nRF
//!   Asset Tracker's documents, marked as JSON in UTF-8, with the application properties `batch`
//!   and, where a temperature is in it, `temperatureAlert`; the twin has the newest of each kind.
//! - **Desired property** `cfg`, the configuration over the air, with nRF Asset Tracker's names,
//!   units and ranges.
//! - **Desired property** `telemetryInterval`, 1 to 86400 as a number or a string of digits:
//!   applied, and reported back as IoT Plug and Play asks, `{"value":5,"ac":200,"av":7}`; anything
//!   else with `ac` 400 and a reason. Where the property is removed, the device's own interval
//!   counts again, and is reported with `ac` 203. It counts where `cfg.actwt` is not desired.
//! - **Methods**: `led`, `buzz`, `sample`, `locate`, `reboot`, `config`, `diagnostics`, `coredump`.
//!   With `config` nothing can be set that would take the device off the air, such as a hub, a
//!   device id or an access point name. Any other method is answered 404.
//! - **Cells and access points**, where satellites are not found, as `ground-fix`, and requests for
//!   assistance data as `agnss` and `pgps`, for a back end to resolve and to answer.
//! - **Cloud-to-device messages** with assistance data go to the satellite receiver, others to the
//!   log, and so does every tenth of a firmware update.
//!
//! # Time
//! `ts` is the time of day when a reading was taken, never the time since boot. A reading of before
//! the time was known is stamped when it comes, by the clock that never jumps. A stamp stays: where
//! the clock jumps back, later readings have earlier stamps, in the order of the batch. Where the
//! time never comes, readings wait until there is hardly any room, and then leave without `ts`: the
//! hub's own enqueued time is then the best there is.
#![no_std]
#![forbid(unsafe_code)]

mod c2d;
mod client;
mod configuration;
mod decimal;
mod documents;
mod firmware;
mod health;
mod interval;
mod kept;
mod measure;
mod methods;
mod modem;
mod reading;
mod schedule;
mod store;
mod survey;
#[cfg(test)]
mod tests;
mod time;
mod totals;
mod tracker;

/// What the fuzz target `app_configuration` calls.
#[doc(hidden)]
pub fn fuzz_configuration(data: &[u8]) {
    configuration::fuzzing::configuration(data);
}

#[cfg(test)]
extern crate std;

use static_cell::ConstStaticCell;

use iothub::{Event, Firmware, Options, StartError};

/// Connects and sends telemetry for ever, on the caller's thread. Returns only where it cannot
/// start.
pub fn run() -> StartError {
    let client = Options::new(&on_event)
        .model(MODEL)
        .firmware(Firmware::Automatic);
    if let Err(error) = client.start() {
        return error;
    }
    interval::load();
    configuration::load();
    ncs::board::watch(tracker::on_board);
    if iothub::HOLD {
        log::warn!("held back by CONFIG_IOTHUB_HOLD: waiting for the shell's `iothub connect`");
        while is_idle() {
            client::wait(None);
        }
    } else if let Err(error) = iothub::connect() {
        log::error!("{error}");
    }
    TRACKER.take().run()
}

/// docs/model/tracker-1.json.
const MODEL: &str = "dtmi:iothub:Tracker;1";

static TRACKER: ConstStaticCell<tracker::Tracker> = ConstStaticCell::new(tracker::Tracker::new());

fn is_idle() -> bool {
    client::status().is_ok_and(|status| status.phase == iothub::Phase::Idle)
}

fn on_event(event: Event<'_>) {
    match event {
        Event::Twin(twin) => {
            interval::on_twin(&twin);
            configuration::on_twin(&twin);
        }
        Event::Desired(desired) => {
            interval::on_desired(&desired);
            configuration::on_desired(&desired);
        }
        Event::Method(request) => methods::on_method(&request),
        Event::C2d(message) => c2d::on_message(&message),
        // There is room in the outbox.
        Event::Sent(_) => {
            tracker::on_room();
            health::on_driver();
        }
        Event::Firmware(event) if iothub::FOTA => firmware::on_event(event),
        _ => {}
    }
    // What waits may leave with what keeps the radio on now.
    if iothub::HOLD || !configuration::current().update.is_zero() {
        client::wake();
    }
}
