//! Bits that change by themselves, and images that nobody wrote.

use super::flash::{Random, SimulatedFlash};
use super::*;
use crate::store::state::Place;

const SECTOR: usize = 512;

/// 6 sectors, with messages of both queues, released ones, values of which some were replaced, and
/// room left.
fn small() -> (Simulated, Vec<u32>, Vec<u32>) {
    let mut store = mounted(SimulatedFlash::new(SECTOR as u32, 6, 4));
    for (key, value) in [(1, 10), (2, 20), (1, 11), (SHORT, 30)] {
        put(&mut store, key, &[value; 8]).unwrap();
    }
    for id in 0..7 {
        append(&mut store, Priority::Normal, id, 70).unwrap();
    }
    store.release(Priority::Normal, 2, 0);
    for id in 100..103 {
        append(&mut store, Priority::High, id, 40).unwrap();
    }
    (store, Vec::from_iter(0..7), vec![100, 101, 102])
}

#[test]
fn any_byte_may_be_damaged() {
    let (mut store, normal, high) = small();
    let image = store.flash().bytes.clone();
    let mut released = 0;
    for at in 0..image.len() {
        for flip in [0x01, 0x80, 0xFF] {
            let mut flash = store.flash().restart();
            flash.bytes[at] ^= flip;
            let mut damaged = mounted(flash);
            let depth = damaged.status().depth;
            let mut lost = 0;
            for (priority, all) in [(Priority::Normal, &normal), (Priority::High, &high)] {
                let read = ids(&mut damaged, priority);
                assert!(read.is_sorted(), "in order: {at} {flip:#x}");
                let needed = if priority == Priority::High {
                    all
                } else {
                    &all[2..]
                };
                lost += needed.iter().filter(|id| !read.contains(id)).count();
                released += read.iter().filter(|id| **id < 2).count();
                assert!(read.iter().all(|id| all.contains(id)));
            }
            let of = |key| value(&mut damaged, key).first().copied().unwrap_or(0);
            let values = [1, 2, SHORT].map(of);
            // A damaged value is gone, or the one before it counts; never another one.
            let kept = [[10, 11, 0].as_slice(), &[20, 0], &[30, 0]];
            assert!(
                values
                    .iter()
                    .zip(kept)
                    .all(|(value, kept)| kept.contains(value)),
                "{at} {flip:#x}: {values:?}"
            );
            lost += usize::from(values != [11, 20, 30]);
            let status = damaged.status();
            assert!(lost <= 1, "{at} {flip:#x}: {lost} lost");
            assert!(
                values != [11, 20, 30] || status.damaged as usize >= lost,
                "{at} {flip:#x}: {status:?}"
            );
            assert!(depth <= 10, "{at} {flip:#x}: {status:?}");
            assert!(
                append(&mut damaged, Priority::High, 103, 40).is_ok(),
                "{at} {flip:#x}"
            );
        }
    }
    // A damaged release, or a damaged header that repeats it, brings back what it had released.
    assert!(released > 0 && released < 400, "{released}");
}

#[test]
fn a_disturbed_sector_costs_no_message_of_another() {
    let mut unknown = 0;
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let (mut store, _, high) = small();
        let mut flash = store.flash().restart();
        let sector = random.below(6) as usize;
        let of_sector = |at: usize| store.sectors[at];
        flash.disturb(sector, &mut random);
        let is_alarms = of_sector(sector).is(State::Used(Lane::High));
        let mut store = mounted(flash);
        let read = ids(&mut store, Priority::High);
        if is_alarms {
            assert!(read.iter().all(|id| high.contains(id)));
        } else {
            assert_eq!(read, high);
        }
        ids(&mut store, Priority::Normal);
        // Without either half of its header a sector is as one that nobody wrote.
        let is_unknown = store.sectors[sector].is(State::Dirty);
        let missing = 3 - read.len() as u32;
        assert!(is_unknown || store.status().damaged >= missing, "{seed}");
        unknown += u32::from(is_unknown && missing > 0);
    }
    assert!(unknown < 20, "{unknown}");
}

#[test]
fn a_record_that_reaches_past_its_sector_is_none() {
    let room = SECTOR - SECTOR_HEADER;
    for (len, is_one) in [(room - HEADER, true), (room - HEADER + 1, false)] {
        let mut record = vec![0; HEADER + len];
        layout::write_message(&mut record, 0, Kind::Qos1, Lane::Normal, 0, 0);
        let mut store = mounted(SimulatedFlash::new(SECTOR as u32, 4, 4));
        store.flash().bytes[SECTOR_HEADER..SECTOR].copy_from_slice(&record[..room]);
        let mut place = Place {
            sector: 0,
            at: SECTOR_HEADER,
        };
        assert_eq!(store.next_record(&mut place).is_some(), is_one, "{len}");
    }
}

#[test]
fn an_image_that_nobody_wrote_is_an_empty_store() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut flash = SimulatedFlash::new(SECTOR as u32, 5, 4);
        flash.bytes.fill_with(|| random.below(256) as u8);
        let mut store = mounted(flash);
        assert_eq!(store.status().depth, 0);
        for id in 0..8 {
            append(&mut store, Priority::Normal, id, 50).unwrap();
        }
        let mut store = restarted(&mut store);
        assert_eq!(ids(&mut store, Priority::Normal), Vec::from_iter(0..8));
    }
}
