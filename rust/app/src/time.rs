//! The time of day.

use core::{fmt, time::Duration};

/// Milliseconds since 1970 in UTC, of a moment in which a device can have lived: from February
/// 2009, as nRF Asset Tracker's documents demand, to the end of the year 9999, where the format of
/// ISO 8601 ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UnixTime(i64);

impl UnixTime {
    pub(crate) fn from_millis(millis: i64) -> Option<Self> {
        (EARLIEST..=LATEST)
            .contains(&millis)
            .then_some(Self(millis))
    }

    /// The board's time. A clock that nobody has set, or that is off by decades, is none.
    pub(crate) fn now() -> Option<Self> {
        ncs::board::unix_time_ms().and_then(Self::from_millis)
    }

    pub(crate) fn as_millis(self) -> i64 {
        self.0
    }

    /// So long before; `None` before the earliest.
    pub(crate) fn before(self, span: Duration) -> Option<Self> {
        let span = i64::try_from(span.as_millis()).ok()?;
        Self::from_millis(self.0.checked_sub(span)?)
    }
}

const EARLIEST: i64 = 1_234_567_890_123;
const LATEST: i64 = 253_402_300_799_999;

/// As in `2026-11-30T22:51:00.000Z`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, of_day) = (self.0 / DAY, self.0 % DAY);
        let (year, month, day) = date(days);
        let (seconds, millis) = (of_day / 1000, of_day % 1000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    }
}

const DAY: i64 = 86_400_000;

/// Year, month and day of the Gregorian calendar, so many days after 1 January 1970. Counted in
/// years that begin in March, so that the leap day is the last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_FROM_0000_03_01;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

const DAYS_FROM_0000_03_01: i64 = 719_468;

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::*;

    #[test]
    fn is_written_as_iso_8601_also_after_2038() {
        for (millis, expected) in [
            (1_234_567_890_123, "2009-02-13T23:31:30.123Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (2_147_483_648_000, "2038-01-19T03:14:08.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            let time = UnixTime::from_millis(millis).unwrap();
            let mut text = heapless::String::<32>::new();
            write!(text, "{time}").unwrap();
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_clock_that_nobody_has_set_is_no_time() {
        for millis in [
            i64::MIN,
            -1,
            0,
            49_101,
            1_234_567_890_122,
            253_402_300_800_000,
            i64::MAX,
        ] {
            assert_eq!(UnixTime::from_millis(millis), None, "{millis}");
        }
        let earliest = UnixTime::from_millis(EARLIEST).unwrap();
        assert_eq!(earliest.before(Duration::from_millis(1)), None);
        assert_eq!(earliest.before(Duration::MAX), None);
    }
}
