//! The configuration over the air: the desired property `cfg` with nRF Asset Tracker's names, units
//! and ranges, and a few of our own behind them.
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
//! A field that is wrong keeps its value, and the others take effect; the answer is then 400 and
//! names it. See docs/decisions/0010-tracker-documents.md.

use core::{cell::Cell, ffi::CStr, fmt::Write};

use critical_section::Mutex;
use iothub::twin::{Document, View};

use crate::{client, documents::Text};

mod fields;
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;

pub(crate) use fields::{Configuration, NoData, Remarks};
use fields::{Fields, ROOM, remark};

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

/// The whole twin: what is not in it is not desired, even if the device was away when it was
/// removed.
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

/// Makes fields this device's own, from now on and after a restart, where the twin desires nothing
/// else.
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
    client::wake();
}

fn level_filter(level: u8) -> log::LevelFilter {
    let all = log::LevelFilter::iter().nth(level.into());
    all.unwrap_or(log::LevelFilter::Trace)
        .min(iothub::LOG_LEVEL)
}

fn save(key: &CStr, fields: &Fields) -> Result<(), ()> {
    let mut buffer = [0; ROOM];
    let result = match fields.write(&mut buffer) {
        Some(b"{}") | None => ncs::settings::delete(key),
        Some(json) => ncs::settings::write(key, json),
    };
    result.map_err(|errno| log::error!("the setting {} cannot be stored: {errno}", name(key)))
}

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
        .and_then(|patch| client::report(patch, None));
    if let Err(error) = reported {
        log::warn!("cfg cannot be reported: {error}");
    }
}

/// As nRF Asset Tracker has it, and in the same object as IoT Plug and Play has it: see the
/// decision record.
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
