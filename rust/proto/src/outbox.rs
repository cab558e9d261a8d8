//! What was accepted and is not yet known to have arrived: a bounded buffer of records, oldest first.
//!
//! A record is a header of 16 bytes, the part of the topic that is its own, and the body. The device's id is
//! not in it, so that it survives a move to another hub.

use crate::error::{Capacity, Error};

/// What to do with a new message when the outbox is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Answer with [`Error::Capacity`].
    #[default]
    Reject,
    /// Drop the oldest telemetry that is not on its way; each drop is counted and is an
    /// [`Event::Dropped`](crate::Event::Dropped). Reports and answers are never dropped for room.
    DropOldest,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Done: its room is free.
    Dead = 0,
    /// Telemetry at QoS 0.
    Once = 1,
    /// Telemetry at QoS 1.
    Kept = 2,
    /// Reported properties, kept until their answer.
    Report = 3,
    /// The answer to a method, for this connection only.
    Answer = 4,
}

/// A record's header, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    at: usize,
    pub(crate) kind: Kind,
    /// Written on this connection, and waiting.
    pub(crate) in_flight: bool,
    /// Written on an earlier connection.
    pub(crate) dup: bool,
    /// The packet id; 0 before it is first handed out.
    pub(crate) packet: u16,
    pub(crate) id: u32,
    head: usize,
    body: usize,
}

impl Record {
    fn size(&self) -> usize {
        HEADER + self.head + self.body
    }

    pub(crate) fn head_len(&self) -> usize {
        self.head
    }

    pub(crate) fn body_len(&self) -> usize {
        self.body
    }
}

const HEADER: usize = 16;
const IN_FLIGHT: u8 = 1;
const DUP: u8 = 2;

/// The records, in static memory.
#[derive(Debug)]
pub(crate) struct Outbox<const N: usize> {
    bytes: [u8; N],
    start: usize,
    end: usize,
    /// Bytes of records that are not dead.
    used: usize,
}

