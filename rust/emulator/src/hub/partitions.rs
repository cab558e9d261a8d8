//! The built-in endpoint `events` as an event hub has it: a log in partitions, by a hash of the
//! device id, in order within each.
//!
//! Sequence numbers are counted by each partition for itself, from 0 and without gaps, in the
//! transaction that stores the message; offsets grow with the bytes. Both stay what they are over
//! restarts. What was stored before partitions counted has kept the numbers under which it was
//! handed out: its position among all telemetry.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tokio::sync::watch;

use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::hub::events::{self, Source};
use crate::hub::telemetry::{Message, Placed};
use crate::store::Later;

/// Says whether a message of a device comes to the endpoint.
pub(crate) type Takes = Arc<dyn Fn(&Connection, &Message) -> Result<bool, Refusal> + Send + Sync>;

/// Says what is written into the properties of a message as it comes out of the endpoint.
pub(crate) type Enriches =
    Arc<dyn Fn(&Connection, &Message) -> Result<Vec<(String, String)>, Refusal> + Send + Sync>;

/// How messages are shared out among partitions.
pub(crate) struct Partitions {
    default: u32,
    counts: RwLock<HashMap<String, u32>>,
    takes: RwLock<HashMap<String, Takes>>,
    enriches: RwLock<HashMap<String, Enriches>>,
    ends: Mutex<KnownEnds>,
    /// Changes when something has been appended that is no telemetry.
    pub appended: watch::Sender<u64>,
}

/// The ends of partitions to which nobody else appends.
#[derive(Default)]
struct KnownEnds {
    /// What they are known of.
    generation: u64,
    of: HashMap<String, HashMap<u32, KnownEnd>>,
}

struct KnownEnd {
    id: i64,
    sequence: i64,
    offset: i64,
}

impl fmt::Debug for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions")
            .field("default", &self.default)
            .finish_non_exhaustive()
    }
}

impl Partitions {
    /// So many for each hub that has no number of its own.
    pub(crate) fn new(default: u32) -> Self {
        Self {
            default,
            counts: RwLock::default(),
            takes: RwLock::default(),
            enriches: RwLock::default(),
            ends: Mutex::default(),
            appended: watch::Sender::new(0),
        }
    }

    /// How many a hub has.
    pub(crate) fn count(&self, hub: &str) -> u32 {
        let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
        counts.get(hub).copied().unwrap_or(self.default)
    }

    /// Gives a hub its own number; without one it has that of all.
    pub(crate) fn set_count(&self, hub: &str, count: Option<u32>) {
        let mut counts = self.counts.write().unwrap_or_else(PoisonError::into_inner);
        match count {
            Some(count) => counts.insert(hub.to_owned(), count),
            None => counts.remove(hub),
        };
    }

    /// Sets which messages of a hub's devices come to the endpoint; without it all of them do.
    pub(crate) fn set_takes(&self, hub: &str, takes: Option<Takes>) {
        let mut all = self.takes.write().unwrap_or_else(PoisonError::into_inner);
        match takes {
            Some(takes) => all.insert(hub.to_owned(), takes),
            None => all.remove(hub),
        };
    }

    /// Sets what a hub's messages are enriched with.
    pub(crate) fn set_enriches(&self, hub: &str, enriches: Option<Enriches>) {
        let mut all = self
            .enriches
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match enriches {
            Some(enriches) => all.insert(hub.to_owned(), enriches),
            None => all.remove(hub),
        };
    }

    /// What a hub's messages are enriched with.
    pub(crate) fn enriches(&self, hub: &str) -> Option<Enriches> {
        let all = self.enriches.read().unwrap_or_else(PoisonError::into_inner);
        all.get(hub).cloned()
    }

