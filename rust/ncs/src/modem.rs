//! The modem library: `modem/nrf_modem_lib.h`, and what `iothub_platform.h` adds to it.

use core::ffi::{CStr, c_int, c_uint};

use crate::{Errno, at, errno::check, platform::Slot};

/// Starts the modem's firmware; everything else of the modem needs it. Blocks for up to a second.
///
/// # Errors
/// What the library returns: a broken modem firmware, or shared memory that does not fit. Having
/// been started before is none. (NCS, `nrf_modem_lib_init`.)
pub fn init() -> Result<(), Errno> {
    // SAFETY: takes no arguments, and may be called from any thread that may block.
    let result = unsafe { ncs_sys::nrf_modem_lib_init() };
    match check(result) {
        Err(errno) if errno.is(ncs_sys::EALREADY) => Ok(()),
        other => other,
    }
}

/// Shuts the modem library down; after a [fault](Notice::Fault) it has to be, before [`init`]
/// starts it again. Every socket of the modem is gone.
///
/// # Errors
/// What the library returns. Not running is none. (NCS, `nrf_modem_lib_shutdown`.)
pub fn shutdown() -> Result<(), Errno> {
    // SAFETY: takes no arguments, and may be called from any thread that may block.
    let result = unsafe { ncs_sys::nrf_modem_lib_shutdown() };
    match check(result) {
        Err(errno) if errno.is(ncs_sys::EPERM) => Ok(()),
        other => other,
    }
}

/// What the modem tells beside the events of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It has stopped, for a reason out of `NRF_MODEM_FAULT_*`, and says nothing more. Comes in an
    /// interrupt, and only with `CONFIG_IOTHUB_MODEM_FAULT`.
    Fault(u32),
    /// Its functional mode was set (`AT+CFUN`), by whomever, on whose thread this comes: 0 and 4
    /// switch LTE off, 1 on. (NCS, `NRF_MODEM_LIB_ON_CFUN`.)
    FunctionalMode(i32),
}

/// Calls `handler` from now on; it must not wait, and must not call the modem.
pub fn watch(handler: fn(Notice)) {
    HANDLER.set(handler);
    // SAFETY: the handler is a function that lives for ever.
    unsafe { ncs_sys::iothub_platform_modem_watch(Some(on_notice)) }
}

/// The version of the modem's firmware, as in `mfw_nrf9160_1.3.6`, written to `buffer`.
///
/// # Errors
/// [`at::Error`].
pub fn firmware(buffer: &mut [u8]) -> Result<&str, at::Error> {
    at::command(c"AT+CGMR", buffer)
}

/// Sets the access point name of the default PDN, from the next time that LTE is switched on.
/// Empty: the network chooses.
///
/// # Errors
/// [`at::Error`]: among them that the modem does not take the name.
pub fn set_apn(apn: &CStr) -> Result<(), at::Error> {
    // SAFETY: the text ends in a 0 byte and is only read during the call.
    at::check(unsafe { ncs_sys::iothub_platform_apn_set(apn.as_ptr()) })
}

static HANDLER: Slot<fn(Notice)> = Slot::new();

unsafe extern "C" fn on_notice(what: c_uint, value: c_int) {
    let notice = match what {
        ncs_sys::IOTHUB_MODEM_FAULT => Notice::Fault(value.unsigned_abs()),
        ncs_sys::IOTHUB_MODEM_CFUN => Notice::FunctionalMode(value),
        _ => return,
    };
    if let Some(handler) = HANDLER.get() {
        handler(notice);
    }
}
