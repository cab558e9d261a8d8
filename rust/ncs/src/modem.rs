//! The modem library: `modem/nrf_modem_lib.h`.

use crate::{Errno, errno::check};

/// Starts the modem's firmware; everything else of the modem needs it. Blocks for up to a second.
///
/// # Errors
/// What the library returns: a broken modem firmware, or shared memory that does not fit. Having been
/// started before is none. (NCS, `nrf_modem_lib_init`.)
pub fn init() -> Result<(), Errno> {
    // SAFETY: takes no arguments, and may be called from any thread that may block.
    let result = unsafe { ncs_sys::nrf_modem_lib_init() };
    match check(result) {
        Err(errno) if errno.is(ncs_sys::EALREADY) => Ok(()),
        other => other,
    }
}
