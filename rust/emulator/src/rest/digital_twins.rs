//! Azure's paths for digital twins: properties by components, writable ones with their
//! acknowledgements, and commands.
//!
//! Microsoft, "Digital Twin" of the IoT Hub REST API, and "IoT Plug and Play conventions".

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

use super::devices::load;
use super::{Answer, Api, Failure, Hub, body, if_match, invalid};
use crate::etag::etag;
use crate::hub::registry::{Device, TwinWrite};
use crate::hub::service::MethodCall;
use crate::random;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/digitaltwins/{id}", get(show).patch(update))
        .route("/digitaltwins/{id}/commands/{command}", post(command))
        .route(
            "/digitaltwins/{id}/components/{component}/commands/{command}",
            post(command_of_component),
        )
}

async fn show(State(api): State<Api>, Hub(hub): Hub, Path(id): Path<String>) -> Answer {
    let (device, _) = load(&api, &hub, &id).await?;
    let tag = format!("\"{}\"", etag(device.twin_version));
    Ok(([(header::ETAG, tag)], axum::Json(digital_twin(&device))).into_response())
}

/// `add`, `replace` and `remove` of properties become changes of the desired properties.
async fn update(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let bytes = body(request, 64 * 1024).await?;
    let operations: Vec<Map<String, Value>> = serde_json::from_slice(&bytes)
        .map_err(|error| invalid(format!("the body must be a JSON patch: {error}")))?;
    let mut desired = Map::new();
    for operation in &operations {
        add(&mut desired, operation)?;
    }
    let document = json!({"properties": {"desired": desired}});
    let document = document.as_object().cloned().unwrap_or_default();
    let condition = if_match(&headers);
    let device = api
        .service
        .write_twin(hub, id.clone(), TwinWrite::Patch, document, condition)
        .await?;
    let tag = format!("\"{}\"", etag(device.twin_version));
    let place = format!("/digitaltwins/{id}");
    Ok((
        StatusCode::ACCEPTED,
        [(header::ETAG, tag), (header::LOCATION, place)],
    )
        .into_response())
}

async fn command(
    api: State<Api>,
    hub: Hub,
    Path((id, name)): Path<(String, String)>,
    query: Query<HashMap<String, String>>,
    request: Request,
) -> Answer {
    call(api, hub, id, name, query, request).await
}

async fn command_of_component(
    api: State<Api>,
    hub: Hub,
    Path((id, component, name)): Path<(String, String, String)>,
    query: Query<HashMap<String, String>>,
    request: Request,
) -> Answer {
    call(api, hub, id, format!("{component}*{name}"), query, request).await
}

/// A command is a method, and its status a header of the answer.
async fn call(
    State(api): State<Api>,
    Hub(hub): Hub,
    id: String,
    name: String,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Answer {
    let bytes = body(request, 256 * 1024).await?;
    let payload = match bytes.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&bytes)
            .map_err(|error| invalid(format!("the body is not JSON: {error}")))?,
    };
    let mut document = json!({"methodName": name, "payload": payload});
    for timeout in ["connectTimeoutInSeconds", "responseTimeoutInSeconds"] {
        if let Some(seconds) = query.get(timeout) {
            document[timeout] = json!(seconds);
        }
    }
    let call = MethodCall::from_json(document.as_object().unwrap_or(&Map::new()))?;
    let answer = api.service.invoke(&hub, &id, call).await?;
    Ok(answered(answer.status, answer.payload))
}

fn answered(status: i64, payload: Value) -> Response {
    let headers = [
        ("x-ms-command-statuscode", status.to_string()),
        ("x-ms-request-id", random::guid()),
    ];
    (headers, axum::Json(payload)).into_response()
}

