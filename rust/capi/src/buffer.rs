//! C's pointers as slices.

use core::{
    ffi::{c_char, c_int},
    mem::MaybeUninit,
    slice,
};

use crate::{errno, types::azure_iot_hub_buf};

/// Longest name; longer ones are refused.
pub(crate) const NAME_MAX: usize = 128;

/// The bytes behind a pointer; NULL with a size of 0 is empty.
///
/// # Errors
/// EINVAL for NULL with a size, EMSGSIZE for more than `most` bytes, which are not looked at.
///
/// # Safety
/// `ptr` is NULL or leads to `size` bytes that do not change for `'a`, if `size` is at most `most`.
pub(crate) unsafe fn bytes<'a, T>(
    ptr: *const T,
    size: usize,
    most: usize,
) -> Result<&'a [T], c_int> {
    if size == 0 {
        return Ok(&[]);
    }
    if ptr.is_null() {
        return Err(errno::EINVAL);
    }
    if size > most {
        return Err(errno::EMSGSIZE);
    }
    // SAFETY: not NULL, and as the caller promises.
    Ok(unsafe { slice::from_raw_parts(ptr, size) })
}

/// The room behind a pointer; NULL with a size of 0 is none.
///
/// # Errors
/// EINVAL for NULL with a size.
///
/// # Safety
/// `ptr` is NULL or leads to `size` bytes that nobody else uses for `'a`.
pub(crate) unsafe fn room<'a>(ptr: *mut u8, size: usize) -> Result<&'a mut [u8], c_int> {
    if size == 0 {
        return Ok(&mut []);
    }
    if ptr.is_null() {
        return Err(errno::EINVAL);
    }
    // SAFETY: not NULL; zeroed first, so that nothing in it is uninitialised.
    unsafe { ptr.write_bytes(0, size) };
    // SAFETY: as the caller promises.
    Ok(unsafe { slice::from_raw_parts_mut(ptr, size) })
}

/// As [`bytes`], of a `struct azure_iot_hub_buf`.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn of<'a>(buf: &azure_iot_hub_buf, most: usize) -> Result<&'a [u8], c_int> {
    // SAFETY: as the caller promises.
    unsafe { bytes(buf.ptr.cast::<u8>().cast_const(), buf.size, most) }
}

/// As [`of`], of a text.
///
/// # Errors
/// Also EINVAL for what is not UTF-8.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn text<'a>(buf: &azure_iot_hub_buf, most: usize) -> Result<&'a str, c_int> {
    // SAFETY: as the caller promises.
    let bytes = unsafe { of(buf, most) }?;
    core::str::from_utf8(bytes).map_err(|_| errno::EINVAL)
}

/// As [`text`], for a text that may be left out: empty for NULL, whatever the size.
///
/// # Errors
/// As [`text`], but for NULL.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn text_or_none<'a>(
    buf: &azure_iot_hub_buf,
    most: usize,
) -> Result<&'a str, c_int> {
    if buf.ptr.is_null() {
        return Ok("");
    }
    // SAFETY: as the caller promises.
    unsafe { text(buf, most) }
}

/// Pointer and size where C has them side by side.
pub(crate) fn raw(ptr: *mut c_char, size: usize) -> azure_iot_hub_buf {
    azure_iot_hub_buf { ptr, size }
}

/// The bytes before the 0; `None` for NULL.
///
/// # Errors
/// EMSGSIZE where there is no 0 within `most` bytes and one more, behind which nothing is looked
/// at.
///
/// # Safety
/// `ptr` is NULL or leads to bytes that do not change for `'a`, up to a 0 or to `most` bytes and
/// one more.
pub(crate) unsafe fn terminated<'a>(
    ptr: *const c_char,
    most: usize,
) -> Result<Option<&'a [u8]>, c_int> {
    if ptr.is_null() {
        return Ok(None);
    }
    for len in 0..=most {
        let byte = ptr.wrapping_add(len);
        // SAFETY: there was no 0 before this, and it is within `most` and one more.
        if unsafe { byte.read() } == 0 {
            // SAFETY: as the caller promises.
            return unsafe { bytes(ptr.cast::<u8>(), len, most) }.map(Some);
        }
    }
    Err(errno::EMSGSIZE)
}

/// A view of bytes for C. It may not write to them, whatever the type says.
pub(crate) fn view(bytes: &[u8]) -> azure_iot_hub_buf {
    azure_iot_hub_buf {
        ptr: bytes.as_ptr().cast_mut().cast(),
        size: bytes.len(),
    }
}

/// The number that C wrote into an enum's place: any number, so never read as the enum.
///
/// # Safety
/// `value` is initialised, if not with one of the enum's values.
pub(crate) unsafe fn number<E: Copy>(value: &MaybeUninit<E>) -> u32 {
    let ptr = value.as_ptr();
    // Short enums on Arm, an int elsewhere.
    match size_of::<E>() {
        // SAFETY: it has this size.
        1 => u32::from(unsafe { ptr.cast::<u8>().read() }),
        // SAFETY: it has this size.
        2 => u32::from(unsafe { ptr.cast::<u16>().read() }),
        // SAFETY: it has this size; C's enums have no other.
        _ => unsafe { ptr.cast::<u32>().read() },
    }
}
