//! Azure's paths for device identities: registry, queries, statistics.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Answer, Api, Document, Failure, Hub, if_match};
use crate::c2d;
use crate::code::{ErrorCode, Refusal};
use crate::journal::Event;
use crate::query;
use crate::registry::{self, Device, IfMatch, etag};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/devices/query", post(query_devices))
        .route("/devices", get(list_devices))
        // Node's service client asks with a slash.
        .route("/devices/", get(list_devices))
        .route(
            "/devices/{id}",
            get(get_device).put(put_device).delete(delete_device),
        )
        .route("/statistics/devices", get(statistics))
        .route("/statistics/service", get(service_statistics))
}

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
                Ok(device.identity_json(online.get(&device.id).copied(), waiting))
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
            Ok(device.twin_json(online.get(&device.id).copied(), waiting))
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
            if condition == IfMatch::Absent {
                registry::require_new(c, &owned_hub, &owned_id)?;
            }
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
        .map(|live| live.last_activity());
    let tag = format!("\"{}\"", etag(device.etag));
    (
        [(header::ETAG, tag)],
        Json(device.identity_json(online, waiting)),
    )
        .into_response()
}

pub(super) async fn load(api: &Api, hub: &str, id: &str) -> Result<(Device, i64), Failure> {
    let (hub, id) = (hub.to_owned(), id.to_owned());
    let found = api.service.store.run(move |c| {
        let device = registry::require(c, &hub, &id)?;
        let waiting = c2d::count(c, &hub, &id)?;
        Ok((device, waiting))
    });
    Ok(found.await?)
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
