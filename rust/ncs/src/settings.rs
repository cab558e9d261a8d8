//! Settings that survive a reboot: the settings functions of `iothub_platform.h`.

use core::ffi::{CStr, c_void};

use crate::{Errno, errno::check};

/// Reads a setting into `buffer`; `None` where there is none.
///
/// # Errors
/// ENOSPC when the buffer is too small; EIO when the store cannot be read.
pub fn read<'b>(key: &CStr, buffer: &'b mut [u8]) -> Result<Option<&'b [u8]>, Errno> {
    let mut length = buffer.len();
    let target = buffer.as_mut_ptr().cast::<c_void>();
    // SAFETY: the key ends in a 0 byte; `length` is the room behind `target`.
    let result =
        unsafe { ncs_sys::iothub_platform_settings_get(key.as_ptr(), target, &mut length) };
    match check(result) {
        Ok(()) => Ok(buffer.get(..length)),
        Err(errno) if errno.is(ncs_sys::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// As [`read`], without what a text may end with: a 0, as Zephyr's shell (`settings write string`)
/// and Nordic's library before NCS 2.3 store one, and white space.
///
/// # Errors
/// As [`read`].
pub fn read_text<'b>(key: &CStr, buffer: &'b mut [u8]) -> Result<Option<&'b [u8]>, Errno> {
    let value = read(key, buffer)?;
    Ok(value.map(|text| text.strip_suffix(b"\0").unwrap_or(text).trim_ascii_end()))
}

/// Writes a setting; returns once it is stored.
///
/// # Errors
/// ENOSPC when the store is full; EIO when it cannot be written.
pub fn write(key: &CStr, value: &[u8]) -> Result<(), Errno> {
    let source = value.as_ptr().cast::<c_void>();
    // SAFETY: the key ends in a 0 byte; pointer and length are those of one slice.
    check(unsafe { ncs_sys::iothub_platform_settings_set(key.as_ptr(), source, value.len()) })
}

/// Deletes a setting. That there is none is no error.
///
/// # Errors
/// EIO when the store cannot be written.
pub fn delete(key: &CStr) -> Result<(), Errno> {
    match write(key, &[]) {
        Err(errno) if errno.is(ncs_sys::ENOENT) => Ok(()),
        other => other,
    }
}
