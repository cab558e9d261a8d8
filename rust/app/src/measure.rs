//! Readings of the board's sensors. A board without one has no such field; one that fails, hangs or
//! lies is left out of the reading, and the log says so once until it works again.

use core::sync::atomic::{AtomicU32, Ordering};

use iothub::Instant;
use ncs::board::{self, Sensor};

use crate::{
    modem,
    reading::{Environment, FuelGauge, Position, Value},
    time::UnixTime,
};

/// What sensors of the kind can say at all: outside of it they lie.
const RANGES: [(Sensor, &str, i32, i32); 17] = [
    (Sensor::Temperature, "temperature", -40_000, 85_000),
    // The schema of the documents begins at 1 %.
    (Sensor::Humidity, "humidity", 1_000, 100_000),
    (Sensor::Pressure, "pressure", 30_000, 110_000),
    (Sensor::Gas, "gas", 1, i32::MAX),
    (Sensor::Light, "light", 0, 200_000),
    (Sensor::BatteryVoltage, "battery voltage", 1, 20_000),
    (Sensor::BatteryCurrent, "battery current", -10_000, 10_000),
    (
        Sensor::BatteryTemperature,
        "battery temperature",
        -400,
        1_000,
    ),
    (Sensor::BatteryCharge, "battery charge", 0, 100),
    (Sensor::TimeToEmpty, "time to empty", 1, i32::MAX),
    (Sensor::TimeToFull, "time to full", 1, i32::MAX),
    (Sensor::Latitude, "latitude", -900_000_000, 900_000_000),
    (
        Sensor::Longitude,
        "longitude",
        -1_800_000_000,
        1_800_000_000,
    ),
    (Sensor::Accuracy, "accuracy", 0, i32::MAX),
    (Sensor::Altitude, "altitude", -100_000, 1_000_000),
    (Sensor::Speed, "speed", 0, 100_000),
    (Sensor::Heading, "heading", 0, 36_000),
];

/// A bit for each sensor that does not work.
static FAILING: AtomicU32 = AtomicU32::new(0);

fn read(sensor: Sensor) -> Option<i32> {
    let at = RANGES.iter().position(|(of, ..)| *of == sensor)?;
    let (_, name, least, most) = RANGES.get(at)?;
    let bit = 1 << at;
    let value = match board::read(sensor) {
        Ok(value) if (*least..=*most).contains(&value) => value,
        Err(errno) if board::is_missing(errno) => return None,
        result => {
            if FAILING.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
                match result {
                    Ok(value) => log::warn!("{name}: {value} cannot be, and is left out"),
                    Err(errno) => log::warn!("{name}: {errno}, and is left out"),
                }
            }
            return None;
        }
    };
    if FAILING.fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
        log::info!("{name} is there again");
    }
    Some(value)
}

/// Sensors that do not work now, a bit each in the order of the documents.
pub(crate) fn failing() -> u32 {
    FAILING.load(Ordering::Relaxed)
}

#[cfg(test)]
pub(crate) fn forget() {
    FAILING.store(0, Ordering::Relaxed);
}

/// `None` for a board without any such sensor, and where none works.
pub(crate) fn environment() -> Option<Value> {
    let environment = Environment {
        temperature: read(Sensor::Temperature),
        humidity: read(Sensor::Humidity),
        pressure: read(Sensor::Pressure),
        gas: read(Sensor::Gas),
        light: read(Sensor::Light),
    };
    (environment != Environment::default()).then_some(Value::Environment(environment))
}

/// mV: the fuel gauge's where there is one, else the modem's.
pub(crate) fn battery() -> Option<Value> {
    let gauge = read(Sensor::BatteryVoltage).and_then(|value| u16::try_from(value).ok());
    gauge.or_else(modem::battery).map(Value::Battery)
}

/// Whole, or not at all: the documents demand each of its fields.
pub(crate) fn fuel_gauge() -> Option<Value> {
    let seconds = |sensor| read(sensor).map(i32::unsigned_abs);
    Some(Value::FuelGauge(FuelGauge {
        charge: u8::try_from(read(Sensor::BatteryCharge)?).ok()?,
        voltage: u16::try_from(read(Sensor::BatteryVoltage)?).ok()?,
        current: read(Sensor::BatteryCurrent)?,
        temperature: read(Sensor::BatteryTemperature)?,
        to_empty: seconds(Sensor::TimeToEmpty),
        to_full: seconds(Sensor::TimeToFull),
    }))
}

/// The position that a search has found, and when the device was there.
pub(crate) fn position(now: Instant) -> Option<(Value, Instant, Option<UnixTime>)> {
    let position = Position {
        latitude: read(Sensor::Latitude)?,
        longitude: read(Sensor::Longitude)?,
        accuracy: read(Sensor::Accuracy)?,
        altitude: read(Sensor::Altitude)?,
        speed: read(Sensor::Speed)?,
        heading: read(Sensor::Heading),
    };
    let age = board::read(Sensor::FixAge).map_or(0, |age| u64::try_from(age).unwrap_or(0));
    let taken = Instant::from_millis(now.as_millis().saturating_sub(age));
    let age = core::time::Duration::from_millis(age);
    let time = UnixTime::now().and_then(|time| time.before(age));
    Some((Value::Position(position), taken, time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sensor_but_the_age_of_a_fix_has_a_range() {
        for (at, (sensor, name, least, most)) in RANGES.iter().enumerate() {
            assert!(least < most, "{name}");
            let same = RANGES.iter().filter(|(of, ..)| of == sensor).count();
            assert_eq!((same, at < 32), (1, true), "{name}");
        }
    }
}
