//! Device-to-cloud messages: stored before they are acknowledged, kept in a [ring](super::ring),
//! handed out live.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value, json};

use crate::clock::{UnixMs, rfc3339};
use crate::code::Refusal;
use crate::id;
use crate::properties::Properties;

/// One message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Its position, from 1; given by the storage.
    pub seq: i64,
    /// The hub's host name.
    pub hub: String,
    /// The sender: a device, or behind a slash its module.
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
    /// Where it is at the built-in endpoint, if that has it; known of one that has just been
    /// stored.
    pub placed: Option<Placed>,
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
            placed: None,
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
        let (device, module) = id::split(&self.device_id);
        let mut shown = json!({
            "seq": self.seq,
            "hub": self.hub,
            "deviceId": device,
            "enqueuedTimeUtc": rfc3339(self.enqueued),
            "format": format,
            "body": body,
            "bodyBase64": STANDARD.encode(&self.body),
            "properties": self.properties,
            "systemProperties": self.system,
            "qos": self.qos,
        });
        if let (Some(module), Value::Object(line)) = (module, &mut shown) {
            line.shift_insert(3, "moduleId".to_owned(), json!(module));
        }
        shown
    }

    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Arc<Self>> {
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
            placed: None,
        }))
    }
}

/// Where a message is at the built-in endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// From 0.
    pub partition: u32,
    /// In the partition, from 0.
    pub sequence: i64,
    /// In the partition, as if in bytes.
    pub offset: i64,
}

/// The number of the latest message, of all hubs.
pub(crate) fn last(c: &Connection) -> Result<i64, Refusal> {
    let mut last = c.prepare_cached("SELECT coalesce(max(seq), 0) FROM telemetry")?;
    Ok(last.query_row([], |row| row.get(0))?)
}

/// Messages with a number above `since`, oldest first, `limit` at most, and whether there are more:
/// a page ends where its bodies reach [`MAX_PAGE`] bytes.
pub(crate) fn after(
    connection: &Connection,
    since: i64,
    device: Option<&str>,
    limit: i64,
) -> Result<(Vec<Arc<Message>>, bool), Refusal> {
    let mut select = connection.prepare_cached(
        "SELECT * FROM telemetry WHERE seq > ?1 AND (?2 IS NULL OR device = ?2) ORDER BY seq LIMIT ?3",
    )?;
    let mut rows = select.query(params![since, device, limit])?;
    let (mut messages, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let message = Message::from_row(row)?;
        bytes += message.body.len();
        messages.push(message);
        if bytes >= MAX_PAGE {
            return Ok((messages, true));
        }
    }
    let more = i64::try_from(messages.len()) == Ok(limit);
    Ok((messages, more))
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

/// The largest message with its properties (Microsoft, "IoT Hub quotas and throttling").
pub(crate) const MAX_MESSAGE: usize = 256 * 1024;

/// Bytes of bodies in a page.
const MAX_PAGE: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::ring::Ring;
    use crate::store::Store;

    #[tokio::test]
    async fn a_page_ends_with_its_bytes() {
        let store = Store::open(None, false).unwrap();
        let pages = store.run(|c| {
            let ring = Ring::new(100_000, u64::MAX, 4);
            for _ in 0..7 {
                let body = vec![b'x'; 400_000];
                ring.store(c, Message::new("hub", "d", body, Properties::default(), 1))?;
            }
            let (first, more) = after(c, 0, None, 100)?;
            let (last, end) = after(c, 6, None, 100)?;
            Ok((first.len(), more, last.len(), end))
        });
        assert_eq!(pages.await, Ok((3, true, 1, false)));
    }
}
