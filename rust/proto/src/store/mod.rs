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
mod records;
mod sectors;
mod values;

pub use values::{KEYS, SHORT, SHORT_MAX};

use crate::id::Errno;
use crate::telemetry::Qos;
use layout::{HEADER, Header, META, Meta, SECTOR_HEADER, SEQUENCE_END};

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

/// Which of the two queues a message is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Telemetry. Gives way where the store is full.
    #[default]
    Normal = 0,
    /// Alarms: sent before everything that is [`Normal`](Self::Normal).
    High = 1,
}

impl Priority {
    /// Both, the higher one first.
    pub const ALL: [Self; 2] = [Self::High, Self::Normal];
}

/// What a sector belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Normal = 0,
    High = 1,
    /// Of these the newest of each key counts.
    Values = 2,
}

impl Lane {
    const ALL: [Self; 3] = [Self::Normal, Self::High, Self::Values];

    fn from_wire(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

impl From<Priority> for Lane {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Normal => Self::Normal,
            Priority::High => Self::High,
        }
    }
}

/// How a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Telemetry at QoS 0.
    Qos0 = 1,
    /// Telemetry at QoS 1.
    Qos1 = 2,
}

impl Kind {
    fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Qos0),
            2 => Some(Self::Qos1),
            _ => None,
        }
    }

    /// The quality of service.
    pub const fn qos(self) -> Qos {
        match self {
            Self::Qos0 => Qos::AtMostOnce,
            Self::Qos1 => Qos::AtLeastOnce,
        }
    }
}

/// A message as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// How it is sent.
    pub kind: Kind,
    /// Its number to the application.
    pub id: u32,
    /// When it was accepted, in seconds of [`Store::time_s`].
    pub time_s: u32,
    /// How long it is worth sending, in seconds; 0: for ever.
    pub ttl_s: u32,
    /// The end of its topic: the properties.
    pub topic: &'a [u8],
    /// Its body.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// Whether its time to live is over.
    pub fn is_expired(&self, now_s: u32) -> bool {
        self.ttl_s != 0 && now_s.saturating_sub(self.time_s) >= self.ttl_s
    }
}

/// A message without topic and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// As in [`Message`].
    pub kind: Kind,
    /// As in [`Message`].
    pub id: u32,
    /// As in [`Message`].
    pub time_s: u32,
    /// As in [`Message`].
    pub ttl_s: u32,
    /// Bytes of the topic.
    pub topic: usize,
    /// Bytes of the body.
    pub payload: usize,
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

/// In 8 bytes: 64 of them are most of the store's RAM.
#[derive(Clone, Copy, Debug)]
struct Sector {
    /// Of what it holds, where it is used.
    first: u32,
    /// From the lowest bit on: its state in 3, its repeat in 5, its erases in 24. All zeros is
    /// [`State::Dirty`], so that a store in static memory takes no flash.
    bits: u32,
}

impl Sector {
    /// `repeat` makes sectors with the same first sequence follow each other.
    const fn new(state: State, first: u32, erases: u32, repeat: u8) -> Self {
        let repeat = if repeat > REPEAT_MAX {
            REPEAT_MAX
        } else {
            repeat
        };
        Self {
            first,
            bits: state.code() | (repeat as u32) << 3 | erases << 8,
        }
    }

    fn is(&self, state: State) -> bool {
        self.bits & 7 == state.code()
    }

    fn is_free(&self) -> bool {
        self.is(State::Dirty) || self.is(State::Ready)
    }

    fn is_used(&self) -> bool {
        self.bits & 7 >= State::Used(Lane::Normal).code()
    }

    fn repeat(&self) -> u8 {
        (self.bits >> 3) as u8 & REPEAT_MAX
    }

    fn erases(&self) -> u32 {
        self.bits >> 8
    }
}

/// First sequence, repeat, number.
type Order = (u32, u8, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be erased before use.
    Dirty,
    /// Erased.
    Ready,
    /// Refused a write or an erase: not used again before the next mount.
    Bad,
    Used(Lane),
}

impl State {
    const fn code(self) -> u32 {
        match self {
            Self::Dirty => 0,
            Self::Ready => 1,
            Self::Bad => 2,
            Self::Used(lane) => 3 + lane as u32,
        }
    }
}

/// A place: sector and offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    sector: usize,
    at: usize,
}

