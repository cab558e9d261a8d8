//! Writes to a twin, by the service and by the device.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value, json};

use super::{Device, invalid, not_registered, require, touch_activity};
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::etag::{IfMatch, check_etag};
use crate::hub::events::{self, Source};
use crate::hub::twin::{self, Section};

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

/// Applies a device's patch of its reported properties; returns the new version. It reads and
/// writes no more of the row than that.
pub(crate) fn report(
    connection: &Connection,
    hub: &str,
    id: &str,
    body: &[u8],
    base: Option<i64>,
    now: UnixMs,
) -> Result<i64, Refusal> {
    let mut select = connection.prepare_cached(
        "SELECT reported, reported_metadata, reported_version, twin_version, last_activity \
         FROM devices WHERE hub = ?1 AND id = ?2",
    )?;
    let object = |row: &Row<'_>, column| -> rusqlite::Result<Map<String, Value>> {
        let text = row.get_ref(column)?.as_bytes()?;
        Ok(serde_json::from_slice(text).unwrap_or_default())
    };
    let found = select.query_row([hub, id], |row| {
        let reported = Section {
            properties: object(row, 0)?,
            metadata: object(row, 1)?,
            version: row.get(2)?,
        };
        Ok((reported, row.get::<_, i64>(3)?, row.get::<_, UnixMs>(4)?))
    });
    let Some((reported, twin_version, last_activity)) = found.optional()? else {
        return Err(not_registered(hub, id));
    };
    if let Some(base) = base
        && base != reported.version
    {
        return Err(Refusal::new(
            ErrorCode::PreconditionFailed,
            format!(
                "the patch builds on version {base}, and the reported properties are at {}",
                reported.version
            ),
        ));
    }
    let patch = twin::parse_object(body)?;
    let reported = reported.patched(twin::Kind::Reported, &patch, now)?;
    let twin_version = twin_version + 1;
    let text = |object: &Map<String, Value>| serde_json::to_string(object).unwrap_or_default();
    let update = connection.prepare_cached(
        "UPDATE devices SET reported = ?3, reported_metadata = ?4, reported_version = ?5, twin_version = ?6 \
         WHERE hub = ?1 AND id = ?2",
    );
    update?.execute(params![
        hub,
        id,
        text(&reported.properties),
        text(&reported.metadata),
        reported.version,
        twin_version
    ])?;
    if now.saturating_sub(last_activity) >= ACTIVITY {
        touch_activity(connection, hub, id, now)?;
    }
    let body = || {
        let mut shown = patch.clone();
        shown.insert("$version".to_owned(), json!(reported.version));
        json!({"version": twin_version, "properties": {"reported": shown}})
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
    Ok(reported.version)
}

/// How old the row's moment of the latest activity may become in milliseconds: there is an index
/// over it, and the connection has the exact one.
const ACTIVITY: i64 = 1000;
