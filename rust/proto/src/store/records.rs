//! Records: how they are found, checked and written.

use super::layout::{self, HEADER, Header, META, SECTOR_HEADER, Sum, What};
use super::message::{Kind, Lane};
use super::state::{Place, Queue};
use super::{Flash, Store};
use crate::id::Errno;

impl<F: Flash, const SECTORS: usize> Store<F, SECTORS> {
    /// Goes on to the next message that was not read, with its header checked and its content not.
    pub(super) fn next_message(&mut self, lane: Lane) -> Option<(Place, Kind, Header)> {
        let Queue {
            next,
            unread,
            position,
            ..
        } = *self.queue(lane);
        if unread >= next {
            return None;
        }
        let mut place = match position {
            Some(place) => place,
            None => {
                let mut sector = self.first_sector(lane)?;
                while let Some(next) = self.following(lane, sector)
                    && self.order(next).0 <= unread
                {
                    sector = next;
                }
                Place {
                    sector,
                    at: SECTOR_HEADER,
                }
            }
        };
        loop {
            match self.next_record(&mut place) {
                Some((found, header)) => {
                    self.queue(lane).position = Some(place);
                    if let What::Message(kind) = header.what
                        && header.lane == lane
                        && (unread..next).contains(&header.sequence)
                    {
                        return Some((found, kind, header));
                    }
                }
                None => {
                    place = Place {
                        sector: self.following(lane, place.sector)?,
                        at: SECTOR_HEADER,
                    };
                }
            }
        }
    }

    /// The next message or value of a lane in a sector that is whole and not released, with its id
    /// or key.
    pub(super) fn next_whole(
        &mut self,
        lane: Lane,
        place: &mut Place,
    ) -> Option<(Place, Header, u32)> {
        let released = self.queue(lane).released;
        while let Some((found, header)) = self.next_record(place) {
            let mut meta = [0; META];
            if matches!(header.what, What::Message(_))
                && header.lane == lane
                && header.sequence >= released
                && self.is_whole(found, &header)
                && self.read(found.content(), &mut meta).is_ok()
            {
                return Some((found, header, layout::id_of(&meta)));
            }
        }
        None
    }

    /// The next record of a sector, from `place` on, which then is behind it; at the end it is
    /// where blank flash begins.
    pub(super) fn next_record(&mut self, place: &mut Place) -> Option<(Place, Header)> {
        self.passed_garbage = false;
        loop {
            let mut bytes = [0; HEADER];
            if place.at + HEADER > self.sector_size {
                return None;
            }
            if self.read(*place, &mut bytes).is_err() {
                place.at = self.sector_size;
                return None;
            }
            if is_blank(&bytes) {
                let end = self.end_of_blank(*place);
                if end >= self.sector_size {
                    return None;
                }
                place.at = end;
                continue;
            }
            match Header::parse(place.sector, &bytes) {
                Some(header) if header.len <= self.sector_size - HEADER - place.at => {
                    let found = *place;
                    place.at += (HEADER + header.len).next_multiple_of(self.write_size);
                    return Some((found, header));
                }
                _ => {
                    self.passed_garbage = true;
                    place.at += self.write_size;
                }
            }
        }
    }

    /// Where the next byte is that is not blank, rounded down to the write size; the sector's end
    /// where there is none.
    pub(super) fn end_of_blank(&mut self, mut place: Place) -> usize {
        let mut chunk = [0; CHUNK];
        while place.at < self.sector_size {
            let len = CHUNK.min(self.sector_size - place.at);
            let Some(bytes) = chunk.get_mut(..len) else {
                break;
            };
            if self.read(place, bytes).is_err() {
                break;
            }
            if let Some(used) = bytes.iter().position(|byte| *byte != u8::MAX) {
                let at = place.at + used;
                return at - at % self.write_size;
            }
            place.at += len;
        }
        self.sector_size
    }

    /// Reads the content of a message into `buffer`; whether it is whole and fits.
    pub(super) fn content(&mut self, record: Place, header: &Header, buffer: &mut [u8]) -> bool {
        buffer.get_mut(..header.len).is_some_and(|content| {
            self.read(record.content(), content).is_ok()
                && header.is_sum(Sum::new(record.sector).add(content))
        })
    }

    /// Whether the content of a message is whole, however large it is.
    pub(super) fn is_whole(&mut self, record: Place, header: &Header) -> bool {
        let mut place = record.content();
        let end = place.at + header.len;
        let mut sum = Sum::new(place.sector);
        let mut chunk = [0; CHUNK];
        while place.at < end {
            let len = CHUNK.min(end - place.at);
            let Some(bytes) = chunk.get_mut(..len) else {
                return false;
            };
            if self.read(place, bytes).is_err() {
                return false;
            }
            sum = sum.add(bytes);
            place.at += len;
        }
        header.is_sum(sum)
    }

    /// Writes a record to the end of a queue; where the flash refuses, the sector is left.
    pub(super) fn write(&mut self, lane: Lane, place: Place, record: &[u8]) -> bool {
        let done = self.write_checked(place, record) && self.flash.sync().is_ok();
        let at = if done {
            place.at + record.len()
        } else {
            self.sector_size
        };
        self.queue(lane).end = Some(Place { at, ..place });
        done
    }

    pub(super) fn write_checked(&mut self, place: Place, bytes: &[u8]) -> bool {
        if self.flash.write(self.offset(place), bytes).is_err() {
            return false;
        }
        let mut chunk = [0; CHUNK];
        let mut at = place.at;
        for expected in bytes.chunks(CHUNK) {
            let place = Place { at, ..place };
            let Some(found) = chunk.get_mut(..expected.len()) else {
                return false;
            };
            if self.read(place, found).is_err() || *found != *expected {
                return false;
            }
            at += expected.len();
        }
        true
    }

    pub(super) fn read(&mut self, place: Place, bytes: &mut [u8]) -> Result<(), Errno> {
        self.flash.read(self.offset(place), bytes)
    }

    pub(super) fn offset(&self, place: Place) -> u32 {
        (place.sector * self.sector_size + place.at) as u32
    }
}

/// Bytes that are looked at together.
const CHUNK: usize = 64;

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == u8::MAX)
}
