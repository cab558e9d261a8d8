//! Azure's paths for twins and direct methods.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::devices::load;
use super::{Answer, Api, Document, Hub, Identity, if_match};
use crate::etag::etag;
use crate::hub::registry::{Device, TwinWrite};
use crate::hub::service::MethodCall;
use crate::journal::Event;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(
            "/twins/{id}",
            get(get_twin).patch(patch_twin).put(replace_twin),
        )
        .route("/twins/{id}/methods", post(invoke))
        .route(
            "/twins/{id}/modules/{module}",
            get(get_twin).patch(patch_twin).put(replace_twin),
        )
        .route("/twins/{id}/modules/{module}/methods", post(invoke))
}

async fn get_twin(State(api): State<Api>, Hub(hub): Hub, Identity(id): Identity) -> Answer {
    let (device, waiting) = load(&api, &hub, &id).await?;
    Ok(twin(&api, &device, waiting))
}

async fn patch_twin(
    State(api): State<Api>,
    Hub(hub): Hub,
    Identity(id): Identity,
    headers: HeaderMap,
    Document(document): Document,
) -> Answer {
    write_twin(&api, hub, id, TwinWrite::Patch, &headers, document).await
}

async fn replace_twin(
    State(api): State<Api>,
    Hub(hub): Hub,
    Identity(id): Identity,
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
    record(api, &hub, &id, &device);
    Ok(twin(api, &device, 0))
}

/// Notes a change of desired properties in the event log.
pub(super) fn record(api: &Api, hub: &str, id: &str, device: &Device) {
    let version = device.desired.version;
    let what = format!("desired properties are at version {version}");
    api.service
        .journal
        .record(Event::info("twin", what).of(hub, id));
}

fn twin(api: &Api, device: &Device, waiting: i64) -> Response {
    let online = api
        .service
        .connections
        .find(&device.hub, &device.id)
        .map(|live| live.last_activity());
    let tag = format!("\"{}\"", etag(device.twin_version));
    (
        [(header::ETAG, tag)],
        Json(device.twin_json(online, waiting)),
    )
        .into_response()
}

async fn invoke(
    State(api): State<Api>,
    Hub(hub): Hub,
    Identity(id): Identity,
    Document(document): Document,
) -> Answer {
    let call = MethodCall::from_json(&document)?;
    let answer = api.service.invoke(&hub, &id, call).await?;
    Ok(Json(json!({"status": answer.status, "payload": answer.payload})).into_response())
}
