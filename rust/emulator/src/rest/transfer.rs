//! Export and import of the state of a running emulator.

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Answer, Api, body, invalid};
use crate::code::{ErrorCode, Refusal};
use crate::journal::Event;
use crate::state::{self, Intake};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/admin/export", get(export))
        .route("/admin/import", post(import))
        .route("/admin/server-ca.pem", get(server_ca))
}

async fn export(State(api): State<Api>) -> Answer {
    let hubs = api.service.hubs.clone();
    let document = api.service.store.run(move |c| state::export(c, &hubs));
    Ok(Json(document.await?).into_response())
}

/// What devices must trust, if the server's certificate was made here.
async fn server_ca(State(api): State<Api>) -> Answer {
    let pem = api.ca_pem.as_deref().ok_or_else(|| {
        let reason = "the server's certificate was given (--cert); its CA is not known here";
        Refusal::new(ErrorCode::NotFound, reason)
    })?;
    let headers = [(header::CONTENT_TYPE, "application/x-pem-file")];
    Ok((headers, pem.to_owned()).into_response())
}

/// Devices that are written lose their connection, so that they look at their twin again.
async fn import(State(api): State<Api>, request: Request) -> Answer {
    let bytes = body(request, MAX_DOCUMENT).await?;
    let document: Value = serde_json::from_slice(&bytes)
        .map_err(|error| invalid(format!("the body is not JSON: {error}")))?;
    let how = Intake {
        hubs: api.service.hubs.clone(),
        replace: true,
        now: api.service.clock.now(),
    };
    let report = api
        .service
        .store
        .run(move |c| state::import(c, &document, &how));
    let report = report.await?;
    api.service
        .journal
        .record(Event::info("import", report.to_text()));
    for (hub, id) in &report.devices {
        let refusal = Refusal::new(
            ErrorCode::GatewayFailureCoreReceive,
            format!("device '{id}' was imported anew"),
        );
        api.service.drop_device(hub, id, refusal);
    }
    Ok(Json(json!({"written": report.written, "kept": report.kept})).into_response())
}

const MAX_DOCUMENT: usize = 256 * 1024 * 1024;
