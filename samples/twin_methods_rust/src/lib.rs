//! A desired property, acknowledged as IoT Plug and Play asks, and a direct method.
//!
//! - `targetTemperature`, 5 to 30 °C: `{"value":21,"ac":200,"av":3,"ad":null}`, or 400 with a
//!   reason.
//! - method `count`: how often it was called.
#![no_std]

use core::sync::atomic::{AtomicU32, Ordering};

use iothub::{
    Event, Handler, MethodRequest, MethodResponse,
    pnp::{Acknowledgement, Patch, Value},
    twin::View,
};
use zephyr as _;

/// The handler's context.
struct Thermostat {
    /// °C.
    target: AtomicU32,
    calls: AtomicU32,
}

static THERMOSTAT: Thermostat = Thermostat {
    target: AtomicU32::new(20),
    calls: AtomicU32::new(0),
};

#[unsafe(no_mangle)]
extern "C" fn rust_main() {
    if log::set_logger(&iothub::Logger).is_ok() {
        log::set_max_level(iothub::LOG_LEVEL);
    }
    if let Err(error) = iothub::start(&THERMOSTAT) {
        log::error!("{error}");
        return;
    }
    if let Err(error) = iothub::connect() {
        log::error!("{error}");
    }
    loop {
        iothub::wait(None);
    }
}

impl Handler for Thermostat {
    fn on_event(&self, event: Event<'_>) {
        let done = match event {
            Event::Twin(twin) => self.on_desired(&twin.desired(), twin.version),
            Event::Desired(desired) => self.on_desired(&desired.properties(), desired.version),
            Event::Method(request) => self.on_method(&request),
            _ => Ok(()),
        };
        if let Err(error) = done {
            log::warn!("{error}");
        }
    }
}

impl Thermostat {
    fn on_desired(&self, desired: &View<'_>, version: u64) -> Result<(), iothub::Error> {
        if desired.raw("targetTemperature").is_none() {
            return Ok(());
        }
        let target = desired.number("targetTemperature");
        let target = target.and_then(|target| u32::try_from(target).ok());
        let (code, description) = match target {
            Some(target @ 5..=30) => {
                self.target.store(target, Ordering::Relaxed);
                (200, None)
            }
            _ => (400, Some("targetTemperature is 5 to 30")),
        };
        let answer = Acknowledgement {
            value: Value::Number(self.target.load(Ordering::Relaxed).into()),
            code,
            version,
            description,
        };
        let mut buffer = [0; 160];
        let mut patch = Patch::new(&mut buffer)?;
        patch.acknowledge("targetTemperature", &answer)?;
        iothub::report(patch.finish()?, None).map(|_request| ())
    }

    fn on_method(&self, request: &MethodRequest<'_>) -> Result<(), iothub::Error> {
        let mut buffer = [0; 32];
        let (status, payload) = match request.name {
            "count" => {
                let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
                let mut answer = Patch::new(&mut buffer)?;
                answer.value("calls", Value::Number(calls.into()))?;
                (200, answer.finish()?)
            }
            _ => (404, &br#"{"error":"no such method"}"#[..]),
        };
        iothub::respond(&MethodResponse {
            request: request.id,
            status,
            payload,
        })
    }
}
