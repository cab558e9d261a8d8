//! The emulator's own paths: streams, CA certificates in one step, what is there.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::serve::{MAX_STREAMS, Seat};
use super::stream::{self, Form, Selection};
use super::{Answer, Api, Document, Hub, body, if_match, invalid};
use crate::auth::certificates;
use crate::auth::x509;
use crate::clock::rfc3339;
use crate::code::{ErrorCode, Refusal};
use crate::fault_timetable::Plan;
use crate::fields;
use crate::hub::partitions;
use crate::journal::Event;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/admin", get(about))
        .route(
            "/admin/faults",
            get(list_faults).post(set_fault).delete(clear_faults),
        )
        .route("/admin/faults/{id}", axum::routing::delete(clear_fault))
        .route(
            "/admin/timetable",
            get(timetable).put(start_timetable).delete(end_timetable),
        )
        .route("/admin/connection-string", get(connection_string))
        .route("/admin/blob-storage", get(blob_storage))
        .route("/admin/clock", get(about).put(set_clock))
        .route("/admin/move", axum::routing::post(move_device))
        .route(
            "/admin/server-certificate",
            axum::routing::put(swap_certificate),
        )
        .route("/admin/telemetry", get(telemetry_events))
        .route("/admin/telemetry.jsonl", get(telemetry_lines))
        .route("/admin/events", get(journal_events))
        .route("/admin/events.jsonl", get(journal_lines))
        .route(
            "/admin/certificates",
            get(list_certificates).post(post_certificate),
        )
        .route(
            "/admin/certificates/{name}",
            axum::routing::delete(delete_certificate),
        )
}

type Parameters = Query<HashMap<String, String>>;

async fn about(State(api): State<Api>) -> Answer {
    Ok(Json(json!({
        "name": "iothub-emulator",
        "version": env!("CARGO_PKG_VERSION"),
        "hubs": api.service.hubs.hosts(),
        "idScope": api.dps.id_scope,
        "time": rfc3339(api.service.clock.now()),
        "clockShiftMs": api.service.clock.shift_ms(),
        "connections": api.service.connections.all().len(),
        "settings": api.service.settings.to_json(),
        "mqtt": api.mqtt,
        "amqp": api.amqp,
        "https": api.https,
        "serverCa": api.ca_pem.as_deref(),
    }))
    .into_response())
}

/// What service clients connect with; as secret as the REST side itself.
async fn connection_string(State(api): State<Api>, Hub(hub): Hub) -> Answer {
    let key = &api.service.hubs.owner_key(&hub, &api.access.service_key);
    let text = partitions::service_connection_string(&hub, key);
    let events = api
        .amqp
        .map(|at| at.port())
        .map(|port| partitions::connection_string(&hub, port, key));
    let answer = json!({"connectionString": text, "eventHubConnectionString": events});
    Ok(Json(answer).into_response())
}

/// The storage of files, for Microsoft's storage clients to sign with.
async fn blob_storage(State(api): State<Api>, headers: HeaderMap) -> Answer {
    let host = api.https_authority(&headers);
    let endpoint = api.blobs.endpoint(&host);
    let text = api.blobs.account.connection_string(&endpoint);
    Ok(Json(json!({"connectionString": text})).into_response())
}

async fn telemetry_lines(
    State(api): State<Api>,
    seat: Option<Extension<Arc<Seat>>>,
    headers: HeaderMap,
    Query(query): Parameters,
) -> Answer {
    let selection = selection(&query, &headers, Form::Lines)?;
    let place = place(&api, &selection, seat)?;
    Ok(stream::telemetry(
        api.service,
        Form::Lines,
        selection,
        place,
    ))
}

async fn telemetry_events(
    State(api): State<Api>,
    seat: Option<Extension<Arc<Seat>>>,
    headers: HeaderMap,
    Query(query): Parameters,
) -> Answer {
    let selection = selection(&query, &headers, Form::Events)?;
    let place = place(&api, &selection, seat)?;
    Ok(stream::telemetry(
        api.service,
        Form::Events,
        selection,
        place,
    ))
}

