//! Telemetry as an event hub has it: in partitions, by a hash of the device id, in order within each.
//!
//! Sequence numbers and offsets are the positions of the storage, which all partitions count together: they grow, stay what they
//! are over restarts, and have gaps.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::clock::UnixMs;
use crate::code::Refusal;
use crate::hub::telemetry::Message;

/// The messages of one partition.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    /// The hub's host name.
    pub hub: String,
    /// From 0.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl Partition {
    /// Whether a device's messages are in it.
    pub(crate) fn has(&self, hub: &str, device_id: &str) -> bool {
        self.hub == hub && of_device(device_id, self.of) == self.number
    }

    /// Its messages after a position, oldest first, in a page that is bounded in messages, in bytes and in what is looked at.
    pub(crate) fn after(&self, c: &Connection, since: i64, limit: usize) -> Result<Page, Refusal> {
        let mut select =
            c.prepare_cached("SELECT * FROM telemetry WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
        let mut rows = select.query(params![since, MAX_SCAN])?;
        let mut page = Page {
            messages: Vec::new(),
            last: since,
            more: false,
        };
        let (mut seen, mut bytes) = (0, 0);
        while let Some(row) = rows.next()? {
            if page.messages.len() == limit || bytes >= MAX_PAGE {
                page.more = true;
                return Ok(page);
            }
            seen += 1;
            page.last = row.get("seq")?;
            // Borrowed: what belongs to another partition is not copied.
            let (hub, device) = (row.get_ref("hub")?, row.get_ref("device")?);
            if !self.has(text(hub.as_str())?, text(device.as_str())?) {
                continue;
            }
            let message = Message::from_row(row)?;
            bytes += message.body.len();
            page.messages.push(message);
        }
        page.more = seen == MAX_SCAN;
        Ok(page)
    }

    /// Its first message and its last one, each with the time at which it was accepted.
    pub(crate) fn ends(&self, c: &Connection) -> Result<Option<Ends>, Refusal> {
        let find = |order: &str| -> Result<Option<(i64, UnixMs)>, Refusal> {
            let mut select = c.prepare_cached(&format!(
                "SELECT hub, device, seq, enqueued FROM telemetry ORDER BY seq {order}"
            ))?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let (hub, device) = (row.get_ref("hub")?, row.get_ref("device")?);
                if self.has(text(hub.as_str())?, text(device.as_str())?) {
                    return Ok(Some((row.get("seq")?, row.get("enqueued")?)));
                }
            }
            Ok(None)
        };
        let (Some((first, _)), Some((last, enqueued))) = (find("ASC")?, find("DESC")?) else {
            return Ok(None);
        };
        Ok(Some(Ends {
            first,
            last,
            enqueued,
        }))
    }
}

/// A stretch of a partition.
#[derive(Debug)]
pub(crate) struct Page {
    /// Oldest first.
    pub messages: Vec<Arc<Message>>,
    /// Up to which position nothing was left out.
    pub last: i64,
    /// Whether there may be more now.
    pub more: bool,
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The position of the oldest message that is kept.
    pub first: i64,
    /// The position of the latest one.
    pub last: i64,
    /// When the latest was accepted.
    pub enqueued: UnixMs,
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

/// The position behind which there is nothing yet.
pub(crate) fn end(c: &Connection) -> Result<i64, Refusal> {
    Ok(
        c.query_row("SELECT ifnull(max(seq), 0) FROM telemetry", [], |row| {
            row.get(0)
        })?,
    )
}

/// The position before the first message that was accepted after a moment, or at it.
pub(crate) fn before_time(c: &Connection, at: UnixMs, inclusive: bool) -> Result<i64, Refusal> {
    let at = at.saturating_sub(inclusive.into());
    let mut select =
        c.prepare_cached("SELECT seq FROM telemetry WHERE enqueued > ?1 ORDER BY seq LIMIT 1")?;
    let first = select
        .query_row([at], |row| row.get::<_, i64>(0))
        .optional()?;
    match first {
        Some(first) => Ok(first - 1),
        None => end(c),
    }
}

/// FNV-1a: the same in every version, as long as the number of partitions is.
fn of_device(device_id: &str, partitions: u32) -> u32 {
    let hash = device_id.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash % partitions.max(1)
}

fn text<E>(text: Result<&str, E>) -> Result<&str, Refusal>
where
    rusqlite::Error: From<E>,
{
    text.map_err(|error| Refusal::from(rusqlite::Error::from(error)))
}

/// Messages that are looked at for one page, and bytes of bodies in it.
const MAX_SCAN: i64 = 2000;
const MAX_PAGE: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::telemetry::Ring;
    use crate::properties::Properties;
    use crate::store::Store;

    async fn store(devices: &[&str]) -> Store {
        let store = Store::open(None, false).unwrap();
        let devices: Vec<String> = devices.iter().map(|it| (*it).to_owned()).collect();
        let ring = Ring::new(100_000, u64::MAX);
        let filled = store.run(move |c| {
            for (at, device) in devices.iter().enumerate() {
                let mut message = Message::new("hub", device, Vec::new(), Properties::default(), 1);
                message.enqueued = 1000 + at as i64 * 10;
                message.store(c, &ring)?;
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
            of: 4,
        }
    }

    #[tokio::test]
    async fn every_message_is_in_one_partition_in_order() {
        let names: Vec<String> = (0..40).map(|number| format!("dev{}", number % 7)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let store = store(&names).await;
        let mut all = Vec::new();
        for number in 0..4 {
            let messages = store.read(move |c| {
                let (mut found, mut last) = (Vec::new(), 0);
                loop {
                    let page = partition(number).after(c, last, 3)?;
                    last = page.last;
                    found.extend(page.messages);
                    if !page.more {
                        return Ok(found);
                    }
                }
            });
            let messages = messages.await.unwrap();
            assert!(messages.is_sorted_by_key(|message| message.seq));
            all.extend(messages.iter().map(|message| message.seq));
        }
        all.sort_unstable();
        assert_eq!(all, (1..=40).collect::<Vec<i64>>());
    }

    #[tokio::test]
    async fn knows_its_ends_and_where_a_time_is() {
        // a, b and c are in partitions 0, 1 and 2 of 4.
        let store = store(&["a", "b", "a", "c", "b"]).await;
        let found = store.read(|c| {
            let ends = (0..4).map(|number| partition(number).ends(c));
            let ends = ends.collect::<Result<Vec<_>, _>>()?;
            let times = [(1020, false), (1020, true), (5000, true), (0, false)]
                .map(|(at, inclusive)| before_time(c, at, inclusive));
            Ok((ends, times))
        });
        let (ends, times) = found.await.unwrap();
        let a = ends.iter().flatten().find(|it| it.first == 1);
        let expected = Ends {
            first: 1,
            last: 3,
            enqueued: 1020,
        };
        assert_eq!(a, Some(&expected));
        assert_eq!(ends.iter().flatten().count(), 3);
        assert_eq!(times, [Ok(3), Ok(2), Ok(5), Ok(0)]);
    }
}
