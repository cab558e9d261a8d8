//! What a device measures and what happens to it: a drive through a town, and losses of the
//! network.

use std::{sync::Arc, time::Duration};

use iothub_proto::Instant;

use crate::world::{Description, State, World as Town, unix_ms};

/// Towns with a drive each, which the devices share: 2,000 points for every device would be too
/// much.
#[derive(Clone)]
pub(super) struct Towns(Arc<[Town]>);

impl Towns {
    /// Begun so that the drives are under way.
    pub(super) fn new() -> Self {
        let town = |seed| {
            let mut description = Description::new(unix_ms());
            description.seed = seed;
            Town::new(description)
        };
        Self((1..=TOWNS).map(town).collect())
    }

    /// Where device `number` is, and how the weather is there.
    fn at(&self, number: u32, now: Instant) -> Option<State> {
        let Self(towns) = self;
        let town = towns.get(number as usize % towns.len().max(1))?;
        // Nobody drives beside another: each began at another time, at another place.
        let begun = Duration::from_secs(u64::from(number % 1_009) * 37);
        let state = town.at(begun + Duration::from_millis(now.as_millis()));
        let (north, east) = (f64::from(number % 97), f64::from(number % 89));
        Some(State {
            latitude: state.latitude + (north - 48.0) / 400.0,
            longitude: state.longitude + (east - 44.0) / 400.0,
            ..state
        })
    }
}

const TOWNS: u64 = 16;

/// The world of one device; all of it follows from the device's number.
pub(super) struct World {
    random: u64,
    number: u32,
    towns: Towns,
    interval: Duration,
    sample: Instant,
    /// When the network goes or comes back; `None`: it stays.
    change: Option<Instant>,
    has_network: bool,
}

impl World {
    pub(super) fn new(number: u32, is_faulty: bool, interval: Duration, towns: Towns) -> Self {
        let mut world = Self {
            random: (u64::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            number,
            towns,
            interval,
            sample: Instant::from_millis(1),
            change: None,
            has_network: true,
        };
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

    /// A sample, if one is due: the body of a message, in the shapes of asset tracker.
    pub(super) fn sample(&mut self, now: Instant) -> Option<String> {
        if now < self.sample {
            return None;
        }
        self.sample = now + self.interval;
        let state = self.towns.at(self.number, now)?;
        Some(document(&state, unix_ms()))
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

fn document(state: &State, ts: i64) -> String {
    let State {
        longitude,
        latitude,
        altitude,
        speed,
        heading,
        temperature,
        humidity,
        charge,
        ..
    } = state;
    let (hectopascal, millivolts) = (state.pressure / 100.0, 3300.0 + charge * 8.5);
    format!(
        r#"{{"gnss":[{{"v":{{"lng":{longitude:.6},"lat":{latitude:.6},"acc":4.2,"alt":{altitude:.1},"spd":{speed:.1},"hdg":{heading:.0}}},"ts":{ts}}}],"env":[{{"v":{{"temp":{temperature:.1},"hum":{humidity:.1},"atmp":{hectopascal:.1}}},"ts":{ts}}}],"bat":[{{"v":{millivolts:.0},"ts":{ts}}}]}}"#
    )
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
        let mut world = World::new(7, false, Duration::from_secs(100), Towns::new());
        let first = (0..=100).find(|second| world.sample(at(*second)).is_some());
        let first = first.expect("within the interval");
        assert_eq!(world.sample(at(first + 99)), None);
        assert!(world.set_interval(at(first + 10), 5));
        assert_eq!(world.sample(at(first + 14)), None);
        let body = world.sample(at(first + 15)).expect("due");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(body["gnss"][0]["ts"], body["env"][0]["ts"]);
        let ts = body["bat"][0]["ts"].as_i64().expect("a time");
        assert!((unix_ms() - 60_000..=unix_ms()).contains(&ts), "{ts}");
        for number in [
            "/gnss/0/v/lat",
            "/gnss/0/v/hdg",
            "/env/0/v/atmp",
            "/bat/0/v",
        ] {
            assert!(
                body.pointer(number)
                    .is_some_and(serde_json::Value::is_number),
                "{body}"
            );
        }
        for refused in [0, 86_401] {
            assert!(!world.set_interval(at(first), refused));
        }
        assert_eq!(world.interval(), 5);
    }

    #[test]
    fn only_a_faulty_device_loses_its_network_and_gets_it_back() {
        let changes = |is_faulty| {
            let mut world = World::new(3, is_faulty, Duration::from_secs(10), Towns::new());
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
        let towns = Towns::new();
        let place = |number| {
            let state = towns.at(number, at(2)).expect("a town");
            (state.latitude, state.longitude)
        };
        let next =
            |number| World::new(number, true, Duration::from_secs(100), towns.clone()).next();
        assert_eq!((next(1), place(1)), (next(1), place(1)));
        let mut places: Vec<_> = (0..10_000).map(place).collect();
        places.sort_by(|one, other| one.partial_cmp(other).expect("numbers"));
        places.dedup();
        assert_eq!(places.len(), 10_000);
        assert_ne!(next(1), next(2));
    }
}