/// Who asks for `/admin/events` with `Accept: application/x-ndjson` gets lines as well.
async fn journal_events(
    State(api): State<Api>,
    seat: Option<Extension<Arc<Seat>>>,
    headers: HeaderMap,
    Query(query): Parameters,
) -> Answer {
    let selection = selection(&query, &headers, Form::Events)?;
    let place = place(&api, &selection, seat)?;
    Ok(stream::events(&api.service, Form::Events, selection, place))
}

async fn journal_lines(
    State(api): State<Api>,
    seat: Option<Extension<Arc<Seat>>>,
    headers: HeaderMap,
    Query(query): Parameters,
) -> Answer {
    let selection = selection(&query, &headers, Form::Lines)?;
    let place = place(&api, &selection, seat)?;
    Ok(stream::events(&api.service, Form::Lines, selection, place))
}

/// A place among the streams, for what goes on until its reader goes.
fn place(
    api: &Api,
    selection: &Selection,
    seat: Option<Extension<Arc<Seat>>>,
) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
    if !selection.follow {
        return Ok(None);
    }
    let place = Arc::clone(&api.streams).try_acquire_owned();
    let place = place.map_err(|_| {
        let reason =
            format!("{MAX_STREAMS} readers stream already: close one, or read page by page");
        Refusal::new(ErrorCode::ServiceUnavailable, reason)
    })?;
    if let Some(Extension(seat)) = seat {
        seat.stream();
    }
    Ok(Some(place))
}

fn selection(
    query: &HashMap<String, String>,
    headers: &HeaderMap,
    form: Form,
) -> Result<Selection, Refusal> {
    let number = |name: &str, text: &str| {
        text.parse()
            .map_err(|_| invalid(format!("{name}={text} is no number from 0")))
    };
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let since = match resumed.or(query.get("since").map(String::as_str)) {
        Some(text) => number("since", text)?,
        None => 0,
    };
    let limit = match query.get("limit") {
        Some(text) => i64::try_from(number("limit", text)?).unwrap_or(i64::MAX),
        None => i64::MAX,
    };
    let last = match query.get("last") {
        Some(text) => Some(i64::try_from(number("last", text)?).unwrap_or(i64::MAX)),
        None => None,
    };
    let follow = match query.get("follow").map(|it| it.to_ascii_lowercase()) {
        _ if form == Form::Events => true,
        None => false,
        Some(text) => match text.as_str() {
            "" | "true" | "1" | "yes" => true,
            "false" | "0" | "no" => false,
            _ => return Err(invalid(format!("follow={text} is neither true nor false"))),
        },
    };
    Ok(Selection {
        since,
        last,
        device: query.get("device").cloned(),
        limit,
        follow,
    })
}

async fn list_faults(State(api): State<Api>) -> Answer {
    Ok(Json(api.service.faults.list()).into_response())
}

async fn set_fault(State(api): State<Api>, Document(document): Document) -> Answer {
    let fault = api.service.faults.set(&Value::Object(document))?;
    api.service
        .journal
        .record(Event::info("fault", format!("set: {fault}")));
    Ok((StatusCode::CREATED, Json(fault)).into_response())
}

