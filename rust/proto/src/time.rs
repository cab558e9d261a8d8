//! Time as an argument: the core never reads a clock.

use core::ops::Add;
use core::time::Duration;

/// A moment: milliseconds since boot, as `iothub_platform_uptime_ms` counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment `millis` milliseconds after boot.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since boot.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// No moment at all. It is the moment of the boot, which nothing waits for, since zeros take no
    /// flash.
    pub(crate) const NEVER: Self = Self(0);

    /// The earlier one, [`Instant::NEVER`] being the latest of all.
    pub(crate) fn or_before(self, other: Self) -> Self {
        let first = self.0.wrapping_sub(1).min(other.0.wrapping_sub(1));
        Self(first.wrapping_add(1))
    }

    pub(crate) fn is_due(self, now: Self) -> bool {
        self != Self::NEVER && self <= now
    }

    /// Time passed since `earlier`; zero if that is later.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        let (seconds, millis) = divide(self.0.saturating_sub(earlier.0), 1000);
        Duration::new(seconds, millis * 1_000_000)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates: a wait of `Duration::MAX` never ends. Never the moment of the boot, which stands
    /// for no moment.
    #[inline(never)]
    fn add(self, wait: Duration) -> Self {
        let millis = wait
            .as_secs()
            .saturating_mul(1000)
            .saturating_add(u64::from(wait.subsec_millis()));
        Self(self.0.saturating_add(millis).max(1))
    }
}

/// Quotient and remainder, by a divisor below 2^16: a Cortex-M has no instruction for 64 bits, and
/// a general routine is larger than this.
pub(crate) const fn divide(number: u64, divisor: u32) -> (u64, u32) {
    let mut quotient = 0;
    let mut rest = 0;
    let mut shift = 64;
    while shift > 0 {
        shift -= 16;
        let part = rest << 16 | (number >> shift) as u32 & 0xFFFF;
        quotient = quotient << 16 | (part / divisor) as u64;
        rest = part % divisor;
    }
    (quotient, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divides_as_the_compiler_does() {
        for number in [
            0,
            1,
            9,
            10,
            999,
            65_535,
            65_536,
            4_294_967_296,
            u64::MAX - 1,
            u64::MAX,
        ] {
            for divisor in [1, 7, 10, 1000, 65_535] {
                let expected = (
                    number / u64::from(divisor),
                    (number % u64::from(divisor)) as u32,
                );
                assert_eq!(divide(number, divisor), expected, "{number} / {divisor}");
            }
        }
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let (early, late) = (Instant::from_millis(1), Instant::from_millis(u64::MAX - 1));
        assert_eq!(early.saturating_duration_since(late), Duration::ZERO);
        assert_eq!((late + Duration::MAX).as_millis(), u64::MAX);
        assert_eq!((early + Duration::from_millis(1500)).as_millis(), 1501);
    }
}
