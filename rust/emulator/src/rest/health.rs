//! What orchestrators and monitoring ask: `/health`, `/ready` and `/metrics`. There is no secret in
//! the first two.

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Answer, Api};
use crate::code::{ErrorCode, Refusal};
use crate::hub::registry;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(HEALTH, get(async || "alive\n"))
        .route(READY, get(ready))
        .route("/metrics", get(metrics))
}

/// Whether a path says nothing but that the emulator is there.
pub(super) fn is_open(path: &str) -> bool {
    path == HEALTH || path == READY
}

/// Ready is who can store: a full disk is told here.
async fn ready(State(api): State<Api>) -> Answer {
    let stored = api.service.store.run(|c| {
        let probe = "INSERT OR REPLACE INTO settings (key, value) VALUES ('ready', datetime())";
        Ok(c.execute(probe, [])?)
    });
    stored.await?;
    Ok("ready\n".into_response())
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHub {
    hub: String,
}

/// In the text format of Prometheus, counted as it is asked.
async fn metrics(State(api): State<Api>) -> Answer {
    let service = &api.service;
    let connections = Family::<OfHub, Gauge>::default();
    let devices = Family::<OfHub, Gauge>::default();
    let enabled = Family::<OfHub, Gauge>::default();
    for hub in service.hubs.hosts() {
        let online = service.connections.online(&hub).len();
        let of = hub.clone();
        let counted = service.store.read(move |c| registry::count(c, &of));
        let (all, on) = counted.await?;
        let label = OfHub { hub };
        devices.get_or_create(&label).set(all);
        enabled.get_or_create(&label).set(on);
        let online = i64::try_from(online).unwrap_or(i64::MAX);
        connections.get_or_create(&label).set(online);
    }
    let counted = service.store.read(|c| {
        let mut select =
            c.prepare_cached("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1")?;
        let mut last = |table: &str| select.query_row([table], |row| row.get::<_, i64>(0));
        Ok((last("telemetry")?, last("c2d")?))
    });
    let (telemetry, c2d) = counted.await?;
    let mut registry = Registry::with_prefix("iothub");
    registry.register("connections", "Devices that are connected", connections);
    registry.register("devices", "Devices in the registry", devices);
    registry.register("devices_enabled", "Of these the enabled ones", enabled);
    let of = "Messages from devices since the data folder was made";
    registry.register(
        "telemetry_messages",
        of,
        ConstCounter::new(telemetry.unsigned_abs()),
    );
    let of = "Messages to devices since the data folder was made";
    registry.register("c2d_messages", of, ConstCounter::new(c2d.unsigned_abs()));
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| {
        Refusal::new(
            ErrorCode::ServerError,
            format!("metrics cannot be written: {error}"),
        )
    })?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

const HEALTH: &str = "/health";
const READY: &str = "/ready";
