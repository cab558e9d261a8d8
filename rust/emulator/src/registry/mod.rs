//! Device identities and their twins, as rows.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Value, json};

use crate::clock::{NEVER, UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};

mod authentication;
mod device;
mod row;
mod twins;

pub(crate) use authentication::{Authentication, check_key};
pub(crate) use device::Device;
pub(crate) use twins::{TwinWrite, report, write_twin};

/// An `If-Match` header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// No header.
    #[default]
    Absent,
    /// `*`
    Any,
    /// An entity tag.
    Tag(String),
}

/// Finds a device.
pub(crate) fn find(
    connection: &Connection,
    hub: &str,
    id: &str,
) -> Result<Option<Device>, Refusal> {
    let mut select =
        connection.prepare_cached("SELECT * FROM devices WHERE hub = ?1 AND id = ?2")?;
    Ok(select.query_row([hub, id], Device::from_row).optional()?)
}

/// Finds a device, or refuses with `DeviceNotFound`.
pub(crate) fn require(connection: &Connection, hub: &str, id: &str) -> Result<Device, Refusal> {
    find(connection, hub, id)?.ok_or_else(|| {
        Refusal::new(
            ErrorCode::DeviceNotFound,
            format!("device '{id}' is not registered with hub '{hub}'"),
        )
    })
}

/// Refuses with `DeviceAlreadyExists` if there is a device of that id.
pub(crate) fn require_new(connection: &Connection, hub: &str, id: &str) -> Result<(), Refusal> {
    match find(connection, hub, id)? {
        None => Ok(()),
        Some(_) => Err(Refusal::new(
            ErrorCode::DeviceAlreadyExists,
            format!("device '{id}' is registered with hub '{hub}' already; If-Match changes it"),
        )),
    }
}

/// All devices of a hub, by id.
pub(crate) fn list(connection: &Connection, hub: &str) -> Result<Vec<Device>, Refusal> {
    let mut select =
        connection.prepare_cached("SELECT * FROM devices WHERE hub = ?1 ORDER BY id")?;
    let devices = select.query_map([hub], Device::from_row)?;
    Ok(devices.collect::<Result<_, _>>()?)
}

/// Creates or updates a device from Azure's JSON.
pub(crate) fn put(
    connection: &Connection,
    hub: &str,
    id: &str,
    document: &Value,
    if_match: &IfMatch,
    now: UnixMs,
) -> Result<Device, Refusal> {
    let known = find(connection, hub, id)?;
    let device = match (known, if_match) {
        (Some(mut device), _) => {
            check_etag(if_match, device.etag, &format!("device '{id}'"))?;
            device.update(document, now)?;
            device.etag += 1;
            device
        }
        (None, IfMatch::Absent) => {
            let none = Authentication::from_json(&json!({}))?;
            let mut device = Device::new(hub, id, none, now)?;
            device.update(document, now)?;
            device
        }
        (None, _) => {
            return Err(Refusal::new(
                ErrorCode::DeviceNotFound,
                format!(
                    "device '{id}' is not registered with hub '{hub}', and If-Match asks for an update"
                ),
            ));
        }
    };
    device.save(connection)?;
    Ok(device)
}

/// Deletes a device and all that belongs to it.
pub(crate) fn delete(
    connection: &Connection,
    hub: &str,
    id: &str,
    if_match: &IfMatch,
) -> Result<(), Refusal> {
    let device = require(connection, hub, id)?;
    check_etag(if_match, device.etag, &format!("device '{id}'"))?;
    connection.execute("DELETE FROM devices WHERE hub = ?1 AND id = ?2", [hub, id])?;
    for table in ["sessions", "c2d", "dead_letters"] {
        connection.execute(
            &format!("DELETE FROM {table} WHERE hub = ?1 AND device = ?2"),
            [hub, id],
        )?;
    }
    Ok(())
}

/// Notes that a device connected or went, and when it was last active.
pub(crate) fn touch(
    connection: &Connection,
    hub: &str,
    id: &str,
    activity: UnixMs,
    now: UnixMs,
    model_id: Option<&str>,
) -> Result<(), Refusal> {
    let mut update = connection.prepare_cached(
        "UPDATE devices SET last_activity = max(last_activity, ?3), state_updated = ?4, model_id = coalesce(?5, model_id) \
         WHERE hub = ?1 AND id = ?2",
    )?;
    update.execute(params![hub, id, activity, now, model_id])?;
    Ok(())
}

/// Checks an `If-Match` against the current number behind an entity tag.
pub(crate) fn check_etag(if_match: &IfMatch, current: i64, what: &str) -> Result<(), Refusal> {
    match if_match {
        IfMatch::Absent | IfMatch::Any => Ok(()),
        IfMatch::Tag(tag) if *tag == etag(current) => Ok(()),
        IfMatch::Tag(tag) => Err(Refusal::new(
            ErrorCode::PreconditionFailed,
            format!(
                "the etag of {what} is '{}', and If-Match says '{tag}'",
                etag(current)
            ),
        )),
    }
}

/// The entity tag of a number, in Azure's looks.
pub(crate) fn etag(number: i64) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(number.to_be_bytes())
}

/// A moment, or Azure's "never".
pub(crate) fn time(at: UnixMs) -> String {
    if at == 0 {
        NEVER.to_owned()
    } else {
        rfc3339(at)
    }
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}
