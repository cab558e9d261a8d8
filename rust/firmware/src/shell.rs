//! What the commands of `src/shell.c` call.

use core::{
    ffi::{CStr, c_char, c_int},
    fmt::{self, Write},
    slice,
};

use iothub::Telemetry;

/// # Safety
/// As [`Text::new`] says.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_shell_connect(text: *mut c_char, length: usize) -> c_int {
    // SAFETY: the caller's promise.
    tell(iothub::connect(), unsafe { Text::new(text, length) })
}

/// # Safety
/// As [`Text::new`] says.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_shell_disconnect(text: *mut c_char, length: usize) -> c_int {
    // SAFETY: the caller's promise.
    tell(iothub::disconnect(), unsafe { Text::new(text, length) })
}

/// # Safety
/// As [`Text::new`] says.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_shell_twin(text: *mut c_char, length: usize) -> c_int {
    // SAFETY: the caller's promise.
    tell(iothub::request_twin(), unsafe { Text::new(text, length) })
}

/// # Safety
/// As [`Text::new`] says; and `payload_length` bytes can be read at `payload`.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_shell_send(
    payload: *const c_char,
    payload_length: usize,
    text: *mut c_char,
    length: usize,
) -> c_int {
    // SAFETY: the caller's promise.
    let payload = unsafe { slice::from_raw_parts(payload.cast::<u8>(), payload_length) };
    // SAFETY: the caller's promise.
    let text = unsafe { Text::new(text, length) };
    tell(iothub::send(&Telemetry::json(payload)), text)
}

/// # Safety
/// As [`Text::new`] says; `key` is a text with a 0 at its end, and `value_length` bytes can be read
/// at `value`.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_shell_check(
    key: *const c_char,
    value: *const c_char,
    value_length: usize,
    text: *mut c_char,
    length: usize,
) -> c_int {
    // SAFETY: the caller's promise.
    let key = unsafe { CStr::from_ptr(key) };
    // SAFETY: the caller's promise.
    let value = unsafe { slice::from_raw_parts(value.cast::<u8>(), value_length) };
    // SAFETY: the caller's promise.
    let mut text = unsafe { Text::new(text, length) };
    if iothub::setting_counts(key, value) == Some(true) {
        return 0;
    }
    let _ = write!(
        text,
        "no value of {key:?}: it would be ignored at the next start"
    );
    -(ncs_sys::EIO as c_int)
}

/// # Safety
/// As [`Text::new`] says.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_shell_status(text: *mut c_char, length: usize) {
    // SAFETY: the caller's promise.
    let mut text = unsafe { Text::new(text, length) };
    // What does not fit is cut.
    let _ = match iothub::status() {
        Ok(status) => write_status(&mut text, &status),
        Err(error) => write!(text, "{error}"),
    };
}

fn write_status(text: &mut Text<'_>, status: &iothub::Status) -> fmt::Result {
    write!(
        text,
        "{:?}, {} failed connects in a row",
        status.phase,
        status.failures.total()
    )?;
    if let Some(cause) = &status.last_disconnect {
        write!(text, "\nlast disconnected: {cause}")?;
    }
    if let Some(time) = status.round_trip {
        write!(text, "\nround trip {} ms", time.as_millis())?;
    }
    write!(text, "\noutbox {} bytes in use", status.outbox_used)
}

/// # Safety
/// As [`Text::new`] says.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_shell_outbox(text: *mut c_char, length: usize) {
    // SAFETY: the caller's promise.
    let mut text = unsafe { Text::new(text, length) };
    // What does not fit is cut.
    let _ = write!(text, "{}", iothub::outbox_status());
}

/// # Safety
/// As [`Text::new`] says.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_shell_counters(text: *mut c_char, length: usize) {
    // SAFETY: the caller's promise.
    let mut text = unsafe { Text::new(text, length) };
    let _ = match iothub::status() {
        Ok(status) => write_counters(&mut text, &status),
        Err(error) => write!(text, "{error}"),
    };
}

fn write_counters(text: &mut Text<'_>, status: &iothub::Status) -> fmt::Result {
    let count = &status.counters;
    write!(
        text,
        "connects {} of {}\nmessages accepted {}, acknowledged {}, sent again {}, dropped {}\n\
         publishes {}, bytes sent {}, received {}\noversize {}, events lost {}",
        count.connected,
        count.connects,
        count.accepted,
        count.acknowledged,
        count.resent,
        count.dropped,
        count.published,
        count.bytes_sent,
        count.bytes_received,
        count.oversize,
        count.events_lost
    )
}

fn tell<T>(result: Result<T, iothub::Error>, mut text: Text<'_>) -> c_int {
    match result {
        Ok(_) => 0,
        Err(error) => {
            let _ = write!(text, "{error}");
            -(ncs_sys::EIO as c_int)
        }
    }
}

/// A buffer of C's, always with a 0 at its end.
struct Text<'a> {
    buffer: &'a mut [u8],
    used: usize,
}

impl Text<'_> {
    /// # Safety
    /// `length` bytes, at least 1, can be written at `text` until the result is gone.
    unsafe fn new(text: *mut c_char, length: usize) -> Self {
        // SAFETY: the caller's promise.
        let buffer = unsafe { slice::from_raw_parts_mut(text.cast::<u8>(), length) };
        buffer.fill(0);
        Self { buffer, used: 0 }
    }
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.buffer.len().saturating_sub(self.used + 1);
        let cut = text.floor_char_boundary(room);
        if let (Some(target), Some(source)) = (
            self.buffer.get_mut(self.used..self.used + cut),
            text.as_bytes().get(..cut),
        ) {
            target.copy_from_slice(source);
            self.used += cut;
        }
        if cut == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}
