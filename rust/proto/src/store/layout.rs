//! How sectors and records lie in flash. Numbers are little-endian.
//!
//! | sector | bytes | |
//! |---|---|---|
//! | 0 | 16 | magic, erases, two words of ones, CRC: written right after the erase, and so the proof that it was not interrupted |
//! | 16 | 32 | queue, its repetitions of the first sequence and two bytes of ones, first sequence, released, owner, two words of ones, number of bytes in a record's header, CRC: written when the sector is opened |
//! | 48 | | records, each at a multiple of the write size, in the order in which they were appended |
//!
//! | record | bytes | |
//! |---|---|---|
//! | 0 | 4 | CRC of the other 16 bytes of the header |
//! | 4 | 2 | length of the content |
//! | 6 | 1 | kind |
//! | 7 | 1 | queue: 0 telemetry, 1 alarms, 2 values |
//! | 8 | 4 | sequence; of a release: the first sequence that is not released |
//! | 12 | 4 | time in seconds |
//! | 16 | 4 | CRC of the content |
//! | 20 | | content; of a message: id, or the key of a value, time to live in seconds, length of the topic, and 2 bytes of ones; topic and payload |
//!
//! The CRCs of records begin with the number of the sector, so that no record is valid anywhere
//! else.

use super::message::{Kind, Lane};

/// Bytes of a sector's header.
pub(super) const SECTOR_HEADER: usize = 48;
/// Where its second half begins.
pub(super) const OPENING: usize = 16;
/// Bytes of a record's header.
pub(super) const HEADER: usize = 20;
/// Bytes of a message's content beside topic and payload.
pub(super) const META: usize = 12;
/// Sequences from here on are damage: so no sum of them overflows.
pub(super) const SEQUENCE_END: u32 = 1 << 31;

const MAGIC: u32 = 0x3158_424F;
const FORMAT: u32 = HEADER as u32;
const RELEASE: u8 = 0x52;
const BLANK: u32 = u32::MAX;

/// What the header of a sector says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SectorHeader {
    /// How often the sector was erased, where the first half is whole.
    pub(super) erases: Option<u32>,
    pub(super) opening: Opening,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Not opened since the erase.
    Blank,
    Damaged,
    Whole {
        lane: Lane,
        /// How many sectors were opened before with the same first sequence, since nothing fitted
        /// into them.
        repeat: u8,
        first: u32,
        released: u32,
        owner: u32,
    },
}

impl SectorHeader {
    pub(super) fn parse(bytes: &[u8; SECTOR_HEADER]) -> Self {
        let (erased, opening) = bytes.split_at(OPENING);
        let is_erased = word(erased, 0) == MAGIC && word(erased, 12) == crc(0, &erased[..12]);
        let is_whole = word(opening, 28) == crc(0, &opening[..28]) && word(opening, 24) == FORMAT;
        let (first, released) = (word(opening, 4), word(opening, 8));
        Self {
            erases: is_erased.then(|| word(erased, 4)),
            opening: match Lane::from_wire(opening[0]) {
                Some(lane) if is_whole && first < SEQUENCE_END && released < SEQUENCE_END => {
                    Opening::Whole {
                        lane,
                        repeat: opening[1],
                        first,
                        released,
                        owner: word(opening, 12),
                    }
                }
                _ if opening.iter().all(|byte| *byte == u8::MAX) => Opening::Blank,
                _ => Opening::Damaged,
            },
        }
    }
}

pub(super) fn erased(erases: u32) -> [u8; OPENING] {
    let mut bytes = [u8::MAX; OPENING];
    put(&mut bytes, 0, MAGIC);
    put(&mut bytes, 4, erases);
    let sum = crc(0, &bytes[..12]);
    put(&mut bytes, 12, sum);
    bytes
}

pub(super) fn opened(
    lane: Lane,
    repeat: u8,
    first: u32,
    released: u32,
    owner: u32,
) -> [u8; SECTOR_HEADER - OPENING] {
    let mut bytes = [u8::MAX; SECTOR_HEADER - OPENING];
    bytes[0] = lane as u8;
    bytes[1] = repeat;
    put(&mut bytes, 4, first);
    put(&mut bytes, 8, released);
    put(&mut bytes, 12, owner);
    put(&mut bytes, 24, FORMAT);
    let sum = crc(0, &bytes[..28]);
    put(&mut bytes, 28, sum);
    bytes
}

/// What the header of a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) what: What,
    pub(super) lane: Lane,
    pub(super) sequence: u32,
    pub(super) time_s: u32,
    pub(super) len: usize,
    content: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Message(Kind),
    Release,
}

impl Header {
    /// `None` for what is no header of a record in this sector.
    pub(super) fn parse(sector: usize, bytes: &[u8; HEADER]) -> Option<Self> {
        if word(bytes, 0) != crc(sector, &bytes[4..]) {
            return None;
        }
        let what = match bytes[6] {
            RELEASE => What::Release,
            kind => What::Message(Kind::from_wire(kind)?),
        };
        let sequence = word(bytes, 8);
        (sequence < SEQUENCE_END).then_some(Self {
            what,
            lane: Lane::from_wire(bytes[7])?,
            sequence,
            time_s: word(bytes, 12),
            len: usize::from(u16::from_le_bytes([bytes[4], bytes[5]])),
            content: word(bytes, 16),
        })
    }

    /// Whether this is the sum of its content.
    pub(super) fn is_sum(&self, sum: Sum) -> bool {
        self.content == !sum.0
    }
}

