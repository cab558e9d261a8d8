//! What the application asks of a board: `iothub_board.h`. The library uses none of it.

use core::{ffi::c_uint, time::Duration};

use crate::{
    Errno,
    errno::{check, length},
    platform::Slot,
};

/// What can be read. Units are those of `iothub_board.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensor {
    /// 0.001 °C.
    Temperature,
    /// 0.001 %.
    Humidity,
    /// Pa.
    Pressure,
    /// Ohm.
    Gas,
    /// Lux.
    Light,
    /// mV.
    BatteryVoltage,
    /// mA, negative while it is charged.
    BatteryCurrent,
    /// 0.1 °C.
    BatteryTemperature,
    /// %.
    BatteryCharge,
    /// Seconds.
    TimeToEmpty,
    /// Seconds.
    TimeToFull,
    /// 1e-7 degrees; this and what follows is of the last position that [`locate`] found.
    Latitude,
    /// 1e-7 degrees.
    Longitude,
    /// 0.1 m.
    Accuracy,
    /// 0.1 m.
    Altitude,
    /// 0.01 m/s.
    Speed,
    /// 0.01 degrees.
    Heading,
    /// Milliseconds since the device was there.
    FixAge,
}

impl Sensor {
    const fn number(self) -> c_uint {
        match self {
            Self::Temperature => ncs_sys::IOTHUB_SENSOR_TEMPERATURE,
            Self::Humidity => ncs_sys::IOTHUB_SENSOR_HUMIDITY,
            Self::Pressure => ncs_sys::IOTHUB_SENSOR_PRESSURE,
            Self::Gas => ncs_sys::IOTHUB_SENSOR_GAS,
            Self::Light => ncs_sys::IOTHUB_SENSOR_LIGHT,
            Self::BatteryVoltage => ncs_sys::IOTHUB_SENSOR_BATTERY_VOLTAGE,
            Self::BatteryCurrent => ncs_sys::IOTHUB_SENSOR_BATTERY_CURRENT,
            Self::BatteryTemperature => ncs_sys::IOTHUB_SENSOR_BATTERY_TEMPERATURE,
            Self::BatteryCharge => ncs_sys::IOTHUB_SENSOR_BATTERY_CHARGE,
            Self::TimeToEmpty => ncs_sys::IOTHUB_SENSOR_TIME_TO_EMPTY,
            Self::TimeToFull => ncs_sys::IOTHUB_SENSOR_TIME_TO_FULL,
            Self::Latitude => ncs_sys::IOTHUB_SENSOR_LATITUDE,
            Self::Longitude => ncs_sys::IOTHUB_SENSOR_LONGITUDE,
            Self::Accuracy => ncs_sys::IOTHUB_SENSOR_ACCURACY,
            Self::Altitude => ncs_sys::IOTHUB_SENSOR_ALTITUDE,
            Self::Speed => ncs_sys::IOTHUB_SENSOR_SPEED,
            Self::Heading => ncs_sys::IOTHUB_SENSOR_HEADING,
            Self::FixAge => ncs_sys::IOTHUB_SENSOR_FIX_AGE,
        }
    }
}

/// Reads a sensor. Blocks for `CONFIG_IOTHUB_SENSOR_TIMEOUT_MS` at most.
///
/// # Errors
/// ENOTSUP where the board has none; anything else says that there is no value now.
pub fn read(sensor: Sensor) -> Result<i32, Errno> {
    let mut value = 0;
    // SAFETY: the pointer is that of a number that lives for the call.
    check(unsafe { ncs_sys::iothub_board_sensor_read(sensor.number(), &raw mut value) })?;
    Ok(value)
}

/// Whether an error says that the board cannot do that, and never will.
pub fn is_missing(error: Errno) -> bool {
    error.is(ncs_sys::ENOTSUP)
}

/// Milliseconds since 1970 in UTC; `None` while nobody has told the time.
pub fn unix_time_ms() -> Option<i64> {
    // SAFETY: takes no arguments.
    let now = unsafe { ncs_sys::iothub_board_unix_time_ms() };
    (now >= 0).then_some(now)
}

/// What a board tells by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The time became known, or jumped.
    Time,
    /// Movement after stillness.
    Moving,
    /// Stillness after movement.
    Still,
    /// A shock, in 0.01 g.
    Impact(u32),
    /// A button was released: its number, from 1.
    Button(u32),
    /// A search for the position has ended, with one or without.
    Located(Result<(), Errno>),
    /// A search has found cells or access points: [`cell`], [`access_point`].
    Surveyed,
    /// Satellites would be found faster with A-GNSS data: a bit for each of nRF Cloud's types.
    AgnssWanted(u32),
    /// Satellites would be found faster with predictions: [`predictions`].
    PgpsWanted,
}

