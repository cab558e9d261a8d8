//! The hub and the device id are DPS's to say: an ID scope and a registration id are all that the
//! program has.

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering},
};

use iothub::{Event, Handler, Options, Telemetry, dps};

/// The handler's context: refusals in a row.
struct Enrollment {
    refusals: AtomicU32,
}

impl Handler for Enrollment {
    fn on_event(&self, event: Event<'_>) {
        match event {
            Event::Provisioning(dps::Event::Assigned { payload }) => {
                self.refusals.store(0, Ordering::Relaxed);
                log::info!(
                    "assigned, with {} bytes of the webhook",
                    payload.map_or(0, <[u8]>::len)
                );
            }
            Event::Provisioning(dps::Event::Failed(failure)) => {
                let refusals = self.refusals.fetch_add(1, Ordering::Relaxed) + 1;
                log::warn!("refused {refusals} times: {failure:?}; it is tried again");
            }
            _ => {}
        }
    }
}

static ENROLLMENT: Enrollment = Enrollment {
    refusals: AtomicU32::new(0),
};

fn main() -> Result<(), Box<dyn Error>> {
    // On Linux this crate stands for the SDK, with its data in a folder; on a board there is no
    // such line.
    iothub_host::start(iothub_host::Options::new("data"))?;
    Options::new(&ENROLLMENT)
        .provisioned("0ne00000000", "thermometer-17")
        .provisioning_payload(br#"{"model":"thermometer"}"#)
        .start()?;
    iothub::connect()?;
    // Kept until there is a hub that takes it.
    iothub::send(&Telemetry::json(br#"{"temperature":25.1}"#))?;
    loop {
        iothub::wait(None);
    }
}
