//! Firmware images for devices: a folder, served with ranges, and what can be made to go wrong on
//! the way.

mod faults;
mod serve;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{self, SHA256};
use serde_json::{Value, json};

use crate::code::{ErrorCode, Refusal};
use crate::random;

pub(crate) use faults::{Fault, Faults};
pub(crate) use serve::{Part, Range, router};

/// The images of a folder, how they are served, and the bytes that went out.
#[derive(Debug, Default)]
pub(crate) struct Firmware {
    folder: Option<PathBuf>,
    /// Ports that were bound, for what is asked for here.
    ports: Mutex<Ports>,
    pub(crate) faults: Faults,
    served: Mutex<HashMap<String, Served>>,
}

/// Where images are served.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ports {
    pub(crate) http: Option<u16>,
    pub(crate) https: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Served {
    requests: u64,
    bytes: u64,
}

/// An image as its file says.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) size: usize,
    pub(crate) sha256: String,
    /// By its MCUboot header, if it has one.
    pub(crate) version: Option<String>,
}

impl Firmware {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            ..Self::default()
        }
    }

    pub(crate) fn set_ports(&self, ports: Ports) {
        *lock(&self.ports) = ports;
    }

    pub(crate) fn ports(&self) -> Ports {
        *lock(&self.ports)
    }

    /// An image by its name, and its size; `None` where there is none of that name. Only a regular
    /// file is one: another may never come to an end, or to a beginning.
    ///
    /// It waits for the disk, as all here that reads: call it where waiting holds up nobody.
    pub(crate) fn open(&self, name: &str) -> Option<(File, u64)> {
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
        let folder = self
            .folder
            .as_ref()
            .filter(|_| plain)?
            .canonicalize()
            .ok()?;
        // A link may lead to another image, and not out of the folder.
        let path = folder.join(name).canonicalize().ok()?;
        if !path.starts_with(&folder) || !std::fs::metadata(&path).ok()?.is_file() {
            return None;
        }
        let file = File::open(&path).ok()?;
        let size = file.metadata().ok()?.len();
        Some((file, size))
    }

    /// What is known of an image.
    pub(crate) fn image(&self, name: &str) -> Option<Image> {
        let (mut file, _) = self.open(name)?;
        let (mut hash, mut size, mut head) = (digest::Context::new(&SHA256), 0, Vec::new());
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read(&mut chunk).ok()?;
            let part = chunk.get(..read).filter(|part| !part.is_empty());
            let Some(part) = part else { break };
            hash.update(part);
            size += read;
            let missing = HEADER.saturating_sub(head.len()).min(read);
            head.extend(part.iter().take(missing));
        }
        let hash = hash.finish();
        Some(Image {
            name: name.to_owned(),
            size,
            sha256: hash.as_ref().iter().map(|b| format!("{b:02x}")).collect(),
            version: version(&head),
        })
    }

    /// Whether there is a folder to put images into.
    pub(crate) fn has_folder(&self) -> bool {
        self.folder.is_some()
    }

    /// Puts an image into the folder, whole or not at all.
    ///
    /// # Errors
    /// There is no folder; the name is no plain one; the disk takes it not.
    pub(crate) fn put(&self, name: &str, body: &[u8]) -> Result<Image, Refusal> {
        let folder = self.folder_for(name)?;
        let failed = |error: std::io::Error| {
            let reason = format!("{} cannot be written: {error}", folder.display());
            Refusal::new(ErrorCode::ServerError, reason)
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        // Names with a dot in front are no images.
        let partial = folder.join(format!(".{}", random::guid()));
        let written = std::fs::write(&partial, body);
        let written = written.and_then(|()| std::fs::rename(&partial, folder.join(name)));
        if let Err(error) = written {
            // What is left of it is no image, and may stay where it cannot be removed.
            let _ = std::fs::remove_file(&partial);
            return Err(failed(error));
        }
        self.image(name).ok_or_else(|| absent(name))
    }

    /// Takes an image out of the folder.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Refusal> {
        let path = self.folder_for(name)?.join(name);
        self.open(name).ok_or_else(|| absent(name))?;
        std::fs::remove_file(&path).map_err(|error| {
            let reason = format!("{} cannot be removed: {error}", path.display());
            Refusal::new(ErrorCode::ServerError, reason)
        })
    }

    /// The folder, if it can have an image of this name.
    fn folder_for(&self, name: &str) -> Result<&Path, Refusal> {
        let letter = |c: char| c.is_ascii_alphanumeric() || "._-+ ".contains(c);
        if name.is_empty()
            || name.len() > MAX_NAME
            || name.starts_with('.')
            || !name.chars().all(letter)
        {
            let reason = format!(
                "an image's name has up to {MAX_NAME} letters, digits, and . _ - +, and no dot in front: '{name}'"
            );
            return Err(Refusal::new(ErrorCode::ArgumentInvalid, reason));
        }
        self.folder.as_deref().ok_or_else(|| {
            let reason = "there is no folder for images: start the emulator with --firmware FOLDER";
            Refusal::new(ErrorCode::ArgumentInvalid, reason)
        })
    }

    /// Every image, by name.
    pub(crate) fn list(&self) -> Vec<Value> {
        let names = self.folder.as_deref().map(names).unwrap_or_default();
        let images: Vec<Image> = names.iter().filter_map(|name| self.image(name)).collect();
        let served = lock(&self.served);
        images
            .into_iter()
            .map(|image| {
                let served = served.get(&image.name).copied().unwrap_or_default();
                json!({
                    "name": image.name, "size": image.size, "sha256": image.sha256, "version": image.version,
                    "requests": served.requests, "bytesServed": served.bytes,
                })
            })
            .collect()
    }

    fn count(&self, name: &str, bytes: usize) {
        let mut served = lock(&self.served);
        let served = served.entry(name.to_owned()).or_default();
        served.requests += 1;
        served.bytes += bytes as u64;
    }
}