/// Calls `handler` from now on, on any thread and in interrupts; it must not wait.
pub fn watch(handler: fn(Event)) {
    HANDLER.set(handler);
    // SAFETY: the handler is a function that lives for ever.
    unsafe { ncs_sys::iothub_board_watch(Some(on_event)) }
}

/// What counts as movement: an acceleration above `active` mm/s², and as stillness: none above
/// `inactive` for so long.
///
/// # Errors
/// ENOTSUP where the board cannot tell.
pub fn set_motion(active: u32, inactive: u32, still: Duration) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { ncs_sys::iothub_board_motion_set(active, inactive, milliseconds(still)) })
}

/// By what a position is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods {
    /// Satellites.
    pub gnss: bool,
    /// Cells, which a back end is to resolve, where satellites are not found.
    pub cells: bool,
    /// Wi-Fi access points, likewise.
    pub wifi: bool,
}

/// Searches for the position, with satellites for no longer than `timeout`. [`Event::Located`] ends
/// each search that was begun.
///
/// # Errors
/// ENOTSUP where nothing can tell it, EBUSY while a search is under way.
pub fn locate(methods: Methods, timeout: Duration) -> Result<(), Errno> {
    let bit = |is_on, bit| if is_on { bit } else { 0 };
    let methods = bit(methods.gnss, ncs_sys::IOTHUB_LOCATE_GNSS)
        | bit(methods.cells, ncs_sys::IOTHUB_LOCATE_CELLS)
        | bit(methods.wifi, ncs_sys::IOTHUB_LOCATE_WIFI);
    // SAFETY: takes numbers only.
    check(unsafe { ncs_sys::iothub_board_locate(methods, milliseconds(timeout)) })
}

fn search_read(what: c_uint, index: u32) -> Option<i64> {
    let mut value = 0;
    // SAFETY: the pointer is that of a number that lives for the call.
    let result = unsafe { ncs_sys::iothub_board_search_read(what, index, &raw mut value) };
    (result == 0).then_some(value)
}

fn number<T: TryFrom<i64>>(what: c_uint, index: u32) -> Option<T> {
    search_read(what, index)?.try_into().ok()
}

/// A cell that the last search has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The E-UTRAN cell id; of a neighbour the physical one.
    pub id: u32,
    /// Channel of the downlink.
    pub earfcn: u32,
    /// dBm.
    pub rsrp: Option<i16>,
    /// 0.1 dB.
    pub rsrq: Option<i16>,
}

/// The cell that the modem is in with 0, from 1 on those around it; `None` after the last.
pub fn cell(index: u32) -> Option<Cell> {
    Some(Cell {
        id: number(ncs_sys::IOTHUB_SURVEY_CELL, index)?,
        earfcn: number(ncs_sys::IOTHUB_SURVEY_EARFCN, index)?,
        rsrp: number(ncs_sys::IOTHUB_SURVEY_RSRP, index),
        rsrq: number(ncs_sys::IOTHUB_SURVEY_RSRQ, index),
    })
}

/// What is known of the cell that the modem is in alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Camped {
    /// Mobile country code.
    pub mcc: u16,
    /// Mobile network code.
    pub mnc: u16,
    /// Tracking area code.
    pub area: u32,
    /// Timing advance in Ts; 65535 where it is not known.
    pub advance: u16,
}

/// Of the last search; `None` where it has found no cell.
pub fn camped() -> Option<Camped> {
    Some(Camped {
        mcc: number(ncs_sys::IOTHUB_SURVEY_MCC, 0)?,
        mnc: number(ncs_sys::IOTHUB_SURVEY_MNC, 0)?,
        area: number(ncs_sys::IOTHUB_SURVEY_AREA, 0)?,
        advance: number(ncs_sys::IOTHUB_SURVEY_ADVANCE, 0)?,
    })
}

/// The MAC address of an access point that the last search has heard, from 0 on; `None` after the
/// last.
pub fn access_point(index: u32) -> Option<[u8; 6]> {
    let [_, _, mac @ ..] = search_read(ncs_sys::IOTHUB_SURVEY_ACCESS_POINT, index)?.to_be_bytes();
    Some(mac)
}

/// Predictions of orbits that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predictions {
    /// How many.
    pub count: u16,
    /// Minutes from one to the next.
    pub interval: u16,
    /// The first one's day of GPS time.
    pub day: u16,
    /// Seconds of that day.
    pub time: u32,
}

/// What [`Event::PgpsWanted`] asks for.
pub fn predictions() -> Option<Predictions> {
    Some(Predictions {
        count: number(ncs_sys::IOTHUB_PGPS_COUNT, 0)?,
        interval: number(ncs_sys::IOTHUB_PGPS_INTERVAL, 0)?,
        day: number(ncs_sys::IOTHUB_PGPS_DAY, 0)?,
        time: number(ncs_sys::IOTHUB_PGPS_TIME, 0)?,
    })
}

