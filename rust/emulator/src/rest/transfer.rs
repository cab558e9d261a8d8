//! Export and import of the state of a running emulator.

use std::fs::File;
use std::io::{self, BufReader, Seek as _, Write as _};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{Answer, Api, BODY_TIME_LIMIT, Failure, invalid};
use crate::code::{ErrorCode, Refusal};
use crate::journal::Event;
use crate::state::{self, Export, Intake};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/admin/export", get(export))
        .route("/admin/import", post(import))
        .route("/admin/server-ca.pem", get(server_ca))
}

/// The body is written as it is read; if that fails on the way, it ends without its last chunk.
async fn export(State(api): State<Api>) -> Answer {
    let export = Export::new(api.service.hubs.hosts());
    let store = api.service.store.clone();
    let pieces = futures_util::stream::unfold(Some(export), move |export| {
        let store = store.clone();
        async move {
            let mut export = export?;
            let piece = store.read(move |c| Ok(export.next(c)?.map(|piece| (piece, export))));
            match piece.await {
                Ok(piece) => piece.map(|(piece, export)| (Ok(piece), Some(export))),
                Err(refusal) => Some((Err(refusal.reason), None)),
            }
        }
    });
    let headers = [(header::CONTENT_TYPE, "application/json")];
    Ok((headers, Body::from_stream(pieces)).into_response())
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
    let document = spool(request, api.service.store.scratch()).await?;
    let how = Intake {
        hubs: api.service.hubs.hosts(),
        replace: true,
        now: api.service.clock.now(),
    };
    let report = api
        .service
        .store
        .run(move |c| state::import_json(c, BufReader::new(document), &how));
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

/// Puts a body into a file, and that back to its beginning.
async fn spool(request: Request, file: io::Result<File>) -> Result<File, Failure> {
    let unusable = |error: io::Error| {
        let reason = format!("the body cannot be put aside: {error}");
        Failure(Refusal::new(ErrorCode::ServerError, reason))
    };
    let mut file = file.map_err(unusable)?;
    let mut body = request.into_body().into_data_stream();
    let mut bytes = 0;
    while let Some(chunk) = timeout(BODY_TIME_LIMIT, body.next()).await.transpose() {
        let chunk = chunk.map_err(|_| invalid("the body stopped on the way"))?;
        let chunk = chunk.map_err(|_| invalid("the body broke off"))?;
        bytes += chunk.len();
        if bytes > MAX_DOCUMENT {
            let reason = format!("the body is larger than {MAX_DOCUMENT} bytes");
            return Err(Failure(Refusal::new(ErrorCode::MessageTooLarge, reason)));
        }
        let written = spawn_blocking(move || file.write_all(&chunk).map(|()| file));
        file = written
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(unusable)?;
    }
    file.rewind().map_err(unusable)?;
    Ok(file)
}

/// That of some 4 million devices.
const MAX_DOCUMENT: usize = 4 * 1024 * 1024 * 1024;
