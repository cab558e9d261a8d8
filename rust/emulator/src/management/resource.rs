//! What all resources have: place, tags, size and properties.

use axum::http::HeaderMap;
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::{Map, Value, json};

use super::answers::{invalid, listed, not_found, shown};
use super::request::Asked;
use crate::auth::policy::Policy;
use crate::code::Refusal;
use crate::fields;
use crate::hub::hubs::Hub;
use crate::rest::{Answer, Api};

/// A resource's `location`, `tags`, `sku` and `properties` from the body that writes it, with the
/// group that it is in.
pub(super) fn document(asked: &Asked, group: &str) -> Result<Map<String, Value>, Refusal> {
    let body = &asked.document;
    let mut document = Map::new();
    let location = body.get("location").and_then(Value::as_str);
    let location = location.filter(|it| !it.is_empty()).ok_or_else(|| {
        invalid("LocationRequired: the location property is required for this definition")
    })?;
    document.insert("location".to_owned(), json!(location));
    for (name, required) in [("sku", true), ("properties", false), ("tags", false)] {
        match body.get(name) {
            Some(Value::Object(object)) => {
                document.insert(name.to_owned(), Value::Object(object.clone()));
            }
            None | Some(Value::Null) if !required => {}
            None | Some(Value::Null) => return Err(invalid(format!("'{name}' is missing"))),
            Some(other) => return Err(invalid(format!("'{name}' is no object: {other}"))),
        }
    }
    check_types(
        "sku",
        document.get("sku"),
        &[("name", Type::Text), ("capacity", Type::Integer)],
    )?;
    check_tags(document.get("tags"))?;
    document.insert("resourcegroup".to_owned(), json!(group));
    Ok(document)
}

/// What a property must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    /// `true` or `false`, also as a text.
    Boolean,
    /// A text.
    Text,
    /// A number without a fraction.
    Integer,
    /// An object.
    Object,
    /// An object whose values are objects.
    ObjectOfObjects,
    /// A list of objects.
    Objects,
    /// A list of texts.
    Texts,
}

impl Type {
    fn takes(self, value: &Value) -> bool {
        let all = |is: fn(&Value) -> bool| value.as_array().is_some_and(|it| it.iter().all(is));
        match self {
            Self::Boolean => fields::boolean(value).is_some(),
            Self::Text => value.is_string(),
            Self::Integer => fields::integer(value).is_some(),
            Self::Object => value.is_object(),
            Self::ObjectOfObjects => value
                .as_object()
                .is_some_and(|it| it.values().all(|it| it.is_object() || it.is_null())),
            Self::Objects => all(Value::is_object),
            Self::Texts => all(Value::is_string),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Text => "a text",
            Self::Integer => "a whole number",
            Self::Object => "an object",
            Self::ObjectOfObjects => "an object of objects",
            Self::Objects => "a list of objects",
            Self::Texts => "a list of texts",
        }
    }
}

/// Refuses a property of another type; what is null or not there is as if nobody had written it.
pub(super) fn check_types(
    of: &str,
    object: Option<&Value>,
    types: &[(&str, Type)],
) -> Result<(), Refusal> {
    for (name, wanted) in types {
        let given = object.and_then(|it| it.get(*name));
        if let Some(given) = given.filter(|it| !it.is_null() && !wanted.takes(it)) {
            return Err(invalid(format!(
                "{of}.{name} must be {}, and is {given:.100}",
                wanted.name()
            )));
        }
    }
    Ok(())
}

/// Takes the tags of a PATCH, the only thing that it may change, into a document.
pub(super) fn patch(document: &mut Map<String, Value>, asked: &Asked) -> Result<(), Refusal> {
    fields::check(&asked.document, &["tags"])?;
    let tags = asked.document.get("tags").filter(|it| it.is_object());
    let tags = tags.ok_or_else(|| invalid("'tags' must be an object"))?;
    check_tags(Some(tags))?;
    document.insert("tags".to_owned(), tags.clone());
    Ok(())
}

/// Refuses tags that are no object of texts.
pub(super) fn check_tags(tags: Option<&Value>) -> Result<(), Refusal> {
    let Some(tags) = tags.filter(|it| !it.is_null()) else {
        return Ok(());
    };
    let is_text = |tag: &Value| tag.is_string() || tag.is_null();
    match tags.as_object().is_some_and(|it| it.values().all(is_text)) {
        true => Ok(()),
        false => Err(invalid("'tags' must be an object of texts")),
    }
}

