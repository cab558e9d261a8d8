//! Device-to-cloud messages: stored before they are acknowledged, kept in a ring, handed out live.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value, json};

use crate::clock::{UnixMs, rfc3339};
use crate::code::Refusal;
use crate::properties::Properties;

/// One message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Its position, from 1; given by the storage.
    pub seq: i64,
    /// The hub's host name.
    pub hub: String,
    /// The sender.
    pub device_id: String,
    /// When it was accepted.
    pub enqueued: UnixMs,
    /// The body.
    pub body: Vec<u8>,
    /// Application properties.
    pub properties: Map<String, Value>,
    /// System properties under their JSON names.
    pub system: Map<String, Value>,
    /// The quality of service with which it came.
    pub qos: u8,
}

impl Message {
    /// A message as a device sent it.
    pub(crate) fn new(
        hub: &str,
        device_id: &str,
        body: Vec<u8>,
        properties: Properties,
        qos: u8,
    ) -> Self {
        let system = properties
            .system
            .into_iter()
            .map(|(key, value)| (key, Value::String(value)));
        let application = properties.application.into_iter();
        Self {
            seq: 0,
            hub: hub.to_owned(),
            device_id: device_id.to_owned(),
            enqueued: 0,
            body,
            properties: application
                .map(|(key, value)| (key, value.into()))
                .collect(),
            system: system.collect(),
            qos,
        }
    }

    /// One line of `/admin/telemetry.jsonl`.
    pub(crate) fn to_json(&self) -> Value {
        let (format, body) = match std::str::from_utf8(&self.body) {
            Err(_) => ("base64", json!(STANDARD.encode(&self.body))),
            Ok(text) => match serde_json::from_str::<Value>(text) {
                Ok(value) => ("json", value),
                Err(_) => ("text", json!(text)),
            },
        };
        json!({
            "seq": self.seq,
            "hub": self.hub,
            "deviceId": self.device_id,
            "enqueuedTimeUtc": rfc3339(self.enqueued),
            "format": format,
            "body": body,
            "bodyBase64": STANDARD.encode(&self.body),
            "properties": self.properties,
            "systemProperties": self.system,
            "qos": self.qos,
        })
    }

    /// Stores it, with its number; every so often the oldest beyond `keep` go.
    pub(crate) fn store(
        mut self,
        connection: &Connection,
        keep: i64,
    ) -> Result<Arc<Self>, Refusal> {
        let mut insert = connection.prepare_cached(
            "INSERT INTO telemetry (hub, device, enqueued, body, properties, system, qos) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let text = |object: &Map<String, Value>| serde_json::to_string(object).unwrap_or_default();
        insert.execute(params![
            self.hub,
            self.device_id,
            self.enqueued,
            self.body,
            text(&self.properties),
            text(&self.system),
            self.qos
        ])?;
        self.seq = connection.last_insert_rowid();
        if self.seq % TRIM_EVERY == 0 {
            connection
                .prepare_cached("DELETE FROM telemetry WHERE seq <= ?1")?
                .execute([self.seq - keep])?;
        }
        Ok(Arc::new(self))
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Arc<Self>> {
        let object = |text: String| serde_json::from_str(&text).unwrap_or_default();
        Ok(Arc::new(Self {
            seq: row.get("seq")?,
            hub: row.get("hub")?,
            device_id: row.get("device")?,
            enqueued: row.get("enqueued")?,
            body: row.get("body")?,
            properties: object(row.get("properties")?),
            system: object(row.get("system")?),
            qos: row.get("qos")?,
        }))
    }
}

/// Messages with a number above `since`, oldest first, `limit` at most.
pub(crate) fn after(
    connection: &Connection,
    since: i64,
    device: Option<&str>,
    limit: i64,
) -> Result<Vec<Arc<Message>>, Refusal> {
    let mut select = connection.prepare_cached(
        "SELECT * FROM telemetry WHERE seq > ?1 AND (?2 IS NULL OR device = ?2) ORDER BY seq LIMIT ?3",
    )?;
    let messages = select.query_map(params![since, device, limit], Message::from_row)?;
    Ok(messages.collect::<Result<_, _>>()?)
}

/// The number above which the latest `count` messages are; 0 if there are not more.
pub(crate) fn before_last(
    connection: &Connection,
    device: Option<&str>,
    count: i64,
) -> Result<i64, Refusal> {
    let mut select = connection.prepare_cached(
        "SELECT seq FROM telemetry WHERE ?1 IS NULL OR device = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2",
    )?;
    let found = select.query_row(params![device, count], |row| row.get(0));
    Ok(found.optional()?.unwrap_or(0))
}

const TRIM_EVERY: i64 = 256;
