//! What happens to identities, twins and connections, as messages for the routes that ask for it.
//!
//! Microsoft, "Use IoT Hub message routing": the sources beside telemetry, with the properties and
//! bodies of its pages "Non-telemetry event schemas". Where no route asks for a source, nothing is
//! kept of it.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Value, json};

use crate::clock::{UnixMs, rfc3339};
use crate::code::Refusal;
use crate::hub::telemetry::Message;
use crate::id;

/// Where a message comes from, as routes name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Telemetry.
    DeviceMessages,
    /// A twin was changed, by the service or by the device.
    TwinChange,
    /// An identity was made or deleted.
    Lifecycle,
    /// A device connected or went.
    ConnectionState,
}

impl Source {
    /// Azure's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DeviceMessages => "DeviceMessages",
            Self::TwinChange => "TwinChangeEvents",
            Self::Lifecycle => "DeviceLifecycleEvents",
            Self::ConnectionState => "DeviceConnectionStateEvents",
        }
    }

    /// Reads Azure's name, in any case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::DeviceMessages,
            Self::TwinChange,
            Self::Lifecycle,
            Self::ConnectionState,
        ];
        all.into_iter()
            .find(|it| it.name().eq_ignore_ascii_case(text))
    }

    /// Its name among the annotations of a message (Microsoft, "IoT Hub non-telemetry event
    /// schemas").
    pub(crate) fn annotation(self) -> &'static str {
        match self {
            Self::DeviceMessages => "Telemetry",
            Self::TwinChange => "twinChangeEvents",
            Self::Lifecycle => "deviceLifecycleEvents",
            Self::ConnectionState => "deviceConnectionStateEvents",
        }
    }

    fn schema(self) -> &'static str {
        match self {
            Self::DeviceMessages => "telemetry",
            Self::TwinChange => "twinChangeNotification",
            Self::Lifecycle => "deviceLifecycleNotification",
            Self::ConnectionState => "deviceConnectionStateNotification",
        }
    }
}

/// Whether a route asks for a source.
pub(crate) fn is_wanted(c: &Connection, hub: &str, source: Source) -> Result<bool, Refusal> {
    let mut select =
        c.prepare_cached("SELECT 1 FROM event_sources WHERE hub = ?1 AND source = ?2")?;
    Ok(select.exists([hub, source.name()])?)
}

/// Keeps an event, if a route asks for its source; `operation` is its `opType`.
pub(crate) fn note(
    c: &Connection,
    hub: &str,
    id: &str,
    source: Source,
    operation: &str,
    body: impl FnOnce() -> Value,
    now: UnixMs,
) -> Result<(), Refusal> {
    if !is_wanted(c, hub, source)? {
        return Ok(());
    }
    let (device, module) = id::split(id);
    let mut properties = json!({
        "hubName": hub.split('.').next(),
        "deviceId": device,
        "operationTimestamp": rfc3339(now),
        "opType": operation,
        "iothub-message-schema": source.schema(),
    });
    if let Some(module) = module {
        properties["moduleId"] = json!(module);
    }
    c.prepare_cached(
        "INSERT INTO hub_events (hub, device, source, enqueued, body, properties) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        hub,
        id,
        source.name(),
        now,
        body().to_string(),
        properties.to_string()
    ])?;
    let last = c.last_insert_rowid();
    if last % 256 == 0 {
        c.execute("DELETE FROM hub_events WHERE seq <= ?1", [last - KEPT])?;
        // Their places go with telemetry as a rule: not where there is none.
        c.execute("DELETE FROM partition_log WHERE event <= ?1", [last - KEPT])?;
    }
    Ok(())
}

/// Keeps that a device connected or went.
pub(crate) fn note_connection(
    c: &Connection,
    hub: &str,
    id: &str,
    connected: bool,
    now: UnixMs,
) -> Result<(), Refusal> {
    let what = match id::split(id) {
        (_, None) => "device",
        (_, Some(_)) => "module",
    };
    let how = if connected {
        "Connected"
    } else {
        "Disconnected"
    };
    let body = || json!({"sequenceNumber": format!("{now:064X}")});
    note(
        c,
        hub,
        id,
        Source::ConnectionState,
        &format!("{what}{how}"),
        body,
        now,
    )
}

/// Sets the sources that routes of a hub ask for.
pub(crate) fn set_sources(c: &Connection, hub: &str, sources: &[Source]) -> Result<(), Refusal> {
    c.execute("DELETE FROM event_sources WHERE hub = ?1", [hub])?;
    for source in sources {
        c.execute(
            "INSERT OR IGNORE INTO event_sources (hub, source) VALUES (?1, ?2)",
            [hub, source.name()],
        )?;
    }
    Ok(())
}

/// Events of a hub behind a number, oldest first.
pub(crate) fn after(
    c: &Connection,
    hub: &str,
    since: i64,
    limit: i64,
) -> Result<Vec<(Source, Message)>, Refusal> {
    let mut select = c.prepare_cached(
        "SELECT * FROM hub_events WHERE seq > ?2 AND hub = ?1 ORDER BY seq LIMIT ?3",
    )?;
    let rows = select.query_map(params![hub, since, limit], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The event of a number, if it is still kept.
pub(crate) fn at(c: &Connection, seq: i64) -> Result<Option<(Source, Message)>, Refusal> {
    let mut select = c.prepare_cached("SELECT * FROM hub_events WHERE seq = ?1")?;
    Ok(select.query_row([seq], from_row).optional()?)
}

/// The number of the latest event; 0 if there is none.
pub(crate) fn last(c: &Connection) -> Result<i64, Refusal> {
    Ok(
        c.query_row("SELECT ifnull(max(seq), 0) FROM hub_events", [], |row| {
            row.get(0)
        })?,
    )
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<(Source, Message)> {
    let source: String = row.get("source")?;
    let properties: String = row.get("properties")?;
    let (seq, enqueued): (i64, UnixMs) = (row.get("seq")?, row.get("enqueued")?);
    let hub: String = row.get("hub")?;
    let system = json!({
        "contentType": "application/json",
        "contentEncoding": "utf-8",
        "userId": hub.split('.').next(),
        "correlationId": format!("{enqueued:x}{seq:04x}"),
    });
    let message = Message {
        seq,
        hub,
        device_id: row.get("device")?,
        enqueued,
        body: row.get::<_, String>("body")?.into_bytes(),
        properties: serde_json::from_str(&properties).unwrap_or_default(),
        system: system.as_object().cloned().unwrap_or_default(),
        qos: 1,
        placed: None,
    };
    Ok((
        Source::parse(&source).unwrap_or(Source::TwinChange),
        message,
    ))
}

/// Events that are kept for endpoints that are behind.
const KEPT: i64 = 100_000;
