//! What a device measures and what happens to it: a temperature that wanders, and losses of the
//! network.

use std::time::Duration;

use iothub_proto::Instant;

/// The world of one device; all of it follows from the device's number.
pub(super) struct World {
    random: u64,
    /// Tenths of a degree.
    temperature: i32,
    interval: Duration,
    sample: Instant,
    /// When the network goes or comes back; `None`: it stays.
    change: Option<Instant>,
    has_network: bool,
}

impl World {
    pub(super) fn new(number: u32, is_faulty: bool, interval: Duration) -> Self {
        let mut world = Self {
            random: (u64::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            temperature: 200,
            interval,
            sample: Instant::from_millis(1),
            change: None,
            has_network: true,
        };
        world.temperature += i32::try_from(world.below(100)).unwrap_or(0);
        // Their samples do not fall together.
        world.sample =
            Instant::from_millis(1) + Duration::from_millis(world.below(millis(interval)));
        if is_faulty {
            world.change = Some(Instant::from_millis(1) + world.until_loss());
        }
        world
    }

    /// For the back-off of the core.
    pub(super) fn seed(&mut self) -> u64 {
        self.below(u64::MAX)
    }

    /// A sample, if one is due: the body of a message.
    pub(super) fn sample(&mut self, now: Instant) -> Option<String> {
        if now < self.sample {
            return None;
        }
        self.sample = now + self.interval;
        let step = i32::try_from(self.below(5)).unwrap_or(2) - 2;
        self.temperature = (self.temperature + step).clamp(-400, 850);
        let (sign, tenths) = match self.temperature {
            below @ ..0 => ("-", -below),
            above => ("", above),
        };
        Some(format!(
            r#"{{"temperature":{sign}{}.{},"timestamp":{}}}"#,
            tenths / 10,
            tenths % 10,
            now.as_millis()
        ))
    }

    /// Whether the network has just gone.
    pub(super) fn loses_network(&mut self, now: Instant) -> bool {
        if self.change.is_none_or(|change| now < change) {
            return false;
        }
        self.has_network = !self.has_network;
        let wait = match self.has_network {
            true => self.until_loss(),
            false => Duration::from_millis(5_000 + self.below(60_000)),
        };
        self.change = Some(now + wait);
        !self.has_network
    }

    pub(super) fn has_network(&self) -> bool {
        self.has_network
    }

    /// When to look again.
    pub(super) fn next(&self) -> Instant {
        self.change
            .map_or(self.sample, |change| change.min(self.sample))
    }

    /// Takes a desired interval: whole seconds of a day.
    pub(super) fn set_interval(&mut self, now: Instant, seconds: u64) -> bool {
        let is_good = (1..=86_400).contains(&seconds);
        if is_good {
            self.interval = Duration::from_secs(seconds);
            self.sample = self.sample.min(now + self.interval);
        }
        is_good
    }

    pub(super) fn interval(&self) -> u64 {
        self.interval.as_secs()
    }

    fn until_loss(&mut self) -> Duration {
        Duration::from_millis(30_000 + self.below(180_000))
    }

    /// xorshift64*.
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound.max(1)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(1) + Duration::from_secs(seconds)
    }

    #[test]
    fn samples_come_at_the_interval_and_a_shorter_one_counts_at_once() {
        let mut world = World::new(7, false, Duration::from_secs(100));
        let first = (0..=100).find(|second| world.sample(at(*second)).is_some());
        let first = first.expect("within the interval");
        assert_eq!(world.sample(at(first + 99)), None);
        assert!(world.set_interval(at(first + 10), 5));
        assert_eq!(world.sample(at(first + 14)), None);
        let body = world.sample(at(first + 15)).expect("due");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert!(body["temperature"].is_number() && body["timestamp"].is_u64());
        for refused in [0, 86_401] {
            assert!(!world.set_interval(at(first), refused));
        }
        assert_eq!(world.interval(), 5);
    }

    #[test]
    fn only_a_faulty_device_loses_its_network_and_gets_it_back() {
        let changes = |is_faulty| {
            let mut world = World::new(3, is_faulty, Duration::from_secs(10));
            let mut changes: Vec<u64> = Vec::new();
            for second in 0..1200 {
                let before = world.has_network();
                let lost = world.loses_network(at(second));
                assert_eq!(lost, before && !world.has_network());
                if before != world.has_network() {
                    changes.push(second);
                }
            }
            changes
        };
        assert_eq!(changes(false), [0; 0]);
        let changes = changes(true);
        assert!(changes.len() >= 4, "{changes:?}");
        let offline = changes.chunks_exact(2).map(|pair| pair[1] - pair[0]);
        assert!(offline.clone().all(|wait| (5..=66).contains(&wait)));
    }

    #[test]
    fn worlds_differ_and_each_is_the_same_again() {
        let body = |number| {
            let mut world = World::new(number, true, Duration::from_secs(1));
            (world.next(), world.sample(at(2)))
        };
        assert_eq!(body(1), body(1));
        assert_ne!(body(1), body(2));
    }
}
