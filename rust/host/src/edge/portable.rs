//! The functions of `iothub_platform.h` that `platform.c` has on Linux.

use std::{
    ffi::{c_int, c_uint, c_void},
    process, slice,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{
    errno::Errno,
    portable::{Lock, Waiter, thread_id, uptime_ms},
};

super::defines! {
    iothub_platform_uptime_ms,
    iothub_platform_wait,
    iothub_platform_wake,
    iothub_platform_lock,
    iothub_platform_unlock,
    iothub_platform_flash_lock,
    iothub_platform_flash_unlock,
    iothub_platform_thread_start,
    iothub_platform_thread_id,
    iothub_platform_random,
}

static WAITERS: [Waiter; 4] = [const { Waiter::new() }; 4];
static CLIENT: Lock = Lock::new();
static FLASH: Lock = Lock::new();

/// Nobody else waits: another number is a defect of the caller, and going on would be worse.
fn waiter(number: c_uint) -> &'static Waiter {
    let waiter = usize::try_from(number).ok().and_then(|it| WAITERS.get(it));
    waiter.unwrap_or_else(|| process::abort())
}

/// Milliseconds since boot.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_uptime_ms() -> i64 {
    uptime_ms()
}

/// Blocks until a wake or a deadline.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_wait(number: c_uint, deadline_ms: i64) {
    waiter(number).wait(deadline_ms);
}

/// Wakes one who waits, or who will.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_wake(number: c_uint) {
    waiter(number).wake();
}

/// For the watchdog: when a waiter made progress last.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_host_alive_ms(number: c_uint) -> i64 {
    let waiter = usize::try_from(number).ok().and_then(|it| WAITERS.get(it));
    waiter.map_or(0, Waiter::alive_ms)
}

/// The one lock around the client.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_lock() {
    CLIENT.lock();
}

/// Gives it back.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_unlock() {
    CLIENT.unlock();
}

/// The lock around the outbox's flash.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_flash_lock() {
    FLASH.lock();
}

/// Gives it back.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_flash_unlock() {
    FLASH.unlock();
}

/// Starts the driver thread, once.
///
/// # Safety
/// `entry` is NULL or a function that may be called from any thread.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_thread_start(entry: Option<unsafe extern "C" fn()>) -> c_int {
    static STARTED: AtomicBool = AtomicBool::new(false);
    let Some(entry) = entry else {
        return Errno::INVAL.code();
    };
    if STARTED.swap(true, Ordering::AcqRel) {
        return Errno::ALREADY.code();
    }
    let thread = thread::Builder::new().name("iothub".to_owned());
    // SAFETY: as the caller promises.
    match thread.stack_size(STACK).spawn(move || unsafe { entry() }) {
        Ok(_) => 0,
        Err(_) => {
            STARTED.store(false, Ordering::Release);
            Errno::AGAIN.code()
        }
    }
}

/// Which thread this is.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_thread_id() -> usize {
    thread_id()
}

/// Random bytes.
///
/// # Safety
/// `buf` leads to `len` bytes that can be written, or `len` is 0.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_random(buf: *mut c_void, len: usize) {
    if buf.is_null() || len == 0 {
        return;
    }
    // SAFETY: it is not NULL, and the caller answers for the rest.
    let bytes: &mut [u8] = unsafe { slice::from_raw_parts_mut(buf.cast(), len) };
    if aws_lc_rs::rand::fill(bytes).is_err() {
        process::abort();
    }
}

/// As a thread of Linux has it.
const STACK: usize = 8 << 20;