impl<const N: usize> Outbox<N> {
    /// Kept free of telemetry, so that methods can be answered and reports made when it is full.
    pub(crate) const RESERVE: usize = if N / 4 < 512 { N / 4 } else { 512 };

    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            start: 0,
            end: 0,
            used: 0,
        }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Checks that a record of this kind fits now.
    ///
    /// Fails with [`Capacity::Message`] where it never will, with [`Capacity::Outbox`] where it may later.
    pub(crate) fn check(&self, kind: Kind, head: usize, body: usize) -> Result<(), Error> {
        let size = HEADER.saturating_add(head).saturating_add(body);
        let room = match kind {
            Kind::Once | Kind::Kept => N - Self::RESERVE,
            _ => N,
        };
        if size > room || head > usize::from(u16::MAX) {
            Err(Error::Capacity(Capacity::Message))
        } else if size > room.saturating_sub(self.used) {
            Err(Error::Capacity(Capacity::Outbox))
        } else {
            Ok(())
        }
    }

    /// Appends a record and returns the room of its head and body, to be written.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        id: u32,
        head: usize,
        body: usize,
    ) -> Result<&mut [u8], Error> {
        self.check(kind, head, body)?;
        let size = HEADER + head + body;
        if size > N - self.end {
            self.compact();
        }
        let at = self.end;
        let record = self
            .bytes
            .get_mut(at..at + size)
            .ok_or(Error::Capacity(Capacity::Outbox))?;
        let (header, content) = record.split_at_mut(HEADER);
        let mut written = [0; HEADER];
        written[0] = kind as u8;
        written[4..8].copy_from_slice(&id.to_le_bytes());
        written[8..12].copy_from_slice(&(head as u32).to_le_bytes());
        written[12..16].copy_from_slice(&(body as u32).to_le_bytes());
        header.copy_from_slice(&written);
        self.end += size;
        self.used += size;
        Ok(content)
    }

    /// All records that are not dead, oldest first.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let mut at = self.start;
        core::iter::from_fn(move || {
            while at < self.end {
                let record = self.record(at)?;
                at += record.size();
                if record.kind != Kind::Dead {
                    return Some(record);
                }
            }
            None
        })
    }

    /// Through a pointer: a loop for each caller would be larger.
    pub(crate) fn find(&self, matches: &mut dyn FnMut(&Record) -> bool) -> Option<Record> {
        self.records().find(|record| matches(record))
    }

    /// Its own part of the topic, and its body.
    pub(crate) fn content(&self, record: &Record) -> (&[u8], &[u8]) {
        let content = self
            .bytes
            .get(record.at + HEADER..record.at + record.size())
            .unwrap_or_default();
        content
            .split_at_checked(record.head)
            .unwrap_or((content, &[]))
    }

    pub(crate) fn set_packet(&mut self, record: &Record, packet: u16) {
        self.patch(record.at + 2, &packet.to_le_bytes());
    }

    pub(crate) fn set_in_flight(&mut self, record: &Record) {
        let flags = if record.dup {
            IN_FLIGHT | DUP
        } else {
            IN_FLIGHT
        };
        self.patch(record.at + 1, &[flags]);
    }

    pub(crate) fn remove(&mut self, record: &Record) {
        self.patch(record.at, &[Kind::Dead as u8]);
        self.used -= record.size();
        if self.used == 0 {
            self.start = 0;
            self.end = 0;
        }
        while let Some(oldest) = self.record(self.start) {
            if oldest.kind != Kind::Dead {
                break;
            }
            self.start += oldest.size();
        }
    }

    /// The connection has ended: what was in flight waits again, in its old place; answers are void.
    pub(crate) fn rewind(&mut self) {
        let mut at = self.start;
        while let Some(record) = self.record(at) {
            at += record.size();
            match record.kind {
                Kind::Answer => self.remove(&record),
                Kind::Kept | Kind::Report if record.in_flight => {
                    self.patch(record.at + 1, &[DUP]);
                }
                _ => {}
            }
            if self.used == 0 {
                break;
            }
        }
    }

    /// Moves the records together at the front.
    fn compact(&mut self) {
        let (mut from, mut to) = (self.start, 0);
        while let Some(record) = self.record(from) {
            let size = record.size();
            if record.kind != Kind::Dead {
                self.bytes.copy_within(from..from + size, to);
                to += size;
            }
            from += size;
        }
        self.start = 0;
        self.end = to;
    }

    fn record(&self, at: usize) -> Option<Record> {
        if at >= self.end {
            return None;
        }
        let header: &[u8; HEADER] = self.bytes.get(at..at + HEADER)?.try_into().ok()?;
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        Some(Record {
            at,
            kind: match header[0] {
                1 => Kind::Once,
                2 => Kind::Kept,
                3 => Kind::Report,
                4 => Kind::Answer,
                _ => Kind::Dead,
            },
            in_flight: header[1] & IN_FLIGHT != 0,
            dup: header[1] & DUP != 0,
            packet: u16::from_le_bytes([header[2], header[3]]),
            id: word(4),
            head: word(8) as usize,
            body: word(12) as usize,
        })
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push<const N: usize>(outbox: &mut Outbox<N>, kind: Kind, id: u32, len: usize) -> bool {
        outbox
            .push(kind, id, 1, len - 1)
            .map(|content| content.fill(id as u8))
            .is_ok()
    }

    fn ids<const N: usize>(outbox: &Outbox<N>) -> Vec<u32> {
        for record in outbox.records() {
            let (head, body) = outbox.content(&record);
            assert!(head.iter().chain(body).all(|byte| *byte == record.id as u8));
        }
        outbox.records().map(|record| record.id).collect()
    }

    #[test]
    fn holes_are_reused_and_order_is_kept() {
        let mut outbox = Outbox::<256>::new();
        assert_eq!(Outbox::<256>::RESERVE, 64);
        for id in 1..=6 {
            assert!(push(&mut outbox, Kind::Kept, id, 16));
        }
        assert!(!push(&mut outbox, Kind::Kept, 7, 16));
        assert!(push(&mut outbox, Kind::Answer, 7, 48));
        assert_eq!(outbox.used(), 256);
        for id in [2, 4] {
            let record = outbox.find(&mut |record| record.id == id).unwrap();
            outbox.remove(&record);
        }
        assert_eq!(ids(&outbox), [1, 3, 5, 6, 7]);
        assert!(push(&mut outbox, Kind::Report, 8, 48));
        assert_eq!(ids(&outbox), [1, 3, 5, 6, 7, 8]);
        outbox.rewind();
        assert_eq!(ids(&outbox), [1, 3, 5, 6, 8]);
    }

    #[test]
    fn rewinding_marks_only_what_was_in_flight() {
        let mut outbox = Outbox::<512>::new();
        for id in 1..=3 {
            assert!(push(&mut outbox, Kind::Kept, id, 8));
        }
        let first = outbox.find(&mut |record| record.id == 1).unwrap();
        outbox.set_packet(&first, 9);
        outbox.set_in_flight(&first);
        outbox.rewind();
        let records: Vec<_> = outbox
            .records()
            .map(|record| (record.id, record.packet, record.dup, record.in_flight))
            .collect();
        assert_eq!(
            records,
            [
                (1, 9, true, false),
                (2, 0, false, false),
                (3, 0, false, false)
            ]
        );
    }

    #[test]
    fn what_never_fits_is_told_apart_from_what_does_not_fit_now() {
        let mut outbox = Outbox::<128>::new();
        assert_eq!(
            outbox.check(Kind::Kept, 0, 81),
            Err(Error::Capacity(Capacity::Message))
        );
        assert!(push(&mut outbox, Kind::Kept, 1, 80));
        assert_eq!(
            outbox.check(Kind::Kept, 0, 1),
            Err(Error::Capacity(Capacity::Outbox))
        );
        assert_eq!(
            outbox.check(Kind::Answer, 0, usize::MAX),
            Err(Error::Capacity(Capacity::Message))
        );
    }
}
