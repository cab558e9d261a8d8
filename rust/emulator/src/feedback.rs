//! What senders of cloud-to-device messages asked to be told: records in batches, each under a lock
//! until the service has taken it.

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::c2d::{Outcome, guid};
use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::registry;

/// Records that are handed out together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Batch {
    /// With which the batch is completed or given back.
    pub lock_token: String,
    /// Azure's JSON, oldest first.
    pub records: Vec<Value>,
}

/// Writes a record about a message that has ended.
pub(crate) fn write(
    c: &Connection,
    hub: &str,
    device: &str,
    message_id: &str,
    outcome: Outcome,
    now: UnixMs,
) -> Result<(), Refusal> {
    let generation = registry::find(c, hub, device)?.map(|device| device.generation_id);
    let record = json!({
        "originalMessageId": message_id,
        "enqueuedTimeUtc": rfc3339(now),
        "statusCode": outcome.name(),
        "description": outcome.name(),
        "deviceId": device,
        "deviceGenerationId": generation,
    });
    c.execute(
        "INSERT INTO feedback_records (hub, record, created) VALUES (?1, ?2, ?3)",
        params![hub, record.to_string(), now],
    )?;
    Ok(())
}

/// Locks the oldest records of a hub; `None` if there is nothing to tell.
pub(crate) fn receive(c: &Connection, hub: &str, now: UnixMs) -> Result<Option<Batch>, Refusal> {
    let lock_token = guid();
    let mut lock = c.prepare_cached(
        "UPDATE feedback_records SET lock_token = ?2, locked_until = ?3 WHERE seq IN \
         (SELECT seq FROM feedback_records WHERE hub = ?1 AND ifnull(locked_until, 0) <= ?4 \
          ORDER BY seq LIMIT ?5)",
    )?;
    lock.execute(params![hub, lock_token, now + LOCK_MS, now, BATCH])?;
    let mut select =
        c.prepare_cached("SELECT record FROM feedback_records WHERE lock_token = ?1 ORDER BY seq")?;
    let records = select
        .query_map([&lock_token], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let records: Vec<Value> = records
        .iter()
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect();
    Ok((!records.is_empty()).then_some(Batch {
        lock_token,
        records,
    }))
}

/// Forgets a batch that the service has taken.
pub(crate) fn complete(c: &Connection, hub: &str, token: &str, now: UnixMs) -> Result<(), Refusal> {
    let gone = c.execute(
        "DELETE FROM feedback_records WHERE hub = ?1 AND lock_token = ?2 AND locked_until > ?3",
        params![hub, token, now],
    )?;
    held(gone)
}

/// Gives a batch back, for the next one who asks.
pub(crate) fn abandon(c: &Connection, hub: &str, token: &str, now: UnixMs) -> Result<(), Refusal> {
    let given = c.execute(
        "UPDATE feedback_records SET lock_token = NULL, locked_until = NULL \
         WHERE hub = ?1 AND lock_token = ?2 AND locked_until > ?3",
        params![hub, token, now],
    )?;
    held(given)
}

/// Lets records run out that nobody asked for.
pub(crate) fn sweep(c: &Connection, ttl_ms: i64, now: UnixMs) -> Result<(), Refusal> {
    c.prepare_cached("DELETE FROM feedback_records WHERE created <= ?1")?
        .execute([now - ttl_ms])?;
    Ok(())
}

fn held(records: usize) -> Result<(), Refusal> {
    match records {
        0 => Err(Refusal::new(
            ErrorCode::DeviceMessageLockLost,
            "no batch of feedback is held under this lock token; it ends after a minute",
        )),
        _ => Ok(()),
    }
}

/// Azure's default.
const LOCK_MS: i64 = 60_000;
/// Azure's size.
const BATCH: i64 = 64;
