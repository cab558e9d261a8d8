//! Azure's paths for twins and direct methods.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::devices::load;
use super::{Answer, Api, Document, Hub, if_match, invalid};
use crate::code::{ErrorCode, Refusal};
use crate::journal::Event;
use crate::registry::{Device, TwinWrite, etag};
use crate::service::MethodCall;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(
            "/twins/{id}",
            get(get_twin).patch(patch_twin).put(replace_twin),
        )
        .route("/twins/{id}/methods", post(invoke))
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

const MAX_METHOD: usize = 128 * 1024;
