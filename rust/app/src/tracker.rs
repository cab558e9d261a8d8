//! The loop: samples, keeps them, sends them in batches, and reports the newest.

use core::{
    cell::Cell,
    fmt::Write,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use critical_section::Mutex;
use iothub::{Capacity, Error, Instant, Keep, Property, Telemetry};
use ncs::board::{self, Methods};

use crate::{
    client,
    configuration::{self, Configuration},
    documents::{self, Text},
    health,
    kept::{self, Kept},
    measure, modem,
    reading::{Kind, Network, Reading, Taken, Value},
    schedule::Schedule,
    store::Store,
    survey::{self, Pending},
    time::UnixTime,
    totals::{Numbers, Totals, Urgency},
};

/// What has happened to the board since the loop looked last.
#[derive(Clone, Copy, Default)]
struct Happened {
    moves: Option<bool>,
    /// The strongest, in 0.01 g.
    impact: Option<u16>,
    button: Option<u8>,
    /// How a search for the position has ended.
    located: Option<bool>,
    /// What a search has heard and asks for.
    search: survey::Wanted,
    /// A method asks for one.
    sample: bool,
    /// A method asks for one.
    locate: bool,
    restart: bool,
    /// A method asks for one.
    fault: Option<board::TestFault>,
}

static HAPPENED: Mutex<Cell<Happened>> = Mutex::new(Cell::new(Happened {
    moves: None,
    impact: None,
    button: None,
    located: None,
    search: survey::Wanted::NOTHING,
    sample: false,
    locate: false,
    restart: false,
    fault: None,
}));

fn happen(change: impl FnOnce(&mut Happened)) {
    critical_section::with(|cs| {
        let cell = HAPPENED.borrow(cs);
        let mut happened = cell.get();
        change(&mut happened);
        cell.set(happened);
    });
    client::wake();
}

pub(crate) fn on_board(event: board::Event) {
    happen(|happened| match event {
        board::Event::Time => {}
        board::Event::Moving => happened.moves = Some(true),
        board::Event::Still => happened.moves = Some(false),
        board::Event::Impact(strength) => {
            let strength = u16::try_from(strength).unwrap_or(u16::MAX);
            happened.impact = Some(happened.impact.unwrap_or(0).max(strength));
        }
        board::Event::Button(number) => happened.button = u8::try_from(number).ok(),
        board::Event::Located(result) => happened.located = Some(result.is_ok()),
        board::Event::Surveyed => happened.search.survey(),
        board::Event::AgnssWanted(types) => happened.search.agnss(types),
        board::Event::PgpsWanted => happened.search.pgps(),
    });
}

/// The outbox has room again.
pub(crate) fn on_room() {
    if IS_FULL.load(Ordering::Relaxed) {
        IS_FULL.store(false, Ordering::Relaxed);
        client::wake();
    }
}

/// Whether the loop waits for room in the outbox.
static IS_FULL: AtomicBool = AtomicBool::new(false);

/// Takes a sample now, and sends it.
pub(crate) fn sample() {
    happen(|happened| happened.sample = true);
}

/// Searches for the position now, and sends it.
pub(crate) fn locate() {
    happen(|happened| happened.locate = true);
}

/// Restarts the device, once what waits has been sent.
pub(crate) fn restart() {
    happen(|happened| happened.restart = true);
}

/// Brings a fault about, on the loop's thread.
pub(crate) fn fault(kind: board::TestFault) {
    happen(|happened| happened.fault = Some(kind));
}

#[cfg(test)]
pub(crate) fn forget() {
    let _ = asked_fault();
    IS_FULL.store(false, Ordering::Relaxed);
}

/// The fault that is to come; what else has happened is forgotten.
#[cfg(test)]
pub(crate) fn asked_fault() -> Option<board::TestFault> {
    critical_section::with(|cs| HAPPENED.borrow(cs).take()).fault
}

/// What [`diagnostics`] tells.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Diagnostics {
    /// Readings that wait.
    pub(crate) waiting: usize,
    /// Readings that gave way to newer ones.
    pub(crate) dropped: u32,
    /// Counters of before this start.
    pub(crate) before: Numbers,
}

