//! The functions of `iothub_outbox.h`: what Nordic's library has not, for applications in C with
//! the outbox in flash.

use core::ffi::{c_int, c_void};

use iothub::{MESSAGE_MAX, capi_support::c_api};

use crate::{buffer, errno};

/// What the outbox in flash holds, what was lost since the boot and why, and how worn the flash is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(non_camel_case_types, reason = "C's name")]
pub struct iothub_outbox_status {
    /// Messages that are not acknowledged.
    pub depth: u32,
    /// Age of the oldest of them in seconds, as far as the device was on; 0 where there is none.
    pub oldest_s: u32,
    /// Given up, since there was no room for newer ones.
    pub dropped: u32,
    /// Given up, since their time to live was over.
    pub expired: u32,
    /// Given up, since they are larger than this build sends.
    pub too_large: u32,
    /// Found damaged.
    pub damaged: u32,
    /// Refused when they were to be sent, since there was no room.
    pub refused: u32,
    /// Pages that hold something.
    pub sectors_used: u32,
    /// All pages.
    pub sectors: u32,
    /// Erases of the page that has the fewest.
    pub erases_min: u32,
    /// Erases of the page that has the most.
    pub erases_max: u32,
    /// Reports of iothub_outbox_report() that were given up: the hub refuses them, or this build
    /// cannot send what is stored.
    pub reports: u32,
}

/// Tells what the outbox in flash holds.
///
/// Returns 0; -EINVAL for NULL; -ENOTCONN without CONFIG_IOTHUB_OUTBOX_FLASH, before
/// azure_iot_hub_connect() and where the partition cannot be used.
///
/// # Safety
/// `status` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_outbox_status(status: *mut iothub_outbox_status) -> c_int {
    // SAFETY: NULL or valid, as the caller promises.
    let Some(target) = (unsafe { status.as_mut() }) else {
        return errno::EINVAL;
    };
    let now = iothub::outbox_status();
    let (store, losses) = (now.store, now.losses);
    if !c_api::OUTBOX || store.sectors.1 == 0 {
        return errno::ENOTCONN;
    }
    *target = iothub_outbox_status {
        depth: store.depth,
        oldest_s: now
            .oldest
            .map_or(0, |age| u32::try_from(age.as_secs()).unwrap_or(u32::MAX)),
        dropped: store.dropped,
        expired: losses.expired,
        too_large: losses.too_large,
        damaged: store.damaged,
        refused: losses.refused,
        sectors_used: store.sectors.0.into(),
        sectors: store.sectors.1.into(),
        erases_min: store.erases.0,
        erases_max: store.erases.1,
        reports: losses.reports,
    };
    0
}

/// Stores in flash what was accepted and is only in RAM: before a restart of the application's own,
/// and where a brown-out or battery warning leaves the milliseconds. Returns when it is done.
#[unsafe(no_mangle)]
pub extern "C" fn iothub_outbox_flush() {
    iothub::flush();
}

/// Keeps a value of the application's own in flash, under a key from 0 to 3, in place of what was
/// kept there; a size of 0 takes it away. It is there when this returns, and after a power cut.
/// Under 8 is one more, of at most 64 bytes.
///
/// Returns 0; -EINVAL for NULL with a size; -EMSGSIZE for another key or more than an eighth of a
/// page; -ENOMEM while there is no room; -ENOTCONN as iothub_outbox_status().
///
/// # Safety
/// `value` is NULL or leads to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_outbox_keep(key: u8, value: *const c_void, size: usize) -> c_int {
    // SAFETY: as the caller promises.
    let value = unsafe { buffer::bytes(value.cast::<u8>(), size, MESSAGE_MAX) };
    errno::returned(value.and_then(|value| iothub::keep(key, value).map_err(errno::of)))
}

/// Copies what was kept last under a key, as much of it as there is room for. Returns how many
/// bytes, 0 where nothing was kept; -EINVAL for NULL with a size.
///
/// # Safety
/// `value` is NULL or has room for `size` bytes, which nobody else uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_outbox_kept(key: u8, value: *mut c_void, size: usize) -> c_int {
    // SAFETY: as the caller promises; there is no more than a message of it.
    match unsafe { buffer::room(value.cast::<u8>(), size.min(MESSAGE_MAX)) } {
        Ok(buffer) => c_int::try_from(iothub::kept(key, buffer).len()).unwrap_or(c_int::MAX),
        Err(errno) => errno,
    }
}

/// Reports properties, a JSON object, of which only the newest counts: under a key from 0 to 3 the
/// last is kept, not a queue, and sent until the hub has answered, power cuts or not. Without
/// CONFIG_IOTHUB_OUTBOX_FLASH it is kept in RAM.
///
/// Returns 0; -EINVAL for NULL and for what is no JSON object; -EMSGSIZE for another key or more
/// than an eighth of a page; -ENOMEM while there is no room; -ENOTCONN before
/// azure_iot_hub_connect().
///
/// # Safety
/// `json` is NULL or leads to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn iothub_outbox_report(key: u8, json: *const c_void, size: usize) -> c_int {
    // SAFETY: as the caller promises.
    let patch = unsafe { buffer::bytes(json.cast::<u8>(), size, MESSAGE_MAX) };
    errno::returned(patch.and_then(|patch| iothub::report_latest(key, patch).map_err(errno::of)))
}
