//! MQTT 3.1.1 packets, by `mqtt-protocol-core`, and their way through buffers of a fixed size.
//!
//! What cannot be a packet is `EINVAL`, what has no room `ENOMEM`.

use std::sync::Arc;

use mqtt_protocol_core::mqtt::packet::{
    DecodeResult, PacketType, Qos, SubEntry, SubOpts, VariableByteInteger, v3_1_1,
};

use crate::errno::Errno;

/// What a CONNECT packet says.
#[derive(Clone, Copy, Debug)]
pub struct Connect<'a> {
    /// UTF-8.
    pub client_id: &'a [u8],
    /// UTF-8; empty: none.
    pub user_name: &'a [u8],
    /// Empty: none.
    pub password: &'a [u8],
    /// Seconds; 0: none.
    pub keep_alive_s: u16,
    /// Whether the server forgets an earlier session.
    pub clean_session: bool,
}

/// What a PUBLISH packet says.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// UTF-8.
    pub topic: &'a [u8],
    /// Any bytes.
    pub payload: &'a [u8],
    /// Not sent at QoS 0.
    pub message_id: u16,
    /// 0 to 2.
    pub qos: u8,
    /// Sent before.
    pub dup: bool,
    /// To be kept by the server.
    pub retain: bool,
}

/// The CONNECT packet; an empty user name or password is left out.
///
/// # Errors
/// `EINVAL` for what no packet can hold: a text that is not UTF-8, or longer than 65,535 bytes.
pub fn connect(connect: &Connect<'_>) -> Result<Vec<u8>, Errno> {
    let mut builder = v3_1_1::Connect::builder()
        .client_id(text(connect.client_id)?)
        .map_err(invalid)?
        .clean_session(connect.clean_session)
        .keep_alive(connect.keep_alive_s);
    if !connect.user_name.is_empty() {
        builder = builder
            .user_name(text(connect.user_name)?)
            .map_err(invalid)?;
    }
    if !connect.password.is_empty() {
        builder = builder
            .password(connect.password.to_vec())
            .map_err(invalid)?;
    }
    Ok(builder.build().map_err(invalid)?.to_continuous_buffer())
}

/// A PUBLISH packet, its header apart from its payload.
///
/// # Errors
/// `EINVAL` for a topic that no packet can hold, a QoS that there is not, or message id 0 above QoS
/// 0.
pub fn publish<'a>(publish: &Publish<'a>) -> Result<(Vec<u8>, &'a [u8]), Errno> {
    let qos = Qos::try_from(publish.qos).map_err(invalid)?;
    let mut builder = v3_1_1::Publish::builder()
        .topic_name(text(publish.topic)?)
        .map_err(invalid)?
        .qos(qos)
        .dup(publish.dup)
        .retain(publish.retain)
        .payload(publish.payload);
    if qos != Qos::AtMostOnce {
        builder = builder.packet_id(publish.message_id);
    }
    let mut header = builder.build().map_err(invalid)?.to_continuous_buffer();
    header.truncate(header.len() - publish.payload.len());
    Ok((header, publish.payload))
}

/// One SUBSCRIBE packet for all filters.
///
/// # Errors
/// `EINVAL` for message id 0, no filter, or one that no packet can hold.
pub fn subscribe(message_id: u16, filters: &[(&[u8], u8)]) -> Result<Vec<u8>, Errno> {
    let entries = filters.iter().map(|(filter, qos)| {
        let options = SubOpts::new().set_qos(Qos::try_from(*qos).map_err(invalid)?);
        SubEntry::new(text(filter)?, options).map_err(invalid)
    });
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let packet = v3_1_1::Subscribe::builder()
        .packet_id(message_id)
        .entries(entries)
        .build()
        .map_err(invalid)?;
    Ok(packet.to_continuous_buffer())
}

/// A PUBACK packet.
///
/// # Errors
/// `EINVAL` for message id 0.
pub fn puback(message_id: u16) -> Result<Vec<u8>, Errno> {
    let packet = v3_1_1::Puback::builder()
        .packet_id(message_id)
        .build()
        .map_err(invalid)?;
    Ok(packet.to_continuous_buffer())
}

