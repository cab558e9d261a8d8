//! The flash of the outbox: the flash functions of `iothub_platform.h`.

use core::{
    cell::{Cell, UnsafeCell},
    ffi::c_void,
};

use crate::{Errno, errno::check};

/// The shape of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes that are erased together.
    pub sector_size: u32,
    /// Number of such sectors.
    pub sectors: u32,
    /// Bytes that are written together.
    pub write_size: u32,
}

/// Opens the partition. Before the other functions.
///
/// # Errors
/// ENOENT where there is none, or where its pages are of different sizes.
pub fn open() -> Result<Geometry, Errno> {
    let mut geometry = ncs_sys::iothub_flash_geometry {
        sector_size: 0,
        sectors: 0,
        write_size: 0,
    };
    // SAFETY: the pointer is valid for the call.
    check(unsafe { ncs_sys::iothub_platform_flash_open(&mut geometry) })?;
    Ok(Geometry {
        sector_size: geometry.sector_size,
        sectors: geometry.sectors,
        write_size: geometry.write_size,
    })
}

/// Fills `bytes` from the offset `at` on.
///
/// # Errors
/// EIO, or EINVAL outside of the partition.
pub fn read(at: u32, bytes: &mut [u8]) -> Result<(), Errno> {
    let target = bytes.as_mut_ptr().cast::<c_void>();
    // SAFETY: pointer and length are those of one slice.
    check(unsafe { ncs_sys::iothub_platform_flash_read(at, target, bytes.len()) })
}

/// Writes to erased bytes.
///
/// # Errors
/// EIO, or EINVAL outside of the partition and for what is no multiple of the write size.
pub fn write(at: u32, bytes: &[u8]) -> Result<(), Errno> {
    let source = bytes.as_ptr().cast::<c_void>();
    // SAFETY: pointer and length are those of one slice.
    check(unsafe { ncs_sys::iothub_platform_flash_write(at, source, bytes.len()) })
}

/// Erases whole sectors, which blocks for as long as that takes.
///
/// # Errors
/// EIO, or EINVAL for what is no sector.
pub fn erase(at: u32, len: u32) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { ncs_sys::iothub_platform_flash_erase(at, len as usize) })
}

/// Returns when what was written survives a power cut.
///
/// # Errors
/// EIO.
pub fn sync() -> Result<(), Errno> {
    // SAFETY: takes no arguments.
    check(unsafe { ncs_sys::iothub_platform_flash_sync() })
}

/// A value behind the lock of the flash, which is held across calls of C: not the lock of
/// [`platform::Mutex`](crate::platform::Mutex), which may be taken inside. It is not recursive.
pub struct Exclusive<T> {
    busy: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: value and flag are touched only while the lock of the flash is held, so by one thread at
// a time.
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    /// A value behind the lock.
    pub const fn new(value: T) -> Self {
        Self {
            busy: Cell::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Calls `f` with the value while the lock is held.
    ///
    /// # Panics
    /// When it is entered again from inside `f`, on platforms whose lock does not rather deadlock.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let _guard = Guard::new(&self.busy);
        // SAFETY: the lock is held and `busy` was false, so this is the only reference.
        f(unsafe { &mut *self.value.get() })
    }
}

struct Guard<'a>(&'a Cell<bool>);

impl<'a> Guard<'a> {
    fn new(busy: &'a Cell<bool>) -> Self {
        // SAFETY: takes no arguments; the guard unlocks.
        unsafe { ncs_sys::iothub_platform_flash_lock() };
        let guard = Self(busy);
        assert!(
            !busy.replace(true),
            "the lock of the flash was entered twice"
        );
        guard
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.set(false);
        // SAFETY: made only by `new`, after it has locked.
        unsafe { ncs_sys::iothub_platform_flash_unlock() }
    }
}
