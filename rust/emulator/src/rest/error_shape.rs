//! Errors in the shapes that Azure's services give them: the hub's, the provisioning service's and
//! Resource Manager's.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::random;

/// A refusal as a hub answers it.
pub(super) fn hub(refusal: &Refusal) -> Response {
    let status =
        StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({
        "Message": format!("ErrorCode:{};{}", refusal.code.name(), refusal.reason),
        "ExceptionMessage": format!("Tracking ID:{}", random::guid()),
        "errorCode": refusal.code.number(),
    });
    let name = HeaderValue::from_static(refusal.code.name());
    (status, [("iothub-errorcode", name)], Json(body)).into_response()
}

/// Gives an answer the body that goes with the path.
pub(super) fn adapt(response: &mut Response, path: &str, refusal: &Refusal, now: UnixMs) {
    let body = match path.split('/').find(|part| !part.is_empty()) {
        Some("subscriptions" | "tenants" | "providers") => manager(refusal),
        Some("enrollments" | "enrollmentGroups" | "registrations") => provisioning(refusal, now),
        _ => return,
    };
    let body = body.to_string();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.remove("iothub-errorcode");
    *response.body_mut() = Body::from(body);
}

/// As the provisioning service: `ProvisioningServiceErrorDetails` of its specification.
fn provisioning(refusal: &Refusal, now: UnixMs) -> Value {
    json!({
        "errorCode": refusal.code.number(),
        "trackingId": random::guid(),
        "message": refusal.reason,
        "timestampUtc": rfc3339(now),
    })
}

/// As Resource Manager. A reason that begins with a code in one word and a colon has its own code.
fn manager(refusal: &Refusal) -> Value {
    let own = refusal.reason.split_once(": ").filter(|(code, _)| {
        matches!(
            refusal.code,
            ErrorCode::NotFound | ErrorCode::ArgumentInvalid
        ) && code.starts_with(|c: char| c.is_ascii_uppercase())
            && code.bytes().all(|b| b.is_ascii_alphabetic())
    });
    let code = match refusal.code {
        ErrorCode::NotFound => "ResourceNotFound",
        ErrorCode::ArgumentInvalid => "InvalidRequestContent",
        ErrorCode::Unauthorized => "AuthenticationFailed",
        ErrorCode::IotHubUnauthorized => "AuthorizationFailed",
        ErrorCode::InvalidProtocolVersion => "InvalidApiVersionParameter",
        code => code.name(),
    };
    let (code, message) = own.unwrap_or((code, &refusal.reason));
    json!({"error": {"code": code, "message": message}})
}
