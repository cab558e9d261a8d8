//! A line of the log now and then while there is no network, so that a device that waits does not
//! look dead.

use core::time::Duration;

use iothub_proto::{Instant, Phase};
use ncs::Decimal;

const EVERY: Duration = Duration::from_secs(60);

/// Since when there is no network, and when to say so again.
#[derive(Default)]
pub(crate) struct Reminder(Option<(Instant, Instant)>);

impl Reminder {
    /// Says what there is to say in this phase, and returns when it is to be called again.
    pub(crate) fn handle_phase(&mut self, phase: Phase, now: Instant) -> Option<Instant> {
        if phase != Phase::Network {
            self.0 = None;
            return None;
        }
        let (since, mut due) = self.0.unwrap_or((now, now + EVERY));
        if now >= due {
            let waited = Decimal::from(now.saturating_duration_since(since).as_secs() as u32);
            log::warn!("no network for {waited} s: waiting for registration and an address");
            due = now + EVERY;
        }
        self.0 = Some((since, due));
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_once_a_minute_and_is_silent_once_there_is_a_network() {
        let mut reminder = Reminder::default();
        let at = |seconds: u64| Instant::from_millis(seconds * 1000);
        assert_eq!(reminder.handle_phase(Phase::Network, at(5)), Some(at(65)));
        assert_eq!(reminder.handle_phase(Phase::Network, at(30)), Some(at(65)));
        assert_eq!(reminder.handle_phase(Phase::Network, at(65)), Some(at(125)));
        assert_eq!(reminder.handle_phase(Phase::Ready, at(70)), None);
        assert_eq!(reminder.handle_phase(Phase::Network, at(80)), Some(at(140)));
    }
}
