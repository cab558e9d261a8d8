//! The provisioning service as a resource. There is one: whoever makes one gives it its name.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::answers::{invalid, listed, not_found, shown};
use super::request::Asked;
use super::resource::{self, Type, check_types, group_of, keep, kept, keys, service_host};
use super::{certificates, groups};
use crate::auth::certificates::PROVISIONING;
use crate::auth::policy::{self, Policy};
use crate::code::{ErrorCode, Refusal};
use crate::dps::{POLICIES, RESOURCE};
use crate::etag::{check_etag, etag};
use crate::host::Host;
use crate::journal::Event;
use crate::rest::if_match;
use crate::rest::{Answer, Api};

/// The service as management knows it.
struct Dps {
    /// The service's own document, or the one that it has from the start.
    name: String,
    /// As it was written last; empty if nobody did.
    document: Map<String, Value>,
}

impl Dps {
    fn load(c: &Connection) -> Result<Self, Refusal> {
        let document = kept(c, RESOURCE)?.unwrap_or_default();
        let name = document.get("name").and_then(Value::as_str);
        Ok(Self {
            name: name.unwrap_or(DEFAULT_NAME).to_owned(),
            document,
        })
    }

    fn etag(&self) -> i64 {
        let etag = self.document.get("etag").and_then(Value::as_i64);
        etag.unwrap_or(1)
    }

    fn policies(&self, api: &Api) -> Vec<Policy> {
        let kept = self.document.get(POLICIES);
        policy::PROVISIONING.policies(kept, &api.access.service_key)
    }

    fn is_named(&self) -> bool {
        self.document.contains_key("name")
    }
}

/// What stands behind the service's name.
pub(super) async fn answer(
    api: &Api,
    asked: &Asked,
    group: &str,
    name: &str,
    rest: &[&str],
) -> Option<Answer> {
    let method = asked.method.as_str();
    // Whatever name somebody says, there is only one.
    if let ["certificates", rest @ ..] = rest {
        return certificates::answer(api, asked, Ok(PROVISIONING.to_owned()), rest).await;
    }
    if let ("PUT", []) = (method, rest) {
        return Some(put(api, asked, group, name).await);
    }
    let dps = find(api, group, name).await;
    Some(match (method, rest) {
        ("GET", []) => dps
            .map_err(Into::into)
            .and_then(|it| shown(show(api, asked, &it))),
        ("PATCH", []) => patch(api, asked, dps).await,
        ("DELETE", []) => match dps {
            Ok(dps) => delete(api, asked, &dps).await,
            Err(refusal) if refusal.code == ErrorCode::NotFound => {
                Ok(StatusCode::NO_CONTENT.into_response())
            }
            Err(refusal) => Err(refusal.into()),
        },
        ("POST", ["listkeys"]) => dps
            .map_err(Into::into)
            .and_then(|dps| keys(&dps.policies(api), None)),
        ("POST", ["keys", key, "listkeys"]) => dps
            .map_err(Into::into)
            .and_then(|dps| keys(&dps.policies(api), Some(key))),
        ("GET", ["skus"]) => dps
            .map_err(Into::into)
            .and_then(|_| listed(vec![json!({"name": "S1"})])),
        ("GET", ["operationresults", id]) => super::operations::result(api, &asked.operations, id),
        _ => return None,
    })
}

pub(super) async fn list(api: &Api, asked: &Asked, group: Option<&str>) -> Answer {
    listed(all(api, asked, group).await?)
}

/// The service, if it is in the group.
pub(super) async fn all(
    api: &Api,
    asked: &Asked,
    group: Option<&str>,
) -> Result<Vec<Value>, Refusal> {
    let dps = api.service.store.run(Dps::load).await?;
    let of = group_of(&dps.document);
    let is_meant = group.is_none_or(|group| of.eq_ignore_ascii_case(group));
    Ok(is_meant
        .then(|| show(api, asked, &dps))
        .into_iter()
        .collect())
}

