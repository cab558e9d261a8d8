//! Numbers and texts in a log line, without what core has for padding and alignment: that takes
//! more than a kilobyte, and no line of ours uses it.

use core::fmt;

/// A whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    magnitude: u32,
}

impl From<u32> for Decimal {
    fn from(magnitude: u32) -> Self {
        Self {
            negative: false,
            magnitude,
        }
    }
}

impl From<i32> for Decimal {
    fn from(number: i32) -> Self {
        Self {
            negative: number < 0,
            magnitude: number.unsigned_abs(),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let mut digits = [0; 10];
        let mut unused = digits.len();
        let mut rest = self.magnitude;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            unused -= 1;
            if rest == 0 {
                break;
            }
        }
        let digits = digits.get(unused..).unwrap_or_default();
        f.write_str(core::str::from_utf8(digits).unwrap_or_default())
    }
}

/// A text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain<'a>(pub &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;

    use super::*;

    #[test]
    fn numbers_as_core_writes_them() {
        for number in [0, 1, -1, 9, 10, 99, 100, i32::MAX, i32::MIN] {
            assert_eq!(Decimal::from(number).to_string(), number.to_string());
        }
        for number in [u32::MAX, 1_000_000_000, 4_000_000_000] {
            assert_eq!(Decimal::from(number).to_string(), number.to_string());
        }
    }
}
