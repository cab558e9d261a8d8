//! The provisioning service for devices over HTTPS: register, ask how it went, and what is
//! registered.
//!
//! Microsoft, "Runtime Registration" of the provisioning service's REST API.

use std::sync::Arc;

use axum::extract::{Extension, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};

use crate::code::{ErrorCode, Refusal};
use crate::dps;
use crate::journal::Event;
use crate::properties;
use crate::rest::{Answer, Api, ClientCertificates, body};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/{scope}/registrations/{id}/register", put(register))
        .route(
            "/{scope}/registrations/{id}/operations/{operation}",
            get(status),
        )
        .route("/{scope}/registrations/{id}", post(registration))
        .method_not_allowed_fallback(other_method)
}

async fn other_method(State(api): State<Api>, request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let what = format!("{path} has no {method}: see the header Allow");
    answer(
        api.dps
            .turned_down(&Refusal::new(ErrorCode::MethodNotAllowed, what)),
    )
}

type Certificates = Option<Extension<ClientCertificates>>;

async fn register(
    State(api): State<Api>,
    Path((scope, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    certificates: Certificates,
    request: Request,
) -> Answer {
    let device = device(scope, id, query, request.headers(), certificates);
    let bytes = match body(request, MAX_BODY).await {
        Ok(bytes) => bytes,
        Err(failure) => return Ok(answer(api.dps.turned_down(&failure.0))),
    };
    if let Err(refusal) = api.dps.admit(Arc::clone(&device)).await {
        return Ok(refused(&api, &device, &refusal));
    }
    Ok(answer(api.dps.register(&device, &bytes).await))
}

async fn status(
    State(api): State<Api>,
    Path((scope, id, operation)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    certificates: Certificates,
) -> Answer {
    let device = device(scope, id, query, &headers, certificates);
    if let Err(refusal) = api.dps.admit(Arc::clone(&device)).await {
        return Ok(refused(&api, &device, &refusal));
    }
    Ok(answer(api.dps.status(&device, &operation)))
}

/// What the service has registered of a device.
async fn registration(
    State(api): State<Api>,
    Path((scope, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    certificates: Certificates,
) -> Answer {
    let device = device(scope, id, query, &headers, certificates);
    if let Err(refusal) = api.dps.admit(Arc::clone(&device)).await {
        return Ok(refused(&api, &device, &refusal));
    }
    Ok(answer(api.dps.registration(&device).await))
}

fn device(
    id_scope: String,
    registration_id: String,
    query: Option<String>,
    headers: &HeaderMap,
    certificates: Certificates,
) -> Arc<dps::Request> {
    let token = headers.get(header::AUTHORIZATION);
    let token = token.and_then(|token| token.to_str().ok());
    let query = query.unwrap_or_default();
    let version = properties::parameter(&query, "api-version");
    let chain = certificates.map(|Extension(ClientCertificates(chain))| chain.to_vec());
    Arc::new(dps::Request {
        id_scope,
        registration_id,
        api_version: version.unwrap_or(LATEST).to_owned(),
        certificates: chain.unwrap_or_default(),
        token: token.filter(|token| !token.is_empty()).map(str::to_owned),
    })
}

fn refused(api: &Api, device: &dps::Request, refusal: &Refusal) -> Response {
    let why = Refusal::new(refusal.code, format!("provisioning: {}", refusal.reason));
    api.service.journal.record(Event {
        device_id: Some(device.registration_id.clone()),
        ..Event::refusal("refused", &why)
    });
    answer(api.dps.turned_down(refusal))
}

fn answer(answer: dps::Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(answer.body)).into_response();
    if let Some(seconds) = answer.retry_after {
        let seconds = HeaderValue::from(seconds);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

const MAX_BODY: usize = 96 * 1024;
/// A request without a version is one of somebody who tries things by hand.
const LATEST: &str = "2021-06-01";