static DIAGNOSTICS: Mutex<Cell<Diagnostics>> = Mutex::new(Cell::new(Diagnostics {
    waiting: 0,
    dropped: 0,
    before: Numbers::NONE,
}));

pub(crate) fn diagnostics() -> Diagnostics {
    critical_section::with(|cs| DIAGNOSTICS.borrow(cs).get())
}

/// Everything that the loop remembers.
pub(crate) struct Tracker {
    store: Store<{ iothub::READINGS }>,
    kept: Kept,
    totals: Totals,
    schedule: Schedule,
    /// The newest of each kind that is a state.
    newest: [Option<Reading>; Kind::ALL.len()],
    /// Kinds that are newer than in the twin.
    unreported: u8,
    reported: Option<Instant>,
    /// When the search for the position ends at the latest.
    search: Option<Instant>,
    /// What a back end is to be told or asked about the position, in builds that do.
    pending: [Pending; survey::PENDING],
    /// The network of the last reading, and when that was.
    network: Option<(Network, Instant)>,
    device_reported: bool,
    health_reported: bool,
    /// The last sample found it so; and that it was told.
    is_battery_low: bool,
    is_battery_told: bool,
    /// The outbox had no room at this time.
    full: Option<Instant>,
    payload: [u8; PAYLOAD],
}

/// What a message has room for beside its topic and its properties.
const PAYLOAD: usize = iothub::MESSAGE_MAX.saturating_sub(256);

/// How long to wait for room in the outbox, where nothing is acknowledged meanwhile.
const ROOM_WAIT: Duration = Duration::from_secs(10);

/// How long after its time-out a search is taken for hung.
const SEARCH_GRACE: Duration = Duration::from_secs(30);

/// A network that stays the same is read anew after so long, for its strength.
const NETWORK_INTERVAL: Duration = Duration::from_secs(900);

/// How long a restart waits for what is to be sent, and for the hub to be left.
const RESTART_WAIT: Duration = Duration::from_secs(5);
const LEAVE_WAIT: Duration = Duration::from_secs(3);

/// No more often the twin is told what is newest.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

impl Tracker {
    pub(crate) const fn new() -> Self {
        Self {
            store: Store::new(),
            kept: Kept::new(),
            totals: Totals::new(),
            schedule: Schedule::new(),
            newest: [None; Kind::ALL.len()],
            unreported: 0,
            reported: None,
            search: None,
            pending: [const { Pending::new() }; survey::PENDING],
            network: None,
            device_reported: false,
            health_reported: false,
            is_battery_low: false,
            is_battery_told: false,
            full: None,
            payload: [0; PAYLOAD],
        }
    }

    pub(crate) fn run(&mut self) -> ! {
        self.kept.restore(&mut self.store);
        self.totals.begin();
        loop {
            let configuration = configuration::current();
            let happened = critical_section::with(|cs| HAPPENED.borrow(cs).take());
            self.take(&configuration, happened);
            let now = client::now();
            if self.schedule.next_sample(&configuration) <= now {
                self.sample(&configuration, now);
            }
            let stamped = UnixTime::now().is_some_and(|time| self.store.stamp(now, time));
            self.send(&configuration, now);
            self.send_pending(now);
            self.kept.update(&self.store, stamped);
            if kept::IS_ON {
                self.heed_battery();
            }
            let urgency = match self.is_battery_low {
                true => Urgency::Soon,
                false => Urgency::None,
            };
            self.totals.update(now, urgency);
            critical_section::with(|cs| {
                DIAGNOSTICS.borrow(cs).set(Diagnostics {
                    waiting: self.store.len(),
                    dropped: self.store.dropped(),
                    before: self.totals.before(),
                });
            });
            if happened.restart {
                self.restart();
            }
            if let Some(kind) = happened.fault.filter(|_| iothub::FAULT_COMMAND) {
                // The method's answer goes first.
                pause();
                health::cause(kind);
            }
            client::wait(Some(self.next(&configuration)));
        }
    }

