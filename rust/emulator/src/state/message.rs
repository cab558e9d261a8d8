//! Cloud-to-device messages that wait.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::{invalid, text};
use crate::clock::{UnixMs, parse_rfc3339, rfc3339};
use crate::code::Refusal;
use crate::hub::c2d::{self, Draft, Message};
use crate::settings::C2dPolicy;

pub(super) fn export(hub: &str, device: &str, message: &Message) -> Value {
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
}

/// What waited once may wait again.
const EVERYTHING: C2dPolicy = C2dPolicy {
    depth: i64::MAX,
    ..C2dPolicy::AZURE
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
    let body = c2d::body_of(one.as_object().unwrap_or(&Map::new()))?;
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
