//! The desired property `telemetryInterval`, and the device's own setting behind it.

use core::{cell::Cell, time::Duration};

use critical_section::Mutex;
use iothub::{
    pnp::{Acknowledgement, Patch, Value},
    twin,
};

use crate::client;

/// Who says how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    /// The device's own settings.
    own: Duration,
    /// The twin, which goes before them.
    desired: Option<Duration>,
}

impl Interval {
    fn current(self) -> Duration {
        self.desired.unwrap_or(self.own)
    }
}

/// What counts now.
pub(crate) fn current() -> Duration {
    critical_section::with(|cs| INTERVAL.borrow(cs).get().current())
}

/// Takes over what the device's own settings say.
pub(crate) fn load() {
    let own = iothub::telemetry_interval();
    if change(|interval| interval.own = own) {
        announce();
    }
}

/// Makes it the device's own setting, which counts from now on unless the twin desires another.
pub(crate) fn store(seconds: u32) -> Result<(), iothub::Errno> {
    iothub::store_telemetry_interval(seconds)?;
    let own = Duration::from_secs(seconds.into());
    if change(|interval| interval.own = own) {
        announce();
        report(OWN, 0, "");
    }
    Ok(())
}

/// The whole twin: what is not in it is not desired, even if the device was away when it was
/// removed.
pub(crate) fn on_twin(twin: &twin::Document<'_>) {
    match read(&twin.desired()) {
        Desired::Absent => remove(reported(&twin.reported())),
        desired => apply(desired, twin.version),
    }
}

pub(crate) fn on_desired(desired: &twin::Desired<'_>) {
    apply(read(&desired.properties()), desired.version);
}

fn apply(desired: Desired, version: u64) {
    match desired {
        Desired::Absent => {}
        Desired::Removed => remove(None),
        Desired::Seconds(seconds) => {
            change(|interval| interval.desired = Some(Duration::from_secs(seconds.into())));
            announce();
            report(200, version, "");
        }
        Desired::Bad => report(400, version, "telemetryInterval is 1 to 86400 seconds"),
    }
}

/// The device's own counts again. `reported`: what the hub believes.
fn remove(reported: Option<u64>) {
    let changed = change(|interval| interval.desired = None);
    if changed {
        announce();
    }
    if changed || reported.is_some_and(|seconds| seconds != current().as_secs()) {
        report(OWN, 0, "");
    }
}

/// Whether that changes what counts.
fn change(f: impl FnOnce(&mut Interval)) -> bool {
    critical_section::with(|cs| {
        let cell = INTERVAL.borrow(cs);
        let mut interval = cell.get();
        f(&mut interval);
        cell.replace(interval).current() != interval.current()
    })
}

fn announce() {
    log::info!("telemetry every {} s", current().as_secs());
    // It stands behind the configuration's own interval.
    client::wake();
}

fn report(status: u16, version: u64, reason: &str) {
    let mut buffer = [0; 160];
    let reported = acknowledgement(&mut buffer, current().as_secs(), status, version, reason)
        .and_then(|patch| client::report(patch, None));
    if let Err(error) = reported {
        log::warn!("telemetryInterval cannot be reported: {error}");
    }
}

/// A writable property as IoT Plug and Play has it: value, code, version of the desired properties,
/// description.
fn acknowledgement<'b>(
    buffer: &'b mut [u8],
    seconds: u64,
    status: u16,
    version: u64,
    reason: &str,
) -> Result<&'b [u8], iothub::Error> {
    let answer = Acknowledgement {
        value: Value::Number(i64::try_from(seconds).unwrap_or(i64::MAX)),
        code: status,
        version,
        description: Some(reason).filter(|reason| !reason.is_empty()),
    };
    let mut patch = Patch::new(buffer)?;
    patch.acknowledge("telemetryInterval", &answer)?;
    patch.finish()
}

/// The code of a value that nobody has desired; its version is 0.
const OWN: u16 = 203;

static INTERVAL: Mutex<Cell<Interval>> = Mutex::new(Cell::new(Interval {
    own: iothub::TELEMETRY_INTERVAL,
    desired: None,
}));

fn reported(reported: &twin::View<'_>) -> Option<u64> {
    reported.object("telemetryInterval")?.number("value")
}

/// What the twin says of the interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Desired {
    Absent,
    Removed,
    Seconds(u32),
    Bad,
}

fn read(desired: &twin::View<'_>) -> Desired {
    match desired.raw("telemetryInterval") {
        None => Desired::Absent,
        Some(b"null") => Desired::Removed,
        Some(raw) => seconds(raw).map_or(Desired::Bad, Desired::Seconds),
    }
}

/// 1 to 86400, as a number or a string of digits.
pub(crate) fn seconds(raw: &[u8]) -> Option<u32> {
    let seconds = match serde_json_core::from_slice::<&str>(raw) {
        Ok((digits, _)) => digits_only(digits),
        Err(_) => digits_only(core::str::from_utf8(raw).unwrap_or_default()),
    };
    seconds.filter(|seconds| (1..=iothub::INTERVAL_MAX).contains(seconds))
}

/// No sign, no fraction, no exponent.
fn digits_only(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::*;

    fn desired(value: &str) -> Desired {
        let mut patch = heapless::String::<256>::new();
        write!(
            patch,
            r#"{{"other":{{"a":[1,"x",null]}},"telemetryInterval":{value},"$version":9}}"#
        )
        .unwrap();
        read(&twin::View::new(patch.as_bytes()))
    }

    #[test]
    fn numbers_and_strings_of_digits_are_seconds() {
        for (value, seconds) in [("1", 1), ("86400", 86_400), ("\"5\"", 5), ("\"0010\"", 10)] {
            assert_eq!(desired(value), Desired::Seconds(seconds), "{value}");
        }
    }

    #[test]
    fn anything_else_is_bad_and_named_so() {
        for value in [
            "0",
            "86401",
            "-1",
            "1.5",
            "true",
            "\"\"",
            "\"5 s\"",
            "\"-5\"",
            "\"+5\"",
            "[5]",
            "{\"value\":5}",
            "99999999999",
            "\"99999999999999999999999\"",
        ] {
            assert_eq!(desired(value), Desired::Bad, "{value}");
        }
    }

    #[test]
    fn null_takes_the_property_away_and_its_absence_says_nothing() {
        assert_eq!(desired("null"), Desired::Removed);
        assert_eq!(read(&twin::View::new(b"{\"$version\":1}")), Desired::Absent);
    }

    #[test]
    fn acknowledges_with_value_code_version_and_reason() {
        assert_eq!(
            acknowledgement(&mut [0; 160], 5, 200, 7, "").unwrap(),
            br#"{"telemetryInterval":{"value":5,"ac":200,"av":7,"ad":null}}"#
        );
        assert_eq!(
            acknowledgement(&mut [0; 160], 5, 400, 8, "no").unwrap(),
            br#"{"telemetryInterval":{"value":5,"ac":400,"av":8,"ad":"no"}}"#
        );
    }
}
