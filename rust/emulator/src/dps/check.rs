//! What an enrollment says of its devices, checked when it is saved and not when the first device
//! comes.

use serde_json::{Map, Value};

use crate::code::{ErrorCode, Refusal};
use crate::fields;
use crate::http_client;
use crate::hub::twin;

/// Refuses words that nobody knows and values of the wrong type.
pub(super) fn check(document: &Map<String, Value>) -> Result<(), Refusal> {
    one_of(document, "provisioningStatus", &["enabled", "disabled"])?;
    one_of(
        document,
        "allocationPolicy",
        &["hashed", "geoLatency", "static", "custom"],
    )?;
    if let Some(policy) = object(document, "reprovisionPolicy")? {
        booleans(policy, &["updateHubAssignment", "migrateDeviceData"])?;
    }
    if let Some(capabilities) = object(document, "capabilities")? {
        booleans(capabilities, &["iotEdge"])?;
    }
    match document.get("iotHubs") {
        None | Some(Value::Null) => {}
        Some(Value::Array(hubs)) if hubs.iter().all(Value::is_string) => {}
        Some(_) => return Err(invalid("iotHubs must be a list of host names".to_owned())),
    }
    match document.get("iotHubHostName") {
        None | Some(Value::Null | Value::String(_)) => {}
        Some(_) => return Err(invalid("iotHubHostName must be a host name".to_owned())),
    }
    let custom = object(document, "customAllocationDefinition")?;
    let url = custom.and_then(|it| it.get("webhookUrl"));
    match url.and_then(Value::as_str) {
        Some(url) => {
            http_client::parse("webhookUrl", url)?;
        }
        None if custom.is_some() || document.get("allocationPolicy") == Some(&"custom".into()) => {
            let reason = "customAllocationDefinition.webhookUrl is missing";
            return Err(invalid(reason.to_owned()));
        }
        None => {}
    }
    match object(document, "initialTwin")? {
        Some(initial) => check_twin(initial),
        None => Ok(()),
    }
}

/// As the hub would judge it when the first device comes.
fn check_twin(initial: &Map<String, Value>) -> Result<(), Refusal> {
    fields::check(initial, &["tags", "properties"])
        .map_err(|why| invalid(format!("initialTwin: {why}")))?;
    if let Some(tags) = object(initial, "tags")? {
        twin::patch_tags(&mut Map::new(), tags).map_err(of_initial_twin)?;
    }
    if let Some(properties) = object(initial, "properties")? {
        fields::check(properties, &["desired"])
            .map_err(|why| invalid(format!("initialTwin: {why}")))?;
        if let Some(desired) = object(properties, "desired")? {
            let mut section = twin::Section::default();
            section
                .patch(twin::Kind::Desired, desired, 0)
                .map_err(of_initial_twin)?;
        }
    }
    Ok(())
}

fn of_initial_twin(refusal: Refusal) -> Refusal {
    invalid(format!("initialTwin: {}", refusal.reason))
}

fn one_of(document: &Map<String, Value>, name: &str, words: &[&str]) -> Result<(), Refusal> {
    match document.get(name) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(word)) if words.contains(&word.as_str()) => Ok(()),
        Some(other) => Err(invalid(format!(
            "{name} must be one of {}, not {other}",
            words.join(", ")
        ))),
    }
}

fn booleans(object: &Map<String, Value>, names: &[&str]) -> Result<(), Refusal> {
    for name in names {
        if let Some(value) = object.get(*name).filter(|value| !value.is_null())
            && fields::boolean(value).is_none()
        {
            return Err(invalid(format!(
                "{name} must be true or false, not {value}"
            )));
        }
    }
    Ok(())
}

fn object<'v>(
    document: &'v Map<String, Value>,
    name: &str,
) -> Result<Option<&'v Map<String, Value>>, Refusal> {
    match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(other) => Err(invalid(format!(
            "{name} must be a JSON object, not {other}"
        ))),
    }
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}
