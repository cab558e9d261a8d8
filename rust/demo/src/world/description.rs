//! The file of a world.

use std::{fs, path::Path, time::Duration};

use iothub_host::Sensor;
use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::point::Point;
use crate::Error;

/// What a world is made from. As a file it is a JSON object, in which everything may be left out:
///
/// ```json
/// {
///   "seed": 1,
///   "start": "2026-11-30T08:00:00Z",
///   "from": [-27.4698, 153.0251],
///   "drive_s": 1800, "park_s": 600,
///   "gpx": "ride.gpx",
///   "tunnels_s": [[600, 780]], "roofs_s": [[900, 960]],
///   "weather": { "temperature": 22, "swing": 6 },
///   "battery": { "percent": 80, "hours": 72 },
///   "time_s": 30, "cold_s": 60,
///   "faults": [{ "sensor": "humidity", "kind": "hangs", "s": [0, 60] }]
/// }
/// ```
/// `start` is when the world begins, now if it is left out; `gpx` a track with times beside the
/// file, in place of the drive that is made up from `seed` and `from`; `tunnels_s` spans in seconds
/// from the start without network and satellites, `roofs_s` such without satellites alone; `cold_s`
/// how long these take to be found before assistance data has come, where they need any. Before
/// `time_s` nobody tells the device the time;
/// `faults` are of the kinds `broken`, `hangs`, `nan` and `lies`.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) seed: u64,
    pub(crate) start_ms: i64,
    pub(super) from: (f64, f64),
    pub(super) drive: Duration,
    pub(super) park: Duration,
    pub(super) points: Vec<Point>,
    pub(super) tunnels: Vec<(Duration, Duration)>,
    /// Under a roof: no satellites, but the network.
    pub(super) roofs: Vec<(Duration, Duration)>,
    /// How long satellites take to be found without assistance data.
    pub(super) cold: Duration,
    pub(super) weather: Weather,
    pub(super) battery_percent: f64,
    pub(super) battery_hours: f64,
    /// Before, nobody tells the device the time.
    pub(super) time_known: Duration,
    pub(super) faults: Vec<Fault>,
}

/// What goes wrong with a sensor, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) sensor: Sensor,
    pub(super) kind: FaultKind,
    pub(super) from: Duration,
    pub(super) to: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    Broken,
    Hangs,
    NotANumber,
    /// It says the largest number there is.
    Lies,
}

const SENSORS: [(&str, Sensor); 7] = [
    ("temperature", Sensor::Temperature),
    ("humidity", Sensor::Humidity),
    ("pressure", Sensor::Pressure),
    ("gas", Sensor::Gas),
    ("light", Sensor::Light),
    ("battery", Sensor::BatteryVoltage),
    ("latitude", Sensor::Latitude),
];

const KINDS: [(&str, FaultKind); 4] = [
    ("broken", FaultKind::Broken),
    ("hangs", FaultKind::Hangs),
    ("nan", FaultKind::NotANumber),
    ("lies", FaultKind::Lies),
];

#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// °C, of the mean.
    pub(super) temperature: f64,
    /// °C, how far it goes from there.
    pub(super) swing: f64,
}

impl Description {
    /// A drive that is made up.
    pub(crate) fn new(start_ms: i64) -> Self {
        Self {
            seed: 1,
            start_ms,
            from: (-27.4698, 153.0251),
            drive: Duration::from_secs(1800),
            park: Duration::from_secs(600),
            points: Vec::new(),
            tunnels: Vec::new(),
            roofs: Vec::new(),
            cold: Duration::ZERO,
            weather: Weather {
                temperature: 22.0,
                swing: 6.0,
            },
            battery_percent: 80.0,
            battery_hours: 72.0,
            time_known: Duration::ZERO,
            faults: Vec::new(),
        }
    }

