//! What the Azure CLI asks before anything else: where a cloud's parts are, and a token.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, Uri};
use axum::response::IntoResponse as _;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::subscription::TENANT;
use crate::auth::bearer;
use crate::rest::{Answer, Api, METADATA, host_of};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(METADATA, get(endpoints))
        .route("/metadata/identity/oauth2/token", get(token))
}

/// The parts of this cloud. Every address is the one that was asked.
async fn endpoints(uri: Uri, headers: HeaderMap) -> Answer {
    let base = format!("https://{}", host_of(&uri, &headers));
    let cloud = json!({
        "name": "iothub-emulator",
        "portal": base,
        "resourceManager": base,
        "graph": base,
        "graphAudience": base,
        "microsoftGraphResourceId": base,
        "gallery": base,
        "sqlManagement": base,
        "batch": base,
        "media": base,
        "activeDirectoryDataLake": base,
        "authentication": {
            "loginEndpoint": base,
            "audiences": [base],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "suffixes": {
            "storage": "storage.localhost",
            "keyVaultDns": "vault.localhost",
            "acrLoginServer": "registry.localhost",
            "sqlServerHostname": "database.localhost",
        },
    });
    // Older versions of this path answer with all clouds.
    let query = uri.query().unwrap_or_default();
    let version = crate::properties::parameter(query, "api-version").unwrap_or_default();
    let all = version < "2022-09-01";
    Ok(Json(if all { json!([cloud]) } else { cloud }).into_response())
}

#[derive(serde::Deserialize)]
struct Wanted {
    resource: Option<String>,
}

/// A token as a managed identity gets it, whether it asks as on a virtual machine or as in App
/// Service.
async fn token(State(api): State<Api>, Query(wanted): Query<Wanted>) -> Answer {
    let resource = wanted.resource.unwrap_or_default();
    let now = api.service.clock.now();
    let claims = json!({
        "aud": resource,
        "iss": format!("https://iothub-emulator.localhost/{TENANT}/"),
        "tid": TENANT,
        "oid": IDENTITY,
        "sub": IDENTITY,
        "appid": IDENTITY,
        "idtyp": "app",
    });
    let ends = now.div_euclid(1000) + bearer::LIFETIME_S;
    let answer: Value = json!({
        "access_token": bearer::issue(&api.access.service_key, claims, now),
        "expires_in": bearer::LIFETIME_S.to_string(),
        "expires_on": ends.to_string(),
        "resource": resource,
        "token_type": "Bearer",
        "client_id": IDENTITY,
    });
    Ok(Json(answer).into_response())
}

/// The one identity.
const IDENTITY: &str = "00000000-0000-0000-0000-000000000003";
