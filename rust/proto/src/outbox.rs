//! Accepted messages that the hub has not acknowledged: a bounded buffer of records, oldest first.
//!
//! A record is a header of 16 bytes, the end of the topic and the payload. The beginning of the
//! topic, with the device's id, is not stored, so that a record survives a move to another hub.

use crate::error::{Capacity, Error};

/// What to do with a new message when the outbox is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Refuse the new message with [`Error::Capacity`].
    #[default]
    Reject,
    /// Drop the oldest telemetry that is not in flight; each drop is counted and is an
    /// [`Event::Dropped`](crate::Event::Dropped). Reports and responses to methods are never
    /// dropped.
    DropOldest,
}

/// Where a message is kept until it is sent, in a build with the outbox in flash
/// (`CONFIG_IOTHUB_OUTBOX_FLASH`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// In RAM while the connection is good; in flash when it is gone for a while, when RAM is half
    /// full, and before a planned restart.
    Spill,
    /// In flash from the moment that it is accepted.
    Always,
    /// In RAM only: a power cut loses it.
    Never,
}

/// The kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Removed: its room is free.
    Removed = 0,
    /// Telemetry at QoS 0.
    Qos0 = 1,
    /// Telemetry at QoS 1.
    Qos1 = 2,
    /// Reported properties, kept until their answer.
    Report = 3,
    /// The response to a method, for this connection only.
    MethodResponse = 4,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    at: usize,
    pub(crate) kind: Kind,
    /// The packet id; 0 before the record is first written.
    pub(crate) packet: u16,
    pub(crate) id: u32,
    /// [`Flags`].
    pub(crate) flags: u8,
    /// Of a stored one: its sequence there. Of a report that a later one replaces: its key and 1.
    /// Else when it expires: the uptime in seconds, 0 for never.
    pub(crate) sequence: u32,
    topic: u16,
    payload: u16,
}

/// What a record's second byte says.
pub(crate) struct Flags;

impl Flags {
    const IN_FLIGHT: u8 = 1;
    const DUP: u8 = 2;
    /// In flash as well.
    pub(crate) const STORED: u8 = 4;
    /// Sent before what has not this flag.
    pub(crate) const HIGH: u8 = 8;
    /// Not to be stored in flash.
    pub(crate) const RAM_ONLY: u8 = 16;
    /// Was copied to be stored.
    pub(crate) const COPIED: u8 = 32;
}

impl Record {
    fn size(&self) -> usize {
        HEADER + usize::from(self.topic) + usize::from(self.payload)
    }

    /// Written on this connection and not acknowledged.
    pub(crate) fn in_flight(&self) -> bool {
        self.flags & Flags::IN_FLIGHT != 0
    }

    /// Written on an earlier connection.
    pub(crate) fn dup(&self) -> bool {
        self.flags & Flags::DUP != 0
    }

    pub(crate) fn topic_len(&self) -> usize {
        usize::from(self.topic)
    }

    pub(crate) fn payload_len(&self) -> usize {
        usize::from(self.payload)
    }

    pub(crate) fn is_high(&self) -> bool {
        self.flags & Flags::HIGH != 0
    }

    /// When it expires, where it is in RAM alone: the uptime in seconds, 0 for never.
    pub(crate) fn deadline_s(&self) -> u32 {
        let is_telemetry = matches!(self.kind, Kind::Qos0 | Kind::Qos1);
        if is_telemetry && self.flags & Flags::STORED == 0 {
            self.sequence
        } else {
            0
        }
    }
}

const HEADER: usize = 16;

/// The records, in static memory.
#[derive(Debug)]
pub(crate) struct Outbox<const N: usize> {
    bytes: [u8; N],
    start: usize,
    end: usize,
    /// Bytes of records that are not removed.
    used: usize,
    /// Where the last record lies that was pushed.
    last: usize,
}

