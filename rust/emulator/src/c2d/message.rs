//! What a cloud-to-device message is, and the settings of its queue.

use rusqlite::Row;
use serde_json::{Value, json};

use crate::clock::{UnixMs, rfc3339};
use crate::properties;

/// A message on its way to a device.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    /// Its position in the queue.
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

/// The queue's settings, with Azure's defaults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// How long a message is locked for a connection.
    pub lock_ms: i64,
    /// How often a message is handed out at most.
    pub max_delivery_count: i64,
    /// How long a message lives unless its sender says so.
    pub ttl_ms: i64,
    /// Whether each handing out counts as a delivery, or only one that came to nothing; Microsoft's
    /// statements differ.
    pub counts_deliveries: bool,
    /// How many messages may wait.
    pub depth: i64,
}

impl Policy {
    /// Azure's defaults.
    pub(crate) const AZURE: Self = Self {
        lock_ms: 60_000,
        max_delivery_count: 10,
        ttl_ms: 3_600_000,
        counts_deliveries: true,
        depth: 50,
    };
}

impl Message {
    /// The topic under which a device gets it.
    pub(crate) fn topic(&self, device_id: &str) -> String {
        let to = format!("/devices/{device_id}/messages/deviceBound");
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
            "devices/{device_id}/messages/devicebound/{}",
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
            "properties": self.properties.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "ack": self.ack,
            "enqueuedTimeUtc": rfc3339(self.enqueued),
            "expiryTimeUtc": rfc3339(self.expiry),
            "deliveryCount": self.delivery_count,
            "locked": locked,
        })
    }
}