/// A PINGREQ packet.
pub fn pingreq() -> Vec<u8> {
    v3_1_1::Pingreq::new().to_continuous_buffer()
}

/// A DISCONNECT packet.
pub fn disconnect() -> Vec<u8> {
    v3_1_1::Disconnect::new().to_continuous_buffer()
}

fn text(bytes: &[u8]) -> Result<&str, Errno> {
    std::str::from_utf8(bytes).map_err(invalid)
}

fn invalid<E>(_: E) -> Errno {
    Errno::INVAL
}

/// A packet that has arrived.
#[derive(Debug)]
pub enum Incoming {
    /// The answer to CONNECT.
    Connack {
        /// 0: accepted.
        code: u8,
        /// The server has kept the session.
        session_present: bool,
    },
    /// A message.
    Publish(v3_1_1::Publish),
    /// A PUBLISH whose payload has no room; the rest of it is still to come.
    Oversize {
        /// Of the message.
        topic: String,
        /// Bytes of the payload.
        length: usize,
        /// At QoS 1 and 2.
        message_id: Option<u16>,
    },
    /// A message has been accepted.
    Puback {
        /// As it was sent.
        message_id: u16,
    },
    /// The answer to SUBSCRIBE.
    Suback {
        /// As it was sent.
        message_id: u16,
        /// For each filter the QoS that is granted, or 0x80.
        codes: Vec<u8>,
    },
    /// The answer to PINGREQ.
    Pingresp,
    /// The packets of QoS 2 and UNSUBACK: seen, and nothing done.
    Other(PacketType),
}

/// Bytes from the server that are not yet a packet.
#[derive(Debug)]
pub struct Inbox {
    bytes: Vec<u8>,
    rx_buffer: usize,
    payload_buffer: usize,
    /// Bytes still to be read away.
    discard: usize,
}

impl Inbox {
    /// With room for a packet but for its payload, and for a payload, in bytes.
    pub fn new(rx_buffer: usize, payload_buffer: usize) -> Self {
        Self {
            bytes: Vec::new(),
            rx_buffer,
            payload_buffer,
            discard: 0,
        }
    }

    /// Reads away the next `length` bytes.
    pub fn discard(&mut self, length: usize) {
        self.discard = length;
    }

    /// Whether nothing waits here.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where what has arrived is appended.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The next packet, if it is there.
    ///
    /// # Errors
    /// `EINVAL` for what is no MQTT, `ENOMEM` for what exceeds the receive buffer.
    pub fn next_packet(&mut self) -> Result<Option<Incoming>, Errno> {
        let waste = self.discard.min(self.bytes.len());
        self.bytes.drain(..waste);
        self.discard -= waste;
        let Some(&first) = self.bytes.first() else {
            return Ok(None);
        };
        let (remaining, fixed) = match VariableByteInteger::decode_stream(&self.bytes[1..]) {
            DecodeResult::Ok(value, size) => (value.to_u32() as usize, 1 + size),
            DecodeResult::Incomplete => return Ok(None),
            DecodeResult::Err(_) => return Err(Errno::INVAL),
        };
        let kind = PacketType::try_from(first >> 4).map_err(invalid)?;
        if kind == PacketType::Publish {
            let Some(&[high, low]) = self.bytes.get(fixed..fixed + 2) else {
                return Ok(None);
            };
            let id_size = if first & 0b110 == 0 { 0 } else { 2 };
            let variable = 2 + usize::from(u16::from_be_bytes([high, low])) + id_size;
            let length = remaining.checked_sub(variable).ok_or(Errno::INVAL)?;
            if fixed + variable > self.rx_buffer {
                return Err(Errno::NOMEM);
            }
            if length > self.payload_buffer {
                let Some(id) = self.bytes.get(fixed + variable - id_size..fixed + variable) else {
                    return Ok(None);
                };
                let message_id = id.try_into().ok().map(u16::from_be_bytes);
                let topic = self.bytes[fixed + 2..fixed + variable - id_size].to_vec();
                let topic = String::from_utf8(topic).map_err(invalid)?;
                self.bytes.drain(..fixed + variable);
                return Ok(Some(Incoming::Oversize {
                    topic,
                    length,
                    message_id,
                }));
            }
        } else if fixed + remaining > self.rx_buffer {
            return Err(Errno::NOMEM);
        }
        let total = fixed + remaining;
        if self.bytes.len() < total {
            return Ok(None);
        }
        let packet = self.bytes.drain(..total).skip(fixed).collect::<Arc<[u8]>>();
        parse(kind, first & 0x0f, packet).map(Some)
    }
}

