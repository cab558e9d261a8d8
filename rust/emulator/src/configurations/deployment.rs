//! `modulesContent`: the desired properties of an IoT Edge device's modules, by one deployment and
//! the layers over it.
//!
//! Microsoft, "Understand IoT Edge automatic deployments for single devices or at scale". What the
//! agent on a device does there with what it is told, making and deleting identities of modules, is
//! done here at once.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde_json::{Map, Value, json};

use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::etag::IfMatch;
use crate::hub::registry::{self, TwinChange, TwinWrite};
use crate::hub::twin;
use crate::id;

/// The content for each module: `properties.desired` is the whole of it, `properties.desired.a.b` a
/// part.
pub(crate) type Modules = Map<String, Value>;

/// Refuses what is no content for modules.
pub(crate) fn check(modules: &Modules) -> Result<(), Refusal> {
    for (module, content) in modules {
        let wrong = |what: String| Err(invalid(format!("modulesContent.{module}: {what}")));
        id::check_identity(module).map_err(|error| invalid(format!("modulesContent: {error}")))?;
        let Some(content) = content.as_object() else {
            return wrong("it must be an object".to_owned());
        };
        for (path, value) in content {
            match path.strip_prefix(DESIRED) {
                Some("") if value.is_object() => {}
                Some("") => return wrong(format!("{DESIRED} must be an object")),
                Some(rest) if rest.starts_with('.') && !rest[1..].split('.').any(str::is_empty) => {
                }
                _ => {
                    return wrong(format!(
                        "'{path}' must be {DESIRED}, or {DESIRED}. and the path of a property"
                    ));
                }
            }
        }
    }
    let wanted = merged(std::iter::once(modules));
    for name in named(&wanted).keys() {
        id::check_identity(name)
            .map_err(|error| invalid(format!("modulesContent.{AGENT}: modules: {error}")))?;
    }
    Ok(())
}

/// Whether it stands by itself; what says only parts of `$edgeAgent` is a layer over another one.
pub(super) fn is_base(modules: &Modules) -> bool {
    let agent = modules.get(AGENT);
    agent.is_some_and(|agent| agent.get(DESIRED).is_some())
}

/// The desired properties of all modules that contents name, later ones over earlier ones.
pub(super) fn merged<'m>(contents: impl Iterator<Item = &'m Modules>) -> Wanted {
    let mut wanted = Wanted::new();
    for (module, content) in contents.flatten() {
        let of_module = wanted.entry(module.clone()).or_default();
        for (path, value) in content.as_object().into_iter().flatten() {
            match path
                .strip_prefix(DESIRED)
                .map(|rest| rest.strip_prefix('.'))
            {
                Some(None) => *of_module = value.as_object().cloned().unwrap_or_default(),
                Some(Some(rest)) => {
                    let names: Vec<&str> = rest.split('.').collect();
                    insert(of_module, &names, value);
                }
                None => {}
            }
        }
    }
    // As a twin keeps them: what is null is not there.
    for properties in wanted.values_mut() {
        let mut kept = Map::new();
        twin::merge_map(&mut kept, properties);
        *properties = kept;
    }
    wanted
}

/// Sets a value at a path.
pub(super) fn insert(patch: &mut Map<String, Value>, names: &[&str], value: &Value) {
    match names {
        [] => {}
        [name] => {
            patch.insert((*name).to_owned(), value.clone());
        }
        [first, rest @ ..] => {
            let inner = patch.entry(*first).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// The modules that the agent is to run.
fn named(wanted: &Wanted) -> Modules {
    let agent = wanted.get(AGENT).and_then(|it| it.get("modules"));
    agent
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

/// What a module is to have as desired properties.
pub(super) type Wanted = BTreeMap<String, Map<String, Value>>;

/// Brings contents to a device, which gets the modules that it lacks and loses those that a
/// deployment made and no longer names. The result has the twins that were changed.
pub(crate) fn apply(
    c: &Connection,
    hub: &str,
    device: &str,
    contents: &[Modules],
    now: UnixMs,
) -> Result<Vec<TwinChange>, Refusal> {
    let known = registry::require(c, hub, device)?;
    if !known.iot_edge {
        return Err(invalid(format!(
            "device '{device}' is no IoT Edge device: capabilities.iotEdge is not true"
        )));
    }
    let wanted = merged(contents.iter());
    let named = named(&wanted);
    for module in wanted.keys().chain(named.keys()) {
        let path = id::of_module(device, module);
        if registry::find(c, hub, &path)?.is_none() {
            let made = json!({"managedBy": MANAGED_BY, "authentication": {"type": "sas"}});
            registry::put(c, hub, &path, &made, &IfMatch::Absent, now)?;
        }
    }
    for module in registry::modules(c, hub, device)? {
        let (_, name) = id::split(&module.id);
        let name = name.unwrap_or_default();
        let is_named = wanted.contains_key(name) || named.contains_key(name);
        if module.managed_by.as_deref() == Some(MANAGED_BY) && !is_named {
            registry::delete(c, hub, &module.id, &IfMatch::Any, now)?;
        }
    }
    let mut changes = Vec::new();
    for (module, desired) in wanted {
        let path = id::of_module(device, &module);
        let twin = registry::require(c, hub, &path)?;
        if twin.desired.properties == desired {
            continue;
        }
        let document = json!({"tags": twin.tags, "properties": {"desired": desired}});
        let document = document.as_object().cloned().unwrap_or_default();
        let how = TwinWrite::Replace;
        let change = registry::write_twin(c, hub, &path, how, &document, &IfMatch::Any, now);
        changes.push(change?);
    }
    Ok(changes)
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

/// The module whose twin says which modules a device is to run.
pub(crate) const AGENT: &str = "$edgeAgent";
const DESIRED: &str = "properties.desired";
/// Who manages what a deployment made, as the agent of IoT Edge writes it.
const MANAGED_BY: &str = "IotEdge";
