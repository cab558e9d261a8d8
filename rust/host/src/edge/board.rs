//! `iothub_board.h`.

use std::{
    ffi::{c_char, c_int, c_uint, c_void},
    sync::Arc,
    time::Duration,
};

use ncs_sys as sys;

use super::{bytes, bytes_mut, copy_out, uptime, with_host};
use crate::{
    Host,
    board::{Assistance, BoardEvent, Methods, Sensor, Survey, Unavailable},
    errno::{Errno, code},
    health::hung,
    log, radio,
};

super::defines! {
    iothub_board_unix_time_ms,
    iothub_board_sensor_read,
    iothub_board_watch,
    iothub_board_motion_set,
    iothub_board_locate,
    iothub_board_search_read,
    iothub_board_assist,
    iothub_board_name,
    iothub_board_reset_cause,
    iothub_board_last_fault,
    iothub_board_last_fault_thread,
    iothub_board_stack,
    iothub_board_heap,
    iothub_board_radio,
    iothub_board_coredump_size,
    iothub_board_coredump_read,
    iothub_board_coredump_erase,
    iothub_board_fault,
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
        BoardEvent::Surveyed => (sys::IOTHUB_BOARD_SURVEYED, 0),
        BoardEvent::AgnssWanted(types) => (sys::IOTHUB_BOARD_AGNSS, types.into()),
        BoardEvent::PgpsWanted => (sys::IOTHUB_BOARD_PGPS, 0),
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
unsafe extern "C" fn iothub_board_locate(methods: c_uint, timeout_ms: u32) -> c_int {
    let has = |bit| methods & bit != 0;
    let methods = Methods {
        gnss: has(sys::IOTHUB_LOCATE_GNSS),
        cells: has(sys::IOTHUB_LOCATE_CELLS),
        wifi: has(sys::IOTHUB_LOCATE_WIFI),
    };
    let timeout = Duration::from_millis(timeout_ms.into());
    code(with_host(|host| {
        let begun = host.board.locate(methods, timeout);
        begun.map_err(Unavailable::errno)
    }))
}

/// What the last search has heard, or asks for.
///
/// # Safety
/// `value` is NULL or leads to a number that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_search_read(
    what: c_uint,
    index: c_uint,
    value: *mut i64,
) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let value = unsafe { value.as_mut() };
    code(with_host(|host| {
        let found = match what {
            sys::IOTHUB_PGPS_COUNT..=sys::IOTHUB_PGPS_TIME => {
                let wanted = host.board.predictions().ok_or(Errno::NODATA)?;
                match what {
                    sys::IOTHUB_PGPS_COUNT => wanted.count.into(),
                    sys::IOTHUB_PGPS_INTERVAL => wanted.interval.into(),
                    sys::IOTHUB_PGPS_DAY => wanted.day.into(),
                    _ => wanted.time.into(),
                }
            }
            _ => surveyed(&host.board.survey(), what, index)?,
        };
        *value.ok_or(Errno::INVAL)? = found;
        Ok(())
    }))
}

fn surveyed(survey: &Survey, what: c_uint, index: c_uint) -> Result<i64, Errno> {
    let at = |index: c_uint| usize::try_from(index).unwrap_or(usize::MAX);
    if what == sys::IOTHUB_SURVEY_ACCESS_POINT {
        let [a, b, c, d, e, f] = *survey.access_points.get(at(index)).ok_or(Errno::NOENT)?;
        return Ok(i64::from_be_bytes([0, 0, a, b, c, d, e, f]));
    }
    if let Some(neighbour) = index.checked_sub(1) {
        let cell = survey.neighbours.get(at(neighbour)).ok_or(Errno::NOENT)?;
        return Ok(match what {
            sys::IOTHUB_SURVEY_CELL => cell.id.into(),
            sys::IOTHUB_SURVEY_EARFCN => cell.earfcn.into(),
            sys::IOTHUB_SURVEY_RSRP => cell.rsrp.into(),
            sys::IOTHUB_SURVEY_RSRQ => cell.rsrq.into(),
            _ => return Err(Errno::NODATA),
        });
    }
    let (cell, advance) = survey.camped.ok_or(Errno::NOENT)?;
    // A code of 5 digits has two for the network, one of 6 three.
    let networks = if cell.mccmnc < 100_000 { 100 } else { 1000 };
    Ok(match what {
        sys::IOTHUB_SURVEY_CELL => cell.id.into(),
        sys::IOTHUB_SURVEY_EARFCN => cell.earfcn.into(),
        sys::IOTHUB_SURVEY_RSRP => cell.rsrp.into(),
        sys::IOTHUB_SURVEY_RSRQ => RSRQ,
        sys::IOTHUB_SURVEY_MCC => (cell.mccmnc / networks).into(),
        sys::IOTHUB_SURVEY_MNC => (cell.mccmnc % networks).into(),
        sys::IOTHUB_SURVEY_AREA => cell.area.into(),
        sys::IOTHUB_SURVEY_ADVANCE => advance.into(),
        _ => return Err(Errno::INVAL),
    })
}

