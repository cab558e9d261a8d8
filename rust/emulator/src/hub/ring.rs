//! What is kept of telemetry: the latest messages, bounded in number and in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, params};
use serde_json::{Map, Value};

use crate::code::Refusal;
use crate::hub::partitions::{self, Partitions};
use crate::hub::telemetry::Message;

/// How much telemetry is kept, and how much there is.
///
/// Counted in blocks of messages, of which the oldest go whole. A message that was counted and
/// whose transaction failed counts until the next start.
#[derive(Debug)]
pub(crate) struct Ring {
    messages: i64,
    bytes: u64,
    blocks: Mutex<Option<VecDeque<Block>>>,
    /// Where it is at the built-in endpoint.
    pub partitions: Partitions,
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
        let text = |object: &Map<String, Value>| serde_json::to_string(object).unwrap_or_default();
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
            connection
                .prepare_cached("DELETE FROM telemetry WHERE seq <= ?1")?
                .execute([last])?;
            partitions::prune(connection, last)?;
        }
        Ok(Arc::new(message))
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

/// Messages in a block at the most, and the share of the ring that one may take before the next
/// begins.
const BLOCK: i64 = 256;
const BLOCKS: u64 = 16;

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
}
