//! Frames: what a connection's bytes are cut into.

use super::MAX_FRAME;
use super::decode::{Decoder, Malformed};
use super::value::Value;

/// The eight bytes with which each layer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::amqp) enum Header {
    /// AMQP itself.
    Amqp,
    /// SASL, before it.
    Sasl,
    /// Something else: a version or a protocol that is not spoken.
    Other([u8; 4]),
}

impl Header {
    /// As it is written.
    pub(in crate::amqp) fn bytes(self) -> [u8; 8] {
        let [id, major, minor, revision] = match self {
            Self::Amqp => AMQP,
            Self::Sasl => SASL,
            Self::Other(bytes) => bytes,
        };
        [b'A', b'M', b'Q', b'P', id, major, minor, revision]
    }
}

/// A frame with its performative.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::amqp) struct Frame {
    /// Whether it is of the SASL layer.
    pub sasl: bool,
    /// Of the session.
    pub channel: u16,
    /// What it says; `None` if it only says that the peer is still there.
    pub body: Option<(u64, Fields)>,
    /// What stands behind the performative.
    pub payload: Vec<u8>,
}

/// What the bytes of a connection are cut into.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::amqp) enum Piece {
    /// The beginning of a layer.
    Header(Header),
    /// A frame.
    Frame(Frame),
}

/// The fields of a performative or of a section; those that are missing are null.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::amqp) struct Fields(Vec<Value>);

impl Fields {
    /// The items of a list.
    pub(in crate::amqp) fn new(list: Value) -> Option<Self> {
        match list {
            Value::List(items) => Some(Self(items)),
            _ => None,
        }
    }

    /// A field by its place.
    pub(in crate::amqp) fn at(&self, place: usize) -> &Value {
        self.0.get(place).unwrap_or(&Value::Null)
    }

    /// A field, taken out.
    pub(in crate::amqp) fn take(&mut self, place: usize) -> Value {
        self.0
            .get_mut(place)
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// A number of 32 bits.
    pub(in crate::amqp) fn uint(&self, place: usize) -> Option<u32> {
        self.at(place).as_u64().and_then(|it| it.try_into().ok())
    }

    /// A truth value; false if it is missing.
    pub(in crate::amqp) fn bool(&self, place: usize) -> bool {
        *self.at(place) == Value::Bool(true)
    }

    /// A text or a name.
    pub(in crate::amqp) fn str(&self, place: usize) -> Option<&str> {
        self.at(place).as_str()
    }
}

/// The length of the piece at the beginning; `None` if that cannot be said yet. A frame beyond
/// [`MAX_FRAME`] is refused before it is read.
pub(in crate::amqp) fn length(bytes: &[u8]) -> Result<Option<usize>, Error> {
    let Some(first) = bytes.first_chunk::<4>() else {
        return Ok(None);
    };
    if first == b"AMQP" {
        return Ok(Some(8));
    }
    let size = u32::from_be_bytes(*first);
    match usize::try_from(size) {
        Ok(size) if (8..=MAX_FRAME).contains(&size) => Ok(Some(size)),
        _ => Err(Error::Size(size)),
    }
}

/// Reads a piece of the length that [`length`] says.
pub(in crate::amqp) fn parse(bytes: &[u8]) -> Result<Piece, Error> {
    let Some((first, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(Error::Size(u32::try_from(bytes.len()).unwrap_or(0)));
    };
    let [a, b, c, d, doff, kind, high, low] = *first;
    if [a, b, c, d] == *b"AMQP" {
        return Ok(Piece::Header(match [doff, kind, high, low] {
            AMQP => Header::Amqp,
            SASL => Header::Sasl,
            other => Header::Other(other),
        }));
    }
    let body = usize::from(doff)
        .checked_mul(4)
        .and_then(|offset| rest.get(offset.checked_sub(8)?..))
        .ok_or(Error::Offset)?;
    let sasl = match kind {
        0 => false,
        1 => true,
        _ => return Err(Error::Kind(kind)),
    };
    let mut frame = Frame {
        sasl,
        channel: u16::from_be_bytes([high, low]),
        body: None,
        payload: Vec::new(),
    };
    if !body.is_empty() {
        let mut decoder = Decoder::new(body, MAX_VALUES);
        let described = decoder.value().map_err(Error::Malformed)?.into_described();
        let fields = described.and_then(|(code, list)| Some((code, Fields::new(list)?)));
        frame.body = Some(fields.ok_or(Error::Performative)?);
        frame.payload = decoder.rest().to_vec();
    }
    Ok(Piece::Frame(frame))
}

/// What is not a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::amqp) enum Error {
    /// The size is not that of a frame, or above the limit.
    Size(u32),
    /// The body would begin outside of the frame.
    Offset,
    /// Neither AMQP nor SASL.
    Kind(u8),
    /// The body is no list that a number describes.
    Performative,
    /// The body cannot be read.
    Malformed(Malformed),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Size(size) => write!(
                f,
                "a frame of {size} bytes: from 8 to {MAX_FRAME} are allowed; does the peer speak AMQP 1.0?"
            ),
            Self::Offset => f.write_str("a frame whose body begins outside of it"),
            Self::Kind(kind) => write!(f, "a frame of type {kind}, which is neither AMQP nor SASL"),
            Self::Performative => f.write_str("a frame without a performative"),
            Self::Malformed(error) => error.fmt(f),
        }
    }
}