/// 0.1 dB, of a cell that is heard well.
const RSRQ: i64 = -95;

/// Assistance data for the satellite receiver.
///
/// # Safety
/// `data` is NULL or leads to `len` bytes that can be read.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_assist(kind: c_uint, data: *const c_void, len: usize) -> c_int {
    // SAFETY: as the caller promises.
    let data = unsafe { bytes(data.cast(), len) };
    let kind = match kind {
        sys::IOTHUB_ASSIST_AGNSS => Assistance::Agnss,
        sys::IOTHUB_ASSIST_PGPS => Assistance::Pgps,
        _ => return Errno::INVAL.code(),
    };
    if data.is_empty() {
        return Errno::INVAL.code();
    }
    code(with_host(|host| {
        host.board.assist(kind, data).map_err(Unavailable::errno)
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

/// Whether the program has started itself anew.
///
/// # Safety
/// `cause` is NULL or leads to a number that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_reset_cause(cause: *mut u32) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let cause = unsafe { cause.as_mut() };
    code(with_host(|host| {
        *cause.ok_or(Errno::INVAL)? = host.health.reset_cause;
        Ok(())
    }))
}

/// The fault that ended the run before.
///
/// # Safety
/// `value` is NULL or leads to a number that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_last_fault(what: c_uint, value: *mut u32) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let value = unsafe { value.as_mut() };
    code(with_host(|host| {
        let fault = host.health.last_fault()?;
        *value.ok_or(Errno::INVAL)? = match what {
            sys::IOTHUB_BOARD_FAULT_REASON => fault.reason,
            sys::IOTHUB_BOARD_FAULT_PC | sys::IOTHUB_BOARD_FAULT_LR => 0,
            _ => return Err(Errno::INVAL),
        };
        Ok(())
    }))
}

/// The name of its thread.
///
/// # Safety
/// `buf` is NULL or leads to `len` bytes that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_last_fault_thread(buf: *mut c_char, len: usize) -> c_int {
    // SAFETY: as the caller promises.
    let room = unsafe { bytes_mut(buf.cast(), len) };
    length(with_host(|host| {
        let thread = host.health.last_fault()?.thread.as_bytes();
        copy_out(thread, room, &mut 0, Errno::NOSPC).map(|()| thread.len())
    }))
}

fn length(result: Result<usize, Errno>) -> c_int {
    let length = result.and_then(|length| c_int::try_from(length).map_err(|_| Errno::NOSPC));
    length.unwrap_or_else(Errno::code)
}

/// Nobody counts them on Linux.
///
/// # Safety
/// None is needed: the pointers are not used.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_stack(
    _index: c_uint,
    _name: *mut c_char,
    _len: usize,
    _size: *mut u32,
    _unused: *mut u32,
) -> c_int {
    Errno::NOTSUP.code()
}

/// Nobody counts it on Linux.
///
/// # Safety
/// None is needed: the pointers are not used.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_heap(_size: *mut u32, _most: *mut u32) -> c_int {
    Errno::NOTSUP.code()
}