impl Place {
    /// Where the content of the record is that begins here.
    fn content(self) -> Self {
        Self {
            at: self.at + HEADER,
            ..self
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Queue {
    /// The sequence of the next message.
    next: u32,
    /// Nothing below it is needed.
    released: u32,
    /// The next one to be read.
    unread: u32,
    /// Where the next record goes.
    end: Option<Place>,
    /// Where reading goes on; `None`: at the oldest that is not released.
    position: Option<Place>,
}

impl Queue {
    const EMPTY: Self = Self {
        next: 0,
        released: 0,
        unread: 0,
        end: None,
        position: None,
    };
}

/// What the scan has found at the end of a queue's newest sector.
#[derive(Clone, Copy, Default)]
struct Newest {
    last: Option<(Place, Header)>,
    /// There is something behind it that is no record.
    torn: bool,
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
/// Where damage has taken the number of erases; what is known stays below.
const UNKNOWN: u32 = (1 << 24) - 1;
const REPEAT_MAX: u8 = 31;

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

    /// Reads the next message of a queue, which stays stored until it is [released](Self::release);
    /// `None` after the last. With its sequence. `buffer` has room for the largest message and 48
    /// bytes: a larger one counts as damaged.
    pub fn read_next<'b>(
        &mut self,
        priority: Priority,
        buffer: &'b mut [u8],
    ) -> Option<(u32, Message<'b>)> {
        let lane = priority.into();
        let (kind, header) = loop {
            let Some((place, kind, header)) = self.next_message(lane) else {
                let queue = self.queue(lane);
                let missing = queue.next - queue.unread;
                queue.unread = queue.next;
                self.damaged += missing;
                return None;
            };
            if self.content(place, &header, buffer) {
                break (kind, header);
            }
        };
        let queue = self.queue(lane);
        let missing = header.sequence.saturating_sub(queue.unread);
        queue.unread = header.sequence + 1;
        self.damaged = self.damaged.saturating_add(missing);
        let (meta, rest) = Meta::parse(buffer.get(..header.len)?)?;
        let (topic, payload) = rest.split_at_checked(meta.topic)?;
        let message = Message {
            kind,
            id: meta.id,
            time_s: header.time_s,
            ttl_s: meta.ttl_s,
            topic,
            payload,
        };
        Some((header.sequence, message))
    }

    /// Counts the messages below `sequence` as read.
    pub fn skip(&mut self, priority: Priority, sequence: u32) {
        let queue = self.queue(priority.into());
        queue.unread = queue.unread.max(sequence.min(queue.next));
    }

    /// Reads on from `sequence`, which was read before.
    pub fn read_again(&mut self, priority: Priority, sequence: u32) {
        let queue = self.queue(priority.into());
        queue.unread = sequence.clamp(queue.released, queue.unread);
        queue.position = None;
    }

    /// The sequence of the message that is read next.
    pub fn next_unread(&self, priority: Priority) -> u32 {
        self.queues[priority as usize].unread
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

    /// Messages that are neither read nor released.
    pub fn unread(&self, priority: Priority) -> u32 {
        let queue = self.queues[priority as usize];
        queue.next - queue.unread
    }

    /// The sequence of the oldest message that is not released.
    pub fn released(&self, priority: Priority) -> u32 {
        self.queues[priority as usize].released
    }

    /// Nothing below `sequence` is needed any more. Costs 20 bytes of flash.
    pub fn release(&mut self, priority: Priority, sequence: u32, time_s: u32) {
        self.release_below(priority.into(), sequence, time_s);
    }

    fn release_below(&mut self, lane: Lane, sequence: u32, time_s: u32) {
        let queue = self.queue(lane);
        let sequence = sequence.min(queue.next);
        if sequence <= queue.released {
            return;
        }
        queue.released = sequence;
        queue.unread = queue.unread.max(sequence);
        self.time_s = self.time_s.max(time_s);
        let size = HEADER.next_multiple_of(self.write_size);
        for _ in 0..=self.count {
            let before = self.queue(lane).end;
            let Some(place) = self.room(lane, size, 0) else {
                return;
            };
            // A sector that was opened for it says it in its header.
            if before.is_none_or(|before| before.sector != place.sector) {
                return;
            }
            let mut record = [u8::MAX; HEADER.next_multiple_of(16)];
            layout::write_release(&mut record, place.sector, lane, sequence, time_s);
            if self.write(lane, place, record.get(..size).unwrap_or_default()) {
                return;
            }
        }
    }

    /// Makes room for a message of this priority: the oldest sector of the lowest priority is given
    /// up, never one of a higher priority. `tell` is called with id and sequence of each message
    /// that is dropped and can be read. `false`: there is nothing to be dropped.
    pub fn drop_oldest(
        &mut self,
        priority: Priority,
        tell: &mut dyn FnMut(Priority, u32, u32),
    ) -> bool {
        for lowest in [Priority::Normal, Priority::High] {
            if lowest as u8 > priority as u8 {
                break;
            }
            let lane = lowest.into();
            self.reclaim();
            let Some(victim) = self.first_sector(lane) else {
                continue;
            };
            let queue = *self.queue(lane);
            let until = match self.following(lane, victim) {
                Some(next) => self.order(next).0,
                None => queue.next,
            };
            // The newest one stays where nothing in it is needed any more: until now.
            let mut place = Place {
                sector: victim,
                at: SECTOR_HEADER,
            };
            while let Some((_, header, id)) = self.next_whole(lane, &mut place) {
                tell(lowest, id, header.sequence);
            }
            self.dropped += until.saturating_sub(queue.released);
            let queue = self.queue(lane);
            queue.released = queue.released.max(until);
            queue.unread = queue.unread.max(until);
            if queue.end.is_some_and(|end| end.sector == victim) {
                queue.end = None;
            }
            self.give_up(victim);
            return true;
        }
        false
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

    /// When the oldest message that is not released was accepted, in seconds of [`Store::time_s`].
    pub fn oldest_s(&mut self) -> Option<u32> {
        Priority::ALL
            .into_iter()
            .filter_map(|priority| {
                let lane = priority.into();
                let before = *self.queue(lane);
                let queue = self.queue(lane);
                (queue.unread, queue.position) = (queue.released, None);
                let oldest = self.next_message(lane);
                *self.queue(lane) = before;
                oldest.map(|(_, _, header)| header.time_s)
            })
            .min()
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
