//! The time since boot, and times of options.

use core::time::Duration;

use iothub_proto::Instant;

/// Time since boot.
pub fn now() -> Instant {
    Instant::from_millis(ncs::platform::uptime_ms())
}

pub(crate) const fn milliseconds(value: i64) -> Duration {
    Duration::from_millis(value.unsigned_abs())
}

pub(crate) const fn seconds(value: i64) -> Duration {
    Duration::from_secs(value.unsigned_abs())
}
