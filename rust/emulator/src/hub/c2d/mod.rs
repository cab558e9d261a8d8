//! Cloud-to-device messages: a queue per device with locks, expiry, delivery count, dead letters
//! and feedback.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Value, json};

use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::hub::feedback;
use crate::hub::registry;
use crate::random;
use crate::settings::C2dPolicy;

mod lock_token;
mod message;
mod outcome;

pub(crate) use lock_token::LockToken;
pub(crate) use message::{Draft, Message, body_of};
pub(crate) use outcome::Outcome;

/// Accepts a message for a device.
pub(crate) fn enqueue(
    connection: &Connection,
    hub: &str,
    device: &str,
    draft: Draft,
    policy: C2dPolicy,
    now: UnixMs,
) -> Result<Message, Refusal> {
    registry::require(connection, hub, device)?;
    if draft.body.len() > MAX_BODY {
        return Err(Refusal::new(
            ErrorCode::MessageTooLarge,
            format!(
                "a cloud-to-device message may have {MAX_BODY} bytes, not {}",
                draft.body.len()
            ),
        ));
    }
    let ack = draft.ack.unwrap_or_else(|| "none".to_owned());
    if !["none", "full", "positive", "negative"].contains(&ack.as_str()) {
        return Err(invalid(format!(
            "iothub-ack '{ack}' is none of none, full, positive, negative"
        )));
    }
    let expiry = draft.expiry.unwrap_or(now + policy.ttl_ms);
    if expiry <= now {
        return Err(invalid(format!(
            "the message's expiry {} is in the past",
            rfc3339(expiry)
        )));
    }
    let waiting = count(connection, hub, device)?;
    if waiting >= policy.depth {
        return Err(Refusal::new(
            ErrorCode::DeviceMaximumQueueDepthExceeded,
            format!("{waiting} messages are waiting for '{device}' already"),
        ));
    }
    let mut message = Message {
        seq: 0,
        message_id: draft.message_id.unwrap_or_else(random::guid),
        body: draft.body,
        properties: draft.properties,
        system: draft.system,
        ack,
        enqueued: now,
        expiry,
        delivery_count: 0,
        again: false,
    };
    connection.execute(
        "INSERT INTO c2d (hub, device, message_id, body, properties, system, ack, enqueued, expiry) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            hub,
            device,
            message.message_id,
            message.body,
            serde_json::to_string(&message.properties).unwrap_or_default(),
            serde_json::to_string(&message.system).unwrap_or_default(),
            message.ack,
            message.enqueued,
            message.expiry
        ],
    )?;
    message.seq = connection.last_insert_rowid();
    Ok(message)
}

/// Locks up to `max` messages for a connection, oldest first; expired and worn-out ones go.
pub(crate) fn lock(
    connection: &Connection,
    hub: &str,
    device: &str,
    number: u64,
    max: usize,
    policy: C2dPolicy,
    now: UnixMs,
) -> Result<Vec<Message>, Refusal> {
    let mut locked = Vec::new();
    while locked.len() < max {
        let mut select = connection.prepare_cached(
            "SELECT * FROM c2d WHERE hub = ?1 AND device = ?2 AND locked_until IS NULL ORDER BY seq LIMIT 1",
        )?;
        let Some(mut message) = select
            .query_row([hub, device], Message::from_row)
            .optional()?
        else {
            break;
        };
        if message.expiry <= now {
            settle(connection, hub, device, message.seq, Outcome::Expired, now)?;
            continue;
        }
        if message.delivery_count >= policy.max_delivery_count {
            settle(
                connection,
                hub,
                device,
                message.seq,
                Outcome::DeliveryCountExceeded,
                now,
            )?;
            continue;
        }
        message.delivery_count += i64::from(policy.counts_deliveries);
        let mut update = connection.prepare_cached(
            "UPDATE c2d SET delivery_count = ?2, connection = ?3, locked_until = ?4 WHERE seq = ?1",
        )?;
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        update.execute(params![
            message.seq,
            message.delivery_count,
            number,
            now + policy.lock_ms
        ])?;
        locked.push(message);
    }
    Ok(locked)
}

/// Ends a message: takes it out, keeps it as a dead letter, writes feedback. `false` if it is gone.
pub(crate) fn settle(
    connection: &Connection,
    hub: &str,
    device: &str,
    seq: i64,
    outcome: Outcome,
    now: UnixMs,
) -> Result<bool, Refusal> {
    let mut select = connection.prepare_cached("SELECT * FROM c2d WHERE seq = ?1")?;
    let Some(message) = select.query_row([seq], Message::from_row).optional()? else {
        return Ok(false);
    };
    connection
        .prepare_cached("DELETE FROM c2d WHERE seq = ?1")?
        .execute([seq])?;
    let wanted = match outcome {
        Outcome::Success => ["full", "positive"],
        _ => ["full", "negative"],
    };
    if wanted.contains(&message.ack.as_str()) {
        feedback::write(connection, hub, device, &message.message_id, outcome, now)?;
    }
    if outcome != Outcome::Success {
        connection.execute(
            "INSERT INTO dead_letters (hub, device, message_id, body, properties, reason, at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                hub,
                device,
                message.message_id,
                message.body,
                serde_json::to_string(&message.properties).unwrap_or_default(),
                outcome.name(),
                now
            ],
        )?;
    }
    Ok(true)
}

