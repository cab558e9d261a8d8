//! Two slots with MCUboot's rules, on disk: an image is tried once, and taken back at the next boot
//! unless it was confirmed.
//!
//! `<data>/firmware/a.bin` and `b.bin` are the images, `state` says which of them runs and what the
//! next boot is to do. It is replaced by renaming, so that a swap is one step: whenever the process
//! is killed, the next boot finds the old image or the new one.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::{image, source::TARGET};
use crate::{errno::Errno, log, settings};

/// Room for an image: a slot of the Thingy:91, less MCUboot's trailer.
pub(crate) const SLOT_SIZE: u32 = 0x69000 - 0x1000;

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// The version of the image, as in `1.2.3` or `1.2.3+4`.
    pub version: String,
    /// What its image carries.
    pub body: Vec<u8>,
    /// It stays. If not, the next boot takes the image before it.
    pub confirmed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    /// The second slot runs.
    second: bool,
    /// The next boot tries the other slot.
    marked: bool,
    /// What runs is on trial.
    trial: bool,
    /// The job whose image is in the other slot; 0: none.
    identity: u32,
}

impl State {
    fn write(self) -> String {
        let Self {
            second,
            marked,
            trial,
            identity,
        } = self;
        format!(
            "runs={}\nmarked={marked}\ntrial={trial}\nidentity={identity}\n",
            if second { 'b' } else { 'a' }
        )
    }

    fn read(text: &str) -> Option<Self> {
        let mut state = Self::default();
        for line in text.lines() {
            let (name, value) = line.split_once('=')?;
            match name {
                "runs" => state.second = value == "b",
                "marked" => state.marked = value.parse().ok()?,
                "trial" => state.trial = value.parse().ok()?,
                "identity" => state.identity = value.parse().ok()?,
                _ => {}
            }
        }
        Some(state)
    }
}

/// The slots of one device.
#[derive(Debug)]
pub(crate) struct Slots {
    folder: PathBuf,
    state: State,
}