    /// Reads a file; `start_ms` where it does not say when the world begins.
    pub(crate) fn read(path: &Path, start_ms: i64) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::path(path, source))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder, start_ms)
            .map_err(|why| Error::new(format!("{} is no world: {why}", path.display())))
    }

    fn parse(text: &str, folder: &Path, start_ms: i64) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut members = members(value, "it")?;
        let mut this = Self::new(start_ms);
        if let Some(seed) = members.remove("seed") {
            this.seed = seed.as_u64().ok_or("seed is a whole number")?;
        }
        if let Some(start) = members.remove("start") {
            let start = start
                .as_str()
                .and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
            let start = start.ok_or("start is a time as in 2026-11-30T08:00:00Z")?;
            this.start_ms = start.unix_timestamp() * 1000;
        }
        if let Some(from) = members.remove("from") {
            let pair = numbers::<2>(&from).ok_or("from is [latitude, longitude]")?;
            if !is_place(pair[0], pair[1]) {
                return Err(
                    "from is [latitude, longitude] in degrees, no nearer to a pole than 85".into(),
                );
            }
            this.from = (pair[0], pair[1]);
        }
        for (name, field, least) in [
            ("drive_s", &mut this.drive, 10.0),
            ("park_s", &mut this.park, 0.0),
            ("time_s", &mut this.time_known, 0.0),
            ("cold_s", &mut this.cold, 0.0),
        ] {
            if let Some(value) = members.remove(name) {
                *field = Duration::from_secs_f64(within(&value, name, least, 86_400.0)?);
            }
        }
        for (name, spans) in [
            ("tunnels_s", &mut this.tunnels),
            ("roofs_s", &mut this.roofs),
        ] {
            if let Some(value) = members.remove(name) {
                let pairs = value.as_array();
                let read = pairs.and_then(|pairs| pairs.iter().map(span).collect());
                *spans = read.ok_or_else(|| {
                    format!("{name} is a list of [from, to] in seconds, from before to")
                })?;
            }
        }
        if let Some(faults) = members.remove("faults") {
            let list = faults.as_array().ok_or("faults is a list")?;
            this.faults = list.iter().map(fault).collect::<Result<_, _>>()?;
        }
        if let Some(weather) = members.remove("weather") {
            let mut of = self::members(weather, "weather")?;
            for (name, field, least, most) in [
                ("temperature", &mut this.weather.temperature, -30.0, 60.0),
                ("swing", &mut this.weather.swing, 0.0, 10.0),
            ] {
                if let Some(value) = of.remove(name) {
                    *field = within(&value, name, least, most)?;
                }
            }
            nothing_else(&of, "weather")?;
        }
        if let Some(battery) = members.remove("battery") {
            let mut of = self::members(battery, "battery")?;
            for (name, field, least, most) in [
                ("percent", &mut this.battery_percent, 20.0, 100.0),
                ("hours", &mut this.battery_hours, 1.0, 87_600.0),
            ] {
                if let Some(value) = of.remove(name) {
                    *field = within(&value, name, least, most)?;
                }
            }
            nothing_else(&of, "battery")?;
        }
        if let Some(gpx) = members.remove("gpx") {
            let path = folder.join(gpx.as_str().ok_or("gpx is the name of a file")?);
            let text = fs::read_to_string(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            this.points = track(&text).map_err(|why| format!("{}: {why}", path.display()))?;
        }
        nothing_else(&members, "a world")?;
        Ok(this)
    }
}

fn members(value: Value, what: &str) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(format!("{what} is a JSON object")),
    }
}

fn nothing_else(members: &Map<String, Value>, of: &str) -> Result<(), String> {
    match members.keys().next() {
        Some(name) => Err(format!("{of} has no \"{name}\"")),
        None => Ok(()),
    }
}

fn within(value: &Value, name: &str, least: f64, most: f64) -> Result<f64, String> {
    let value = value
        .as_f64()
        .filter(|value| (least..=most).contains(value));
    value.ok_or_else(|| format!("{name} is a number from {least} to {most}"))
}

fn numbers<const N: usize>(value: &Value) -> Option<[f64; N]> {
    let numbers: Option<Vec<f64>> = value.as_array()?.iter().map(Value::as_f64).collect();
    numbers?.try_into().ok()
}

fn span(value: &Value) -> Option<(Duration, Duration)> {
    let [from, to] = numbers::<2>(value)?;
    (0.0 <= from && from < to && to < 1e9)
        .then(|| (Duration::from_secs_f64(from), Duration::from_secs_f64(to)))
}

fn fault(value: &Value) -> Result<Fault, String> {
    let mut members = members(value.clone(), "a fault")?;
    let mut text = |name: &str| {
        let value = members.remove(name)?;
        value.as_str().map(str::to_owned)
    };
    let (sensor, kind) = (
        text("sensor").unwrap_or_default(),
        text("kind").unwrap_or_default(),
    );
    let sensor = named(&SENSORS, &sensor).ok_or_else(|| names("sensor", &SENSORS))?;
    let kind = named(&KINDS, &kind).ok_or_else(|| names("kind", &KINDS))?;
    let (from, to) = members
        .remove("s")
        .and_then(|value| span(&value))
        .ok_or("s of a fault is [from, to] in seconds, from before to")?;
    nothing_else(&members, "a fault")?;
    Ok(Fault {
        sensor,
        kind,
        from,
        to,
    })
}

fn named<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| *value)
}

fn names<T>(member: &str, table: &[(&str, T)]) -> String {
    let names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
    format!("{member} of a fault is one of {}", names.join(", "))
}

fn is_place(latitude: f64, longitude: f64) -> bool {
    (-85.0..=85.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude)
}

