//! The provisioning service's REST side: enrolments, groups, registrations.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Answer, Api, Document, if_match};
use crate::code::{ErrorCode, Refusal};
use crate::enrollments::{self, Enrollment, Kind};
use crate::journal::Event;
use crate::provisioning;
use crate::registry::etag;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(
            "/enrollments",
            get(|api: State<Api>| list(Kind::Individual, api)),
        )
        .route(
            "/enrollmentGroups",
            get(|api: State<Api>| list(Kind::Group, api)),
        )
        .route(
            "/enrollments/query",
            post(|api: State<Api>| list(Kind::Individual, api)),
        )
        .route(
            "/enrollmentGroups/query",
            post(|api: State<Api>| list(Kind::Group, api)),
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
        .route("/registrations", get(registrations))
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
            "enrolment group"
        } else {
            "enrolment"
        },
        enrollment.id
    );
    api.service.journal.record(Event::info("enrolment", what));
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
    Ok(Json(api.service.store.run(provisioning::list).await?).into_response())
}

async fn registration(State(api): State<Api>, Path(id): Path<String>) -> Answer {
    let wanted = id.clone();
    match api
        .service
        .store
        .run(move |c| provisioning::find(c, &wanted))
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
        .run(move |c| provisioning::forget(c, &wanted))
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

fn missing(id: &str) -> Refusal {
    Refusal::new(
        ErrorCode::EnrollmentNotFound,
        format!("there is no registration '{id}'"),
    )
}