/// Writes a hub, and takes it in.
pub(super) async fn save_hub(api: &Api, hub: &Hub) -> Result<(), Refusal> {
    let saved = hub.clone();
    api.service.store.run(move |c| saved.save(c)).await?;
    let partitions = &api.service.ring.partitions;
    partitions.set_count(&hub.host, hub.partition_count());
    api.service.hubs.put(hub.clone());
    Ok(())
}

/// The group of a resource.
pub(super) fn group_of(document: &Map<String, Value>) -> &str {
    let group = document.get("resourcegroup").and_then(Value::as_str);
    group.unwrap_or(DEFAULT_GROUP)
}

/// A resource as ARM shows it, but for its `properties` and `etag`.
pub(super) fn show(
    asked: &Asked,
    kind: &str,
    name: &str,
    document: &Map<String, Value>,
) -> Map<String, Value> {
    let (subscription, group) = (asked.segment(0), group_of(document));
    let field = |name: &str, default: Value| document.get(name).cloned().unwrap_or(default);
    let mut sku = field("sku", json!({"name": "S1", "capacity": 1}));
    // The tier follows from the name, as in Azure.
    let tier = match sku["name"].as_str().and_then(|it| it.chars().next()) {
        Some('F') => "Free",
        Some('B') => "Basic",
        _ => "Standard",
    };
    sku["tier"] = json!(tier);
    let shown = json!({
        "id": format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Devices/{kind}/{name}"),
        "name": name,
        "type": format!("Microsoft.Devices/{kind}"),
        "location": field("location", json!(DEFAULT_LOCATION)),
        "tags": field("tags", json!({})),
        "sku": sku,
        "subscriptionid": subscription,
        "resourcegroup": group,
    });
    match shown {
        Value::Object(shown) => shown,
        _ => Map::new(),
    }
}

/// Adds the fields of `over` to an object, in place of those of the same name.
pub(super) fn merge(mut object: Value, over: Option<&Value>) -> Value {
    if let (Some(object), Some(Value::Object(over))) = (object.as_object_mut(), over) {
        for (name, value) in over.iter().filter(|(_, value)| !value.is_null()) {
            object.insert(name.clone(), value.clone());
        }
    }
    object
}

/// All keys of a resource, or the one of a policy.
pub(super) fn keys(policies: &[Policy], name: Option<&str>) -> Answer {
    let Some(name) = name else {
        return listed(policies.iter().map(Policy::to_json).collect());
    };
    let found = policies
        .iter()
        .find(|it| it.name.eq_ignore_ascii_case(name));
    match found {
        Some(policy) => shown(policy.to_json()),
        None => Err(not_found(format!("there is no policy '{name}'")).into()),
    }
}

/// The address at which services reach a host: with the port of HTTPS, unless it is the usual one.
pub(super) fn service_host(api: &Api, host: &str) -> String {
    match api.https.map(|it| it.port()) {
        Some(port) if port != 443 => format!("{host}:{port}"),
        _ => host.to_owned(),
    }
}

/// A document that management keeps under a name.
pub(super) fn kept(c: &Connection, key: &str) -> Result<Option<Map<String, Value>>, Refusal> {
    let mut select = c.prepare_cached("SELECT value FROM settings WHERE key = ?1")?;
    let text: Option<String> = select.query_row([key], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Keeps a document under a name.
pub(super) fn keep(
    c: &Connection,
    key: &str,
    document: &Map<String, Value>,
) -> Result<(), Refusal> {
    let mut insert =
        c.prepare_cached("INSERT OR REPLACE INTO settings (key, value) VALUES (?1, ?2)")?;
    insert.execute([key, &Value::Object(document.clone()).to_string()])?;
    Ok(())
}

/// Whether `If-None-Match: *` asks for something that must not be there yet.
pub(super) fn must_be_new(headers: &HeaderMap) -> bool {
    let given = headers.get(axum::http::header::IF_NONE_MATCH);
    given.is_some_and(|it| it.as_bytes() == b"*")
}

/// The group of what the emulator was started with.
pub(super) const DEFAULT_GROUP: &str = "iothub-emulator";
/// Where it is.
pub(super) const DEFAULT_LOCATION: &str = "local";