impl Slots {
    /// The boot loader: swaps where that is asked for, takes back what was not confirmed. Where
    /// there is nothing yet, an image of this version is what the factory has left.
    pub(crate) fn boot(folder: PathBuf, factory: &str) -> io::Result<(Self, Firmware)> {
        fs::create_dir_all(&folder)?;
        let mut slots = Self {
            state: State::default(),
            folder,
        };
        let path = slots.folder.join("state");
        match fs::read(&path) {
            Ok(bytes) => match str::from_utf8(&bytes).ok().and_then(State::read) {
                Some(state) => {
                    slots.state = state;
                    slots.swap()?;
                }
                None => slots.recover(&path, factory)?,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => slots.install(factory)?,
            Err(error) => return Err(error),
        }
        let running = fs::read(slots.running_path())?;
        let (version, body) = image::read(&running)
            .ok_or_else(|| invalid("the slot that runs has no image: delete the folder"))?;
        let firmware = Firmware {
            version,
            body: body.to_vec(),
            confirmed: !slots.state.trial,
        };
        Ok((slots, firmware))
    }

    /// As from the factory.
    fn install(&mut self, factory: &str) -> io::Result<()> {
        let image = image::make(factory, &[])
            .ok_or_else(|| invalid("the version is not of the form 1.2.3 or 1.2.3+4"))?;
        settings::replace(&self.path(false), &image, 0o644)?;
        self.set(State::default())
    }

    /// The state is damaged: a valid image runs on, whichever slot has one.
    fn recover(&mut self, state: &Path, factory: &str) -> io::Result<()> {
        let path = state.display();
        for second in [false, true] {
            let image = fs::read(self.path(second)).unwrap_or_default();
            if let Some((version, _)) = image::read(&image) {
                log::error!(
                    TARGET,
                    "{path} is damaged: {version} is taken for what runs"
                );
                return self.set(State {
                    second,
                    ..State::default()
                });
            }
        }
        log::error!(
            TARGET,
            "{path} is damaged, and no slot has an image: as from the factory"
        );
        self.install(factory)
    }

    fn swap(&mut self) -> io::Result<()> {
        let State {
            second,
            marked,
            trial,
            ..
        } = self.state;
        if marked && self.other_image().is_none() {
            // As MCUboot: an image that is not what its hash says is erased, and what runs goes on.
            log::error!(
                TARGET,
                "the image in the other slot is not valid: it is not run"
            );
            return self.set(State {
                second,
                ..State::default()
            });
        }
        if marked || trial {
            let word = if marked { "trying" } else { "taking back" };
            log::info!(TARGET, "{word} the image in the other slot");
            return self.set(State {
                second: !second,
                marked: false,
                trial: marked,
                identity: 0,
            });
        }
        Ok(())
    }

    /// Makes room for an image, unless a part of this very one is there; returns how much.
    pub(crate) fn prepare(&mut self, identity: u32) -> Result<u32, Errno> {
        if self.state.trial {
            log::error!(
                TARGET,
                "the other slot is the way back until the running image is confirmed"
            );
            return Err(Errno::PERM);
        }
        let path = self.other_path();
        if self.state.identity != identity || self.state.marked {
            let emptied = fs::File::create(&path).and_then(|_| {
                self.set(State {
                    marked: false,
                    identity,
                    ..self.state
                })
            });
            emptied.map_err(|error| failed(&path, &error))?;
        }
        let len = fs::metadata(&path).map_or(0, |file| file.len());
        u32::try_from(len).map_err(|_| Errno::IO)
    }

    /// Puts more behind what is there.
    pub(crate) fn append(&self, bytes: &[u8]) -> Result<(), Errno> {
        let path = self.other_path();
        let mut options = fs::OpenOptions::new();
        let written = options
            .append(true)
            .create(true)
            .open(&path)
            .and_then(|mut file| file.write_all(bytes));
        written.map_err(|error| failed(&path, &error))
    }

    /// All that was downloaded.
    pub(crate) fn downloaded(&self) -> Result<Vec<u8>, Errno> {
        let path = self.other_path();
        fs::read(&path).map_err(|error| failed(&path, &error))
    }

    /// What was downloaded is of no use.
    pub(crate) fn discard(&mut self) {
        let state = State {
            identity: 0,
            ..self.state
        };
        if let Err(error) = self.set(state) {
            log::error!(TARGET, "{}: {error}", self.folder.display());
        }
    }

    /// The next boot runs what was downloaded.
    pub(crate) fn apply(&mut self) -> Result<(), Errno> {
        if self.other_image().is_none() {
            return Err(Errno::NOENT);
        }
        let path = self.other_path();
        // Windows flushes no file that was opened to be read.
        let written = fs::OpenOptions::new().write(true).open(&path);
        let marked = written.and_then(|file| {
            file.sync_all()?;
            self.set(State {
                marked: true,
                ..self.state
            })
        });
        marked.map_err(|error| failed(&path, &error))
    }

    /// What runs stays.
    pub(crate) fn confirm(&mut self) -> Result<(), Errno> {
        if !self.state.trial {
            return Ok(());
        }
        let state = State {
            trial: false,
            ..self.state
        };
        self.set(state)
            .map_err(|error| failed(&self.folder, &error))
    }

    pub(crate) fn confirmed(&self) -> bool {
        !self.state.trial
    }

    /// The version of what was downloaded, once it is whole.
    pub(crate) fn other_image(&self) -> Option<String> {
        let bytes = fs::read(self.other_path()).ok()?;
        image::read(&bytes).map(|(version, _)| version)
    }

    fn set(&mut self, state: State) -> io::Result<()> {
        settings::replace(&self.folder.join("state"), state.write().as_bytes(), 0o644)?;
        self.state = state;
        Ok(())
    }

    fn running_path(&self) -> PathBuf {
        self.path(self.state.second)
    }

    fn other_path(&self) -> PathBuf {
        self.path(!self.state.second)
    }

    fn path(&self, second: bool) -> PathBuf {
        self.folder.join(if second { "b.bin" } else { "a.bin" })
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn failed(path: &Path, error: &io::Error) -> Errno {
    log::error!(TARGET, "{}: {error}", path.display());
    Errno::from(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Device(tempfile::TempDir);

    impl Device {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn boot(&self) -> (Slots, String, bool) {
            let (slots, firmware) = Slots::boot(self.0.path().join("firmware"), "1.0.0").unwrap();
            (slots, firmware.version, firmware.confirmed)
        }

        fn runs(&self) -> (String, bool) {
            let (_, version, confirmed) = self.boot();
            (version, confirmed)
        }
    }

    fn download(slots: &mut Slots, image: &[u8]) {
        assert_eq!(slots.prepare(7), Ok(0));
        slots.append(image).unwrap();
    }

    #[test]
    fn a_damaged_state_does_not_end_the_device() {
        for garbage in [
            &b"\xff\xfe"[..],
            b"marked=perhaps\n",
            b"runs",
            b"identity=-1\n",
            b"\0\0\0\0",
        ] {
            let device = Device::new();
            let (mut slots, ..) = device.boot();
            download(&mut slots, &image::make("2.0.0", b"new").unwrap());
            slots.apply().unwrap();
            device.boot();
            let folder = device.0.path().join("firmware");
            let damage = || fs::write(folder.join("state"), garbage).unwrap();
            damage();
            assert_eq!(device.runs(), ("1.0.0".into(), true));
            assert_eq!(device.runs(), ("1.0.0".into(), true), "and it stays so");
            // What is left is run.
            fs::write(folder.join("a.bin"), b"broken").unwrap();
            damage();
            assert_eq!(device.runs(), ("2.0.0".into(), true));
            let (mut slots, ..) = device.boot();
            download(&mut slots, &image::make("3.0.0", b"newer").unwrap());
            slots.apply().unwrap();
            assert_eq!(device.runs(), ("3.0.0".into(), false));
            for slot in ["a.bin", "b.bin"] {
                fs::write(folder.join(slot), b"broken").unwrap();
            }
            damage();
            assert_eq!(device.runs(), ("1.0.0".into(), true));
        }
    }

    #[test]
    fn an_image_is_tried_once_and_taken_back() {
        let device = Device::new();
        let (mut slots, version, confirmed) = device.boot();
        assert_eq!((version.as_str(), confirmed), ("1.0.0", true));
        download(&mut slots, &image::make("2.0.0", b"new").unwrap());
        assert_eq!(device.runs(), ("1.0.0".into(), true), "not marked");
        slots.apply().unwrap();
        assert_eq!(device.runs(), ("2.0.0".into(), false));
        assert_eq!(device.runs(), ("1.0.0".into(), true));
        assert_eq!(device.runs(), ("1.0.0".into(), true));
    }

    #[test]
    fn a_confirmed_image_stays_and_the_next_one_takes_the_other_slot() {
        let device = Device::new();
        let (mut slots, ..) = device.boot();
        download(&mut slots, &image::make("2.0.0", b"new").unwrap());
        slots.apply().unwrap();
        let (mut slots, ..) = device.boot();
        assert_eq!(slots.prepare(8), Err(Errno::PERM), "the way back is kept");
        slots.confirm().unwrap();
        slots.confirm().unwrap();
        assert_eq!(device.runs(), ("2.0.0".into(), true));
        let (mut slots, ..) = device.boot();
        download(&mut slots, &image::make("3.0.0", b"newer").unwrap());
        slots.apply().unwrap();
        assert_eq!(device.runs(), ("3.0.0".into(), false));
    }

    #[test]
    fn a_broken_image_is_not_run() {
        let device = Device::new();
        let (mut slots, ..) = device.boot();
        let image = image::make("2.0.0", b"new").unwrap();
        download(&mut slots, &image[..image.len() - 1]);
        assert_eq!(slots.apply(), Err(Errno::NOENT));
        slots.append(&image[image.len() - 1..]).unwrap();
        slots.apply().unwrap();
        // Flash that forgets.
        fs::write(slots.other_path(), b"broken").unwrap();
        assert_eq!(device.runs(), ("1.0.0".into(), true));
        assert_eq!(device.runs(), ("1.0.0".into(), true));
    }

    #[test]
    fn bytes_are_continued_for_the_same_image_only() {
        let device = Device::new();
        let (mut slots, ..) = device.boot();
        download(&mut slots, b"half");
        let (mut slots, ..) = device.boot();
        assert_eq!(slots.prepare(7), Ok(4));
        assert_eq!(slots.prepare(8), Ok(0));
        slots.append(b"other").unwrap();
        slots.discard();
        assert_eq!(slots.prepare(8), Ok(0));
        // After a swap the slot has the old image, whatever its number was.
        slots.append(&image::make("2.0.0", b"").unwrap()).unwrap();
        slots.apply().unwrap();
        let (mut slots, ..) = device.boot();
        slots.confirm().unwrap();
        assert_eq!(slots.prepare(8), Ok(0));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let device = Device::new();
        let folder = device.0.path().join("firmware");
        let boot = |version| {
            Slots::boot(folder.clone(), version)
                .unwrap_err()
                .to_string()
        };
        assert!(boot("one").contains("1.2.3"));
        drop(device.boot());
        fs::write(folder.join("a.bin"), b"").unwrap();
        assert!(boot("1.0.0").contains("has no image"));
    }
}
