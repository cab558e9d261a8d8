//! Resource groups.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::answers::{invalid, listed, not_found, shown};
use super::request::Asked;
use super::resource::{DEFAULT_GROUP, DEFAULT_LOCATION, check_tags, keep, kept};
use crate::code::{ErrorCode, Refusal};
use crate::rest::{Answer, Api};

/// The one subscription.
pub(super) const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
pub(super) async fn list(api: &Api) -> Answer {
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

/// Reads and makes a group.
pub(super) async fn answer(api: &Api, asked: &Asked, method: &str, name: &str) -> Option<Answer> {
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

/// Refuses a group that is not there, or that stays.
pub(super) async fn require_deletable(api: &Api, name: &str) -> Result<(), Refusal> {
    require(api, name).await?;
    match name.eq_ignore_ascii_case(DEFAULT_GROUP) {
        true => Err(Refusal::new(
            ErrorCode::Conflict,
            format!("resource group '{name}' has what the emulator was started with, and stays"),
        )),
        false => Ok(()),
    }
}

/// Deletes a group, which is empty by now.
pub(super) async fn delete(api: &Api, name: &str) -> Result<(), Refusal> {
    let key = format!("{KEY}{}", name.to_lowercase());
    let deleted = api.service.store.run(move |c| {
        c.execute("DELETE FROM settings WHERE key = ?1", [key])?;
        Ok(())
    });
    deleted.await
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
