//! When to sample, and when to send.

use core::time::Duration;

use iothub::Instant;

use crate::configuration::Configuration;

/// When it was done last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    sampled: Option<Instant>,
    sent: Option<Instant>,
    /// The board moves.
    pub(crate) moves: bool,
    /// Somebody has asked for a sample.
    asked: bool,
    /// What waits is not to wait for the next update.
    urgent: bool,
}

impl Schedule {
    pub(crate) const fn new() -> Self {
        Self {
            sampled: None,
            sent: None,
            moves: false,
            asked: false,
            urgent: false,
        }
    }

    /// When the next sample is due; the moment of the boot for at once.
    pub(crate) fn next_sample(&self, configuration: &Configuration) -> Instant {
        let Some(sampled) = self.sampled.filter(|_| !self.asked) else {
            return Instant::from_millis(0);
        };
        sampled
            + match (configuration.active, self.moves) {
                (true, _) => configuration.active_wait,
                (false, true) => configuration
                    .movement_resolution
                    .min(configuration.movement_timeout),
                (false, false) => configuration.movement_timeout,
            }
    }

    /// When readings that wait may leave. In the mode without a wait: at once.
    pub(crate) fn next_update(&self, configuration: &Configuration) -> Instant {
        match self.sent {
            Some(sent) if configuration.update > Duration::ZERO && !self.urgent => {
                sent + configuration.update
            }
            _ => Instant::from_millis(0),
        }
    }

    /// Whether what waits may leave before its time with something else that is sent: in the second
    /// half of its wait.
    pub(crate) fn may_join(&self, configuration: &Configuration, now: Instant) -> bool {
        self.sent
            .is_some_and(|sent| sent + configuration.update / 2 <= now)
    }

    /// A sample at once, which leaves at once.
    pub(crate) fn ask(&mut self) {
        (self.asked, self.urgent) = (true, true);
    }

    /// What waits leaves at once, or with the position that is searched for.
    pub(crate) fn hurry(&mut self) {
        self.urgent = true;
    }

    pub(crate) fn on_sampled(&mut self, now: Instant) {
        self.sampled = Some(now);
        self.asked = false;
    }

    pub(crate) fn on_sent(&mut self, now: Instant) {
        self.sent = Some(now);
        self.urgent = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration;

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    fn configuration(active: bool) -> Configuration {
        Configuration {
            active,
            active_wait: Duration::from_secs(60),
            movement_resolution: Duration::from_secs(120),
            movement_timeout: Duration::from_secs(3600),
            ..configuration::current()
        }
    }

    #[test]
    fn active_samples_at_its_interval_whether_it_moves_or_not() {
        let mut schedule = Schedule::new();
        assert_eq!(schedule.next_sample(&configuration(true)), at(0));
        schedule.on_sampled(at(100));
        for moves in [false, true] {
            schedule.moves = moves;
            assert_eq!(schedule.next_sample(&configuration(true)), at(160));
        }
    }

    #[test]
    fn passive_samples_while_it_moves_no_more_often_than_the_resolution_and_else_at_the_timeout() {
        let mut schedule = Schedule::new();
        schedule.on_sampled(at(100));
        assert_eq!(schedule.next_sample(&configuration(false)), at(3700));
        schedule.moves = true;
        assert_eq!(schedule.next_sample(&configuration(false)), at(220));
        let impatient = Configuration {
            movement_timeout: Duration::from_secs(10),
            ..configuration(false)
        };
        assert_eq!(schedule.next_sample(&impatient), at(110));
    }

    #[test]
    fn what_waits_joins_others_in_the_second_half_of_its_wait() {
        let buffered = Configuration {
            update: Duration::from_secs(600),
            ..configuration(true)
        };
        let mut schedule = Schedule::new();
        assert!(!schedule.may_join(&buffered, at(1000)), "nothing was sent");
        schedule.on_sent(at(100));
        assert!(!schedule.may_join(&buffered, at(399)));
        assert!(schedule.may_join(&buffered, at(400)));
    }

    #[test]
    fn who_asks_gets_a_sample_at_once_and_it_leaves_at_once() {
        let buffered = Configuration {
            update: Duration::from_secs(600),
            ..configuration(true)
        };
        let mut schedule = Schedule::new();
        schedule.on_sampled(at(100));
        schedule.on_sent(at(100));
        assert_eq!(schedule.next_update(&buffered), at(700));
        schedule.ask();
        assert_eq!(
            (
                schedule.next_sample(&buffered),
                schedule.next_update(&buffered)
            ),
            (at(0), at(0))
        );
        schedule.on_sampled(at(200));
        assert_eq!(
            (
                schedule.next_sample(&buffered),
                schedule.next_update(&buffered)
            ),
            (at(260), at(0))
        );
        schedule.on_sent(at(201));
        assert_eq!(
            (
                schedule.next_sample(&buffered),
                schedule.next_update(&buffered)
            ),
            (at(260), at(801))
        );
        assert_eq!(
            schedule.next_update(&configuration(true)),
            at(0),
            "without a wait at once"
        );
    }
}
