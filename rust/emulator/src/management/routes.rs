//! Whether a message takes a route: of one that is given, and of those in a hub's property
//! `routing`. Nothing is sent.

use serde_json::{Map, Value, json};

use super::answers::{invalid, shown};
use super::request::Asked;
use crate::code::Refusal;
use crate::fields;
use crate::hub::events::Source;
use crate::hub::hubs::Hub;
use crate::hub::telemetry::Message;
use crate::properties::Properties;
use crate::rest::{Answer, Api};
use crate::routing::Rules;

/// `$testnew`: the route of the request.
pub(super) fn test_one(api: &Api, asked: &Asked, hub: Result<Hub, Refusal>) -> Answer {
    let hub = hub?;
    let route = asked.document.get("route").and_then(Value::as_object);
    let mut route = route
        .ok_or_else(|| invalid("'route' must be an object"))?
        .clone();
    let source = route.get("source").and_then(Value::as_str);
    let source = source.and_then(Source::parse).ok_or_else(|| {
        invalid("'route.source' is not one of Azure's sources of messages that are here")
    })?;
    route.insert("isEnabled".to_owned(), json!(true));
    let message = message(api, asked, &hub)?;
    let (result, errors) = match takes(route, source, &message, asked.document.get("twin")) {
        Ok(true) => ("true", json!([])),
        Ok(false) => ("false", json!([])),
        Err(refusal) => (
            "undefined",
            json!([{"message": refusal.reason, "severity": "error"}]),
        ),
    };
    shown(json!({"result": result, "details": {"compilationErrors": errors}}))
}

/// `$testall`: the hub's own, from its property as Resource Manager shows it.
pub(super) fn test_all(api: &Api, asked: &Asked, hub: &Hub, routing: &Value) -> Answer {
    let source = asked.document.get("routingSource").and_then(Value::as_str);
    let source = source.ok_or_else(|| invalid("'routingSource' is missing"))?;
    let message = message(api, asked, hub)?;
    // Nothing comes from a source that is not here.
    let Some(source) = Source::parse(source) else {
        return shown(json!({"routes": []}));
    };
    let twin = asked.document.get("twin");
    let routes = routing["routes"].as_array().into_iter().flatten();
    let taken = routes.filter(|route| {
        let route = route.as_object().cloned().unwrap_or_default();
        takes(route, source, &message, twin).is_ok_and(|taken| taken)
    });
    let mut taken: Vec<Value> = taken.map(|it| json!({ "properties": it })).collect();
    let fallback = &routing["fallbackRoute"];
    let is_enabled = fields::boolean(&fallback["isEnabled"]).unwrap_or(false);
    if taken.is_empty() && source == Source::DeviceMessages && is_enabled {
        let mut fallback = fallback.clone();
        fallback["name"] = json!("$fallback");
        taken.push(json!({ "properties": fallback }));
    }
    shown(json!({ "routes": taken }))
}

fn takes(
    mut route: Map<String, Value>,
    source: Source,
    message: &Message,
    twin: Option<&Value>,
) -> Result<bool, Refusal> {
    // Whatever endpoint it has, which may be of a kind that is not here.
    route.insert("endpointNames".to_owned(), json!(["events"]));
    let rules = Map::from_iter([
        ("routes".to_owned(), json!([route])),
        ("fallbackRoute".to_owned(), json!({"isEnabled": false})),
    ]);
    let rules = Rules::parse(&rules)?;
    let (routes, _) = rules.decide(source, message, twin.filter(|it| it.is_object()));
    Ok(!routes.is_empty())
}

fn message(api: &Api, asked: &Asked, hub: &Hub) -> Result<Message, Refusal> {
    let given = asked.document.get("message").and_then(Value::as_object);
    let field = |name: &str| given.and_then(|it| it.get(name)).filter(|it| !it.is_null());
    let object = |name: &str| match field(name) {
        None => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(invalid(format!("'message.{name}' must be an object"))),
    };
    let body = match field("body") {
        None => "",
        Some(body) => body
            .as_str()
            .ok_or_else(|| invalid("'message.body' must be a text"))?,
    };
    let system = object("systemProperties")?;
    let device = system.get("connectionDeviceId").and_then(Value::as_str);
    let device = device.unwrap_or_default().to_owned();
    let body = body.as_bytes().to_vec();
    Ok(Message {
        enqueued: api.service.clock.now(),
        properties: object("appProperties")?,
        system,
        ..Message::new(&hub.host, &device, body, Properties::default(), 1)
    })
}
