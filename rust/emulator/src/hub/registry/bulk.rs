//! Many identities in one request: each is done or refused by itself.
//!
//! Microsoft, "Bulk Registry" of the IoT Hub REST API, and "Import and export IoT Hub device
//! identities in bulk" for the modes and the form of an entry.

use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::{Authentication, Device, TwinChange, TwinWrite, find, invalid, write_twin};
use crate::clock::UnixMs;
use crate::code::Refusal;
use crate::etag::IfMatch;
use crate::id;
use crate::random;

/// What became of an entry.
#[derive(Debug)]
pub(crate) enum Done {
    /// Written; the change of a twin if there was one.
    Written(Box<Device>, Option<Box<TwinChange>>),
    /// Gone.
    Deleted(String),
}

/// What an entry asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Create,
    CreateOrUpdate,
    Update,
    UpdateTwin,
    Delete,
}

/// Does what one entry says.
pub(crate) fn apply(
    c: &Connection,
    hub: &str,
    entry: &Map<String, Value>,
    now: UnixMs,
) -> Result<Done, Refusal> {
    let id = entry_id(entry)?;
    let (mode, matching) = mode(entry)?;
    let tag = |name: &str| {
        let tag = entry.get(name).and_then(Value::as_str);
        match tag.map(|tag| tag.trim_matches('"')).filter(|_| matching) {
            None | Some("") => IfMatch::Any,
            Some("*") => IfMatch::Any,
            Some(tag) => IfMatch::Tag(tag.to_owned()),
        }
    };
    let condition = match mode {
        Mode::Create => {
            super::require_new(c, hub, &id)?;
            IfMatch::Absent
        }
        Mode::CreateOrUpdate => match find(c, hub, &id)? {
            Some(_) => tag("eTag"),
            None => IfMatch::Absent,
        },
        Mode::Update | Mode::Delete => tag("eTag"),
        Mode::UpdateTwin => {
            let twin = twin(entry).unwrap_or_default();
            let change = write_twin(c, hub, &id, TwinWrite::Patch, &twin, &tag("twinETag"), now)?;
            return Ok(Done::Written(
                Box::new(change.device.clone()),
                Some(Box::new(change)),
            ));
        }
    };
    if mode == Mode::Delete {
        super::delete(c, hub, &id, &condition, now)?;
        return Ok(Done::Deleted(id));
    }
    let mut document = entry.clone();
    // It stands under another name, and is checked already.
    document.remove("deviceId");
    let device = super::put(c, hub, &id, &Value::Object(document), &condition, now)?;
    let change = match twin(entry) {
        None => None,
        Some(twin) => {
            let how = TwinWrite::Patch;
            let change = write_twin(c, hub, &id, how, &twin, &IfMatch::Any, now)?;
            Some(Box::new(change))
        }
    };
    Ok(Done::Written(Box::new(device), change))
}

/// The form of an export, which can be imported again.
pub(crate) fn export(device: &Device, without_keys: bool) -> Value {
    let mut shown = device.identity_json(None, 0);
    let (own, module) = id::split(&device.id);
    if without_keys {
        shown["authentication"]["symmetricKey"] = json!({"primaryKey": null, "secondaryKey": null});
    }
    let mut entry = json!({
        "id": own,
        "eTag": shown["etag"],
        "status": if device.enabled { "enabled" } else { "disabled" },
        "statusReason": device.status_reason,
        "authentication": shown["authentication"],
        "twinETag": crate::etag::etag(device.twin_version),
        "tags": device.tags,
        "properties": {"desired": device.desired.for_service(), "reported": device.reported.for_service()},
    });
    match module {
        Some(module) => entry["moduleId"] = json!(module),
        None => entry["capabilities"] = json!({"iotEdge": device.iot_edge}),
    }
    entry
}

