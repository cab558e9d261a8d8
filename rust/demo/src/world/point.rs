//! Points of a way.

/// A point of the way: where, and so many seconds after the beginning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) seconds: f64,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) altitude: f64,
    /// Metres from the beginning of the way, which the route counts.
    pub(super) travelled: f64,
}

impl Point {
    pub(super) fn new(seconds: f64, latitude: f64, longitude: f64, altitude: f64) -> Self {
        Self {
            seconds,
            latitude,
            longitude,
            altitude,
            travelled: 0.0,
        }
    }
}
