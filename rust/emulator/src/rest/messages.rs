//! Cloud-to-device messages from the service side, as Azure's former HTTPS API had them, and as
//! JSON.

use std::collections::HashMap;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Answer, Api, Document, Hub, Identity, body, invalid};
use crate::clock::parse_rfc3339;
use crate::code::Refusal;
use crate::hub::c2d;
use crate::hub::feedback;
use crate::hub::registry;
use crate::properties;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/devices/{id}/messages/deviceBound", post(send))
        .route("/devices/{id}/messages/devicebound", post(send))
        .route(
            "/devices/{id}/modules/{module}/messages/deviceBound",
            post(send),
        )
        .route(
            "/admin/devices/{id}/messages",
            get(waiting).post(send_document),
        )
        .route("/devices/{id}/commands", delete(purge))
        .route("/admin/dead-letters", get(dead_letters))
        .route("/messages/serviceBound/feedback", get(receive_feedback))
        .route(
            "/messages/serviceBound/feedback/{token}",
            delete(complete_feedback),
        )
        .route(
            "/messages/serviceBound/feedback/{token}/abandon",
            post(abandon_feedback),
        )
}

async fn send(
    State(api): State<Api>,
    Hub(hub): Hub,
    Identity(id): Identity,
    request: Request,
) -> Answer {
    let mut draft = draft_of(request.headers())?;
    draft.body = body(request, 64 * 1024).await?;
    accept(&api, &hub, &id, draft).await
}

/// What headers cannot say: names of properties in their own case, and null values.
async fn send_document(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(id): Path<String>,
    Document(document): Document,
) -> Answer {
    accept(&api, &hub, &id, c2d::Draft::from_json(&document)?).await
}

async fn accept(api: &Api, hub: &str, id: &str, draft: c2d::Draft) -> Answer {
    let message = api.service.send_c2d(hub, id, draft).await?;
    let answer = Json(json!({"messageId": message.message_id}));
    Ok((StatusCode::CREATED, answer).into_response())
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
                draft.expires(expiry.ok_or_else(|| {
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
    for (header, wire) in [
        (header::CONTENT_TYPE, "$.ct"),
        (header::CONTENT_ENCODING, "$.ce"),
    ] {
        let value = headers.get(header).and_then(|value| value.to_str().ok());
        // curl says so of every body.
        let value = value.filter(|value| *value != "application/x-www-form-urlencoded");
        if let Some(value) = value
            && !draft.system.iter().any(|(known, _)| known == wire)
        {
            draft.system.push((wire.to_owned(), value.to_owned()));
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

async fn dead_letters(
    State(api): State<Api>,
    Hub(hub): Hub,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let device = query.get("device").cloned();
    let letters = api
        .service
        .store
        .run(move |c| c2d::dead_letters(c, &hub, device.as_deref()));
    Ok(Json(letters.await?).into_response())
}

/// A batch under a lock token, which is its ETag; 204 if there is nothing to tell.
async fn receive_feedback(State(api): State<Api>, Hub(hub): Hub) -> Answer {
    let now = api.service.clock.now();
    let batch = api
        .service
        .store
        .run(move |c| feedback::receive(c, &hub, now));
    let Some(batch) = batch.await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let headers = [
        (header::ETAG, format!("\"{}\"", batch.lock_token)),
        (header::CONTENT_TYPE, FEEDBACK.to_owned()),
    ];
    Ok((headers, Value::Array(batch.records).to_string()).into_response())
}

async fn complete_feedback(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(token): Path<String>,
) -> Answer {
    let now = api.service.clock.now();
    let complete = api
        .service
        .store
        .run(move |c| feedback::complete(c, &hub, token.trim_matches('"'), now));
    complete.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn abandon_feedback(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(token): Path<String>,
) -> Answer {
    let now = api.service.clock.now();
    let abandon = api
        .service
        .store
        .run(move |c| feedback::abandon(c, &hub, token.trim_matches('"'), now));
    abandon.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

const FEEDBACK: &str = "application/vnd.microsoft.iothub.feedback.json; charset=utf-8";
