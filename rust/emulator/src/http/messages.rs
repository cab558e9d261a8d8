//! Receiving cloud-to-device messages one by one: each under a lock, until it is completed,
//! rejected or abandoned.
//!
//! Microsoft, "Device" of the IoT Hub REST API: Receive, Complete and Abandon Device Bound
//! Notification.

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, post};

use crate::clock::rfc3339;
use crate::hub::c2d::{self, LockToken, Message, Outcome};
use crate::hub::registry;
use crate::properties;
use crate::rest::{Answer, Api, Hub};

pub(super) fn routes() -> Router<Api> {
    let mut router = Router::new();
    for path in [
        "/devices/{id}/messages/deviceBound",
        "/devices/{id}/messages/devicebound",
    ] {
        router = router
            .route(path, get(receive))
            .route(&format!("{path}/{{token}}"), delete(end))
            .route(&format!("{path}/{{token}}/abandon"), post(abandon));
    }
    router
}

/// The oldest message that waits; 204 if there is none.
async fn receive(State(api): State<Api>, Hub(hub): Hub, Path(id): Path<String>) -> Answer {
    let service = &api.service;
    let (policy, now) = (service.settings.c2d, service.clock.now());
    let number = service.connections.next_number();
    let locked = service.store.run(move |c| {
        registry::require(c, &hub, &id)?;
        Ok(c2d::lock(c, &hub, &id, number, 1, policy, now)?
            .pop()
            .map(|message| (id, message)))
    });
    let Some((id, message)) = locked.await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let token = LockToken {
        number,
        seq: message.seq,
    };
    Ok((headers(&id, &message, token), message.body).into_response())
}

/// Completes a message, or rejects it with `?reject`.
async fn end(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path((id, token)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Answer {
    let token: LockToken = token.trim_matches('"').parse()?;
    let query = query.unwrap_or_default();
    let outcome = match query
        .split('&')
        .any(|it| it.split('=').next() == Some("reject"))
    {
        true => Outcome::Rejected,
        false => Outcome::Success,
    };
    let now = api.service.clock.now();
    let ended = api
        .service
        .store
        .run(move |c| token.settle(c, &hub, &id, outcome, now));
    ended.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn abandon(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path((id, token)): Path<(String, String)>,
) -> Answer {
    let token: LockToken = token.trim_matches('"').parse()?;
    let (policy, now) = (api.service.settings.c2d, api.service.clock.now());
    let (owned_hub, owned_id) = (hub.clone(), id.clone());
    let given = api
        .service
        .store
        .run(move |c| token.abandon(c, &owned_hub, &owned_id, policy, now));
    given.await?;
    api.service.wake(&hub, &id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The message's properties as headers, percent-encoded, and its lock token as ETag.
fn headers(id: &str, message: &Message, token: LockToken) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: String| {
        let name = HeaderName::from_bytes(name.as_bytes());
        // A name that no header can have stays away; the other protocols can carry it.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            headers.append(name, value);
        }
    };
    add(header::ETAG.as_str(), format!("\"{token}\""));
    add("iothub-messageid", properties::encode(&message.message_id));
    add("iothub-sequencenumber", message.seq.to_string());
    add("iothub-to", format!("/devices/{id}/messages/deviceBound"));
    add("iothub-enqueuedtime", rfc3339(message.enqueued));
    add("iothub-expiry", rfc3339(message.expiry));
    add("iothub-deliverycount", message.delivery_count.to_string());
    add("iothub-ack", message.ack.clone());
    for (wire, name) in [
        ("$.cid", "iothub-correlationid"),
        ("$.uid", "iothub-userid"),
        ("$.ct", "iothub-contenttype"),
        ("$.ce", "iothub-contentencoding"),
    ] {
        let value = message.system.iter().find(|(known, _)| known == wire);
        if let Some((_, value)) = value {
            add(name, properties::encode(value));
        }
    }
    for (name, value) in &message.properties {
        let value = value.as_deref().unwrap_or_default();
        add(&format!("iothub-app-{name}"), properties::encode(value));
    }
    headers
}
