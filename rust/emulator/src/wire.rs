//! MQTT 3.1.1 packets to and from a byte stream, with a bound on what a peer may send.

use std::fmt;
use std::sync::Arc;

use mqtt_protocol_core::mqtt::packet::{Qos, v3_1_1};
use mqtt_protocol_core::mqtt::result_code::{ConnectReturnCode, SubackReturnCode};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A packet that a client may send.
#[derive(Debug)]
pub(crate) enum Packet {
    /// The first packet of a connection.
    Connect(Box<Connect>),
    /// A message.
    Publish(Publish),
    /// The acknowledgement of a message with QoS 1.
    Puback(u16),
    /// Filters, each with the quality of service that is asked for.
    Subscribe(u16, Vec<(String, u8)>),
    /// Filters.
    Unsubscribe(u16, Vec<String>),
    /// A sign of life.
    Pingreq,
    /// The orderly end.
    Disconnect,
}

/// What a CONNECT says.
#[derive(Debug)]
pub(crate) struct Connect {
    /// May be empty.
    pub client_id: String,
    /// Absent without the flag.
    pub user_name: Option<String>,
    /// Absent without the flag.
    pub password: Option<Vec<u8>>,
    /// Seconds; zero is off.
    pub keep_alive: u16,
    /// Whether the session starts afresh.
    pub clean_session: bool,
    /// The message for a disorderly end.
    pub will: Option<Publish>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    /// Not checked beyond being UTF-8.
    pub topic: String,
    /// The body.
    pub payload: Vec<u8>,
    /// 0, 1 or 2.
    pub qos: u8,
    /// Zero with QoS 0.
    pub packet_id: u16,
    /// Whether it is said to be a repetition.
    pub dup: bool,
    /// The retain flag.
    pub retain: bool,
}

/// Why no packet came out of the stream.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The stream ended between two packets, or inside one.
    Closed {
        /// Bytes of a packet that never became complete.
        inside_packet: bool,
    },
    /// The stream failed.
    Io(std::io::Error),
    /// A packet is larger than the limit.
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Not MQTT 3.1.1.
    Malformed(String),
    /// MQTT, but not level 4.
    Level(u8),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed {
                inside_packet: false,
            } => {
                write!(f, "the device closed the connection without DISCONNECT")
            }
            Self::Closed {
                inside_packet: true,
            } => {
                write!(
                    f,
                    "the device closed the connection in the middle of a packet"
                )
            }
            Self::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => f.write_str(
                "the device was gone without a farewell: neither DISCONNECT nor the end of TLS",
            ),
            Self::Io(error) => write!(f, "the connection broke: {error}"),
            Self::TooLarge { size, limit } => {
                write!(f, "a packet of {size} bytes is larger than {limit}")
            }
            Self::Malformed(what) => write!(f, "malformed packet: {what}"),
            Self::Level(level) => {
                write!(
                    f,
                    "protocol level {level}: only MQTT 3.1.1 (level 4) is spoken here"
                )
            }
        }
    }
}

/// Cuts a stream into packets. [`Reader::next`] is cancel safe.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    io: R,
    buffer: Vec<u8>,
    start: usize,
    limit: usize,
    total: u64,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// `limit` is the largest remaining length that is accepted.
    pub(crate) fn new(io: R, limit: usize) -> Self {
        Self {
            io,
            buffer: Vec::new(),
            start: 0,
            limit,
            total: 0,
        }
    }

    /// The bytes that the peer has sent.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Changes the limit, for example after CONNECT.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Whether the next packet is there already, so that `next` will not wait.
    pub(crate) fn has_packet(&self) -> bool {
        matches!(frame(&self.buffer[self.start..]), Ok(Some(frame)) if self.buffer.len() - self.start >= frame.end())
    }

    /// The next packet.
    pub(crate) async fn next(&mut self) -> Result<Packet, ReadError> {
        loop {
            let unread = &self.buffer[self.start..];
            if let Some(&first) = unread.first() {
                check_first(first)?;
            }
            if let Some(frame) = frame(unread)? {
                if frame.length > self.limit {
                    return Err(ReadError::TooLarge {
                        size: frame.length,
                        limit: self.limit,
                    });
                }
                if let Some(body) = unread.get(frame.header..frame.end()) {
                    let packet = parse(unread[0], body);
                    self.start += frame.end();
                    self.release();
                    return packet;
                }
            }
            self.compact();
            let read = self
                .io
                .read_buf(&mut self.buffer)
                .await
                .map_err(ReadError::Io)?;
            self.total += read as u64;
            if read == 0 {
                return Err(ReadError::Closed {
                    inside_packet: !self.buffer.is_empty(),
                });
            }
        }
    }

    fn compact(&mut self) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
    }

    /// An idle connection holds no buffer.
    fn release(&mut self) {
        if self.start == self.buffer.len() {
            self.start = 0;
            if self.buffer.capacity() > IDLE_BUFFER {
                self.buffer = Vec::new();
            } else {
                self.buffer.clear();
            }
        }
    }
}

