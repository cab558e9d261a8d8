//! The power is cut in the middle of any write and any erase, and between any two.

use super::flash::{Random, SimulatedFlash};
use super::*;

/// What was accepted, by sequence: id and length.
#[derive(Default)]
struct Model {
    accepted: [Vec<(u32, usize)>; 2],
    /// The one whose append was not answered.
    open: [Option<(u32, usize)>; 2],
    /// Nothing below was needed any more when the power was cut.
    released: [u32; 2],
    next_id: u32,
    /// What is kept under each key: the last that was put, and the one whose put was not answered.
    values: [(Vec<u8>, Option<Vec<u8>>); KEYS as usize],
}

impl Model {
    fn append(&mut self, store: &mut Simulated, random: &mut Random) {
        let priority = if random.below(4) == 0 {
            Priority::High
        } else {
            Priority::Normal
        };
        let message = (self.next_id, random.below(90) as usize);
        self.next_id += 1;
        loop {
            match append(store, priority, message.0, message.1) {
                Ok(sequence) => {
                    let accepted = &mut self.accepted[priority as usize];
                    assert_eq!(sequence as usize, accepted.len());
                    accepted.push(message);
                    return;
                }
                Err(_) if !store.flash().has_power => {
                    self.open[priority as usize] = Some(message);
                    return;
                }
                Err(_) => {
                    let mut told = 0;
                    let before = store.status().dropped;
                    let done = store.drop_oldest(priority, &mut |lower, id, sequence| {
                        assert!(lower as u8 <= priority as u8);
                        assert_eq!(self.accepted[lower as usize][sequence as usize].0, id);
                        told += 1;
                    });
                    if !store.flash().has_power {
                        return;
                    }
                    assert!(!done || told <= store.status().dropped - before);
                    if !done {
                        assert_eq!(priority, Priority::Normal, "an alarm always has room");
                        return;
                    }
                }
            }
        }
    }

    fn put(&mut self, store: &mut Simulated, random: &mut Random) {
        let key = random.below(KEYS);
        // None at all takes the value away.
        let max = match key {
            SHORT => SHORT_MAX,
            _ => store.value_max(),
        };
        let len = random.below(max as u32 + 1);
        let new = vec![random.below(256) as u8; len as usize];
        let result = put(store, key, &new);
        let (last, open) = &mut self.values[key as usize];
        match result {
            Ok(()) => *last = new,
            Err(_) => *open = (!store.flash().has_power).then_some(new),
        }
    }

    fn step(&mut self, store: &mut Simulated, random: &mut Random, buffer: &mut [u8]) {
        let priority = Priority::ALL[random.below(2) as usize];
        match random.below(10) {
            0..5 => self.append(store, random),
            5 => {
                if let Some((sequence, message)) = store.read_next(priority, buffer) {
                    let expected = self.accepted[priority as usize][sequence as usize];
                    assert_eq!((message.id, message.payload.len()), expected);
                }
            }
            6 => {
                let all = self.accepted[priority as usize].len() as u32;
                let sequence = store.released(priority) + random.below(4);
                store.release(priority, sequence.min(all), 0);
            }
            7 => {
                store.prepare();
            }
            8 => self.put(store, random),
            _ => {
                let key = random.below(KEYS);
                let read = value(store, key);
                if store.flash().has_power {
                    assert_eq!(read, self.values[key as usize].0);
                }
            }
        }
        for priority in Priority::ALL {
            let released = &mut self.released[priority as usize];
            *released = store.released(priority).max(*released);
        }
    }