/// A message without topic and payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meta {
    pub(super) id: u32,
    pub(super) ttl_s: u32,
    pub(super) topic: usize,
}

impl Meta {
    /// And where topic and payload lie in the content.
    pub(super) fn parse(content: &[u8]) -> Option<(Self, &[u8])> {
        let (meta, rest) = content.split_first_chunk::<META>()?;
        let topic = usize::from(u16::from_le_bytes([meta[8], meta[9]]));
        (topic <= rest.len()).then_some((
            Self {
                id: word(meta, 0),
                ttl_s: word(meta, 4),
                topic,
            },
            rest,
        ))
    }

    pub(super) fn write(&self, place: &mut [u8]) {
        put(place, 0, self.id);
        put(place, 4, self.ttl_s);
        put(place, 8, BLANK << 16 | self.topic as u32);
    }
}

/// The id in the first bytes of a message's content.
pub(super) fn id_of(content: &[u8; META]) -> u32 {
    word(content, 0)
}

/// Writes the header of a message whose content stands behind it in `record`.
pub(super) fn write_message(
    record: &mut [u8],
    sector: usize,
    kind: Kind,
    lane: Lane,
    sequence: u32,
    time_s: u32,
) {
    let content = record.get(HEADER..).unwrap_or_default();
    let (len, sum) = (content.len() as u32, crc(sector, content));
    let word = len | (kind as u32) << 16 | (lane as u32) << 24;
    write_header(record, sector, word, sequence, time_s, sum);
}

pub(super) fn write_release(
    record: &mut [u8],
    sector: usize,
    lane: Lane,
    released: u32,
    time_s: u32,
) {
    let word = u32::from(RELEASE) << 16 | (lane as u32) << 24;
    write_header(record, sector, word, released, time_s, BLANK);
}

fn write_header(
    record: &mut [u8],
    sector: usize,
    word: u32,
    sequence: u32,
    time_s: u32,
    content: u32,
) {
    put(record, 4, word);
    put(record, 8, sequence);
    put(record, 12, time_s);
    put(record, 16, content);
    let sum = crc(sector, record.get(4..HEADER).unwrap_or_default());
    put(record, 0, sum);
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|word| word.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

fn put(bytes: &mut [u8], at: usize, word: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

pub(super) fn sum_of(names: &[&str]) -> u32 {
    let add = |sum: Sum, name: &&str| sum.add(name.as_bytes()).add(&[0]);
    names.iter().fold(Sum::new(0), add).0
}

fn crc(sector: usize, bytes: &[u8]) -> u32 {
    !Sum::new(sector).add(bytes).0
}

/// CRC-32 (ISO-HDLC), begun with the number of the sector.
#[derive(Clone, Copy)]
pub(super) struct Sum(u32);

impl Sum {
    pub(super) fn new(sector: usize) -> Self {
        Self(!(sector as u32))
    }

    /// By halves of bytes: a table of 64 bytes in flash.
    #[inline(never)]
    pub(super) fn add(self, bytes: &[u8]) -> Self {
        const TABLE: [u32; 16] = {
            let mut table = [0; 16];
            let mut at = 0;
            while at < 16 {
                let mut value = at as u32;
                let mut bit = 0;
                while bit < 4 {
                    value = (value >> 1) ^ (0xEDB8_8320 * (value & 1));
                    bit += 1;
                }
                table[at] = value;
                at += 1;
            }
            table
        };
        let step = |sum: u32, half: u32| sum >> 4 ^ TABLE[((sum ^ half) & 15) as usize];
        let add = |sum, byte: &u8| step(step(sum, u32::from(*byte)), u32::from(*byte >> 4));
        Self(bytes.iter().fold(self.0, add))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_one_of_the_catalogue() {
        assert_eq!(crc(0, b"123456789"), 0xCBF4_3926);
        assert_ne!(crc(1, b"123456789"), crc(0, b"123456789"));
    }

    #[test]
    fn headers_are_read_as_they_were_written() {
        let mut bytes = [0; SECTOR_HEADER];
        bytes[..OPENING].copy_from_slice(&erased(7));
        bytes[OPENING..].copy_from_slice(&opened(Lane::High, 1, 5, 4, 9));
        let opening = Opening::Whole {
            lane: Lane::High,
            repeat: 1,
            first: 5,
            released: 4,
            owner: 9,
        };
        let header = SectorHeader::parse(&bytes);
        assert_eq!((header.erases, header.opening), (Some(7), opening));
        bytes[20] ^= 1;
        assert_eq!(SectorHeader::parse(&bytes).opening, Opening::Damaged);
        bytes[OPENING..].fill(u8::MAX);
        assert_eq!(SectorHeader::parse(&bytes).opening, Opening::Blank);

        let mut record = [0; HEADER + META];
        Meta {
            id: 3,
            ttl_s: 60,
            topic: 0,
        }
        .write(&mut record[HEADER..]);
        write_message(&mut record, 2, Kind::Qos1, Lane::Normal, 8, 100);
        let header: &[u8; HEADER] = record[..HEADER].try_into().unwrap();
        let parsed = Header::parse(2, header).unwrap();
        assert_eq!(parsed.what, What::Message(Kind::Qos1));
        assert_eq!((parsed.sequence, parsed.time_s, parsed.len), (8, 100, META));
        assert!(parsed.is_sum(Sum::new(2).add(&record[HEADER..])));
        assert_eq!(Header::parse(3, header), None, "of another sector");
    }
}
