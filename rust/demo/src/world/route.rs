//! A way there and back, over and over: of a GPX file, or made up from the seed.

use std::time::Duration;

use super::{Description, point::Point};

/// Where the device is at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Place {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) altitude: f64,
    pub(super) speed: f64,
    pub(super) heading: f64,
    /// Metres from the beginning of the way.
    pub(super) travelled: f64,
}

#[derive(Debug)]
pub(super) struct Route {
    /// At least two, in the order of their time.
    points: Vec<Point>,
    /// Between two ways.
    parked: f64,
}

impl Route {
    pub(super) fn new(description: &Description) -> Self {
        let mut points = match description.points.as_slice() {
            [] | [_] => made_up(description),
            points => points.to_vec(),
        };
        let mut travelled = 0.0;
        let mut before = points.first().copied();
        for point in &mut points {
            if let Some(before) = before {
                travelled += metres(
                    (before.latitude, before.longitude),
                    (point.latitude, point.longitude),
                );
            }
            point.travelled = travelled;
            before = Some(*point);
        }
        Self {
            points,
            parked: description.park.as_secs_f64(),
        }
    }

    pub(super) fn drive(&self) -> Duration {
        Duration::from_secs_f64(self.points.last().map_or(0.0, |last| last.seconds))
    }

    pub(super) fn at(&self, seconds: f64) -> Place {
        let drive = self.drive().as_secs_f64();
        let at = seconds % (2.0 * (drive + self.parked));
        // There, parked, back, parked.
        if at < drive {
            self.on_the_way(at, false)
        } else if at < drive + self.parked {
            Place {
                speed: 0.0,
                ..self.on_the_way(drive, false)
            }
        } else if at < 2.0 * drive + self.parked {
            self.on_the_way(2.0 * drive + self.parked - at, true)
        } else {
            Place {
                speed: 0.0,
                ..self.on_the_way(0.0, true)
            }
        }
    }

    fn on_the_way(&self, seconds: f64, is_back: bool) -> Place {
        let next = self
            .points
            .partition_point(|point| point.seconds <= seconds);
        let last = self.points.len().saturating_sub(1);
        let pair = (
            self.points.get(next.clamp(1, last) - 1),
            self.points.get(next.clamp(1, last)),
        );
        let (Some(from), Some(to)) = pair else {
            return Place::default();
        };
        let took = (to.seconds - from.seconds).max(f64::EPSILON);
        let share = ((seconds - from.seconds) / took).clamp(0.0, 1.0);
        let between = |from: f64, to: f64| from + (to - from) * share;
        let heading = bearing((from.latitude, from.longitude), (to.latitude, to.longitude));
        Place {
            latitude: between(from.latitude, to.latitude),
            longitude: between(from.longitude, to.longitude),
            altitude: between(from.altitude, to.altitude),
            speed: (to.travelled - from.travelled) / took,
            heading: if is_back {
                (heading + 180.0) % 360.0
            } else {
                heading
            },
            travelled: between(from.travelled, to.travelled),
        }
    }
}

/// A drive through a town that is not there: it bends, and stops at lights.
fn made_up(description: &Description) -> Vec<Point> {
    let mut random = Random(description.seed);
    let (mut latitude, mut longitude) = description.from;
    let mut heading = random.below(360.0);
    let (mut speed, mut bend, mut altitude) = (0.0_f64, 0.0, 28.0_f64);
    let (mut wanted, mut until) = (14.0, 0);
    (0..=description.drive.as_secs())
        .map(|second| {
            if second >= until {
                let stops = random.below(1.0) < 0.25;
                wanted = if stops { 0.0 } else { 8.0 + random.below(12.0) };
                bend = random.below(3.0) - 1.5;
                until = second
                    + if stops {
                        20
                    } else {
                        30 + random.below(60.0) as u64
                    };
            }
            speed += (wanted - speed).clamp(-2.5, 1.5);
            heading = (heading + bend * speed / 20.0).rem_euclid(360.0);
            let (north, east) = (heading.to_radians().cos(), heading.to_radians().sin());
            latitude += speed * north / METRES_OF_A_DEGREE;
            longitude += speed * east / (METRES_OF_A_DEGREE * latitude.to_radians().cos());
            altitude = (altitude + random.below(0.4) - 0.2).clamp(2.0, 90.0);
            Point::new(second as f64, latitude, longitude, altitude)
        })
        .collect()
}

const METRES_OF_A_DEGREE: f64 = 111_195.0;

/// Between two places, near enough to one another that the earth is flat.
pub(super) fn metres(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (north, east) = offset(from, to);
    north.hypot(east)
}

fn bearing(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (north, east) = offset(from, to);
    east.atan2(north).to_degrees().rem_euclid(360.0)
}

fn offset(from: (f64, f64), to: (f64, f64)) -> (f64, f64) {
    let north = (to.0 - from.0) * METRES_OF_A_DEGREE;
    let east = (to.1 - from.1) * METRES_OF_A_DEGREE * from.0.to_radians().cos();
    (north, east)
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1_u64 << 53) as f64 * bound
    }
}
