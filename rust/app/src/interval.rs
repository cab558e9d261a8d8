//! The desired property `telemetryInterval`.

use core::{cell::Cell, fmt::Write, time::Duration};

use critical_section::Mutex;
use iothub::twin;

/// What counts now.
pub(crate) fn current() -> Duration {
    critical_section::with(|cs| INTERVAL.borrow(cs).get())
}

/// Takes over what the device's own settings say.
pub(crate) fn load() {
    let own = iothub::telemetry_interval();
    if own != current() {
        set(own);
    }
}

/// Makes it the device's own setting, and counts from now on.
pub(crate) fn store(seconds: u32) -> Result<(), iothub::Errno> {
    iothub::store_telemetry_interval(seconds)?;
    set(Duration::from_secs(seconds.into()));
    Ok(())
}

pub(crate) fn on_twin(twin: &twin::Document<'_>) {
    apply(wish(&twin.desired()), twin.version);
}

pub(crate) fn on_desired(desired: &twin::Desired<'_>) {
    apply(wish(&desired.properties()), desired.version);
}

fn apply(wish: Wish, version: u64) {
    let (status, reason) = match wish {
        Wish::Absent => return,
        Wish::Removed => {
            load();
            return;
        }
        Wish::Seconds(seconds) => {
            set(Duration::from_secs(seconds.into()));
            (200, "")
        }
        Wish::Bad => (400, "telemetryInterval is 1 to 86400 seconds"),
    };
    if let Some(report) = acknowledgement(current().as_secs(), status, version, reason)
        && let Err(error) = iothub::report(report.as_bytes(), None)
    {
        log::warn!("telemetryInterval cannot be reported: {error}");
    }
}

fn set(interval: Duration) {
    critical_section::with(|cs| INTERVAL.borrow(cs).set(interval));
    log::info!("telemetry every {} s", interval.as_secs());
    iothub::wake();
}

/// The acknowledgement of a writable property as IoT Plug and Play has it: value, code, version, description.
fn acknowledgement(
    seconds: u64,
    status: u16,
    version: u64,
    reason: &str,
) -> Option<heapless::String<160>> {
    let mut report = heapless::String::new();
    write!(
        report,
        r#"{{"telemetryInterval":{{"value":{seconds},"ac":{status},"av":{version}"#
    )
    .ok()?;
    if !reason.is_empty() {
        write!(report, r#","ad":"{reason}""#).ok()?;
    }
    report.push_str("}}").ok()?;
    Some(report)
}

static INTERVAL: Mutex<Cell<Duration>> = Mutex::new(Cell::new(iothub::TELEMETRY_INTERVAL));

/// What the twin says of the interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Absent,
    Removed,
    Seconds(u32),
    Bad,
}

fn wish(desired: &twin::View<'_>) -> Wish {
    match desired.raw("telemetryInterval") {
        None => Wish::Absent,
        Some(b"null") => Wish::Removed,
        Some(raw) => seconds(raw).map_or(Wish::Bad, Wish::Seconds),
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
    use super::*;

    fn wish(value: &str) -> Wish {
        let mut patch = heapless::String::<256>::new();
        write!(
            patch,
            r#"{{"other":{{"a":[1,"x",null]}},"telemetryInterval":{value},"$version":9}}"#
        )
        .unwrap();
        super::wish(&twin::View::new(patch.as_bytes()))
    }

    #[test]
    fn numbers_and_strings_of_digits_are_seconds() {
        for (value, seconds) in [("1", 1), ("86400", 86_400), ("\"5\"", 5), ("\"0010\"", 10)] {
            assert_eq!(wish(value), Wish::Seconds(seconds), "{value}");
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
            "[5]",
            "{\"value\":5}",
            "99999999999",
            "\"99999999999999999999999\"",
        ] {
            assert_eq!(wish(value), Wish::Bad, "{value}");
        }
    }

    #[test]
    fn null_takes_the_property_away_and_its_absence_says_nothing() {
        assert_eq!(wish("null"), Wish::Removed);
        assert_eq!(
            super::wish(&twin::View::new(b"{\"$version\":1}")),
            Wish::Absent
        );
    }

    #[test]
    fn acknowledges_with_value_code_version_and_reason() {
        assert_eq!(
            acknowledgement(5, 200, 7, "").unwrap(),
            r#"{"telemetryInterval":{"value":5,"ac":200,"av":7}}"#
        );
        assert_eq!(
            acknowledgement(5, 400, 8, "no").unwrap(),
            r#"{"telemetryInterval":{"value":5,"ac":400,"av":8,"ad":"no"}}"#
        );
    }
}