    fn next(&self, configuration: &Configuration) -> Instant {
        let mut next = self.schedule.next_sample(configuration);
        if let Some(search) = self.search {
            next = next.min(search);
        }
        if let Some(send) = self.next_send(configuration) {
            next = next.min(self.full.map_or(send, |full| full + ROOM_WAIT));
        } else if let Some(full) = self
            .full
            .filter(|_| self.pending.iter().any(Pending::is_survey))
        {
            next = next.min(full + ROOM_WAIT);
        }
        next.max(client::now() + Duration::from_millis(100))
    }

    fn take(&mut self, configuration: &Configuration, happened: Happened) {
        let now = client::now();
        if let Some(moves) = happened.moves {
            self.schedule.moves = moves;
        }
        for (value, kind) in [
            (happened.impact.map(Value::Impact), Kind::Impact),
            (happened.button.map(Value::Button), Kind::Button),
        ] {
            if let Some(value) = value.filter(|_| !configuration.no_data.has(kind)) {
                self.push(value, now, UnixTime::now());
                self.schedule.ask();
            }
        }
        if happened.sample {
            self.schedule.ask();
        }
        if happened.locate {
            self.schedule.hurry();
            let methods = survey::methods(configuration.no_data.without(Kind::Position));
            self.search(configuration, methods, now);
        }
        for pending in &mut self.pending {
            pending.take(happened.search, now, UnixTime::now());
        }
        match happened.located {
            Some(true) if self.search.take().is_some() => match measure::position(client::now()) {
                Some((value, taken, time)) => self.push(value, taken, time),
                None => log::warn!("the position that was found cannot be read"),
            },
            Some(false) if self.search.take().is_some() => log::info!("no position was found"),
            _ => {}
        }
        if self.search.is_some_and(|search| search <= now) {
            self.search = None;
            log::warn!("the search for the position does not end: it is not waited for");
        }
    }

    fn push(&mut self, value: Value, taken: Instant, time: Option<UnixTime>) {
        let reading = Reading {
            taken: Taken::new(taken, time),
            value,
        };
        let kind = value.kind();
        let at = Kind::ALL.iter().position(|of| *of == kind);
        if let Some(place) = at
            .and_then(|at| self.newest.get_mut(at))
            .filter(|_| kind.is_state())
        {
            *place = Some(reading);
            self.unreported |= kind.bit();
        }
        let dropped = self.store.dropped();
        self.store.push(reading);
        if dropped == 0 && self.store.dropped() > 0 {
            log::warn!("no room for more readings: the oldest give way");
        }
    }

    fn sample(&mut self, configuration: &Configuration, now: Instant) {
        self.schedule.on_sampled(now);
        let readings = [
            (
                Kind::Environment,
                measure::environment as fn() -> Option<Value>,
            ),
            (Kind::Battery, measure::battery),
            (Kind::FuelGauge, measure::fuel_gauge),
        ];
        for (kind, read) in readings {
            if configuration.no_data.has(kind) {
                continue;
            }
            if let Some(value) = read() {
                if let Value::Battery(millivolts) = value {
                    self.is_battery_low = millivolts < iothub::BATTERY_LOW_MV;
                }
                self.push(value, now, UnixTime::now());
            }
        }
        if !configuration.no_data.has(Kind::Network) {
            self.sample_network(now);
        }
        let methods = survey::methods(configuration.no_data);
        self.search(configuration, methods, now);
    }

    /// Where the power may go at any moment, what the outbox has in RAM goes to flash, as the
    /// readings that wait are there already.
    fn heed_battery(&mut self) {
        if self.is_battery_low {
            client::flush();
            if !self.is_battery_told {
                log::warn!("the battery is low: what waits is in flash");
            }
        }
        self.is_battery_told = self.is_battery_low;
    }

    /// Only where something has changed, or after a while.
    fn sample_network(&mut self, now: Instant) {
        let Some(network) = modem::network() else {
            return;
        };
        let is_known = self.network.is_some_and(|(known, read)| {
            known.is_same_place(&network) && now < read + NETWORK_INTERVAL
        });
        if !is_known {
            self.network = Some((network, now));
            self.push(Value::Network(network), now, UnixTime::now());
        }
    }

