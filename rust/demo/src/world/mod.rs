//! The world around the simulated device: a route with stops and tunnels, weather, a battery,
//! cells. All of it follows from one file with a seed, so that whoever has the file knows what the
//! device should have measured when.

mod description;
mod player;
mod point;
mod route;
mod sensors;
mod surroundings;
mod told;

use std::time::Duration;

pub(crate) use description::Description;
use description::{Fault, FaultKind};
use iothub_host::{Sensor, Survey};
pub(crate) use player::{Player, unix_ms};
use route::Route;
pub(crate) use told::WorldFile;

/// The world, as a function of the time since its beginning.
#[derive(Debug)]
pub(crate) struct World {
    description: Description,
    route: Route,
}

/// How it is at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct State {
    /// Degrees.
    pub(crate) latitude: f64,
    /// Degrees.
    pub(crate) longitude: f64,
    /// Metres.
    pub(crate) altitude: f64,
    /// Metres a second.
    pub(crate) speed: f64,
    /// Degrees clockwise from north.
    pub(crate) heading: f64,
    /// Whether radio waves get here: of the network and of satellites.
    pub(crate) is_covered: bool,
    /// Whether satellites are seen.
    pub(crate) sees_sky: bool,
    /// °C.
    pub(crate) temperature: f64,
    /// %.
    pub(crate) humidity: f64,
    /// Pa.
    pub(crate) pressure: f64,
    /// Lux.
    pub(crate) light: f64,
    /// % of the battery.
    pub(crate) charge: f64,
    pub(crate) is_charged: bool,
    /// Which cell along the route.
    pub(crate) cell: u32,
    /// dBm.
    pub(crate) rsrp: i16,
}

impl World {
    /// The world of a description.
    pub(crate) fn new(description: Description) -> Self {
        let route = Route::new(&description);
        Self { description, route }
    }

    /// When it begins, in milliseconds since 1970.
    pub(crate) fn start_ms(&self) -> i64 {
        self.description.start_ms
    }

    /// How long one way takes.
    pub(crate) fn drive(&self) -> Duration {
        self.route.drive()
    }

    /// Whether somebody has told the device the time by then.
    fn is_time_known(&self, since: Duration) -> bool {
        since >= self.description.time_known
    }

    /// What is heard there of cells and access points.
    pub(crate) fn survey(&self, since: Duration) -> Survey {
        surroundings::survey(&self.at(since), true, true)
    }

    /// How long satellites take to be found without assistance data.
    fn cold(&self) -> Duration {
        self.description.cold
    }

    /// What is wrong with a sensor at that time.
    fn fault(&self, sensor: Sensor, since: Duration) -> Option<FaultKind> {
        let now =
            |fault: &&Fault| fault.sensor == sensor && (fault.from..fault.to).contains(&since);
        self.description
            .faults
            .iter()
            .find(now)
            .map(|fault| fault.kind)
    }

    /// How far a place is from where the device was so long after the beginning.
    pub(crate) fn metres(&self, since: Duration, place: (f64, f64)) -> f64 {
        let was = self.at(since);
        route::metres((was.latitude, was.longitude), place)
    }

