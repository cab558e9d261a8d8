//! `iothub_platform.h`, but for what is in `platform.c` or `portable.rs` and beside `mqtt_helper`.

use std::ffi::{c_char, c_int, c_uint, c_void};

#[cfg(target_os = "linux")]
use ncs_sys as sys;

use super::{bytes, bytes_mut, copy_out, text, with_host};
use crate::{
    errno::{Errno, code},
    log,
};

super::defines! {
    iothub_platform_log,
    iothub_platform_settings_get,
    iothub_platform_settings_set,
    iothub_platform_reboot,
    iothub_platform_hardware_id,
    iothub_platform_led,
}

/// Keeps `platform.c` in the program, whatever order a linker looks for it in.
#[cfg(target_os = "linux")]
#[used]
static PLATFORM_C: unsafe extern "C" fn() -> i64 = sys::iothub_platform_uptime_ms;

/// One log record.
///
/// # Safety
/// `target` and `message` are NULL or lead to that many bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_log(
    level: c_uint,
    target: *const c_char,
    target_len: usize,
    message: *const c_char,
    message_len: usize,
) {
    // SAFETY: as the caller promises.
    let target = unsafe { bytes(target.cast(), target_len) };
    // SAFETY: as the caller promises.
    let message = unsafe { bytes(message.cast(), message_len) };
    let message = String::from_utf8_lossy(message);
    log::write(
        log::Level::from_number(level),
        &String::from_utf8_lossy(target),
        format_args!("{message}"),
    );
}

/// The value of a setting.
///
/// # Safety
/// `key` is NULL or ends in a 0 byte; `buf` is NULL or leads to `*len` bytes that can be written;
/// `len` is NULL or leads to a `size_t`.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_settings_get(
    key: *const c_char,
    buf: *mut c_void,
    len: *mut usize,
) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let Some(len) = (unsafe { len.as_mut() }) else {
        return Errno::INVAL.code();
    };
    // SAFETY: as the caller promises.
    let room = unsafe { bytes_mut(buf.cast(), *len) };
    // SAFETY: as the caller promises.
    let key = unsafe { text(key) };
    code(with_host(|host| {
        copy_out(&host.settings.load(key?)?, room, len, Errno::NOSPC)
    }))
}

/// Stores a setting; a length of 0 deletes it.
///
/// # Safety
/// `key` is NULL or ends in a 0 byte; `buf` is NULL or leads to `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_settings_set(
    key: *const c_char,
    buf: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: as the caller promises.
    let key = unsafe { text(key) };
    // SAFETY: as the caller promises.
    let value = unsafe { bytes(buf.cast(), len) };
    code(with_host(|host| host.settings.store(key?, value)))
}

/// Starts the program anew, or what [`Reboot`](crate::Reboot) says.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_reboot() {
    log::info!("host", "reboot");
    match with_host(Ok) {
        Ok(host) => super::board::reboot(host),
        Err(_) => std::process::exit(1),
    }
}

/// The device's identity: the length, -ENOTSUP, or -ENOSPC where there is too little room.
///
/// # Safety
/// `buf` is NULL or leads to `len` bytes that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_hardware_id(buf: *mut c_char, len: usize) -> c_int {
    // SAFETY: as the caller promises.
    let room = unsafe { bytes_mut(buf.cast(), len) };
    let copied = with_host(|host| {
        let id = host.hardware_id.as_deref().ok_or(Errno::NOTSUP)?;
        let mut length = 0;
        copy_out(id.as_bytes(), room, &mut length, Errno::NOSPC)?;
        c_int::try_from(length).map_err(|_| Errno::NOSPC)
    });
    copied.unwrap_or_else(Errno::code)
}

/// The LED: a log line, and the hook.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_led(on: bool) {
    log::info!("led", "{}", if on { "on" } else { "off" });
    // Before the start there is nobody to be told.
    let _ = with_host(|host| {
        (host.led)(on);
        Ok(())
    });
}