    /// Appends a message of a device that has just been stored, unless routes lead it elsewhere.
    pub(crate) fn place(
        &self,
        c: &Connection,
        message: &Message,
    ) -> Result<Option<Placed>, Refusal> {
        let takes = self.takes.read().unwrap_or_else(PoisonError::into_inner);
        let takes = takes.get(&message.hub).cloned();
        if let Some(takes) = takes
            && !takes(c, message)?
        {
            return Ok(None);
        }
        self.append(c, message, message.seq, None).map(Some)
    }

    /// Whether every message of a hub's devices comes to the endpoint.
    pub(super) fn takes_all(&self, hub: &str) -> bool {
        let takes = self.takes.read().unwrap_or_else(PoisonError::into_inner);
        takes.is_empty() || !takes.contains_key(hub)
    }

    /// Appends a message of a device that will be stored.
    pub(super) fn append_later(
        &self,
        c: &Connection,
        later: &mut Later,
        message: &Message,
    ) -> Result<Placed, Refusal> {
        let number = of_device(&message.device_id, self.count(&message.hub));
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.generation != later.generation() {
            ends.of.clear();
            ends.generation = later.generation();
        }
        let known = ends.of.get_mut(&message.hub);
        let (id, sequence, offset) = match known.and_then(|of| of.get_mut(&number)) {
            Some(end) => {
                end.sequence += 1;
                end.offset += size(message);
                (end.id, end.sequence, end.offset)
            }
            None => {
                let (id, sequence, offset) = advance(c, message, number)?;
                let of = ends.of.entry(message.hub.clone()).or_default();
                of.insert(
                    number,
                    KnownEnd {
                        id,
                        sequence,
                        offset,
                    },
                );
                (id, sequence, offset)
            }
        };
        let insert = "INSERT OR IGNORE INTO partition_log (partition, sequence, offset, enqueued, telemetry, event) \
             VALUES (?1, ?2, ?3, ?4, ?5, NULL)";
        let numbers = [id, sequence, offset, message.enqueued];
        let values = numbers.into_iter().chain([message.seq]);
        later.put(None, insert, values.map(Value::from).collect::<Vec<_>>());
        let update = "UPDATE partitions SET last_sequence = ?2, last_offset = ?3, last_enqueued = ?4 WHERE id = ?1";
        later.put(
            Some(format!("partition {id}")),
            update,
            numbers.map(Value::from),
        );
        Ok(Placed {
            partition: number,
            sequence,
            offset,
        })
    }

    /// Appends an event of the hub, which stands behind the telemetry of that number.
    pub(crate) fn place_event(
        &self,
        c: &Connection,
        message: &Message,
        telemetry: i64,
    ) -> Result<Placed, Refusal> {
        self.append(c, message, telemetry, Some(message.seq))
    }

    fn append(
        &self,
        c: &Connection,
        message: &Message,
        telemetry: i64,
        event: Option<i64>,
    ) -> Result<Placed, Refusal> {
        let hub = &message.hub;
        let number = of_device(&message.device_id, self.count(hub));
        let (partition, sequence, offset) = advance(c, message, number)?;
        c.prepare_cached(
            "INSERT INTO partition_log (partition, sequence, offset, enqueued, telemetry, event) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            partition,
            sequence,
            offset,
            message.enqueued,
            telemetry,
            event
        ])?;
        Ok(Placed {
            partition: number,
            sequence,
            offset,
        })
    }

    /// Appends what an emulator has stored that did not count in partitions, under the numbers that
    /// it told of then.
    pub(crate) fn take_over(&self, c: &Connection) -> Result<(), Refusal> {
        let begun = c
            .prepare("SELECT 1 FROM settings WHERE key = ?1")?
            .exists([BEGUN])?;
        if begun {
            return Ok(());
        }
        let mut select =
            c.prepare("SELECT seq, hub, device, enqueued FROM telemetry ORDER BY seq")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (seq, hub): (i64, String) = (row.get(0)?, row.get(1)?);
            let (device, enqueued): (String, UnixMs) = (row.get(2)?, row.get(3)?);
            let number = of_device(&device, self.count(&hub));
            let partition: i64 = c
                .prepare_cached(
                    "INSERT INTO partitions (hub, number, last_sequence, last_offset, last_enqueued) \
                     VALUES (?1, ?2, ?3, ?3, ?4) ON CONFLICT (hub, number) DO UPDATE \
                     SET last_sequence = ?3, last_offset = ?3, last_enqueued = ?4 RETURNING id",
                )?
                .query_row(params![hub, number, seq, enqueued], |row| row.get(0))?;
            c.prepare_cached("INSERT INTO partition_log VALUES (?1, ?2, ?2, ?3, ?2, NULL)")?
                .execute(params![partition, seq, enqueued])?;
        }
        c.execute("INSERT INTO settings VALUES (?1, '1')", [BEGUN])?;
        Ok(())
    }
}

