//! What is kept of telemetry: the latest messages, bounded in number and in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value};

use crate::code::Refusal;
use crate::hub::partitions::{self, Partitions};
use crate::hub::telemetry::Message;
use crate::store::Later;

/// How much telemetry is kept, and how much there is.
///
/// Counted in blocks of messages, of which the oldest go whole. A message that was counted and
/// whose transaction failed counts until the next start.
#[derive(Debug)]
pub(crate) struct Ring {
    messages: i64,
    bytes: u64,
    blocks: Mutex<Option<VecDeque<Block>>>,
    latest: Mutex<Latest>,
    /// Where it is at the built-in endpoint.
    pub partitions: Partitions,
}

/// The number of the latest message, as long as nobody else stores one.
#[derive(Debug, Default)]
struct Latest {
    seq: i64,
    /// What it is known of.
    generation: Option<u64>,
}

/// Messages next to each other.
#[derive(Debug)]
struct Block {
    /// The number of the last one.
    last: i64,
    bytes: u64,
}

impl Ring {
    /// For so many messages, and so many bytes in their bodies, in so many partitions.
    pub(crate) fn new(messages: i64, bytes: u64, partitions: u32) -> Self {
        Self {
            messages,
            bytes,
            blocks: Mutex::default(),
            latest: Mutex::default(),
            partitions: Partitions::new(partitions),
        }
    }

    /// Stores a message, with its number; every so often the oldest go that there is no room for.
    pub(crate) fn store(
        &self,
        connection: &Connection,
        mut message: Message,
    ) -> Result<Arc<Message>, Refusal> {
        let mut insert = connection.prepare_cached(
            "INSERT INTO telemetry (hub, device, enqueued, body, properties, system, qos) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        insert.execute(params![
            message.hub,
            message.device_id,
            message.enqueued,
            message.body,
            text(&message.properties),
            text(&message.system),
            message.qos
        ])?;
        message.seq = connection.last_insert_rowid();
        message.placed = self.partitions.place(connection, &message)?;
        if let Some(last) = self.count(connection, message.seq, message.body.len())? {
            prune(connection, last)?;
        }
        Ok(Arc::new(message))
    }

    /// The same, which leaves the writing for later where that is less work.
    pub(crate) fn store_later(
        &self,
        connection: &Connection,
        later: &mut Later,
        mut message: Message,
    ) -> Result<Arc<Message>, Refusal> {
        let is_counted = self.blocks().is_some();
        let is_small = message.body.len() <= MAX_LATER;
        if !(is_counted && is_small && self.partitions.takes_all(&message.hub)) {
            later.settle(connection)?;
            later.touch();
            return self.store(connection, message);
        }
        message.seq = self.next(connection, later)?;
        message.placed = Some(self.partitions.append_later(connection, later, &message)?);
        let values = [
            message.seq.into(),
            message.hub.clone().into(),
            message.device_id.clone().into(),
            message.enqueued.into(),
            message.body.clone().into(),
            text(&message.properties).into(),
            text(&message.system).into(),
            i64::from(message.qos).into(),
        ];
        let insert = "INSERT OR IGNORE INTO telemetry (seq, hub, device, enqueued, body, properties, system, qos) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        later.put(None, insert, values);
        if let Some(last) = self.count(connection, message.seq, message.body.len())? {
            later.settle(connection)?;
            prune(connection, last)?;
        }
        Ok(Arc::new(message))
    }

    fn next(&self, c: &Connection, later: &Later) -> Result<i64, Refusal> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.generation != Some(later.generation()) {
            let mut select =
                c.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'telemetry'")?;
            let seq = select.query_row([], |row| row.get(0)).optional()?;
            *latest = Latest {
                seq: seq.unwrap_or(0),
                generation: Some(later.generation()),
            };
        }
        latest.seq += 1;
        Ok(latest.seq)
    }

    /// Counts a message in; where a block begins, up to which message there is no room any more.
    fn count(&self, c: &Connection, seq: i64, size: usize) -> Result<Option<i64>, Refusal> {
        let size = size as u64 + ROW;
        let mut blocks = self.blocks();
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

    fn blocks(&self) -> MutexGuard<'_, Option<VecDeque<Block>>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn prune(c: &Connection, last: i64) -> Result<(), Refusal> {
    c.prepare_cached("DELETE FROM telemetry WHERE seq <= ?1")?
        .execute([last])?;
    partitions::prune(c, last)
}

