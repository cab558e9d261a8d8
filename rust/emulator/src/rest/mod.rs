//! The service side over HTTP: Azure's own paths, `/admin`, and the page.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use crate::c2d::guid;
use crate::code::{ErrorCode, Refusal};
use crate::registry::IfMatch;
use crate::service::Service;

mod access;
mod admin;
mod arm;
mod devices;
mod firmware;
mod messages;
mod page;
mod permissions;
mod provisioning;
mod serve;
mod stream;
mod transfer;
mod twins;

pub(crate) use access::Access;
pub(crate) use serve::{Peer, Port, serve};

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    /// The running service.
    pub service: Arc<Service>,
    /// Who may ask.
    pub access: Arc<Access>,
    /// Where devices connect.
    pub mqtt: SocketAddr,
    /// The CA that devices must trust, if the server's certificate was made here.
    pub ca_pem: Option<Arc<str>>,
}

/// All paths.
pub(crate) fn router(api: Api) -> Router {
    Router::new()
        .merge(devices::routes())
        .merge(twins::routes())
        .merge(transfer::routes())
        .merge(messages::routes())
        .merge(admin::routes())
        .merge(arm::routes())
        .merge(provisioning::routes())
        .merge(firmware::routes())
        .merge(page::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .layer(middleware::from_fn_with_state(api.clone(), guard))
        .with_state(api)
}

/// What a handler answers.
type Answer = Result<Response, Failure>;

async fn guard(
    State(api): State<Api>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    api.access.check(&api.service, peer, &request)?;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

async fn unknown(request: Request) -> Failure {
    let what = format!(
        "{} {} is not one of the paths here",
        request.method(),
        request.uri().path()
    );
    Failure(Refusal::new(ErrorCode::NotFound, what))
}

async fn other_method(request: Request) -> Response {
    let what = format!(
        "{} has no {}: see the header Allow",
        request.uri().path(),
        request.method()
    );
    let body = Json(json!({"Message": what}));
    (StatusCode::METHOD_NOT_ALLOWED, body).into_response()
}

/// A refusal as Azure answers it.
#[derive(Debug)]
pub(crate) struct Failure(pub Refusal);

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(refusal) = self;
        let status = StatusCode::from_u16(refusal.code.status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({
            "Message": format!("ErrorCode:{};{}", refusal.code.name(), refusal.reason),
            "ExceptionMessage": format!("Tracking ID:{}", guid()),
            "errorCode": refusal.code.number(),
        });
        let name = HeaderValue::from_static(refusal.code.name());
        (status, [("iothub-errorcode", name)], Json(body)).into_response()
    }
}

/// The hub that a request means: `?hub=`, else the `Host` header, else the default.
#[derive(Debug)]
pub(crate) struct Hub(pub String);

impl FromRequestParts<Api> for Hub {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let host = host_of(&parts.uri, &parts.headers);
        Ok(Self(hub_meant(&api.service, &parts.uri, host)?.to_owned()))
    }
}

/// What a request calls this machine.
fn host_of<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> &'r str {
    let named = headers.get(header::HOST);
    let named = named.and_then(|host| host.to_str().ok());
    named.or_else(|| uri.host()).unwrap_or_default()
}

/// The hub that a request to this address means.
fn hub_meant<'s>(service: &'s Service, uri: &Uri, host: &str) -> Result<&'s str, Refusal> {
    let query = uri.query().unwrap_or_default();
    let Some(name) = crate::topic::parameter(query, "hub") else {
        return Ok(service.hub(host));
    };
    let known = service
        .hubs
        .iter()
        .find(|hub| hub.eq_ignore_ascii_case(name));
    known.map(String::as_str).ok_or_else(|| {
        Refusal::new(
            ErrorCode::NotFound,
            format!("there is no hub '{name}' here"),
        )
    })
}

/// A JSON body, read whatever its content type says.
#[derive(Debug)]
pub(crate) struct Document(pub Map<String, Value>);

impl axum::extract::FromRequest<Api> for Document {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, _: &Api) -> Result<Self, Failure> {
        let bytes = body(request, MAX_JSON).await?;
        let bytes = if bytes.is_empty() {
            b"{}".to_vec()
        } else {
            bytes
        };
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => Ok(Self(object)),
            Ok(_) => Err(Failure(invalid("the body must be a JSON object"))),
            Err(error) => Err(Failure(invalid(format!("the body is not JSON: {error}")))),
        }
    }
}

/// A body of any kind, `limit` bytes at most.
pub(crate) async fn body(request: Request<Body>, limit: usize) -> Result<Vec<u8>, Failure> {
    let read = axum::body::to_bytes(request.into_body(), limit);
    let bytes = tokio::time::timeout(BODY_PATIENCE, read)
        .await
        .map_err(|_| {
            Failure(invalid(format!(
                "the body did not arrive within {} s",
                BODY_PATIENCE.as_secs()
            )))
        })?
        .map_err(|_| {
            Failure(Refusal::new(
                ErrorCode::MessageTooLarge,
                format!("the body is larger than {limit} bytes"),
            ))
        })?;
    Ok(bytes.to_vec())
}

/// Reads `If-Match`.
pub(crate) fn if_match(headers: &HeaderMap) -> IfMatch {
    let value = headers
        .get(header::IF_MATCH)
        .and_then(|value| value.to_str().ok());
    match value.map(|value| value.trim().trim_matches('"')) {
        None | Some("") => IfMatch::Absent,
        Some("*") => IfMatch::Any,
        Some(tag) => IfMatch::Tag(tag.to_owned()),
    }
}

fn invalid(reason: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const BODY_PATIENCE: Duration = Duration::from_secs(60);
const MAX_JSON: usize = 1024 * 1024;