/// What satellites are found faster with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assistance {
    /// Data of now, in nRF Cloud's format.
    Agnss,
    /// Where predictions are fetched from, as nRF Cloud says it.
    Pgps,
}

/// Gives to the satellite receiver what a back end has answered.
///
/// # Errors
/// ENOTSUP where nothing takes it; anything else says that the data is wrong.
pub fn assist(kind: Assistance, data: &[u8]) -> Result<(), Errno> {
    let kind = match kind {
        Assistance::Agnss => ncs_sys::IOTHUB_ASSIST_AGNSS,
        Assistance::Pgps => ncs_sys::IOTHUB_ASSIST_PGPS,
    };
    // SAFETY: the pointer and the length are those of one slice.
    check(unsafe { ncs_sys::iothub_board_assist(kind, data.as_ptr().cast(), data.len()) })
}

/// The board's name, written to `buffer`.
///
/// # Errors
/// ENOSPC where the buffer is too small.
pub fn name(buffer: &mut [u8]) -> Result<&str, Errno> {
    // SAFETY: the pointer and the length are those of one slice.
    let result = unsafe { ncs_sys::iothub_board_name(buffer.as_mut_ptr().cast(), buffer.len()) };
    let length = length(result)?;
    let name = buffer.get(..length).unwrap_or_default();
    Ok(core::str::from_utf8(name).unwrap_or_default())
}

/// Why the device has started: bits as of Zephyr's `hwinfo.h`.
///
/// # Errors
/// ENOTSUP where the board does not know.
pub fn reset_cause() -> Result<u32, Errno> {
    let mut cause = 0;
    // SAFETY: the pointer is that of a number that lives for the call.
    check(unsafe { ncs_sys::iothub_board_reset_cause(&raw mut cause) })?;
    Ok(cause)
}

/// What ended the run before this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault<'b> {
    /// Why.
    pub reason: FaultReason,
    /// The name of the thread, where it has one.
    pub thread: &'b str,
    /// The program counter; 0 where the architecture does not tell.
    pub pc: u32,
    /// The link register; 0 where the architecture does not tell.
    pub lr: u32,
}

/// Why a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultReason {
    /// The thread made no progress.
    Watchdog,
    /// `K_ERR_*` of Zephyr's `fatal.h`, or the architecture's own.
    Kernel(u32),
}

/// The last fault, its thread's name written to `buffer`. It stays until the next start.
///
/// # Errors
/// ENOENT where there was none, ENOTSUP where nobody has looked.
pub fn last_fault(buffer: &mut [u8]) -> Result<Fault<'_>, Errno> {
    let read = |what| {
        let mut value = 0;
        // SAFETY: the pointer is that of a number that lives for the call.
        check(unsafe { ncs_sys::iothub_board_last_fault(what, &raw mut value) }).map(|()| value)
    };
    let reason = match read(ncs_sys::IOTHUB_BOARD_FAULT_REASON)? {
        ncs_sys::IOTHUB_BOARD_FAULT_WATCHDOG => FaultReason::Watchdog,
        reason => FaultReason::Kernel(reason),
    };
    let (pc, lr) = (
        read(ncs_sys::IOTHUB_BOARD_FAULT_PC)?,
        read(ncs_sys::IOTHUB_BOARD_FAULT_LR)?,
    );
    // SAFETY: the pointer and the length are those of one slice.
    let result = unsafe {
        ncs_sys::iothub_board_last_fault_thread(buffer.as_mut_ptr().cast(), buffer.len())
    };
    let thread = buffer.get(..length(result)?).unwrap_or_default();
    Ok(Fault {
        reason,
        thread: core::str::from_utf8(thread).unwrap_or_default(),
        pc,
        lr,
    })
}

/// The stack of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack<'b> {
    /// The thread's name, where it has one.
    pub thread: &'b str,
    /// In bytes.
    pub size: u32,
    /// Bytes that it never used.
    pub unused: u32,
}

/// The stacks of threads by number from 0, the name written to `buffer`.
///
/// # Errors
/// ENOENT after the last, ENOTSUP where nobody counts.
pub fn stack(index: u32, buffer: &mut [u8]) -> Result<Stack<'_>, Errno> {
    let (mut size, mut unused) = (0, 0);
    // SAFETY: pointer and length are those of one slice, and the others of numbers that live for
    // the call.
    let result = unsafe {
        ncs_sys::iothub_board_stack(
            index,
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            &raw mut size,
            &raw mut unused,
        )
    };
    let thread = buffer.get(..length(result)?).unwrap_or_default();
    Ok(Stack {
        thread: core::str::from_utf8(thread).unwrap_or_default(),
        size,
        unused,
    })
}

