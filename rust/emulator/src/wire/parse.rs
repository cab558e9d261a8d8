//! Bytes to packets.

use std::fmt;
use std::sync::Arc;

use mqtt_protocol_core::mqtt::packet::{Qos, v3_1_1};

use super::{Connect, Packet, Publish, ReadError};

/// Reads one packet from its first byte and its body.
pub(crate) fn parse(first: u8, body: &[u8]) -> Result<Packet, ReadError> {
    check_first(first)?;
    match first >> 4 {
        1 => parse_connect(body),
        3 => parse_publish(first & 0x0f, body),
        4 => match *body {
            [high, low] => Ok(Packet::Puback(u16::from_be_bytes([high, low]))),
            _ => Err(ReadError::Malformed("PUBACK has not two bytes".into())),
        },
        8 => {
            let (packet, used) =
                v3_1_1::Subscribe::parse(body).map_err(|error| malformed("SUBSCRIBE", error))?;
            whole("SUBSCRIBE", used, body)?;
            let filters = packet.entries().iter();
            let filters =
                filters.map(|entry| (entry.topic_filter().to_owned(), qos(entry.sub_opts().qos())));
            Ok(Packet::Subscribe(
                nonzero(packet.packet_id(), "SUBSCRIBE")?,
                filters.collect(),
            ))
        }
        10 => {
            let (packet, used) = v3_1_1::Unsubscribe::parse(body)
                .map_err(|error| malformed("UNSUBSCRIBE", error))?;
            whole("UNSUBSCRIBE", used, body)?;
            let filters = packet
                .entries()
                .iter()
                .map(|filter| filter.as_str().to_owned());
            Ok(Packet::Unsubscribe(
                nonzero(packet.packet_id(), "UNSUBSCRIBE")?,
                filters.collect(),
            ))
        }
        12 => {
            whole("PINGREQ", 0, body)?;
            Ok(Packet::Pingreq)
        }
        14 => {
            whole("DISCONNECT", 0, body)?;
            Ok(Packet::Disconnect)
        }
        kind => Err(ReadError::Malformed(format!(
            "a client does not send packet type {kind}"
        ))),
    }
}

/// Packet type and flags; known to be wrong before the rest of a packet has come.
pub(super) fn check_first(first: u8) -> Result<(), ReadError> {
    match first {
        0x10 | 0x30..=0x35 | 0x38..=0x3d | 0x40 | 0x82 | 0xa2 | 0xc0 | 0xe0 => Ok(()),
        _ => Err(ReadError::Malformed(format!(
            "a client does not send packet type {} with flags {:#x}",
            first >> 4,
            first & 0x0f
        ))),
    }
}

fn parse_connect(body: &[u8]) -> Result<Packet, ReadError> {
    // The codec takes what is well-formed; these bits are the caller's to check.
    if let (Some(b"\x00\x04MQTT"), Some(&level), Some(&flags)) =
        (body.get(..6), body.get(6), body.get(7))
    {
        if level != 4 {
            return Err(ReadError::Level(level));
        }
        let will = flags & 0x04 != 0;
        if flags & 0x01 != 0 || flags & 0x18 == 0x18 || (!will && flags & 0x38 != 0) {
            return Err(ReadError::Malformed(format!(
                "CONNECT with flags {flags:#x}"
            )));
        }
    } else if let Some(b"\x00\x06MQIsdp") = body.get(..8) {
        return Err(ReadError::Level(body.get(8).copied().unwrap_or(3)));
    }
    let (packet, used) =
        v3_1_1::Connect::parse(body).map_err(|error| malformed("CONNECT", error))?;
    whole("CONNECT", used, body)?;
    let will = packet.will_topic().map(|topic| Publish {
        topic: topic.to_owned(),
        payload: packet.will_payload().unwrap_or_default().to_vec(),
        qos: qos(packet.will_qos()),
        packet_id: 0,
        dup: false,
        retain: packet.will_retain(),
    });
    Ok(Packet::Connect(Box::new(Connect {
        client_id: packet.client_id().to_owned(),
        user_name: packet.user_name().map(str::to_owned),
        password: packet.password().map(<[u8]>::to_vec),
        keep_alive: packet.keep_alive(),
        clean_session: packet.clean_session(),
        will,
    })))
}

fn parse_publish(flags: u8, body: &[u8]) -> Result<Packet, ReadError> {
    let (packet, _) = v3_1_1::Publish::parse(flags, Arc::from(body))
        .map_err(|error| malformed("PUBLISH", error))?;
    let topic = packet.topic_name();
    if topic.is_empty() {
        return Err(ReadError::Malformed(format!("PUBLISH to topic '{topic}'")));
    }
    let quality = qos(packet.qos());
    let packet_id = match packet.packet_id() {
        Some(id) => nonzero(id, "PUBLISH")?,
        None => 0,
    };
    Ok(Packet::Publish(Publish {
        topic: topic.to_owned(),
        payload: packet.payload().as_slice().to_vec(),
        qos: quality,
        packet_id,
        dup: packet.dup(),
        retain: packet.retain(),
    }))
}

fn qos(qos: Qos) -> u8 {
    match qos {
        Qos::AtMostOnce => 0,
        Qos::AtLeastOnce => 1,
        Qos::ExactlyOnce => 2,
    }
}

fn nonzero(packet_id: u16, name: &str) -> Result<u16, ReadError> {
    match packet_id {
        0 => Err(ReadError::Malformed(format!("{name} with packet id 0"))),
        id => Ok(id),
    }
}

fn whole(name: &str, used: usize, body: &[u8]) -> Result<(), ReadError> {
    match body.len() - used.min(body.len()) {
        0 => Ok(()),
        rest => Err(ReadError::Malformed(format!(
            "{name} has {rest} bytes too many"
        ))),
    }
}

fn malformed(name: &str, error: impl fmt::Debug) -> ReadError {
    ReadError::Malformed(format!("{name}: {error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_packet_is_an_error_and_never_a_panic() {
        for (first, body) in [
            (0x10u8, &b""[..]),
            (0x10, b"\x00\x04MQTT\x04\x18\x00\x00"),
            (
                0x10,
                b"\x00\x04MQTT\x04\x1c\x00\x00\x00\x00\x00\x01a\x00\x00",
            ),
            (0x10, b"\x00\x04MQTT\x04\x02\x00\x00\x00\x00extra"),
            (0x36, b"\x00\x01a\x00\x01"),
            (0x32, b"\x00\x01a\x00\x00"),
            (0x30, b"\x00\x00"),
            (0x40, b"\x00"),
            (0x80, b"\x00\x01\x00\x01a\x00"),
            (0x82, b"\x00\x01"),
            (0x82, b"\x00\x01\x00\x01a\x03"),
            (0x20, b"\x00\x00"),
            (0x00, b""),
            (0xf0, b""),
            (0xc0, b"x"),
        ] {
            assert!(parse(first, body).is_err(), "{first:#x} {body:?}");
        }
        assert!(matches!(
            parse(0x10, b"\x00\x04MQTT\x05\x02\x00\x00\x00\x00"),
            Err(ReadError::Level(5))
        ));
        assert!(matches!(
            parse(0x10, b"\x00\x06MQIsdp\x03\x02\x00\x00\x00\x00"),
            Err(ReadError::Level(3))
        ));
    }
}