/// The track points of a GPX file, each with its time.
fn track(text: &str) -> Result<Vec<Point>, String> {
    let document = roxmltree::Document::parse(text).map_err(|error| error.to_string())?;
    let mut begin = None;
    let mut points = Vec::new();
    for node in document
        .descendants()
        .filter(|node| node.tag_name().name() == "trkpt")
    {
        let number = |name| {
            node.attribute(name)
                .and_then(|text| text.trim().parse::<f64>().ok())
        };
        let child = |name: &str| {
            let child = node
                .children()
                .find(|child| child.tag_name().name() == name)?;
            child.text().map(str::trim)
        };
        let place = number("lat")
            .zip(number("lon"))
            .filter(|(lat, lon)| is_place(*lat, *lon));
        let (latitude, longitude) = place.ok_or("a trkpt without lat and lon in degrees")?;
        let time = child("time").and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        let time = time.ok_or("a trkpt without a time: the track has to have them")?;
        let seconds = (time - *begin.get_or_insert(time)).as_seconds_f64();
        let altitude = child("ele")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0.0);
        if points
            .last()
            .is_some_and(|last: &Point| last.seconds >= seconds)
        {
            return Err("the times of its points do not go on".to_owned());
        }
        points.push(Point::new(seconds, latitude, longitude, altitude));
    }
    match points.len() {
        0 | 1 => Err("a track of fewer than two points".to_owned()),
        _ => Ok(points),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_file_can_say() {
        let folder = tempfile::tempdir().expect("a folder");
        let gpx = r#"<?xml version="1.0"?><gpx xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>
            <trkpt lat="-27.47" lon="153.02"><ele>12.5</ele><time>2024-05-01T08:00:00Z</time></trkpt>
            <trkpt lat="-27.46" lon="153.03"><time>2024-05-01T08:01:40.5Z</time></trkpt>
            </trkseg></trk></gpx>"#;
        fs::write(folder.path().join("ride.gpx"), gpx).expect("written");
        let text = r#"{"seed":7,"start":"2026-11-30T08:00:00Z","from":[48.1,11.5],"drive_s":60,"park_s":0,
            "gpx":"ride.gpx","tunnels_s":[[10,20.5]],"roofs_s":[[30,40]],"cold_s":90,"weather":{"temperature":-5,"swing":3},
            "battery":{"percent":50,"hours":10}}"#;
        let read = Description::parse(text, folder.path(), 0).expect("a world");
        assert_eq!(
            (read.seed, read.start_ms, read.from),
            (7, 1_796_025_600_000, (48.1, 11.5))
        );
        assert_eq!(
            read.tunnels,
            [(Duration::from_secs(10), Duration::from_millis(20_500))]
        );
        let roof = (Duration::from_secs(30), Duration::from_secs(40));
        assert_eq!(
            (read.roofs, read.cold),
            (vec![roof], Duration::from_secs(90))
        );
        assert_eq!(read.points.len(), 2);
        assert_eq!(
            read.points
                .last()
                .map(|point| (point.seconds, point.latitude)),
            Some((100.5, -27.46))
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            ("[]", "it is a JSON object"),
            ("{", "EOF"),
            (r#"{"sed":1}"#, "a world has no \"sed\""),
            (r#"{"seed":-1}"#, "seed is a whole number"),
            (r#"{"start":"soon"}"#, "start is a time"),
            (r#"{"from":[91,0]}"#, "from is [latitude, longitude]"),
            (r#"{"drive_s":1e9}"#, "drive_s is a number from 10 to 86400"),
            (r#"{"tunnels_s":[[20,10]]}"#, "tunnels_s is a list"),
            (r#"{"roofs_s":[[20]]}"#, "roofs_s is a list"),
            (r#"{"cold_s":-1}"#, "cold_s is a number from 0 to 86400"),
            (r#"{"weather":{"rain":1}}"#, "weather has no \"rain\""),
            (
                r#"{"battery":{"percent":5}}"#,
                "percent is a number from 20 to 100",
            ),
            (r#"{"gpx":"nowhere.gpx"}"#, "nowhere.gpx"),
            (
                r#"{"faults":[{"sensor":"wind"}]}"#,
                "sensor of a fault is one of temperature, ",
            ),
            (
                r#"{"faults":[{"sensor":"gas","kind":"bad"}]}"#,
                "kind of a fault is one of broken, ",
            ),
            (
                r#"{"faults":[{"sensor":"gas","kind":"nan","s":[1,1]}]}"#,
                "s of a fault is [from, to]",
            ),
            (
                r#"{"faults":[{"sensor":"gas","kind":"nan","s":[0,1],"x":1}]}"#,
                "a fault has no \"x\"",
            ),
        ] {
            let error = Description::parse(text, Path::new("."), 0).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn tracks_that_lead_nowhere_are_named() {
        let point = |lat: &str, time: &str| {
            format!(r#"<trkpt lat="{lat}" lon="1"><time>{time}</time></trkpt>"#)
        };
        let (one, two) = ("2024-05-01T08:00:00Z", "2024-05-01T08:00:01Z");
        for (points, why) in [
            (String::new(), "fewer than two"),
            (point("1", one), "fewer than two"),
            (point("1", one) + &point("x", two), "without lat and lon"),
            (point("1", one) + &point("NaN", two), "without lat and lon"),
            (
                point("1", one) + r#"<trkpt lat="1" lon="1"/>"#,
                "without a time",
            ),
            (point("1", two) + &point("1", one), "do not go on"),
        ] {
            let error = track(&format!("<gpx>{points}</gpx>")).expect_err(&points);
            assert!(error.contains(why), "{points}: {error}");
        }
        assert!(track("<gpx>").is_err());
    }
}
