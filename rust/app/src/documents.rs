//! The documents that nRF Asset Tracker's back ends know: readings as `{"v":…,"ts":…}`, ts in
//! milliseconds since 1970, in batches for telemetry and one of each kind for the twin. Units are
//! those of its schemas (npm `@nordicsemiconductor/asset-tracker-cloud-docs`).

use core::fmt::{Result, Write};

use crate::{
    decimal::Decimal,
    reading::{Environment, FuelGauge, Kind, Network, Position, Reading, Value},
};

/// A text of bounded length; what does not fit is an error of the whole.
pub(crate) struct Text<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl<'b> Text<'b> {
    pub(crate) fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Bytes that are left.
    pub(crate) fn room(&self) -> usize {
        self.buffer.len() - self.len
    }

    /// What was written.
    pub(crate) fn finish(self) -> &'b [u8] {
        let Self { buffer, len } = self;
        buffer.get(..len).unwrap_or_default()
    }
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> Result {
        let end = self.len + text.len();
        let room = self.buffer.get_mut(self.len..end).ok_or(core::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Writes the oldest readings as one batch, as many as `room` bytes take; how many, and the length.
/// None for an empty list, and for a buffer that does not even take one.
pub(crate) fn batch<'r>(
    readings: impl Iterator<Item = &'r Reading> + Clone,
    room: &mut [u8],
) -> Option<(usize, usize)> {
    let most = readings.clone().take(MOST).count();
    (1..=most).rev().find_map(|count| {
        let mut text = Text::new(room);
        write_batch(&mut text, readings.clone().take(count))
            .ok()
            .map(|()| (count, text.len))
    })
}

/// More do not fit a message of the sizes that a device has.
const MOST: usize = 24;

fn write_batch<'r>(
    out: &mut dyn Write,
    readings: impl Iterator<Item = &'r Reading> + Clone,
) -> Result {
    let mut separator = "{";
    for kind in Kind::ALL {
        let mut of_kind = readings
            .clone()
            .filter(|reading| reading.value.kind() == kind);
        let Some(first) = of_kind.next() else {
            continue;
        };
        write!(out, "{separator}\"{}\":[", kind.name())?;
        write_reading(out, first, Absent::LeftOut)?;
        for reading in of_kind {
            out.write_str(",")?;
            write_reading(out, reading, Absent::LeftOut)?;
        }
        out.write_str("]")?;
        separator = ",";
    }
    out.write_str("}")
}

/// Writes a patch of the reported properties, with the newest reading of each kind. `None` where
/// there is none, or no room.
pub(crate) fn reported<'b, 'r>(
    readings: impl Iterator<Item = &'r Reading>,
    room: &'b mut [u8],
) -> Option<&'b [u8]> {
    let mut text = Text::new(room);
    let mut separator = "{";
    for reading in readings {
        write!(text, "{separator}\"{}\":", reading.value.kind().name()).ok()?;
        write_reading(&mut text, reading, Absent::Null).ok()?;
        separator = ",";
    }
    text.write_str("}").ok()?;
    let written = text.finish();
    (written.len() > 1).then_some(written)
}

/// What stands for a value that a reading has not.
#[derive(Clone, Copy)]
enum Absent {
    LeftOut,
    /// In a twin, which is merged: the value of an earlier reading would stay.
    Null,
}

/// Without `ts` where the time is not known: the hub's own is then the best there is.
fn write_reading(out: &mut dyn Write, reading: &Reading, absent: Absent) -> Result {
    out.write_str("{\"v\":")?;
    match &reading.value {
        Value::Environment(environment) => write_environment(out, environment, absent)?,
        Value::Battery(millivolts) => write!(out, "{millivolts}")?,
        Value::FuelGauge(gauge) => write_fuel_gauge(out, gauge, absent)?,
        Value::Position(position) => write_position(out, position, absent)?,
        Value::Network(network) => write_network(out, network, absent)?,
        Value::Button(number) => write!(out, "{number}")?,
        Value::Impact(strength) => {
            write!(out, "{}", Decimal::new(i32::from(*strength), 2))?;
        }
    }
    match (reading.time(), absent) {
        (Some(time), _) => write!(out, ",\"ts\":{}}}", time.as_millis()),
        (None, _) => out.write_str("}"),
    }
}

