//! The provisioning service's decisions: which enrollment, which hub, what of an earlier
//! assignment.

use rusqlite::{Connection, OptionalExtension as _};
use serde_json::{Map, Value, json};

use crate::auth::sas;
use crate::auth::x509;
use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::dps::enrollments::{Enrollment, Kind};
use crate::etag::{IfMatch, etag};
use crate::fields;
use crate::hub::registry::{self, Authentication, Device};

use super::authenticate::Request;

/// Assigns a device to a hub and returns its registration state.
pub(crate) fn assign(
    c: &Connection,
    hubs: &[String],
    enrollment: &Enrollment,
    request: &Request,
    payload: Option<&Value>,
    now: UnixMs,
) -> Result<Value, Refusal> {
    let registration_id = &request.registration_id;
    let earlier = find(c, registration_id)?;
    if !enrollment.is_enabled() {
        let state = json!({
            "registrationId": registration_id,
            "status": "disabled",
            "lastUpdatedDateTimeUtc": rfc3339(now),
        });
        save(c, registration_id, &state)?;
        return Ok(state);
    }
    let fixed = match enrollment.kind {
        Kind::Individual => enrollment.text("deviceId"),
        Kind::Group => None,
    };
    // Registration ids have no case, device ids have one: the first that was written stays.
    let first = earlier
        .as_ref()
        .and_then(|state| state["deviceId"].as_str());
    let first = first.filter(|id| id.eq_ignore_ascii_case(registration_id));
    let device_id = fixed.or(first).unwrap_or(registration_id);
    let policy = |name: &str, default: bool| {
        let value = enrollment
            .document
            .get("reprovisionPolicy")
            .and_then(|policy| policy.get(name));
        value.and_then(fields::boolean).unwrap_or(default)
    };
    let wanted = match moved_to(c, device_id)? {
        Some(hub) if hubs.contains(&hub) => hub,
        _ => choose_hub(hubs, enrollment, device_id)?,
    };
    let old_hub = earlier
        .as_ref()
        .filter(|state| state["status"] == "assigned" && state["deviceId"] == device_id)
        .and_then(|state| state["assignedHub"].as_str());
    let hub = match old_hub {
        Some(old) if !policy("updateHubAssignment", true) => old.to_owned(),
        _ => wanted,
    };
    let is_there = registry::find(c, &hub, device_id)?.is_some();
    let substatus = match old_hub.filter(|old| *old != hub) {
        None if is_there => request.returned(),
        None => "initialAssignment",
        Some(_) if policy("migrateDeviceData", true) => "deviceDataMigrated",
        Some(_) => "deviceDataReset",
    };
    place(
        c, enrollment, request, &hub, device_id, old_hub, substatus, now,
    )?;
    let created = earlier
        .as_ref()
        .and_then(|state| state["createdDateTimeUtc"].as_str().map(str::to_owned));
    let mut state = json!({
        "registrationId": registration_id,
        "createdDateTimeUtc": created.unwrap_or_else(|| rfc3339(now)),
        "assignedHub": hub,
        "deviceId": device_id,
        "status": "assigned",
        "substatus": substatus,
        "lastUpdatedDateTimeUtc": rfc3339(now),
        "etag": etag(now),
    });
    if enrollment.keys().is_empty() {
        state["x509"] = json!({});
        if enrollment.kind == Kind::Group {
            state["x509"]["enrollmentGroupId"] = json!(enrollment.id);
        }
    } else {
        state["symmetricKey"] = json!({});
        if enrollment.kind == Kind::Group {
            state["symmetricKey"]["enrollmentGroupId"] = json!(enrollment.id);
        }
    }
    // What a webhook of a custom allocation would return; here the enrollment holds it, else the
    // device's own payload comes back.
    if let Some(payload) = enrollment
        .document
        .get("customAllocationPayload")
        .or(payload)
    {
        state["payload"] = payload.clone();
    }
    save(c, registration_id, &state)?;
    Ok(state)
}