/// Bytes of the system heap, and the most that was in use.
///
/// # Errors
/// ENOTSUP where nobody counts.
pub fn heap() -> Result<(u32, u32), Errno> {
    let (mut size, mut most) = (0, 0);
    // SAFETY: the pointers are those of numbers that live for the call.
    check(unsafe { ncs_sys::iothub_board_heap(&raw mut size, &raw mut most) })?;
    Ok((size, most))
}

/// The radio since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Radio {
    /// Seconds of being connected to the cell.
    pub seconds: u32,
    /// How often it has connected.
    pub connections: u32,
    /// Whether it is connected now.
    pub is_on: bool,
}

/// How the radio was used.
///
/// # Errors
/// ENOTSUP where nothing tells.
pub fn radio() -> Result<Radio, Errno> {
    let read = |what| {
        let mut value = 0;
        // SAFETY: the pointer is that of a number that lives for the call.
        check(unsafe { ncs_sys::iothub_board_radio(what, &raw mut value) }).map(|()| value)
    };
    Ok(Radio {
        seconds: read(ncs_sys::IOTHUB_BOARD_RADIO_SECONDS)?,
        connections: read(ncs_sys::IOTHUB_BOARD_RADIO_CONNECTIONS)?,
        is_on: read(ncs_sys::IOTHUB_BOARD_RADIO_IS_ON)? != 0,
    })
}

/// Bytes of the core dump that is stored.
///
/// # Errors
/// ENOENT where there is none, ENOTSUP where the build has none.
pub fn coredump_size() -> Result<usize, Errno> {
    // SAFETY: takes no arguments.
    length(unsafe { ncs_sys::iothub_board_coredump_size() })
}

/// Reads from the core dump, from byte `at` on: how many bytes.
///
/// # Errors
/// There is none, or the flash cannot be read.
pub fn coredump(at: u32, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the pointer and the length are those of one slice.
    length(unsafe {
        ncs_sys::iothub_board_coredump_read(at, buffer.as_mut_ptr().cast(), buffer.len())
    })
}

/// Deletes the core dump.
///
/// # Errors
/// The flash cannot be written.
pub fn coredump_erase() -> Result<(), Errno> {
    // SAFETY: takes no arguments.
    check(unsafe { ncs_sys::iothub_board_coredump_erase() })
}

/// A fault on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestFault {
    /// The calling thread makes no more progress.
    Hang,
    /// The kernel panics.
    Panic,
    /// An access to memory that is not there.
    Memory,
}

/// Brings a fault about, for tests. Returns only where it cannot.
///
/// # Errors
/// ENOTSUP in a build without `CONFIG_IOTHUB_FAULT_COMMAND`.
pub fn fault(kind: TestFault) -> Result<(), Errno> {
    let kind = match kind {
        TestFault::Hang => ncs_sys::IOTHUB_BOARD_FAULT_HANG,
        TestFault::Panic => ncs_sys::IOTHUB_BOARD_FAULT_PANIC,
        TestFault::Memory => ncs_sys::IOTHUB_BOARD_FAULT_MEMORY,
    };
    // SAFETY: takes a number only.
    check(unsafe { ncs_sys::iothub_board_fault(kind) })
}

/// Sounds for so long, beside other work.
///
/// # Errors
/// ENOTSUP where there is nothing to sound.
pub fn buzz(duration: Duration) -> Result<(), Errno> {
    // SAFETY: takes a number only.
    check(unsafe { ncs_sys::iothub_board_buzz(milliseconds(duration)) })
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

static HANDLER: Slot<fn(Event)> = Slot::new();

unsafe extern "C" fn on_event(what: c_uint, value: i32) {
    let event = match what {
        ncs_sys::IOTHUB_BOARD_TIME => Event::Time,
        ncs_sys::IOTHUB_BOARD_MOVING => Event::Moving,
        ncs_sys::IOTHUB_BOARD_STILL => Event::Still,
        ncs_sys::IOTHUB_BOARD_IMPACT => Event::Impact(value.unsigned_abs()),
        ncs_sys::IOTHUB_BOARD_BUTTON => Event::Button(value.unsigned_abs()),
        ncs_sys::IOTHUB_BOARD_LOCATED => Event::Located(check(value)),
        ncs_sys::IOTHUB_BOARD_SURVEYED => Event::Surveyed,
        ncs_sys::IOTHUB_BOARD_AGNSS => Event::AgnssWanted(value.unsigned_abs()),
        ncs_sys::IOTHUB_BOARD_PGPS => Event::PgpsWanted,
        _ => return,
    };
    if let Some(handler) = HANDLER.get() {
        handler(event);
    }
}