pub(crate) fn absent(name: &str) -> Refusal {
    Refusal::new(ErrorCode::NotFound, format!("there is no image '{name}'"))
}

const MAX_NAME: usize = 100;
/// What is read of an image at once.
const CHUNK: usize = 64 * 1024;
/// MCUboot's header.
const HEADER: usize = 32;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// `1.2.3`, or `1.2.3+4` with a build number: bytes 20 to 27 of MCUboot's header.
fn version(image: &[u8]) -> Option<String> {
    let header: &[u8; 32] = image.first_chunk()?;
    let [
        0x3d,
        0xb8,
        0xf3,
        0x96,
        ..,
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        _,
        _,
        _,
        _,
    ] = *header
    else {
        return None;
    };
    let [major, minor] = [a, b];
    let (revision, build) = (u16::from_le_bytes([c, d]), u32::from_le_bytes([e, f, g, h]));
    let plain = format!("{major}.{minor}.{revision}");
    Some(if build == 0 {
        plain
    } else {
        format!("{plain}+{build}")
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_its_version() {
        let mut image = vec![0; 40];
        image[..4].copy_from_slice(&[0x3d, 0xb8, 0xf3, 0x96]);
        image[20..28].copy_from_slice(&[1, 2, 3, 1, 0, 0, 0, 0]);
        assert_eq!(version(&image).as_deref(), Some("1.2.259"));
        image[24] = 7;
        assert_eq!(version(&image).as_deref(), Some("1.2.259+7"));
        assert_eq!(version(&image[..31]), None);
        assert_eq!(version(b"text"), None);
    }

    #[test]
    fn only_files_of_the_folder_are_images() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.bin"), b"a").unwrap();
        std::fs::write(folder.path().join(".hidden"), b"h").unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::write(folder.path().join("sub/b.bin"), b"b").unwrap();
        let firmware = Firmware::new(Some(folder.path().join("sub")));
        for name in [
            "../a.bin",
            "",
            ".",
            "..",
            "a.bin",
            "/etc/passwd",
            "..\\a.bin",
        ] {
            assert!(firmware.open(name).is_none(), "{name}");
        }
        let firmware = Firmware::new(Some(folder.path().to_owned()));
        assert_eq!(firmware.image("a.bin").unwrap().size, 1);
        assert_eq!(firmware.list().len(), 1);
        assert!(firmware.open(".hidden").is_none());
    }
}
