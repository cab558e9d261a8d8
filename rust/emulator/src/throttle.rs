//! How often something may happen in a stretch of time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Counts what happens in stretches of one length.
#[derive(Debug)]
pub(crate) struct Throttle {
    stretch: Duration,
    current: Mutex<(Option<Instant>, u64)>,
}

impl Throttle {
    /// Stretches of this length; the first begins with the first event.
    pub(crate) fn new(stretch: Duration) -> Self {
        Self {
            stretch,
            current: Mutex::default(),
        }
    }

    /// Whether nothing of what has passed counts any more.
    pub(crate) fn is_over(&self) -> bool {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current
            .0
            .is_none_or(|begin| Instant::now() >= begin + self.stretch)
    }

    /// Lets one more pass, or says how many seconds to wait. No limit is 0.
    pub(crate) fn pass(&self, limit: u64) -> Result<(), u64> {
        if limit == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = match current.0.filter(|begin| now < *begin + self.stretch) {
            Some(begin) => begin,
            None => {
                *current = (Some(now), 0);
                now
            }
        };
        if current.1 >= limit {
            let left = (begin + self.stretch).duration_since(now);
            return Err(left.as_secs() + 1);
        }
        current.1 += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_fit_into_a_stretch() {
        let hour = Throttle::new(Duration::from_secs(3600));
        assert_eq!([hour.pass(2), hour.pass(2)], [Ok(()), Ok(())]);
        assert!((3599..=3600).contains(&hour.pass(2).unwrap_err()));
        assert_eq!(hour.pass(0), Ok(()));
        let none = Throttle::new(Duration::ZERO);
        assert!((0..5).all(|_| none.pass(1).is_ok()));
        assert!(!hour.is_over() && none.is_over());
    }
}
