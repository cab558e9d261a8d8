//! The two queues: reading, releasing, and making room.

use super::layout::{self, HEADER, Meta, SECTOR_HEADER};
use super::message::{Lane, Message};
use super::priority::Priority;
use super::state::Place;
use super::{Flash, Store};

impl<F: Flash, const SECTORS: usize> Store<F, SECTORS> {
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

    pub(super) fn release_below(&mut self, lane: Lane, sequence: u32, time_s: u32) {
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
}
