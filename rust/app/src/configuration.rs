//! The configuration over the air: the desired property `cfg` with nRF Asset Tracker's names, units and ranges, and a few of
//! our own behind them.
//!
//! | field | values | meaning |
//! |---|---|---|
//! | `act` | true, false | active: a sample each `actwt`; else passive: when it moves, and each `mvt` |
//! | `actwt` | 1 to 2147483647 s | active: between two samples. Where it is not desired, `telemetryInterval` counts |
//! | `mvres` | 1 to 2147483647 s | passive: between two samples because of movement |
//! | `mvt` | 1 to 2147483647 s | passive: the longest time between two samples |
//! | `loct` | 1 to 2147483647 s | the longest search for a position |
//! | `accath` | 0 to 78.4532 m/s² | what counts as movement |
//! | `accith` | 0 to 78.4532 m/s² | what counts as stillness; less than `accath` |
//! | `accito` | 0.08 to 5242.88 s | so long still is still; less than `mvres` |
//! | `nod` | list of `gnss`, `ncell`, `wifi`, `env`, `bat`, `fg`, `roam`, `btn`, `impact` | what not to sample |
//! | `upd` | 0 to 86400 s | ours: samples are kept and leave together, at most so often; 0: at once |
//! | `led` | true, false | ours: whether the LED may be lit |
//! | `log` | 0 to 5 | ours: the level of the log, as far as the build has it |
//!
//! A field that is wrong keeps its value, and the others take effect; the answer is then 400 and names it. See
//! docs/decisions/0010-tracker-documents.md.

pub(crate) mod fuzzing;

use core::{cell::Cell, ffi::CStr, fmt::Write, time::Duration};

use critical_section::Mutex;
use iothub::twin::{Document, View};

use crate::{
    decimal::{self, Decimal},
    documents::Text,
    interval,
    reading::Kind,
};

/// What counts now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    pub(crate) active: bool,
    pub(crate) active_wait: Duration,
    pub(crate) movement_resolution: Duration,
    pub(crate) movement_timeout: Duration,
    pub(crate) location_timeout: Duration,
    /// mm/s².
    pub(crate) activity: u32,
    /// mm/s².
    pub(crate) inactivity: u32,
    pub(crate) inactivity_timeout: Duration,
    pub(crate) no_data: NoData,
    pub(crate) update: Duration,
    pub(crate) led: bool,
    pub(crate) log: u8,
}

/// A set of what not to sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NoData(u16);

impl NoData {
    pub(crate) fn has(self, kind: Kind) -> bool {
        NO_DATA
            .iter()
            .position(|name| *name == kind.name())
            .is_some_and(|at| self.0 >> at & 1 == 1)
    }

    fn parse(raw: &[u8]) -> Option<Self> {
        let mut rest = raw.strip_prefix(b"[")?.strip_suffix(b"]")?.trim_ascii();
        let mut set = 0;
        while !rest.is_empty() {
            let text = rest.strip_prefix(b"\"")?;
            let end = text.iter().position(|byte| *byte == b'"')?;
            let (name, after) = text.split_at(end);
            let at = NO_DATA.iter().position(|known| known.as_bytes() == name)?;
            set |= 1 << at;
            let after = after.get(1..)?.trim_ascii();
            rest = match after.strip_prefix(b",") {
                Some(after) if !after.trim_ascii().is_empty() => after.trim_ascii(),
                None if after.is_empty() => after,
                _ => return None,
            };
        }
        Some(Self(set))
    }
}

/// The names of the documents, and `ncell` and `wifi`, which are searches of the network.
const NO_DATA: [&str; 9] = [
    "gnss", "ncell", "wifi", "env", "bat", "fg", "roam", "btn", "impact",
];

/// Fields that somebody has named: the twin, or this device's own settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    act: Option<bool>,
    actwt: Option<u32>,
    mvres: Option<u32>,
    mvt: Option<u32>,
    loct: Option<u32>,
    accath: Option<u32>,
    accith: Option<u32>,
    accito: Option<u32>,
    nod: Option<NoData>,
    upd: Option<u32>,
    led: Option<bool>,
    log: Option<u8>,
}

/// mm/s².
const ACTIVITY: u32 = 4000;
/// mm/s².
const INACTIVITY: u32 = 2000;
const INACTIVITY_MS: u32 = 60_000;
const RESOLUTION_S: u32 = 120;

const NAMES: [&str; 12] = [
    "act", "actwt", "mvres", "mvt", "loct", "accath", "accith", "accito", "nod", "upd", "led",
    "log",
];

/// The fields that were wrong, each with what is right; or that nobody knows.
pub(crate) type Remarks = heapless::String<160>;

