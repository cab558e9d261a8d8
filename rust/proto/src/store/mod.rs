//! The outbox in flash: a log of accepted messages that survives a power cut at any moment.
//!
//! [`Store`] is a value over a small trait, [`Flash`]. It keeps two queues, one a [`Priority`],
//! whose messages are numbered without gaps. A message is appended, read in order, and released; a
//! release is a record itself and says up to which sequence nothing is needed any more. Beside the
//! queues are values, of which the newest of each key counts. So nothing that was written is ever
//! changed, and each word of flash is written once between two erases. How it lies in flash:
//! `layout.rs`; why it is a log of our own: `docs/decisions/0009-outbox-in-flash.md`.
//!
//! # Invariants
//! - **Appended is safe**: once [`Store::append`] has returned `Ok`, the message is read after any
//!   later power cut, until it is released, or dropped by [`Store::drop_oldest`]. What a cut leaves
//!   of an append that had not returned is no message, or the whole one.
//! - **Never a corrupt message**: header and content have a CRC each, and what is appended is
//!   compared with what is read back.
//! - **Damage is local**: a bad record costs that record, and the rest of its sector is read; a bad
//!   header of a sector costs nothing that is not told. The numbers that are missing are counted.
//! - **Mounting reads each sector once**, headers only. Memory does not depend on the number of
//!   messages.
//! - **Sectors are erased evenly**: the one with the fewest erases is taken next, and how often
//!   each was erased is in its header.

mod layout;
mod message;
mod priority;
mod queue;
mod records;
mod sectors;
mod state;
mod values;

pub use message::{Head, Kind, Message};
pub use priority::Priority;
pub use values::{KEYS, SHORT, SHORT_MAX};

use crate::id::Errno;
use layout::{HEADER, META, Meta, SECTOR_HEADER, SEQUENCE_END};
use message::Lane;
use state::{Newest, Queue, Sector, State, UNKNOWN};

/// NOR flash: a part of it that belongs to the store alone.
pub trait Flash {
    /// Its shape, which never changes.
    fn geometry(&mut self) -> Geometry;

    /// Fills `bytes` with what is stored from the offset `at` on.
    ///
    /// # Errors
    /// What the driver of the flash says.
    fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Errno>;

    /// Writes to bytes that are all ones. Offset and length are multiples of
    /// [`Geometry::write_size`].
    ///
    /// # Errors
    /// What the driver of the flash says.
    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Errno>;

    /// Sets whole sectors to ones.
    ///
    /// # Errors
    /// What the driver of the flash says.
    fn erase(&mut self, at: u32, len: u32) -> Result<(), Errno>;

    /// Returns when what was written survives a power cut; on flash it does at once.
    ///
    /// # Errors
    /// What the platform says.
    fn sync(&mut self) -> Result<(), Errno> {
        Ok(())
    }
}

/// The shape of a flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes that are erased together.
    pub sector_size: u32,
    /// Number of such sectors.
    pub sectors: u32,
    /// Bytes that are written together: 1, 2, 4, 8 or 16.
    pub write_size: u32,
}

/// Where topic and body of a message stand in the buffer of [`Store::append_in_place`].
pub const CONTENT: usize = HEADER + META;

/// What else the buffer has to hold: [`CONTENT`], and what fills up the last write.
pub const OVERHEAD: usize = CONTENT + 16;

/// Who a store belongs to, from names that do not change: a sum of them.
pub fn owner(names: &[&str]) -> u32 {
    layout::sum_of(names)
}

/// Why the store refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Not mounted, or the flash has a shape that cannot be worked with: fewer than 4 sectors, or
    /// another write size than [`Geometry::write_size`] says.
    Geometry,
    /// The message never fits a sector, or the caller's buffer.
    TooLarge,
    /// There is no room now. [`Store::drop_oldest`] makes some.
    Full,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Geometry => "the flash has fewer than 4 sectors, or a write size above 16",
            Self::TooLarge => "the message is larger than a sector or than the buffer",
            Self::Full => "the store is full",
        })
    }
}

impl core::error::Error for Error {}

