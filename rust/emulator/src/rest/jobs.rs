//! Azure's paths for jobs: schedules over devices, and import and export of identities; and
//! identities in bulk.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::{Answer, Api, Document, Hub, invalid, many, paged, paging};
use crate::clock::parse_rfc3339;
use crate::code::Refusal;
use crate::hub::registry::bulk;
use crate::jobs::{self, Job};
use crate::random;
use crate::store::attempt;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/devices", post(registry_in_bulk))
        .route("/devices/keys/regenerate", post(regenerate_keys))
        .route("/jobs/create", post(transfer))
        .route("/jobs", get(transfers))
        .route("/jobs/{id}", get(one).delete(cancel))
        .route("/jobs/v2/query", get(schedules))
        .route("/jobs/v2/{id}", get(one).put(schedule))
        .route("/jobs/v2/{id}/cancel", post(cancel))
}

/// Each entry by itself; 400 with what went wrong if some were refused.
async fn registry_in_bulk(
    State(api): State<Api>,
    Hub(hub): Hub,
    request: axum::extract::Request,
) -> Answer {
    let entries = many(request, MAX_BULK).await?;
    let mut errors = Vec::new();
    for (entry, result) in api.service.bulk(hub, entries).await? {
        if let Err(refusal) = result {
            errors.push(bulk::error(&entry, &refusal));
        }
    }
    let status = match errors.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::BAD_REQUEST,
    };
    let answer = json!({"isSuccessful": errors.is_empty(), "errors": errors, "warnings": []});
    Ok((status, Json(answer)).into_response())
}

/// New keys for devices and modules, each by itself.
async fn regenerate_keys(
    State(api): State<Api>,
    Hub(hub): Hub,
    Document(document): Document,
) -> Answer {
    let policy = document.get("policyKey").and_then(Value::as_str);
    let policy = policy
        .ok_or_else(|| invalid("'policyKey' is missing"))?
        .to_owned();
    let devices = document.get("devices").cloned().unwrap_or_default();
    let devices: Vec<Map<String, Value>> = serde_json::from_value(devices)
        .map_err(|_| invalid("'devices' must be a list of objects"))?;
    if devices.len() > MAX_KEYS {
        return Err(invalid(format!("a request may have {MAX_KEYS} devices")).into());
    }
    let shown = policy.clone();
    let done = api.service.store.run(move |c| {
        let all = devices.iter().map(|entry| {
            let keys = attempt(c, |c| bulk::regenerate(c, &hub, entry, &policy));
            keys.map_err(|refusal| bulk::error(entry, &refusal))
        });
        Ok(all.collect::<Vec<_>>())
    });
    let (mut keys, mut errors) = (Vec::new(), Vec::new());
    for result in done.await? {
        match result {
            Ok(made) => keys.push(made),
            Err(error) => errors.push(error),
        }
    }
    let answer = json!({"policyKey": shown, "rotatedKeys": keys, "errors": errors});
    Ok(Json(answer).into_response())
}

async fn schedule(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(id): Path<String>,
    Document(mut document): Document,
) -> Answer {
    check_id(&id)?;
    jobs::check_schedule(&document)?;
    let now = api.service.clock.now();
    let start = match document.remove("startTime") {
        None | Some(Value::Null) => now,
        Some(Value::String(text)) if text.is_empty() => now,
        Some(Value::String(text)) => parse_rfc3339(&text)
            .or_else(|| parse_rfc3339(&format!("{text}Z")))
            .ok_or_else(|| invalid(format!("startTime '{text}' is no RFC 3339 time")))?,
        Some(other) => return Err(invalid(format!("startTime {other} is no text")).into()),
    };
    let kind = document.remove("type");
    let kind = kind.as_ref().and_then(Value::as_str).unwrap_or_default();
    let status = if start > now { "scheduled" } else { "queued" };
    let job = job(hub, id, kind, status, document, (now, start));
    Ok(Json(api.jobs.add(job).await?).into_response())
}

async fn transfer(
    State(api): State<Api>,
    Hub(hub): Hub,
    Document(mut document): Document,
) -> Answer {
    jobs::check_transfer(&document)?;
    let now = api.service.clock.now();
    let kind = document.remove("type");
    let kind = kind.as_ref().and_then(Value::as_str).unwrap_or_default();
    let job = job(hub, random::guid(), kind, "enqueued", document, (now, now));
    Ok(Json(api.jobs.add(job).await?).into_response())
}

fn job(
    hub: String,
    id: String,
    kind: &str,
    status: &str,
    document: Map<String, Value>,
    (created, start): (i64, i64),
) -> Job {
    Job {
        hub,
        id,
        kind: kind.to_owned(),
        status: status.to_owned(),
        document,
        created,
        start,
        ended: None,
        failure: None,
        done: 0,
        total: 0,
    }
}

async fn one(State(api): State<Api>, Hub(hub): Hub, Path(id): Path<String>) -> Answer {
    let found = api
        .service
        .store
        .read(move |c| jobs::require(c, &hub, &id)?.to_json(c));
    Ok(Json(found.await?).into_response())
}

async fn cancel(State(api): State<Api>, Hub(hub): Hub, Path(id): Path<String>) -> Answer {
    Ok(Json(api.jobs.cancel(hub, id).await?).into_response())
}

async fn transfers(State(api): State<Api>, Hub(hub): Hub) -> Answer {
    let found = api.service.store.read(move |c| {
        let all = jobs::list(c, &hub)?.into_iter();
        let some = all.filter(|job| !job.is_schedule());
        some.map(|job| job.to_json(c))
            .collect::<Result<Vec<_>, Refusal>>()
    });
    Ok(Json(found.await?).into_response())
}

/// Schedules, the latest first, of a type and a status if the query says so; a page at a time.
async fn schedules(
    State(api): State<Api>,
    Hub(hub): Hub,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    let (start, size) = paging(&headers)?;
    let wanted = move |job: &Job| {
        let fits = |name: &str, value: &str| {
            let asked = query.get(name).filter(|asked| !asked.is_empty());
            asked.is_none_or(|asked| asked.eq_ignore_ascii_case(value))
        };
        job.is_schedule() && fits("jobType", &job.kind) && fits("jobStatus", &job.status)
    };
    let found = api.service.store.read(move |c| {
        let all = jobs::list(c, &hub)?.into_iter().filter(wanted);
        let some = all.skip(start).take(size + 1);
        some.map(|job| job.to_json(c))
            .collect::<Result<Vec<_>, Refusal>>()
    });
    Ok(paged("JobResponse", found.await?, (start, size)))
}

fn check_id(id: &str) -> Result<(), Refusal> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-:.+%_#*?!(),=@;$'".contains(&byte);
    match (1..=128).contains(&id.len()) && id.bytes().all(allowed) {
        true => Ok(()),
        false => Err(invalid(format!(
            "job id '{id}' must have 1 to 128 ASCII letters, digits or any of - : . + % _ # * ? ! ( ) , = @ ; $ '"
        ))),
    }
}

/// Azure's limit for a request.
const MAX_BULK: usize = 100;
/// What the Azure CLI sends at the most.
const MAX_KEYS: usize = 1000;
