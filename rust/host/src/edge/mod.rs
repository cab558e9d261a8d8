//! The C edge: the functions that `ncs-sys` declares, each a conversion and one call of the safe
//! code. Nothing else in this crate is unsafe.

/// Each of these functions has the signature that `ncs-sys` declares: an array has one type only.
macro_rules! defines {
    ($($function:ident),* $(,)?) => {
        $(const _: () = {
            let _ = [ncs_sys::$function, $function];
        };)*
    };
}
use defines;

pub(crate) mod board;
mod clock;
mod flash;
mod fota;
mod modem;
mod mqtt_helper;
mod platform;
#[cfg(not(target_os = "linux"))]
mod portable;
mod tokens;

use std::ffi::c_char;

use crate::{HOST, Host, errno::Errno};

pub(crate) use clock::uptime;

/// Runs `call` on the device; `EPERM` before [`start`](crate::start), as the modem library answers
/// before its initialisation.
fn with_host<T>(call: impl FnOnce(&'static Host) -> Result<T, Errno>) -> Result<T, Errno> {
    HOST.get().ok_or(Errno::PERM).and_then(call)
}

/// The bytes that C points to: none for NULL, whatever the length.
///
/// # Safety
/// A pointer that is not NULL leads to `len` bytes that can be read and that nobody writes to for
/// `'a`.
unsafe fn bytes<'a>(pointer: *const u8, len: usize) -> &'a [u8] {
    if pointer.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: it is not NULL, and the caller answers for the rest.
    unsafe { std::slice::from_raw_parts(pointer, len) }
}

/// As [`bytes`], for bytes to be written.
///
/// # Safety
/// A pointer that is not NULL leads to `len` bytes that are the caller's alone for `'a`.
unsafe fn bytes_mut<'a>(pointer: *mut u8, len: usize) -> &'a mut [u8] {
    if pointer.is_null() || len == 0 {
        return &mut [];
    }
    // SAFETY: it is not NULL, and the caller answers for the rest.
    unsafe { std::slice::from_raw_parts_mut(pointer, len) }
}

/// A C string; `EINVAL` for NULL and for what is not UTF-8.
///
/// # Safety
/// A pointer that is not NULL leads to bytes that end in 0 and that nobody writes to for `'a`.
unsafe fn text<'a>(pointer: *const c_char) -> Result<&'a str, Errno> {
    if pointer.is_null() {
        return Err(Errno::INVAL);
    }
    // SAFETY: it is not NULL, and the caller answers for the rest.
    let text = unsafe { std::ffi::CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| Errno::INVAL)
}

/// Copies a value out to where C has `*room` bytes, and tells its length.
fn copy_out(
    value: &[u8],
    buffer: &mut [u8],
    length: &mut usize,
    too_small: Errno,
) -> Result<(), Errno> {
    *length = value.len();
    let room = buffer.get_mut(..value.len()).ok_or(too_small)?;
    room.copy_from_slice(value);
    Ok(())
}
