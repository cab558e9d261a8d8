//! MQTT 3.1.1 packets to and from a byte stream, with a bound on what a peer may send.

use std::fmt;

mod parse;
mod read;
pub(crate) mod write;

pub(crate) use read::Reader;

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
    /// UTF-8 without wildcards and control characters.
    pub topic: String,
    /// The body.
    pub payload: Vec<u8>,
    /// 0, 1 or 2.
    pub qos: u8,
    /// Zero with QoS 0.
    pub packet_id: u16,
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
        /// The size of the packet.
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