/// Counts a message into a partition: the partition's id, and the message's sequence number and
/// offset.
fn advance(c: &Connection, message: &Message, number: u32) -> Result<(i64, i64, i64), Refusal> {
    let hub = &message.hub;
    let next = c
        .prepare_cached(
            "UPDATE partitions SET last_sequence = last_sequence + 1, last_offset = last_offset + ?3, \
             last_enqueued = ?4 WHERE hub = ?1 AND number = ?2 RETURNING id, last_sequence, last_offset",
        )?
        .query_row(params![hub, number, size(message), message.enqueued], numbers)
        .optional()?;
    if let Some(next) = next {
        return Ok(next);
    }
    let mut insert = c.prepare_cached(
        "INSERT INTO partitions (hub, number, last_sequence, last_offset, last_enqueued) \
         VALUES (?1, ?2, 0, 0, ?3) RETURNING id, last_sequence, last_offset",
    )?;
    Ok(insert.query_row(params![hub, number, message.enqueued], numbers)?)
}

/// How far a message moves the offset.
fn size(message: &Message) -> i64 {
    i64::try_from(message.body.len()).unwrap_or(0) + AROUND
}

fn numbers(row: &Row<'_>) -> rusqlite::Result<(i64, i64, i64)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// Forgets what refers to telemetry up to a number, which goes with it.
pub(crate) fn prune(c: &Connection, telemetry: i64) -> Result<(), Refusal> {
    let mut ids = c.prepare_cached("SELECT id FROM partitions")?;
    let ids = ids.query_map([], |row| row.get::<_, i64>(0))?;
    for id in ids.collect::<Result<Vec<_>, _>>()? {
        let first = c
            .prepare_cached(
                "SELECT sequence FROM partition_log WHERE partition = ?1 AND telemetry > ?2 \
                 ORDER BY sequence LIMIT 1",
            )?
            .query_row([id, telemetry], |row| row.get::<_, i64>(0))
            .optional()?;
        c.prepare_cached("DELETE FROM partition_log WHERE partition = ?1 AND sequence < ?2")?
            .execute([id, first.unwrap_or(i64::MAX)])?;
    }
    Ok(())
}

/// The messages of one partition.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    /// The hub's host name.
    pub hub: String,
    /// From 0.
    pub number: u32,
}

impl Partition {
    /// Where a message is in it, if it is.
    pub(crate) fn place_of(&self, message: &Message) -> Option<Placed> {
        message
            .placed
            .filter(|at| at.partition == self.number && message.hub == self.hub)
    }