fn choose_hub(
    hubs: &[String],
    enrollment: &Enrollment,
    device_id: &str,
) -> Result<String, Refusal> {
    let known = |name: &str| {
        hubs.iter()
            .find(|hub| hub.eq_ignore_ascii_case(name))
            .cloned()
    };
    let listed: Vec<&str> = match enrollment.document.get("iotHubs") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let fixed = enrollment
        .text("iotHubHostName")
        .or(listed.first().copied().filter(|_| listed.len() == 1));
    if let Some(name) = fixed {
        return known(name).ok_or_else(|| {
            no_hub(format!(
                "the enrollment names hub '{name}', which is not here"
            ))
        });
    }
    let choice: Vec<String> = match listed.as_slice() {
        [] => hubs.to_vec(),
        listed => listed.iter().filter_map(|name| known(name)).collect(),
    };
    let hash = device_id.bytes().fold(5381usize, |hash, byte| {
        hash.wrapping_mul(33) ^ usize::from(byte)
    });
    choice
        .get(hash.checked_rem(choice.len()).unwrap_or(0))
        .cloned()
        .ok_or_else(|| no_hub("none of the enrollment's hubs is here".to_owned()))
}

/// Makes or moves the device in its hub's registry.
#[allow(clippy::too_many_arguments)]
fn place(
    c: &Connection,
    enrollment: &Enrollment,
    request: &Request,
    hub: &str,
    device_id: &str,
    old_hub: Option<&str>,
    substatus: &str,
    now: UnixMs,
) -> Result<(), Refusal> {
    let authentication = match (enrollment.keys().as_slice(), request.certificates.first()) {
        ([primary, secondary], _) if enrollment.kind == Kind::Individual => {
            Authentication::Sas(primary.clone(), secondary.clone())
        }
        ([primary, secondary], _) => Authentication::Sas(
            sas::derived_key(primary, &request.registration_id)?,
            sas::derived_key(secondary, &request.registration_id)?,
        ),
        (_, Some(leaf)) => Authentication::SelfSigned(Some(x509::describe(leaf)?.sha256), None),
        _ => Authentication::None,
    };
    let known = registry::find(c, hub, device_id)?;
    let mut is_fresh = known.is_none();
    let mut device = match known {
        Some(device) => device,
        None => Device::new(hub, device_id, authentication.clone(), now)?,
    };
    device.authentication = authentication;
    let edge = enrollment.document.get("capabilities");
    if let Some(edge) = edge
        .and_then(|it| it.get("iotEdge"))
        .and_then(fields::boolean)
    {
        device.iot_edge = edge;
    }
    let moved = old_hub.filter(|old| *old != hub);
    if let Some(old) = moved
        && let Some(former) = registry::find(c, old, device_id)?
    {
        if substatus == "deviceDataMigrated" {
            is_fresh = false;
            device.tags = former.tags;
            device.desired = former.desired;
            device.reported = former.reported;
        }
        registry::erase(c, old, device_id, &IfMatch::Any)?;
    }
    // Of a device that somebody deleted at its hub nothing is left: it begins anew.
    if let Some(Value::Object(twin)) = enrollment.document.get("initialTwin")
        && (is_fresh || old_hub.is_none() || substatus == "deviceDataReset")
    {
        device.save(c)?;
        registry::write_twin(
            c,
            hub,
            device_id,
            registry::TwinWrite::Patch,
            twin,
            &IfMatch::Absent,
            now,
        )?;
        return Ok(());
    }
    device.save(c)
}