/// One operation of a patch into the desired properties that it asks for.
fn add(desired: &mut Map<String, Value>, operation: &Map<String, Value>) -> Result<(), Failure> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str);
    let wrong = |why: &str| Failure(invalid(format!("operation {}: {why}", json!(operation))));
    let value = match text("op") {
        Some("add" | "replace") => operation.get("value").cloned(),
        Some("remove") => Some(Value::Null),
        _ => return Err(wrong("'op' is none of add, replace, remove")),
    };
    let mut value = value.ok_or_else(|| wrong("'value' is missing"))?;
    let path = text("path").and_then(|path| path.strip_prefix('/'));
    let path = path.ok_or_else(|| wrong("'path' must begin with a slash"))?;
    let names: Vec<String> = path
        .split('/')
        .map(|name| name.replace("~1", "/").replace("~0", "~"))
        .collect();
    if names
        .iter()
        .any(|name| name.is_empty() || name.starts_with('$'))
    {
        return Err(wrong("'path' names no property"));
    }
    // A component as a whole says so by its metadata.
    if let Value::Object(component) = &mut value
        && component.remove("$metadata").is_some()
    {
        component.insert(COMPONENT.to_owned(), json!("c"));
    }
    match names.as_slice() {
        [name] => {
            desired.insert(name.clone(), value);
        }
        [component, name] => {
            let inside = desired.entry(component).or_insert_with(|| json!({}));
            let inside = inside.as_object_mut();
            let inside = inside.ok_or_else(|| wrong("it is no component in another operation"))?;
            inside.insert(COMPONENT.to_owned(), json!("c"));
            inside.insert(name.clone(), value);
        }
        _ => {
            return Err(wrong(
                "'path' is a property, or a component and its property",
            ));
        }
    }
    Ok(())
}

fn digital_twin(device: &Device) -> Value {
    let (reported, desired) = (&device.reported, &device.desired);
    let all = properties(
        (&reported.properties, &reported.metadata),
        &desired.properties,
        desired.version,
        Some(&device.model_id),
    );
    let mut shown = json!({"$dtId": device.id});
    if let (Value::Object(shown), Value::Object(all)) = (&mut shown, all) {
        shown.extend(all);
    }
    shown
}

/// Properties and components at one level, with what the metadata say of them.
fn properties(
    (reported, metadata): (&Map<String, Value>, &Map<String, Value>),
    desired: &Map<String, Value>,
    version: i64,
    model: Option<&str>,
) -> Value {
    let mut shown = Map::new();
    let mut about = Map::new();
    if let Some(model) = model {
        about.insert("$model".to_owned(), json!(model));
    }
    let empty = Map::new();
    let object = |value: Option<&Value>| value.and_then(Value::as_object).cloned();
    let names = reported
        .keys()
        .chain(desired.keys().filter(|it| !reported.contains_key(*it)));
    for name in names.filter(|name| !name.starts_with('$') && *name != COMPONENT) {
        let (value, wanted) = (reported.get(name), desired.get(name));
        let is_component = [value, wanted]
            .into_iter()
            .flatten()
            .any(|it| it.get(COMPONENT).is_some());
        let updated = object(metadata.get(name)).unwrap_or_default();
        if is_component && model.is_some() {
            let inside = object(value).unwrap_or_default();
            let wanted = object(wanted).unwrap_or_default();
            let component = properties((&inside, &updated), &wanted, version, None);
            shown.insert(name.clone(), component);
            continue;
        }
        let mut note = Map::new();
        if let Some(value) = value {
            let acknowledged = value.as_object().unwrap_or(&empty);
            match acknowledged.get("ac").and(acknowledged.get("value")) {
                None => shown.insert(name.clone(), value.clone()),
                Some(inner) => {
                    for (short, long) in [
                        ("av", "ackVersion"),
                        ("ac", "ackCode"),
                        ("ad", "ackDescription"),
                    ] {
                        if let Some(value) = acknowledged.get(short) {
                            note.insert(long.to_owned(), value.clone());
                        }
                    }
                    shown.insert(name.clone(), inner.clone())
                }
            };
        }
        if let Some(wanted) = wanted {
            note.insert("desiredValue".to_owned(), wanted.clone());
            note.insert("desiredVersion".to_owned(), json!(version));
        }
        if let Some(at) = updated.get("$lastUpdated") {
            note.insert("lastUpdateTime".to_owned(), at.clone());
        }
        about.insert(name.clone(), Value::Object(note));
    }
    shown.insert("$metadata".to_owned(), Value::Object(about));
    Value::Object(shown)
}

/// The mark of a component in a twin.
const COMPONENT: &str = "__t";
