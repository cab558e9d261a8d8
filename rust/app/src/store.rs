//! Readings that wait to be sent.

use heapless::Deque;
use iothub::Instant;

use crate::{
    reading::{Reading, Taken},
    time::UnixTime,
};

/// Up to `N` readings, oldest first. Where there is no room the oldest gives way, and is counted.
pub(crate) struct Store<const N: usize> {
    readings: Deque<Reading, N>,
    /// The number of the oldest one.
    first: u32,
    dropped: u32,
}

impl<const N: usize> Store<N> {
    pub(crate) const fn new() -> Self {
        Self {
            readings: Deque::new(),
            first: 0,
            dropped: 0,
        }
    }

    pub(crate) fn push(&mut self, reading: Reading) {
        if self.readings.is_full() {
            self.dropped = self.dropped.saturating_add(1);
            self.remove(1);
        }
        // There is room now, unless there is none at all.
        let _ = self.readings.push_back(reading);
    }

    /// Stamps what was taken before the time was known; whether there was any. `time` is now.
    pub(crate) fn stamp(&mut self, now: Instant, time: UnixTime) -> bool {
        let mut is_stamped = false;
        for reading in &mut self.readings {
            if let Taken::Unstamped(taken) = reading.taken
                && let Some(time) = time.before(now.saturating_duration_since(taken))
            {
                reading.taken = Taken::At(time);
                is_stamped = true;
            }
        }
        is_stamped
    }

    /// Whether a reading is still to be stamped.
    pub(crate) fn awaits_time(&self) -> bool {
        let mut readings = self.readings.iter();
        readings.any(|reading| matches!(reading.taken, Taken::Unstamped(_)))
    }

    /// The number of the oldest reading.
    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    /// The number of the next reading.
    pub(crate) fn end(&self) -> u32 {
        // There are at most 1024.
        self.first.saturating_add(self.readings.len() as u32)
    }

    /// Gives the oldest reading this number.
    pub(crate) fn count_from(&mut self, first: u32) {
        self.first = first;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Reading> + Clone {
        let (older, newer) = self.readings.as_slices();
        older.iter().chain(newer)
    }

    pub(crate) fn len(&self) -> usize {
        self.readings.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.readings.is_empty()
    }

    /// Whether it is time to send, since there is hardly any room.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.readings.len() >= N - N / 4
    }

    /// Takes the oldest away, which have been sent.
    pub(crate) fn remove(&mut self, count: usize) {
        for _ in 0..count {
            if self.readings.pop_front().is_some() {
                self.first = self.first.saturating_add(1);
            }
        }
    }

    /// How many gave way since the start.
    pub(crate) fn dropped(&self) -> u32 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::reading::Value;

    fn reading(taken: u64, number: u8) -> Reading {
        Reading {
            taken: Taken::Unstamped(Instant::from_millis(taken)),
            value: Value::Button(number),
        }
    }

    fn numbers<const N: usize>(store: &Store<N>) -> std::vec::Vec<u8> {
        let number = |reading: &Reading| match reading.value {
            Value::Button(number) => number,
            _ => 0,
        };
        store.iter().map(number).collect()
    }

    #[test]
    fn the_oldest_gives_way_and_is_counted() {
        let mut store = Store::<4>::new();
        (1..=6).for_each(|number| store.push(reading(0, number)));
        assert_eq!(
            (numbers(&store), store.dropped()),
            (std::vec![3, 4, 5, 6], 2)
        );
        assert!(store.is_nearly_full());
        store.remove(2);
        assert_eq!(
            (numbers(&store), store.is_nearly_full()),
            (std::vec![5, 6], false)
        );
        store.remove(9);
        assert!(store.is_empty());
    }

    #[test]
    fn readings_of_before_the_time_was_known_are_stamped_when_it_comes_and_keep_it() {
        let mut store = Store::<4>::new();
        store.push(reading(1_000, 1));
        store.push(reading(61_000, 2));
        let time = UnixTime::from_millis(1_800_000_000_000).unwrap();
        store.stamp(Instant::from_millis(71_000), time);
        let stamps = |store: &Store<4>| -> std::vec::Vec<_> {
            store
                .iter()
                .map(|reading| reading.time().map(UnixTime::as_millis))
                .collect()
        };
        let expected = std::vec![Some(1_799_999_930_000), Some(1_799_999_990_000)];
        assert_eq!(stamps(&store), expected);
        // The clock jumps back by ten years: what was stamped stays.
        let back = UnixTime::from_millis(1_484_640_000_000).unwrap();
        store.stamp(Instant::from_millis(72_000), back);
        assert_eq!(stamps(&store), expected);
    }
}
