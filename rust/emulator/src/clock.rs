//! The one clock of the service: the wall clock plus a shift that a test can set.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;
use tokio::sync::watch;

/// Milliseconds since 1970-01-01T00:00Z.
pub(crate) type UnixMs = i64;

/// The service's idea of the time.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    shift_ms: watch::Sender<i64>,
}

impl Clock {
    /// Now, with the shift applied.
    pub(crate) fn now(&self) -> UnixMs {
        let real = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
        let real = i64::try_from(real).unwrap_or(i64::MAX);
        real.saturating_add(self.shift_ms())
    }

    /// Moves the clock to `shift_ms` beside the wall clock.
    pub(crate) fn set_shift_ms(&self, shift_ms: i64) {
        self.shift_ms.send_replace(shift_ms);
    }

    /// The shift that is set.
    pub(crate) fn shift_ms(&self) -> i64 {
        *self.shift_ms.borrow()
    }

    /// Waits until it is `at` by this clock, however it is moved meanwhile.
    pub(crate) async fn reaches(&self, at: UnixMs) {
        let mut shift = self.shift_ms.subscribe();
        loop {
            let left = match u64::try_from(at.saturating_sub(self.now())) {
                Ok(left) if left > 0 => Duration::from_millis(left),
                _ => return,
            };
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                // The sender is this clock: it cannot be gone.
                _ = shift.changed() => {}
            }
        }
    }
}

/// The form that Azure uses in JSON: `2026-11-21T04:02:05.123Z`.
pub(crate) fn rfc3339(at: UnixMs) -> String {
    let Ok(moment) = OffsetDateTime::from_unix_timestamp(at.div_euclid(1000)) else {
        return NEVER.to_owned();
    };
    let Ok(year) = u32::try_from(moment.year()) else {
        return NEVER.to_owned();
    };
    // By hand: every event and every change of a twin has one.
    let mut text = String::with_capacity(NEVER.len() + 4);
    let mut number = |value: u32, digits: u32, behind: char| {
        for digit in (0..digits).rev() {
            let digit = value / 10u32.pow(digit) % 10;
            text.push(char::from_digit(digit, 10).unwrap_or('0'));
        }
        text.push(behind);
    };
    let milliseconds = u32::try_from(at.rem_euclid(1000)).unwrap_or_default();
    number(year, 4, '-');
    number(u8::from(moment.month()).into(), 2, '-');
    number(moment.day().into(), 2, 'T');
    number(moment.hour().into(), 2, ':');
    number(moment.minute().into(), 2, ':');
    number(moment.second().into(), 2, '.');
    number(milliseconds, 3, 'Z');
    text
}

/// The form of RFC 1123, which Azure's management uses for certificates: `Sat, 31 Dec 2039 23:59:59
/// GMT`.
pub(crate) fn rfc1123(at: UnixMs) -> String {
    const FORMAT: &[FormatItem<'_>] = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    OffsetDateTime::from_unix_timestamp(at.div_euclid(1000))
        .ok()
        .and_then(|at| at.format(FORMAT).ok())
        .unwrap_or_default()
}

/// Reads RFC 3339; `None` if it is something else.
pub(crate) fn parse_rfc3339(text: &str) -> Option<UnixMs> {
    let at = OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

/// What Azure writes where something has never happened.
pub(crate) const NEVER: &str = "0001-01-01T00:00:00Z";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_parses_the_same_instant() {
        assert_eq!(rfc3339(1_795_233_725_123), "2026-11-21T04:02:05.123Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc1123(1_795_233_725_123), "Sat, 21 Nov 2026 04:02:05 GMT");
        assert_eq!(rfc1123(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
        assert_eq!(
            parse_rfc3339("2026-11-21T04:02:05.123Z"),
            Some(1_795_233_725_123)
        );
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
