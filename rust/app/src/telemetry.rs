//! Telemetry: a temperature, since a Thingy:91 has one to offer.

use core::fmt::Write;

use iothub::{Property, Telemetry};

use crate::interval;

pub(crate) fn send_for_ever() -> ! {
    let mut sensor = Sensor::default();
    loop {
        let sent_at = iothub::now();
        send(sensor.read(), sent_at.as_millis());
        // The interval may change while we wait: then the rest of the new one counts.
        loop {
            let due = sent_at + interval::current();
            if iothub::now() >= due {
                break;
            }
            iothub::wait(Some(due));
        }
    }
}

fn send(tenths: i32, timestamp: u64) {
    let mut payload = heapless::String::<64>::new();
    let written = write!(
        payload,
        r#"{{"temperature":{}.{},"timestamp":{timestamp}}}"#,
        tenths / 10,
        tenths % 10
    );
    if written.is_err() {
        return;
    }
    let alert = [Property {
        name: "temperatureAlert",
        value: Some(if tenths > ALERT { "true" } else { "false" }),
    }];
    let mut message = Telemetry::json(payload.as_bytes());
    message.properties = &alert;
    match iothub::send(&message) {
        Ok(id) => log::info!("telemetry {} queued: {payload}", id.as_u32()),
        Err(error) => log::warn!("telemetry not accepted: {error}"),
    }
}

/// Tenths of a degree above which `temperatureAlert` is true.
const ALERT: i32 = 300;

/// A temperature in tenths of a degree that wanders between 22 and 28.
#[derive(Default)]
struct Sensor {
    step: u32,
}

impl Sensor {
    fn read(&mut self) -> i32 {
        self.step = self.step.wrapping_add(1);
        let turn = i32::try_from(self.step * 7 % 120).unwrap_or(0);
        let wave = if turn < 60 { turn } else { 120 - turn };
        220 + wave
    }
}

#[cfg(test)]
mod tests {
    use super::Sensor;

    #[test]
    fn stays_within_what_a_room_has() {
        let mut sensor = Sensor::default();
        let readings: [i32; 500] = core::array::from_fn(|_| sensor.read());
        assert!(readings.iter().all(|tenths| (220..=280).contains(tenths)));
        assert!(readings.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
