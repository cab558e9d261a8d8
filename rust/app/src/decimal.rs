//! Numbers with a fixed point: written and read without floating point, which would take 20 KiB of
//! a Cortex-M's flash.

use core::fmt;

/// `value` divided by ten to the power of `places`. Zeros at the end are not written: 21.5, not
/// 21.500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) value: i32,
    pub(crate) places: u32,
}

impl Decimal {
    pub(crate) const fn new(value: i32, places: u32) -> Self {
        Self { value, places }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut magnitude, mut places) = (self.value.unsigned_abs(), self.places);
        while places > 0 && magnitude.is_multiple_of(10) {
            magnitude /= 10;
            places -= 1;
        }
        let sign = if self.value < 0 { "-" } else { "" };
        let unit = 10_u32.saturating_pow(places);
        write!(f, "{sign}{}", magnitude / unit)?;
        match usize::try_from(places) {
            Ok(width) if width > 0 => write!(f, ".{:0width$}", magnitude % unit),
            _ => Ok(()),
        }
    }
}

/// A JSON number times ten to the power of `places`, what is behind cut off; `None` where it is no
/// number, or larger than anything that is measured here.
pub(crate) fn parse(raw: &[u8], places: i32) -> Option<i64> {
    let (negative, rest) = match raw.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, raw),
    };
    let at = rest
        .iter()
        .position(|byte| matches!(byte, b'e' | b'E'))
        .unwrap_or(rest.len());
    let (mantissa, exponent) = rest.split_at(at);
    let exponent = match exponent.get(1..) {
        None => 0,
        Some(digits) => core::str::from_utf8(digits).ok()?.parse::<i32>().ok()?,
    };
    let point = mantissa.iter().position(|byte| *byte == b'.');
    let behind = point.map_or(0, |point| mantissa.len() - point - 1);
    if mantissa.is_empty() || point == Some(0) || point.is_some_and(|_| behind == 0) {
        return None;
    }
    let mut value = 0_i64;
    for (at, byte) in mantissa.iter().enumerate() {
        if Some(at) == point {
            continue;
        }
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value = value.checked_mul(10)?.checked_add(i64::from(digit))?;
    }
    let shift = places
        .checked_add(exponent)?
        .checked_sub(i32::try_from(behind).ok()?)?;
    for _ in 0..shift.unsigned_abs().min(SHIFT_MAX) {
        value = match shift > 0 {
            true => value.checked_mul(10)?,
            false => value / 10,
        };
    }
    Some(if negative { -value } else { value })
}

/// Past this many tens every `i64` has overflowed, or is 0.
const SHIFT_MAX: u32 = 20;

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::*;

    #[test]
    fn writes_as_few_digits_as_say_it() {
        for (value, places, expected) in [
            (21_500, 3, "21.5"),
            (-50, 3, "-0.05"),
            (0, 7, "0"),
            (1_530_251_000, 7, "153.0251"),
            (-274_698_001, 7, "-27.4698001"),
            (i32::MIN, 7, "-214.7483648"),
            (100, 0, "100"),
        ] {
            let mut text = heapless::String::<16>::new();
            write!(text, "{}", Decimal::new(value, places)).unwrap();
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn reads_every_form_that_json_has_for_a_number() {
        for (raw, expected) in [
            ("10.5", Some(10_500)),
            ("10", Some(10_000)),
            ("-0.08", Some(-80)),
            ("1e1", Some(10_000)),
            ("1.05E+1", Some(10_500)),
            ("784532e-4", Some(78_453)),
            ("1e-9", Some(0)),
            ("0e99999", Some(0)),
            ("1e99999", None),
            ("99999999999999999999", None),
            ("1e2147483647", None),
            ("", None),
            ("-", None),
            (".5", None),
            ("true", None),
            ("1:", None),
            ("\"5\"", None),
            ("1.2.3", None),
            ("1.", None),
            ("1e", None),
        ] {
            assert_eq!(parse(raw.as_bytes(), 3), expected, "{raw}");
        }
    }
}
