//! The reconnect policy: a pure function of attempts, cause and a random number.

use core::time::Duration;

/// Bounds of the back-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// No two connects are closer than this.
    pub min: Duration,
    /// The longest wait.
    pub max: Duration,
    /// As `min`, after an authorisation failure.
    pub authorisation_min: Duration,
    /// As `max`, after an authorisation failure.
    pub authorisation_max: Duration,
    /// A connection that was ready for so long counts as good, as one on which a message was
    /// acknowledged does: the next failure is the first again.
    pub stable_after: Duration,
}

impl Policy {
    pub(crate) const NONE: Self = Self {
        min: Duration::ZERO,
        max: Duration::ZERO,
        authorisation_min: Duration::ZERO,
        authorisation_max: Duration::ZERO,
        stable_after: Duration::ZERO,
    };

    /// 1 s to 10 min; 30 s to 1 h after an authorisation failure; good after 1 min.
    pub const fn new() -> Self {
        Self {
            min: Duration::from_secs(1),
            max: Duration::from_secs(600),
            authorisation_min: Duration::from_secs(30),
            authorisation_max: Duration::from_secs(3600),
            stable_after: Duration::from_secs(60),
        }
    }
}

/// The class of a failure, which decides when to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The network or the hub failed.
    Transient,
    /// The hub or DPS refuses the device's identity.
    Authorisation,
}

/// Failed connects in a row, each class counted on its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Failures of the network, the hub or DPS since a message was last acknowledged, or since a
    /// connection was last ready for [`Policy::stable_after`].
    pub transient: u32,
    /// Refusals by the hub since the hub last accepted the device.
    pub refused_by_hub: u32,
    /// Refusals by DPS since DPS last assigned a hub, or a hub accepted the device.
    pub refused_by_dps: u32,
}

impl Failures {
    pub(crate) const NONE: Self = Self {
        transient: 0,
        refused_by_hub: 0,
        refused_by_dps: 0,
    };

    /// All classes together.
    pub const fn total(&self) -> u32 {
        self.transient
            .wrapping_add(self.refused_by_hub)
            .wrapping_add(self.refused_by_dps)
    }
}

impl Policy {
    /// How long to wait after failure number `attempt` (1 for the first) of its class in a row:
    /// between a third of a bound and that bound, chosen by `random`. The bound grows threefold
    /// with each attempt, from three times the minimum to the maximum, so that the windows follow
    /// each other without a gap: 1 to 3 s, 3 to 9 s, … 200 to 600 s. Found by simulating a hub that
    /// has lost all its devices (`examples/storm.rs`).
    pub fn delay(&self, attempt: u32, class: Class, random: u32) -> Duration {
        let (min, max) = match class {
            Class::Transient => (self.min, self.max),
            Class::Authorisation => (self.authorisation_min, self.authorisation_max),
        };
        let (min, max) = (millis(min), millis(max));
        let mut bound = min.min(max);
        // 3^21 is above 2^32.
        for _ in 0..attempt.clamp(1, 21) {
            bound = bound.saturating_mul(3).min(max);
        }
        let low = min.max(bound / 3);
        let span = bound.saturating_sub(low);
        let jitter = (u64::from(span) * u64::from(random)) >> 32;
        let delay = low + jitter as u32;
        Duration::new(u64::from(delay / 1000), delay % 1000 * 1_000_000)
    }
}

/// At most 49 days.
fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs())
        .ok()
        .and_then(|seconds| {
            seconds
                .checked_mul(1000)?
                .checked_add(duration.subsec_millis())
        })
        .unwrap_or(u32::MAX)
}

/// Randomness for jitter: splitmix64. Not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed >> 32) as u32 ^ mixed as u32
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_lies_in_its_window_where_the_random_number_says() {
        let delay =
            |attempt, class, random| Policy::new().delay(attempt, class, random).as_millis();
        let transient = |attempt, random| delay(attempt, Class::Transient, random);
        for (attempt, low, high) in [
            (0, 1_000, 3_000),
            (1, 1_000, 3_000),
            (2, 3_000, 9_000),
            (3, 9_000, 27_000),
            (6, 200_000, 600_000),
            (7, 200_000, 600_000),
            (u32::MAX, 200_000, 600_000),
        ] {
            assert_eq!(transient(attempt, 0), low, "{attempt}");
            assert_eq!(
                transient(attempt, 1 << 31),
                u128::midpoint(low, high),
                "{attempt}"
            );
            assert_eq!(transient(attempt, u32::MAX), high - 1, "{attempt}");
        }
        // Down to the millisecond: a quarter of the way from 1 s to 3 s, and a bit.
        assert_eq!(transient(1, 0x4010_0000), 1_500);
        assert_eq!(transient(1, 0x4020_C49C), 1_501);
        assert_eq!(delay(1, Class::Authorisation, 0), 30_000);
        assert_eq!(delay(9, Class::Authorisation, u32::MAX), 3_599_999);
    }
}
