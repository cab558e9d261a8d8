//! The subscription, its resource groups, and what is in them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::resource::{DEFAULT_GROUP, DEFAULT_LOCATION, check_tags, keep, kept};
use super::{Asked, hubs, invalid, listed, not_found, provisioning, shown};
use crate::code::{ErrorCode, Refusal};
use crate::properties::{decode, parameter};
use crate::rest::{Answer, Api, management_versions};

/// The one subscription.
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
/// Whose it is.
pub(super) const TENANT: &str = "00000000-0000-0000-0000-000000000002";

pub(super) async fn subscriptions(State(_): State<Api>) -> Answer {
    listed(vec![subscription()])
}

pub(super) async fn tenants(State(_): State<Api>) -> Answer {
    listed(vec![json!({
        "id": format!("/tenants/{TENANT}"),
        "tenantId": TENANT,
        "displayName": "iothub-emulator",
        "tenantCategory": "Home",
    })])
}

fn subscription() -> Value {
    json!({
        "id": format!("/subscriptions/{SUBSCRIPTION}"),
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
        "displayName": "iothub-emulator",
        "state": "Enabled",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    })
}

/// What does not belong to `Microsoft.Devices`.
pub(super) async fn answer(
    api: &Api,
    asked: &Asked,
    method: &str,
    lower: &[&str],
) -> Option<Answer> {
    Some(match (method, lower) {
        ("GET", [_]) => shown(subscription()),
        ("GET", [_, "locations"]) => listed(vec![json!({
            "id": format!("/subscriptions/{SUBSCRIPTION}/locations/{DEFAULT_LOCATION}"),
            "name": DEFAULT_LOCATION,
            "displayName": "This machine",
            "regionalDisplayName": "This machine",
            "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
        })]),
        ("GET", [_, "providers"]) => listed(vec![provider()]),
        ("GET", [_, "providers", "microsoft.devices"]) => shown(provider()),
        ("GET", [_, "resources"]) => resources(api, asked, None).await,
        ("GET", [_, "resourcegroups"]) => list(api).await,
        ("GET", [_, "resourcegroups", group, "resources"]) => {
            resources(api, asked, Some(group)).await
        }
        (_, [_, "resourcegroups", _]) => return one(api, asked, method, asked.segment(2)).await,
        _ => return None,
    })
}

/// What clients ask to learn which versions there are.
fn provider() -> Value {
    let versions = management_versions();
    let kinds = [
        "IotHubs",
        "IotHubs/certificates",
        "ProvisioningServices",
        "ProvisioningServices/certificates",
    ];
    let kinds = kinds.map(|kind| {
        json!({"resourceType": kind, "locations": [DEFAULT_LOCATION], "apiVersions": versions})
    });
    json!({
        "id": format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Devices"),
        "namespace": "Microsoft.Devices",
        "registrationState": "Registered",
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": kinds,
    })
}

async fn resources(api: &Api, asked: &Asked, group: Option<&str>) -> Answer {
    let mut all = hubs::all(api, asked, group);
    all.extend(provisioning::all(api, asked, group).await?);
    for (name, value) in filter(&asked.query)? {
        all.retain(|resource| {
            let found = resource[&name].as_str().unwrap_or_default();
            found.eq_ignore_ascii_case(&value)
        });
    }
    // Only what all resources have.
    for resource in &mut all {
        if let Some(resource) = resource.as_object_mut() {
            resource.retain(|name, _| !matches!(name.as_str(), "properties" | "etag"));
        }
    }
    listed(all)
}

/// What `$filter` asks for, of what the Azure CLI writes: `resourceGroup eq 'g' and resourceType eq
/// 't'`.
fn filter(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    let Some(text) = ["$filter", "%24filter"]
        .iter()
        .find_map(|it| parameter(query, it))
    else {
        return Ok(Vec::new());
    };
    let text = text.replace('+', " ");
    let wrong = || {
        invalid(format!(
            "$filter '{text}' is none of: resourceGroup, resourceType or name eq '…', joined by and"
        ))
    };
    let text = decode(&text).ok_or_else(wrong)?;
    let condition = |part: &str| {
        let (name, value) = part.trim().split_once(" eq ")?;
        let name = match name.trim() {
            "resourceGroup" => "resourcegroup",
            "resourceType" => "type",
            "name" => "name",
            _ => return None,
        };
        let value = value.trim().strip_prefix('\'')?.strip_suffix('\'')?;
        Some((name.to_owned(), value.to_owned()))
    };
    text.split(" and ")
        .map(|part| condition(part).ok_or_else(wrong))
        .collect()
}

