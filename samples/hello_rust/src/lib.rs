//! The shortest program: connects, and says hello every minute.
#![no_std]

use core::time::Duration;

use iothub::{Event, Telemetry};
use zephyr as _;

#[unsafe(no_mangle)]
extern "C" fn rust_main() {
    if log::set_logger(&iothub::Logger).is_ok() {
        log::set_max_level(iothub::LOG_LEVEL);
    }
    if iothub::start(&on_event).is_err() || iothub::connect().is_err() {
        return;
    }
    loop {
        match iothub::send(&Telemetry::json(br#"{"hello":"world"}"#)) {
            Ok(id) => log::info!("hello {}", id.as_u32()),
            Err(error) => log::warn!("{error}"),
        }
        iothub::wait(Some(iothub::now() + Duration::from_secs(60)));
    }
}

fn on_event(_: Event<'_>) {}
