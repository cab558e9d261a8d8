//! The flash functions of `iothub_platform.h`; the lock is in `platform.c`.

use std::ffi::{c_int, c_void};

use ncs_sys as sys;

use super::{bytes, bytes_mut, with_host};
use crate::errno::{Errno, code};

super::defines! {
    iothub_platform_flash_open,
    iothub_platform_flash_read,
    iothub_platform_flash_write,
    iothub_platform_flash_erase,
    iothub_platform_flash_sync,
}

/// Opens the file, and tells its shape.
///
/// # Safety
/// `geometry` is NULL or leads to one that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_flash_open(
    geometry: *mut sys::iothub_flash_geometry,
) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let Some(geometry) = (unsafe { geometry.as_mut() }) else {
        return Errno::INVAL.code();
    };
    code(with_host(|host| {
        let options = host.flash.open()?;
        geometry.sector_size = options.sector_size;
        geometry.sectors = options.sectors;
        geometry.write_size = options.write_size;
        Ok(())
    }))
}

/// Reads.
///
/// # Safety
/// `buf` is NULL or leads to `len` bytes that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_flash_read(at: u32, buf: *mut c_void, len: usize) -> c_int {
    // SAFETY: as the caller promises.
    let room = unsafe { bytes_mut(buf.cast(), len) };
    code(with_host(|host| host.flash.read(at, room)))
}

/// Writes.
///
/// # Safety
/// `buf` is NULL or leads to `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_flash_write(at: u32, buf: *const c_void, len: usize) -> c_int {
    // SAFETY: as the caller promises.
    let written = unsafe { bytes(buf.cast(), len) };
    code(with_host(|host| host.flash.write(at, written)))
}

/// Erases.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_flash_erase(at: u32, len: usize) -> c_int {
    code(with_host(|host| host.flash.erase(at, len)))
}

/// Returns when the file is on the disk.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_flash_sync() -> c_int {
    code(with_host(|host| host.flash.sync()))
}
