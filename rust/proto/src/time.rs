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

    /// Time passed since `earlier`; zero if that is later.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates: a wait of `Duration::MAX` is a wait without end.
    fn add(self, wait: Duration) -> Self {
        let millis = wait
            .as_secs()
            .saturating_mul(1000)
            .saturating_add(u64::from(wait.subsec_millis()));
        Self(self.0.saturating_add(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let (early, late) = (Instant::from_millis(1), Instant::from_millis(u64::MAX - 1));
        assert_eq!(early.saturating_duration_since(late), Duration::ZERO);
        assert_eq!((late + Duration::MAX).as_millis(), u64::MAX);
        assert_eq!((early + Duration::from_millis(1500)).as_millis(), 1501);
    }
}