    fn search(&mut self, configuration: &Configuration, methods: Option<Methods>, now: Instant) {
        let Some(methods) = methods.filter(|_| self.search.is_none()) else {
            return;
        };
        match board::locate(methods, configuration.location_timeout) {
            Ok(()) => self.search = Some(now + configuration.location_timeout + SEARCH_GRACE),
            Err(errno) if board::is_missing(errno) => {}
            Err(errno) => log::warn!("the position cannot be searched for: {errno}"),
        }
    }

    /// When what waits is to leave; `None` while nothing does, or its position or the time of day
    /// is to come first.
    fn next_send(&self, configuration: &Configuration) -> Option<Instant> {
        if self.store.is_nearly_full() {
            return Some(Instant::from_millis(0));
        }
        if self.store.is_empty() || self.search.is_some() || self.store.awaits_time() {
            return None;
        }
        Some(match self.kept.is_full() {
            true => Instant::from_millis(0),
            false => self.schedule.next_update(configuration),
        })
    }

    fn send(&mut self, configuration: &Configuration, now: Instant) {
        let Some(next) = self.next_send(configuration) else {
            return;
        };
        let may_join = || self.schedule.may_join(configuration, now) && is_radio_on();
        if (next <= now || may_join()) && self.send_all(now) {
            self.schedule.on_sent(now);
            self.report(now);
        }
    }

    /// `false` if the outbox has no room for the rest.
    fn send_all(&mut self, now: Instant) -> bool {
        self.full = None;
        while let Some((count, len)) = documents::batch(self.store.iter(), &mut self.payload) {
            let payload = self.payload.get(..len).unwrap_or_default();
            // The outbox has it in flash before the store gives it up.
            let keep = self.kept.has(self.store.first()).then_some(Keep::Always);
            match send_batch(payload, self.store.iter().take(count), keep) {
                Ok(()) => self.store.remove(count),
                Err(Error::Capacity(Capacity::Outbox)) => {
                    log::debug!("the outbox is full: {} readings wait", self.store.len());
                    self.full = Some(now);
                    IS_FULL.store(true, Ordering::Relaxed);
                    return false;
                }
                Err(error) => {
                    log::warn!("telemetry not accepted: {error}");
                    self.store.remove(count);
                }
            }
        }
        true
    }

