//! The application on a simulated board, with a double in place of the client. One test at a time:
//! it has statics.

mod events;
mod methods;
mod sensors;
mod survey;
mod totals;
mod tracker;
mod twin;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use iothub_host::{Assistance, Board, Cell, Methods, Predictions, Sensor, Survey, Unavailable};

use crate::{client::double, configuration, interval};

/// What the board says.
#[derive(Default)]
struct Said {
    values: HashMap<Sensor, Result<i32, Unavailable>>,
    /// The time of day when the clock of the double was 0.
    time: Option<i64>,
    cell: Option<Cell>,
    /// The answer to a search; without one the board has none.
    locate: Option<Result<(), Unavailable>>,
    /// How long each search may last, in seconds.
    searches: std::vec::Vec<u64>,
    /// By what it searches.
    methods: std::vec::Vec<Methods>,
    survey: Survey,
    predictions: Option<Predictions>,
    /// What was taken; without a place for it nothing takes it.
    assisted: Option<std::vec::Vec<(Assistance, std::vec::Vec<u8>)>>,
    led: std::vec::Vec<bool>,
}

fn said<R>(f: impl FnOnce(&mut Said) -> R) -> R {
    static SAID: OnceLock<Mutex<Said>> = OnceLock::new();
    let said = SAID.get_or_init(Mutex::default);
    f(&mut said.lock().unwrap_or_else(PoisonError::into_inner))
}

struct SimulatedBoard;

impl Board for SimulatedBoard {
    fn unix_time_ms(&self) -> Option<i64> {
        let now = double::with(|double| double.now);
        said(|said| Some(said.time? + i64::try_from(now).ok()?))
    }

    fn read(&self, sensor: Sensor) -> Result<i32, Unavailable> {
        said(|said| {
            let value = said.values.get(&sensor);
            value.copied().unwrap_or(Err(Unavailable::Missing))
        })
    }

    fn locate(&self, methods: Methods, timeout: Duration) -> Result<(), Unavailable> {
        said(|said| {
            said.searches.push(timeout.as_secs());
            said.methods.push(methods);
            said.locate.unwrap_or(Err(Unavailable::Missing))
        })
    }

    fn cell(&self) -> Option<Cell> {
        said(|said| said.cell)
    }

    fn survey(&self) -> Survey {
        said(|said| said.survey.clone())
    }

    fn predictions(&self) -> Option<Predictions> {
        said(|said| said.predictions)
    }

    fn assist(&self, kind: Assistance, data: &[u8]) -> Result<(), Unavailable> {
        said(|said| {
            let taken = said.assisted.as_mut().ok_or(Unavailable::Missing)?;
            taken.push((kind, data.into()));
            Ok(())
        })
    }
}

/// Everything as after a start of a device that nobody has configured.
struct World {
    _alone: MutexGuard<'static, ()>,
}

/// 2027-01-15T08:00:00Z.
const TIME: i64 = 1_800_000_000_000;

const CELL: Cell = Cell {
    mccmnc: 24201,
    area: 2305,
    id: 33_703_719,
    band: 20,
    earfcn: 6446,
    rsrp: -97,
    snr: 9,
    is_nb_iot: false,
    energy: 7,
};

fn data() -> &'static PathBuf {
    static DATA: OnceLock<PathBuf> = OnceLock::new();
    DATA.get_or_init(|| {
        let data = std::env::temp_dir().join(std::format!("iothub-app-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&data);
        std::fs::create_dir_all(data.join("board")).unwrap();
        std::fs::write(data.join("board/fault"), "4 main").unwrap();
        let mut options = iothub_host::Options::new(&data);
        options.board = Arc::new(SimulatedBoard);
        options.log = std::boxed::Box::new(|_| {});
        options.hardware_id = Some("350457790000001".into());
        options.led = std::boxed::Box::new(|on| said(|said| said.led.push(on)));
        options.time_factor = 0.0;
        iothub_host::start(options).unwrap();
        ncs::modem::init().unwrap();
        ncs::lte::connect_async(|_| {}).unwrap();
        said(|said| said.cell = Some(CELL));
        let begun = std::time::Instant::now();
        while crate::modem::network().is_none_or(|network| network.address.is_none()) {
            assert!(begun.elapsed() < Duration::from_secs(60), "no network");
            std::thread::yield_now();
        }
        data
    })
}

impl World {
    fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        data();
        said(|said| {
            *said = Said {
                time: Some(TIME),
                ..Said::default()
            }
        });
        let _ = std::fs::remove_dir_all(data().join("settings"));
        let _ = std::fs::remove_file(data().join("board/coredump"));
        configuration::load();
        interval::load();
        interval::on_desired(&desired(r#"{"telemetryInterval":null}"#, 1));
        crate::measure::forget();
        crate::tracker::forget();
        double::reset();
        said(|said| said.led.clear());
        Self { _alone: alone }
    }
}

impl Drop for World {
    /// For the tests of single files, which take what a build has.
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(data().join("settings"));
        configuration::load();
    }
}

fn desired(patch: &str, version: u64) -> iothub::twin::Desired<'_> {
    iothub::twin::Desired {
        version,
        patch: patch.as_bytes(),
    }
}

fn set(values: &[(Sensor, i32)]) {
    said(|said| {
        for (sensor, value) in values {
            said.values.insert(*sensor, Ok(*value));
        }
    });
}

/// A setting, as it is stored.
fn setting(name: &str) -> Option<std::string::String> {
    let mut buffer = [0; 400];
    let key = std::ffi::CString::new(name).unwrap();
    let value = ncs::settings::read(&key, &mut buffer).unwrap()?;
    Some(std::string::String::from_utf8(value.to_vec()).unwrap())
}