impl Fields {
    const NONE: Self = Self {
        act: None,
        actwt: None,
        mvres: None,
        mvt: None,
        loct: None,
        accath: None,
        accith: None,
        accito: None,
        nod: None,
        upd: None,
        led: None,
        log: None,
    };

    /// What was [written](Self::write) before a restart: it was accepted over the layer behind it, and is not asked to fit
    /// without. `true` where it is not damaged.
    fn stored(json: &[u8]) -> (Self, bool) {
        let mut fields = Self::NONE;
        let is_right = fields.take(&View::new(json), &mut Remarks::new());
        (fields, is_right)
    }

    /// Takes over what is right of an object, each field by itself. `true` where all of it was right.
    fn take(&mut self, object: &View<'_>, remarks: &mut Remarks) -> bool {
        let mut is_right = true;
        for (name, raw) in object.members() {
            let name = core::str::from_utf8(name).unwrap_or_default();
            match self.set(name, raw) {
                Ok(()) => {}
                Err(Wrong::Unknown) => remark(remarks, format_args!("{name} is not known")),
                Err(Wrong::Value(right)) => {
                    is_right = false;
                    remark(remarks, format_args!("{name} is {right}"));
                }
            }
        }
        is_right
    }

    /// Takes over what is right of an object, where `behind` counts for what is not named. `true` where all of it was right.
    fn merge(&mut self, object: &View<'_>, behind: Self, remarks: &mut Remarks) -> bool {
        let before = *self;
        let mut is_right = self.take(object, remarks);
        // Two that exclude one another are taken neither.
        let whole = self.or(behind);
        if whole.excludes_acceleration() {
            (self.accath, self.accith) = (before.accath, before.accith);
            is_right = false;
            remark(remarks, format_args!("accith is less than accath"));
        }
        if whole.excludes_time() {
            (self.mvres, self.accito) = (before.mvres, before.accito);
            is_right = false;
            remark(remarks, format_args!("accito is less than mvres"));
        }
        is_right
    }

    /// Takes away what the object does not name, and what then excludes one another. `true` where nothing did.
    fn keep(&mut self, object: &View<'_>, behind: Self) -> bool {
        for name in NAMES {
            if object.raw(name).is_none() {
                // Nothing is wrong about null.
                let _ = self.set(name, b"null");
            }
        }
        let whole = self.or(behind);
        let agrees = !whole.excludes_acceleration() && !whole.excludes_time();
        if !agrees {
            *self = self.without_excluded();
        }
        agrees
    }

    fn excludes_acceleration(&self) -> bool {
        self.accith.unwrap_or(INACTIVITY) >= self.accath.unwrap_or(ACTIVITY)
    }

    fn excludes_time(&self) -> bool {
        let resolution = u64::from(self.mvres.unwrap_or(RESOLUTION_S)) * 1000;
        u64::from(self.accito.unwrap_or(INACTIVITY_MS)) >= resolution
    }

    /// Fields of two layers, each right by itself, may exclude one another: then the build's own count.
    fn without_excluded(mut self) -> Self {
        if self.excludes_acceleration() {
            (self.accath, self.accith) = (None, None);
        }
        if self.excludes_time() {
            (self.mvres, self.accito) = (None, None);
        }
        self
    }

    /// Sets one field, or with null takes it away.
    fn set(&mut self, name: &str, raw: &[u8]) -> Result<(), Wrong> {
        match name {
            "act" => put(&mut self.act, raw, bool, "true or false"),
            "actwt" => put(&mut self.actwt, raw, seconds, SECONDS),
            "mvres" => put(&mut self.mvres, raw, seconds, SECONDS),
            "mvt" => put(&mut self.mvt, raw, seconds, SECONDS),
            "loct" => put(&mut self.loct, raw, seconds, SECONDS),
            "accath" => put(&mut self.accath, raw, acceleration, ACCELERATION),
            "accith" => put(&mut self.accith, raw, acceleration, ACCELERATION),
            "accito" => put(&mut self.accito, raw, stillness, "0.08 to 5242.88 s"),
            "nod" => put(
                &mut self.nod,
                raw,
                NoData::parse,
                "a list of gnss, env, bat, …",
            ),
            "upd" => put(&mut self.upd, raw, update, "0 to 86400 s"),
            "led" => put(&mut self.led, raw, bool, "true or false"),
            "log" => put(&mut self.log, raw, level, "0 to 5"),
            _ => Err(Wrong::Unknown),
        }
    }

