//! What senders of cloud-to-device messages asked to be told.

use rusqlite::Connection;
use serde_json::json;

use crate::clock::{UnixMs, rfc3339};
use crate::code::Refusal;
use crate::hub::c2d::Outcome;
use crate::hub::locked_records::{Batch, Records};
use crate::hub::registry;

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
    FEEDBACK.write(c, hub, &record, now)
}

/// Locks the oldest records of a hub; `None` if there is nothing to tell.
pub(crate) fn receive(c: &Connection, hub: &str, now: UnixMs) -> Result<Option<Batch>, Refusal> {
    FEEDBACK.receive(c, hub, now)
}

/// Forgets a batch that the service has taken.
pub(crate) fn complete(c: &Connection, hub: &str, token: &str, now: UnixMs) -> Result<(), Refusal> {
    FEEDBACK.complete(c, hub, token, now)
}

/// Gives a batch back, for the next one who asks.
pub(crate) fn abandon(c: &Connection, hub: &str, token: &str, now: UnixMs) -> Result<(), Refusal> {
    FEEDBACK.abandon(c, hub, token, now)
}

/// Lets records run out that nobody asked for.
pub(crate) fn sweep(c: &Connection, ttl_ms: i64, now: UnixMs) -> Result<(), Refusal> {
    FEEDBACK.sweep(c, ttl_ms, now)
}

/// 64 in a batch, as Azure has it.
pub(crate) const FEEDBACK: Records = Records {
    table: "feedback_records",
    batch: 64,
    what: "batch of feedback",
};
