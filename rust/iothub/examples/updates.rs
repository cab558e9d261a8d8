//! Firmware updates are carried out, with the restart, and the handler shows how far they are.

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering},
};

use iothub::{Event, Firmware, Handler, Options, firmware};

/// The handler's context: the per cent that were shown last.
struct Progress {
    percent: AtomicU32,
}

impl Handler for Progress {
    fn on_event(&self, event: Event<'_>) {
        let Event::Firmware(event) = event else {
            return;
        };
        match event {
            firmware::Event::Started => self.percent.store(0, Ordering::Relaxed),
            firmware::Event::Progress { offset, size } => {
                let percent = u64::from(offset) * 100 / u64::from(size.max(1));
                let percent = u32::try_from(percent).unwrap_or(100);
                if self.percent.swap(percent, Ordering::Relaxed) != percent {
                    log::info!("{percent} %");
                }
            }
            firmware::Event::Failed(reason) => log::error!("not updated: {reason}"),
            event => log::info!("{event:?}"),
        }
    }
}

static PROGRESS: Progress = Progress {
    percent: AtomicU32::new(0),
};

fn main() -> Result<(), Box<dyn Error>> {
    // On Linux this crate stands for the SDK, with its data in a folder; on a board there is no
    // such line.
    iothub_host::start(iothub_host::Options::new("data"))?;
    Options::new(&PROGRESS)
        .firmware(Firmware::Automatic)
        .start()?;
    iothub::connect()?;
    loop {
        iothub::wait(None);
    }
}
