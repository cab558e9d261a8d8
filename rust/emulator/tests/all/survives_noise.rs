//! The inputs of the fuzz targets, and seeded changes of them: `rust/fuzz` goes further, on
//! nightly.

#![allow(clippy::unwrap_used)] // helpers of tests

use iothub_emulator::fuzzing::{Rest, amqp, chain, import, packets, query, range, timetable};

/// A small generator, so that a failure comes again.
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (below.max(1) as u64)).unwrap()
    }

    /// Flips, cuts, repeats, or joins with another input.
    fn change(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.next(4) {
            let at = self.next(bytes.len());
            match self.next(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.next(8),
                1 if !bytes.is_empty() => bytes[at] = [0, 0xff, b'/', b'%', b'"'][self.next(5)],
                2 => bytes.truncate(at),
                3 => bytes.extend_from_within(at..),
                4 => bytes.extend_from_slice(&other[self.next(other.len())..]),
                _ => bytes.insert(at, u8::try_from(self.next(256)).unwrap()),
            }
            bytes.truncate(8 * 1024);
        }
        bytes
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() > 2);
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

fn changed(target: &str, rounds: usize, mut run: impl FnMut(&[u8])) {
    let inputs = corpus(target);
    for input in &inputs {
        run(input);
    }
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for _ in 0..rounds {
        let other = noise.next(inputs.len());
        let input = noise.next(inputs.len());
        run(&noise.change(&inputs[input], &inputs[other]));
    }
}

#[test]
fn packets_of_devices() {
    changed("emulator_packet", 20_000, packets);
}

#[test]
fn frames_of_amqp() {
    changed("emulator_amqp", 20_000, amqp);
}

#[test]
fn queries_of_services() {
    changed("emulator_query", 20_000, query);
}

#[test]
fn documents_of_the_whole_state() {
    changed("emulator_import", 500, import);
}

#[test]
fn chains_timetables_and_ranges() {
    changed("emulator_chain", 2_000, chain);
    changed("emulator_timetable", 5_000, timetable);
    changed("emulator_range", 5_000, range);
}

#[test]
fn requests_of_services() {
    let rest = Rest::new().unwrap();
    let mut seen = std::collections::BTreeMap::new();
    changed("emulator_rest", 1_500, |bytes| {
        *seen.entry(rest.request(bytes)).or_insert(0) += 1;
    });
    // The inputs are still requests, some of which do something.
    assert!(
        seen.contains_key(&Some(200)) && seen.contains_key(&Some(400)),
        "{seen:?}"
    );
}
