//! A device with its twin.

use rusqlite::{Connection, OptionalExtension};
use serde_json::{Map, Value, json};

use super::invalid;
use crate::clock::{NEVER, UnixMs, parse_rfc3339};
use crate::code::Refusal;
use crate::fields;
use crate::hub::registry::{Authentication, Device};
use crate::hub::twin::{self, Kind, Section};

/// Azure's device JSON with the twin's parts.
pub(super) fn export(device: &Device) -> Value {
    let mut all = device.identity_json(None, 0);
    for gone in [
        "etag",
        "connectionState",
        "cloudToDeviceMessageCount",
        "connectionStateUpdatedTime",
        "statusUpdatedTime",
    ] {
        all.as_object_mut().map(|all| all.shift_remove(gone));
    }
    all["hub"] = json!(device.hub);
    all["modelId"] = json!(device.model_id);
    all["tags"] = json!(device.tags);
    all["properties"] = json!({
        "desired": device.desired.for_service(),
        "reported": device.reported.for_service(),
    });
    all
}

/// Writes a device over what is there.
pub(super) fn import(
    c: &Connection,
    hub: &str,
    id: &str,
    document: &Value,
    now: UnixMs,
) -> Result<(), Refusal> {
    if let Some(object) = document.as_object() {
        fields::check(object, FIELDS)?;
    }
    let mut device = Device::new(hub, id, Authentication::None, now)?;
    let mut identity = document.clone();
    // A device without a word about it gets keys, as from the registry.
    if identity["authentication"].is_null() {
        identity["authentication"] = json!({"type": "sas"});
    }
    device.update(&identity, now)?;
    if let Some(generation) = document.get("generationId").and_then(Value::as_str) {
        device.generation_id = generation.to_owned();
    }
    if let Some(model) = document.get("modelId").and_then(Value::as_str) {
        device.model_id = model.to_owned();
    }
    device.last_activity = last_activity(c, hub, id, document)?;
    if let Some(tags) = object(document, "/tags")? {
        twin::patch_tags(&mut device.tags, tags)?;
    }
    if let Some(desired) = object(document, "/properties/desired")? {
        device.desired = section(Kind::Desired, desired, now)?;
    }
    if let Some(reported) = object(document, "/properties/reported")? {
        device.reported = section(Kind::Reported, reported, now)?;
    }
    device.save(c)
}

/// When the device was last seen: by the document, or else by what is there already.
fn last_activity(c: &Connection, hub: &str, id: &str, document: &Value) -> Result<UnixMs, Refusal> {
    let seen = match &document["lastActivityTime"] {
        Value::Null => None,
        Value::String(text) if text == NEVER => None,
        given => {
            let time = given.as_str().and_then(parse_rfc3339);
            let wrong = || {
                invalid(format!(
                    "'lastActivityTime' is no time of RFC 3339: {given}"
                ))
            };
            Some(time.ok_or_else(wrong)?)
        }
    };
    if let Some(seen) = seen {
        return Ok(seen);
    }
    let sql = "SELECT last_activity FROM devices WHERE hub = ?1 AND id = ?2";
    let found = c
        .prepare_cached(sql)?
        .query_row((hub, id), |row| row.get(0));
    Ok(found.optional()?.unwrap_or(0))
}

/// Versions and metadata come back as they were written, if they were.
fn section(kind: Kind, document: &Map<String, Value>, now: UnixMs) -> Result<Section, Refusal> {
    let mut section = Section::default();
    section.replace(kind, document, now)?;
    if let Some(version) = document.get("$version").and_then(Value::as_i64) {
        section.version = version;
    }
    if let Some(Value::Object(metadata)) = document.get("$metadata") {
        section.metadata = metadata.clone();
    }
    Ok(section)
}

fn object<'v>(document: &'v Value, path: &str) -> Result<Option<&'v Map<String, Value>>, Refusal> {
    match document.pointer(path) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(invalid(format!("'{}' must be an object", &path[1..]))),
    }
}

/// Those of [`export`], and what Azure's registry and twin say besides, which does not carry over.
const FIELDS: &[&str] = &[
    "hub",
    "deviceId",
    "moduleId",
    "managedBy",
    "generationId",
    "status",
    "statusReason",
    "authentication",
    "capabilities",
    "modelId",
    "tags",
    "properties",
    "etag",
    "deviceEtag",
    "version",
    "connectionState",
    "connectionStateUpdatedTime",
    "statusUpdatedTime",
    "statusUpdateTime",
    "lastActivityTime",
    "cloudToDeviceMessageCount",
    "authenticationType",
    "x509Thumbprint",
    "deviceScope",
    "parentScopes",
];