const IDLE_BUFFER: usize = 1024;

struct Frame {
    header: usize,
    length: usize,
}

impl Frame {
    fn end(&self) -> usize {
        self.header + self.length
    }
}

/// The fixed header, if it is complete.
fn frame(bytes: &[u8]) -> Result<Option<Frame>, ReadError> {
    let mut length = 0;
    for (index, byte) in bytes.iter().skip(1).enumerate() {
        if index == 4 {
            return Err(ReadError::Malformed(
                "the remaining length has more than four bytes".into(),
            ));
        }
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some(Frame {
                header: index + 2,
                length,
            }));
        }
    }
    Ok(None)
}

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
fn check_first(first: u8) -> Result<(), ReadError> {
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

/// Packets as bytes. Empty if a field is beyond what MQTT can carry.
pub(crate) mod write {
    use super::*;

    /// CONNACK with a return code of 0 to 5.
    pub(crate) fn connack(session_present: bool, code: u8) -> Vec<u8> {
        let code = ConnectReturnCode::try_from(code).unwrap_or(ConnectReturnCode::NotAuthorized);
        let packet = v3_1_1::Connack::builder()
            .session_present(session_present)
            .return_code(code)
            .build();
        packet
            .map(|packet| packet.to_continuous_buffer())
            .unwrap_or_default()
    }

    /// PUBLISH with QoS 0, or QoS 1 if there is a packet id.
    pub(crate) fn publish(
        topic: &str,
        payload: &[u8],
        packet_id: Option<u16>,
        dup: bool,
    ) -> Vec<u8> {
        let builder = v3_1_1::Publish::builder().topic_name(topic);
        let packet = builder.and_then(|builder| {
            let builder = builder.payload(payload.to_vec());
            match packet_id {
                Some(id) => builder.qos(Qos::AtLeastOnce).packet_id(id).dup(dup).build(),
                None => builder.qos(Qos::AtMostOnce).build(),
            }
        });
        packet
            .map(|packet| packet.to_continuous_buffer())
            .unwrap_or_default()
    }

    /// PUBACK.
    pub(crate) fn puback(packet_id: u16) -> Vec<u8> {
        let packet = v3_1_1::Puback::builder().packet_id(packet_id).build();
        packet
            .map(|packet| packet.to_continuous_buffer())
            .unwrap_or_default()
    }

    /// SUBACK with the granted qualities of service.
    pub(crate) fn suback(packet_id: u16, granted: &[u8]) -> Vec<u8> {
        let codes = granted.iter().map(|code| match code {
            0 => SubackReturnCode::SuccessMaximumQos0,
            1 => SubackReturnCode::SuccessMaximumQos1,
            _ => SubackReturnCode::Failure,
        });
        let packet = v3_1_1::Suback::builder()
            .packet_id(packet_id)
            .return_codes(codes.collect())
            .build();
        packet
            .map(|packet| packet.to_continuous_buffer())
            .unwrap_or_default()
    }

    /// UNSUBACK.
    pub(crate) fn unsuback(packet_id: u16) -> Vec<u8> {
        let packet = v3_1_1::Unsuback::builder().packet_id(packet_id).build();
        packet
            .map(|packet| packet.to_continuous_buffer())
            .unwrap_or_default()
    }

    /// PINGRESP.
    pub(crate) fn pingresp() -> Vec<u8> {
        v3_1_1::Pingresp::new().to_continuous_buffer()
    }
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

    #[test]
    fn the_remaining_length_has_four_bytes_at_most() {
        assert!(matches!(
            frame(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01]),
            Err(ReadError::Malformed(_))
        ));
        assert!(matches!(frame(&[0x30, 0xff]), Ok(None)));
        assert!(matches!(
            frame(&[0x30, 0x80, 0x01]),
            Ok(Some(Frame {
                header: 3,
                length: 128
            }))
        ));
    }

    #[tokio::test]
    async fn packets_come_out_one_by_one() {
        let mut bytes = write::publish("a/b", b"hello", Some(7), false);
        bytes.extend([0xc0, 0, 0x30, 0xff, 0xff, 0x7f]);
        let mut reader = Reader::new(bytes.as_slice(), 1000);
        let Ok(Packet::Publish(publish)) = reader.next().await else {
            panic!("no PUBLISH")
        };
        assert_eq!(
            (
                publish.topic.as_str(),
                publish.payload.as_slice(),
                publish.packet_id
            ),
            ("a/b", &b"hello"[..], 7)
        );
        assert!(matches!(reader.next().await, Ok(Packet::Pingreq)));
        assert!(matches!(
            reader.next().await,
            Err(ReadError::TooLarge {
                size: 2_097_151,
                limit: 1000
            })
        ));
    }
}