/// Moves a device with its twin to another hub, now and for its next registrations.
pub(crate) fn move_device(
    c: &Connection,
    hubs: &[String],
    id: &str,
    to: &str,
) -> Result<String, Refusal> {
    let to = hubs.iter().find(|hub| hub.eq_ignore_ascii_case(to));
    let to = to.ok_or_else(|| no_hub("there is no such hub here".to_owned()))?;
    let mut found = None;
    for hub in hubs {
        found = found.or(registry::find(c, hub, id)?);
    }
    let mut device = found.ok_or_else(|| {
        Refusal::new(
            ErrorCode::DeviceNotFound,
            format!("device '{id}' is registered with no hub"),
        )
    })?;
    let from = std::mem::replace(&mut device.hub, to.clone());
    if from != *to {
        let modules = registry::modules(c, &from, id)?;
        registry::erase(c, &from, id, &IfMatch::Any)?;
        device.save(c)?;
        for mut module in modules {
            module.hub.clone_from(to);
            module.save(c)?;
        }
    }
    c.execute(
        "INSERT OR REPLACE INTO settings (key, value) VALUES (?1, ?2)",
        [moved_key(id), to.clone()],
    )?;
    Ok(from)
}

fn moved_to(c: &Connection, id: &str) -> Result<Option<String>, Refusal> {
    let mut select = c.prepare_cached("SELECT value FROM settings WHERE key = ?1")?;
    Ok(select
        .query_row([moved_key(id)], |row| row.get(0))
        .optional()?)
}

fn moved_key(id: &str) -> String {
    format!("moved {id}")
}

/// The registration state of a device that has asked before.
pub(crate) fn find(c: &Connection, registration_id: &str) -> Result<Option<Value>, Refusal> {
    let mut select = c.prepare_cached("SELECT document FROM registrations WHERE id = ?1")?;
    let text = select
        .query_row([registration_id.to_ascii_lowercase()], |row| {
            row.get::<_, String>(0)
        })
        .optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Forgets a registration; the next one is an initial assignment.
pub(crate) fn forget(c: &Connection, registration_id: &str) -> Result<bool, Refusal> {
    let id = registration_id.to_ascii_lowercase();
    Ok(c.execute("DELETE FROM registrations WHERE id = ?1", [id])? == 1)
}

/// Registrations behind `after`, each with its id, in the order of the ids.
pub(crate) fn page(
    c: &Connection,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, Value)>, Refusal> {
    let mut select = c.prepare_cached(&format!(
        "SELECT id, document FROM registrations WHERE id > ?1 ORDER BY id LIMIT {limit}"
    ))?;
    let page = select
        .query_map([after], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(String, String)>, _>>()?;
    let read = |(id, text): (String, String)| match serde_json::from_str(&text) {
        Ok(state) => Ok((id, state)),
        Err(error) => {
            let reason = format!("the registration of '{id}' cannot be read: {error}");
            Err(Refusal::new(ErrorCode::ServerError, reason))
        }
    };
    page.into_iter().map(read).collect()
}

/// All registrations.
pub(crate) fn list(c: &Connection) -> Result<Vec<Value>, Refusal> {
    let all = page(c, "", usize::MAX >> 1)?;
    Ok(all.into_iter().map(|(_, state)| state).collect())
}

/// The registrations of an enrollment group, in the order of their ids.
pub(crate) fn of_group(c: &Connection, group: &str) -> Result<Vec<Value>, Refusal> {
    let group = group.to_ascii_lowercase();
    let is_of = |state: &Value| {
        ["x509", "symmetricKey"].iter().any(|attestation| {
            let id = state[*attestation]["enrollmentGroupId"].as_str();
            id.is_some_and(|id| id.eq_ignore_ascii_case(&group))
        })
    };
    Ok(list(c)?.into_iter().filter(is_of).collect())
}

/// Reads the body of a register request, which may be empty.
pub(crate) fn parse_body(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    crate::hub::twin::parse_object(body)
}

/// Writes a registration state.
pub(crate) fn save(c: &Connection, registration_id: &str, state: &Value) -> Result<(), Refusal> {
    c.execute(
        "INSERT OR REPLACE INTO registrations (id, document) VALUES (?1, ?2)",
        [registration_id.to_ascii_lowercase(), state.to_string()],
    )?;
    Ok(())
}

fn no_hub(reason: String) -> Refusal {
    Refusal::new(ErrorCode::NoHubAvailable, reason)
}
