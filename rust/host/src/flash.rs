//! The flash of the outbox: a file of simulated sectors. As NOR flash a write only clears bits, an
//! erase sets a sector to ones, and both are made in steps, so that a process that is killed leaves
//! them torn.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    sync::{Mutex, MutexGuard},
    thread,
    time::Duration,
};

use crate::{
    errno::Errno,
    lock, log,
    system::{read_at, write_at},
};

/// The shape of the outbox's flash, and what ails it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub struct FlashOptions {
    /// Bytes that are erased together.
    pub sector_size: u32,
    /// Number of sectors.
    pub sectors: u32,
    /// Bytes that are written together.
    pub write_size: u32,
    /// How long the erase of a sector takes: 85 ms on an nRF91.
    pub erase_time: Duration,
    /// After so many writes and erases one bit of the sector is lost; 0: never.
    pub bit_rot: u32,
}

impl Default for FlashOptions {
    /// 64 KiB in pages of 4 KiB, words of 4 bytes, erased at once, without faults.
    fn default() -> Self {
        Self {
            sector_size: 4096,
            sectors: 16,
            write_size: 4,
            erase_time: Duration::ZERO,
            bit_rot: 0,
        }
    }
}

/// The file.
#[derive(Debug)]
pub(crate) struct SimulatedFlash {
    path: PathBuf,
    options: FlashOptions,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<fs::File>,
    changes: u32,
}

/// An erase is made in so many steps.
const STEPS: u32 = 16;

impl SimulatedFlash {
    pub(crate) fn new(path: PathBuf, options: FlashOptions) -> Self {
        Self {
            path,
            options,
            state: Mutex::default(),
        }
    }

    /// Opens the file, or makes one of an erased flash; `ENOENT` where it is of another size.
    pub(crate) fn open(&self) -> Result<FlashOptions, Errno> {
        let mut state = lock(&self.state);
        if state.file.is_none() {
            let file = self.file().map_err(|error| self.failed(&error))?;
            let len = file.metadata().map_err(|error| self.failed(&error))?.len();
            if len != self.size() {
                log::error!(
                    "flash",
                    "{} has {len} bytes and not {}: remove it, which loses what is stored in it",
                    self.path.display(),
                    self.size()
                );
                return Err(Errno::NOENT);
            }
            state.file = Some(file);
        }
        Ok(self.options)
    }

    pub(crate) fn read(&self, at: u32, bytes: &mut [u8]) -> Result<(), Errno> {
        let state = self.opened(at, bytes.len(), 1)?;
        self.on(&state, |file| read_at(file, bytes, at.into()))
    }

    pub(crate) fn write(&self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        let block = self.options.write_size as usize;
        let mut state = self.opened(at, bytes.len(), block)?;
        let mut place = u64::from(at);
        for bytes in bytes.chunks(block) {
            let mut word = vec![0; bytes.len()];
            self.on(&state, |file| {
                read_at(file, &mut word, place)?;
                for (old, new) in word.iter_mut().zip(bytes) {
                    *old &= new;
                }
                write_at(file, &word, place)
            })?;
            place += bytes.len() as u64;
        }
        self.rot(&mut state, at)
    }

    pub(crate) fn erase(&self, at: u32, len: usize) -> Result<(), Errno> {
        let sector = self.options.sector_size as usize;
        let mut state = self.opened(at, len, sector)?;
        let step = vec![0xFF; sector.div_ceil(STEPS as usize)];
        for start in (at as usize..at as usize + len).step_by(sector) {
            for (number, place) in (start..start + sector).step_by(step.len()).enumerate() {
                let rest = step.len().min(sector - number * step.len());
                let ones = step.get(..rest).unwrap_or_default();
                self.on(&state, |file| write_at(file, ones, place as u64))?;
                thread::sleep(self.options.erase_time / STEPS);
            }
        }
        self.rot(&mut state, at)
    }

    pub(crate) fn sync(&self) -> Result<(), Errno> {
        let state = self.opened(0, 0, 1)?;
        self.on(&state, fs::File::sync_data)
    }

    fn size(&self) -> u64 {
        u64::from(self.options.sector_size) * u64::from(self.options.sectors)
    }

