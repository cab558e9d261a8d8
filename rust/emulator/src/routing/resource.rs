//! The property `routing` of a hub as Resource Manager has it, where endpoints stand by their
//! kinds.

use serde_json::{Map, Value, json};

use super::endpoint::EVENTS;
use crate::code::{ErrorCode, Refusal};
use crate::fields;
use crate::random;

/// The rules of a hub's property `routing`; files and webhooks, of which Resource Manager knows
/// nothing, stay as they are.
pub(super) fn from_property(
    property: &Map<String, Value>,
    known: &Map<String, Value>,
) -> Result<Map<String, Value>, Refusal> {
    fields::check(
        property,
        &["endpoints", "routes", "fallbackRoute", "enrichments"],
    )?;
    let of_kind = |it: &&Value| GROUPS.iter().any(|(_, kind)| it["type"] == *kind);
    let before = || {
        known
            .get("endpoints")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let mut endpoints: Vec<Value> = before().filter(|it| !of_kind(it)).cloned().collect();
    let groups = match property.get("endpoints") {
        None | Some(Value::Null) => &Map::new(),
        Some(Value::Object(groups)) => groups,
        Some(_) => return Err(invalid("routing.endpoints must be an object".to_owned())),
    };
    for (group, given) in groups {
        let all = match given {
            Value::Null => continue,
            Value::Array(all) => all,
            _ => return Err(invalid(format!("routing.endpoints.{group} must be a list"))),
        };
        let kind = GROUPS.iter().find(|(name, _)| name == group);
        let (_, kind) = kind.ok_or_else(|| {
            let names: Vec<&str> = GROUPS.iter().map(|(name, _)| *name).collect();
            invalid(format!(
                "routing.endpoints.{group} is none of {}",
                names.join(", ")
            ))
        })?;
        for endpoint in all {
            let Value::Object(endpoint) = endpoint else {
                return Err(invalid(format!(
                    "routing.endpoints.{group} must be a list of objects"
                )));
            };
            let mut endpoint = endpoint.clone();
            endpoint.retain(|_, value| !value.is_null());
            if !endpoint.contains_key("id") {
                let before = before()
                    .find(|it| it["type"] == *kind && it.get("name") == endpoint.get("name"));
                let id = before.and_then(|it| it.get("id")).cloned();
                endpoint.insert("id".to_owned(), id.unwrap_or_else(|| json!(random::guid())));
            }
            endpoint.insert("type".to_owned(), json!(kind));
            endpoints.push(Value::Object(endpoint));
        }
    }
    let mut rules = Map::from_iter([("endpoints".to_owned(), Value::Array(endpoints))]);
    for name in ["routes", "enrichments"] {
        if let Some(given) = property.get(name).filter(|it| !it.is_null()) {
            rules.insert(name.to_owned(), given.clone());
        }
    }
    // Microsoft, "RoutingProperties": without it the fallback is off.
    let has_routes = rules
        .get("routes")
        .and_then(Value::as_array)
        .is_some_and(|it| !it.is_empty());
    let fallback = match property.get("fallbackRoute").filter(|it| !it.is_null()) {
        Some(given) => given.clone(),
        None => json!({"isEnabled": !has_routes}),
    };
    rules.insert("fallbackRoute".to_owned(), fallback);
    Ok(rules)
}

/// The rules of a hub as its property; files and webhooks do not show in it, and routes that lead
/// there do.
pub(super) fn to_property(rules: &Map<String, Value>) -> Value {
    let endpoints = rules.get("endpoints").and_then(Value::as_array);
    let all = |kind: &str| -> Vec<Value> {
        let of_kind = endpoints
            .into_iter()
            .flatten()
            .filter(|it| it["type"] == kind);
        let shown = of_kind.cloned().map(|mut it| {
            if let Some(it) = it.as_object_mut() {
                it.shift_remove("type");
            }
            it
        });
        shown.collect()
    };
    let groups: Map<String, Value> = GROUPS
        .iter()
        .map(|(group, kind)| ((*group).to_owned(), json!(all(kind))))
        .collect();
    let list = |name: &str| {
        rules
            .get(name)
            .filter(|it| it.is_array())
            .cloned()
            .unwrap_or_else(|| json!([]))
    };
    let given = rules.get("fallbackRoute");
    let is_enabled = given
        .and_then(|it| it.get("isEnabled"))
        .and_then(fields::boolean);
    json!({
        "endpoints": groups,
        "routes": list("routes"),
        "fallbackRoute": {
            "name": "$fallback", "source": "DeviceMessages", "condition": "true",
            "endpointNames": [EVENTS], "isEnabled": is_enabled.unwrap_or(true),
        },
        "enrichments": list("enrichments"),
    })
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

/// Where Resource Manager has endpoints, and their type in the rules.
const GROUPS: &[(&str, &str)] = &[
    ("serviceBusQueues", "serviceBusQueue"),
    ("serviceBusTopics", "serviceBusTopic"),
    ("eventHubs", "eventHub"),
    ("storageContainers", "storageContainer"),
    ("cosmosDBSqlContainers", "cosmosDBSqlContainer"),
    ("cosmosDBSqlCollections", "cosmosDBSqlCollection"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_can_be_written_and_keeps_files() {
        let known = json!({"endpoints": [{"name": "log", "type": "file"}, {"name": "old", "type": "eventHub", "id": "1"}]});
        let known = known.as_object().unwrap();
        let property = json!({
            "endpoints": {"eventHubs": [{"name": "old", "connectionString": "x", "identity": null}], "serviceBusQueues": null},
            "routes": [{"name": "r", "source": "DeviceMessages", "condition": "true", "endpointNames": ["log"], "isEnabled": true}],
        });
        let rules = from_property(property.as_object().unwrap(), known).unwrap();
        assert_eq!(
            rules["endpoints"],
            json!([{"name": "log", "type": "file"}, {"name": "old", "connectionString": "x", "id": "1", "type": "eventHub"}])
        );
        assert_eq!(rules["fallbackRoute"], json!({"isEnabled": false}));
        let shown = to_property(&rules);
        assert_eq!(
            shown["endpoints"]["eventHubs"],
            json!([{"name": "old", "connectionString": "x", "id": "1"}])
        );
        let again = from_property(shown.as_object().unwrap(), &rules).unwrap();
        assert_eq!(
            (&again["endpoints"], &again["routes"]),
            (&rules["endpoints"], &rules["routes"])
        );
        assert_eq!(to_property(&again), shown);
    }

    #[test]
    fn without_a_route_all_goes_on_as_before() {
        let rules = from_property(&Map::new(), &Map::new()).unwrap();
        assert_eq!(rules["fallbackRoute"], json!({"isEnabled": true}));
        for wrong in [
            json!({"endpoints": []}),
            json!({"endpoints": {"pigeons": [{"name": "a"}]}}),
            json!({"endpoints": {"eventHubs": {}}}),
            json!({"endpoints": {"eventHubs": [1]}}),
            json!({"route": []}),
        ] {
            assert!(
                from_property(wrong.as_object().unwrap(), &Map::new()).is_err(),
                "{wrong}"
            );
        }
    }
}