async fn list(api: &Api) -> Answer {
    let names = api.service.store.run(|c| {
        let mut select = c.prepare("SELECT key FROM settings WHERE key LIKE 'resource group %'")?;
        let keys = select.query_map([], |row| row.get::<_, String>(0))?;
        let names: Result<Vec<String>, _> = keys.collect();
        let names = names?.into_iter().map(|key| key[KEY.len()..].to_owned());
        names
            .map(|name| find(c, &name))
            .collect::<Result<Vec<_>, Refusal>>()
    });
    let mut all = vec![Value::Object(default_group())];
    all.extend(names.await?.into_iter().flatten().map(Value::Object));
    listed(all)
}

/// Reads, makes and deletes a group.
async fn one(api: &Api, asked: &Asked, method: &str, name: &str) -> Option<Answer> {
    let store = &api.service.store;
    let owned = name.to_owned();
    Some(match method {
        "GET" | "HEAD" => match store.run(move |c| find(c, &owned)).await {
            Ok(Some(group)) if method == "GET" => shown(Value::Object(group)),
            Ok(Some(_)) => Ok(StatusCode::NO_CONTENT.into_response()),
            Ok(None) => Err(no_group(name).into()),
            Err(refusal) => Err(refusal.into()),
        },
        "PUT" | "PATCH" => write(api, asked, name, method == "PUT").await,
        "DELETE" => delete(api, asked, name).await,
        _ => return None,
    })
}

async fn write(api: &Api, asked: &Asked, name: &str, whole: bool) -> Answer {
    let fits = (1..=90).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "-_.()".contains(c))
        && !name.ends_with('.');
    if !fits {
        let why = format!(
            "resource group name '{name}' must have 1 to 90 letters, digits or - _ . ( ), and no full stop at the end"
        );
        return Err(invalid(why).into());
    }
    if name.eq_ignore_ascii_case(DEFAULT_GROUP) {
        return shown(Value::Object(default_group()));
    }
    let (body, name) = (asked.document.clone(), name.to_owned());
    let written = api.service.store.run(move |c| {
        let known = find(c, &name)?;
        let is_new = known.is_none();
        let mut group = match known {
            Some(group) => group,
            None if whole => {
                let location = body.get("location").and_then(Value::as_str);
                let location = location.ok_or_else(|| {
                    invalid(
                        "LocationRequired: the location property is required for this definition",
                    )
                })?;
                group(&name, location)
            }
            None => return Err(no_group(&name)),
        };
        check_tags(body.get("tags"))?;
        if let Some(tags) = body.get("tags").filter(|it| it.is_object()) {
            group.insert("tags".to_owned(), tags.clone());
        }
        keep(c, &format!("{KEY}{}", name.to_lowercase()), &group)?;
        Ok((is_new, group))
    });
    let (is_new, group) = written.await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, axum::Json(group)).into_response())
}

/// With a group goes what is in it.
async fn delete(api: &Api, asked: &Asked, name: &str) -> Answer {
    let owned = name.to_owned();
    let known = api.service.store.run(move |c| find(c, &owned)).await?;
    known.ok_or_else(|| no_group(name))?;
    if name.eq_ignore_ascii_case(DEFAULT_GROUP) {
        return Err(Refusal::new(
            ErrorCode::Conflict,
            format!("resource group '{name}' has what the emulator was started with, and stays"),
        )
        .into());
    }
    hubs::delete_group(api, name).await?;
    provisioning::delete_group(api, name).await?;
    let key = format!("{KEY}{}", name.to_lowercase());
    let deleted = api.service.store.run(move |c| {
        c.execute("DELETE FROM settings WHERE key = ?1", [key])?;
        Ok(())
    });
    deleted.await?;
    super::accepted(asked, StatusCode::ACCEPTED, None)
}

/// Refuses a group that is not there.
pub(super) async fn require(api: &Api, name: &str) -> Result<(), Refusal> {
    let owned = name.to_owned();
    let found = api.service.store.run(move |c| find(c, &owned)).await?;
    found.map(drop).ok_or_else(|| no_group(name))
}

fn find(c: &Connection, name: &str) -> Result<Option<Map<String, Value>>, Refusal> {
    match name.eq_ignore_ascii_case(DEFAULT_GROUP) {
        true => Ok(Some(default_group())),
        false => kept(c, &format!("{KEY}{}", name.to_lowercase())),
    }
}

fn no_group(name: &str) -> Refusal {
    not_found(format!(
        "ResourceGroupNotFound: resource group '{name}' could not be found; make it with az group create"
    ))
}

fn default_group() -> Map<String, Value> {
    group(DEFAULT_GROUP, DEFAULT_LOCATION)
}

fn group(name: &str, location: &str) -> Map<String, Value> {
    let group = json!({
        "id": format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}"),
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": location,
        "tags": {},
        "properties": {"provisioningState": "Succeeded"},
    });
    match group {
        Value::Object(group) => group,
        _ => Map::new(),
    }
}

/// How the names of groups begin among the settings.
const KEY: &str = "resource group ";