    /// These where they are named, else the others'.
    fn or(self, other: Self) -> Self {
        Self {
            act: self.act.or(other.act),
            actwt: self.actwt.or(other.actwt),
            mvres: self.mvres.or(other.mvres),
            mvt: self.mvt.or(other.mvt),
            loct: self.loct.or(other.loct),
            accath: self.accath.or(other.accath),
            accith: self.accith.or(other.accith),
            accito: self.accito.or(other.accito),
            nod: self.nod.or(other.nod),
            upd: self.upd.or(other.upd),
            led: self.led.or(other.led),
            log: self.log.or(other.log),
        }
    }

    /// With the build's own where nobody has named one.
    fn configuration(self) -> Configuration {
        let this = self.without_excluded();
        let seconds =
            |field: Option<u32>, otherwise| Duration::from_secs(field.unwrap_or(otherwise).into());
        Configuration {
            active: this.act.unwrap_or(true),
            active_wait: this
                .actwt
                .map_or_else(interval::current, |wait| Duration::from_secs(wait.into())),
            movement_resolution: seconds(this.mvres, RESOLUTION_S),
            movement_timeout: seconds(this.mvt, 3600),
            location_timeout: seconds(this.loct, 60),
            activity: this.accath.unwrap_or(ACTIVITY),
            inactivity: this.accith.unwrap_or(INACTIVITY),
            inactivity_timeout: Duration::from_millis(this.accito.unwrap_or(INACTIVITY_MS).into()),
            no_data: this.nod.unwrap_or_default(),
            update: seconds(this.upd, 0),
            led: this.led.unwrap_or(true),
            log: this.log.unwrap_or(LOG_LEVEL),
        }
    }

    /// As a JSON object, without what nobody has named.
    fn write<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let mut out = Text::new(buffer);
        let mut members = Members::new(&mut out);
        members.field("act", self.act)?;
        members.field("actwt", self.actwt)?;
        members.field("mvres", self.mvres)?;
        members.field("mvt", self.mvt)?;
        members.field("loct", self.loct)?;
        members.field("accath", self.accath.map(thousandths))?;
        members.field("accith", self.accith.map(thousandths))?;
        members.field("accito", self.accito.map(thousandths))?;
        members.field("nod", self.nod)?;
        members.field("upd", self.upd)?;
        members.field("led", self.led)?;
        members.field("log", self.log)?;
        members.end()?;
        Some(out.finish())
    }
}

enum Wrong {
    Unknown,
    /// What would be right.
    Value(&'static str),
}

fn put<T>(
    field: &mut Option<T>,
    raw: &[u8],
    parse: impl Fn(&[u8]) -> Option<T>,
    right: &'static str,
) -> Result<(), Wrong> {
    *field = match raw {
        b"null" => None,
        _ => Some(parse(raw).ok_or(Wrong::Value(right))?),
    };
    Ok(())
}

/// As many whole remarks as there is room for.
fn remark(remarks: &mut Remarks, text: core::fmt::Arguments<'_>) {
    let before = remarks.len();
    let separator = if before == 0 { "" } else { "; " };
    if write!(remarks, "{separator}{text}").is_err() {
        remarks.truncate(before);
    }
}

const SECONDS: &str = "1 to 2147483647 s";
const ACCELERATION: &str = "0 to 78.4532 m/s²";

fn bool(raw: &[u8]) -> Option<bool> {
    match raw {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// A whole number, also as 60.0 or 6e1, within a range.
fn whole(raw: &[u8], range: core::ops::RangeInclusive<u32>) -> Option<u32> {
    let value = decimal::parse(raw, 0)?;
    let is_whole = decimal::parse(raw, 3)? == value.checked_mul(1000)?;
    u32::try_from(value)
        .ok()
        .filter(|value| is_whole && range.contains(value))
}

fn seconds(raw: &[u8]) -> Option<u32> {
    whole(raw, 1..=i32::MAX.unsigned_abs())
}

fn update(raw: &[u8]) -> Option<u32> {
    whole(raw, 0..=86_400)
}

fn level(raw: &[u8]) -> Option<u8> {
    whole(raw, 0..=5).and_then(|level| u8::try_from(level).ok())
}

/// mm/s²; the range counts to the tenth of one.
fn acceleration(raw: &[u8]) -> Option<u32> {
    let tenths = decimal::parse(raw, 4)?;
    let is_there = (0..=784_532).contains(&tenths) && !raw.starts_with(b"-");
    u32::try_from(tenths / 10).ok().filter(|_| is_there)
}

/// ms.
fn stillness(raw: &[u8]) -> Option<u32> {
    let millis = decimal::parse(raw, 3)?;
    u32::try_from(millis)
        .ok()
        .filter(|millis| (80..=5_242_880).contains(millis))
}

fn thousandths(value: u32) -> Decimal {
    Decimal::new(i32::try_from(value).unwrap_or(i32::MAX), 3)
}

impl core::fmt::Display for NoData {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("[")?;
        let mut separator = "";
        for (at, name) in NO_DATA.iter().enumerate() {
            if self.0 >> at & 1 == 1 {
                write!(f, "{separator}\"{name}\"")?;
                separator = ",";
            }
        }
        f.write_str("]")
    }
}

struct Members<'o> {
    out: &'o mut dyn Write,
    separator: &'static str,
}

impl<'o> Members<'o> {
    fn new(out: &'o mut dyn Write) -> Self {
        Self {
            out,
            separator: "{",
        }
    }

