//! The provisioning service's REST side: enrollments, groups, registrations.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Answer, Api, Document, if_match, invalid, paged, paging};
use crate::code::{ErrorCode, Refusal};
use crate::dps::assignment;
use crate::dps::bulk::{self, Mode};
use crate::dps::enrollments::{self, Enrollment, Kind};
use crate::etag::etag;
use crate::journal::Event;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(
            "/enrollments",
            get(|api: State<Api>| list(Kind::Individual, api))
                .post(|api: State<Api>, body: Document| in_bulk(Kind::Individual, api, body)),
        )
        .route(
            "/enrollmentGroups",
            get(|api: State<Api>| list(Kind::Group, api))
                .post(|api: State<Api>, body: Document| in_bulk(Kind::Group, api, body)),
        )
        .route(
            "/enrollments/query",
            post(|api: State<Api>, _: Document| list(Kind::Individual, api)),
        )
        .route(
            "/enrollmentGroups/query",
            post(|api: State<Api>, _: Document| list(Kind::Group, api)),
        )
        .route(
            "/enrollments/{id}",
            get(|api: State<Api>, id: Path<String>| one(Kind::Individual, api, id))
                .put(
                    |api: State<Api>, id: Path<String>, headers: HeaderMap, body: Document| {
                        put(Kind::Individual, api, id, headers, body)
                    },
                )
                .delete(|api: State<Api>, id: Path<String>, headers: HeaderMap| {
                    delete(Kind::Individual, api, id, headers)
                }),
        )
        .route(
            "/enrollmentGroups/{id}",
            get(|api: State<Api>, id: Path<String>| one(Kind::Group, api, id))
                .put(
                    |api: State<Api>, id: Path<String>, headers: HeaderMap, body: Document| {
                        put(Kind::Group, api, id, headers, body)
                    },
                )
                .delete(|api: State<Api>, id: Path<String>, headers: HeaderMap| {
                    delete(Kind::Group, api, id, headers)
                }),
        )
        .route(
            "/enrollments/{id}/attestationmechanism",
            post(|api: State<Api>, id: Path<String>| attestation(Kind::Individual, api, id)),
        )
        .route(
            "/enrollmentGroups/{id}/attestationmechanism",
            post(|api: State<Api>, id: Path<String>| attestation(Kind::Group, api, id)),
        )
        // Node's client asks with a slash.
        .route(
            "/enrollments/",
            post(|api: State<Api>, body: Document| in_bulk(Kind::Individual, api, body)),
        )
        .route("/registrations", get(registrations))
        .route("/registrations/{id}/query", post(registrations_of_group))
        .route("/registrations/{id}", get(registration).delete(forget))
}

async fn list(kind: Kind, State(api): State<Api>) -> Answer {
    let all = api
        .service
        .store
        .run(move |c| enrollments::list(c, kind))
        .await?;
    Ok(Json(all.iter().map(|it| it.to_json(false)).collect::<Vec<_>>()).into_response())
}

/// Each entry by itself; what went wrong is in the answer.
async fn in_bulk(kind: Kind, State(api): State<Api>, Document(document): Document) -> Answer {
    let field = match kind {
        Kind::Individual => "enrollments",
        Kind::Group => "enrollmentGroups",
    };
    let mode = document.get("mode").and_then(Value::as_str);
    let mode = Mode::parse(mode.unwrap_or_default())?;
    let entries = document.get(field).and_then(Value::as_array);
    let entries = entries.ok_or_else(|| invalid(format!("'{field}' must be a list")))?;
    if entries.len() > MAX_BULK {
        return Err(invalid(format!("a request may have {MAX_BULK} {field}")).into());
    }
    let entries = entries.iter().map(|entry| entry.as_object().cloned());
    let entries: Option<Vec<_>> = entries.collect();
    let entries = entries.ok_or_else(|| invalid(format!("'{field}' must be a list of objects")))?;
    let now = api.service.clock.now();
    let done = api
        .service
        .store
        .run(move |c| Ok(bulk::apply(c, kind, mode, &entries, now)));
    let errors = done.await?;
    let what = format!("{field} in bulk, {} refused", errors.len());
    api.service.journal.record(Event::info("enrollment", what));
    let answer = json!({"isSuccessful": errors.is_empty(), "errors": errors});
    Ok(Json(answer).into_response())
}

/// Registrations of a group, a page at a time.
async fn registrations_of_group(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    _: Document,
) -> Answer {
    let (start, size) = paging(&headers)?;
    let found = api.service.store.read(move |c| {
        enrollments::require(c, Kind::Group, &id)?;
        assignment::of_group(c, &id)
    });
    let page = found.await?.into_iter().skip(start).take(size + 1);
    let kind = "deviceRegistrationState";
    Ok(paged(kind, page.collect(), (start, size)))
}

async fn one(kind: Kind, State(api): State<Api>, Path(id): Path<String>) -> Answer {
    let enrollment = api
        .service
        .store
        .run(move |c| enrollments::require(c, kind, &id))
        .await?;
    Ok(answer(&enrollment))
}

async fn put(
    kind: Kind,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Document(document): Document,
) -> Answer {
    let (condition, now) = (if_match(&headers), api.service.clock.now());
    let enrollment = api
        .service
        .store
        .run(move |c| enrollments::put(c, kind, &id, document, &condition, now))
        .await?;
    let what = format!(
        "{} '{}' saved",
        if kind == Kind::Group {
            "enrollment group"
        } else {
            "enrollment"
        },
        enrollment.id
    );
    api.service.journal.record(Event::info("enrollment", what));
    Ok(answer(&enrollment))
}

async fn delete(
    kind: Kind,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let condition = if_match(&headers);
    api.service
        .store
        .run(move |c| enrollments::delete(c, kind, &id, &condition))
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn attestation(kind: Kind, State(api): State<Api>, Path(id): Path<String>) -> Answer {
    let enrollment = api
        .service
        .store
        .run(move |c| enrollments::require(c, kind, &id))
        .await?;
    let document = enrollment.to_json(true);
    Ok(Json(document["attestation"].clone()).into_response())
}

async fn registrations(State(api): State<Api>) -> Answer {
    Ok(Json(api.service.store.run(assignment::list).await?).into_response())
}

async fn registration(State(api): State<Api>, Path(id): Path<String>) -> Answer {
    let wanted = id.clone();
    match api
        .service
        .store
        .run(move |c| assignment::find(c, &wanted))
        .await?
    {
        Some(state) => Ok(Json(state).into_response()),
        None => Err(missing(&id).into()),
    }
}

async fn forget(State(api): State<Api>, Path(id): Path<String>) -> Answer {
    let wanted = id.clone();
    match api
        .service
        .store
        .run(move |c| assignment::forget(c, &wanted))
        .await?
    {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(missing(&id).into()),
    }
}

fn answer(enrollment: &Enrollment) -> Response {
    let tag = format!("\"{}\"", etag(enrollment.etag));
    let document: Value = enrollment.to_json(true);
    let document = if document.is_object() {
        document
    } else {
        json!({})
    };
    ([(header::ETAG, tag)], Json(document)).into_response()
}

/// Entries of a bulk request; Azure takes ten.
const MAX_BULK: usize = 100;

fn missing(id: &str) -> Refusal {
    Refusal::new(
        ErrorCode::EnrollmentNotFound,
        format!("there is no registration '{id}'"),
    )
}
