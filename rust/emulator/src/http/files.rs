//! Uploads of files: a device asks where to put one, puts it there, and says how it went; services
//! are told.
//!
//! Microsoft, "Device" of the IoT Hub REST API: Create File Upload Sas Uri, Update File Upload
//! Status.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use crate::blobs::{self, Address};
use crate::code::{ErrorCode, Refusal};
use crate::fields;
use crate::hub::files::{self, NOTIFICATIONS};
use crate::hub::registry;
use crate::journal::Event;
use crate::rest::{Answer, Api, Document, Hub};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/devices/{id}/files", post(begin))
        .route("/devices/{id}/files/notifications", post(end))
        // Node's client has the correlation id in the path.
        .route(
            "/devices/{id}/files/notifications/{correlation}",
            post(end_named),
        )
        .route("/messages/serviceBound/filenotifications", get(receive))
        .route(
            "/messages/serviceBound/filenotifications/{token}",
            delete(complete),
        )
        .route(
            "/messages/serviceBound/filenotifications/{token}/abandon",
            post(abandon),
        )
}

/// Where the file goes: the parts of an address, signed for this blob and for an hour.
async fn begin(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(id): Path<String>,
    headers: HeaderMap,
    Document(document): Document,
) -> Answer {
    let name = text(&document, "blobName")?.to_owned();
    blobs::check_blob(&format!("{id}/{name}"))?;
    let now = api.service.clock.now();
    let expiry = now + api.service.settings.file_upload_ttl_ms;
    let begun = api.service.store.run(move |c| {
        registry::require_enabled(c, &hub, &id)?;
        registry::touch_activity(c, &hub, &id, now)?;
        files::begin(c, &hub, &id, &name, expiry, now)
    });
    let upload = begun.await?;
    let host = api.https_authority(&headers);
    let Address {
        host_name,
        container_name,
        blob_name,
        sas_token,
        ..
    } = api
        .blobs
        .address(&host, CONTAINER, &upload.blob, "rw", expiry);
    Ok(Json(json!({
        "correlationId": upload.correlation_id,
        "hostName": host_name,
        "containerName": container_name,
        "blobName": blob_name,
        "sasToken": sas_token,
    }))
    .into_response())
}

async fn end(
    api: State<Api>,
    hub: Hub,
    Path(id): Path<String>,
    headers: HeaderMap,
    document: Document,
) -> Answer {
    let correlation = text(&document.0, "correlationId")?.to_owned();
    finish(api, hub, id, correlation, headers, document).await
}

async fn end_named(
    api: State<Api>,
    hub: Hub,
    Path((id, correlation)): Path<(String, String)>,
    headers: HeaderMap,
    document: Document,
) -> Answer {
    finish(api, hub, id, correlation, headers, document).await
}

/// A success of which there is no blob is refused.
async fn finish(
    State(api): State<Api>,
    Hub(hub): Hub,
    id: String,
    correlation: String,
    headers: HeaderMap,
    Document(document): Document,
) -> Answer {
    let success = document
        .get("isSuccess")
        .and_then(fields::boolean)
        .ok_or_else(|| invalid("'isSuccess' must be true or false"))?;
    let service = &api.service;
    let now = service.clock.now();
    let (owned_hub, owned_id) = (hub.clone(), id.clone());
    let upload = service
        .store
        .run(move |c| {
            registry::require_enabled(c, &owned_hub, &owned_id)?;
            files::find(c, &owned_hub, &owned_id, &correlation)
        })
        .await?;
    let host = api.https_authority(&headers);
    let blob = match success {
        false => None,
        true => {
            let size = api.blobs.size(CONTAINER, &upload.blob, now).await?;
            let size = size.ok_or_else(|| {
                invalid(&format!(
                    "there is no blob '{}' in the storage",
                    upload.blob
                ))
            })?;
            Some((api.blobs.uri(&host, CONTAINER, &upload.blob), size))
        }
    };
    let what = match &blob {
        Some((_, size)) => format!("file '{}' uploaded, {size} bytes", upload.blob),
        None => {
            let why = document.get("statusDescription").and_then(Value::as_str);
            let why = why.unwrap_or("no description");
            format!("file '{}' not uploaded: {why}", upload.blob)
        }
    };
    let (owned_hub, owned_id) = (hub.clone(), id.clone());
    service
        .store
        .run(move |c| files::end(c, &owned_hub, &owned_id, &upload, blob, now))
        .await?;
    service
        .journal
        .record(Event::info("file", what).of(&hub, &id));
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The oldest notification under a lock, whose token is the ETag; 204 if there is none.
async fn receive(State(api): State<Api>, Hub(hub): Hub) -> Answer {
    let now = api.service.clock.now();
    let batch = api
        .service
        .store
        .run(move |c| NOTIFICATIONS.receive(c, &hub, now));
    let Some(mut batch) = batch.await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let tag = [(header::ETAG, format!("\"{}\"", batch.lock_token))];
    Ok((tag, Json(batch.records.pop())).into_response())
}

async fn complete(State(api): State<Api>, Hub(hub): Hub, Path(token): Path<String>) -> Answer {
    let now = api.service.clock.now();
    let done = api
        .service
        .store
        .run(move |c| NOTIFICATIONS.complete(c, &hub, token.trim_matches('"'), now));
    done.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn abandon(State(api): State<Api>, Hub(hub): Hub, Path(token): Path<String>) -> Answer {
    let now = api.service.clock.now();
    let done = api
        .service
        .store
        .run(move |c| NOTIFICATIONS.abandon(c, &hub, token.trim_matches('"'), now));
    done.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn text<'d>(document: &'d Map<String, Value>, name: &str) -> Result<&'d str, Refusal> {
    let found = document.get(name).and_then(Value::as_str);
    found
        .filter(|text| !text.is_empty())
        .ok_or_else(|| invalid(&format!("'{name}' must be a text")))
}

fn invalid(reason: &str) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

/// The container of uploads.
const CONTAINER: &str = "uploads";