    /// Its messages after a sequence number, oldest first, in a page that is bounded in messages,
    /// in bytes and in places that are looked at: those of messages that have gone are empty.
    pub(crate) fn after(&self, c: &Connection, since: i64, limit: usize) -> Result<Page, Refusal> {
        let mut page = Page {
            messages: Vec::new(),
            last: since,
            more: false,
        };
        let Some((id, _)) = self.end(c)? else {
            return Ok(page);
        };
        let mut select = c.prepare_cached(
            "SELECT log.sequence, log.offset, log.event, telemetry.* FROM partition_log AS log \
             LEFT JOIN telemetry ON log.event IS NULL AND telemetry.seq = log.telemetry \
             WHERE log.partition = ?1 AND log.sequence > ?2 ORDER BY log.sequence",
        )?;
        let mut rows = select.query([id, since])?;
        let (mut bytes, mut places) = (0, 0);
        while let Some(row) = rows.next()? {
            if page.messages.len() == limit || bytes >= MAX_PAGE || places == MAX_PLACES {
                page.more = true;
                return Ok(page);
            }
            places += 1;
            page.last = row.get("sequence")?;
            let at = Placed {
                partition: self.number,
                sequence: page.last,
                offset: row.get("offset")?,
            };
            let found = match row.get::<_, Option<i64>>("event")? {
                Some(event) => events::at(c, event)?.map(|(source, it)| (source, Arc::new(it))),
                None if row.get_ref("seq")? == rusqlite::types::ValueRef::Null => None,
                None => Some((Source::DeviceMessages, Message::from_row(row)?)),
            };
            // What the ring had no room for any more is left out.
            if let Some((source, message)) = found {
                bytes += message.body.len();
                page.messages.push(Entry {
                    at,
                    source,
                    message,
                });
            }
        }
        Ok(page)
    }

    /// What it begins and ends with.
    pub(crate) fn ends(&self, c: &Connection) -> Result<Ends, Refusal> {
        let Some((id, last)) = self.end(c)? else {
            return Ok(Ends {
                first: 0,
                is_empty: true,
                last: Last::NONE,
            });
        };
        let first = c
            .prepare_cached("SELECT min(sequence) FROM partition_log WHERE partition = ?1")?
            .query_row([id], |row| row.get::<_, Option<i64>>(0))?;
        Ok(Ends {
            first: first.unwrap_or(last.sequence + 1),
            is_empty: first.is_none(),
            last,
        })
    }

    /// The sequence number behind which it holds nothing yet.
    pub(crate) fn latest(&self, c: &Connection) -> Result<i64, Refusal> {
        Ok(self.end(c)?.map_or(-1, |(_, last)| last.sequence))
    }

    /// The sequence number before the first message behind a moment, or at it.
    pub(crate) fn before_time(
        &self,
        c: &Connection,
        at: UnixMs,
        inclusive: bool,
    ) -> Result<i64, Refusal> {
        self.before_first(c, "enqueued", at.saturating_sub(inclusive.into()))
    }

    /// The sequence number before the first message behind an offset, or at it; an offset that
    /// never was is refused.
    pub(crate) fn before_offset(
        &self,
        c: &Connection,
        offset: i64,
        inclusive: bool,
    ) -> Result<i64, Refusal> {
        let last = self.end(c)?.map_or(-1, |(_, last)| last.offset);
        match offset > last {
            true => Err(never_was("offset", offset, last)),
            false => self.before_first(c, "offset", offset.saturating_sub(inclusive.into())),
        }
    }

    /// The sequence number before a message behind another, or before that one itself; one that
    /// never was is refused.
    pub(crate) fn before_sequence(
        &self,
        c: &Connection,
        sequence: i64,
        inclusive: bool,
    ) -> Result<i64, Refusal> {
        let last = self.latest(c)?;
        let before = sequence.saturating_sub(inclusive.into());
        match before > last {
            true => Err(never_was("sequence number", sequence, last)),
            false => Ok(before),
        }
    }

    fn before_first(&self, c: &Connection, column: &str, behind: i64) -> Result<i64, Refusal> {
        let Some((id, last)) = self.end(c)? else {
            return Ok(-1);
        };
        let first = c
            .prepare_cached(&format!(
                "SELECT sequence FROM partition_log WHERE partition = ?1 AND {column} > ?2 \
                 ORDER BY sequence LIMIT 1"
            ))?
            .query_row([id, behind], |row| row.get::<_, i64>(0))
            .optional()?;
        Ok(first.map_or(last.sequence, |first| first - 1))
    }

