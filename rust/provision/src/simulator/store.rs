//! The credential store, as files that the device process reads too.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use crate::error::Error;
use crate::files;

/// Credentials by security tag and type (0 CA, 1 certificate, 2 key, 3 PSK, 4 PSK identity), with
/// the exact bytes that were written.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store below the data folder of a device process.
    pub fn below(data: &Path) -> Self {
        Self {
            folder: data.join("modem").join("credentials"),
        }
    }

    pub(crate) fn read(&self, tag: u32, kind: u8) -> Option<String> {
        std::fs::read_to_string(self.path(tag, kind)?).ok()
    }

    pub(crate) fn write(&self, tag: u32, kind: u8, content: &str) -> Result<(), Error> {
        let Some(path) = self.path(tag, kind) else {
            return Ok(());
        };
        files::create_private_folder(path.parent().unwrap_or(&self.folder))?;
        files::write_private(&path, content)
    }

    /// Whether there was something to delete.
    pub(crate) fn delete(&self, tag: u32, kind: u8) -> bool {
        let Some(path) = self.path(tag, kind) else {
            return false;
        };
        let deleted = std::fs::remove_file(&path).is_ok();
        if let Some(folder) = path.parent() {
            let _ = std::fs::remove_dir(folder);
        }
        deleted
    }

    /// Tag, type and upper-case SHA-256 of everything, sorted.
    pub(crate) fn list(&self) -> Vec<(u32, u8, String)> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let tags = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut found: Vec<(u32, u8, String)> = tags
            .flat_map(|tag| (0..NAMES.len() as u8).map(move |kind| (tag, kind)))
            .filter_map(|(tag, kind)| Some((tag, kind, sha256(&self.read(tag, kind)?))))
            .collect();
        found.sort();
        found
    }

    /// How many bytes all credentials take.
    pub(crate) fn size(&self) -> usize {
        let sizes = self
            .list()
            .into_iter()
            .map(|(tag, kind, _)| self.read(tag, kind));
        sizes.flatten().map(|content| content.len()).sum()
    }

    fn path(&self, tag: u32, kind: u8) -> Option<PathBuf> {
        let name = NAMES.get(usize::from(kind))?;
        Some(self.folder.join(tag.to_string()).join(name))
    }
}

pub(crate) fn sha256(content: &str) -> String {
    digest(&SHA256, content.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

const NAMES: [&str; 5] = ["ca.pem", "cert.pem", "key.pem", "psk.pem", "identity.pem"];