    /// After a restart: everything accepted that was not released is there, in order, and nothing
    /// else but what was released just before, and the message whose append was not answered.
    fn check(&mut self, store: &mut Simulated, buffer: &mut [u8]) {
        for (key, (last, open)) in self.values.iter_mut().enumerate() {
            let read = value(store, key as u32);
            if open.take().is_some_and(|open| open == read) {
                *last = read;
            } else {
                assert_eq!(read, *last, "the value of {key}");
            }
        }
        for priority in Priority::ALL {
            let at = priority as usize;
            let (mut expected, mut gone) = (store.released(priority), 0);
            assert!(expected <= self.released[at], "a cut releases nothing");
            while let Some((sequence, message)) = store.read_next(priority, buffer) {
                // What was dropped just before may be gone already, and stays so.
                assert!(
                    sequence == expected || expected < sequence && sequence <= self.released[at],
                    "in order and without a gap: {sequence}, not {expected}; released {}",
                    self.released[at]
                );
                if sequence != expected {
                    gone = sequence;
                }
                expected = sequence + 1;
                let accepted = &mut self.accepted[at];
                if sequence as usize == accepted.len() {
                    accepted.extend(self.open[at].take());
                }
                let (id, len) = accepted[sequence as usize];
                assert_eq!((message.id, message.payload.len()), (id, len));
                assert!(message.payload.iter().all(|byte| *byte == id as u8));
            }
            // Where nothing was needed any more, numbers may be given again.
            let accepted = &mut self.accepted[at];
            let is_all = expected as usize == accepted.len();
            assert!(
                is_all || self.released[at] as usize == accepted.len(),
                "nothing is lost"
            );
            accepted.truncate(expected as usize);
            self.open[at] = None;
            self.released[at] = store.released(priority).max(gone);
        }
    }
}

fn flash(random: &mut Random) -> SimulatedFlash {
    let write_size = [1, 4, 8, 16][random.below(4) as usize];
    let sector_size = [528, 640, 800][random.below(3) as usize];
    SimulatedFlash::new(sector_size, 4 + random.below(5), write_size)
}

/// `IOTHUB_SEEDS` is their number, where it is not 10,000.
#[test]
fn nothing_accepted_is_lost_in_10_000_devices() {
    let mut buffer = [0; BUFFER];
    let seeds = std::env::var("IOTHUB_SEEDS").map_or(10_000, |text| text.parse().unwrap());
    let mut cuts = 0;
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let mut model = Model::default();
        let mut store = mounted(flash(&mut random));
        for life in 0..4 {
            let after = 1 + random.below(40);
            store.flash().cut_after(after, seed * 4 + life);
            for _ in 0..30 {
                model.step(&mut store, &mut random, &mut buffer);
                if !store.flash().has_power {
                    cuts += 1;
                    break;
                }
            }
            store = restarted(&mut store);
            model.check(&mut store, &mut buffer);
            store = restarted(&mut store);
        }
    }
    assert!(
        cuts > seeds,
        "{cuts} of 4 * {seeds} lives end in a write or an erase"
    );
}

/// One life, cut at each of its writes and erases in turn, eight ways of being torn each.
#[test]
fn any_write_and_any_erase_may_be_the_last() {
    let mut buffer = [0; BUFFER];
    let life = |cut: Option<u32>, seed: u64, buffer: &mut [u8]| {
        let mut random = Random::new(7);
        let mut model = Model::default();
        let mut store = mounted(SimulatedFlash::new(520, 5, 4));
        if let Some(cut) = cut {
            store.flash().cut_after(cut, seed);
        }
        for _ in 0..160 {
            model.step(&mut store, &mut random, buffer);
            if !store.flash().has_power {
                break;
            }
        }
        (model, store)
    };
    let changes = life(None, 0, &mut buffer).1.flash().changes;
    assert!(changes > 100, "{changes}");
    for cut in 1..=changes {
        for seed in 0..8 {
            let (mut model, mut store) = life(Some(cut), seed, &mut buffer);
            assert!(!store.flash().has_power);
            let mut store = restarted(&mut store);
            model.check(&mut store, &mut buffer);
        }
    }
}

/// A device that restarts again and again fills one sector after the other, as one that does not:
/// torn records do not cost a sector each.
#[test]
fn restarts_do_not_eat_the_store() {
    let mut store = mounted(SimulatedFlash::new(512, 6, 4));
    let mut accepted = 0;
    for life in 0..40 {
        store.flash().cut_after(3 + life as u32 % 3, life);
        while append(&mut store, Priority::Normal, accepted, 10).is_ok() {
            accepted += 1;
        }
        store = restarted(&mut store);
        accepted = accepted.max(store.status().depth);
    }
    assert_eq!(store.status().dropped, 0);
    assert!(accepted >= 30, "{accepted}");
    assert!(store.status().sectors.0 <= 5, "{:?}", store.status());
}
