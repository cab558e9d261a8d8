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
    /// A connection that was ready for so long counts as good: the next failure is the first again.
    pub stable_after: Duration,
}

impl Policy {
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

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}