struct Members<'o> {
    out: &'o mut dyn Write,
    separator: &'static str,
    absent: Absent,
}

impl<'o> Members<'o> {
    fn new(out: &'o mut dyn Write, absent: Absent) -> Self {
        Self {
            out,
            separator: "{",
            absent,
        }
    }

    fn member(&mut self, name: &str, value: Option<impl core::fmt::Display>) -> Result {
        match (value, self.absent) {
            (Some(value), _) => write!(self.out, "{}\"{name}\":{value}", self.separator)?,
            (None, Absent::Null) => write!(self.out, "{}\"{name}\":null", self.separator)?,
            (None, Absent::LeftOut) => return Ok(()),
        }
        self.separator = ",";
        Ok(())
    }

    fn end(self) -> Result {
        if self.separator == "{" {
            self.out.write_str("{")?;
        }
        self.out.write_str("}")
    }
}

fn decimal(value: Option<i32>, places: u32) -> Option<Decimal> {
    value.map(|value| Decimal::new(value, places))
}

fn write_environment(out: &mut dyn Write, of: &Environment, absent: Absent) -> Result {
    let mut members = Members::new(out, absent);
    members.member("temp", decimal(of.temperature, 3))?;
    members.member("hum", decimal(of.humidity, 3))?;
    members.member("atmp", decimal(of.pressure, 3))?;
    members.member("gas", of.gas)?;
    members.member("light", of.light)?;
    members.end()
}

fn write_fuel_gauge(out: &mut dyn Write, of: &FuelGauge, absent: Absent) -> Result {
    let mut members = Members::new(out, absent);
    members.member("V", Some(of.voltage))?;
    members.member("I", Some(of.current))?;
    members.member("T", Some(of.temperature))?;
    members.member("SoC", Some(of.charge))?;
    members.member("TTE", of.to_empty)?;
    members.member("TTF", of.to_full)?;
    members.end()
}

fn write_position(out: &mut dyn Write, of: &Position, absent: Absent) -> Result {
    let mut members = Members::new(out, absent);
    members.member("lng", decimal(Some(of.longitude), 7))?;
    members.member("lat", decimal(Some(of.latitude), 7))?;
    members.member("acc", decimal(Some(of.accuracy), 1))?;
    members.member("alt", decimal(Some(of.altitude), 1))?;
    members.member("spd", decimal(Some(of.speed), 2))?;
    members.member("hdg", decimal(of.heading, 2))?;
    members.end()
}

fn write_network(out: &mut dyn Write, of: &Network, absent: Absent) -> Result {
    let mut members = Members::new(out, absent);
    members.member("band", of.earfcn)?;
    let technology = if of.is_nb_iot {
        "\"NB-IoT\""
    } else {
        "\"LTE-M\""
    };
    members.member("nw", Some(technology))?;
    members.member("rsrp", of.rsrp)?;
    members.member("area", Some(of.area))?;
    members.member("mccmnc", Some(of.mccmnc))?;
    members.member("cell", Some(of.cell))?;
    members.member("ip", of.address.map(Quoted))?;
    members.member("eest", of.energy)?;
    members.end()
}

/// An address needs no escapes.
struct Quoted(core::net::IpAddr);

