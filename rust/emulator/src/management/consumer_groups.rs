//! Consumer groups of a hub's events: `$Default`, those of the command line, and those that are
//! made here.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use super::answers::{invalid, listed, not_found, shown};
use super::request::Asked;
use super::resource::save_hub;
use crate::code::{ErrorCode, Refusal};
use crate::hub::hubs::{CONSUMER_GROUPS, DEFAULT_CONSUMER_GROUP, Hub};
use crate::rest::{Answer, Api};

/// What stands behind `eventHubEndpoints` of a hub.
pub(super) async fn answer(
    api: &Api,
    asked: &Asked,
    hub: Result<Hub, Refusal>,
    rest: &[&str],
) -> Option<Answer> {
    let ("consumergroups", method) = (*rest.get(1)?, asked.method.as_str()) else {
        return None;
    };
    let hub = match (hub, rest.first()) {
        (Ok(hub), Some(&"events")) => hub,
        (Ok(_), _) => {
            let why = format!("'{}' is not events", asked.segment(8));
            return Some(Err(not_found(why).into()));
        }
        (Err(refusal), _) => return Some(Err(refusal.into())),
    };
    let name = asked.segment(10);
    Some(match (method, rest.len()) {
        ("GET", 2) => listed(all(api, &hub).map(|name| show(asked, &hub, name)).collect()),
        ("GET", 3) => one(api, asked, &hub, name),
        ("PUT", 3) => put(api, asked, hub, name).await,
        ("DELETE", 3) => delete(api, hub, name).await,
        _ => return None,
    })
}

fn all<'a>(api: &'a Api, hub: &'a Hub) -> impl Iterator<Item = &'a str> {
    let given = api.consumer_groups.iter().map(String::as_str);
    let made = hub.consumer_groups();
    std::iter::once(DEFAULT_CONSUMER_GROUP)
        .chain(given)
        .chain(made)
}

fn find<'a>(api: &'a Api, hub: &'a Hub, name: &str) -> Result<&'a str, Refusal> {
    let found = all(api, hub).find(|it| it.eq_ignore_ascii_case(name));
    found.ok_or_else(|| not_found(format!("hub '{}' has no consumer group '{name}'", hub.name)))
}

fn one(api: &Api, asked: &Asked, hub: &Hub, name: &str) -> Answer {
    shown(show(asked, hub, find(api, hub, name)?))
}

async fn put(api: &Api, asked: &Asked, mut hub: Hub, name: &str) -> Answer {
    if find(api, &hub, name).is_ok() {
        return one(api, asked, &hub, name);
    }
    // Microsoft, "Naming rules and restrictions for Azure resources", has them for Event Hubs.
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    if bytes.len() > 50
        || !bytes.iter().all(|&b| fits(b))
        || !ends(bytes.first())
        || !ends(bytes.last())
    {
        return Err(invalid(format!(
            "consumer group name '{name}' must have 1 to 50 letters, digits or . _ -, and a letter or a digit at both ends"
        ))
        .into());
    }
    if all(api, &hub).count() >= MAX_GROUPS {
        return Err(Refusal::new(
            ErrorCode::Conflict,
            format!(
                "hub '{}' has {MAX_GROUPS} consumer groups already",
                hub.name
            ),
        )
        .into());
    }
    let names: Vec<&str> = hub.consumer_groups().chain([name]).collect();
    let names = json!(names);
    hub.document.insert(CONSUMER_GROUPS.to_owned(), names);
    save_hub(api, &hub).await?;
    shown(show(asked, &hub, name))
}

async fn delete(api: &Api, mut hub: Hub, name: &str) -> Answer {
    find(api, &hub, name)?;
    let is_it = |it: &&str| it.eq_ignore_ascii_case(name);
    if !hub.consumer_groups().any(|it| is_it(&it)) {
        return Err(Refusal::new(
            ErrorCode::Conflict,
            format!("consumer group '{name}' is there from the start, and stays"),
        )
        .into());
    }
    let names: Vec<&str> = hub.consumer_groups().filter(|it| !is_it(it)).collect();
    let names = json!(names);
    hub.document.insert(CONSUMER_GROUPS.to_owned(), names);
    save_hub(api, &hub).await?;
    Ok(StatusCode::OK.into_response())
}

fn show(asked: &Asked, hub: &Hub, name: &str) -> Value {
    let hub = super::resource::show(asked, "IotHubs", &hub.name, &hub.document);
    let at = hub.get("id").and_then(Value::as_str).unwrap_or_default();
    json!({
        "id": format!("{at}/eventHubEndpoints/events/ConsumerGroups/{name}"),
        "name": name,
        "type": "Microsoft.Devices/IotHubs/EventHubEndpoints/ConsumerGroups",
        "properties": {},
        "etag": null,
    })
}

/// Microsoft, "Azure Event Hubs quotas and limits": those of the standard tier.
const MAX_GROUPS: usize = 20;
