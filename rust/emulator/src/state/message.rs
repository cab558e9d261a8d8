//! Cloud-to-device messages that wait.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{invalid, text};
use crate::c2d::{self, Draft, Policy};
use crate::clock::{UnixMs, parse_rfc3339, rfc3339};
use crate::code::Refusal;

pub(super) fn export(c: &Connection, hub: &str, device: &str) -> Result<Vec<Value>, Refusal> {
    let waiting = c2d::list(c, hub, device)?.into_iter();
    Ok(waiting
        .map(|(message, _)| {
            json!({
                "hub": hub,
                "deviceId": device,
                "messageId": message.message_id,
                "bodyBase64": STANDARD.encode(&message.body),
                "properties": message.properties,
                "systemProperties": message.system,
                "ack": message.ack,
                "expiryTimeUtc": rfc3339(message.expiry),
            })
        })
        .collect())
}

/// What waited once may wait again.
const EVERYTHING: Policy = Policy {
    depth: i64::MAX,
    ..Policy::AZURE
};

/// Puts a message into its queue, unless its time is over or one of the same id waits; with
/// `replace` the one that waits goes.
pub(super) fn import(
    c: &Connection,
    hub: &str,
    one: &Value,
    replace: bool,
    now: UnixMs,
) -> Result<bool, Refusal> {
    let (device, id) = (text(one, "deviceId")?, text(one, "messageId")?);
    let expiry = match one.get("expiryTimeUtc").and_then(Value::as_str) {
        None => None,
        Some(text) => Some(
            parse_rfc3339(text)
                .ok_or_else(|| invalid(format!("expiryTimeUtc '{text}' is no RFC 3339 time")))?,
        ),
    };
    if expiry.is_some_and(|expiry| expiry <= now) {
        return Ok(false);
    }
    let waiting = c2d::list(c, hub, device)?;
    if let Some((known, _)) = waiting.iter().find(|(known, _)| known.message_id == id) {
        if !replace {
            return Ok(false);
        }
        c.execute("DELETE FROM c2d WHERE seq = ?1", [known.seq])?;
    }
    let body = match (one.get("bodyBase64"), one.get("body")) {
        (Some(Value::String(body)), _) => STANDARD
            .decode(body)
            .map_err(|_| invalid("bodyBase64 is not base64"))?,
        (_, Some(Value::String(body))) => body.clone().into_bytes(),
        (_, Some(body)) => body.to_string().into_bytes(),
        (_, None) => Vec::new(),
    };
    let pairs = |name: &str| one.get(name).cloned().unwrap_or_else(|| json!([]));
    let wrong = |name: &str| invalid(format!("'{name}' must be a list of pairs"));
    let draft = Draft {
        message_id: Some(id.to_owned()),
        body,
        properties: serde_json::from_value(pairs("properties")).map_err(|_| wrong("properties"))?,
        system: serde_json::from_value(pairs("systemProperties"))
            .map_err(|_| wrong("systemProperties"))?,
        ack: one.get("ack").and_then(Value::as_str).map(str::to_owned),
        expiry,
    };
    c2d::enqueue(c, hub, device, draft, EVERYTHING, now)?;
    Ok(true)
}