    /// Its key and its latest message, if there has been one.
    fn end(&self, c: &Connection) -> Result<Option<(i64, Last)>, Refusal> {
        let mut select = c.prepare_cached(
            "SELECT id, last_sequence, last_offset, last_enqueued FROM partitions \
             WHERE hub = ?1 AND number = ?2",
        )?;
        let found = select.query_row(params![self.hub, self.number], |row| {
            let last = Last {
                sequence: row.get(1)?,
                offset: row.get(2)?,
                enqueued: row.get(3)?,
            };
            Ok((row.get(0)?, last))
        });
        Ok(found.optional()?)
    }
}

/// In the words that clients of Event Hubs know.
fn never_was(what: &str, given: i64, last: i64) -> Refusal {
    Refusal::new(
        ErrorCode::ArgumentInvalid,
        format!(
            "The supplied {what} '{given}' is invalid. The last {what} in the system is '{last}'"
        ),
    )
}

/// A message with its place.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its place.
    pub at: Placed,
    /// What it tells of.
    pub source: Source,
    /// The message.
    pub message: Arc<Message>,
}

/// A stretch of a partition.
#[derive(Debug)]
pub(crate) struct Page {
    /// Oldest first.
    pub messages: Vec<Entry>,
    /// Up to which sequence number nothing was left out.
    pub last: i64,
    /// Whether there may be more now.
    pub more: bool,
}

/// What a partition begins and ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The sequence number of the oldest message that is kept.
    pub first: i64,
    /// Whether none is.
    pub is_empty: bool,
    /// The latest.
    pub last: Last,
}

/// The latest message of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    /// Its sequence number.
    pub sequence: i64,
    /// Its offset.
    pub offset: i64,
    /// When it was accepted.
    pub enqueued: UnixMs,
}

impl Last {
    const NONE: Self = Self {
        sequence: -1,
        offset: -1,
        enqueued: 0,
    };
}

/// The name of a hub's Event Hubs-compatible endpoint (`EntityPath`).
pub(crate) fn event_hub(hub: &str) -> String {
    format!("iothub-ehub-{hub}")
}

/// The connection string of a hub's Event Hubs-compatible endpoint, with the key of `iothubowner`.
pub(crate) fn connection_string(hub: &str, port: u16, key: &str) -> String {
    let entity = event_hub(hub);
    format!(
        "Endpoint=sb://{hub}:{port}/;SharedAccessKeyName=iothubowner;SharedAccessKey={key};EntityPath={entity}"
    )
}

/// The connection string of services at a hub, with the key of `iothubowner`.
pub(crate) fn service_connection_string(hub: &str, key: &str) -> String {
    format!("HostName={hub};SharedAccessKeyName=iothubowner;SharedAccessKey={key}")
}

/// The partition of a device. FNV-1a: the same in every version, as long as the number of
/// partitions is.
pub(crate) fn of_device(device_id: &str, partitions: u32) -> u32 {
    let hash = device_id.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash % partitions.max(1)
}

/// Bytes of bodies in a page.
const MAX_PAGE: usize = 512 * 1024;
const MAX_PLACES: usize = 4096;

/// What a message takes beside its body, as offsets have it.
const AROUND: i64 = 64;

