//! Azure's path for queries over twins: a page at a time, and no more in memory than that.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::devices::MAX_PAGE;
use super::{Answer, Api, Document, Hub, invalid};
use crate::code::Refusal;
use crate::hub::c2d;
use crate::hub::query::{Aggregation, Collection, Plan, Query};
use crate::hub::registry::{self, Kind, Page};
use crate::jobs;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/devices/query", post(query_devices))
}

/// Answers with a page of rows, and in `x-ms-continuation` where the next one begins.
async fn query_devices(
    State(api): State<Api>,
    Hub(hub): Hub,
    headers: HeaderMap,
    Document(document): Document,
) -> Answer {
    let text = document
        .get("query")
        .and_then(Value::as_str)
        .ok_or_else(|| invalid("'query' is missing"))?;
    let query = Arc::new(Query::parse(text)?);
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let size = header("x-ms-max-item-count").and_then(|size| size.parse().ok());
    let size = size.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let start = header("x-ms-continuation").filter(|token| !token.is_empty());
    let start = start
        .map(Continuation::parse)
        .transpose()?
        .unwrap_or_default();
    let kind = if query.is_twins() { "Twin" } else { "Raw" };
    let (items, next) = match query.collection() {
        Collection::Jobs => outcomes(&api, hub, query, start, size).await?,
        _ if query.is_aggregate() => aggregate(&api, hub, query, start, size).await?,
        _ => rows(&api, hub, query, start, size).await?,
    };
    let mut response = ([("x-ms-item-type", kind)], Json(items)).into_response();
    if let Some(next) = next
        && let Ok(next) = next.to_text().parse()
    {
        response.headers_mut().insert("x-ms-continuation", next);
    }
    Ok(response)
}

/// Where a page of a query begins: behind a device, and how many rows there were before.
#[derive(Debug, Default, PartialEq)]
struct Continuation {
    after: String,
    rows: usize,
}

impl Continuation {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let bytes = STANDARD.decode(text).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let parts = text.as_deref().and_then(|text| text.split_once(' '));
        let found = parts.and_then(|(rows, after)| {
            Some(Self {
                after: after.to_owned(),
                rows: rows.parse().ok()?,
            })
        });
        found.ok_or_else(|| invalid("x-ms-continuation is not one that a query here has given"))
    }

    fn to_text(&self) -> String {
        STANDARD.encode(format!("{} {}", self.rows, self.after))
    }
}

/// A step through the identities that a query is about.
fn found(
    c: &Connection,
    hub: &str,
    query: &Query,
    plan: &Plan,
    after: &str,
) -> Result<Page, Refusal> {
    match query.collection() {
        Collection::Modules => registry::page(c, hub, Kind::Module, after, STEP),
        _ => registry::search(c, hub, plan, after, STEP),
    }
}

/// A page of what the answer has for each device.
async fn rows(
    api: &Api,
    hub: String,
    query: Arc<Query>,
    mut start: Continuation,
    size: usize,
) -> Result<(Vec<Value>, Option<Continuation>), Refusal> {
    let plan = Arc::new(query.plan());
    let left = query.top().saturating_sub(start.rows);
    let wanted = size.min(left);
    let online = Arc::new(api.service.connections.online(&hub));
    let mut rows = Vec::new();
    while rows.len() < wanted {
        let (query, plan, online, hub) = (
            Arc::clone(&query),
            Arc::clone(&plan),
            Arc::clone(&online),
            hub.clone(),
        );
        let (after, missing) = (start.after, wanted - rows.len());
        let step = move |c: &Connection| {
            let mut found = found(c, &hub, &query, &plan, &after)?;
            let mut rows = Vec::new();
            for device in found.devices {
                let waiting = c2d::count(c, &device.hub, &device.id)?;
                let twin = device.twin_json(online.get(&device.id).copied(), waiting);
                rows.extend(query.row(twin));
                if rows.len() == missing {
                    found.next = Some(device.id);
                    break;
                }
            }
            Ok((rows, found.next))
        };
        let (more, next) = api.service.store.read(step).await?;
        rows.extend(more);
        match next {
            Some(next) => start.after = next,
            None => return Ok((rows, None)),
        }
    }
    start.rows += rows.len();
    let more = start.rows < query.top();
    Ok((rows, more.then_some(start)))
}

/// A page of what jobs have done with devices.
async fn outcomes(
    api: &Api,
    hub: String,
    query: Arc<Query>,
    mut start: Continuation,
    size: usize,
) -> Result<(Vec<Value>, Option<Continuation>), Refusal> {
    let wanted = size.min(query.top().saturating_sub(start.rows));
    let mut rows = Vec::new();
    while rows.len() < wanted {
        let (hub, after) = (hub.clone(), start.after.clone());
        let step = api.service.store.read(move |c| {
            let (job, device) = after.split_once('\n').unwrap_or((&after, ""));
            jobs::outcomes(c, &hub, (job, device), STEP)
        });
        let step = step.await?;
        let last = step.len() < STEP;
        for outcome in step {
            let text = |name: &str| outcome[name].as_str().unwrap_or_default().to_owned();
            start.after = format!("{}\n{}", text("jobId"), text("deviceId"));
            rows.extend(query.row(outcome));
            if rows.len() == wanted {
                break;
            }
        }
        if last && rows.len() < wanted {
            return Ok((rows, None));
        }
    }
    start.rows += rows.len();
    let more = start.rows < query.top();
    Ok((rows, more.then_some(start)))
}

/// A page of an aggregate, which is made anew for each.
async fn aggregate(
    api: &Api,
    hub: String,
    query: Arc<Query>,
    start: Continuation,
    size: usize,
) -> Result<(Vec<Value>, Option<Continuation>), Refusal> {
    if let Some(name) = query.counts_all()
        && query.collection() == Collection::Devices
    {
        let count = api
            .service
            .store
            .read(move |c| registry::count(c, &hub))
            .await?;
        return Ok((vec![json!({ name: count.0 })], None));
    }
    let plan = Arc::new(query.plan());
    let online = Arc::new(api.service.connections.online(&hub));
    let mut aggregation = Aggregation::default();
    let mut after = String::new();
    loop {
        let (query, plan, online, hub) = (
            Arc::clone(&query),
            Arc::clone(&plan),
            Arc::clone(&online),
            hub.clone(),
        );
        let step = move |c: &Connection| {
            let found = found(c, &hub, &query, &plan, &after)?;
            for device in found.devices {
                let waiting = c2d::count(c, &device.hub, &device.id)?;
                let twin = device.twin_json(online.get(&device.id).copied(), waiting);
                query.add(&mut aggregation, &twin)?;
            }
            Ok((aggregation, found.next))
        };
        let (so_far, next) = api.service.store.read(step).await?;
        aggregation = so_far;
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    let all = query.finish(aggregation);
    let end = start.rows.saturating_add(size);
    let next = (all.len() > end).then(|| Continuation {
        after: String::new(),
        rows: end,
    });
    Ok((all.into_iter().skip(start.rows).take(size).collect(), next))
}

const DEFAULT_PAGE: usize = 100;

/// Devices that one step of a query looks at.
const STEP: usize = 250;