/// How the simulated radio was used.
///
/// # Safety
/// `value` is NULL or leads to a number that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_radio(what: c_uint, value: *mut u32) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let Some(value) = (unsafe { value.as_mut() }) else {
        return Errno::INVAL.code();
    };
    let usage = radio::with(|radio| radio.usage(uptime()));
    *value = match what {
        sys::IOTHUB_BOARD_RADIO_SECONDS => {
            u32::try_from(usage.connected.as_secs()).unwrap_or(u32::MAX)
        }
        sys::IOTHUB_BOARD_RADIO_CONNECTIONS => usage.connections,
        sys::IOTHUB_BOARD_RADIO_IS_ON => usage.is_on.into(),
        _ => return Errno::INVAL.code(),
    };
    0
}

/// Bytes of the core dump.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_coredump_size() -> c_int {
    length(with_host(|host| {
        host.health.coredump().map(|dump| dump.len())
    }))
}

/// A piece of the core dump.
///
/// # Safety
/// `buf` is NULL or leads to `len` bytes that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_coredump_read(at: u32, buf: *mut c_void, len: usize) -> c_int {
    // SAFETY: as the caller promises.
    let room = unsafe { bytes_mut(buf.cast(), len) };
    length(with_host(|host| {
        let dump = host.health.coredump()?;
        let piece = usize::try_from(at).ok().and_then(|at| dump.get(at..));
        let piece = piece.ok_or(Errno::INVAL)?;
        let count = piece.len().min(room.len());
        room[..count].copy_from_slice(&piece[..count]);
        Ok(count)
    }))
}

/// Deletes the core dump.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_coredump_erase() -> c_int {
    code(with_host(|host| host.health.erase_coredump()))
}

/// A fault on purpose.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_board_fault(kind: c_uint) -> c_int {
    match kind {
        sys::IOTHUB_BOARD_FAULT_HANG => loop {
            std::thread::park();
        },
        sys::IOTHUB_BOARD_FAULT_PANIC => fault(KERNEL_PANIC),
        sys::IOTHUB_BOARD_FAULT_MEMORY => fault(CPU_EXCEPTION),
        _ => Errno::INVAL.code(),
    }
}

/// `K_ERR_*` of Zephyr's `fatal.h`.
const CPU_EXCEPTION: u32 = 0;
const KERNEL_PANIC: u32 = 4;

fn fault(reason: u32) -> c_int {
    code(with_host(|host| {
        let thread = std::thread::current();
        end(host, reason, thread.name().unwrap_or_default())
    }))
}

/// Restarts, which the next start knows.
pub(crate) fn reboot(host: &Host) -> ! {
    if let Err(error) = host.health.keep_reboot() {
        log::error!("board", "the next start will not know why: {error}");
    }
    host.reboot.reboot()
}

fn end(host: &Host, reason: u32, thread: &str) -> ! {
    log::error!("board", "fault {reason} of thread {thread}: reboot");
    if let Err(error) = host.health.keep_fault(reason, thread) {
        log::error!("board", "the next start will not know why: {error}");
    }
    reboot(host)
}

/// From now on a thread that works longer than `work`, or does not come back from its rest, ends
/// the run.
pub(crate) fn supervise(work: Duration) -> std::io::Result<()> {
    let watch = move || {
        loop {
            std::thread::sleep(LOOK);
            if let Some(thread) = hung(uptime(), work, alive) {
                let _ = with_host(|host| -> Result<(), Errno> {
                    end(host, sys::IOTHUB_BOARD_FAULT_WATCHDOG, thread)
                });
            }
        }
    };
    let thread = std::thread::Builder::new().name("watchdog".to_owned());
    thread.spawn(watch).map(drop)
}

/// How often the watchdog looks.
const LOOK: Duration = Duration::from_millis(100);

unsafe extern "C" {
    /// `platform.c`, or `portable.rs`.
    fn iothub_host_alive_ms(waiter: c_uint) -> i64;
}

/// When a waiter made progress last or ends its rest, as uptime; `None` before it has waited once.
fn alive(waiter: c_uint) -> Option<Duration> {
    // SAFETY: takes a number only.
    let alive_ms = unsafe { iothub_host_alive_ms(waiter) };
    (alive_ms > 0).then(|| Duration::from_millis(alive_ms.unsigned_abs()))
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
