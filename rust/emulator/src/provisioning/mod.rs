//! The provisioning service's decisions: which enrolment, which hub, what of an earlier assignment.

use rusqlite::{Connection, OptionalExtension as _};
use serde_json::{Map, Value, json};

use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::enrollments::{Enrollment, Kind};
use crate::registry::{self, Authentication, Device};
use crate::sas;
use crate::x509;

mod authenticate;

pub(crate) use authenticate::{Request, authenticate};

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
    let device_id = match enrollment.kind {
        Kind::Individual => enrollment.text("deviceId").unwrap_or(registration_id),
        Kind::Group => registration_id,
    };
    let policy = |name: &str, default: bool| {
        let value = enrollment
            .document
            .get("reprovisionPolicy")
            .and_then(|policy| policy.get(name));
        value.and_then(Value::as_bool).unwrap_or(default)
    };
    let wanted = match moved_to(c, device_id)? {
        Some(hub) if hubs.contains(&hub) => hub,
        _ => choose_hub(hubs, enrollment, device_id)?,
    };
    let old_hub = earlier
        .as_ref()
        .filter(|state| state["status"] == "assigned" && state["deviceId"] == device_id)
        .and_then(|state| state["assignedHub"].as_str());
    let (hub, substatus) = match old_hub {
        None => (wanted, "initialAssignment"),
        Some(old) if !policy("updateHubAssignment", true) => (old.to_owned(), "initialAssignment"),
        Some(old) if old == wanted => (wanted, "initialAssignment"),
        Some(_) if policy("migrateDeviceData", true) => (wanted, "deviceDataMigrated"),
        Some(_) => (wanted, "deviceDataReset"),
    };
    place(
        c, enrollment, request, &hub, device_id, old_hub, substatus, now,
    )?;
    let created = earlier.and_then(|state| state["createdDateTimeUtc"].as_str().map(str::to_owned));
    let mut state = json!({
        "registrationId": registration_id,
        "createdDateTimeUtc": created.unwrap_or_else(|| rfc3339(now)),
        "assignedHub": hub,
        "deviceId": device_id,
        "status": "assigned",
        "substatus": substatus,
        "lastUpdatedDateTimeUtc": rfc3339(now),
        "etag": registry::etag(now),
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
    // What a webhook of a custom allocation would return; here the enrolment holds it, else the
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
                "the enrolment names hub '{name}', which is not here"
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
        .ok_or_else(|| no_hub("none of the enrolment's hubs is here".to_owned()))
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
    let mut device = match registry::find(c, hub, device_id)? {
        Some(device) => device,
        None => Device::new(hub, device_id, authentication.clone(), now)?,
    };
    device.authentication = authentication;
    let moved = old_hub.filter(|old| *old != hub);
    if let Some(old) = moved
        && let Some(former) = registry::find(c, old, device_id)?
    {
        if substatus == "deviceDataMigrated" {
            device.tags = former.tags;
            device.desired = former.desired;
            device.reported = former.reported;
        }
        registry::delete(c, old, device_id, &registry::IfMatch::Any)?;
    }
    let first = moved.is_none() && old_hub.is_none();
    if let Some(Value::Object(twin)) = enrollment.document.get("initialTwin")
        && (first || substatus == "deviceDataReset")
    {
        device.save(c)?;
        registry::write_twin(
            c,
            hub,
            device_id,
            registry::TwinWrite::Patch,
            twin,
            &registry::IfMatch::Absent,
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
        registry::delete(c, &from, id, &registry::IfMatch::Any)?;
        device.save(c)?;
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

/// All registrations.
pub(crate) fn list(c: &Connection) -> Result<Vec<Value>, Refusal> {
    let mut select = c.prepare_cached("SELECT document FROM registrations ORDER BY id")?;
    let all = select
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(all
        .iter()
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect())
}

/// Reads the body of a register request, which may be empty.
pub(crate) fn parse_body(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    crate::twin::parse_object(body)
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
