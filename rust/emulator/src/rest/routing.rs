//! Message routing of a hub: endpoints, routes, fallback and enrichments, and where a message would
//! go.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value};

use super::{Answer, Api, Document, Hub, invalid};
use crate::hub::events::Source;
use crate::hub::telemetry::Message;
use crate::journal::Event;
use crate::properties::Properties;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/admin/routing", get(show).put(set).delete(clear))
        .route("/admin/routing/test", post(test))
}

async fn show(State(api): State<Api>, Hub(hub): Hub) -> Answer {
    Ok(Json(api.routing.show(&hub).await?).into_response())
}

async fn set(State(api): State<Api>, Hub(hub): Hub, Document(document): Document) -> Answer {
    replace(&api, &hub, document).await?;
    Ok(Json(api.routing.show(&hub).await?).into_response())
}

async fn clear(State(api): State<Api>, Hub(hub): Hub) -> Answer {
    replace(&api, &hub, Map::new()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn replace(
    api: &Api,
    hub: &str,
    mut document: Map<String, Value>,
) -> Result<(), super::Failure> {
    // What was read may be written back.
    document.remove("health");
    api.routing.set(hub, document).await?;
    api.service.journal.record(Event {
        hub: Some(hub.to_owned()),
        ..Event::info("routing", "the routes have changed")
    });
    Ok(())
}

/// `{"source", "deviceId", "body", "properties", "systemProperties"}`: the routes and endpoints,
/// without sending anything.
async fn test(State(api): State<Api>, Hub(hub): Hub, Document(document): Document) -> Answer {
    let source = document.get("source").and_then(Value::as_str);
    let source = match source {
        None => Source::DeviceMessages,
        Some(name) => Source::parse(name).ok_or_else(|| {
            invalid(format!(
                "source '{name}' is not one of Azure's that are here"
            ))
        })?,
    };
    let id = document
        .get("deviceId")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let body = match document.get("body") {
        None => Vec::new(),
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(other) => other.to_string().into_bytes(),
    };
    let object = |name: &str| match document.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(invalid(format!("'{name}' must be an object"))),
    };
    let message = Message {
        enqueued: api.service.clock.now(),
        properties: object("properties")?,
        system: object("systemProperties")?,
        ..Message::new(&hub, id, body, Properties::default(), 1)
    };
    Ok(Json(api.routing.test(&hub, source, message).await?).into_response())
}