    fn field(&mut self, name: &str, value: Option<impl core::fmt::Display>) -> Option<()> {
        if let Some(value) = value {
            write!(self.out, "{}\"{name}\":{value}", self.separator).ok()?;
            self.separator = ",";
        }
        Some(())
    }

    fn end(self) -> Option<()> {
        let end = if self.separator == "{" { "{}" } else { "}" };
        self.out.write_str(end).ok()
    }
}

impl Configuration {
    /// Every field, under the names of the twin.
    fn fields(&self) -> Fields {
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).ok();
        Fields {
            act: Some(self.active),
            actwt: seconds(self.active_wait),
            mvres: seconds(self.movement_resolution),
            mvt: seconds(self.movement_timeout),
            loct: seconds(self.location_timeout),
            accath: Some(self.activity),
            accith: Some(self.inactivity),
            accito: u32::try_from(self.inactivity_timeout.as_millis()).ok(),
            nod: Some(self.no_data),
            upd: seconds(self.update),
            led: Some(self.led),
            log: Some(self.log),
        }
    }
}

/// Who has named what.
#[derive(Clone, Copy)]
struct Layers {
    desired: Fields,
    own: Fields,
}

static LAYERS: Mutex<Cell<Layers>> = Mutex::new(Cell::new(Layers {
    desired: Fields::NONE,
    own: Fields::NONE,
}));

/// What counts now.
pub(crate) fn current() -> Configuration {
    let layers = layers();
    layers.desired.or(layers.own).configuration()
}

fn layers() -> Layers {
    critical_section::with(|cs| LAYERS.borrow(cs).get())
}

fn set_layers(layers: Layers) {
    critical_section::with(|cs| LAYERS.borrow(cs).set(layers));
}

/// Takes over what was stored before the restart.
pub(crate) fn load() {
    let read = |key: &CStr| {
        let mut buffer = [0; ROOM];
        match ncs::settings::read(key, &mut buffer) {
            Ok(Some(json)) => {
                let (fields, is_right) = Fields::stored(json);
                if !is_right {
                    log::error!(
                        "the setting {} is damaged: what is right of it counts",
                        name(key)
                    );
                }
                return fields;
            }
            Ok(None) => {}
            Err(errno) => log::error!("the setting {} cannot be read: {errno}", name(key)),
        }
        Fields::NONE
    };
    set_layers(Layers {
        desired: read(DESIRED),
        own: read(OWN),
    });
    take_effect();
}

/// The whole twin: what is not in it is not desired, even if the device was away when it was removed.
pub(crate) fn on_twin(twin: &Document<'_>) {
    let desired = twin.desired();
    let answer = match desired.raw("cfg") {
        None | Some(b"null") => change(None, false),
        Some(raw) => change(Some(raw), true),
    };
    let version = if answer.code == DEFAULT {
        0
    } else {
        twin.version
    };
    if !is_reported(&twin.reported(), &answer, version) {
        report(&answer, version);
    }
}

/// A change of the desired properties.
pub(crate) fn on_desired(desired: &iothub::twin::Desired<'_>) {
    match desired.properties().raw("cfg") {
        None => {}
        Some(b"null") => report(&change(None, false), 0),
        Some(raw) => report(&change(Some(raw), false), desired.version),
    }
}

/// Makes fields this device's own, from now on and after a restart, where the twin desires nothing else.
///
/// # Errors
/// Something is wrong with them, which `remarks` then names: none was taken.
pub(crate) fn store(object: &View<'_>, remarks: &mut Remarks) -> Result<(), StoreError> {
    let mut layers = layers();
    let is_right = layers.own.merge(object, Fields::NONE, remarks);
    if !is_right || !remarks.is_empty() || object.members().count() == 0 {
        return Err(StoreError::Wrong);
    }
    save(OWN, &layers.own).map_err(|()| StoreError::Settings)?;
    set_layers(layers);
    take_effect();
    let answer = Answer {
        code: DEFAULT,
        remarks: Remarks::new(),
    };
    report(&answer, 0);
    Ok(())
}

