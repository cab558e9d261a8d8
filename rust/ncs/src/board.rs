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
}

/// Calls `handler` from now on, on any thread and in interrupts; it must not wait.
pub fn watch(handler: fn(Event)) {
    HANDLER.set(handler);
    // SAFETY: the handler is a function that lives for ever.
    unsafe { ncs_sys::iothub_board_watch(Some(on_event)) }
}

/// What counts as movement: an acceleration above `active` mm/s², and as stillness: none above `inactive` for so long.
///
/// # Errors
/// ENOTSUP where the board cannot tell.
pub fn set_motion(active: u32, inactive: u32, still: Duration) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { ncs_sys::iothub_board_motion_set(active, inactive, milliseconds(still)) })
}

/// Searches for the position. [`Event::Located`] ends each search that was begun.
///
/// # Errors
/// ENOTSUP where nothing can tell it, EBUSY while a search is under way.
pub fn locate(timeout: Duration) -> Result<(), Errno> {
    // SAFETY: takes a number only.
    check(unsafe { ncs_sys::iothub_board_locate(milliseconds(timeout)) })
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
        _ => return,
    };
    if let Some(handler) = HANDLER.get() {
        handler(event);
    }
}
