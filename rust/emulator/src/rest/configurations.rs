//! Azure's paths for configurations (automatic device management).

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::{Answer, Api, Document, Hub, Identity, if_match, invalid};
use crate::configurations::{self, Configuration};
use crate::etag::etag;
use crate::hub::query;
use crate::journal::Event;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/configurations", get(all))
        .route("/configurations/testQueries", post(test))
        .route("/devices/{id}/applyConfigurationContent", post(deploy))
        .route("/configurations/{id}", get(one).put(put).delete(delete))
}

async fn all(
    State(api): State<Api>,
    Hub(hub): Hub,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let top = match query.get("top") {
        None => usize::MAX,
        Some(top) => top
            .parse()
            .map_err(|_| invalid(format!("top '{top}' is no number")))?,
    };
    let all = api
        .service
        .store
        .read(move |c| configurations::list(c, &hub))
        .await?;
    let all: Vec<Value> = all.iter().take(top).map(Configuration::to_json).collect();
    Ok(Json(all).into_response())
}

async fn one(State(api): State<Api>, Hub(hub): Hub, Path(id): Path<String>) -> Answer {
    let found = api
        .service
        .store
        .read(move |c| configurations::require(c, &hub, &id));
    Ok(answer(&found.await?))
}

async fn put(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(id): Path<String>,
    headers: HeaderMap,
    Document(document): Document,
) -> Answer {
    let (condition, now) = (if_match(&headers), api.service.clock.now());
    let owned = hub.clone();
    let saved = api
        .service
        .store
        .run(move |c| configurations::put(c, &owned, &id, document, &condition, now));
    let saved = saved.await?;
    tell(&api, hub, format!("configuration '{}' saved", saved.id));
    Ok(answer(&saved))
}

async fn delete(
    State(api): State<Api>,
    Hub(hub): Hub,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let condition = if_match(&headers);
    let (owned, owned_id) = (hub.clone(), id.clone());
    let gone = api
        .service
        .store
        .run(move |c| configurations::delete(c, &owned, &owned_id, &condition));
    gone.await?;
    tell(&api, hub, format!("configuration '{id}' deleted"));
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Sets the modules of one IoT Edge device.
async fn deploy(
    State(api): State<Api>,
    Hub(hub): Hub,
    Identity(id): Identity,
    Document(document): Document,
) -> Answer {
    let modules = document.get("modulesContent").and_then(Value::as_object);
    let modules = modules.filter(|modules| !modules.is_empty()).cloned();
    let modules = modules.ok_or_else(|| invalid("'modulesContent' is missing".to_owned()))?;
    configurations::check_modules(&modules)?;
    let (of, device) = (hub.clone(), id.clone());
    let changes = api
        .service
        .change_twins(move |c, now| configurations::deploy(c, &of, &device, &[modules], now));
    let what = format!("modules set, {} twins changed", changes.await?);
    api.service
        .journal
        .record(Event::info("configuration", what).of(&hub, &id));
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn tell(api: &Api, hub: String, what: String) {
    api.service.journal.record(Event {
        hub: Some(hub),
        ..Event::info("configuration", what)
    });
    api.configurations.wake();
}

/// What is wrong with a condition and with queries of metrics; nothing where they are right.
async fn test(Document(document): Document) -> Answer {
    let condition = document.get("targetCondition").and_then(Value::as_str);
    let condition = configurations::check_condition(condition.unwrap_or_default());
    let queries = document
        .get("customMetricQueries")
        .and_then(Value::as_object);
    let queries = queries.cloned().unwrap_or_default().into_iter();
    let errors: Map<String, Value> = queries
        .filter_map(|(name, text)| {
            let refusal = query::Query::parse(text.as_str().unwrap_or_default()).err()?;
            Some((name, json!(refusal.reason)))
        })
        .collect();
    Ok(Json(json!({
        "targetConditionError": condition.err().map(|refusal| refusal.reason),
        "customMetricQueryErrors": errors,
    }))
    .into_response())
}

fn answer(configuration: &Configuration) -> Response {
    let tag = format!("\"{}\"", etag(configuration.etag));
    ([(header::ETAG, tag)], Json(configuration.to_json())).into_response()
}
