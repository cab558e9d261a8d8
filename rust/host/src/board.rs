//! What a simulated board measures, and what it tells by itself.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{errno::Errno, lock};

/// What can be read, with the units of `iothub_board.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sensor {
    /// 0.001 °C.
    Temperature,
    /// 0.001 %.
    Humidity,
    /// Pa.
    Pressure,
    /// Ohm.
    Gas,
    /// Lux.
    Light,
    /// mV.
    BatteryVoltage,
    /// mA, negative while it is charged.
    BatteryCurrent,
    /// 0.1 °C.
    BatteryTemperature,
    /// %.
    BatteryCharge,
    /// Seconds.
    TimeToEmpty,
    /// Seconds.
    TimeToFull,
    /// 1e-7 degrees; this and what follows is of the last position that was found.
    Latitude,
    /// 1e-7 degrees.
    Longitude,
    /// 0.1 m.
    Accuracy,
    /// 0.1 m.
    Altitude,
    /// 0.01 m/s.
    Speed,
    /// 0.01 degrees.
    Heading,
    /// Milliseconds since the device was there.
    FixAge,
}

impl Sensor {
    /// All of them, in the order of their numbers in `iothub_board.h`.
    pub const ALL: [Self; 18] = [
        Self::Temperature,
        Self::Humidity,
        Self::Pressure,
        Self::Gas,
        Self::Light,
        Self::BatteryVoltage,
        Self::BatteryCurrent,
        Self::BatteryTemperature,
        Self::BatteryCharge,
        Self::TimeToEmpty,
        Self::TimeToFull,
        Self::Latitude,
        Self::Longitude,
        Self::Accuracy,
        Self::Altitude,
        Self::Speed,
        Self::Heading,
        Self::FixAge,
    ];

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unavailable {
    /// The board has no such sensor.
    Missing,
    /// The sensor does not work.
    Broken,
    /// The sensor does not answer.
    Hangs,
    /// What it says is no number.
    NotANumber,
    /// A search is under way.
    Busy,
}

impl Unavailable {
    pub(crate) fn errno(self) -> Errno {
        match self {
            Self::Missing => Errno::NOTSUP,
            Self::Broken => Errno::IO,
            Self::Hangs => Errno::TIMEDOUT,
            Self::NotANumber => Errno::RANGE,
            Self::Busy => Errno::BUSY,
        }
    }
}

/// The cell that the modem is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Country and network code, of 5 or 6 digits.
    pub mccmnc: u32,
    /// Tracking area code.
    pub area: u16,
    /// E-UTRAN cell id.
    pub id: u32,
    /// LTE band.
    pub band: u8,
    /// Channel of the downlink.
    pub earfcn: u32,
    /// dBm.
    pub rsrp: i16,
    /// dB.
    pub snr: i8,
    /// NB-IoT in place of LTE-M.
    pub is_nb_iot: bool,
    /// The energy estimate of `AT%CONEVAL`, 5 (costly) to 9 (cheap).
    pub energy: u8,
}

/// By what a position is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods {
    /// Satellites.
    pub gnss: bool,
    /// Cells, where satellites are not found.
    pub cells: bool,
    /// Wi-Fi access points, where satellites are not found.
    pub wifi: bool,
}

/// What a search has heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The cell that the modem is in, and its timing advance in Ts.
    pub camped: Option<(Cell, u16)>,
    /// Cells around it.
    pub neighbours: Vec<Neighbour>,
    /// MAC addresses.
    pub access_points: Vec<[u8; 6]>,
}

/// A cell around the one that the modem is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Physical cell id.
    pub id: u16,
    /// Channel of the downlink.
    pub earfcn: u32,
    /// dBm.
    pub rsrp: i16,
    /// 0.1 dB.
    pub rsrq: i16,
}

/// Predictions of orbits, as nRF Cloud is asked for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predictions {
    /// How many.
    pub count: u16,
    /// Minutes from one to the next.
    pub interval: u16,
    /// The first one's day of GPS time.
    pub day: u16,
    /// Seconds of that day.
    pub time: u32,
}

/// What satellites are found faster with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assistance {
    /// Data of now.
    Agnss,
    /// Where predictions are fetched from.
    Pgps,
}

/// A board, for [`Options::board`](crate::Options::board).
pub trait Board: Send + Sync {
    /// Milliseconds since 1970; `None` while nobody has told the time. The machine's clock unless
    /// this is written.
    fn unix_time_ms(&self) -> Option<i64> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok()
    }

    /// Reads a sensor. Returns at once, whatever it says.
    ///
    /// # Errors
    /// Why there is no value.
    fn read(&self, sensor: Sensor) -> Result<i32, Unavailable>;

    /// Begins a search for the position, which a call of [`BoardEvents::happen`] ends.
    ///
    /// # Errors
    /// The board cannot tell, or a search is under way.
    fn locate(&self, methods: Methods, timeout: Duration) -> Result<(), Unavailable>;

    /// What the last search has heard of cells and access points. Nothing unless this is written.
    fn survey(&self) -> Survey {
        Survey::default()
    }

    /// What predictions of orbits are wanted. None unless this is written.
    fn predictions(&self) -> Option<Predictions> {
        None
    }

    /// Takes assistance data. Nothing takes it unless this is written.
    ///
    /// # Errors
    /// Nothing takes it, or the data is wrong.
    fn assist(&self, kind: Assistance, data: &[u8]) -> Result<(), Unavailable> {
        let _ = (kind, data);
        Err(Unavailable::Missing)
    }

    /// The cell that the modem is in, while it is in one.
    fn cell(&self) -> Option<Cell>;
}

/// A board without sensors, with the machine's clock.
pub(crate) struct Bare;

impl Board for Bare {
    fn read(&self, _: Sensor) -> Result<i32, Unavailable> {
        Err(Unavailable::Missing)
    }

    fn locate(&self, _: Methods, _: Duration) -> Result<(), Unavailable> {
        Err(Unavailable::Missing)
    }

    fn cell(&self) -> Option<Cell> {
        None
    }
}

/// What a board tells by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BoardEvent {
    /// The time became known, or jumped.
    Time,
    /// Movement after stillness.
    Moving,
    /// Stillness after movement.
    Still,
    /// A shock, in 0.01 g.
    Impact(u16),
    /// A button was released: its number, from 1.
    Button(u8),
    /// A search for the position has ended: with one, which can be read, or without.
    Located(bool),
    /// A search has heard cells or access points: [`Board::survey`].
    Surveyed,
    /// A-GNSS data is wanted: a bit for each of nRF Cloud's types.
    AgnssWanted(u16),
    /// [`Board::predictions`] are wanted.
    PgpsWanted,
}

pub(crate) type Handler = Arc<dyn Fn(BoardEvent) + Send + Sync>;

/// By which a board tells what happens to it. Before the application listens, nobody is told.
#[derive(Clone, Default)]
pub struct BoardEvents(Arc<Mutex<Option<Handler>>>);

impl BoardEvents {
    /// Tells it, on the caller's thread.
    pub fn happen(&self, event: BoardEvent) {
        let handler = lock(&self.0).clone();
        if let Some(handler) = handler {
            handler(event);
        }
    }

    pub(crate) fn watch(&self, handler: Option<Handler>) {
        *lock(&self.0) = handler;
    }
}

impl std::fmt::Debug for BoardEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoardEvents").finish_non_exhaustive()
    }
}