    fn file(&self) -> io::Result<fs::File> {
        match fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.path)
        {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        // Under its name only once it is whole.
        let new = self.path.with_extension("new");
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&new)?;
        let ones = vec![0xFF; self.options.sector_size as usize];
        for _ in 0..self.options.sectors {
            file.write_all(&ones)?;
        }
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        Ok(file)
    }

    /// The file, for a place that is in it and begins and ends at a multiple of `block`.
    fn opened(&self, at: u32, len: usize, block: usize) -> Result<MutexGuard<'_, State>, Errno> {
        let end = u64::from(at) + len as u64;
        if end > self.size() || !(at as usize).is_multiple_of(block) || !len.is_multiple_of(block) {
            return Err(Errno::INVAL);
        }
        let state = lock(&self.state);
        if state.file.is_none() {
            return Err(Errno::NOENT);
        }
        Ok(state)
    }

    fn on(
        &self,
        state: &State,
        call: impl FnOnce(&fs::File) -> io::Result<()>,
    ) -> Result<(), Errno> {
        let file = state.file.as_ref().ok_or(Errno::NOENT)?;
        call(file).map_err(|error| self.failed(&error))
    }

    /// Clears a bit of the sector at `at` where it is time for it.
    fn rot(&self, state: &mut State, at: u32) -> Result<(), Errno> {
        state.changes = state.changes.wrapping_add(1);
        let every = self.options.bit_rot;
        if every == 0 || !state.changes.is_multiple_of(every) {
            return Ok(());
        }
        let sector = self.options.sector_size;
        // Another place each time, and the same ones in each run.
        let offset = state.changes.wrapping_mul(2_654_435_761) % sector;
        let place = u64::from(at - at % sector + offset);
        let bit = 1 << (state.changes / every % 8);
        self.on(state, |file| {
            let mut byte = [0];
            read_at(file, &mut byte, place)?;
            write_at(file, &[byte[0] & !bit], place)
        })
    }

    fn failed(&self, error: &io::Error) -> Errno {
        log::error!("flash", "{}: {error}", self.path.display());
        Errno::IO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flash(options: FlashOptions) -> (tempfile::TempDir, SimulatedFlash) {
        let folder = tempfile::tempdir().unwrap();
        let flash = SimulatedFlash::new(folder.path().join("flash/outbox"), options);
        (folder, flash)
    }

    #[test]
    fn writes_clear_bits_and_erases_set_them_in_one_sector() {
        let (_folder, flash) = flash(FlashOptions::default());
        assert_eq!(flash.read(0, &mut [0; 4]), Err(Errno::NOENT), "not opened");
        flash.open().unwrap();
        flash.write(4096, &[0xF0; 8]).unwrap();
        flash.write(4096, &[0x3F, 0xFF, 0xFF, 0xFF]).unwrap();
        flash.write(0, &[1; 4]).unwrap();
        let mut bytes = [0; 8];
        flash.read(4096, &mut bytes).unwrap();
        assert_eq!(bytes, [0x30, 0xF0, 0xF0, 0xF0, 0xF0, 0xF0, 0xF0, 0xF0]);
        flash.erase(4096, 4096).unwrap();
        flash.read(4096, &mut bytes).unwrap();
        assert_eq!(bytes, [0xFF; 8]);
        flash.read(0, &mut bytes).unwrap();
        assert_eq!(bytes[..5], [1, 1, 1, 1, 0xFF]);
    }

    #[test]
    fn what_no_flash_does_is_refused() {
        let (_folder, flash) = flash(FlashOptions::default());
        flash.open().unwrap();
        assert_eq!(flash.write(2, &[0; 4]), Err(Errno::INVAL));
        assert_eq!(flash.write(0, &[0; 3]), Err(Errno::INVAL));
        assert_eq!(flash.erase(4, 4096), Err(Errno::INVAL));
        assert_eq!(flash.read(65_535, &mut [0; 2]), Err(Errno::INVAL));
        assert_eq!(flash.write(u32::MAX - 3, &[0; 4]), Err(Errno::INVAL));
    }

    #[test]
    fn it_is_kept_and_another_size_is_no_flash() {
        let (folder, flash) = flash(FlashOptions::default());
        flash.open().unwrap();
        flash.write(0, &[7; 4]).unwrap();
        flash.sync().unwrap();
        let path = folder.path().join("flash/outbox");
        let again = SimulatedFlash::new(path.clone(), FlashOptions::default());
        again.open().unwrap();
        let mut bytes = [0; 4];
        again.read(0, &mut bytes).unwrap();
        assert_eq!(bytes, [7; 4]);
        let larger = FlashOptions {
            sectors: 17,
            ..FlashOptions::default()
        };
        let other = SimulatedFlash::new(path, larger);
        assert_eq!(other.open().err(), Some(Errno::NOENT));
    }

    #[test]
    fn bits_rot_where_that_is_wanted() {
        let (_folder, flash) = flash(FlashOptions {
            bit_rot: 2,
            ..FlashOptions::default()
        });
        flash.open().unwrap();
        let zeros = |bytes: &[u8]| bytes.iter().map(|byte| byte.count_zeros()).sum::<u32>();
        let mut bytes = [0; 4096];
        flash.erase(0, 4096).unwrap();
        flash.read(0, &mut bytes).unwrap();
        assert_eq!(zeros(&bytes), 0);
        flash.erase(0, 4096).unwrap();
        flash.read(0, &mut bytes).unwrap();
        assert_eq!(zeros(&bytes), 1);
    }
}