pub(super) async fn check_name(api: &Api, document: &Map<String, Value>) -> Answer {
    let name = document.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| invalid("'name' is missing"))?;
    let dps = api.service.store.run(Dps::load).await?;
    let (reason, message) = match (dps.is_named(), check(name)) {
        (true, _) => ("AlreadyExists", only_one(&dps)),
        (false, Err(refusal)) => ("Invalid", refusal.reason),
        (false, Ok(())) => ("Invalid", String::new()),
    };
    shown(json!({"nameAvailable": message.is_empty(), "reason": reason, "message": message}))
}

fn check(name: &str) -> Result<(), Refusal> {
    // Microsoft, "Naming rules and restrictions for Azure resources": 3 to 64, alphanumerics and
    // hyphens.
    let fits = (3..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !name.ends_with('-');
    match fits {
        true => Ok(()),
        false => Err(invalid(format!(
            "provisioning service name '{name}' must have 3 to 64 letters, digits or hyphens, and no hyphen at the end"
        ))),
    }
}

fn only_one(dps: &Dps) -> String {
    format!(
        "there is one provisioning service here, and its name is '{}'",
        dps.name
    )
}

async fn find(api: &Api, group: &str, name: &str) -> Result<Dps, Refusal> {
    let dps = api.service.store.run(Dps::load).await?;
    let of = group_of(&dps.document);
    if !dps.name.eq_ignore_ascii_case(name) {
        let why = format!(
            "there is no provisioning service '{name}': {}",
            only_one(&dps)
        );
        return Err(not_found(why));
    }
    if !of.eq_ignore_ascii_case(group) {
        return Err(not_found(format!(
            "provisioning service '{name}' is in resource group '{of}', and not in '{group}'"
        )));
    }
    Ok(dps)
}

fn show(api: &Api, asked: &Asked, dps: &Dps) -> Value {
    let mut shown = resource::show(asked, "ProvisioningServices", &dps.name, &dps.document);
    let hubs = api.service.hubs.all();
    let linked = hubs.iter().map(|hub| {
        let host = service_host(api, &hub.host);
        json!({
            "name": host,
            "location": hub.document.get("location").cloned().unwrap_or(json!(resource::DEFAULT_LOCATION)),
            "applyAllocationPolicy": true,
            "allocationWeight": 1,
            // Without its key, as in Azure.
            "connectionString": format!("HostName={host};SharedAccessKeyName=iothubowner;SharedAccessKey=****"),
        })
    });
    let own = json!({
        "state": "Active",
        "provisioningState": "Succeeded",
        "iotHubs": linked.collect::<Vec<_>>(),
        "allocationPolicy": "Hashed",
        "serviceOperationsHostName": service_host(api, &api.service.hubs.first()),
        "deviceProvisioningHostName": "global.azure-devices-provisioning.net",
        "idScope": api.dps.id_scope,
        "authorizationPolicies": [],
    });
    shown.insert("properties".to_owned(), own);
    shown.insert("etag".to_owned(), json!(etag(dps.etag())));
    Value::Object(shown)
}

async fn put(api: &Api, asked: &Asked, group: &str, name: &str) -> Answer {
    groups::require(api, group).await?;
    check(name)?;
    let dps = api.service.store.run(Dps::load).await?;
    if dps.is_named() && !dps.name.eq_ignore_ascii_case(name) {
        return Err(Refusal::new(ErrorCode::Conflict, only_one(&dps)).into());
    }
    check_etag(
        &if_match(&asked.headers),
        dps.etag(),
        "the provisioning service",
    )?;
    let mut document = resource::document(asked, group)?;
    let properties = document.remove("properties");
    check_types("properties", properties.as_ref(), PROPERTIES)?;
    let given = properties.as_ref().and_then(|it| it.get(POLICIES));
    let changed = policy::PROVISIONING.changed(given, &dps.policies(api))?;
    if let Some(all) = changed.or_else(|| dps.document.get(POLICIES).cloned()) {
        document.insert(POLICIES.to_owned(), all);
    }
    check_linked(api, properties.as_ref())?;
    document.insert("name".to_owned(), json!(dps_name(&dps, name)));
    document.insert("etag".to_owned(), json!(dps.etag() + 1));
    let is_new = !dps.is_named();
    let dps = save(api, document).await?;
    let what = if is_new {
        "has its name"
    } else {
        "was changed"
    };
    let what = format!("provisioning service '{}' {what}", dps.name);
    api.service.journal.record(Event::info("management", what));
    asked.accepted(StatusCode::CREATED, Some(show(api, asked, &dps)))
}

/// The name keeps the case in which it was written first.
fn dps_name(dps: &Dps, name: &str) -> String {
    if dps.is_named() {
        dps.name.clone()
    } else {
        name.to_owned()
    }
}

/// All hubs here are linked; another one cannot be, and none can be left out.
fn check_linked(api: &Api, properties: Option<&Value>) -> Result<(), Refusal> {
    let given = properties.and_then(|it| it.get("iotHubs"));
    let Some(given) = given.and_then(Value::as_array) else {
        return Ok(());
    };
    let mut missing = api.service.hubs.hosts();
    for hub in given {
        let named = hub["name"].as_str().unwrap_or_default();
        let text = hub["connectionString"].as_str().unwrap_or_default();
        let from_text = text
            .split(';')
            .find_map(|part| part.strip_prefix("HostName="));
        let host = if named.is_empty() {
            from_text.unwrap_or_default()
        } else {
            named
        };
        if api.service.hubs.at(host).is_none() {
            return Err(invalid(format!(
                "hub '{host}' is none of {}: only hubs of this emulator can be linked, and all of them are",
                api.service.hubs.hosts().join(", ")
            )));
        }
        missing.retain(|it| !Host::parse(it).is_same(Host::parse(host)));
    }
    if let (Some(left_out), false) = (missing.first(), given.is_empty()) {
        return Err(invalid(format!(
            "hub '{left_out}' cannot be unlinked: all hubs of this emulator are linked; an enrollment names its own in iotHubs"
        )));
    }
    Ok(())
}

async fn patch(api: &Api, asked: &Asked, dps: Result<Dps, Refusal>) -> Answer {
    let dps = dps?;
    let mut document = dps.document.clone();
    resource::patch(&mut document, asked)?;
    document.insert("etag".to_owned(), json!(dps.etag() + 1));
    let dps = save(api, document).await?;
    shown(show(api, asked, &dps))
}

async fn save(api: &Api, document: Map<String, Value>) -> Result<Dps, Refusal> {
    let saved = api.service.store.run(move |c| {
        keep(c, RESOURCE, &document)?;
        Dps::load(c)
    });
    saved.await
}

/// Its enrollments, registrations and certificates go, and with them its name.
async fn delete(api: &Api, asked: &Asked, dps: &Dps) -> Answer {
    check_etag(
        &if_match(&asked.headers),
        dps.etag(),
        "the provisioning service",
    )?;
    let deleted = api.service.store.run(|c| {
        c.execute("DELETE FROM enrollments", [])?;
        c.execute("DELETE FROM registrations", [])?;
        c.execute("DELETE FROM certificates WHERE scope = ?1", [PROVISIONING])?;
        c.execute("DELETE FROM settings WHERE key = ?1", [RESOURCE])?;
        Ok(())
    });
    deleted.await?;
    let what = format!(
        "provisioning service '{}' was deleted, and is there anew",
        dps.name
    );
    api.service.journal.record(Event::info("management", what));
    asked.accepted(StatusCode::ACCEPTED, None)
}

/// Takes the service out of a group that is deleted.
pub(super) async fn delete_group(api: &Api, group: &str) -> Result<(), Refusal> {
    let group = group.to_owned();
    let deleted = api.service.store.run(move |c| {
        if group_of(&Dps::load(c)?.document).eq_ignore_ascii_case(&group) {
            c.execute("DELETE FROM settings WHERE key = ?1", [RESOURCE])?;
        }
        Ok(())
    });
    deleted.await
}

/// The properties of the service whose type is looked at (Microsoft,
/// "IotDpsPropertiesDescription").
const PROPERTIES: &[(&str, Type)] = &[
    ("state", Type::Text),
    ("publicNetworkAccess", Type::Text),
    ("ipFilterRules", Type::Objects),
    ("privateEndpointConnections", Type::Objects),
    ("iotHubs", Type::Objects),
    ("allocationPolicy", Type::Text),
    ("authorizationPolicies", Type::Objects),
    ("enableDataResidency", Type::Boolean),
];

/// The name of the provisioning service until somebody gives it another.
const DEFAULT_NAME: &str = "dps";
