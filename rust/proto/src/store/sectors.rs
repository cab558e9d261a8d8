//! Sectors: what is found in them at the start, which is free, and in which order they are used.

use super::layout::{self, META, OPENING, Opening, SECTOR_HEADER, SectorHeader, What};
use super::message::Lane;
use super::state::{Newest, Order, Place, Queue, Sector, State, UNKNOWN};
use super::{Flash, Store};

impl<F: Flash, const SECTORS: usize> Store<F, SECTORS> {
    /// Reads the headers of a sector.
    pub(super) fn scan(&mut self, sector: usize, newest: &mut [Newest; Lane::ALL.len()]) {
        self.set(sector, State::Dirty, 0, UNKNOWN, 0);
        let mut bytes = [0; SECTOR_HEADER];
        let start = Place { sector, at: 0 };
        if self.read(start, &mut bytes).is_err() {
            self.set(sector, State::Bad, 0, UNKNOWN, 0);
            return;
        }
        let header = SectorHeader::parse(&bytes);
        let erases = header
            .erases
            .map_or(UNKNOWN, |known| known.min(UNKNOWN - 1));
        self.set(sector, State::Dirty, 0, erases, 0);
        let (mut opened, mut repeat) = (None, 0);
        match header.opening {
            Opening::Blank => {
                if header.erases.is_some() {
                    self.set(sector, State::Ready, 0, erases, 0);
                }
                return;
            }
            Opening::Whole { owner, .. } if owner != self.owner => {
                self.foreign += 1;
                return;
            }
            Opening::Whole {
                lane,
                first,
                repeat: known,
                released,
                ..
            } => {
                repeat = known;
                opened = Some((lane, first));
                self.queue(lane).released = self.queue(lane).released.max(released);
            }
            Opening::Damaged if header.erases.is_none() => return,
            Opening::Damaged => {}
        }
        let mut place = Place {
            sector,
            at: SECTOR_HEADER,
        };
        let mut found = Newest::default();
        while let Some((at, record)) = self.next_record(&mut place) {
            found.torn |= self.passed_garbage;
            self.time_s = self.time_s.max(record.time_s);
            match record.what {
                What::Release => {
                    let queue = self.queue(record.lane);
                    queue.released = queue.released.max(record.sequence);
                }
                What::Message(_) => {
                    let (lane, _) = *opened.get_or_insert((record.lane, record.sequence));
                    if lane == record.lane {
                        found = Newest {
                            last: Some((at, record)),
                            torn: false,
                        };
                    }
                }
            }
        }
        let Some((lane, first)) = opened else {
            return;
        };
        self.set(sector, State::Used(lane), first, erases, repeat);
        let is_newest = match self.queue(lane).end {
            Some(end) => self.order(end.sector) < self.order(sector),
            None => true,
        };
        if is_newest {
            self.queue(lane).end = Some(place);
            if let Some(newest) = newest.get_mut(lane as usize) {
                found.torn |= self.passed_garbage;
                *newest = found;
            }
        }
    }

    /// From what all sectors say.
    pub(super) fn settle(&mut self, lane: Lane, newest: Newest) {
        let Some(end) = self.queue(lane).end else {
            let queue = self.queue(lane);
            (queue.next, queue.unread) = (queue.released, queue.released);
            return;
        };
        // An older one that is not there any more was released, whatever the power cut has left of
        // the release.
        let first = self.first_sector(lane).unwrap_or(end.sector);
        let oldest = self.order(first).0;
        let mut next = self.order(end.sector).0;
        // A power cut leaves garbage, or a header without its content, here alone: the number is
        // given again.
        self.damaged += u32::from(newest.torn);
        if let Some((place, header)) = newest.last {
            let is_whole = self.is_whole(place, &header);
            let mut meta = [0; META];
            if is_whole && lane != Lane::Values && self.read(place.content(), &mut meta).is_ok() {
                self.newest_id = self.newest_id.max(layout::id_of(&meta));
            }
            self.damaged += u32::from(!is_whole);
            next = next.max(header.sequence + u32::from(is_whole));
        }
        let queue = self.queue(lane);
        queue.released = queue.released.max(oldest);
        queue.next = next.max(queue.released);
        queue.unread = queue.released;
    }

    pub(super) fn erases(&self) -> (u32, u32) {
        let (mut least, mut most) = (UNKNOWN, 0);
        for erases in self.sector_erases().filter(|erases| *erases != UNKNOWN) {
            least = least.min(erases);
            most = most.max(erases);
        }
        (least.min(most), most)
    }

    /// Sectors that a lane leaves: one for alarms, and where there are values one for them to move
    /// to.
    pub(super) fn spare(&self, lane: Lane) -> usize {
        let has_values = self.queues[Lane::Values as usize].end.is_some();
        match lane {
            Lane::Normal => 1 + usize::from(has_values),
            Lane::High => usize::from(has_values),
            Lane::Values => 0,
        }
    }