    /// The world so long after its beginning.
    pub(crate) fn at(&self, since: Duration) -> State {
        let seconds = since.as_secs_f64();
        let place = self.route.at(seconds);
        let within = |spans: &[(Duration, Duration)]| {
            let mut spans = spans.iter();
            spans.any(|(from, to)| (*from..*to).contains(&since))
        };
        let is_covered = !within(&self.description.tunnels);
        let sees_sky = is_covered && !within(&self.description.roofs);
        // The day's warmth is at 3 in the afternoon, UTC; two slower waves are the weather's own.
        let of_day = (self.description.start_ms as f64 / 1000.0 + seconds) / 86_400.0;
        let day = ((of_day - 0.625) * std::f64::consts::TAU).cos();
        let phase = (self.description.seed % 1000) as f64;
        let slow = |period: f64| ((seconds / period + phase) * std::f64::consts::TAU).sin();
        let weather = &self.description.weather;
        let temperature = weather.temperature + weather.swing * (0.5 * day + 0.5 * slow(2400.0));
        let (charge, is_charged) = self.charge(seconds, place.speed);
        let cell = (place.travelled / CELL_METRES) as u32;
        let between = place.travelled % CELL_METRES / CELL_METRES - 0.5;
        State {
            latitude: place.latitude,
            longitude: place.longitude,
            altitude: place.altitude,
            speed: place.speed,
            heading: place.heading,
            is_covered,
            sees_sky,
            temperature,
            humidity: (60.0 - 12.0 * day - 8.0 * slow(5400.0)).clamp(5.0, 100.0),
            pressure: 101_325.0 + 900.0 * slow(43_200.0) - 12.0 * place.altitude,
            light: if is_covered {
                (12_000.0 * (day + 0.3)).max(0.0)
            } else {
                40.0
            },
            charge,
            is_charged,
            cell,
            rsrp: (-84.0 - 44.0 * between.abs()) as i16,
        }
    }

    /// Empties over `battery_hours`, and is charged while the vehicle is parked and less than a
    /// fifth is left.
    fn charge(&self, seconds: f64, speed: f64) -> (f64, bool) {
        let empties = self.description.battery_hours * 3600.0;
        let charges = 2.0 * 3600.0;
        let cycle = empties * 0.8 + charges;
        let spent = (100.0 - self.description.battery_percent) / 100.0 * empties;
        let at = (seconds + spent) % cycle;
        match at < empties * 0.8 {
            true => (100.0 - at / empties * 100.0, false),
            false => {
                let charged = (at - empties * 0.8) / charges * 80.0;
                (20.0 + charged, speed < 0.1)
            }
        }
    }
}

/// From one mast to the next.
const CELL_METRES: f64 = 1500.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn world(seed: u64) -> World {
        World::new(Description {
            seed,
            tunnels: vec![(Duration::from_secs(60), Duration::from_secs(120))],
            ..Description::new(1_796_025_600_000)
        })
    }

    #[test]
    fn the_same_seed_is_the_same_world_and_another_is_another() {
        let states = |seed| -> Vec<State> {
            let world = world(seed);
            (0..200)
                .map(|at| world.at(Duration::from_secs(at * 60)))
                .collect()
        };
        assert_eq!(states(1), states(1));
        assert_ne!(states(1), states(2));
    }

    #[test]
    fn nothing_in_it_jumps_or_leaves_what_sensors_can_say() {
        let world = world(7);
        let mut before = world.at(Duration::ZERO);
        for at in 1..20_000 {
            let now = world.at(Duration::from_secs(at));
            assert!((-40.0..85.0).contains(&now.temperature), "{at}: {now:?}");
            assert!((1.0..=100.0).contains(&now.humidity), "{at}: {now:?}");
            assert!(
                (30_000.0..110_000.0).contains(&now.pressure),
                "{at}: {now:?}"
            );
            assert!((0.0..=100.0).contains(&now.charge), "{at}: {now:?}");
            assert!((-140..-44).contains(&now.rsrp), "{at}: {now:?}");
            assert!(
                (now.temperature - before.temperature).abs() < 0.05,
                "{at}: {now:?}"
            );
            let metres = route::metres(
                (before.latitude, before.longitude),
                (now.latitude, now.longitude),
            );
            assert!(metres < 60.0, "{at}: {metres} m in a second");
            assert_eq!(now.is_covered, !(60..120).contains(&at));
            before = now;
        }
    }

    #[test]
    fn the_battery_empties_and_is_charged() {
        let world = world(1);
        let charges: Vec<_> = (0..200)
            .map(|hour| world.at(Duration::from_secs(hour * 3600)).charge)
            .collect();
        assert!(charges.iter().any(|charge| *charge < 25.0));
        assert!(charges.windows(2).any(|pair| pair[1] > pair[0] + 10.0));
    }
}
