//! Azure's paths for device identities: registry and statistics.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Answer, Api, Document, Failure, Hub, Identity, if_match, invalid};
use crate::code::{ErrorCode, Refusal};
use crate::etag::{IfMatch, etag};
use crate::hub::c2d;
use crate::hub::registry::{self, Device, Kind, in_words};
use crate::journal::Event;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/devices", get(list_devices))
        // Node's service client asks with a slash.
        .route("/devices/", get(list_devices))
        .route(
            "/devices/{id}",
            get(get_device).put(put_device).delete(delete_device),
        )
        .route("/devices/{id}/modules", get(list_modules))
        .route(
            "/devices/{id}/modules/{module}",
            get(get_device).put(put_device).delete(delete_device),
        )
        .route("/statistics/devices", get(statistics))
        .route("/statistics/service", get(service_statistics))
}

/// `top` is 1,000 at the most, as Azure's is; all there are come by a query, page by page.
async fn list_devices(
    State(api): State<Api>,
    Hub(hub): Hub,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let top = match query.get("top") {
        None => MAX_PAGE,
        Some(top) => top
            .parse()
            .ok()
            .filter(|top| (1..=MAX_PAGE).contains(top))
            .ok_or_else(|| invalid(format!("top '{top}' is not 1 to {MAX_PAGE}")))?,
    };
    let online = api.service.connections.online(&hub);
    let documents = api.service.store.read(move |c| {
        let devices = registry::page(c, &hub, Kind::Device, "", top)?.devices;
        let documents = devices.iter().map(|device| {
            let waiting = c2d::count(c, &device.hub, &device.id)?;
            Ok(device.identity_json(online.get(&device.id).copied(), waiting))
        });
        documents.collect::<Result<Vec<Value>, Refusal>>()
    });
    Ok(Json(documents.await?).into_response())
}

async fn list_modules(State(api): State<Api>, Hub(hub): Hub, Identity(id): Identity) -> Answer {
    let online = api.service.connections.online(&hub);
    let documents = api.service.store.read(move |c| {
        registry::require(c, &hub, &id)?;
        let modules = registry::modules(c, &hub, &id)?;
        let documents = modules.iter().map(|module| {
            let waiting = c2d::count(c, &module.hub, &module.id)?;
            Ok(module.identity_json(online.get(&module.id).copied(), waiting))
        });
        documents.collect::<Result<Vec<Value>, Refusal>>()
    });
    Ok(Json(documents.await?).into_response())
}

async fn get_device(State(api): State<Api>, Hub(hub): Hub, Identity(id): Identity) -> Answer {
    let (device, waiting) = load(&api, &hub, &id).await?;
    Ok(identity(&api, &device, waiting))
}

async fn put_device(
    State(api): State<Api>,
    Hub(hub): Hub,
    Identity(id): Identity,
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
            format!("{} was disabled in the registry", in_words(&id)),
        );
        api.service.drop_with_modules(&hub, &id, &refusal);
    }
    Ok(identity(&api, &device, 0))
}

async fn delete_device(
    State(api): State<Api>,
    Hub(hub): Hub,
    Identity(id): Identity,
    headers: HeaderMap,
) -> Answer {
    let (condition, now) = (if_match(&headers), api.service.clock.now());
    let (owned_hub, owned_id) = (hub.clone(), id.clone());
    api.service
        .store
        .run(move |c| registry::delete(c, &owned_hub, &owned_id, &condition, now))
        .await?;
    api.service
        .journal
        .record(Event::info("registry", "deleted").of(&hub, &id));
    let refusal = Refusal::new(
        ErrorCode::DeviceNotFound,
        format!("{} was deleted from the registry", in_words(&id)),
    );
    api.service.drop_with_modules(&hub, &id, &refusal);
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
    let (all, enabled) = api
        .service
        .store
        .read(move |c| registry::count(c, &hub))
        .await?;
    Ok(Json(json!({
        "totalDeviceCount": all,
        "enabledDeviceCount": enabled,
        "disabledDeviceCount": all - enabled,
    }))
    .into_response())
}

async fn service_statistics(State(api): State<Api>, Hub(hub): Hub) -> Answer {
    let connected = api.service.connections.online_devices(&hub).len();
    Ok(Json(json!({ "connectedDeviceCount": connected })).into_response())
}

/// Microsoft's limit for a page of devices.
pub(super) const MAX_PAGE: usize = 1000;
