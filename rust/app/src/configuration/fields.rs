//! The fields of `cfg`: what each may be, and how they stand in JSON.

use core::{fmt::Write, time::Duration};

use iothub::twin::View;

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
        self.has_name(kind.name())
    }

    pub(crate) fn has_name(self, name: &str) -> bool {
        let mut known = NO_DATA.iter();
        known
            .position(|known| *known == name)
            .is_some_and(|at| self.0 >> at & 1 == 1)
    }

    /// The same, but with this kind sampled.
    pub(crate) fn without(self, kind: Kind) -> Self {
        let mut names = (0..).zip(NO_DATA);
        let at = names.find(|(_, name)| *name == kind.name());
        Self(at.map_or(self.0, |(at, _)| self.0 & !(1_u16 << at)))
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
pub(super) struct Fields {
    pub(super) act: Option<bool>,
    pub(super) actwt: Option<u32>,
    pub(super) mvres: Option<u32>,
    pub(super) mvt: Option<u32>,
    pub(super) loct: Option<u32>,
    pub(super) accath: Option<u32>,
    pub(super) accith: Option<u32>,
    pub(super) accito: Option<u32>,
    pub(super) nod: Option<NoData>,
    pub(super) upd: Option<u32>,
    pub(super) led: Option<bool>,
    pub(super) log: Option<u8>,
}

/// mm/s².
pub(super) const ACTIVITY: u32 = 4000;
/// mm/s².
pub(super) const INACTIVITY: u32 = 2000;
const INACTIVITY_MS: u32 = 60_000;
const RESOLUTION_S: u32 = 120;

const NAMES: [&str; 12] = [
    "act", "actwt", "mvres", "mvt", "loct", "accath", "accith", "accito", "nod", "upd", "led",
    "log",
];

/// The fields that were wrong, each with what is right; or that nobody knows.
pub(crate) type Remarks = heapless::String<160>;

impl Fields {
    pub(super) const NONE: Self = Self {
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

    /// What was [written](Self::write) before a restart: it was accepted over the layer behind it,
    /// and is not asked to fit without. `true` where it is not damaged.
    pub(super) fn stored(json: &[u8]) -> (Self, bool) {
        let mut fields = Self::NONE;
        let is_right = fields.take(&View::new(json), &mut Remarks::new());
        (fields, is_right)
    }

    /// Takes over what is right of an object, each field by itself. `true` where all of it was
    /// right.
    pub(super) fn take(&mut self, object: &View<'_>, remarks: &mut Remarks) -> bool {
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

    /// Takes over what is right of an object, where `behind` counts for what is not named. `true`
    /// where all of it was right.
    pub(super) fn merge(&mut self, object: &View<'_>, behind: Self, remarks: &mut Remarks) -> bool {
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

    /// Takes away what the object does not name, and what then excludes one another. `true` where
    /// nothing did.
    pub(super) fn keep(&mut self, object: &View<'_>, behind: Self) -> bool {
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

    /// Fields of two layers, each right by itself, may exclude one another: then the build's own
    /// count.
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
    pub(super) fn set(&mut self, name: &str, raw: &[u8]) -> Result<(), Wrong> {
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
    pub(super) fn or(self, other: Self) -> Self {
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
    pub(super) fn configuration(self) -> Configuration {
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
    pub(super) fn write<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
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

pub(super) enum Wrong {
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
pub(super) fn remark(remarks: &mut Remarks, text: core::fmt::Arguments<'_>) {
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
    pub(super) fn fields(&self) -> Fields {
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

/// More than all fields take.
pub(super) const ROOM: usize = 320;

const LOG_LEVEL: u8 = iothub::LOG_LEVEL as u8;
