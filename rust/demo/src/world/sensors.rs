//! What sensors say in a world, and its time of day.

use std::time::Duration;

use iothub_host::{Sensor, Unavailable};

use super::{FaultKind, State, World};

impl World {
    /// Milliseconds since 1970; `None` while nobody has told the device.
    pub(super) fn time(&self, since: Duration) -> Option<i64> {
        if !self.is_time_known(since) {
            return None;
        }
        let since = i64::try_from(since.as_millis()).ok()?;
        self.start_ms().checked_add(since)
    }

    /// `found`: the last position, and when the device was there.
    pub(super) fn measure(
        &self,
        sensor: Sensor,
        since: Duration,
        found: Option<(State, Duration)>,
    ) -> Result<i32, Unavailable> {
        match self.fault(sensor, since) {
            Some(FaultKind::Broken) => return Err(Unavailable::Broken),
            Some(FaultKind::Hangs) => return Err(Unavailable::Hangs),
            Some(FaultKind::NotANumber) => return Err(Unavailable::NotANumber),
            Some(FaultKind::Lies) => return Ok(i32::MAX),
            None => {}
        }
        let now = self.at(since);
        let position = || found.ok_or(Unavailable::Missing);
        let value = match sensor {
            Sensor::Temperature => now.temperature * 1000.0,
            Sensor::Humidity => now.humidity * 1000.0,
            Sensor::Pressure => now.pressure,
            Sensor::Gas => 50_000.0 + now.humidity * 500.0,
            Sensor::Light => now.light,
            // A lithium cell between 3.3 and 4.15 V.
            Sensor::BatteryVoltage => 3300.0 + now.charge * 8.5,
            Sensor::BatteryCurrent if now.is_charged => -400.0,
            Sensor::BatteryCurrent => 14.0,
            Sensor::BatteryTemperature => now.temperature * 10.0 + 30.0,
            Sensor::BatteryCharge => now.charge,
            Sensor::TimeToEmpty if !now.is_charged => now.charge.max(1.0) * 36.0 * 70.0,
            Sensor::TimeToFull if now.is_charged => (101.0 - now.charge) * 72.0,
            Sensor::Latitude => position()?.0.latitude * 1e7,
            Sensor::Longitude => position()?.0.longitude * 1e7,
            Sensor::Accuracy => 42.0,
            Sensor::Altitude => position()?.0.altitude * 10.0,
            Sensor::Speed => position()?.0.speed * 100.0,
            Sensor::Heading => position()?.0.heading * 100.0,
            Sensor::FixAge => since.saturating_sub(position()?.1).as_secs_f64() * 1000.0,
            _ => return Err(Unavailable::Missing),
        };
        // Everything in a world is far within.
        Ok(value.round() as i32)
    }
}
