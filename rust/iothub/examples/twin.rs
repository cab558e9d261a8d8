//! A desired property is taken, or refused with a reason, and acknowledged as IoT Plug and Play has
//! it.

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering},
};

use iothub::{
    Event, Handler,
    pnp::{Acknowledgement, Patch, Value},
    twin::View,
};

/// The handler's context: what counts at the moment, in °C.
struct Thermostat {
    target: AtomicU32,
}

impl Handler for Thermostat {
    fn on_event(&self, event: Event<'_>) {
        let applied = match event {
            Event::Twin(twin) => self.apply(&twin.desired(), twin.version),
            Event::Desired(desired) => self.apply(&desired.properties(), desired.version),
            _ => Ok(()),
        };
        if let Err(error) = applied {
            log::warn!("the target is not reported: {error}");
        }
    }
}

impl Thermostat {
    fn apply(&self, desired: &View<'_>, version: u64) -> Result<(), iothub::Error> {
        if desired.raw("targetTemperature").is_none() {
            return Ok(());
        }
        let target = desired.number("targetTemperature");
        let (code, description) = match target.and_then(|target| u32::try_from(target).ok()) {
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
}

static THERMOSTAT: Thermostat = Thermostat {
    target: AtomicU32::new(20),
};

fn main() -> Result<(), Box<dyn Error>> {
    // On Linux this crate stands for the SDK, with its data in a folder; on a board there is no
    // such line.
    iothub_host::start(iothub_host::Options::new("data"))?;
    iothub::start(&THERMOSTAT)?;
    iothub::connect()?;
    loop {
        iothub::wait(None);
    }
}