/// Puts what a connection had locked back into the queue; all locks if there is no number.
pub(crate) fn unlock(
    connection: &Connection,
    number: Option<u64>,
    policy: C2dPolicy,
) -> Result<(), Refusal> {
    let number = number.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    let mut update = connection.prepare_cached(
        "UPDATE c2d SET connection = NULL, locked_until = NULL, delivery_count = delivery_count + ?2 \
         WHERE locked_until IS NOT NULL AND (?1 IS NULL OR connection = ?1)",
    )?;
    update.execute(params![number, !policy.counts_deliveries])?;
    Ok(())
}

/// Lets locks and messages run out; the devices that have something to get now.
pub(crate) fn sweep(
    connection: &Connection,
    policy: C2dPolicy,
    now: UnixMs,
) -> Result<Vec<(String, String)>, Refusal> {
    let mut expired = connection.prepare_cached(
        "SELECT hub, device, seq FROM c2d WHERE expiry <= ?1 AND locked_until IS NULL",
    )?;
    let expired = expired.query_map([now], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    for (hub, device, seq) in expired.collect::<Result<Vec<(String, String, i64)>, _>>()? {
        settle(connection, &hub, &device, seq, Outcome::Expired, now)?;
    }
    connection
        .prepare_cached(
            "DELETE FROM dead_letters WHERE seq <= (SELECT max(seq) FROM dead_letters) - ?1",
        )?
        .execute([KEEP_DEAD_LETTERS])?;
    let mut unlock = connection.prepare_cached(
        "UPDATE c2d SET connection = NULL, locked_until = NULL, delivery_count = delivery_count + ?2 \
         WHERE locked_until <= ?1 RETURNING hub, device",
    )?;
    let woken = unlock.query_map(params![now, !policy.counts_deliveries], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(woken.collect::<Result<_, _>>()?)
}

/// How many messages wait for a device.
pub(crate) fn count(connection: &Connection, hub: &str, device: &str) -> Result<i64, Refusal> {
    let mut select =
        connection.prepare_cached("SELECT count(*) FROM c2d WHERE hub = ?1 AND device = ?2")?;
    Ok(select.query_row([hub, device], |row| row.get(0))?)
}

/// What waits for a device; the second value says whether it is locked.
pub(crate) fn list(
    connection: &Connection,
    hub: &str,
    device: &str,
) -> Result<Vec<(Message, bool)>, Refusal> {
    let mut select = connection
        .prepare_cached("SELECT * FROM c2d WHERE hub = ?1 AND device = ?2 ORDER BY seq")?;
    let messages = select.query_map([hub, device], |row| {
        Ok((
            Message::from_row(row)?,
            row.get::<_, Option<i64>>("locked_until")?.is_some(),
        ))
    })?;
    Ok(messages.collect::<Result<_, _>>()?)
}

/// Messages of a hub behind `after`, each with its device, in the order in which they were
/// accepted.
pub(crate) fn page(
    connection: &Connection,
    hub: &str,
    after: i64,
    limit: usize,
) -> Result<Vec<(String, Message)>, Refusal> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT * FROM c2d WHERE hub = ?1 AND seq > ?2 ORDER BY seq LIMIT {limit}"
    ))?;
    let messages = select.query_map(rusqlite::params![hub, after], |row| {
        Ok((row.get("device")?, Message::from_row(row)?))
    })?;
    Ok(messages.collect::<Result<_, _>>()?)
}

/// Throws a device's queue away; returns how many messages there were.
pub(crate) fn purge(
    connection: &Connection,
    hub: &str,
    device: &str,
    now: UnixMs,
) -> Result<usize, Refusal> {
    let all = list(connection, hub, device)?;
    for (message, _) in &all {
        settle(connection, hub, device, message.seq, Outcome::Purged, now)?;
    }
    Ok(all.len())
}

/// The latest messages that were given up, newest first, with the reason.
pub(crate) fn dead_letters(
    connection: &Connection,
    hub: &str,
    device: Option<&str>,
) -> Result<Vec<Value>, Refusal> {
    let mut select = connection.prepare_cached(
        "SELECT seq, device, message_id, length(body), reason, at FROM dead_letters \
         WHERE hub = ?1 AND (?2 IS NULL OR device = ?2) ORDER BY seq DESC LIMIT 200",
    )?;
    let letters = select.query_map(params![hub, device], |row| {
        Ok(json!({
            "seq": row.get::<_, i64>(0)?,
            "deviceId": row.get::<_, String>(1)?,
            "messageId": row.get::<_, String>(2)?,
            "size": row.get::<_, i64>(3)?,
            "reason": row.get::<_, String>(4)?,
            "time": rfc3339(row.get(5)?),
        }))
    })?;
    Ok(letters.collect::<Result<_, _>>()?)
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const MAX_BODY: usize = 64 * 1024;
const KEEP_DEAD_LETTERS: i64 = 10_000;
