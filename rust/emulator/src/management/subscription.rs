//! The subscription, and what is in it.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answers::{invalid, listed, shown};
use super::groups::{self, SUBSCRIPTION};
use super::request::Asked;
use super::resource::DEFAULT_LOCATION;
use super::{hubs, provisioning};
use crate::code::Refusal;
use crate::properties::{decode, parameter};
use crate::rest::{Answer, Api, management_versions};

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
        ("GET", [_, "resourcegroups"]) => groups::list(api).await,
        ("GET", [_, "resourcegroups", group, "resources"]) => {
            resources(api, asked, Some(group)).await
        }
        (_, [_, "resourcegroups", _]) => return group(api, asked, method).await,
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

async fn group(api: &Api, asked: &Asked, method: &str) -> Option<Answer> {
    match method {
        "DELETE" => Some(delete_group(api, asked, asked.segment(2)).await),
        _ => groups::answer(api, asked, method, asked.segment(2)).await,
    }
}

/// With a group goes what is in it.
async fn delete_group(api: &Api, asked: &Asked, name: &str) -> Answer {
    groups::require_deletable(api, name).await?;
    hubs::delete_group(api, name).await?;
    provisioning::delete_group(api, name).await?;
    groups::delete(api, name).await?;
    asked.accepted(StatusCode::ACCEPTED, None)
}

/// The tenant of the subscription.
pub(super) const TENANT: &str = "00000000-0000-0000-0000-000000000002";