async fn clear_faults(State(api): State<Api>) -> Answer {
    api.service.faults.clear(None);
    api.service
        .journal
        .record(Event::info("fault", "all cleared"));
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn clear_fault(State(api): State<Api>, Path(id): Path<u64>) -> Answer {
    if !api.service.faults.clear(Some(id)) {
        return Err(Refusal::new(ErrorCode::NotFound, format!("there is no fault {id}")).into());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn timetable(State(api): State<Api>) -> Answer {
    Ok(Json(api.timetable.to_json()).into_response())
}

/// Takes the TOML of `--faults`; its times count from now.
async fn start_timetable(State(api): State<Api>, request: Request) -> Answer {
    let bytes = body(request, MAX_TIMETABLE).await?;
    let text = String::from_utf8(bytes).map_err(|_| invalid("the timetable is not UTF-8"))?;
    let plan = Plan::parse(&text)?;
    let count = api.timetable.start(&api.dps, plan);
    api.service.journal.record(Event::info(
        "fault",
        format!("a timetable of {count} begins"),
    ));
    timetable(State(api)).await
}

async fn end_timetable(State(api): State<Api>) -> Answer {
    if !api.timetable.end() {
        return Err(Refusal::new(ErrorCode::NotFound, "there is no timetable").into());
    }
    api.service
        .journal
        .record(Event::info("fault", "the timetable was ended"));
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn set_clock(State(api): State<Api>, Document(document): Document) -> Answer {
    let shift = document.get("shiftMs").and_then(Value::as_i64);
    let shift = shift.filter(|shift| shift.abs() < MAX_SHIFT_MS);
    let shift = shift
        .ok_or_else(|| invalid("shiftMs must be a number of milliseconds, within 100 years"))?;
    api.service.clock.set_shift_ms(shift);
    api.service.journal.record(Event::info(
        "fault",
        format!("the clock is shifted by {shift} ms"),
    ));
    about(State(api)).await
}

async fn move_device(State(api): State<Api>, Document(document): Document) -> Answer {
    let text = |name: &str| {
        let text = document.get(name).and_then(Value::as_str);
        text.ok_or_else(|| invalid(format!("'{name}' is missing: deviceId and hub are needed")))
    };
    let (id, to) = (text("deviceId")?, text("hub")?);
    let from = api.dps.move_device(id, to).await?;
    Ok(Json(json!({"deviceId": id, "from": from, "hub": to})).into_response())
}

async fn swap_certificate(State(api): State<Api>, Document(document): Document) -> Answer {
    let text = |name: &str| {
        let text = document.get(name).and_then(Value::as_str);
        text.ok_or_else(|| {
            invalid(format!(
                "'{name}' is missing: chain and key are needed, PEM"
            ))
        })
    };
    api.service
        .certificate
        .swap(text("chain")?, text("key")?)
        .map_err(|error| invalid(error.to_string()))?;
    api.service
        .journal
        .record(Event::info("fault", "the server's certificate was swapped"));
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_certificates(State(api): State<Api>, Hub(hub): Hub) -> Answer {
    let all = api
        .service
        .store
        .run(move |c| certificates::list(c, &hub))
        .await?;
    let all = all
        .iter()
        .map(certificates::Certificate::to_json)
        .collect::<Result<Vec<Value>, _>>()?;
    Ok(Json(all).into_response())
}

async fn post_certificate(
    State(api): State<Api>,
    Hub(hub): Hub,
    Document(document): Document,
) -> Answer {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let der = x509::from_text(
        text("certificate").ok_or_else(|| invalid("'certificate' is missing: PEM text"))?,
    )?;
    let name = text("name").unwrap_or("ca").to_owned();
    let verified = document
        .get("isVerified")
        .and_then(fields::boolean)
        .unwrap_or(true);
    let (now, scope) = (api.service.clock.now(), hub.clone());
    let put = api.service.store.run(move |c| {
        certificates::put(
            c,
            &scope,
            &name,
            der,
            verified,
            &crate::etag::IfMatch::Any,
            now,
        )
    });
    let certificate = put.await?;
    let what = format!(
        "CA certificate '{}' registered, verified: {verified}",
        certificate.name
    );
    api.service.journal.record(Event {
        hub: Some(hub),
        ..Event::info("certificate", what)
    });
    Ok((StatusCode::CREATED, Json(certificate.to_json()?)).into_response())
}

async fn delete_certificate(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let condition = if_match(&headers);
    api.service
        .store
        .run(move |c| certificates::delete(c, &hub, &name, &condition))
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

const MAX_TIMETABLE: usize = 1024 * 1024;
const MAX_SHIFT_MS: i64 = 100 * 365 * 86_400_000;
