//! Messages: sections around a body. Part 3, "Messaging", of the standard.

use super::decode::{Decoder, Malformed};
use super::encode::{Items, described_binary, described_list, described_map};
use super::frame::Fields;
use super::value::Value;

/// A message as a peer sent it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::amqp) struct Message {
    /// A map.
    pub annotations: Value,
    /// The section `properties`, with the places below.
    pub properties: Fields,
    /// A map.
    pub application: Value,
    /// The body, if it is bytes.
    pub data: Vec<u8>,
    /// The body, if it is a value.
    pub value: Value,
}

/// The format of a transfer that carries several messages, as azure-iot-sdk-c sends telemetry:
/// Microsoft's, not the standard's.
pub(in crate::amqp) const BATCH: u32 = 0x8001_3700;

/// Places in the section `properties`.
pub(in crate::amqp) mod place {
    pub(in crate::amqp) const MESSAGE_ID: usize = 0;
    pub(in crate::amqp) const USER_ID: usize = 1;
    pub(in crate::amqp) const TO: usize = 2;
    pub(in crate::amqp) const REPLY_TO: usize = 4;
    pub(in crate::amqp) const CORRELATION_ID: usize = 5;
    pub(in crate::amqp) const CONTENT_TYPE: usize = 6;
    pub(in crate::amqp) const CONTENT_ENCODING: usize = 7;
    pub(in crate::amqp) const EXPIRY: usize = 8;
}

impl Message {
    /// Reads all sections; the bodies of several sections `data` are one.
    pub(in crate::amqp) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut message = Self::default();
        let mut decoder = Decoder::new(bytes, MAX_VALUES);
        while !decoder.rest().is_empty() {
            // What is not described is no section, and says nothing.
            let Some((code, section)) = decoder.value()?.into_described() else {
                continue;
            };
            match (code, section) {
                (ANNOTATIONS, section) => message.annotations = section,
                (PROPERTIES, section) => {
                    message.properties = Fields::new(section).unwrap_or_default();
                }
                (APPLICATION, section) => message.application = section,
                (DATA, Value::Binary(bytes)) if message.data.is_empty() => message.data = bytes,
                (DATA, Value::Binary(bytes)) => message.data.extend(bytes),
                (VALUE, section) => message.value = section,
                _ => {}
            }
        }
        Ok(message)
    }

    /// Reads the messages of a batch: each is the body of a section `data`.
    pub(in crate::amqp) fn parse_batch(bytes: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut messages = Vec::new();
        let mut decoder = Decoder::new(bytes, MAX_BATCH_VALUES);
        while !decoder.rest().is_empty() {
            if let Some((DATA, Value::Binary(bytes))) = decoder.value()?.into_described() {
                messages.push(Self::parse(&bytes)?);
            }
        }
        Ok(messages)
    }

    /// The value of an application property.
    pub(in crate::amqp) fn property(&self, name: &str) -> Option<&Value> {
        self.application.entry(name)
    }

    /// The bytes of the body, of whatever kind it is.
    pub(in crate::amqp) fn into_body(self) -> Vec<u8> {
        match self.value {
            Value::Null => self.data,
            Value::Binary(bytes) => bytes,
            value => value.to_text().unwrap_or_default().into_bytes(),
        }
    }
}

/// Writes the section of annotations, keys as symbols.
pub(in crate::amqp) fn annotations(out: &mut Vec<u8>, fill: impl FnOnce(&mut Items<'_>)) {
    described_map(out, 0x72, fill);
}

/// Writes the section of properties, whose thirteen fields `fill` writes.
pub(in crate::amqp) fn properties(out: &mut Vec<u8>, fill: impl FnOnce(&mut Items<'_>)) {
    described_list(out, 0x73, fill);
}

/// Writes the section of application properties.
pub(in crate::amqp) fn application(out: &mut Vec<u8>, fill: impl FnOnce(&mut Items<'_>)) {
    described_map(out, 0x74, fill);
}

/// Writes the body.
pub(in crate::amqp) fn data(out: &mut Vec<u8>, body: &[u8]) {
    described_binary(out, 0x75, body);
}

/// Writes a map as body.
pub(in crate::amqp) fn value_map(out: &mut Vec<u8>, fill: impl FnOnce(&mut Items<'_>)) {
    described_map(out, 0x77, fill);
}

const ANNOTATIONS: u64 = 0x72;
const PROPERTIES: u64 = 0x73;
const APPLICATION: u64 = 0x74;
const DATA: u64 = 0x75;
const VALUE: u64 = 0x77;

/// Values in a message, nested ones counted.
const MAX_VALUES: usize = 4096;

/// Values around the messages of a batch: three for each, or two.
const MAX_BATCH_VALUES: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_thousands_of_small_messages_in_a_batch_and_no_more() {
        let mut small = Vec::new();
        described_binary(&mut small, 0x75, b"1");
        let mut batch = Vec::new();
        for _ in 0..8000 {
            described_binary(&mut batch, 0x75, &small);
        }
        let messages = Message::parse_batch(&batch).unwrap();
        assert_eq!(messages.len(), 8000);
        assert!(messages.iter().all(|it| it.data == b"1"));
        assert!(Message::parse_batch(&batch.repeat(3)).is_err());
    }

    #[test]
    fn reads_its_sections_in_any_number() {
        let mut bytes = Vec::new();
        annotations(&mut bytes, |map| {
            map.symbol("x-opt").long(1);
        });
        properties(&mut bytes, |list| {
            list.string("m1").null().string("/devices/d").nulls(10);
        });
        application(&mut bytes, |map| {
            map.string("Case").string("kept").string("n").int(3);
        });
        data(&mut bytes, b"he");
        data(&mut bytes, b"llo");
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.annotations.entry("x-opt"), Some(&Value::Long(1)));
        assert_eq!(message.properties.str(place::MESSAGE_ID), Some("m1"));
        assert_eq!(message.properties.str(place::TO), Some("/devices/d"));
        assert_eq!(message.property("n"), Some(&Value::Int(3)));
        assert_eq!(message.property("case"), None);
        assert_eq!(message.into_body(), b"hello");
    }

    #[test]
    fn a_value_is_a_body_too() {
        let bytes = [0x00, 0x53, 0x77, 0xa1, 2, b'o', b'k'];
        assert_eq!(Message::parse(&bytes).unwrap().into_body(), b"ok");
    }
}
