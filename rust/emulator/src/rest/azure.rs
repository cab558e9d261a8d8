//! Azure's own paths: devices, twins, methods, cloud-to-device messages, statistics.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Api, Document, Failure, Hub, body, if_match, invalid};
use crate::c2d;
use crate::clock::parse_rfc3339;
use crate::code::{ErrorCode, Refusal};
use crate::journal::Event;
use crate::properties;
use crate::query;
use crate::registry::{self, Device, TwinWrite, etag};
use crate::service::MethodCall;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/devices/query", post(query_devices))
        .route("/devices", get(list_devices))
        .route(
            "/devices/{id}",
            get(get_device).put(put_device).delete(delete_device),
        )
        .route(
            "/devices/{id}/messages/deviceBound",
            post(send).get(waiting),
        )
        .route(
            "/devices/{id}/messages/devicebound",
            post(send).get(waiting),
        )
        .route("/devices/{id}/commands", delete(purge))
        .route(
            "/twins/{id}",
            get(get_twin).patch(patch_twin).put(replace_twin),
        )
        .route("/twins/{id}/methods", post(invoke))
        .route("/statistics/devices", get(statistics))
        .route("/statistics/service", get(service_statistics))
}

type Answer = Result<Response, Failure>;

async fn list_devices(
    State(api): State<Api>,
    Hub(hub): Hub,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let top = query
        .get("top")
        .and_then(|top| top.parse().ok())
        .unwrap_or(1000);
    let online = api.service.connections.online(&hub);
    let documents = api.service.store.run(move |c| {
        let devices = registry::list(c, &hub)?.into_iter().take(top);
        devices
            .map(|device| {
                let waiting = c2d::count(c, &device.hub, &device.id)?;
                Ok(device.identity_json(online.contains(&device.id), waiting))
            })
            .collect::<Result<Vec<Value>, Refusal>>()
    });
    Ok(Json(documents.await?).into_response())
}

async fn query_devices(
    State(api): State<Api>,
    Hub(hub): Hub,
    headers: HeaderMap,
    Document(document): Document,
) -> Answer {
    let text = document
        .get("query")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let query = query::Query::parse(text)?;
    let number = |name: &str| headers.get(name)?.to_str().ok()?.parse::<usize>().ok();
    let page = number("x-ms-max-item-count").unwrap_or(100).clamp(1, 1000);
    let start = number("x-ms-continuation").unwrap_or(0);
    let online = api.service.connections.online(&hub);
    let twins = api.service.store.run(move |c| {
        let devices = registry::list(c, &hub)?;
        let twin = |device: &Device| {
            let waiting = c2d::count(c, &device.hub, &device.id)?;
            Ok(device.twin_json(online.contains(&device.id), waiting))
        };
        devices
            .iter()
            .map(twin)
            .collect::<Result<Vec<Value>, Refusal>>()
    });
    let kind = if query.is_twins() { "Twin" } else { "Raw" };
    let found = query.run(twins.await?);
    let rest = found.len() > start.saturating_add(page);
    let items: Vec<Value> = found.into_iter().skip(start).take(page).collect();
    let mut response = ([("x-ms-item-type", kind)], Json(items)).into_response();
    if rest && let Ok(next) = (start + page).to_string().parse() {
        response.headers_mut().insert("x-ms-continuation", next);
    }
    Ok(response)
}

async fn get_device(State(api): State<Api>, Hub(hub): Hub, Path(id): Path<String>) -> Answer {
    let (device, waiting) = load(&api, &hub, &id).await?;
    Ok(identity(&api, &device, waiting))
}

async fn put_device(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(id): Path<String>,
    headers: HeaderMap,
    Document(document): Document,
) -> Answer {
    let (condition, now) = (if_match(&headers), api.service.clock.now());
    let (owned_hub, owned_id) = (hub.clone(), id.clone());
    let device = api
        .service
        .store
        .run(move |c| {
            registry::put(
                c,
                &owned_hub,
                &owned_id,
                &Value::Object(document),
                &condition,
                now,
            )
        })
        .await?;
    let what = if device.enabled {
        "registered, enabled"
    } else {
        "registered, disabled"
    };
    api.service
        .journal
        .record(Event::info("registry", what).of(&hub, &id));
    if !device.enabled {
        let refusal = Refusal::new(
            ErrorCode::DeviceDisabled,
            format!("device '{id}' was disabled in the registry"),
        );
        api.service.drop_device(&hub, &id, refusal);
    }
    Ok(identity(&api, &device, 0))
}