impl core::fmt::Display for Quoted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> Result {
        write!(f, "\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use iothub::Instant;
    use std::string::String;

    use super::*;
    use crate::{reading::Taken, time::UnixTime};

    const TIME: i64 = 1_800_000_000_000;

    fn reading(value: Value) -> Reading {
        Reading {
            taken: Taken::At(UnixTime::from_millis(TIME).expect("a time")),
            value,
        }
    }

    fn position() -> Value {
        Value::Position(Position {
            latitude: -274_698_000,
            longitude: 1_530_251_000,
            accuracy: 42,
            altitude: 281,
            speed: 1389,
            heading: None,
        })
    }

    fn whole(readings: &[Reading]) -> String {
        let mut buffer = [0; 1024];
        let (count, len) = batch(readings.iter(), &mut buffer).expect("it fits");
        assert_eq!(count, readings.len());
        String::from_utf8(buffer[..len].into()).expect("text")
    }

    #[test]
    fn a_batch_has_an_array_for_each_kind_there_is() {
        let environment = Environment {
            temperature: Some(21_530),
            humidity: Some(40_000),
            pressure: Some(101_325),
            ..Environment::default()
        };
        let network = Network {
            is_nb_iot: false,
            earfcn: Some(9410),
            rsrp: Some(-97),
            area: 6699,
            mccmnc: 50501,
            cell: 19_088_743,
            address: Some([192, 0, 2, 17].into()),
            energy: Some(8),
        };
        assert_eq!(
            whole(&[
                reading(Value::Network(network)),
                reading(Value::Environment(environment)),
                reading(position()),
                reading(Value::Environment(Environment {
                    humidity: None,
                    ..environment
                })),
                reading(Value::Impact(1050)),
                Reading {
                    taken: Taken::Unstamped(Instant::from_millis(1)),
                    ..reading(Value::Button(1))
                },
            ]),
            "{\"gnss\":[{\"v\":{\"lng\":153.0251,\"lat\":-27.4698,\"acc\":4.2,\"alt\":28.1,\"spd\":13.89},\
             \"ts\":1800000000000}],\
             \"env\":[{\"v\":{\"temp\":21.53,\"hum\":40,\"atmp\":101.325},\"ts\":1800000000000},\
             {\"v\":{\"temp\":21.53,\"atmp\":101.325},\"ts\":1800000000000}],\
             \"btn\":[{\"v\":1}],\"impact\":[{\"v\":10.5,\"ts\":1800000000000}],\
             \"roam\":[{\"v\":{\"band\":9410,\"nw\":\"LTE-M\",\"rsrp\":-97,\"area\":6699,\"mccmnc\":50501,\
             \"cell\":19088743,\"ip\":\"192.0.2.17\",\"eest\":8},\"ts\":1800000000000}]}"
        );
    }

    #[test]
    fn a_batch_takes_as_many_of_the_oldest_as_there_is_room_for() {
        let readings: std::vec::Vec<_> = (1..=9)
            .map(|number| reading(Value::Button(number)))
            .collect();
        let mut buffer = [0; 64];
        let (count, len) = batch(readings.iter(), &mut buffer).expect("two");
        assert_eq!(
            (count, &buffer[..len]),
            (
                2,
                &b"{\"btn\":[{\"v\":1,\"ts\":1800000000000},{\"v\":2,\"ts\":1800000000000}]}"[..]
            )
        );
        assert_eq!(batch(readings.iter(), &mut [0; 20]), None);
        assert_eq!(batch([].iter(), &mut buffer), None);
    }

    #[test]
    fn what_a_reading_in_the_twin_has_not_any_more_is_taken_away() {
        let gauge = Value::FuelGauge(FuelGauge {
            voltage: 3950,
            current: -120,
            temperature: 287,
            charge: 71,
            to_empty: None,
            to_full: Some(3600),
        });
        let readings = [
            reading(gauge),
            reading(Value::Battery(3950)),
            reading(position()),
        ];
        let mut buffer = [0; 512];
        assert_eq!(
            reported(readings.iter(), &mut buffer)
                .and_then(|patch| std::str::from_utf8(patch).ok()),
            Some(
                "{\"fg\":{\"v\":{\"V\":3950,\"I\":-120,\"T\":287,\"SoC\":71,\"TTE\":null,\"TTF\":3600},\"ts\":1800000000000},\
                 \"bat\":{\"v\":3950,\"ts\":1800000000000},\
                 \"gnss\":{\"v\":{\"lng\":153.0251,\"lat\":-27.4698,\"acc\":4.2,\"alt\":28.1,\"spd\":13.89,\"hdg\":null},\
                 \"ts\":1800000000000}}"
            )
        );
        assert_eq!(reported([].iter(), &mut buffer), None);
        assert_eq!(reported(readings.iter(), &mut buffer[..40]), None);
    }

    #[test]
    fn a_board_without_sensors_has_an_empty_object() {
        assert_eq!(
            whole(&[reading(Value::Environment(Environment::default()))]),
            "{\"env\":[{\"v\":{},\"ts\":1800000000000}]}"
        );
    }
}