/// All of it as a JSON object.
pub(crate) fn write_current(out: &mut dyn Write) -> core::fmt::Result {
    let mut buffer = [0; ROOM];
    let fields = current().fields();
    let json = fields.write(&mut buffer).unwrap_or(b"{}");
    out.write_str(core::str::from_utf8(json).unwrap_or("{}"))
}

/// Why a device's own configuration was not stored.
pub(crate) enum StoreError {
    /// A field is wrong, or none is named.
    Wrong,
    /// The settings cannot be written.
    Settings,
}

struct Answer {
    code: u16,
    remarks: Remarks,
}

/// What the twin desires is `raw` now, a whole one or a patch.
fn change(raw: Option<&[u8]>, is_whole: bool) -> Answer {
    let mut layers = layers();
    let before = layers.desired;
    let mut remarks = Remarks::new();
    let code = match raw {
        None => {
            layers.desired = Fields::NONE;
            DEFAULT
        }
        Some(raw) if !raw.starts_with(b"{") => {
            remark(&mut remarks, format_args!("cfg is an object"));
            BAD
        }
        Some(raw) => {
            let object = View::new(raw);
            let mut is_right = layers.desired.merge(&object, layers.own, &mut remarks);
            if is_whole && !layers.desired.keep(&object, layers.own) {
                is_right = false;
                remark(&mut remarks, format_args!("thresholds exclude one another"));
            }
            if is_right { ACCEPTED } else { BAD }
        }
    };
    if layers.desired != before {
        // A device that forgets it asks the twin again.
        let _ = save(DESIRED, &layers.desired);
        set_layers(layers);
        take_effect();
    }
    Answer { code, remarks }
}

const ACCEPTED: u16 = 200;
/// Nobody desires one.
const DEFAULT: u16 = 203;
const BAD: u16 = 400;

fn take_effect() {
    let now = current();
    let (mode, interval) = match now.active {
        true => ("active", now.active_wait.as_secs()),
        false => ("passive", now.movement_timeout.as_secs()),
    };
    match now.update.as_secs() {
        0 => log::info!("{mode}: a sample every {interval} s, sent at once"),
        update => log::info!("{mode}: a sample every {interval} s, sent every {update} s"),
    }
    log::set_max_level(level_filter(now.log));
    match ncs::board::set_motion(now.activity, now.inactivity, now.inactivity_timeout) {
        Err(errno) if !ncs::board::is_missing(errno) => {
            log::warn!("the thresholds of movement cannot be set: {errno}");
        }
        _ => {}
    }
    if !now.led {
        iothub::set_led(false);
    }
    iothub::wake();
}

fn level_filter(level: u8) -> log::LevelFilter {
    let all = log::LevelFilter::iter().nth(level.into());
    all.unwrap_or(log::LevelFilter::Trace)
        .min(iothub::LOG_LEVEL)
}

const LOG_LEVEL: u8 = iothub::LOG_LEVEL as u8;

fn save(key: &CStr, fields: &Fields) -> Result<(), ()> {
    let mut buffer = [0; ROOM];
    let result = match fields.write(&mut buffer) {
        Some(b"{}") | None => ncs::settings::delete(key),
        Some(json) => ncs::settings::write(key, json),
    };
    result.map_err(|errno| log::error!("the setting {} cannot be stored: {errno}", name(key)))
}

/// More than all fields take.
const ROOM: usize = 320;

const DESIRED: &CStr = c"iothub/cfg";
const OWN: &CStr = c"iothub/cfg_own";

fn name(key: &CStr) -> &str {
    key.to_str().unwrap_or_default()
}

/// Whether the hub has this answer, with these values, already.
fn is_reported(reported: &View<'_>, answer: &Answer, version: u64) -> bool {
    let Some(cfg) = reported.object("cfg") else {
        return false;
    };
    let (mut flat, mut value) = (Fields::NONE, Fields::NONE);
    for (fields, object) in [(&mut flat, Some(cfg)), (&mut value, cfg.object("value"))] {
        if let Some(object) = object {
            let _ = fields.take(&object, &mut Remarks::new());
        }
    }
    let now = current().fields();
    flat == now
        && value == now
        && cfg.number("ac") == Some(answer.code.into())
        && cfg.number("av") == Some(version)
}

fn report(answer: &Answer, version: u64) {
    let mut buffer = [0; 2 * ROOM + 288];
    let reported = acknowledgement(&mut buffer, &current(), answer, version)
        .ok_or(iothub::Error::Capacity(iothub::Capacity::Buffer))
        .and_then(|patch| iothub::report(patch, None));
    if let Err(error) = reported {
        log::warn!("cfg cannot be reported: {error}");
    }
}

