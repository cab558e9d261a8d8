//! The world as a file that a program for native_sim reads: the state of now in words, in the order
//! of `src/sim_world.h`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use iothub_host::{Sensor, Unavailable};

use super::{World, player, surroundings};
use crate::Error;

/// A world that is written into a file, until this is dropped.
pub(crate) struct WorldFile {
    path: PathBuf,
    wanted: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl WorldFile {
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn begin(
        world: World,
        speed: f64,
        began_ms: i64,
        path: PathBuf,
    ) -> Result<Self, Error> {
        let tell = move |path: &Path| write(path, &world, player::since(began_ms, speed));
        tell(&path)?;
        let wanted = Arc::new(AtomicBool::new(true));
        let (is_wanted, to) = (wanted.clone(), path.clone());
        let writer = thread::spawn(move || {
            while is_wanted.load(Ordering::Relaxed) {
                thread::sleep(LOOK);
                // What cannot be written now is written the next time.
                let _ = tell(&to);
            }
        });
        Ok(Self {
            path,
            wanted,
            writer: Some(writer),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorldFile {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
        // Two would take the file from each other.
        let _ = self.writer.take().map(JoinHandle::join);
    }
}

/// Twice as often as the device looks.
const LOOK: Duration = Duration::from_millis(25);

/// A reader finds the old one or the new one, whole.
fn write(file: &Path, world: &World, since: Duration) -> Result<(), Error> {
    let beside = file.with_extension("new");
    fs::write(&beside, words(world, since))
        .and_then(|()| fs::rename(&beside, file))
        .map_err(|source| Error::path(file, source))
}

fn words(world: &World, since: Duration) -> String {
    let state = world.at(since);
    let cell = surroundings::cell(&state);
    let time = world.time(since).ok_or(Unavailable::Missing);
    let mut words = vec![since.as_millis().to_string(), word(time)];
    let flags = [state.is_covered, state.sees_sky, player::moves(&state)];
    words.extend(flags.map(|flag| u8::from(flag).to_string()));
    let sensors = Sensor::ALL.into_iter().filter(|it| *it != Sensor::FixAge);
    words.extend(sensors.map(|it| word(world.measure(it, since, Some((state, since))))));
    let cell = [
        i64::from(cell.mccmnc),
        i64::from(cell.area),
        i64::from(cell.id),
        i64::from(cell.band),
        i64::from(cell.earfcn),
        i64::from(cell.rsrp),
        i64::from(cell.snr),
        i64::from(cell.energy),
    ];
    words.extend(cell.map(|value| value.to_string()));
    words.join(" ")
}

fn word(value: Result<impl ToString, Unavailable>) -> String {
    let why = match value {
        Ok(value) => return value.to_string(),
        Err(why) => why,
    };
    match why {
        Unavailable::Broken => "broken",
        Unavailable::Hangs => "hangs",
        Unavailable::NotANumber => "nan",
        _ => "missing",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Description;

    /// The words of `src/sim_world.h`, which count from 0.
    fn names() -> Vec<String> {
        let header = include_str!("../../../../src/sim_world.h");
        let (_, list) = header.split_once("enum sim_world_word {").expect("a list");
        let (list, _) = list.split_once('}').expect("its end");
        let names = list
            .lines()
            .filter_map(|line| line.trim().split_once("SIM_WORLD_"));
        names
            .map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn there_are_as_many_words_as_the_device_reads_and_each_where_it_looks() {
        let text = r#"{ "time_s": 10, "tunnels_s": [[60, 120]],
            "faults": [{ "sensor": "humidity", "kind": "hangs", "s": [0, 60] }] }"#;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("world.json");
        fs::write(&path, text).expect("written");
        let start = 1_796_025_600_000;
        let world = World::new(Description::read(&path, start).expect("a world"));
        let sensors = Sensor::ALL.len() - 1;
        let names = names();
        let at = |name: &str| {
            let index = names.iter().position(|it| it == name).expect("a name");
            index + if index > 5 { sensors - 1 } else { 0 }
        };
        let early = words(&world, Duration::from_secs(5));
        let early: Vec<_> = early.split(' ').collect();
        assert_eq!(early.len(), at("WORDS"));
        assert_eq!(early[at("SINCE")], "5000");
        assert_eq!(early[at("TIME")], "missing");
        assert_eq!(early[at("COVERED")], "1");
        assert_eq!(early[at("SENSORS") + 1], "hangs");
        let late = words(&world, Duration::from_secs(90));
        let late: Vec<_> = late.split(' ').collect();
        assert_eq!(late[at("TIME")], (start + 90_000).to_string());
        assert_eq!((late[at("COVERED")], late[at("SKY")]), ("0", "0"));
        assert_eq!(late[at("NETWORK")], "50501");
        let state = world.at(Duration::from_secs(90));
        assert_eq!(late[at("RSRP")], state.rsrp.to_string());
        let longitude = (state.longitude * 1e7).round().to_string();
        assert_eq!(late[at("SENSORS") + 12], longitude);
    }
}