/// Whether partitions have counted in a folder before.
const BEGUN: &str = "partition log";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::ring::Ring;
    use crate::properties::Properties;
    use crate::store::Store;

    fn message(device: &str, enqueued: UnixMs) -> Message {
        let mut message = Message::new("hub", device, vec![0; 36], Properties::default(), 1);
        message.enqueued = enqueued;
        message
    }

    async fn store(devices: &[&str]) -> Store {
        let store = Store::open(None, false).unwrap();
        let devices: Vec<String> = devices.iter().map(|it| (*it).to_owned()).collect();
        let ring = Ring::new(100_000, u64::MAX, 4);
        let filled = store.run(move |c| {
            for (at, device) in devices.iter().enumerate() {
                ring.store(c, message(device, 1000 + at as i64 * 10))?;
            }
            Ok(())
        });
        filled.await.unwrap();
        store
    }

    fn partition(number: u32) -> Partition {
        Partition {
            hub: "hub".to_owned(),
            number,
        }
    }

    fn all_of(c: &Connection, number: u32) -> Result<Vec<Entry>, Refusal> {
        let (mut found, mut last) = (Vec::new(), -1);
        loop {
            let page = partition(number).after(c, last, 3)?;
            last = page.last;
            found.extend(page.messages);
            if !page.more {
                return Ok(found);
            }
        }
    }

    #[tokio::test]
    async fn every_message_is_in_one_partition_which_counts_without_gaps() {
        let names: Vec<String> = (0..40).map(|number| format!("dev{}", number % 7)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let store = store(&names).await;
        let mut all = Vec::new();
        for number in 0..4 {
            let entries = store.read(move |c| all_of(c, number)).await.unwrap();
            let sequences: Vec<i64> = entries.iter().map(|it| it.at.sequence).collect();
            let expected = 0..i64::try_from(entries.len()).unwrap();
            assert_eq!(sequences, expected.collect::<Vec<_>>());
            assert!(entries.is_sorted_by(|a, b| a.at.offset < b.at.offset));
            assert!(entries.is_sorted_by(|a, b| a.message.seq < b.message.seq));
            all.extend(entries.iter().map(|entry| entry.message.seq));
        }
        all.sort_unstable();
        assert_eq!(all, (1..=40).collect::<Vec<i64>>());
    }

    #[tokio::test]
    async fn knows_its_ends_and_where_to_begin() {
        // Each of a, b and c is in a partition of its own; a's messages are of 1000 and 1020.
        let store = store(&["a", "b", "a", "c", "b"]).await;
        let found = store.read(|c| {
            let of_a = of_device("a", 4);
            let a = partition(of_a);
            let none = (0..4).find(|it| *it != of_a && all_of(c, *it).unwrap().is_empty());
            let times = [(1000, false), (1000, true), (1020, false), (0, false)]
                .map(|(at, inclusive)| a.before_time(c, at, inclusive));
            assert_eq!(times, [Ok(0), Ok(-1), Ok(1), Ok(-1)]);
            let offsets = [(0, false), (0, true), (100, false), (100, true), (1, false)]
                .map(|(offset, inclusive)| a.before_offset(c, offset, inclusive));
            assert_eq!(offsets, [Ok(0), Ok(-1), Ok(1), Ok(0), Ok(0)]);
            let sequences = [(0, true), (1, false), (2, true)]
                .map(|(number, inclusive)| a.before_sequence(c, number, inclusive));
            assert_eq!(sequences, [Ok(-1), Ok(1), Ok(1)]);
            for wrong in [
                a.before_offset(c, 101, true),
                a.before_sequence(c, 2, false),
                a.before_sequence(c, 3, true),
                partition(none.unwrap()).before_offset(c, 0, false),
            ] {
                assert_eq!(wrong.unwrap_err().code, ErrorCode::ArgumentInvalid);
            }
            let empty = partition(none.unwrap()).ends(c)?;
            assert_eq!(
                (empty.is_empty, empty.first, empty.last),
                (true, 0, Last::NONE)
            );
            a.ends(c)
        });
        let ends = found.await.unwrap();
        assert_eq!((ends.first, ends.is_empty), (0, false));
        let last = (ends.last.sequence, ends.last.offset, ends.last.enqueued);
        assert_eq!(last, (1, 100, 1020));
    }

    #[tokio::test]
    async fn numbers_go_on_where_the_ring_has_dropped_all() {
        let store = Store::open(None, false).unwrap();
        let left = store.run(|c| {
            let ring = Ring::new(100_000, u64::MAX, 1);
            for at in 0..5 {
                ring.store(c, message("a", at))?;
            }
            prune(c, 3)?;
            let some = partition(0).ends(c)?;
            prune(c, 5)?;
            let none = partition(0).ends(c)?;
            assert_eq!((some.first, none.first, none.is_empty), (3, 5, true));
            assert_eq!(partition(0).latest(c), Ok(4));
            ring.store(c, message("a", 9))
        });
        assert_eq!(left.await.unwrap().placed.unwrap().sequence, 5);
    }

    #[tokio::test]
    async fn a_page_ends_in_the_middle_of_places_whose_messages_have_gone() {
        let store = Store::open(None, false).unwrap();
        let pages = store.run(|c| {
            let ring = Ring::new(100_000, u64::MAX, 1);
            for at in 0..3 {
                ring.store(c, message("a", at))?;
            }
            c.execute("DELETE FROM telemetry", [])?;
            c.execute(
                "WITH RECURSIVE more(n) AS (SELECT 3 UNION ALL SELECT n + 1 FROM more WHERE n < 4999) \
                 INSERT INTO partition_log (partition, sequence, offset, enqueued, telemetry) \
                 SELECT partition, n, n * 100, n, 1000 + n FROM more JOIN partition_log ON sequence = 0",
                [],
            )?;
            let first = partition(0).after(c, -1, 100)?;
            let second = partition(0).after(c, first.last, 100)?;
            let count = first.messages.len() + second.messages.len();
            Ok((count, first.last, first.more, second.last, second.more))
        });
        assert_eq!(pages.await.unwrap(), (0, 4095, true, 4999, false));
    }

    #[tokio::test]
    async fn places_of_events_go_with_the_events_where_there_is_no_telemetry() {
        let store = Store::open(None, false).unwrap();
        let left = store.run(|c| {
            let ring = Ring::new(100_000, u64::MAX, 1);
            events::set_sources(c, "hub", &[Source::TwinChange])?;
            // The next is one of those with which the oldest go, up to number 352.
            c.execute(
                "INSERT INTO sqlite_sequence VALUES ('hub_events', 100351)",
                [],
            )?;
            for seq in [352, 353] {
                let event = Message {
                    seq,
                    ..message("a", 1)
                };
                ring.partitions.place_event(c, &event, 0)?;
            }
            let body = || serde_json::json!({});
            events::note(c, "hub", "a", Source::TwinChange, "updateTwin", body, 2)?;
            partition(0).ends(c)
        });
        assert_eq!(left.await.unwrap().first, 1);
    }

    #[tokio::test]
    async fn what_was_stored_before_keeps_its_numbers() {
        let store = store(&["a", "b", "a"]).await;
        let found = store.run(|c| {
            c.execute_batch("DELETE FROM partitions; DELETE FROM partition_log")?;
            let ring = Ring::new(100_000, u64::MAX, 4);
            ring.partitions.take_over(c)?;
            // Once.
            ring.partitions.take_over(c)?;
            ring.store(c, message("a", 9))?;
            all_of(c, of_device("a", 4))
        });
        let found = found.await.unwrap();
        let numbers: Vec<_> = found
            .iter()
            .map(|it| (it.at.sequence, it.at.offset))
            .collect();
        assert_eq!(numbers, [(1, 1), (3, 3), (4, 103)]);
    }

    #[tokio::test]
    async fn a_message_that_failed_leaves_no_gap() {
        let store = store(&["a"]).await;
        let failed = store.run(|c| {
            Ring::new(100, u64::MAX, 4).store(c, message("a", 1))?;
            Err::<(), _>(Refusal::new(ErrorCode::ServerError, "no"))
        });
        failed.await.unwrap_err();
        let next = store.run(|c| Ring::new(100, u64::MAX, 4).store(c, message("a", 2)));
        assert_eq!(next.await.unwrap().placed.unwrap().sequence, 1);
    }
}
