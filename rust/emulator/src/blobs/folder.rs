//! Blobs as files: one file a blob under a name that leads nowhere else; what is not whole lies
//! apart and is renamed when it is.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};

use super::{check_blob, check_container};
use crate::code::{ErrorCode, Refusal};
use crate::file::Mode as _;
use crate::random;

/// A folder of containers, in which files may have a number of bytes together.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    limit: u64,
    used: Arc<AtomicU64>,
}

/// Bytes on their way to a blob or a block. Dropping it takes them away again.
#[derive(Debug)]
pub(crate) struct Incoming {
    file: File,
    path: PathBuf,
    size: u64,
    folder: Folder,
}

impl Folder {
    /// Opens or makes the folder, and throws away what an earlier process left half written. Blocks
    /// stay.
    pub(crate) fn open(root: PathBuf, limit: u64) -> io::Result<Self> {
        let unfinished = root.join(UNFINISHED);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        for folder in [&root, &unfinished, &root.join(BLOCKS)] {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).owned(0o700).create(folder)?;
        }
        let used = Arc::new(AtomicU64::new(size_of(&root)?));
        Ok(Self { root, limit, used })
    }

    /// Begins to take bytes in.
    pub(crate) fn begin(&self) -> Result<Incoming, Refusal> {
        let path = self.root.join(UNFINISHED).join(random::hex::<16>());
        Ok(Incoming {
            file: File::create_new(&path).map_err(failed)?,
            path,
            size: 0,
            folder: self.clone(),
        })
    }

    /// A blob and its size; `None` if there is none.
    pub(crate) fn read(&self, container: &str, blob: &str) -> Result<Option<(File, u64)>, Refusal> {
        match File::open(self.path(container, blob)?) {
            Ok(file) => {
                let size = file.metadata().map_err(failed)?.len();
                Ok(Some((file, size)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// The whole of a blob, `limit` bytes at most.
    pub(crate) fn read_all(
        &self,
        container: &str,
        blob: &str,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let Some((mut file, size)) = self.read(container, blob)? else {
            return Ok(None);
        };
        if size > limit as u64 {
            let reason =
                format!("blob '{blob}' has {size} bytes, and {limit} are read at the most");
            return Err(Refusal::new(ErrorCode::MessageTooLarge, reason));
        }
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes).map_err(failed)?;
        Ok(Some(bytes))
    }

    /// Whether there is such a blob.
    pub(crate) fn has(&self, container: &str, blob: &str) -> Result<bool, Refusal> {
        Ok(self.path(container, blob)?.exists())
    }

    /// Makes a blob of what came in.
    pub(crate) fn put(
        &self,
        container: &str,
        blob: &str,
        incoming: Incoming,
    ) -> Result<(), Refusal> {
        let path = self.path(container, blob)?;
        incoming.become_file(&path)
    }

    /// Keeps what came in as a block that belongs to no blob yet.
    pub(crate) fn put_block(
        &self,
        container: &str,
        blob: &str,
        block: &str,
        incoming: Incoming,
    ) -> Result<(), Refusal> {
        let folder = self.blocks(container, blob)?;
        let waiting = match fs::read_dir(&folder) {
            Ok(entries) => entries.count(),
            Err(_) => 0,
        };
        if waiting >= MAX_BLOCKS {
            return Err(invalid("a blob may have 50,000 blocks"));
        }
        incoming.become_file(&folder.join(block_name(block)))
    }

    /// Makes a blob of its blocks, in the order of the list; the others go.
    pub(crate) fn put_block_list(
        &self,
        container: &str,
        blob: &str,
        list: &[String],
    ) -> Result<(), Refusal> {
        if list.len() > MAX_BLOCKS {
            return Err(invalid("a blob may have 50,000 blocks"));
        }
        let folder = self.blocks(container, blob)?;
        let mut whole = self.begin()?;
        for block in list {
            let mut part = File::open(folder.join(block_name(block)))
                .map_err(|_| invalid("the list has a block that was not put (InvalidBlockList)"))?;
            whole.copy(&mut part)?;
        }
        self.put(container, blob, whole)?;
        if folder.exists() {
            let freed = size_of(&folder).map_err(failed)?;
            fs::remove_dir_all(&folder).map_err(failed)?;
            self.free(freed);
        }
        Ok(())
    }

    fn path(&self, container: &str, blob: &str) -> Result<PathBuf, Refusal> {
        check_container(container)?;
        check_blob(blob)?;
        Ok(self.root.join(container).join(file_name(blob)))
    }

    fn blocks(&self, container: &str, blob: &str) -> Result<PathBuf, Refusal> {
        check_container(container)?;
        check_blob(blob)?;
        let name = hex(format!("{container}/{blob}").as_bytes());
        Ok(self.root.join(BLOCKS).join(name))
    }

    fn free(&self, bytes: u64) {
        let less = |used: u64| Some(used.saturating_sub(bytes));
        // The closure always gives a value.
        let _ = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

impl Incoming {
    /// Writes some more, if there is room.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let size = bytes.len() as u64;
        let used = self.folder.used.fetch_add(size, Ordering::Relaxed);
        self.size += size;
        if used.saturating_add(size) > self.folder.limit {
            return Err(Refusal::new(
                ErrorCode::MessageTooLarge,
                format!(
                    "the files would have more than {} bytes together: raise filesMaxBytes, or remove some",
                    self.folder.limit
                ),
            ));
        }
        self.file.write_all(bytes).map_err(failed)
    }

    fn copy(&mut self, from: &mut File) -> Result<(), Refusal> {
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match io::Read::read(from, &mut buffer).map_err(failed)? {
                0 => return Ok(()),
                count => self.write(&buffer[..count])?,
            }
        }
    }

    /// Puts the file where it belongs, in place of what was there.
    fn become_file(mut self, path: &Path) -> Result<(), Refusal> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let before = fs::metadata(path).map_or(0, |it| it.len());
        fs::rename(&self.path, path).map_err(failed)?;
        self.folder.free(before);
        // It is counted from here on.
        self.size = 0;
        Ok(())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.folder.free(self.size);
        // After a rename there is nothing to remove.
        let _ = fs::remove_file(&self.path);
    }
}

/// A name without separators and dots in front, different for each blob: percent-encoded, and cut
/// with a digest where it would be too long for a file system.
fn file_name(blob: &str) -> String {
    let mut name = String::new();
    for byte in blob.bytes() {
        match byte {
            b'-' | b'_' => name.push(char::from(byte)),
            b'.' if !name.is_empty() => name.push('.'),
            byte if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            byte => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.len() > LONGEST {
        name.truncate(100);
        name.push('~');
        name.push_str(&hex(blob.as_bytes()));
    }
    name
}

fn block_name(block: &str) -> String {
    hex(block.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The bytes of all files below a folder.
fn size_of(folder: &Path) -> io::Result<u64> {
    let (mut total, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => total += entry.metadata()?.len(),
                _ => {}
            }
        }
    }
    Ok(total)
}

fn failed(error: io::Error) -> Refusal {
    Refusal::new(
        ErrorCode::ServerError,
        format!("the files cannot be written: {error}"),
    )
}

fn invalid(reason: &str) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

/// No container can be called so.
const UNFINISHED: &str = ".unfinished";
const BLOCKS: &str = ".blocks";
/// Microsoft's limit.
const MAX_BLOCKS: usize = 50_000;
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn put(folder: &Folder, blob: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let mut incoming = folder.begin()?;
        incoming.write(bytes)?;
        folder.put("uploads", blob, incoming)
    }

    fn text(folder: &Folder, blob: &str) -> Option<String> {
        let (mut file, _) = folder.read("uploads", blob).unwrap()?;
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[test]
    fn no_name_leads_out_of_the_folder_or_to_another_blob() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("files");
        let folder = Folder::open(root.clone(), 1 << 20).unwrap();
        let long = "x".repeat(1000);
        let names = [
            "a",
            "a/b",
            "a%2Fb",
            "../../escape",
            "..",
            ".",
            "/etc/passwd",
            "A",
            "a\\b",
            ".hidden",
            "é",
            &long,
            &format!("{long}y"),
        ];
        for name in names {
            put(&folder, name, name.as_bytes()).unwrap();
        }
        for name in names {
            assert_eq!(text(&folder, name).as_deref(), Some(name));
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(
            fs::read_dir(root.join("uploads")).unwrap().count(),
            names.len()
        );
        for name in ["", "a\0b", &"x".repeat(1025)] {
            assert!(put(&folder, name, b"").is_err());
        }
        assert!(folder.read("..", "a").is_err() && folder.read(".blocks", "a").is_err());
    }

    #[test]
    fn bytes_are_bounded_and_come_back_when_they_are_not_kept() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("files");
        let folder = Folder::open(root.clone(), 100).unwrap();
        put(&folder, "a", &[b'x'; 60]).unwrap();
        assert!(put(&folder, "b", &[b'x'; 60]).is_err());
        put(&folder, "b", &[b'x'; 40]).unwrap();
        assert!(put(&folder, "c", b"x").is_err());
        // What takes the place of another needs the room of both until then.
        put(&Folder::open(root.clone(), 160).unwrap(), "a", &[b'y'; 60]).unwrap();
        let again = Folder::open(root.clone(), 100).unwrap();
        assert_eq!(again.used.load(Ordering::Relaxed), 100);
        assert_eq!(fs::read_dir(root.join(UNFINISHED)).unwrap().count(), 0);
    }

    #[test]
    fn a_list_of_blocks_makes_a_blob_in_its_order() {
        let outside = tempfile::tempdir().unwrap();
        let folder = Folder::open(outside.path().join("files"), 1 << 20).unwrap();
        for block in ["one", "two", "three"] {
            let mut incoming = folder.begin().unwrap();
            incoming.write(block.as_bytes()).unwrap();
            folder.put_block("uploads", "b", block, incoming).unwrap();
        }
        assert_eq!(text(&folder, "b"), None);
        let list = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert!(
            folder
                .put_block_list("uploads", "b", &list(&["one", "four"]))
                .is_err()
        );
        folder
            .put_block_list("uploads", "b", &list(&["three", "one"]))
            .unwrap();
        assert_eq!(text(&folder, "b").as_deref(), Some("threeone"));
        assert_eq!(folder.used.load(Ordering::Relaxed), 8);
        // The blocks are gone with it.
        assert!(
            folder
                .put_block_list("uploads", "b", &list(&["two"]))
                .is_err()
        );
    }
}
