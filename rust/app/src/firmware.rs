//! Firmware updates: the library carries them out and says how they end; how far they are is said
//! here.

use core::sync::atomic::{AtomicU8, Ordering};

use iothub::firmware::Event;

use crate::{totals, tracker};

/// Tenths of the image that the log knows of.
static TENTHS: AtomicU8 = AtomicU8::new(0);

pub(crate) fn on_event(event: Event) {
    match event {
        Event::Started => TENTHS.store(0, Ordering::Relaxed),
        Event::Progress { offset, size } => {
            let tenths = tenths(offset, size);
            if tenths > TENTHS.load(Ordering::Relaxed) {
                TENTHS.store(tenths, Ordering::Relaxed);
                log::info!("firmware: {}0 %, {offset} of {size} bytes", tenths);
            }
        }
        // The driver restarts the device.
        Event::Done => totals::keep_before_restart(tracker::diagnostics().before),
        _ => {}
    }
}

fn tenths(offset: u32, size: u32) -> u8 {
    (1..=10)
        .rev()
        .find(|tenths| offset >= size / 10 * u32::from(*tenths))
        .filter(|_| size >= 10)
        .unwrap_or(0)
}

#[cfg(test)]
pub(crate) fn told() -> u8 {
    TENTHS.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenths_of_images_of_all_sizes() {
        for (offset, size, expected) in [
            (0, 0, 0),
            (5, 0, 0),
            (0, 1000, 0),
            (99, 1000, 0),
            (100, 1000, 1),
            (999, 1000, 9),
            (1000, 1000, 10),
            (u32::MAX, u32::MAX, 10),
            (u32::MAX / 2 + 1, u32::MAX, 5),
        ] {
            assert_eq!(tenths(offset, size), expected, "{offset} of {size}");
        }
    }
}
