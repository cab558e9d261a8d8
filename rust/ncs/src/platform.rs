//! Clock, waiting, the lock, the log: the other functions of `iothub_platform.h`.

use core::{
    cell::{Cell, UnsafeCell},
    ffi::c_void,
};

use crate::{
    Errno,
    errno::{check, length},
};

/// Milliseconds since boot.
pub fn uptime_ms() -> u64 {
    // SAFETY: takes no arguments.
    let now = unsafe { ncs_sys::iothub_platform_uptime_ms() };
    u64::try_from(now).unwrap_or(0)
}

/// Who waits. Each has a wake flag of its own, and is one thread where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiter {
    /// The driver thread.
    Driver,
    /// The thread that runs the application's sequential code.
    Application,
    /// The thread that waits for the handler to be free.
    Handler,
    /// Threads that wait for room in the outbox. A wake is one thread's, which wakes the next.
    Sender,
}

impl Waiter {
    fn id(self) -> u32 {
        match self {
            Self::Driver => ncs_sys::IOTHUB_WAITER_DRIVER,
            Self::Application => ncs_sys::IOTHUB_WAITER_APPLICATION,
            Self::Handler => ncs_sys::IOTHUB_WAITER_HANDLER,
            Self::Sender => ncs_sys::IOTHUB_WAITER_SENDER,
        }
    }

    /// Blocks until [`wake`](Self::wake), or until the uptime in milliseconds; `None` waits for
    /// ever. A wake that came before is not lost.
    pub fn wait(self, deadline_ms: Option<u64>) {
        let deadline = deadline_ms
            .and_then(|ms| i64::try_from(ms).ok())
            .unwrap_or(i64::MAX);
        // SAFETY: takes numbers only.
        unsafe { ncs_sys::iothub_platform_wait(self.id(), deadline) }
    }

    /// Ends the wait, now or the next one. From any thread.
    pub fn wake(self) {
        // SAFETY: takes a number only.
        unsafe { ncs_sys::iothub_platform_wake(self.id()) }
    }
}

/// Starts the driver thread, whose stack and priority C knows.
///
/// # Errors
/// EALREADY the second time.
pub fn start_driver(entry: extern "C" fn()) -> Result<(), Errno> {
    // SAFETY: the entry is a function that lives for ever.
    check(unsafe { ncs_sys::iothub_platform_thread_start(Some(entry)) })
}

/// The value behind the platform's one lock.
///
/// There is one lock for all of them, it is not recursive, and it is held for microseconds: inside
/// [`with`](Self::with) no C function is called and no other `Mutex` is entered.
pub struct Mutex<T> {
    busy: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: value and flag are touched only while the platform's lock is held, so by one thread at a
// time.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
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
        let _guard = Unlock::new(&self.busy);
        // SAFETY: the lock is held and `busy` was false, so this is the only reference.
        f(unsafe { &mut *self.value.get() })
    }
}

struct Unlock<'a>(&'a Cell<bool>);

impl<'a> Unlock<'a> {
    #[inline(never)]
    fn new(busy: &'a Cell<bool>) -> Self {
        // SAFETY: takes no arguments; the guard unlocks.
        unsafe { ncs_sys::iothub_platform_lock() };
        let guard = Self(busy);
        assert!(!busy.replace(true), "the platform's lock was entered twice");
        guard
    }
}

impl Drop for Unlock<'_> {
    #[inline(never)]
    fn drop(&mut self) {
        self.0.set(false);
        // SAFETY: made only by `new`, after it has locked.
        unsafe { ncs_sys::iothub_platform_unlock() }
    }
}

/// A value that callbacks read and that is set before they can come; guarded by a critical section.
pub struct Slot<T: Copy>(critical_section::Mutex<Cell<Option<T>>>);

impl<T: Copy> Slot<T> {
    /// An empty slot.
    pub const fn new() -> Self {
        Self(critical_section::Mutex::new(Cell::new(None)))
    }

    /// Sets the value.
    pub fn set(&self, value: T) {
        critical_section::with(|cs| self.0.borrow(cs).set(Some(value)));
    }

    /// The value, if it was set.
    pub fn get(&self) -> Option<T> {
        critical_section::with(|cs| self.0.borrow(cs).get())
    }
}

impl<T: Copy> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Which thread this is: the same number for the same thread, never 0.
pub fn thread_id() -> usize {
    // SAFETY: takes no arguments.
    unsafe { ncs_sys::iothub_platform_thread_id() }
}

/// Random bytes, good enough for jitter and for the first request id of a session.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    // SAFETY: the pointer and the length are those of one array.
    unsafe { ncs_sys::iothub_platform_random(bytes.as_mut_ptr().cast::<c_void>(), bytes.len()) };
    u64::from_ne_bytes(bytes)
}

/// Restarts the device.
pub fn reboot() {
    // SAFETY: takes no arguments.
    unsafe { ncs_sys::iothub_platform_reboot() }
}

/// The identity that the hardware has (IMEI, or a unique id), written to `buffer`.
///
/// # Errors
/// ENOTSUP where there is none.
pub fn hardware_id(buffer: &mut [u8]) -> Result<&str, Errno> {
    // SAFETY: the pointer and the length are those of one slice.
    let result =
        unsafe { ncs_sys::iothub_platform_hardware_id(buffer.as_mut_ptr().cast(), buffer.len()) };
    let length = length(result)?;
    let id = buffer.get(..length).unwrap_or_default();
    Ok(core::str::from_utf8(id).unwrap_or_default())
}

/// Switches the board's LED; nothing where there is none.
pub fn set_led(on: bool) {
    // SAFETY: takes a flag only.
    unsafe { ncs_sys::iothub_platform_led(on) }
}

/// Hands the records of the `log` crate to the platform, a line each, without allocation, under the
/// name of the crate. A line longer than [`LOG_LINE`] bytes is cut.
pub struct Logger;

/// Longest line of the log in bytes.
pub const LOG_LINE: usize = 256;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = Line::default();
        // The only error is that of the line being full, which cuts it.
        let _ = core::fmt::Write::write_fmt(&mut line, *record.args());
        let target = record.target();
        let end = target.bytes().position(|byte| byte == b':');
        let target = end.and_then(|end| target.get(..end)).unwrap_or(target);
        let level = record.level() as u32;
        let length = line.0.len();
        // `Line` keeps a byte for it.
        let _ = line.0.push('\0');
        // SAFETY: the pointers and the lengths are those of two strings, read only during the call;
        // the message has a 0 after it.
        unsafe {
            ncs_sys::iothub_platform_log(
                level,
                target.as_ptr().cast(),
                target.len(),
                line.0.as_ptr().cast(),
                length,
            );
        }
    }

    fn flush(&self) {}
}

#[derive(Default)]
struct Line(heapless::String<{ LOG_LINE + 1 }>);

impl core::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = text.floor_char_boundary(LOG_LINE - self.0.len());
        let fits = text.get(..end).unwrap_or_default();
        match self.0.push_str(fits) {
            Ok(()) if end == text.len() => Ok(()),
            _ => Err(core::fmt::Error),
        }
    }
}