/// What the store has counted since it was mounted, and how worn the flash is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Messages that are not released.
    pub depth: u32,
    /// Of them with [`Priority::High`].
    pub high: u32,
    /// Messages that were found damaged. A power cut in the middle of an append, or of making room,
    /// may be counted too.
    pub damaged: u32,
    /// Messages that gave way to others.
    pub dropped: u32,
    /// Sectors of another owner that were given up.
    pub foreign: u32,
    /// Sectors that hold something, and all of them.
    pub sectors: (u16, u16),
    /// Erases of the sector that has the fewest, and of the one that has the most.
    pub erases: (u32, u32),
}

/// The log. `SECTORS` is how many sectors it keeps apart: where the flash has more, several are one
/// to it.
#[derive(Debug)]
pub struct Store<F, const SECTORS: usize> {
    flash: F,
    /// 0 before the store is mounted.
    count: usize,
    sector_size: usize,
    write_size: usize,
    owner: u32,
    /// The latest time in it.
    time_s: u32,
    newest_id: u32,
    damaged: u32,
    dropped: u32,
    foreign: u32,
    /// The last search for a record has passed over what is none.
    passed_garbage: bool,
    queues: [Queue; Lane::ALL.len()],
    sectors: [Sector; SECTORS],
}

/// Fewer cannot have a sector for each queue, one that waits for alarms, and one to move to.
const SECTORS_MIN: u32 = 4;

impl<F: Flash, const SECTORS: usize> Store<F, SECTORS> {
    /// Not mounted: it refuses everything.
    pub const fn new(flash: F) -> Self {
        Self {
            flash,
            count: 0,
            sector_size: 0,
            write_size: 0,
            owner: 0,
            time_s: 0,
            newest_id: 0,
            damaged: 0,
            dropped: 0,
            foreign: 0,
            passed_garbage: false,
            queues: [Queue::EMPTY; Lane::ALL.len()],
            sectors: [Sector::new(State::Dirty, 0, 0, 0); SECTORS],
        }
    }

    /// The flash.
    pub fn flash(&mut self) -> &mut F {
        &mut self.flash
    }

    /// Finds what is stored. What was stored under another `owner` is given up. Writes nothing.
    ///
    /// # Errors
    /// [`Error::Geometry`].
    pub fn mount(&mut self, owner: u32) -> Result<(), Error> {
        let Geometry {
            sector_size,
            sectors,
            write_size,
        } = self.flash.geometry();
        self.count = 0;
        let together = sectors.div_ceil(SECTORS as u32).max(1);
        let count = sectors / together;
        if count < SECTORS_MIN
            || !matches!(write_size, 1 | 2 | 4 | 8 | 16)
            || sector_size % write_size != 0
            || sector_size as usize <= SECTOR_HEADER + HEADER + META
        {
            return Err(Error::Geometry);
        }
        self.count = count as usize;
        self.sector_size = (sector_size * together) as usize;
        self.write_size = write_size as usize;
        self.owner = owner;
        self.queues = [Queue::EMPTY; Lane::ALL.len()];
        (self.time_s, self.newest_id) = (0, 0);
        (self.damaged, self.dropped, self.foreign) = (0, 0, 0);
        let mut newest = [Newest::default(); Lane::ALL.len()];
        for sector in 0..self.count {
            self.scan(sector, &mut newest);
        }
        for (lane, newest) in Lane::ALL.into_iter().zip(newest) {
            self.settle(lane, newest);
        }
        let most = self.erases().1;
        for sector in &mut self.sectors {
            if sector.erases() == UNKNOWN {
                sector.bits = sector.bits & 0xFF | most << 8;
            }
        }
        Ok(())
    }

