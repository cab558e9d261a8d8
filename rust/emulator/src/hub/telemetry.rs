//! Device-to-cloud messages: stored before they are acknowledged, kept in a ring, handed out live.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

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

    /// Stores it, with its number; every so often the oldest go that the ring has no room for.
    pub(crate) fn store(
        mut self,
        connection: &Connection,
        ring: &Ring,
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
        if let Some(last) = ring.count(connection, self.seq, self.body.len())? {
            connection
                .prepare_cached("DELETE FROM telemetry WHERE seq <= ?1")?
                .execute([last])?;
        }
        Ok(Arc::new(self))
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
        }))
    }
}

/// How much telemetry is kept, and how much there is.
///
/// Counted in blocks of messages, of which the oldest go whole. A message that was counted and whose transaction
/// failed counts until the next start.
#[derive(Debug)]
pub(crate) struct Ring {
    messages: i64,
    bytes: u64,
    blocks: Mutex<Option<VecDeque<Block>>>,
}

/// Messages next to each other.
#[derive(Debug)]
struct Block {
    /// The number of the last one.
    last: i64,
    bytes: u64,
}

impl Ring {
    /// For so many messages, and so many bytes in their bodies.
    pub(crate) fn new(messages: i64, bytes: u64) -> Self {
        Self {
            messages,
            bytes,
            blocks: Mutex::default(),
        }
    }

    /// Counts a message in; where a block begins, up to which message there is no room any more.
    fn count(&self, c: &Connection, seq: i64, size: usize) -> Result<Option<i64>, Refusal> {
        let size = size as u64 + ROW;
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(blocks) = &mut *blocks else {
            // With the message itself.
            *blocks = Some(stored(c)?);
            return Ok(None);
        };
        match blocks.back_mut() {
            Some(block) if seq % BLOCK != 0 && block.bytes < self.bytes / BLOCKS => {
                block.last = seq;
                block.bytes += size;
                return Ok(None);
            }
            _ => blocks.push_back(Block {
                last: seq,
                bytes: size,
            }),
        }
        let mut total: u64 = blocks.iter().map(|block| block.bytes).sum();
        let mut last = seq.saturating_sub(self.messages);
        while blocks.len() > 1
            && let Some(oldest) = blocks.front()
            && (total > self.bytes || oldest.last <= last)
        {
            total -= oldest.bytes;
            last = last.max(oldest.last);
            blocks.pop_front();
        }
        Ok((last > 0).then_some(last))
    }
}

fn stored(c: &Connection) -> Result<VecDeque<Block>, Refusal> {
    let mut select = c.prepare(
        "SELECT max(seq), sum(length(body) + ?2) FROM telemetry GROUP BY seq / ?1 ORDER BY 1",
    )?;
    let blocks = select.query_map(params![BLOCK, ROW as i64], |row| {
        Ok(Block {
            last: row.get(0)?,
            bytes: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
        })
    })?;
    Ok(blocks.collect::<Result<_, _>>()?)
}

/// The number of the latest message, of all hubs.
pub(crate) fn last(c: &Connection) -> Result<i64, Refusal> {
    let mut last = c.prepare_cached("SELECT coalesce(max(seq), 0) FROM telemetry")?;
    Ok(last.query_row([], |row| row.get(0))?)
}

/// Messages with a number above `since`, oldest first, `limit` at most, and whether there are more: a page ends where
/// its bodies reach [`MAX_PAGE`] bytes.
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

/// Messages in a block at the most, and the share of the ring that one may take before the next begins.
const BLOCK: i64 = 256;
const BLOCKS: u64 = 16;

/// What a message takes beside its body, roughly.
const ROW: u64 = 128;

/// Bytes of bodies in a page.
const MAX_PAGE: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    async fn kept(messages: i64, bytes: u64, sizes: &[usize]) -> (Vec<i64>, Store) {
        let store = Store::open(None, false).unwrap();
        let sizes = sizes.to_vec();
        let ring = Ring::new(messages, bytes);
        let kept = store.run(move |c| {
            for size in sizes {
                let body = vec![b'x'; size];
                Message::new("hub", "d", body, Properties::default(), 1).store(c, &ring)?;
            }
            let mut select = c.prepare("SELECT seq FROM telemetry ORDER BY seq")?;
            let all = select.query_map([], |row| row.get(0))?;
            Ok(all.collect::<Result<Vec<i64>, _>>()?)
        });
        (kept.await.unwrap(), store)
    }

    #[tokio::test]
    async fn the_ring_is_bounded_in_messages_and_in_bytes() {
        let (all, _) = kept(300, u64::MAX, &[10; 1024]).await;
        assert_eq!((all.first(), all.last()), (Some(&725), Some(&1024)));
        // Each takes 1,000 bytes; a sixteenth of the ring may be too much.
        let (all, _) = kept(100_000, 600_000, &[872; 1024]).await;
        assert!((560..=640).contains(&all.len()), "{}", all.len());
        assert_eq!(all.last(), Some(&1024));
        // The latest stays, however large it is.
        let (all, _) = kept(100_000, 1_000, &[200_000; 5]).await;
        assert_eq!(all, [5]);
    }

    #[tokio::test]
    async fn what_is_there_at_the_start_counts() {
        let (_, store) = kept(100_000, u64::MAX, &[872; 1000]).await;
        let ring = Ring::new(100_000, 300_000);
        let left = store.run(move |c| {
            for _ in 0..24 {
                Message::new("hub", "d", Vec::new(), Properties::default(), 1).store(c, &ring)?;
            }
            Ok(c.query_row("SELECT min(seq) FROM telemetry", [], |row| {
                row.get::<_, i64>(0)
            })?)
        });
        assert_eq!(left.await, Ok(768));
    }

    #[tokio::test]
    async fn a_page_ends_with_its_bytes() {
        let (_, store) = kept(100_000, u64::MAX, &[400_000; 7]).await;
        let pages = store.run(|c| {
            let (first, more) = after(c, 0, None, 100)?;
            let (last, end) = after(c, 6, None, 100)?;
            Ok((first.len(), more, last.len(), end))
        });
        assert_eq!(pages.await, Ok((3, true, 1, false)));
    }
}
