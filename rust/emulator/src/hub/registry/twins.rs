//! Writes to a twin, by the service and by the device.

use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::{Device, invalid, require};
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::etag::{IfMatch, check_etag};
use crate::hub::events::{self, Source};
use crate::hub::twin;

/// What the service may change in a twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TwinWrite {
    /// PATCH: merges.
    Patch,
    /// PUT: replaces tags and desired properties.
    Replace,
}

/// A changed twin, and what the device is to be told.
#[derive(Clone, Debug)]
pub(crate) struct TwinChange {
    /// The device afterwards.
    pub device: Device,
    /// The change of the desired properties with `$version`, if there was one.
    pub notification: Option<(i64, Value)>,
}

/// Applies a write of the service side.
pub(crate) fn write_twin(
    connection: &Connection,
    hub: &str,
    id: &str,
    how: TwinWrite,
    document: &Map<String, Value>,
    if_match: &IfMatch,
    now: UnixMs,
) -> Result<TwinChange, Refusal> {
    let mut device = require(connection, hub, id)?;
    check_etag(
        if_match,
        device.twin_version,
        &format!("the twin of '{id}'"),
    )?;
    let object = |value: Option<&Value>, name: &str| match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object.clone())),
        Some(_) => Err(invalid(format!("{name} must be a JSON object"))),
    };
    let mut tags = object(document.get("tags"), "tags")?;
    let desired = document
        .get("properties")
        .and_then(|properties| properties.get("desired"));
    let mut desired = object(desired, "properties.desired")?;
    if how == TwinWrite::Replace {
        device.tags.clear();
        tags = tags.or_else(|| Some(Map::new()));
        desired = desired.or_else(|| Some(Map::new()));
    }
    if let Some(tags) = &tags {
        twin::patch_tags(&mut device.tags, tags)?;
    }
    let mut notification = None;
    if let Some(desired) = &desired {
        let kind = twin::Kind::Desired;
        match how {
            TwinWrite::Patch => device.desired.patch(kind, desired, now)?,
            TwinWrite::Replace => device.desired.replace(kind, desired, now)?,
        }
        let mut patch = twin::without_reserved(desired);
        patch.insert("$version".to_owned(), json!(device.desired.version));
        notification = Some((device.desired.version, Value::Object(patch)));
    }
    device.twin_version += 1;
    device.save(connection)?;
    let operation = match how {
        TwinWrite::Patch => "updateTwin",
        TwinWrite::Replace => "replaceTwin",
    };
    let body = || {
        let mut body = json!({"version": device.twin_version});
        if let Some(tags) = &tags {
            body["tags"] = json!(tags);
        }
        if let Some((_, patch)) = &notification {
            body["properties"] = json!({"desired": patch});
        }
        body
    };
    events::note(
        connection,
        hub,
        id,
        Source::TwinChange,
        operation,
        body,
        now,
    )?;
    Ok(TwinChange {
        device,
        notification,
    })
}

/// Applies a device's patch of its reported properties; returns the new version.
pub(crate) fn report(
    connection: &Connection,
    hub: &str,
    id: &str,
    body: &[u8],
    base: Option<i64>,
    now: UnixMs,
) -> Result<i64, Refusal> {
    let mut device = require(connection, hub, id)?;
    if let Some(base) = base
        && base != device.reported.version
    {
        return Err(Refusal::new(
            ErrorCode::PreconditionFailed,
            format!(
                "the patch builds on version {base}, and the reported properties are at {}",
                device.reported.version
            ),
        ));
    }
    let patch = twin::parse_object(body)?;
    device.reported.patch(twin::Kind::Reported, &patch, now)?;
    device.twin_version += 1;
    device.last_activity = now;
    device.save(connection)?;
    let body = || {
        let mut reported = patch.clone();
        reported.insert("$version".to_owned(), json!(device.reported.version));
        json!({"version": device.twin_version, "properties": {"reported": reported}})
    };
    events::note(
        connection,
        hub,
        id,
        Source::TwinChange,
        "updateTwin",
        body,
        now,
    )?;
    Ok(device.reported.version)
}