const AMQP: [u8; 4] = [0, 1, 0, 0];
const SASL: [u8; 4] = [3, 1, 0, 0];

/// Values in a performative, nested ones counted.
const MAX_VALUES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_a_stream_and_refuses_what_is_too_large_before_it_has_come() {
        assert_eq!(length(b"AM"), Ok(None));
        assert_eq!(length(b"AMQP\x00\x01\x00\x00"), Ok(Some(8)));
        assert_eq!(length(&[0, 0, 0, 8, 2]), Ok(Some(8)));
        assert_eq!(length(&[0, 0, 0, 7]), Err(Error::Size(7)));
        assert_eq!(length(&[0, 1, 0, 1]), Err(Error::Size(65_537)));
        assert_eq!(length(b"GET /"), Err(Error::Size(0x4745_5420)));
    }

    #[test]
    fn reads_headers_frames_and_signs_of_life() {
        let sasl = parse(b"AMQP\x03\x01\x00\x00");
        assert_eq!(sasl, Ok(Piece::Header(Header::Sasl)));
        let tls = parse(b"AMQP\x02\x01\x00\x00");
        assert_eq!(tls, Ok(Piece::Header(Header::Other([2, 1, 0, 0]))));
        let empty = parse(&[0, 0, 0, 8, 2, 0, 0, 0]);
        assert!(matches!(empty, Ok(Piece::Frame(Frame { body: None, .. }))));
        // An end on channel 3, with four bytes of extended header and two of payload.
        let end = [
            0, 0, 0, 18, 3, 0, 0, 3, 9, 9, 9, 9, 0, 0x53, 0x17, 0x45, 1, 2,
        ];
        let Ok(Piece::Frame(frame)) = parse(&end) else {
            panic!("not a frame");
        };
        assert_eq!((frame.channel, frame.payload), (3, vec![1, 2]));
        assert_eq!(frame.body, Some((0x17, Fields::default())));
    }

    #[test]
    fn refuses_what_is_no_frame() {
        for (bytes, error) in [
            (&[0, 0, 0, 8, 1, 0, 0, 0][..], Error::Offset),
            (&[0, 0, 0, 8, 3, 0, 0, 0], Error::Offset),
            (&[0, 0, 0, 9, 2, 7, 0, 0, 0x40], Error::Kind(7)),
            (&[0, 0, 0, 9, 2, 0, 0, 0, 0x40], Error::Performative),
        ] {
            assert_eq!(parse(bytes), Err(error), "{bytes:02x?}");
        }
    }
}