/// As nRF Asset Tracker has it, and in the same object as IoT Plug and Play has it: see the decision record.
fn acknowledgement<'b>(
    buffer: &'b mut [u8],
    now: &Configuration,
    answer: &Answer,
    version: u64,
) -> Option<&'b [u8]> {
    let mut value = [0; ROOM];
    let value = core::str::from_utf8(now.fields().write(&mut value)?).ok()?;
    let members = value.strip_prefix('{')?.strip_suffix('}')?;
    let mut out = Text::new(buffer);
    let code = answer.code;
    write!(
        out,
        "{{\"cfg\":{{{members},\"value\":{value},\"ac\":{code},\"av\":{version},\"ad\":"
    )
    .ok()?;
    match answer.remarks.as_str() {
        "" => out.write_str("null}}").ok()?,
        // Names that are not known are the peer's.
        remarks => write!(out, "\"{}\"}}}}", Plain(remarks)).ok()?,
    }
    Some(out.finish())
}

/// A text without what JSON would have to escape.
pub(crate) struct Plain<'a>(pub(crate) &'a str);

impl core::fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0
            .chars()
            .map(|character| match character {
                '"' | '\\' | '\0'..='\x1f' => '?',
                other => other,
            })
            .try_for_each(|character| f.write_char(character))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;

    use super::*;

    fn merged(json: &str) -> (Fields, bool, Remarks) {
        let (mut fields, mut remarks) = (Fields::NONE, Remarks::new());
        let is_right = fields.merge(&View::new(json.as_bytes()), Fields::NONE, &mut remarks);
        (fields, is_right, remarks)
    }

    fn written(fields: &Fields) -> String {
        let mut buffer = [0; ROOM];
        String::from_utf8(fields.write(&mut buffer).expect("room").into()).expect("text")
    }

    #[test]
    fn every_field_in_each_form_that_json_has_for_its_values() {
        for (json, expected) in [
            (r#"{"act":false}"#, r#"{"act":false}"#),
            (
                r#"{"actwt":1,"mvt":2147483647}"#,
                r#"{"actwt":1,"mvt":2147483647}"#,
            ),
            (r#"{"actwt":60.0,"loct":6e1}"#, r#"{"actwt":60,"loct":60}"#),
            (
                r#"{"accath":78.4532,"accith":0}"#,
                r#"{"accath":78.453,"accith":0}"#,
            ),
            (
                r#"{"accath":10.5,"accith":5.2,"accito":0.08}"#,
                r#"{"accath":10.5,"accith":5.2,"accito":0.08}"#,
            ),
            (
                r#"{"mvres":5300,"accito":5242.88}"#,
                r#"{"mvres":5300,"accito":5242.88}"#,
            ),
            (r#"{"nod":[]}"#, r#"{"nod":[]}"#),
            (
                r#"{"nod":[ "ncell" , "gnss" ]}"#,
                r#"{"nod":["gnss","ncell"]}"#,
            ),
            (
                r#"{"upd":0,"led":false,"log":5}"#,
                r#"{"upd":0,"led":false,"log":5}"#,
            ),
        ] {
            let (fields, is_right, remarks) = merged(json);
            assert!(is_right && remarks.is_empty(), "{json}: {remarks}");
            assert_eq!(written(&fields), expected, "{json}");
        }
    }

    /// `accith` of 4.5 is below the device's own `accath`, and not below the build's, which is 4.
    #[test]
    fn what_fits_only_over_the_layer_behind_it_is_there_after_a_restart() {
        let own = merged(r#"{"accath":5,"mvres":200}"#).0;
        let mut desired = Fields::NONE;
        let object = View::new(br#"{"accith":4.5,"accito":150}"#);
        assert!(desired.merge(&object, own, &mut Remarks::new()));
        let (read, is_right) = Fields::stored(written(&desired).as_bytes());
        assert!(is_right);
        assert_eq!(read, desired);
        assert_eq!(
            read.or(own).configuration(),
            desired.or(own).configuration()
        );
        // Where that layer is gone, the build's own count.
        let alone = read.configuration();
        assert_eq!((alone.activity, alone.inactivity), (ACTIVITY, INACTIVITY));
    }

    #[test]
    fn a_wrong_value_is_named_and_the_others_are_taken() {
        for (name, values) in [
            ("act", &["1", "0", "\"true\"", "[]", "{}"][..]),
            (
                "actwt",
                &[
                    "0",
                    "-1",
                    "2147483648",
                    "1.5",
                    "1e-1",
                    "\"60\"",
                    "true",
                    "[1]",
                    "1e99",
                ][..],
            ),
            (
                "mvres",
                &["0", "0.9", "4294967297", "18446744073709551617"][..],
            ),
            ("mvt", &["0", "{}", "\"\""][..]),
            ("loct", &["-60", "false"][..]),
            ("accath", &["78.4533", "-1", "-0.00001", "\"4\"", "1e9"][..]),
            ("accith", &["79", "-0.1", "null1"][..]),
            ("accito", &["0.079", "5242.881", "-1", "\"1\""][..]),
            (
                "nod",
                &[
                    "\"gnss\"",
                    "[\"gnss\"",
                    "[gnss]",
                    "[\"\"]",
                    "[\"gnss\",]",
                    "[1]",
                    "[\"gnss\" \"env\"]",
                    "[\"speed\"]",
                    "{}",
                ][..],
            ),
            ("upd", &["-1", "86401"][..]),
            ("led", &["1"][..]),
            ("log", &["6", "-1", "\"debug\""][..]),
        ] {
            for value in values {
                let mut fields = Fields {
                    mvt: Some(77),
                    ..Fields::NONE
                };
                let mut remarks = Remarks::new();
                let result = match fields.set(name, value.as_bytes()) {
                    Err(Wrong::Value(right)) => {
                        remark(&mut remarks, format_args!("{name} is {right}"));
                        false
                    }
                    Ok(()) => true,
                    Err(Wrong::Unknown) => panic!("{name}"),
                };
                assert!(!result, "{name}: {value}");
                assert_eq!(
                    fields,
                    Fields {
                        mvt: Some(77),
                        ..Fields::NONE
                    },
                    "{name}: {value}"
                );
            }
        }
        let (fields, is_right, remarks) = merged(r#"{"actwt":0,"mvt":100,"led":3}"#);
        assert!(!is_right);
        assert_eq!(remarks, "actwt is 1 to 2147483647 s; led is true or false");
        assert_eq!(written(&fields), r#"{"mvt":100}"#);
    }

    #[test]
    fn thresholds_that_exclude_one_another_are_taken_neither() {
        for (json, remark) in [
            (
                r#"{"accath":5,"accith":5,"upd":9}"#,
                "accith is less than accath",
            ),
            (r#"{"accith":4,"upd":9}"#, "accith is less than accath"),
            (
                r#"{"mvres":10,"accito":10,"upd":9}"#,
                "accito is less than mvres",
            ),
            (r#"{"accito":120,"upd":9}"#, "accito is less than mvres"),
        ] {
            let (fields, is_right, remarks) = merged(json);
            assert!(!is_right, "{json}");
            assert_eq!(
                (written(&fields).as_str(), remarks.as_str()),
                (r#"{"upd":9}"#, remark),
                "{json}"
            );
        }
    }

    #[test]
    fn a_patch_changes_and_takes_away_single_fields() {
        let (mut fields, ..) = merged(r#"{"act":false,"mvt":100,"loct":30}"#);
        let patch = View::new(br#"{"mvt":200,"loct":null}"#);
        assert!(fields.merge(&patch, Fields::NONE, &mut Remarks::new()));
        assert_eq!(written(&fields), r#"{"act":false,"mvt":200}"#);
        assert!(fields.keep(&View::new(br#"{"mvt":"soon"}"#), Fields::NONE));
        assert_eq!(
            written(&fields),
            r#"{"mvt":200}"#,
            "a wrong field of a whole twin keeps its value"
        );
    }

    #[test]
    fn what_agrees_only_with_a_field_that_is_gone_goes_with_it() {
        let (mut fields, is_right, _) = merged(r#"{"mvres":6000,"accito":5000,"upd":9}"#);
        assert!(is_right);
        assert!(!fields.keep(&View::new(br#"{"accito":5000,"upd":9}"#), Fields::NONE));
        assert_eq!(written(&fields), r#"{"upd":9}"#);
        // The same of two layers, each right by itself.
        let (own, ..) = merged(r#"{"mvres":6000,"accito":5000}"#);
        let (desired, ..) = merged(r#"{"mvres":300}"#);
        let now = desired.or(own).configuration();
        assert_eq!(
            (
                now.movement_resolution.as_secs(),
                now.inactivity_timeout.as_secs()
            ),
            (120, 60)
        );
    }

    #[test]
    fn unknown_names_are_named_and_harmless() {
        let (fields, is_right, remarks) = merged(r#"{"a\"b":1,"actwtt":60,"act":true}"#);
        assert!(is_right);
        assert!(remarks.contains("actwtt is not known"), "{remarks}");
        assert_eq!(written(&fields), r#"{"act":true}"#);
        let long: String = core::iter::repeat_n('x', 300).collect();
        let (.., remarks) = merged(&std::format!(r#"{{"{long}":1,"y":1}}"#));
        assert_eq!(
            remarks, "y is not known",
            "what has no room is left out whole"
        );
    }

    #[test]
    fn the_answer_is_asset_trackers_and_plug_and_plays() {
        let (fields, ..) = merged(r#"{"act":false,"actwt":60,"mvres":300,"nod":["gnss"],"log":3}"#);
        let mut buffer = [0; 1024];
        let answer = Answer {
            code: BAD,
            remarks: Remarks::try_from("a\"b is not known").expect("room"),
        };
        let patch =
            acknowledgement(&mut buffer, &fields.configuration(), &answer, 7).expect("room");
        let members = r#""act":false,"actwt":60,"mvres":300,"mvt":3600,"loct":60,"accath":4,"accith":2,"accito":60,"nod":["gnss"],"upd":0,"led":true,"log":3"#;
        let expected = std::format!(
            r#"{{"cfg":{{{members},"value":{{{members}}},"ac":400,"av":7,"ad":"a?b is not known"}}}}"#
        );
        assert_eq!(std::str::from_utf8(patch), Ok(expected.as_str()));

        // What the hub gives back is recognised, in whatever order it stands.
        let twin = std::format!(r#"{{"cfg":{{"ac":400,"av":7,"value":{{{members}}},{members}}}}}"#);
        let mut again = Fields::NONE;
        let _ = again.merge(
            &View::new(twin.as_bytes()).object("cfg").expect("cfg"),
            Fields::NONE,
            &mut Remarks::new(),
        );
        assert_eq!(again, fields.configuration().fields());
    }

    #[test]
    fn what_every_field_takes_has_room() {
        let longest = r#"{"act":false,"actwt":2147483647,"mvres":2147483647,"mvt":2147483647,"loct":2147483647,"accath":78.453,"accith":77.453,"accito":5242.877,"nod":["gnss","ncell","wifi","env","bat","fg","roam","btn","impact"],"upd":86400,"led":false,"log":0}"#;
        let (fields, is_right, _) = merged(longest);
        assert!(is_right);
        assert_eq!(written(&fields), longest);
        let mut buffer = [0; 2 * ROOM + 288];
        let mut remarks = Remarks::new();
        while remarks.push('x').is_ok() {}
        let answer = Answer { code: BAD, remarks };
        assert!(acknowledgement(&mut buffer, &fields.configuration(), &answer, u64::MAX).is_some());
    }

    /// Documents that are broken and changed at random, from a seed: whatever comes, what counts afterwards is within every
    /// range, has room, and reads back as itself.
    #[test]
    fn nothing_that_a_twin_can_hold_leads_out_of_the_ranges() {
        const PIECES: [&[u8]; 30] = [
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b"\"",
            b"null",
            b"true",
            b"false",
            b"0",
            b"-1",
            b"1e9",
            b"0.08",
            b"78.4532",
            b"5242.88",
            b"2147483648",
            b"\"act\"",
            b"\"actwt\"",
            b"\"mvres\"",
            b"\"mvt\"",
            b"\"loct\"",
            b"\"accath\"",
            b"\"accith\"",
            b"\"accito\"",
            b"\"nod\"",
            b"\"gnss\"",
            b"\"upd\"",
            b"\"log\"",
            b"\\u0000",
        ];
        let mut random = 0x1234_5678_9ABC_DEF0_u64;
        let mut below = |bound: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % bound as u64) as usize
        };
        let (mut fields, mut taken) = (Fields::NONE, 0_u32);
        for round in 0..60_000 {
            let mut json = std::vec::Vec::from(&b"{"[..]);
            for member in 0..below(5) {
                if member > 0 {
                    json.push(b',');
                }
                json.extend(PIECES[17 + below(13)]);
                json.push(b':');
                json.extend(PIECES[below(PIECES.len())]);
            }
            json.push(b'}');
            for _ in 0..below(3) {
                let at = below(json.len());
                json[at] = PIECES[below(PIECES.len())][0];
            }
            let text = String::from_utf8_lossy(&json);
            let object = View::new(&json);
            let _ = fields.merge(&object, Fields::NONE, &mut Remarks::new());
            if round % 7 == 0 {
                let _ = fields.keep(&object, Fields::NONE);
            }
            taken += u32::from(fields != Fields::NONE);
            assert!(fuzzing::is_sound(fields), "{text}");
        }
        assert!(taken > 1_000, "{taken} of them left something");
    }
}
