//! `iothub_board.h`.

use std::{
    ffi::{c_char, c_int, c_uint},
    sync::Arc,
    time::Duration,
};

use ncs_sys as sys;

use super::{bytes_mut, copy_out, with_host};
use crate::{
    board::{BoardEvent, Sensor, Unavailable},
    errno::{Errno, code},
    log,
};

super::defines! {
    iothub_board_unix_time_ms,
    iothub_board_sensor_read,
    iothub_board_watch,
    iothub_board_motion_set,
    iothub_board_locate,
    iothub_board_name,
    iothub_board_reset_cause,
    iothub_board_buzz,
}

/// The board's time, or -ENODATA.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_unix_time_ms() -> i64 {
    with_host(|host| host.board.unix_time_ms().ok_or(Errno::NODATA))
        .unwrap_or_else(|errno| errno.code().into())
}

/// Reads a sensor of the board's.
///
/// # Safety
/// `value` is NULL or leads to a number that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_sensor_read(sensor: c_uint, value: *mut i32) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let Some(value) = (unsafe { value.as_mut() }) else {
        return Errno::INVAL.code();
    };
    code(with_host(|host| {
        let sensor = Sensor::from_number(sensor).ok_or(Errno::INVAL)?;
        *value = host.board.read(sensor).map_err(Unavailable::errno)?;
        Ok(())
    }))
}

/// Sets who is told of what happens to the board.
///
/// # Safety
/// `handler` can be called from any thread until the end of the process.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_watch(
    handler: Option<unsafe extern "C" fn(what: c_uint, value: i32)>,
) {
    let call = handler.map(|handler| {
        Arc::new(move |event| {
            let (what, value) = numbers(event);
            // SAFETY: as the caller has promised.
            unsafe { handler(what, value) }
        }) as crate::board::Handler
    });
    // Before the start there is no board.
    let _ = with_host(|host| {
        host.board_events.watch(call);
        Ok(())
    });
}

fn numbers(event: BoardEvent) -> (c_uint, i32) {
    match event {
        BoardEvent::Time => (sys::IOTHUB_BOARD_TIME, 0),
        BoardEvent::Moving => (sys::IOTHUB_BOARD_MOVING, 0),
        BoardEvent::Still => (sys::IOTHUB_BOARD_STILL, 0),
        BoardEvent::Impact(strength) => (sys::IOTHUB_BOARD_IMPACT, strength.into()),
        BoardEvent::Button(number) => (sys::IOTHUB_BOARD_BUTTON, number.into()),
        BoardEvent::Located(true) => (sys::IOTHUB_BOARD_LOCATED, 0),
        BoardEvent::Located(false) => (sys::IOTHUB_BOARD_LOCATED, Errno::TIMEDOUT.code()),
    }
}

/// A log line: a simulated board moves as its world says.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_motion_set(active: u32, inactive: u32, still_ms: u32) -> c_int {
    log::debug!(
        "board",
        "movement is more than {active} mm/s², stillness less than {inactive} for {still_ms} ms"
    );
    0
}

/// Begins a search for the position.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_locate(timeout_ms: u32) -> c_int {
    let timeout = Duration::from_millis(timeout_ms.into());
    code(with_host(|host| {
        host.board.locate(timeout).map_err(Unavailable::errno)
    }))
}

/// The name that the build would have.
///
/// # Safety
/// `buf` is NULL or leads to `len` bytes that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_name(buf: *mut c_char, len: usize) -> c_int {
    // SAFETY: as the caller promises.
    let room = unsafe { bytes_mut(buf.cast(), len) };
    match copy_out(NAME, room, &mut 0, Errno::NOSPC) {
        Ok(()) => c_int::try_from(NAME.len()).unwrap_or(c_int::MAX),
        Err(errno) => errno.code(),
    }
}

const NAME: &[u8] = b"linux";

/// A process does not know why it was started.
///
/// # Safety
/// None is needed: the pointer is not used.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_reset_cause(_cause: *mut u32) -> c_int {
    Errno::NOTSUP.code()
}

/// A log line.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_buzz(duration_ms: u32) -> c_int {
    log::info!("buzzer", "{duration_ms} ms");
    0
}