    /// Where `size` bytes have room; opens a sector where there is none, but leaves `spare` of
    /// them.
    pub(super) fn room(&mut self, lane: Lane, size: usize, spare: usize) -> Option<Place> {
        if let Some(end) = self.queue(lane).end
            && size <= self.sector_size.saturating_sub(end.at)
        {
            return Some(end);
        }
        self.reclaim();
        loop {
            let free = self.free();
            let sector = free.next.filter(|_| free.count > spare)?;
            if self.open(sector, lane) {
                return self.queue(lane).end;
            }
        }
    }

    /// Opens a free sector for a queue.
    pub(super) fn open(&mut self, sector: usize, lane: Lane) -> bool {
        if !self.sectors[sector].is(State::Ready) && !self.erase(sector) {
            return false;
        }
        let Queue { next, released, .. } = *self.queue(lane);
        let state = State::Used(lane);
        let same = |other: &&Sector| other.is(state) && other.first == next;
        let repeats = self.used().iter().filter(same).map(Sector::repeat);
        let repeat = repeats.max().map_or(0, |last| last + 1);
        let erases = self.sectors[sector].erases();
        let header = layout::opened(lane, repeat, next, released, self.owner);
        let place = Place {
            sector,
            at: OPENING,
        };
        if !self.write_checked(place, &header) {
            self.set(sector, State::Bad, 0, erases, 0);
            return false;
        }
        self.set(sector, state, next, erases, repeat);
        self.queue(lane).end = Some(Place {
            sector,
            at: SECTOR_HEADER,
        });
        true
    }

    /// Erases a sector and writes the proof of it.
    pub(super) fn erase(&mut self, sector: usize) -> bool {
        let size = self.sector_size as u32;
        let erases = (self.sectors[sector].erases() + 1).min(UNKNOWN - 1);
        let place = Place { sector, at: 0 };
        let done = self.flash.erase(sector as u32 * size, size).is_ok()
            && self.write_checked(place, &layout::erased(erases));
        let state = if done { State::Ready } else { State::Bad };
        self.set(sector, state, 0, erases, 0);
        done
    }

    /// Sectors that hold nothing that is needed become free.
    pub(super) fn reclaim(&mut self) {
        for lane in Lane::ALL {
            let Queue {
                next,
                released,
                end,
                ..
            } = *self.queue(lane);
            // The newest one stays, whatever of it is needed.
            while let Some(sector) = self.first_sector(lane)
                && end.is_none_or(|end| end.sector != sector)
            {
                let following = self.following(lane, sector);
                let until = following.map_or(next, |following| self.order(following).0);
                if until > released {
                    break;
                }
                self.give_up(sector);
            }
        }
    }

    pub(super) fn give_up(&mut self, sector: usize) {
        let erases = self.sectors[sector].erases();
        self.set(sector, State::Dirty, 0, erases, 0);
        for queue in &mut self.queues {
            queue.position = queue.position.filter(|place| place.sector != sector);
        }
    }

    pub(super) fn used(&self) -> &[Sector] {
        self.sectors.get(..self.count).unwrap_or_default()
    }

    pub(super) fn set(&mut self, sector: usize, state: State, first: u32, erases: u32, repeat: u8) {
        self.sectors[sector] = Sector::new(state, first, erases, repeat);
    }

    /// The sectors that hold nothing that is needed.
    #[inline(never)]
    pub(super) fn free(&self) -> Free {
        let mut free = Free::default();
        let (mut least, mut least_dirty) = (u32::MAX, u32::MAX);
        for (number, sector) in self.used().iter().enumerate() {
            if !sector.is_free() {
                continue;
            }
            let is_dirty = sector.is(State::Dirty);
            free.count += 1;
            free.ready += usize::from(!is_dirty);
            // With the erase that it needs first; of two alike the one that needs none.
            let wear = (sector.erases() + u32::from(is_dirty)) << 1 | u32::from(is_dirty);
            if wear < least {
                (least, free.next) = (wear, Some(number));
            }
            if is_dirty && wear < least_dirty {
                (least_dirty, free.dirty) = (wear, Some(number));
            }
        }
        free
    }

    /// What sectors of a queue are in order by.
    pub(super) fn order(&self, sector: usize) -> Order {
        let of = self.sectors[sector];
        (of.first, of.repeat(), sector)
    }

    pub(super) fn first_sector(&self, lane: Lane) -> Option<usize> {
        self.first_above(lane, None)
    }

    /// The sector after this one, of the same queue.
    pub(super) fn following(&self, lane: Lane, sector: usize) -> Option<usize> {
        self.first_above(lane, Some(self.order(sector)))
    }

    #[inline(never)]
    pub(super) fn first_above(&self, lane: Lane, bound: Option<Order>) -> Option<usize> {
        let mut found: Option<Order> = None;
        for (number, sector) in self.used().iter().enumerate() {
            let order = (sector.first, sector.repeat(), number);
            if sector.is(State::Used(lane))
                && bound.is_none_or(|bound| order > bound)
                && found.is_none_or(|found| order < found)
            {
                found = Some(order);
            }
        }
        found.map(|(_, _, number)| number)
    }
}

/// Free sectors: how many, how many of them are erased, which is to be used next, and which of
/// those to be erased.
#[derive(Default)]
pub(super) struct Free {
    pub(super) count: usize,
    pub(super) ready: usize,
    pub(super) next: Option<usize>,
    pub(super) dirty: Option<usize>,
}
