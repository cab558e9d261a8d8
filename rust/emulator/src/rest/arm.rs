//! CA certificates in ARM's request shape: upload, verification code, proof of possession.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Answer, Api, Document, if_match, invalid};
use crate::certificates::{self, Certificate, PROVISIONING};
use crate::code::{ErrorCode, Refusal};
use crate::journal::Event;
use crate::service::Service;
use crate::x509;

const BASE: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Devices/{kind}/{resource}/certificates";

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(BASE, get(list))
        .route(
            &format!("{BASE}/{{name}}"),
            get(one).put(put).delete(delete),
        )
        .route(
            &format!("{BASE}/{{name}}/generateVerificationCode"),
            post(generate),
        )
        .route(&format!("{BASE}/{{name}}/verify"), post(verify))
}

type Resource = (String, String, String, String);
type Named = (String, String, String, String, String);

async fn list(State(api): State<Api>, Path((_, _, kind, resource)): Path<Resource>) -> Answer {
    let scope = scope(&api.service, &kind, &resource)?;
    let all = api
        .service
        .store
        .run(move |c| certificates::list(c, &scope))
        .await?;
    let all = all
        .iter()
        .map(Certificate::to_json)
        .collect::<Result<Vec<Value>, _>>()?;
    Ok(Json(json!({ "value": all })).into_response())
}

async fn one(State(api): State<Api>, Path((_, _, kind, resource, name)): Path<Named>) -> Answer {
    let scope = scope(&api.service, &kind, &resource)?;
    let certificate = api
        .service
        .store
        .run(move |c| certificates::require(c, &scope, &name))
        .await?;
    Ok(Json(certificate.to_json()?).into_response())
}

async fn put(
    State(api): State<Api>,
    Path((_, _, kind, resource, name)): Path<Named>,
    headers: HeaderMap,
    Document(document): Document,
) -> Answer {
    let scope = scope(&api.service, &kind, &resource)?;
    let properties = document.get("properties").cloned().unwrap_or(Value::Null);
    let text = properties.get("certificate").and_then(Value::as_str);
    let der = x509::from_text(text.ok_or_else(|| invalid("properties.certificate is missing"))?)?;
    let given = properties.get("isVerified").and_then(Value::as_bool);
    let verified = given.unwrap_or(api.service.settings.verified_on_upload);
    let (condition, now) = (if_match(&headers), api.service.clock.now());
    let put = api
        .service
        .store
        .run(move |c| certificates::put(c, &scope, &name, der, verified, &condition, now));
    done(&api, &put.await?, "registered")
}

async fn delete(
    State(api): State<Api>,
    Path((_, _, kind, resource, name)): Path<Named>,
    headers: HeaderMap,
) -> Answer {
    let scope = scope(&api.service, &kind, &resource)?;
    let condition = if_match(&headers);
    api.service
        .store
        .run(move |c| certificates::delete(c, &scope, &name, &condition))
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn generate(
    State(api): State<Api>,
    Path((_, _, kind, resource, name)): Path<Named>,
    headers: HeaderMap,
) -> Answer {
    let scope = scope(&api.service, &kind, &resource)?;
    let (condition, now) = (if_match(&headers), api.service.clock.now());
    let code = api
        .service
        .store
        .run(move |c| certificates::generate_code(c, &scope, &name, &condition, now));
    done(&api, &code.await?, "has a verification code")
}

async fn verify(
    State(api): State<Api>,
    Path((_, _, kind, resource, name)): Path<Named>,
    headers: HeaderMap,
    Document(document): Document,
) -> Answer {
    let scope = scope(&api.service, &kind, &resource)?;
    let text = document.get("certificate").and_then(Value::as_str);
    let proof = x509::from_text(text.ok_or_else(|| invalid("'certificate' is missing"))?)?;
    let (condition, now) = (if_match(&headers), api.service.clock.now());
    let owned = name.clone();
    let verified = api
        .service
        .store
        .run(move |c| certificates::verify(c, &scope, &owned, &proof, &condition, now));
    match verified.await {
        Ok(certificate) => done(
            &api,
            &certificate,
            "is verified: possession of its key was proved",
        ),
        Err(refusal) => {
            api.service
                .journal
                .record(Event::refusal("certificate", &refusal));
            Err(refusal.into())
        }
    }
}

fn done(api: &Api, certificate: &Certificate, what: &str) -> Answer {
    let what = format!("CA certificate '{}' {what}", certificate.name);
    api.service.journal.record(Event::info("certificate", what));
    Ok(Json(certificate.to_json()?).into_response())
}

/// The scope of a resource: a hub by its name (the first label of its host name), or the one DPS.
fn scope(service: &Arc<Service>, kind: &str, resource: &str) -> Result<String, Refusal> {
    if kind.eq_ignore_ascii_case("provisioningServices") {
        return Ok(PROVISIONING.to_owned());
    }
    let named = |hub: &&String| {
        hub.eq_ignore_ascii_case(resource)
            || hub
                .split('.')
                .next()
                .is_some_and(|label| label.eq_ignore_ascii_case(resource))
    };
    let hub = service
        .hubs
        .iter()
        .find(named)
        .filter(|_| kind.eq_ignore_ascii_case("IotHubs"));
    hub.cloned().ok_or_else(|| {
        Refusal::new(
            ErrorCode::NotFound,
            format!("there is no {kind} '{resource}' here"),
        )
    })
}
