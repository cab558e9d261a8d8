//! What a cloud-to-device message is, and the settings of its queue.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Row;
use serde_json::{Map, Value, json};

use crate::clock::{UnixMs, parse_rfc3339, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::fields;
use crate::id;
use crate::properties;

/// A message on its way to a device.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    /// The position in the queue.
    pub seq: i64,
    /// Chosen by the sender or by the service.
    pub message_id: String,
    /// The body.
    pub body: Vec<u8>,
    /// Application properties.
    pub properties: Vec<(String, properties::Value)>,
    /// Wire name and value of further system properties.
    pub system: Vec<(String, String)>,
    /// `none`, `full`, `positive` or `negative`.
    pub ack: String,
    /// When it was accepted.
    pub enqueued: UnixMs,
    /// When it is given up.
    pub expiry: UnixMs,
    /// How often it has been handed out, as the policy counts.
    pub delivery_count: i64,
    /// Whether it has been handed out before.
    pub again: bool,
}

/// What a sender says of a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    /// Made up if absent.
    pub message_id: Option<String>,
    /// The body.
    pub body: Vec<u8>,
    /// Application properties.
    pub properties: Vec<(String, properties::Value)>,
    /// Wire name and value of system properties.
    pub system: Vec<(String, String)>,
    /// `none` if absent.
    pub ack: Option<String>,
    /// An hour from now if absent.
    pub expiry: Option<UnixMs>,
}

impl Draft {
    /// Ends the message's life at a moment that its sender names; the device is told.
    pub(crate) fn expires(&mut self, at: UnixMs) {
        self.expiry = Some(at);
        self.system.push(("$.exp".to_owned(), rfc3339(at)));
    }

    /// Reads JSON: `body` (a text as it is, other JSON written out) or `bodyBase64`, `messageId`,
    /// `correlationId`, `userId`, `contentType`, `contentEncoding`, `ack`, `expiryTimeUtc`, and
    /// `properties`, whose values may be null.
    pub(crate) fn from_json(document: &Map<String, Value>) -> Result<Self, Refusal> {
        fields::check(document, FIELDS)?;
        let text = |name: &str| match document.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(invalid(format!("{name} must be a text, not {other}"))),
        };
        let mut draft = Self {
            message_id: text("messageId")?,
            ack: text("ack")?,
            body: body_of(document)?,
            ..Self::default()
        };
        for (name, wire) in [
            ("correlationId", "$.cid"),
            ("userId", "$.uid"),
            ("contentType", "$.ct"),
            ("contentEncoding", "$.ce"),
        ] {
            let value = text(name)?.map(|value| (wire.to_owned(), value));
            draft.system.extend(value);
        }
        if let Some(at) = text("expiryTimeUtc")? {
            draft.expires(
                parse_rfc3339(&at)
                    .ok_or_else(|| invalid(format!("expiryTimeUtc '{at}' is no RFC 3339 time")))?,
            );
        }
        let properties = match document.get("properties") {
            None | Some(Value::Null) => None,
            Some(Value::Object(properties)) => Some(properties),
            Some(_) => return Err(invalid("properties must be a JSON object".to_owned())),
        };
        for (name, value) in properties.into_iter().flatten() {
            let value = match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => {
                    return Err(invalid(format!(
                        "property '{name}' must be a text or null, not {other}"
                    )));
                }
            };
            draft.properties.push((name.clone(), value));
        }
        Ok(draft)
    }
}

/// `bodyBase64`, or `body`: a text as it is, other JSON written out.
pub(crate) fn body_of(document: &Map<String, Value>) -> Result<Vec<u8>, Refusal> {
    match (document.get("bodyBase64"), document.get("body")) {
        (Some(Value::String(body)), _) => STANDARD
            .decode(body)
            .map_err(|_| invalid("bodyBase64 is not base64".to_owned())),
        (_, Some(Value::String(body))) => Ok(body.clone().into_bytes()),
        (_, Some(body)) => Ok(body.to_string().into_bytes()),
        (_, None) => Ok(Vec::new()),
    }
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const FIELDS: &[&str] = &[
    "messageId",
    "body",
    "bodyBase64",
    "properties",
    "correlationId",
    "userId",
    "contentType",
    "contentEncoding",
    "ack",
    "expiryTimeUtc",
];

impl Message {
    /// The topic under which a device gets it.
    pub(crate) fn topic(&self, device_id: &str) -> String {
        let path = id::path(device_id);
        let to = format!("/devices/{path}/messages/deviceBound");
        let mut pairs: Vec<(&str, Option<&str>)> =
            vec![("$.mid", Some(&self.message_id)), ("$.to", Some(&to))];
        pairs.extend(
            self.system
                .iter()
                .map(|(key, value)| (key.as_str(), Some(value.as_str()))),
        );
        if self.ack != "none" {
            pairs.push(("iothub-ack", Some(&self.ack)));
        }
        pairs.extend(
            self.properties
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_deref())),
        );
        format!(
            "devices/{path}/messages/devicebound/{}",
            properties::encode_bag(pairs)
        )
    }

    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get("seq")?,
            message_id: row.get("message_id")?,
            body: row.get("body")?,
            properties: serde_json::from_str(&row.get::<_, String>("properties")?)
                .unwrap_or_default(),
            system: serde_json::from_str(&row.get::<_, String>("system")?).unwrap_or_default(),
            ack: row.get("ack")?,
            enqueued: row.get("enqueued")?,
            expiry: row.get("expiry")?,
            delivery_count: row.get("delivery_count")?,
            again: row.get::<_, i64>("delivery_count")? > 0,
        })
    }

    /// What the page and `GET` show.
    pub(crate) fn to_json(&self, locked: bool) -> Value {
        json!({
            "seq": self.seq,
            "messageId": self.message_id,
            "size": self.body.len(),
            "properties": self.properties.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<Map<_, _>>(),
            "ack": self.ack,
            "enqueuedTimeUtc": rfc3339(self.enqueued),
            "expiryTimeUtc": rfc3339(self.expiry),
            "deliveryCount": self.delivery_count,
            "locked": locked,
        })
    }
}
