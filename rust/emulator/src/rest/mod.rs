//! The service side over HTTP: Azure's own paths, `/admin`, and the page.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use crate::blobs::Blobs;
use crate::code::{ErrorCode, Refusal};
use crate::configurations::Configurations;
use crate::dps::Dps;
use crate::etag::IfMatch;
use crate::fault_timetable::Timetable;
use crate::firmware::Firmware;
use crate::hub::service::Service;
use crate::id;
use crate::jobs::Jobs;
use crate::properties;
use crate::routing::Routing;

mod access;
mod admin;
mod api_version;
mod configurations;
mod devices;
mod digital_twins;
mod error_shape;
mod firmware;
mod health;
mod jobs;
mod listing;
mod messages;
mod operations;
mod page;
mod permissions;
mod provisioning;
mod queries;
mod routing;
mod serve;
mod stream;
mod transfer;
mod twins;

pub(crate) use access::{Access, METADATA};
pub(crate) use api_version::management_versions;
pub(crate) use operations::not_here;
pub(crate) use serve::{ClientCertificates, Encryption, MAX_STREAMS, Peer, Port, serve};

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    /// The running service.
    pub service: Arc<Service>,
    /// The provisioning service over it.
    pub dps: Arc<Dps>,
    /// Faults and when they are to happen.
    pub timetable: Arc<Timetable>,
    /// Images for devices.
    pub firmware: Arc<Firmware>,
    /// Who may ask.
    pub access: Arc<Access>,
    /// The places of those who read as it comes.
    pub streams: Arc<Semaphore>,
    /// Files of devices.
    pub blobs: Arc<Blobs>,
    /// Message routing.
    pub routing: Arc<Routing>,
    /// Automatic device management.
    pub configurations: Arc<Configurations>,
    /// Jobs over many devices.
    pub jobs: Arc<Jobs>,
    /// Where REST is over HTTPS, if it is.
    pub https: Option<SocketAddr>,
    /// Whether this is that port.
    pub is_https: bool,
    /// Where devices connect.
    pub mqtt: SocketAddr,
    /// Where services speak AMQP.
    pub amqp: Option<SocketAddr>,
    /// The consumer groups that every hub is started with, beside `$Default`.
    pub consumer_groups: Arc<[String]>,
    /// The CA that devices must trust, if the server's certificate was made here.
    pub ca_pem: Option<Arc<str>>,
}

impl Api {
    /// How whoever asks reaches the HTTPS port: host, and port if it is not HTTPS's own. Without
    /// such a port it is the one that was asked.
    pub(crate) fn https_authority(&self, headers: &HeaderMap) -> String {
        let asked = headers.get(header::HOST);
        let asked = asked.and_then(|host| host.to_str().ok());
        let asked = asked.unwrap_or("localhost");
        let Some(https) = self.https.filter(|_| !self.is_https) else {
            return asked.to_owned();
        };
        let name = asked.parse::<axum::http::uri::Authority>();
        let name = name.as_ref().map_or("localhost", |it| it.host());
        match https.port() {
            443 => name.to_owned(),
            port => format!("{name}:{port}"),
        }
    }
}

/// All paths; `more` are those of other doors on the same port, and `open` those of doors that ask
/// for their proof themselves.
pub(crate) fn router(api: Api, more: Router<Api>, open: Router<Api>) -> Router {
    more.merge(devices::routes())
        .merge(listing::routes())
        .merge(queries::routes())
        .merge(twins::routes())
        .merge(transfer::routes())
        .merge(messages::routes())
        .merge(admin::routes())
        .merge(provisioning::routes())
        .merge(firmware::routes())
        .merge(health::routes())
        .merge(jobs::routes())
        .merge(configurations::routes())
        .merge(routing::routes())
        .merge(digital_twins::routes())
        .merge(page::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .layer(middleware::from_fn_with_state(api.clone(), guard))
        .merge(open)
        .layer(middleware::from_fn_with_state(api.clone(), encoded))
        .with_state(api)
}

/// Refuses a path that is not percent-encoded UTF-8, in the shape of its service.
async fn encoded(State(api): State<Api>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if properties::decode(path).is_some() {
        return next.run(request).await;
    }
    let what = format!("the path {path} is not percent-encoded UTF-8");
    let refusal = Refusal::new(ErrorCode::ArgumentInvalid, what);
    let mut response = Failure(refusal.clone()).into_response();
    // Devices have the provisioning service's paths behind its id scope.
    let of = match path.split('/').nth(2) {
        Some(second @ "registrations") => second,
        _ => path,
    };
    error_shape::adapt(&mut response, of, &refusal, api.service.clock.now());
    response
}

/// What a handler answers.
pub(crate) type Answer = Result<Response, Failure>;

async fn guard(
    State(api): State<Api>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let allowed = api.access.check(&api.service, peer, &parts).await;
    let mut response = match allowed.and_then(|()| api_version::check(&parts.uri)) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => Failure(refusal).into_response(),
    };
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        error_shape::adapt(&mut response, &path, &refusal, api.service.clock.now());
    }
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
    response
}