async fn delete_device(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let condition = if_match(&headers);
    let (owned_hub, owned_id) = (hub.clone(), id.clone());
    api.service
        .store
        .run(move |c| registry::delete(c, &owned_hub, &owned_id, &condition))
        .await?;
    api.service
        .journal
        .record(Event::info("registry", "deleted").of(&hub, &id));
    let refusal = Refusal::new(
        ErrorCode::DeviceNotFound,
        format!("device '{id}' was deleted from the registry"),
    );
    api.service.drop_device(&hub, &id, refusal);
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn identity(api: &Api, device: &Device, waiting: i64) -> Response {
    let online = api
        .service
        .connections
        .find(&device.hub, &device.id)
        .is_some();
    let tag = format!("\"{}\"", etag(device.etag));
    (
        [(header::ETAG, tag)],
        Json(device.identity_json(online, waiting)),
    )
        .into_response()
}

async fn get_twin(State(api): State<Api>, Hub(hub): Hub, Path(id): Path<String>) -> Answer {
    let (device, waiting) = load(&api, &hub, &id).await?;
    Ok(twin(&api, &device, waiting))
}

async fn patch_twin(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(id): Path<String>,
    headers: HeaderMap,
    Document(document): Document,
) -> Answer {
    write_twin(&api, hub, id, TwinWrite::Patch, &headers, document).await
}

async fn replace_twin(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(id): Path<String>,
    headers: HeaderMap,
    Document(document): Document,
) -> Answer {
    write_twin(&api, hub, id, TwinWrite::Replace, &headers, document).await
}

async fn write_twin(
    api: &Api,
    hub: String,
    id: String,
    how: TwinWrite,
    headers: &HeaderMap,
    document: serde_json::Map<String, Value>,
) -> Answer {
    let device = api
        .service
        .write_twin(hub.clone(), id.clone(), how, document, if_match(headers))
        .await?;
    let what = format!(
        "desired properties are at version {}",
        device.desired.version
    );
    api.service
        .journal
        .record(Event::info("twin", what).of(&hub, &id));
    Ok(twin(api, &device, 0))
}

fn twin(api: &Api, device: &Device, waiting: i64) -> Response {
    let online = api
        .service
        .connections
        .find(&device.hub, &device.id)
        .is_some();
    let tag = format!("\"{}\"", etag(device.twin_version));
    (
        [(header::ETAG, tag)],
        Json(device.twin_json(online, waiting)),
    )
        .into_response()
}

async fn load(api: &Api, hub: &str, id: &str) -> Result<(Device, i64), Failure> {
    let (hub, id) = (hub.to_owned(), id.to_owned());
    let found = api.service.store.run(move |c| {
        let device = registry::require(c, &hub, &id)?;
        let waiting = c2d::count(c, &hub, &id)?;
        Ok((device, waiting))
    });
    Ok(found.await?)
}

async fn invoke(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(id): Path<String>,
    Document(document): Document,
) -> Answer {
    let name = document
        .get("methodName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if name.is_empty() || name.len() > 128 || name.contains(['/', '#', '+', '?', '$']) {
        return Err(invalid(format!(
            "methodName '{name}' must have 1 to 128 characters without / # + ? $"
        ))
        .into());
    }
    let payload = document.get("payload").cloned().unwrap_or(Value::Null);
    if payload.to_string().len() > MAX_METHOD {
        let reason = format!("a method's payload may have {MAX_METHOD} bytes");
        return Err(Refusal::new(ErrorCode::MessageTooLarge, reason).into());
    }
    let seconds = |name: &str, default: u64, min: u64| match document.get(name) {
        None | Some(Value::Null) => Ok(Duration::from_secs(default)),
        Some(value) => match value.as_u64() {
            Some(seconds) if (min..=300).contains(&seconds) => Ok(Duration::from_secs(seconds)),
            _ => Err(invalid(format!(
                "{name} must be {min} to 300 seconds, not {value}"
            ))),
        },
    };
    let call = MethodCall {
        name: name.to_owned(),
        payload,
        connect_timeout: seconds("connectTimeoutInSeconds", 0, 0)?,
        response_timeout: seconds("responseTimeoutInSeconds", 30, 5)?,
    };
    let answer = api.service.invoke(&hub, &id, call).await?;
    Ok(Json(json!({"status": answer.status, "payload": answer.payload})).into_response())
}

async fn send(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    let mut draft = draft_of(request.headers())?;
    draft.body = body(request, 64 * 1024).await?;
    let message = api.service.send_c2d(&hub, &id, draft).await?;
    Ok((
        StatusCode::CREATED,
        Json(json!({"messageId": message.message_id})),
    )
        .into_response())
}

/// Reads the headers of Azure's former HTTPS API: system properties, and `iothub-app-…`.
fn draft_of(headers: &HeaderMap) -> Result<c2d::Draft, Refusal> {
    let mut draft = c2d::Draft::default();
    for (name, value) in headers {
        let name = name.as_str();
        let value = value
            .to_str()
            .ok()
            .and_then(properties::decode)
            .ok_or_else(|| {
                invalid(format!(
                    "header '{name}' must be ASCII, percent-encoded where needed"
                ))
            })?
            .into_owned();
        match name {
            "iothub-messageid" => draft.message_id = Some(value),
            "iothub-ack" => draft.ack = Some(value),
            "iothub-expiry" => {
                let expiry = parse_rfc3339(&value);
                draft.expiry = Some(expiry.ok_or_else(|| {
                    invalid(format!("iothub-expiry '{value}' is no RFC 3339 time"))
                })?);
            }
            "iothub-correlationid" => draft.system.push(("$.cid".to_owned(), value)),
            "iothub-userid" => draft.system.push(("$.uid".to_owned(), value)),
            "iothub-contenttype" => draft.system.push(("$.ct".to_owned(), value)),
            "iothub-contentencoding" => draft.system.push(("$.ce".to_owned(), value)),
            _ => {
                if let Some(name) = name.strip_prefix("iothub-app-") {
                    draft.properties.push((name.to_owned(), Some(value)));
                }
            }
        }
    }
    Ok(draft)
}

async fn waiting(State(api): State<Api>, Hub(hub): Hub, Path(id): Path<String>) -> Answer {
    let messages = api
        .service
        .store
        .run(move |c| c2d::list(c, &hub, &id))
        .await?;
    let messages: Vec<Value> = messages
        .iter()
        .map(|(message, locked)| message.to_json(*locked))
        .collect();
    Ok(Json(messages).into_response())
}

async fn purge(State(api): State<Api>, Hub(hub): Hub, Path(id): Path<String>) -> Answer {
    let (now, owned_id) = (api.service.clock.now(), id.clone());
    let purged = api
        .service
        .store
        .run(move |c| {
            registry::require(c, &hub, &owned_id)?;
            c2d::purge(c, &hub, &owned_id, now)
        })
        .await?;
    Ok(
        Json(json!({"totalMessagesPurged": purged, "deviceId": id, "moduleId": null}))
            .into_response(),
    )
}

async fn statistics(State(api): State<Api>, Hub(hub): Hub) -> Answer {
    let devices = api
        .service
        .store
        .run(move |c| registry::list(c, &hub))
        .await?;
    let enabled = devices.iter().filter(|device| device.enabled).count();
    Ok(Json(json!({
        "totalDeviceCount": devices.len(),
        "enabledDeviceCount": enabled,
        "disabledDeviceCount": devices.len() - enabled,
    }))
    .into_response())
}

async fn service_statistics(State(api): State<Api>, Hub(hub): Hub) -> Answer {
    let connected = api.service.connections.online(&hub).len();
    Ok(Json(json!({ "connectedDeviceCount": connected })).into_response())
}

const MAX_METHOD: usize = 128 * 1024;
