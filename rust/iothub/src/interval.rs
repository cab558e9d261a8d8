//! The setting `iothub/telemetry_interval`: seconds as decimal text, as the shell writes it.

use core::{ffi::CStr, fmt::Write, time::Duration};

use iothub_proto::Errno;
use ncs::settings;

use crate::kconfig::TELEMETRY_INTERVAL;

pub(crate) const KEY: &CStr = c"iothub/telemetry_interval";

/// The longest interval in seconds: a day.
pub const INTERVAL_MAX: u32 = 86_400;

/// Time between two telemetry messages: the setting's, else Kconfig's.
pub fn telemetry_interval() -> Duration {
    let mut buffer = [0; 16];
    match settings::read_text(KEY, &mut buffer) {
        Ok(Some(text)) => seconds(text).unwrap_or_else(|| {
            log::error!(
                "the setting iothub/telemetry_interval is not 1 to {INTERVAL_MAX}: it is ignored"
            );
            TELEMETRY_INTERVAL
        }),
        Ok(None) => TELEMETRY_INTERVAL,
        Err(errno) => {
            log::error!("the setting iothub/telemetry_interval cannot be read: {errno}");
            TELEMETRY_INTERVAL
        }
    }
}

/// Makes it the interval of this device from the next start on.
///
/// # Errors
/// What the platform's settings say: ENOSPC where they are full.
pub fn store_telemetry_interval(seconds: u32) -> Result<(), Errno> {
    let mut text = heapless::String::<10>::new();
    // Ten digits are as many as it can have.
    let _ = write!(text, "{seconds}");
    settings::write(KEY, text.as_bytes()).map_err(|errno| {
        log::error!("the setting iothub/telemetry_interval cannot be stored: {errno}");
        Errno(errno.get())
    })
}

pub(crate) fn seconds(text: &[u8]) -> Option<Duration> {
    let seconds: u32 = core::str::from_utf8(text).ok()?.parse().ok()?;
    (1..=INTERVAL_MAX)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_seconds_of_a_day_count() {
        assert_eq!(seconds(b"60"), Some(Duration::from_secs(60)));
        assert_eq!(seconds(b"86400"), Some(Duration::from_secs(86_400)));
        for text in [
            &b"0"[..],
            b"86401",
            b"",
            b"-5",
            b"1.5",
            b"ten",
            b"\xff",
            b"99999999999",
        ] {
            assert_eq!(seconds(text), None);
        }
    }
}
