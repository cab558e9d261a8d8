//! Values beside the queues: of each key the newest one counts, and outlives power cuts like a
//! message.
//!
//! A value is a record of a lane of its own, with the key where a message has its number. When the
//! lane has opened another sector, what counts of the older ones is written again into it, and they
//! are released: not before all of it is there.

use super::layout::{HEADER, Header, META, SECTOR_HEADER};
use super::message::{Head, Kind, Lane};
use super::state::Place;
use super::{CONTENT, Error, Flash, Store};

/// Keys are numbers below this.
pub const KEYS: u32 = 9;

/// The last key, whose values are short.
pub const SHORT: u32 = KEYS - 1;

/// Bytes of the largest value under [`SHORT`].
pub const SHORT_MAX: usize = 64;

impl<F: Flash, const SECTORS: usize> Store<F, SECTORS> {
    /// Keeps the `len` bytes that stand in `buffer` from [`CONTENT`] on under a key, in place of
    /// what was kept there; none of them: nothing is kept. Once it has returned `Ok`, any later
    /// power cut leaves them. What was in `buffer` is gone.
    ///
    /// # Errors
    /// As [`Store::append`]. [`Error::TooLarge`] also for a key that is none, and for more than
    /// [`value_max`](Store::value_max), or [`SHORT_MAX`] where the key is [`SHORT`].
    pub fn put(&mut self, key: u32, len: usize, buffer: &mut [u8]) -> Result<(), Error> {
        let max = if key == SHORT {
            SHORT_MAX
        } else {
            self.value_max()
        };
        if key >= KEYS || len > max {
            return Err(Error::TooLarge);
        }
        self.put_value(key, len, buffer)?;
        // Where there is no room now, the next one tries again.
        let _ = self.gather(buffer);
        Ok(())
    }

    /// Bytes of the largest value under another key than [`SHORT`]: with one of them under each,
    /// all fit a sector.
    pub fn value_max(&self) -> usize {
        let others = SECTOR_HEADER + RELEASE + CONTENT + SHORT_MAX;
        let room = self.sector_size.saturating_sub(others) / SHORT as usize;
        (room - room % self.write_size.max(1)).saturating_sub(CONTENT)
    }

    /// What is kept under a key; empty where nothing is. Where the newest value is damaged, the one
    /// before it counts.
    pub fn get<'b>(&mut self, key: u32, buffer: &'b mut [u8]) -> &'b [u8] {
        match self.find_value(key) {
            Some((place, header)) if self.content(place, &header, buffer) => {
                buffer.get(META..header.len).unwrap_or_default()
            }
            _ => &[],
        }
    }

    fn put_value(&mut self, key: u32, len: usize, buffer: &mut [u8]) -> Result<(), Error> {
        let head = Head {
            kind: Kind::Qos1,
            id: key,
            time_s: self.time_s,
            ttl_s: 0,
            topic: 0,
            payload: len,
        };
        self.append_record(Lane::Values, &head, buffer).map(drop)
    }

    /// Moves what counts out of the older sectors, and releases them.
    fn gather(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        let Some(newest) = self.queue(Lane::Values).end else {
            return Ok(());
        };
        if self.first_sector(Lane::Values) == Some(newest.sector) {
            return Ok(());
        }
        let (first, ..) = self.order(newest.sector);
        for key in 0..KEYS {
            if let Some((place, header)) = self.find_value(key)
                && header.sequence < first
                && header.len > META
                && let Some(content) = buffer.get_mut(HEADER..)
                && self.content(place, &header, content)
            {
                self.put_value(key, header.len - META, buffer)?;
            }
        }
        self.release_below(Lane::Values, first, self.time_s);
        self.reclaim();
        Ok(())
    }

    fn find_value(&mut self, key: u32) -> Option<(Place, Header)> {
        let mut found = None;
        let mut next = self.first_sector(Lane::Values);
        while let Some(sector) = next {
            let mut place = Place {
                sector,
                at: SECTOR_HEADER,
            };
            while let Some((at, header, of)) = self.next_whole(Lane::Values, &mut place) {
                if of == key {
                    found = Some((at, header));
                }
            }
            next = self.following(Lane::Values, sector);
        }
        found
    }
}

/// A release with what fills up its last write.
const RELEASE: usize = HEADER.next_multiple_of(16);

const _: () = assert!(HEADER + META == CONTENT);
