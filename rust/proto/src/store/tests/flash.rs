//! Flash that loses power in the middle of a write or an erase, and forgets bits.

use crate::id::Errno;
use crate::store::{Flash, Geometry};

/// xorshift64*: seeds that are small numbers are mixed first.
#[derive(Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        (number % u64::from(end)) as u32
    }
}

pub(super) struct SimulatedFlash {
    pub(super) bytes: Vec<u8>,
    geometry: Geometry,
    /// Writes and erases until the power is cut.
    cut_after: Option<u32>,
    pub(super) has_power: bool,
    random: Random,
    pub(super) read: usize,
    /// How often it was read from this offset on.
    pub(super) reads_at: std::collections::HashMap<usize, u32>,
    pub(super) written: usize,
    /// Writes and erases.
    pub(super) changes: u32,
    /// A sector that refuses to be written.
    pub(super) bad: Option<usize>,
}

impl SimulatedFlash {
    pub(super) fn new(sector_size: u32, sectors: u32, write_size: u32) -> Self {
        let geometry = Geometry {
            sector_size,
            sectors,
            write_size,
        };
        Self::with_image(vec![0xA5; (sector_size * sectors) as usize], geometry)
    }

    pub(super) fn with_image(bytes: Vec<u8>, geometry: Geometry) -> Self {
        Self {
            bytes,
            geometry,
            cut_after: None,
            has_power: true,
            random: Random::new(0),
            read: 0,
            reads_at: std::collections::HashMap::new(),
            written: 0,
            changes: 0,
            bad: None,
        }
    }

    /// Cuts the power in the middle of the write or erase with this number, counted from now.
    pub(super) fn cut_after(&mut self, changes: u32, seed: u64) {
        self.cut_after = Some(changes);
        self.random = Random::new(seed);
    }

    /// The same flash after a power cut.
    pub(super) fn restart(&self) -> Self {
        Self::with_image(self.bytes.clone(), self.geometry)
    }

    /// Clears up to 3 bits of one sector.
    pub(super) fn disturb(&mut self, sector: usize, random: &mut Random) {
        let size = self.geometry.sector_size as usize;
        for _ in 0..1 + random.below(3) {
            let at = sector * size + random.below(size as u32) as usize;
            self.bytes[at] &= !(1 << random.below(8));
        }
    }

    fn change(&mut self) -> Result<bool, Errno> {
        if !self.has_power {
            return Err(Errno(-5));
        }
        self.changes += 1;
        let is_cut = self.cut_after.as_mut().is_some_and(|left| {
            *left = left.saturating_sub(1);
            *left == 0
        });
        self.has_power = !is_cut;
        Ok(is_cut)
    }

    /// How far the write or erase came that the power was cut in.
    fn torn(&mut self, len: usize) -> usize {
        self.random.below(len as u32 + 1) as usize
    }
}

impl Flash for SimulatedFlash {
    fn geometry(&mut self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Errno> {
        if !self.has_power {
            return Err(Errno(-5));
        }
        let at = at as usize;
        self.read += bytes.len();
        *self.reads_at.entry(at).or_default() += 1;
        bytes.copy_from_slice(&self.bytes[at..at + bytes.len()]);
        Ok(())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        let (at, block) = (at as usize, self.geometry.write_size as usize);
        assert!(
            at.is_multiple_of(block) && bytes.len().is_multiple_of(block),
            "whole blocks"
        );
        let is_cut = self.change()?;
        if self.bad == Some(at / self.geometry.sector_size as usize) {
            return Err(Errno(-5));
        }
        let place = at..at + bytes.len();
        assert!(
            self.bytes[place.clone()].iter().all(|byte| *byte == 0xFF),
            "a word is written twice between two erases"
        );
        self.written += bytes.len();
        if !is_cut {
            self.bytes[place].copy_from_slice(bytes);
            return Ok(());
        }
        let done = self.torn(bytes.len());
        self.bytes[at..at + done].copy_from_slice(&bytes[..done]);
        // The block that was being written has any of its bits.
        for (offset, byte) in bytes.iter().enumerate().skip(done).take(block) {
            self.bytes[at + offset] &= byte | self.random.below(256) as u8;
        }
        Err(Errno(-5))
    }

    fn erase(&mut self, at: u32, len: u32) -> Result<(), Errno> {
        let size = self.geometry.sector_size;
        assert!(at.is_multiple_of(size) && len.is_multiple_of(size));
        let is_cut = self.change()?;
        let (at, len) = (at as usize, len as usize);
        let done = if is_cut { self.torn(len) } else { len };
        self.bytes[at..at + done].fill(0xFF);
        if is_cut {
            for byte in &mut self.bytes[at + done..at + len] {
                *byte |= self.random.below(256) as u8;
            }
            return Err(Errno(-5));
        }
        Ok(())
    }
}