fn parse(kind: PacketType, flags: u8, body: Arc<[u8]>) -> Result<Incoming, Errno> {
    Ok(match kind {
        PacketType::Connack => {
            let (packet, _) = v3_1_1::Connack::parse(&body).map_err(invalid)?;
            let code = packet.return_code() as u8;
            Incoming::Connack {
                code,
                session_present: packet.session_present(),
            }
        }
        PacketType::Publish => {
            Incoming::Publish(v3_1_1::Publish::parse(flags, body).map_err(invalid)?.0)
        }
        PacketType::Puback => {
            let (packet, _) = v3_1_1::Puback::parse(&body).map_err(invalid)?;
            Incoming::Puback {
                message_id: packet.packet_id(),
            }
        }
        PacketType::Suback => {
            let (packet, _) = v3_1_1::Suback::parse(&body).map_err(invalid)?;
            let codes = packet
                .return_codes()
                .into_iter()
                .map(|code| code as u8)
                .collect();
            Incoming::Suback {
                message_id: packet.packet_id(),
                codes,
            }
        }
        PacketType::Pingresp => Incoming::Pingresp,
        PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp | PacketType::Unsuback => {
            Incoming::Other(kind)
        }
        // Only a client sends these.
        _ => return Err(Errno::INVAL),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(bytes: &[u8]) -> Inbox {
        let mut inbox = Inbox::new(64, 16);
        inbox.bytes().extend_from_slice(bytes);
        inbox
    }

    #[test]
    fn a_packet_is_taken_when_it_is_whole() {
        let mut inbox = inbox(&[]);
        for byte in [0x20, 0x02, 0x01] {
            inbox.bytes().push(byte);
            assert!(inbox.next_packet().unwrap().is_none());
        }
        inbox.bytes().extend_from_slice(&[0x00, 0xd0]);
        let connack = inbox.next_packet().unwrap();
        assert!(matches!(
            connack,
            Some(Incoming::Connack {
                code: 0,
                session_present: true
            })
        ));
        assert!(inbox.next_packet().unwrap().is_none());
        inbox.bytes().push(0);
        assert!(matches!(
            inbox.next_packet().unwrap(),
            Some(Incoming::Pingresp)
        ));
        assert!(inbox.is_empty());
    }

    #[test]
    fn a_payload_that_fits_exactly_is_no_oversize() {
        let mut packet = vec![0x30, 3 + 16, 0, 1, b't'];
        packet.extend([7; 16]);
        let Some(Incoming::Publish(publish)) = inbox(&packet).next_packet().unwrap() else {
            panic!()
        };
        assert_eq!(publish.topic_name(), "t");
        assert_eq!(publish.payload().as_slice(), [7; 16]);
    }

    #[test]
    fn an_oversize_payload_is_seen_by_its_header() {
        let header = [0x32, 5 + 17, 0, 1, b't', 0, 9];
        assert!(matches!(
            inbox(&header).next_packet(),
            Ok(Some(Incoming::Oversize { length: 17, .. }))
        ));
    }

    #[test]
    fn an_oversize_payload_can_be_read_away() {
        // QoS 1, topic "t", message id 7, 17 bytes of payload, then a PINGRESP.
        let mut inbox = inbox(&[0x32, 22, 0, 1, b't', 0, 7]);
        let found = inbox.next_packet().unwrap();
        assert!(matches!(
            found,
            Some(Incoming::Oversize {
                topic,
                length: 17,
                message_id: Some(7)
            }) if topic == "t"
        ));
        inbox.discard(17);
        for _ in 0..17 {
            assert!(inbox.next_packet().unwrap().is_none());
            inbox.bytes().push(b'x');
        }
        inbox.bytes().extend_from_slice(&[0xd0, 0x00]);
        assert!(matches!(
            inbox.next_packet().unwrap(),
            Some(Incoming::Pingresp)
        ));
    }

    #[test]
    fn a_publish_that_the_client_cannot_mean_is_invalid() {
        let good = Publish {
            topic: b"t",
            payload: b"",
            message_id: 5,
            qos: 1,
            dup: false,
            retain: false,
        };
        let bad = [
            Publish { topic: b"", ..good },
            Publish {
                topic: b"a/#",
                ..good
            },
            Publish {
                topic: b"\xff",
                ..good
            },
            Publish { qos: 3, ..good },
        ];
        for message in bad {
            assert_eq!(
                publish(&message).map(drop),
                Err(Errno::INVAL),
                "{message:?}"
            );
        }
        assert_eq!(subscribe(1, &[]), Err(Errno::INVAL));
    }

    #[test]
    fn what_exceeds_the_receive_buffer_has_no_memory() {
        assert_eq!(
            inbox(&[0x30, 100, 0, 80]).next_packet().unwrap_err(),
            Errno::NOMEM
        );
        assert_eq!(inbox(&[0x90, 100]).next_packet().unwrap_err(), Errno::NOMEM);
    }

    #[test]
    fn what_is_no_packet_for_a_client_is_invalid() {
        let bad: [&[u8]; 7] = [
            &[0x00, 0],
            &[0x10, 0],
            &[0xc0, 0],
            &[0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 2, 0, 1],
            &[0x30, 3, 0, 1, 0xff],
            &[0x20, 2, 0, 9],
        ];
        for bytes in bad {
            assert_eq!(
                inbox(bytes).next_packet().unwrap_err(),
                Errno::INVAL,
                "{bytes:x?}"
            );
        }
    }

    #[test]
    fn a_header_stands_apart_from_its_payload() {
        let message = Publish {
            topic: b"t",
            payload: b"abc",
            message_id: 5,
            qos: 1,
            dup: true,
            retain: false,
        };
        let (header, payload) = publish(&message).unwrap();
        assert_eq!(
            (&header[..], payload),
            (&[0x3a, 8, 0, 1, b't', 0, 5][..], &b"abc"[..])
        );
        let (header, _) = publish(&Publish {
            qos: 0,
            dup: false,
            ..message
        })
        .unwrap();
        assert_eq!(header, [0x30, 6, 0, 1, b't']);
    }

    #[test]
    fn no_bytes_of_a_server_are_a_panic() {
        // xorshift, so that a failure comes again.
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let (mut packets, mut errors) = (0, 0);
        for _ in 0..50_000 {
            let length = random() % 40;
            let mut bytes: Vec<u8> = (0..length).map(|_| random().to_le_bytes()[0]).collect();
            if let [kind, size, high, ..] = &mut bytes[..] {
                // Mostly what could be a packet, or random bytes would not come far.
                *kind = [0x20, 0x30, 0x32, 0x34, 0x40, 0x90, 0xd0, *kind][random() as usize % 8];
                (*size, *high) = (*size % 40, *high % 2);
            }
            let mut inbox = inbox(&bytes);
            loop {
                match inbox.next_packet() {
                    Ok(Some(_)) => packets += 1,
                    Ok(None) => break,
                    Err(_) => {
                        errors += 1;
                        break;
                    }
                }
            }
        }
        assert!(
            packets > 1000 && errors > 1000,
            "{packets} packets, {errors} errors"
        );
    }
}