impl<const N: usize> Outbox<N> {
    /// Room that telemetry may not take, so that a full outbox still has room for responses and
    /// reports.
    pub(crate) const RESERVE: usize = if N / 4 < 512 { N / 4 } else { 512 };

    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            start: 0,
            end: 0,
            used: 0,
            last: 0,
        }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Checks that a record of this kind fits now.
    ///
    /// # Errors
    /// [`Capacity::Message`] where it never fits, [`Capacity::Outbox`] where it may fit later.
    pub(crate) fn check(&self, kind: Kind, topic: usize, payload: usize) -> Result<(), Error> {
        let size = HEADER.saturating_add(topic).saturating_add(payload);
        let room = match kind {
            Kind::Qos0 | Kind::Qos1 => N - Self::RESERVE,
            _ => N,
        };
        if size > room || topic.max(payload) > usize::from(u16::MAX) {
            Err(Error::Capacity(Capacity::Message))
        } else if size > room.saturating_sub(self.used) {
            Err(Error::Capacity(Capacity::Outbox))
        } else {
            Ok(())
        }
    }

    /// Appends a record and returns the room for its topic and payload.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        id: u32,
        topic: usize,
        payload: usize,
    ) -> Result<&mut [u8], Error> {
        self.check(kind, topic, payload)?;
        let size = HEADER + topic + payload;
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
        written[8..10].copy_from_slice(&(topic as u16).to_le_bytes());
        written[10..12].copy_from_slice(&(payload as u16).to_le_bytes());
        header.copy_from_slice(&written);
        self.last = at;
        self.end += size;
        self.used += size;
        Ok(content)
    }

    /// All records that are not removed, oldest first.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let mut at = self.start;
        core::iter::from_fn(move || {
            while at < self.end {
                let record = self.record(at)?;
                at += record.size();
                if record.kind != Kind::Removed {
                    return Some(record);
                }
            }
            None
        })
    }

    /// Takes a trait object: a generic function would be a loop in flash for each caller.
    pub(crate) fn find(&self, matches: &mut dyn FnMut(&Record) -> bool) -> Option<Record> {
        self.records().find(|record| matches(record))
    }

    /// The end of the record's topic, and its payload.
    pub(crate) fn content(&self, record: &Record) -> (&[u8], &[u8]) {
        let content = self
            .bytes
            .get(record.at + HEADER..record.at + record.size())
            .unwrap_or_default();
        content
            .split_at_checked(record.topic_len())
            .unwrap_or((content, &[]))
    }

    pub(crate) fn set_packet(&mut self, record: &Record, packet: u16) {
        self.patch(record.at + 2, &packet.to_le_bytes());
    }

    pub(crate) fn set_in_flight(&mut self, record: &Record) {
        self.patch(record.at + 1, &[record.flags | Flags::IN_FLIGHT]);
    }

    /// The flags of the record that was pushed last.
    pub(crate) fn set_last_flags(&mut self, flags: u8) {
        self.patch(self.last + 1, &[flags]);
    }

    /// The message's sequence, or its deadline.
    pub(crate) fn set_last_sequence(&mut self, sequence: u32) {
        self.patch(self.last + 12, &sequence.to_le_bytes());
    }

    pub(crate) fn set_flags(&mut self, record: &Record, flags: u8) {
        self.patch(record.at + 1, &[flags]);
    }

    pub(crate) fn set_stored(&mut self, record: &Record, sequence: u32) {
        self.set_flags(record, record.flags & !Flags::COPIED | Flags::STORED);
        self.patch(record.at + 12, &sequence.to_le_bytes());
    }

    pub(crate) fn remove(&mut self, record: &Record) {
        self.patch(record.at, &[Kind::Removed as u8]);
        self.used -= record.size();
        if self.used == 0 {
            self.start = 0;
            self.end = 0;
        }
        while let Some(oldest) = self.record(self.start) {
            if oldest.kind != Kind::Removed {
                break;
            }
            self.start += oldest.size();
        }
    }

    /// Queues what was in flight again, in its old place, and removes responses to methods.
    pub(crate) fn rewind(&mut self) {
        let mut at = self.start;
        while let Some(record) = self.record(at) {
            at += record.size();
            match record.kind {
                Kind::MethodResponse => self.remove(&record),
                Kind::Qos1 | Kind::Report if record.in_flight() => {
                    let flags = record.flags & !Flags::IN_FLIGHT | Flags::DUP;
                    self.patch(record.at + 1, &[flags]);
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
            if record.kind != Kind::Removed {
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
        let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        Some(Record {
            at,
            kind: match header[0] {
                1 => Kind::Qos0,
                2 => Kind::Qos1,
                3 => Kind::Report,
                4 => Kind::MethodResponse,
                _ => Kind::Removed,
            },
            packet: half(2),
            id: word(4),
            flags: header[1],
            sequence: word(12),
            topic: half(8),
            payload: half(10),
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
            let (topic, payload) = outbox.content(&record);
            assert!(
                topic
                    .iter()
                    .chain(payload)
                    .all(|byte| *byte == record.id as u8)
            );
        }
        outbox.records().map(|record| record.id).collect()
    }

    #[test]
    fn holes_are_reused_and_order_is_kept() {
        let mut outbox = Outbox::<256>::new();
        assert_eq!(Outbox::<256>::RESERVE, 64);
        for id in 1..=6 {
            assert!(push(&mut outbox, Kind::Qos1, id, 16));
        }
        assert!(!push(&mut outbox, Kind::Qos1, 7, 16));
        assert!(push(&mut outbox, Kind::MethodResponse, 7, 48));
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
            assert!(push(&mut outbox, Kind::Qos1, id, 8));
        }
        let first = outbox.find(&mut |record| record.id == 1).unwrap();
        outbox.set_packet(&first, 9);
        outbox.set_in_flight(&first);
        outbox.rewind();
        let records: Vec<_> = outbox
            .records()
            .map(|record| (record.id, record.packet, record.dup(), record.in_flight()))
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
            outbox.check(Kind::Qos1, 0, 81),
            Err(Error::Capacity(Capacity::Message))
        );
        assert!(push(&mut outbox, Kind::Qos1, 1, 80));
        assert_eq!(
            outbox.check(Kind::Qos1, 0, 1),
            Err(Error::Capacity(Capacity::Outbox))
        );
        assert_eq!(
            outbox.check(Kind::MethodResponse, 0, usize::MAX),
            Err(Error::Capacity(Capacity::Message))
        );
    }
}
