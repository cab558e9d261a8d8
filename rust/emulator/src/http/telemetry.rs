//! Telemetry over HTTPS: one message with its properties as headers, or several as JSON.
//!
//! Microsoft, "Device" of the IoT Hub REST API: Send Device Event; the form of a batch is that of
//! the SDKs for C and Node.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::code::{ErrorCode, Refusal};
use crate::hub::telemetry::{MAX_MESSAGE, Message};
use crate::properties::{self, Properties};
use crate::rest::{Answer, Api, Hub, Identity, body};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/devices/{id}/messages/events", post(send))
        .route("/devices/{id}/modules/{module}/messages/events", post(send))
}

/// Stores all of it, or nothing.
async fn send(
    State(api): State<Api>,
    Hub(hub): Hub,
    Identity(id): Identity,
    request: Request,
) -> Answer {
    let headers = request.headers().clone();
    let bytes = body(request, MAX_BODY).await?;
    let (hub, id) = (hub.as_str(), id.as_str());
    let messages = match is_batch(&headers) {
        true => batch(hub, id, &bytes)?,
        false => vec![message(hub, id, bytes, from_headers(&headers)?)?],
    };
    let sizes = messages.iter().map(|it| it.body.len());
    if sizes.sum::<usize>() > MAX_MESSAGE {
        return Err(too_large("a batch").into());
    }
    api.service.send_telemetry(hub, id, messages).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn is_batch(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/vnd.microsoft.iothub.json")
}

fn message(hub: &str, id: &str, body: Vec<u8>, properties: Properties) -> Result<Message, Refusal> {
    if body.len() + properties.size() > MAX_MESSAGE {
        return Err(too_large("a message with its properties"));
    }
    Ok(Message::new(hub, id, body, properties, 1))
}

/// `[{"body":…,"base64Encoded":…,"properties":{…}}, …]`; a body is base64 unless it says otherwise.
fn batch(hub: &str, id: &str, bytes: &[u8]) -> Result<Vec<Message>, Refusal> {
    let all: Vec<Map<String, Value>> = serde_json::from_slice(bytes)
        .map_err(|error| invalid(format!("a batch is a JSON array of objects: {error}")))?;
    if all.is_empty() {
        return Err(invalid("the batch is empty".to_owned()));
    }
    let messages = all.into_iter().enumerate().map(|(index, mut entry)| {
        let wrong = |why: &str| invalid(format!("message {index} of the batch: {why}"));
        let Some(Value::String(text)) = entry.remove("body") else {
            return Err(wrong("'body' must be a text"));
        };
        let body = match entry.get("base64Encoded") {
            Some(Value::Bool(false)) => text.into_bytes(),
            None | Some(Value::Null | Value::Bool(true)) => STANDARD
                .decode(text)
                .map_err(|_| wrong("'body' is not base64, and base64Encoded is not false"))?,
            Some(_) => return Err(wrong("base64Encoded is no truth value")),
        };
        let mut properties = Properties::default();
        match entry.remove("properties") {
            None | Some(Value::Null) => {}
            Some(Value::Object(given)) => {
                for (name, value) in given {
                    let value = match value {
                        Value::String(text) => text,
                        Value::Null => String::new(),
                        other => other.to_string(),
                    };
                    add(&mut properties, &name, value, true);
                }
            }
            Some(_) => return Err(wrong("'properties' must be an object")),
        }
        message(hub, id, body, properties)
    });
    messages.collect()
}

/// Header names come in lower case, whatever the client wrote.
fn from_headers(headers: &HeaderMap) -> Result<Properties, Refusal> {
    let mut properties = Properties::default();
    for (name, value) in headers {
        let name = name.as_str();
        if !name.starts_with("iothub-") {
            continue;
        }
        let value = value
            .to_str()
            .map_err(|_| invalid(format!("header '{name}' must be ASCII")))?;
        // Clients do not agree on whether values are percent-encoded.
        let value =
            properties::decode(value).map_or_else(|| value.to_owned(), |it| it.into_owned());
        add(&mut properties, name, value, false);
    }
    Ok(properties)
}

/// Sorts a property into the service's own, by its name in headers, and the application's.
fn add(properties: &mut Properties, name: &str, value: String, bare: bool) {
    let lower = name.to_ascii_lowercase();
    if let Some(front) = name.get(..APPLICATION.len())
        && front.eq_ignore_ascii_case(APPLICATION)
    {
        let rest = name[APPLICATION.len()..].to_owned();
        properties.application.push((rest, Some(value)));
    } else if let Some((_, known)) = SYSTEM.iter().find(|(header, _)| *header == lower) {
        properties.system.push(((*known).to_owned(), value));
    } else if bare {
        properties.application.push((name.to_owned(), Some(value)));
    }
}

fn too_large(what: &str) -> Refusal {
    Refusal::new(
        ErrorCode::MessageTooLarge,
        format!("{what} may have {MAX_MESSAGE} bytes"),
    )
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const APPLICATION: &str = "iothub-app-";

/// Header and JSON name; `iothub-to` says what the path says.
const SYSTEM: &[(&str, &str)] = &[
    ("iothub-messageid", "messageId"),
    ("iothub-correlationid", "correlationId"),
    ("iothub-userid", "userId"),
    ("iothub-expiry", "absoluteExpiryTime"),
    ("iothub-contenttype", "contentType"),
    ("iothub-contentencoding", "contentEncoding"),
    ("iothub-creationtimeutc", "creationTimeUtc"),
    ("iothub-interface-id", "interfaceId"),
    ("iothub-message-schema", "messageSchema"),
    ("dt-subject", "componentName"),
];

/// Base64 and property names take more than what they carry.
const MAX_BODY: usize = 2 * MAX_MESSAGE;
