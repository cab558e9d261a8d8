//! Device identities and their twins, as rows.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Value, json};

use crate::clock::{NEVER, UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::etag::{IfMatch, check_etag};
use crate::hub::events::{self, Source};
use crate::id;

mod authentication;
pub(crate) mod bulk;
mod device;
mod row;
mod search;
mod twins;

pub(crate) use authentication::Authentication;
pub(crate) use device::Device;
pub(crate) use search::{
    Kind, Page, by_activity, count, count_never_seen, count_registered, each, named, never_seen,
    page, search,
};
pub(crate) use twins::{Reports, TwinChange, TwinWrite, report, write_twin};

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
    find(connection, hub, id)?.ok_or_else(|| not_registered(hub, id))
}

fn not_registered(hub: &str, id: &str) -> Refusal {
    let code = match id::split(id) {
        (_, None) => ErrorCode::DeviceNotFound,
        (_, Some(_)) => ErrorCode::ModuleNotFound,
    };
    Refusal::new(
        code,
        format!("{} is not registered with hub '{hub}'", in_words(id)),
    )
}

/// Finds a device that may connect, or refuses with `DeviceNotFound` or `DeviceDisabled`.
pub(crate) fn require_enabled(
    connection: &Connection,
    hub: &str,
    id: &str,
) -> Result<Device, Refusal> {
    let device = require(connection, hub, id)?;
    if let (parent, Some(_)) = id::split(id) {
        require_enabled(connection, hub, parent)?;
    }
    match device.enabled {
        true => Ok(device),
        false => Err(Refusal::new(
            ErrorCode::DeviceDisabled,
            format!("{} is disabled", in_words(id)),
        )),
    }
}

/// Refuses with `DeviceAlreadyExists` if there is a device of that id.
pub(crate) fn require_new(connection: &Connection, hub: &str, id: &str) -> Result<(), Refusal> {
    match find(connection, hub, id)? {
        None => Ok(()),
        Some(_) => {
            let code = match id::split(id) {
                (_, None) => ErrorCode::DeviceAlreadyExists,
                (_, Some(_)) => ErrorCode::ModuleAlreadyExistsOnDevice,
            };
            let what = in_words(id);
            Err(Refusal::new(
                code,
                format!("{what} is registered with hub '{hub}' already; If-Match changes it"),
            ))
        }
    }
}

/// Creates or updates a device or a module from Azure's JSON.
pub(crate) fn put(
    connection: &Connection,
    hub: &str,
    id: &str,
    document: &Value,
    if_match: &IfMatch,
    now: UnixMs,
) -> Result<Device, Refusal> {
    let known = find(connection, hub, id)?;
    if let ((parent, Some(_)), None) = (id::split(id), &known) {
        require(connection, hub, parent)?;
        if modules(connection, hub, parent)?.len() >= MAX_MODULES {
            return Err(Refusal::new(
                ErrorCode::InvalidOperation,
                format!("device '{parent}' has {MAX_MODULES} modules already"),
            ));
        }
    }
    let is_new = known.is_none();
    let device = match (known, if_match) {
        (Some(mut device), _) => {
            check_etag(if_match, device.etag, &in_words(id))?;
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
                    "{} is not registered with hub '{hub}', and If-Match asks for an update",
                    in_words(id)
                ),
            ));
        }
    };
    device.save(connection)?;
    if is_new {
        note_lifecycle(connection, &device, "create", now)?;
    }
    if device.iot_edge {
        // The runtime of IoT Edge expects them; here they are identities and nothing more.
        for module in ["$edgeAgent", "$edgeHub"] {
            let module = id::of_module(id, module);
            if find(connection, hub, &module)?.is_none() {
                Device::new(hub, &module, Authentication::None, now)?.save(connection)?;
            }
        }
    }
    Ok(device)
}

/// The modules of a device, in the order of their ids.
pub(crate) fn modules(
    connection: &Connection,
    hub: &str,
    device: &str,
) -> Result<Vec<Device>, Refusal> {
    let mut select = connection.prepare_cached(
        "SELECT * FROM devices WHERE hub = ?1 AND id > ?2 || '/' AND id < ?2 || '0' ORDER BY id",
    )?;
    let modules = select.query_map([hub, device], Device::from_row)?;
    Ok(modules.collect::<Result<_, _>>()?)
}

/// A device or a module, in messages for people.
pub(crate) fn in_words(id: &str) -> String {
    match id::split(id) {
        (device, None) => format!("device '{device}'"),
        (device, Some(module)) => format!("module '{module}' of device '{device}'"),
    }
}

fn note_lifecycle(
    connection: &Connection,
    device: &Device,
    what: &str,
    now: UnixMs,
) -> Result<(), Refusal> {
    let kind = match id::split(&device.id) {
        (_, None) => "Device",
        (_, Some(_)) => "Module",
    };
    let (source, operation) = (Source::Lifecycle, format!("{what}{kind}Identity"));
    let body = || device.twin_json(None, 0);
    events::note(
        connection,
        &device.hub,
        &device.id,
        source,
        &operation,
        body,
        now,
    )
}

/// Takes a device or a module out of the registry, with all that belongs to it: see [`erase`].
pub(crate) fn delete(
    connection: &Connection,
    hub: &str,
    id: &str,
    if_match: &IfMatch,
    now: UnixMs,
) -> Result<(), Refusal> {
    let device = require(connection, hub, id)?;
    erase(connection, hub, id, if_match)?;
    note_lifecycle(connection, &device, "delete", now)
}

/// Deletes a device or a module and all that belongs to it, modules of a device too, and tells
/// nobody.
pub(crate) fn erase(
    connection: &Connection,
    hub: &str,
    id: &str,
    if_match: &IfMatch,
) -> Result<(), Refusal> {
    let device = require(connection, hub, id)?;
    check_etag(if_match, device.etag, &in_words(id))?;
    for module in modules(connection, hub, id)? {
        erase(connection, hub, &module.id, &IfMatch::Any)?;
    }
    connection.execute("DELETE FROM devices WHERE hub = ?1 AND id = ?2", [hub, id])?;
    for table in ["sessions", "c2d", "dead_letters", "file_uploads"] {
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

/// Notes that a device without a connection was active.
pub(crate) fn touch_activity(
    connection: &Connection,
    hub: &str,
    id: &str,
    now: UnixMs,
) -> Result<(), Refusal> {
    let mut update = connection.prepare_cached(TOUCH)?;
    update.execute(params![hub, id, now])?;
    Ok(())
}

const TOUCH: &str =
    "UPDATE devices SET last_activity = max(last_activity, ?3) WHERE hub = ?1 AND id = ?2";

/// A moment, or Azure's "never".
pub(crate) fn time(at: UnixMs) -> String {
    if at == 0 {
        NEVER.to_owned()
    } else {
        rfc3339(at)
    }
}

/// Microsoft's limit for a device.
const MAX_MODULES: usize = 50;

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}
