//! The whole state as one document: what `export` writes, `import` reads and `--seed` begins with.
//!
//! Every part is in Azure's JSON with `hub` added; TOML has the same names. What is left out of a
//! hand-written one has the service's defaults.

use rusqlite::{Connection, params};
use serde_json::{Map, Value};

use crate::auth::certificates;
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::dps::assignment;
use crate::dps::enrollments::{self, Kind};
use crate::etag::IfMatch;
use crate::fields;
use crate::hub::registry;
use crate::id;

mod device;
mod export;
mod file;
#[cfg(test)]
mod former;
mod import;
mod message;

pub(crate) use export::Export;
pub(crate) use file::read_toml;
pub(crate) use import::{import, import_json};

/// How a document meets what is there.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    /// All hubs here; the first one is meant where a part names none.
    pub hubs: Vec<String>,
    /// Whether what is there already gives way, or stays.
    pub replace: bool,
    /// The time.
    pub now: UnixMs,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    /// Hub and id of each device that was written.
    pub devices: Vec<(String, String)>,
    /// How many parts were written, by kind.
    pub written: Map<String, Value>,
    /// How many stayed as they were.
    pub kept: u64,
}

impl Report {
    /// In one line.
    pub(crate) fn to_text(&self) -> String {
        let written = self.written.iter();
        let mut parts: Vec<String> = written.map(|(part, n)| format!("{n} {part}")).collect();
        if self.kept > 0 {
            parts.push(format!("{} stayed as they were", self.kept));
        }
        match parts.is_empty() {
            true => "nothing".to_owned(),
            false => parts.join(", "),
        }
    }
}

/// Takes one part in; `false` if what is there stays.
fn take(
    c: &Connection,
    part: &str,
    one: &Value,
    how: &Intake,
    report: &mut Report,
) -> Result<bool, Refusal> {
    let object = one
        .as_object()
        .ok_or_else(|| invalid("it must be an object"))?;
    match part {
        "certificates" => certificate(c, one, how),
        "devices" => {
            let hub = hub_of(one, how)?;
            let device = text(one, "deviceId")?;
            let module = one.get("moduleId").and_then(Value::as_str);
            let id = module.map_or_else(|| device.to_owned(), |it| id::of_module(device, it));
            let id = id.as_str();
            if !how.replace && registry::find(c, hub, id)?.is_some() {
                return Ok(false);
            }
            device::import(c, hub, id, one, how.now)?;
            report.devices.push((hub.to_owned(), id.to_owned()));
            Ok(true)
        }
        "enrollments" => enrollment(c, Kind::Individual, object, how),
        "enrollmentGroups" => enrollment(c, Kind::Group, object, how),
        "registrations" => {
            let id = text(one, "registrationId")?;
            if !how.replace && assignment::find(c, id)?.is_some() {
                return Ok(false);
            }
            assignment::save(c, id, one)?;
            Ok(true)
        }
        _ => message::import(c, hub_of(one, how)?, one, how.replace, how.now),
    }
}

fn certificate(c: &Connection, one: &Value, how: &Intake) -> Result<bool, Refusal> {
    let scope = match one.get("hub").and_then(Value::as_str) {
        Some(certificates::PROVISIONING) => certificates::PROVISIONING,
        _ => hub_of(one, how)?,
    };
    let name = text(one, "name")?;
    if !how.replace && certificates::find(c, scope, name)?.is_some() {
        return Ok(false);
    }
    let der = crate::auth::x509::from_text(text(one, "certificate")?)?;
    let verified = one.get("isVerified").and_then(fields::boolean);
    let verified = verified.unwrap_or(true);
    certificates::put(c, scope, name, der, verified, &IfMatch::Any, how.now)?;
    Ok(true)
}

fn enrollment(
    c: &Connection,
    kind: Kind,
    document: &Map<String, Value>,
    how: &Intake,
) -> Result<bool, Refusal> {
    let id = document.get(kind.id_field()).and_then(Value::as_str);
    let id = id.ok_or_else(|| invalid(format!("'{}' is missing", kind.id_field())))?;
    if !how.replace && enrollments::find(c, kind, id)?.is_some() {
        return Ok(false);
    }
    enrollments::put(c, kind, id, document.clone(), &IfMatch::Absent, how.now)?;
    Ok(true)
}

fn hub_of<'h>(one: &Value, how: &'h Intake) -> Result<&'h str, Refusal> {
    let wanted = one.get("hub").and_then(Value::as_str);
    let mut hubs = how.hubs.iter();
    let found = match wanted {
        None => hubs.next(),
        Some(wanted) => hubs.find(|hub| hub.eq_ignore_ascii_case(wanted)),
    };
    found.map(String::as_str).ok_or_else(|| {
        invalid(format!(
            "there is no hub '{}' here",
            wanted.unwrap_or_default()
        ))
    })
}

fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str, Refusal> {
    let text = value.get(name).and_then(Value::as_str);
    text.ok_or_else(|| invalid(format!("'{name}' is missing")))
}

fn invalid(reason: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

/// All hubs that a database knows, for an export without a running service.
pub(crate) fn hubs_of(c: &Connection) -> Result<Vec<String>, Refusal> {
    let mut select = c.prepare(
        "SELECT hub FROM devices UNION SELECT scope FROM certificates WHERE scope != ?1 ORDER BY 1",
    )?;
    let hubs = select.query_map(params![certificates::PROVISIONING], |row| row.get(0))?;
    Ok(hubs.collect::<Result<_, _>>()?)
}

const FORMAT: &str = "iothub-emulator 1";
const PARTS: &[&str] = &[
    "format",
    "certificates",
    "devices",
    "enrollments",
    "enrollmentGroups",
    "registrations",
    "messages",
];