async fn unknown(request: Request) -> Failure {
    Failure(not_here(request.method(), request.uri().path()))
}

/// For a path that has other methods here; Azure may have this one too.
async fn other_method(request: Request) -> Failure {
    let (method, path) = (request.method(), request.uri().path());
    let refusal = not_here(method, path);
    if refusal.code == ErrorCode::NotImplemented {
        return Failure(refusal);
    }
    let what = format!("{path} has no {method}: see the header Allow");
    Failure(Refusal::new(ErrorCode::MethodNotAllowed, what))
}

/// A refusal as Azure answers it.
#[derive(Debug)]
pub(crate) struct Failure(pub Refusal);

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

/// In the hub's shape; [`guard`] has the one of the path that was asked.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = error_shape::hub(&self.0);
        response.extensions_mut().insert(self.0);
        response
    }
}

/// The hub that a request means: `?hub=`, else the `Host` header, else the default.
#[derive(Debug)]
pub(crate) struct Hub(pub String);

impl FromRequestParts<Api> for Hub {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let host = host_of(&parts.uri, &parts.headers);
        Ok(Self(hub_meant(&api.service, &parts.uri, host)?))
    }
}

/// The identity in a path: a device, or behind a slash its module.
#[derive(Debug)]
pub(crate) struct Identity(pub String);

impl FromRequestParts<Api> for Identity {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let named = Path::<HashMap<String, String>>::from_request_parts(parts, api).await;
        let Path(named) = named.map_err(|why| Failure(invalid(why.to_string())))?;
        let part = |name: &str| match named.get(name) {
            Some(id) if id.contains('/') => {
                Err(Failure(invalid(format!("'{id}' is no id: it has a slash"))))
            }
            id => Ok(id),
        };
        let device = part("id")?.cloned().unwrap_or_default();
        Ok(Self(match part("module")? {
            Some(module) => id::of_module(&device, module),
            None => device,
        }))
    }
}

/// What a request calls this machine.
pub(crate) fn host_of<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> &'r str {
    let named = headers.get(header::HOST);
    let named = named.and_then(|host| host.to_str().ok());
    named.or_else(|| uri.host()).unwrap_or_default()
}

/// The hub that a request to this address means.
fn hub_meant(service: &Service, uri: &Uri, host: &str) -> Result<String, Refusal> {
    let query = uri.query().unwrap_or_default();
    let Some(name) = crate::properties::parameter(query, "hub") else {
        return Ok(service.hub(host));
    };
    let known = service.hubs.named(name);
    known.map(|hub| hub.host).ok_or_else(|| {
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

/// A JSON array of objects, `most` of them.
async fn many(request: Request<Body>, most: usize) -> Result<Vec<Map<String, Value>>, Failure> {
    let bytes = body(request, 4 * MAX_JSON).await?;
    let all: Vec<Map<String, Value>> = serde_json::from_slice(&bytes).map_err(|error| {
        Failure(invalid(format!(
            "the body must be a JSON array of objects: {error}"
        )))
    })?;
    match all.len() <= most {
        true => Ok(all),
        false => Err(Failure(invalid(format!(
            "{} entries are more than {most}, which are the most in a request",
            all.len()
        )))),
    }
}

/// Where a page begins and how long it may be, as the headers `x-ms-continuation` and
/// `x-ms-max-item-count` say.
fn paging(headers: &HeaderMap) -> Result<(usize, usize), Refusal> {
    let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let size = header("x-ms-max-item-count").and_then(|size| size.parse().ok());
    let start = match header("x-ms-continuation").filter(|it| !it.is_empty()) {
        None => 0,
        Some(text) => text
            .parse()
            .map_err(|_| invalid("x-ms-continuation is not one that a query here has given"))?,
    };
    Ok((start, size.unwrap_or(100).clamp(1, 1000)))
}

/// A page of items, of which there may be one more than belong on it: then another page follows.
fn paged(kind: &'static str, mut items: Vec<Value>, (start, size): (usize, usize)) -> Response {
    let more = items.len() > size;
    items.truncate(size);
    let mut response = ([("x-ms-item-type", kind)], Json(items)).into_response();
    if more && let Ok(next) = (start + size).to_string().parse() {
        response.headers_mut().insert("x-ms-continuation", next);
    }
    response
}

/// A body of any kind, `limit` bytes at most.
pub(crate) async fn body(request: Request<Body>, limit: usize) -> Result<Vec<u8>, Failure> {
    let read = axum::body::to_bytes(request.into_body(), limit);
    let bytes = tokio::time::timeout(BODY_TIME_LIMIT, read)
        .await
        .map_err(|_| {
            Failure(invalid(format!(
                "the body did not arrive within {} s",
                BODY_TIME_LIMIT.as_secs()
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

const BODY_TIME_LIMIT: Duration = Duration::from_secs(60);
const MAX_JSON: usize = 1024 * 1024;