    /// Stores a message; returns its sequence, which is the last one of its queue and one. `buffer`
    /// has room for the message and 48 bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; [`Error::Full`], also where the flash refuses to be written;
    /// [`Error::Geometry`].
    pub fn append(
        &mut self,
        priority: Priority,
        message: &Message<'_>,
        buffer: &mut [u8],
    ) -> Result<u32, Error> {
        let (topic, payload) = (message.topic, message.payload);
        let place = buffer.get_mut(CONTENT..CONTENT + topic.len() + payload.len());
        let (place, rest) = place.ok_or(Error::TooLarge)?.split_at_mut(topic.len());
        place.copy_from_slice(topic);
        rest.copy_from_slice(payload);
        let head = Head {
            kind: message.kind,
            id: message.id,
            time_s: message.time_s,
            ttl_s: message.ttl_s,
            topic: topic.len(),
            payload: payload.len(),
        };
        self.append_in_place(priority, &head, buffer)
    }

    /// As [`append`](Self::append), of a message whose topic and body stand in `buffer` from
    /// [`CONTENT`] on.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_in_place(
        &mut self,
        priority: Priority,
        head: &Head,
        buffer: &mut [u8],
    ) -> Result<u32, Error> {
        self.append_record(priority.into(), head, buffer)
    }

    fn append_record(&mut self, lane: Lane, head: &Head, buffer: &mut [u8]) -> Result<u32, Error> {
        if self.count == 0 {
            return Err(Error::Geometry);
        }
        let len = CONTENT + head.topic + head.payload;
        let size = len.next_multiple_of(self.write_size);
        if len - HEADER > usize::from(u16::MAX) || size > self.sector_size - SECTOR_HEADER {
            return Err(Error::TooLarge);
        }
        let record = buffer.get_mut(..size).ok_or(Error::TooLarge)?;
        let (text, padding) = record.split_at_mut(len);
        padding.fill(u8::MAX);
        Meta {
            id: head.id,
            ttl_s: head.ttl_s,
            topic: head.topic,
        }
        .write(text.get_mut(HEADER..).unwrap_or_default());

        let sequence = self.queue(lane).next;
        if sequence >= SEQUENCE_END - 1 {
            return Err(Error::Full);
        }
        self.time_s = self.time_s.max(head.time_s);
        // A sector that refuses is left; each is tried once.
        for _ in 0..=self.count {
            let place = self.room(lane, size, self.spare(lane)).ok_or(Error::Full)?;
            layout::write_message(
                record.get_mut(..len).unwrap_or_default(),
                place.sector,
                head.kind,
                lane,
                sequence,
                head.time_s,
            );
            if self.write(lane, place, record) {
                self.queue(lane).next = sequence + 1;
                return Ok(sequence);
            }
        }
        Err(Error::Full)
    }

    /// The number that the newest message has to the application, as far as it is known without a
    /// search.
    pub fn newest_id(&self) -> u32 {
        self.newest_id
    }

    /// Whose it is.
    pub fn owner(&self) -> u32 {
        self.owner
    }

    /// Erases a sector ahead of need, so that no append waits for it; `true`: it has erased one,
    /// and there may be more.
    pub fn prepare(&mut self) -> bool {
        self.reclaim();
        let free = self.free();
        match free.dirty {
            Some(sector) if free.ready < READY => self.erase(sector),
            _ => false,
        }
    }

    /// The latest time that any record has: a clock that counts on from here over boots never goes
    /// back.
    pub fn time_s(&self) -> u32 {
        self.time_s
    }

    /// Depth, counters and wear.
    pub fn status(&self) -> Status {
        let depth = |queue: &Queue| queue.next - queue.released;
        let [normal, high, _] = &self.queues;
        let used = self.used().iter();
        Status {
            depth: depth(normal) + depth(high),
            high: depth(high),
            damaged: self.damaged,
            dropped: self.dropped,
            foreign: self.foreign,
            sectors: (
                used.filter(|sector| sector.is_used()).count() as u16,
                self.count as u16,
            ),
            erases: self.erases(),
        }
    }

    /// Erases since the flash was new, of each sector.
    pub fn sector_erases(&self) -> impl Iterator<Item = u32> + '_ {
        self.used().iter().map(Sector::erases)
    }

    fn queue(&mut self, lane: Lane) -> &mut Queue {
        &mut self.queues[lane as usize]
    }
}

/// Sectors that are erased ahead: one for each queue.
const READY: usize = 2;

#[cfg(test)]
mod tests;
