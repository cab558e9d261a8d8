//! The world as a board sees it: its sensors, its clock, and what happens to it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use iothub_host::{
    Assistance, Board, BoardEvent, BoardEvents, Cell, Loss, Methods, Network, Predictions, Sensor,
    Survey, Unavailable,
};

use super::{State, World, surroundings};

/// A world that goes on, at its own speed.
#[derive(Clone)]
pub(crate) struct Player(Arc<Inner>);

struct Inner {
    world: World,
    /// Of the world's seconds to real ones.
    speed: f64,
    /// When the world began by the machine's clock, in milliseconds since 1970: it goes on while
    /// the device restarts.
    began_ms: i64,
    events: BoardEvents,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    is_searching: bool,
    /// The last position, and when the device was there in the world's time.
    position: Option<(State, Duration)>,
    survey: Survey,
    /// Assistance data has come.
    is_assisted: bool,
    is_asked: bool,
}

impl Player {
    pub(crate) fn new(world: World, speed: f64, began_ms: i64) -> Self {
        Self(Arc::new(Inner {
            world,
            speed,
            began_ms,
            events: BoardEvents::default(),
            found: Mutex::default(),
        }))
    }

    pub(crate) fn events(&self) -> BoardEvents {
        self.0.events.clone()
    }

    /// Tells of movement, and takes the network away in tunnels, which is `network` otherwise. For
    /// ever.
    pub(crate) fn play(&self, network: Network) {
        let Self(inner) = self.clone();
        thread::spawn(move || inner.play(network));
    }
}

impl Inner {
    /// The world's time since its beginning.
    fn since(&self) -> Duration {
        since(self.began_ms, self.speed)
    }

    fn real(&self, span: Duration) -> Duration {
        span.div_f64(self.speed)
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn play(&self, network: Network) {
        let mut before = State {
            speed: 0.0,
            is_covered: true,
            ..self.world.at(self.since())
        };
        let mut is_time_told = false;
        loop {
            let now = self.world.at(self.since());
            if !is_time_told && self.world.is_time_known(self.since()) {
                is_time_told = true;
                self.events.happen(BoardEvent::Time);
            }
            if moves(&now) != moves(&before) {
                let event = if moves(&now) {
                    BoardEvent::Moving
                } else {
                    BoardEvent::Still
                };
                self.events.happen(event);
            }
            let is_told = now.is_covered == before.is_covered || cover(&now, network);
            before = State {
                is_covered: if is_told {
                    now.is_covered
                } else {
                    before.is_covered
                },
                ..now
            };
            thread::sleep(LOOK);
        }
    }

    fn search(&self, methods: Methods, timeout: Duration) {
        let found = match methods.gnss {
            true => self.search_satellites(timeout),
            false => None,
        };
        let now = self.world.at(self.since());
        let survey = surroundings::survey(&now, methods.cells, methods.wifi);
        let is_heard = found.is_none() && survey != Survey::default();
        let mut state = self.found();
        state.is_searching = false;
        if found.is_some() {
            state.position = found;
        }
        if is_heard {
            state.survey = survey;
        }
        drop(state);
        if is_heard {
            self.events.happen(BoardEvent::Surveyed);
        }
        self.events.happen(BoardEvent::Located(found.is_some()));
    }

    fn search_satellites(&self, timeout: Duration) -> Option<(State, Duration)> {
        let begin = self.since();
        self.ask();
        loop {
            let fix = surroundings::FIX.min(timeout);
            thread::sleep(self.real(fix).max(Duration::from_millis(1)));
            let since = self.since();
            let now = self.world.at(since);
            let is_warm = self.found().is_assisted || since - begin >= self.world.cold();
            if now.sees_sky && is_warm {
                return Some((now, since));
            }
            if since >= begin + timeout {
                return None;
            }
        }
    }

    /// For assistance data, once, where satellites take their time without.
    fn ask(&self) {
        let mut state = self.found();
        let is_wanted = !self.world.cold().is_zero() && !state.is_assisted && !state.is_asked;
        state.is_asked |= is_wanted;
        drop(state);
        if is_wanted {
            self.events
                .happen(BoardEvent::AgnssWanted(surroundings::AGNSS_TYPES));
            self.events.happen(BoardEvent::PgpsWanted);
        }
    }
}

/// The time of a world since its beginning, which was at `began_ms` by the machine's clock.
pub(super) fn since(began_ms: i64, speed: f64) -> Duration {
    let real = unix_ms().saturating_sub(began_ms).max(0);
    Duration::from_secs_f64(real as f64 / 1000.0 * speed)
}

/// The machine's clock, in milliseconds since 1970.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Above walking pace.
pub(super) fn moves(state: &State) -> bool {
    state.speed > 1.0
}

/// Whether the modem could be told. One that is off finds out by itself.
fn cover(now: &State, network: Network) -> bool {
    let Ok(modem) = iothub_host::modem() else {
        return false;
    };
    let told = match now.is_covered {
        true => modem.attach(network),
        false => modem.lose(Loss::Detached),
    };
    told.is_ok()
}

/// How often a player looks whether something has happened.
const LOOK: Duration = Duration::from_millis(50);

impl Board for Player {
    fn unix_time_ms(&self) -> Option<i64> {
        self.0.world.time(self.0.since())
    }

    fn read(&self, sensor: Sensor) -> Result<i32, Unavailable> {
        let found = self.0.found().position;
        self.0.world.measure(sensor, self.0.since(), found)
    }

    fn locate(&self, methods: Methods, timeout: Duration) -> Result<(), Unavailable> {
        if std::mem::replace(&mut self.0.found().is_searching, true) {
            return Err(Unavailable::Busy);
        }
        let Self(inner) = self.clone();
        thread::spawn(move || inner.search(methods, timeout));
        Ok(())
    }

    fn cell(&self) -> Option<Cell> {
        let now = self.0.world.at(self.0.since());
        now.is_covered.then(|| surroundings::cell(&now))
    }

    fn survey(&self) -> Survey {
        self.0.found().survey.clone()
    }

    fn predictions(&self) -> Option<Predictions> {
        let since = i64::try_from(self.0.since().as_millis()).ok()?;
        Some(surroundings::predictions(self.0.world.start_ms() + since))
    }

    fn assist(&self, kind: Assistance, data: &[u8]) -> Result<(), Unavailable> {
        let is_right = match kind {
            // The version of nRF Cloud's format, a type, and how many elements of it.
            Assistance::Agnss => matches!(data, [1, kind, _, _, ..] if (1..=13).contains(kind)),
            Assistance::Pgps => {
                let place: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
                place["host"].is_string() && place["path"].is_string()
            }
        };
        if !is_right {
            return Err(Unavailable::NotANumber);
        }
        self.0.found().is_assisted = true;
        Ok(())
    }
}
