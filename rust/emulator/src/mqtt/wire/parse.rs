//! Bytes to packets.

use std::fmt;

use mqtt_protocol_core::mqtt::packet::{Qos, SubOpts, v3_1_1};

use super::{Connect, Packet, Publish, ReadError};

/// Reads one packet from its first byte and its body.
pub(crate) fn parse(first: u8, body: &[u8]) -> Result<Packet, ReadError> {
    check_first(first)?;
    match first >> 4 {
        1 => parse_connect(body),
        3 => parse_publish(first & 0x0f, body),
        4 => match *body {
            [high, low] => {
                let id = u16::from_be_bytes([high, low]);
                Ok(Packet::Puback(nonzero(id, "PUBACK")?))
            }
            _ => Err(ReadError::Malformed("PUBACK has not two bytes".into())),
        },
        8 => {
            let (packet, used) =
                v3_1_1::Subscribe::parse(body).map_err(|error| malformed("SUBSCRIBE", error))?;
            whole("SUBSCRIBE", used, body)?;
            let filters = packet.entries().iter().map(|entry| {
                let filter = filter("SUBSCRIBE", entry.topic_filter())?;
                let options = entry.sub_opts();
                // The codec takes what MQTT 5 has there.
                if *options != SubOpts::new().set_qos(options.qos()) {
                    let what = "SUBSCRIBE with reserved bits that are set [MQTT-3.8.3-4]";
                    return Err(ReadError::Malformed(what.to_owned()));
                }
                Ok((filter, qos(options.qos())))
            });
            Ok(Packet::Subscribe(
                nonzero(packet.packet_id(), "SUBSCRIBE")?,
                some("SUBSCRIBE", filters.collect::<Result<_, _>>()?)?,
            ))
        }
        10 => {
            let (packet, used) = v3_1_1::Unsubscribe::parse(body)
                .map_err(|error| malformed("UNSUBSCRIBE", error))?;
            whole("UNSUBSCRIBE", used, body)?;
            let filters = packet.entries().iter();
            let filters = filters.map(|entry| filter("UNSUBSCRIBE", entry.as_str()));
            Ok(Packet::Unsubscribe(
                nonzero(packet.packet_id(), "UNSUBSCRIBE")?,
                some("UNSUBSCRIBE", filters.collect::<Result<_, _>>()?)?,
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
        0x10 | 0x30..=0x35 | 0x3a..=0x3d | 0x40 | 0x82 | 0xa2 | 0xc0 | 0xe0 => Ok(()),
        0x38 | 0x39 => Err(ReadError::Malformed(
            "PUBLISH with QoS 0 and DUP [MQTT-3.3.1-2]".to_owned(),
        )),
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
    let will = packet.will_topic().map(|topic| {
        Ok(Publish {
            topic: name("the will", topic)?.to_owned(),
            payload: packet.will_payload().unwrap_or_default().to_vec(),
            qos: qos(packet.will_qos()),
            packet_id: 0,
            retain: packet.will_retain(),
        })
    });
    let user_name = packet
        .user_name()
        .map(|user_name| text("CONNECT", user_name));
    Ok(Packet::Connect(Box::new(Connect {
        client_id: text("CONNECT", packet.client_id())?.to_owned(),
        user_name: user_name.transpose()?.map(str::to_owned),
        password: packet.password().map(<[u8]>::to_vec),
        keep_alive: packet.keep_alive(),
        clean_session: packet.clean_session(),
        will: will.transpose()?,
    })))
}

/// By hand, since the body is copied once on its way to the storage, and the codec would copy it
/// twice more.
fn parse_publish(flags: u8, body: &[u8]) -> Result<Packet, ReadError> {
    let short = || ReadError::Malformed("PUBLISH ends before its body begins".to_owned());
    let (length, rest) = body.split_first_chunk().ok_or_else(short)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (topic, rest) = rest.split_at_checked(length).ok_or_else(short)?;
    let topic = std::str::from_utf8(topic)
        .map_err(|_| ReadError::Malformed("PUBLISH to a topic that is not UTF-8".to_owned()))?;
    let topic = name("PUBLISH", topic)?;
    let qos = (flags >> 1) & 3;
    let (packet_id, payload) = match qos {
        0 => (0, rest),
        _ => {
            let (id, payload) = rest.split_first_chunk().ok_or_else(short)?;
            (nonzero(u16::from_be_bytes(*id), "PUBLISH")?, payload)
        }
    };
    Ok(Packet::Publish(Publish {
        topic: topic.to_owned(),
        payload: payload.to_vec(),
        qos,
        packet_id,
        retain: flags & 1 != 0,
    }))
}

/// A topic that is published to: not empty, and without wildcards [MQTT-3.3.2-2].
fn name<'t>(packet: &str, topic: &'t str) -> Result<&'t str, ReadError> {
    match text(packet, topic)? {
        "" => Err(ReadError::Malformed(format!("{packet} to an empty topic"))),
        topic if topic.contains(['+', '#']) => Err(ReadError::Malformed(format!(
            "{packet} to '{topic}': + and # are for filters [MQTT-3.3.2-2]"
        ))),
        topic => Ok(topic),
    }
}

/// A filter in which each wildcard is a level of its own, `#` the last one [MQTT-4.7.1-2,
/// MQTT-4.7.1-3].
fn filter(packet: &str, filter: &str) -> Result<String, ReadError> {
    let malformed = |why: &str| {
        Err(ReadError::Malformed(format!(
            "{packet} with filter '{filter}': {why}"
        )))
    };
    if text(packet, filter)?.is_empty() {
        return malformed("it is empty [MQTT-4.7.3-1]");
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains(['+', '#']) && level.len() > 1 {
            return malformed("a wildcard must be a level of its own");
        }
        if level == "#" && levels.peek().is_some() {
            return malformed("# must be the last level");
        }
    }
    Ok(filter.to_owned())
}

/// A string without U+0000 [MQTT-1.5.3-2] and without control characters, which a receiver may
/// refuse (section 1.5.3).
fn text<'t>(packet: &str, text: &'t str) -> Result<&'t str, ReadError> {
    match text.chars().find(|it| it.is_control()) {
        Some(found) => Err(ReadError::Malformed(format!(
            "{packet} with the control character U+{:04X} in a string",
            u32::from(found)
        ))),
        None => Ok(text),
    }
}

/// One filter at least [MQTT-3.8.3-3, MQTT-3.10.3-2].
fn some<T>(packet: &str, filters: Vec<T>) -> Result<Vec<T>, ReadError> {
    match filters.is_empty() {
        true => Err(ReadError::Malformed(format!("{packet} without a filter"))),
        false => Ok(filters),
    }
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
