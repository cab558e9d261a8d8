//! The list of devices as the page shows it: `/admin/devices`, and how many there are of each
//! state.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::devices::MAX_PAGE;
use super::{Answer, Api, Hub, invalid};
use crate::code::Refusal;
use crate::hub::listing::{self, Column, DeviceState, Direction, Listing, Mark, Sort};
use crate::hub::query::{self, Collection};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/admin/devices", get(list))
        .route("/admin/devices/{id}", get(one))
        .route("/admin/statistics", get(statistics))
}

/// Takes `find`, `state`, `query`, `sort`, `top` and, for the next page, `continuation` as the page
/// before has given it.
async fn list(
    State(api): State<Api>,
    Hub(hub): Hub,
    Query(asked): Query<HashMap<String, String>>,
) -> Answer {
    let text = |name: &str| {
        asked
            .get(name)
            .map(String::as_str)
            .filter(|it| !it.is_empty())
    };
    let listing = Listing {
        find: text("find").unwrap_or_default().to_owned(),
        state: text("state").map(state).transpose()?,
        query: text("query").map(query).transpose()?,
        sort: text("sort").map(sort).transpose()?.unwrap_or_default(),
    };
    let size = match text("top") {
        None => DEFAULT_PAGE,
        Some(top) => top
            .parse()
            .ok()
            .filter(|top| (1..=MAX_PAGE).contains(top))
            .ok_or_else(|| invalid(format!("top '{top}' is not 1 to {MAX_PAGE}")))?,
    };
    let after = text("continuation").map(mark).transpose()?;
    let (devices, next) = listing::page(&api.service, &hub, listing, after, size).await?;
    let next = next.as_ref().map(token);
    Ok(Json(json!({"devices": devices, "continuation": next})).into_response())
}

async fn one(State(api): State<Api>, Hub(hub): Hub, Path(id): Path<String>) -> Answer {
    Ok(Json(listing::one(&api.service, &hub, &id).await?).into_response())
}

async fn statistics(State(api): State<Api>, Hub(hub): Hub) -> Answer {
    Ok(Json(listing::counts(&api.service, &hub).await?).into_response())
}

fn state(text: &str) -> Result<DeviceState, Refusal> {
    Ok(match text {
        "connected" => DeviceState::Connected,
        "disconnected" => DeviceState::Disconnected,
        "disabled" => DeviceState::Disabled,
        "refused" => DeviceState::Refused,
        "neverSeen" => DeviceState::NeverSeen,
        _ => {
            let known = "connected, disconnected, disabled, refused or neverSeen";
            return Err(invalid(format!("state '{text}' is not {known}")));
        }
    })
}

fn sort(text: &str) -> Result<Sort, Refusal> {
    match text {
        "id" => Ok(Sort::Id),
        "latestFirst" => Ok(Sort::LatestFirst),
        "oldestFirst" => Ok(Sort::OldestFirst),
        _ => by_column(text).ok_or_else(|| {
            let known = "id, latestFirst, oldestFirst, state, reason, tags or firmware, or one of these with a - before it for the other end";
            invalid(format!("sort '{text}' is not {known}"))
        }),
    }
}

fn by_column(text: &str) -> Option<Sort> {
    let (name, direction) = match text.strip_prefix('-') {
        Some(name) => (name, Direction::Descending),
        None => (text, Direction::Ascending),
    };
    let column = match name {
        "id" => Column::Id,
        "state" => Column::State,
        "reason" => Column::Reason,
        "tags" => Column::Tags,
        "firmware" => Column::Firmware,
        _ => return None,
    };
    Some(Sort::By(column, direction))
}

fn query(text: &str) -> Result<query::Query, Refusal> {
    let query = query::Query::parse(text)?;
    let is_list = query.is_twins() && query.collection() == Collection::Devices;
    if !is_list || query.top() != usize::MAX {
        return Err(invalid(
            "a list takes SELECT * FROM devices with a condition and no TOP: for other queries there is POST /devices/query",
        ));
    }
    Ok(query)
}

fn token(mark: &Mark) -> String {
    let Mark {
        live,
        activity,
        id,
        place,
    } = mark;
    URL_SAFE_NO_PAD.encode(format!("{} {activity} {id} {place}", u8::from(*live)))
}

fn mark(token: &str) -> Result<Mark, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let mut parts = text.as_deref().unwrap_or_default().splitn(4, ' ');
    let live = parts.next().filter(|it| matches!(*it, "0" | "1"));
    let activity = parts.next().and_then(|it| it.parse().ok());
    match (live, activity, parts.next()) {
        (Some(live), Some(activity), Some(id)) => Ok(Mark {
            live: live == "1",
            activity,
            id: id.to_owned(),
            place: parts.next().unwrap_or_default().to_owned(),
        }),
        _ => Err(invalid(
            "continuation is not one that a list here has given",
        )),
    }
}

const DEFAULT_PAGE: usize = 100;