fn text(object: &Map<String, Value>) -> String {
    match object.is_empty() {
        true => "{}".to_owned(),
        false => serde_json::to_string(object).unwrap_or_default(),
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

/// Messages in a block at the most, and the share of the ring that one may take before the next
/// begins.
const BLOCK: i64 = 256;
const BLOCKS: u64 = 16;

/// Bytes of a body that are written twice.
const MAX_LATER: usize = 4096;

/// What a message takes beside its body, roughly.
const ROW: u64 = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::Properties;
    use crate::store::Store;

    async fn kept(messages: i64, bytes: u64, sizes: &[usize]) -> (Vec<i64>, Store) {
        let store = Store::open(None, false).unwrap();
        let sizes = sizes.to_vec();
        let ring = Ring::new(messages, bytes, 4);
        let kept = store.run(move |c| {
            for size in sizes {
                let body = vec![b'x'; size];
                ring.store(c, Message::new("hub", "d", body, Properties::default(), 1))?;
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
        let ring = Ring::new(100_000, 300_000, 4);
        let left = store.run(move |c| {
            for _ in 0..24 {
                ring.store(
                    c,
                    Message::new("hub", "d", Vec::new(), Properties::default(), 1),
                )?;
            }
            Ok(c.query_row("SELECT min(seq) FROM telemetry", [], |row| {
                row.get::<_, i64>(0)
            })?)
        });
        assert_eq!(left.await, Ok(768));
    }

    fn rows(c: &Connection) -> Result<Vec<String>, Refusal> {
        let mut all = Vec::new();
        for select in [
            "SELECT concat_ws(',', seq, hub, device, enqueued, hex(body), properties, system, qos) FROM telemetry ORDER BY 1",
            "SELECT concat_ws(',', id, hub, number, last_sequence, last_offset, last_enqueued) FROM partitions ORDER BY 1",
            "SELECT concat_ws(',', partition, sequence, offset, enqueued, telemetry) FROM partition_log ORDER BY 1",
        ] {
            let mut select = c.prepare(select)?;
            let rows = select.query_map([], |row| row.get(0))?;
            all.extend(rows.collect::<Result<Vec<String>, _>>()?);
        }
        Ok(all)
    }

    /// Stores messages of some devices, some at once and the others so, in transactions of some.
    async fn stored(later: bool, at_once: fn(usize) -> bool) -> (Vec<String>, Vec<i64>) {
        let store = Store::open(None, false).unwrap();
        let ring = Arc::new(Ring::new(300, 1 << 20, 3));
        let told = Arc::new(Mutex::new(Vec::new()));
        for count in 0..700 {
            let size = if count % 50 == 0 { 5000 } else { count % 90 };
            let properties = Properties::parse(&format!("n={count}")).unwrap();
            let (hub, device) = (["h", "i"][count / 3 % 2], format!("d{}", count % 7));
            let mut message = Message::new(hub, &device, vec![b'x'; size], properties, 1);
            message.enqueued = i64::try_from(count).unwrap();
            let (ring, told) = (Arc::clone(&ring), Arc::clone(&told));
            let tell = move |message: Result<Arc<Message>, Refusal>| {
                let message = message.unwrap();
                let mut told = told.lock().unwrap();
                told.extend([message.seq, message.placed.unwrap().sequence]);
            };
            if at_once(count) {
                store.submit(move |c| ring.store(c, message), tell);
                store.run(|_| Ok(())).await.unwrap();
            } else if later {
                store.enqueue(move |c, later| ring.store_later(c, later, message), tell);
            } else {
                store.enqueue(move |c, _| ring.store(c, message), tell);
            }
            if count % 4 == 0 {
                store.execute_pending();
            }
        }
        store.execute_pending();
        let rows = store.run(rows).await.unwrap();
        let told = std::mem::take(&mut *told.lock().unwrap());
        (rows, told)
    }

    #[tokio::test]
    async fn what_is_left_for_later_comes_to_the_same_as_what_is_stored_at_once() {
        for at_once in [|_| false, |count| count % 31 == 0] {
            let (now, later) = (stored(false, at_once).await, stored(true, at_once).await);
            assert_eq!(now.1.len(), 1400);
            assert_eq!(now, later);
        }
    }
}