    fn send_pending(&mut self, now: Instant) {
        for pending in &mut self.pending {
            if !pending.send(now, &mut self.payload) {
                self.full = Some(now);
                IS_FULL.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Sends the readings that wait and what the outbox has, leaves the hub, and restarts. Without
    /// the hub it does not wait for it: what the outbox in flash takes is sent after the restart.
    fn restart(&mut self) -> ! {
        let deadline = client::now() + RESTART_WAIT;
        while client::now() < deadline {
            let all = self.send_all(client::now());
            // The method's answer, too.
            if all && client::status().is_ok_and(|status| status.outbox_used == 0) {
                break;
            }
            pause();
        }
        let _ = client::disconnect();
        let deadline = client::now() + LEAVE_WAIT;
        let is_idle = |status: iothub::Status| status.phase == iothub::Phase::Idle;
        while client::now() < deadline && !client::status().is_ok_and(is_idle) {
            pause();
        }
        client::flush();
        self.totals.update(client::now(), Urgency::Now);
        log::warn!("restarting, as a method asks");
        loop {
            client::reboot();
        }
    }

    /// Tells the twin what is newest, and once after a restart what the device is.
    fn report(&mut self, now: Instant) {
        if !self.device_reported {
            self.device_reported =
                UnixTime::now().is_some_and(|time| report_device(time, &mut self.payload));
        }
        if !self.health_reported {
            self.health_reported =
                UnixTime::now().is_some_and(|time| report_health(time, &mut self.payload));
        }
        if self
            .reported
            .is_some_and(|reported| now < reported + REPORT_INTERVAL)
        {
            return;
        }
        let newest = self.newest.iter().flatten();
        let fresh = newest.filter(|reading| {
            reading.time().is_some() && self.unreported & reading.value.kind().bit() != 0
        });
        let Some(patch) = documents::reported(fresh, &mut self.payload) else {
            return;
        };
        match client::report(patch, None) {
            Ok(_) => {
                self.unreported = 0;
                self.reported = Some(now);
            }
            Err(error) => log::debug!("what is newest cannot be reported now: {error}"),
        }
    }
}

/// A board that cannot tell waits for its time.
fn is_radio_on() -> bool {
    board::radio().is_ok_and(|radio| radio.is_on)
}

fn send_batch<'r>(
    payload: &[u8],
    readings: impl Iterator<Item = &'r Reading> + Clone,
    keep: Option<Keep>,
) -> Result<(), Error> {
    let count = readings.clone().count();
    let first = readings.clone().filter_map(Reading::time).min();
    let hottest = readings.filter_map(|reading| match reading.value {
        Value::Environment(environment) => environment.temperature,
        _ => None,
    });
    let alert = hottest.max().map(|temperature| temperature > ALERT);
    let properties = [
        Property {
            name: "batch",
            value: None,
        },
        Property {
            name: "temperatureAlert",
            value: Some(if alert == Some(true) { "true" } else { "false" }),
        },
    ];
    let mut created = heapless::String::<32>::new();
    let is_known = UnixTime::now().is_some_and(|time| write!(created, "{time}").is_ok());
    let mut message = Telemetry::json(payload);
    message.system.creation_time = is_known.then_some(created.as_str());
    message.delivery.keep = keep;
    message.properties = match alert {
        Some(_) => &properties,
        None => properties.get(..1).unwrap_or_default(),
    };
    let id = client::send(&message)?;
    let text = core::str::from_utf8(payload).unwrap_or_default();
    let first = first.map_or(0, UnixTime::as_millis);
    log::info!(
        "telemetry {} queued: {count} readings from {first}: {text}",
        id.as_u32()
    );
    Ok(())
}

/// 0.001 °C above which `temperatureAlert` is true.
const ALERT: i32 = 30_000;

/// Why the device has started, and the fault before, for the twin. `false`: later again.
fn report_health(time: UnixTime, buffer: &mut [u8]) -> bool {
    let mut name = [0; 24];
    let (cause, fault) = (board::reset_cause(), board::last_fault(&mut name));
    if cause.is_err() && fault.is_err_and(board::is_missing) {
        return true;
    }
    let mut out = Text::new(buffer);
    let mut write = || -> core::fmt::Result {
        out.write_str("{\"health\":{\"v\":{")?;
        if let Ok(cause) = cause {
            write!(out, "\"resetCause\":{cause},")?;
        }
        out.write_str("\"fault\":")?;
        match &fault {
            Ok(fault) => health::write_fault(&mut out, fault)?,
            Err(_) => out.write_str("null")?,
        }
        write!(out, "}},\"ts\":{}}}}}", time.as_millis())
    };
    let is_written = write().is_ok();
    is_written && client::report(out.finish(), None).is_ok()
}

/// `false`: later again.
fn report_device(time: UnixTime, buffer: &mut [u8]) -> bool {
    let (mut imei, mut iccid, mut firmware, mut name) = ([0; 64], [0; 64], [0; 64], [0; 48]);
    let mut out = Text::new(buffer);
    let mut write = || -> Option<()> {
        out.write_str("{\"dev\":{\"v\":{").ok()?;
        for (name, value) in [
            ("imei", modem::imei(&mut imei)),
            ("iccid", modem::iccid(&mut iccid)),
            ("modV", ncs::modem::firmware(&mut firmware).ok()),
        ] {
            if let Some(value) = value.filter(|value| is_plain(value)) {
                write!(out, "\"{name}\":\"{value}\",").ok()?;
            }
        }
        let board = board::name(&mut name).unwrap_or("unknown");
        write!(
            out,
            "\"brdV\":\"{board}\"}},\"ts\":{}}}}}",
            time.as_millis()
        )
        .ok()
    };
    let is_written = write().is_some();
    is_written && client::report(out.finish(), None).is_ok()
}

/// Whether JSON needs no escapes for it.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\')
}

fn pause() {
    client::wait(Some(client::now() + Duration::from_millis(50)));
}