/// A device, or behind a slash its module.
pub(crate) fn entry_id(entry: &Map<String, Value>) -> Result<String, Refusal> {
    let text = |name: &str| {
        let text = entry.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let device = text("id").or(text("deviceId"));
    let device = device.ok_or_else(|| invalid("'id' is missing".to_owned()))?;
    if device.contains('/') {
        return Err(invalid(format!("'{device}' is no id: it has a slash")));
    }
    Ok(text("moduleId").map_or_else(|| device.to_owned(), |it| id::of_module(device, it)))
}

/// How, and whether the entry's tag counts.
fn mode(entry: &Map<String, Value>) -> Result<(Mode, bool), Refusal> {
    let text = entry.get("importMode").and_then(Value::as_str);
    let text = text.unwrap_or("createOrUpdate");
    Ok(match text.to_ascii_lowercase().as_str() {
        "create" => (Mode::Create, false),
        "createorupdate" => (Mode::CreateOrUpdate, false),
        "createorupdateifmatchetag" => (Mode::CreateOrUpdate, true),
        "update" => (Mode::Update, false),
        "updateifmatchetag" => (Mode::Update, true),
        "updatetwin" => (Mode::UpdateTwin, false),
        "updatetwinifmatchetag" => (Mode::UpdateTwin, true),
        "delete" => (Mode::Delete, false),
        "deleteifmatchetag" => (Mode::Delete, true),
        _ => {
            return Err(invalid(format!(
                "importMode '{text}' is not one of Azure's"
            )));
        }
    })
}

/// Tags and desired properties of an entry, if it has some.
fn twin(entry: &Map<String, Value>) -> Option<Map<String, Value>> {
    let has = |value: Option<&Value>| {
        value.is_some_and(|it| it.as_object().is_none_or(|it| !it.is_empty()) && !it.is_null())
    };
    let desired = entry.get("properties").and_then(|it| it.get("desired"));
    if !has(entry.get("tags")) && !has(desired) {
        return None;
    }
    let mut twin = Map::new();
    if let Some(tags) = entry.get("tags") {
        twin.insert("tags".to_owned(), tags.clone());
    }
    if let Some(desired) = desired {
        let mut desired = desired.clone();
        if let Value::Object(desired) = &mut desired {
            desired.retain(|name, _| !name.starts_with('$'));
        }
        twin.insert("properties".to_owned(), json!({"desired": desired}));
    }
    Some(twin)
}

/// An entry that was refused, in Azure's form.
pub(crate) fn error(entry: &Map<String, Value>, refusal: &Refusal) -> Value {
    json!({
        "deviceId": entry.get("id").or(entry.get("deviceId")),
        "moduleId": entry.get("moduleId"),
        "errorCode": refusal.code.name(),
        "errorStatus": refusal.reason,
    })
}

/// Makes keys anew, or swaps the two; `policy` as in `policyKey`. The new keys in Azure's form.
pub(crate) fn regenerate(
    c: &Connection,
    hub: &str,
    entry: &Map<String, Value>,
    policy: &str,
) -> Result<Value, Refusal> {
    let id = entry_id(entry)?;
    let mut device = super::require(c, hub, &id)?;
    let Authentication::Sas(primary, secondary) = &mut device.authentication else {
        return Err(invalid(format!(
            "{} has no symmetric keys",
            super::in_words(&id)
        )));
    };
    match policy.to_ascii_lowercase().as_str() {
        "primary" | "primarykey" => *primary = random::key(),
        "secondary" | "secondarykey" => *secondary = random::key(),
        "swap" => std::mem::swap(primary, secondary),
        "both" => (*primary, *secondary) = (random::key(), random::key()),
        _ => {
            return Err(invalid(format!(
                "policyKey '{policy}' is none of primaryKey, secondaryKey, both, swap"
            )));
        }
    }
    let keys = json!({
        "id": entry.get("id").or(entry.get("deviceId")),
        "moduleId": entry.get("moduleId"),
        "primaryKey": primary,
        "secondaryKey": secondary,
    });
    device.etag += 1;
    device.save(c)?;
    Ok(keys)
}
