//! The clock of the platform.

use std::time::Duration;

/// Time since boot.
pub(crate) fn uptime() -> Duration {
    // SAFETY: it has no arguments, and needs nothing made before.
    let ms = unsafe { ncs_sys::iothub_platform_uptime_ms() };
    Duration::from_millis(ms.unsigned_abs())
}
