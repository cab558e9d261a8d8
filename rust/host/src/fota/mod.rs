//! Firmware updates: two slots on disk, and a download into the one that does not run.

mod http;
pub(crate) mod image;
mod slots;

use std::{
    fmt, io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};

pub use slots::Firmware;
pub(crate) use slots::Slots;

use crate::{
    errno::Errno,
    lock, log,
    modem::{Simulated, Socket},
};
use http::Connection;
use slots::SLOT_SIZE;

/// Log target.
pub(crate) const TARGET: &str = "fota";

/// What `iothub_platform_fota_start` is given.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) sec_tags: Vec<u32>,
    pub(crate) fragment: u32,
    /// 0: not known.
    pub(crate) size: u32,
    pub(crate) sha256: Option<[u8; 32]>,
    pub(crate) identity: u32,
}

/// What stops a transfer: `IOTHUB_FOTA_CAUSE_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Connect,
    Tls,
    Transfer,
    Http(u16),
    Size,
    Hash,
    Image,
    TooLarge,
    Storage,
}

/// What a transfer tells: `IOTHUB_FOTA_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Progress { offset: u32, size: u32 },
    Done,
    Failed(Cause),
    Stopped,
}

pub(crate) type Callback = Box<dyn Fn(Told) + Send>;

/// A transfer on its way.
struct Transfer {
    stop: AtomicBool,
    socket: Mutex<Option<Arc<Socket>>>,
}

/// The slots, and the transfer into them.
pub(crate) struct Fota {
    slots: Mutex<Slots>,
    running: Firmware,
    modem: Arc<Simulated>,
    /// Where the source names no security tags.
    sec_tags: Vec<u32>,
    timeout: Duration,
    transfer: Mutex<Option<Arc<Transfer>>>,
}

impl fmt::Debug for Fota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fota").finish_non_exhaustive()
    }
}

/// Bytes of a request where the source says nothing, as Nordic's library has it beside the modem's TLS.
const FRAGMENT: u32 = 1024;

impl Fota {
    pub(crate) fn new(
        (slots, running): (Slots, Firmware),
        modem: Arc<Simulated>,
        sec_tags: Vec<u32>,
        timeout: Duration,
    ) -> Self {
        Self {
            slots: Mutex::new(slots),
            running,
            modem,
            sec_tags,
            timeout,
            transfer: Mutex::default(),
        }
    }

    /// `iothub_platform_fota_start`.
    pub(crate) fn start(self: &Arc<Self>, mut target: Target, tell: Callback) -> Result<(), Errno> {
        if target.sec_tags.is_empty() {
            target.sec_tags.clone_from(&self.sec_tags);
        }
        if target.fragment == 0 {
            target.fragment = FRAGMENT;
        }
        if target.port == 0 {
            target.port = if target.tls { 443 } else { 80 };
        }
        let transfer = Arc::new(Transfer {
            stop: AtomicBool::new(false),
            socket: Mutex::default(),
        });
        {
            let mut current = lock(&self.transfer);
            if current.is_some() {
                return Err(Errno::BUSY);
            }
            *current = Some(Arc::clone(&transfer));
        }
        let this = Arc::clone(self);
        let spawned = thread::Builder::new().name("fota".into()).spawn(move || {
            let result = this.fetch(&target, &transfer, &tell);
            // A start that answers to the end waits until the slot is free.
            let mut current = lock(&this.transfer);
            tell(match result {
                Ok(()) => Told::Done,
                Err(_) if transfer.stop.load(Ordering::Acquire) => Told::Stopped,
                Err(cause) => {
                    // What follows may be a signature, which is a key.
                    let path = target.path.split('?').next().unwrap_or_default();
                    log::warning!(TARGET, "{}/{path}: {cause:?}", target.host);
                    Told::Failed(cause)
                }
            });
            *current = None;
        });
        spawned.map(drop).map_err(|error| {
            *lock(&self.transfer) = None;
            Errno::from(&error)
        })
    }

    /// `iothub_platform_fota_cancel`.
    pub(crate) fn cancel(&self) -> Result<(), Errno> {
        let transfer = lock(&self.transfer).clone().ok_or(Errno::NOENT)?;
        transfer.stop.store(true, Ordering::Release);
        if let Some(socket) = lock(&transfer.socket).as_ref() {
            socket.close();
        }
        Ok(())
    }

    pub(crate) fn apply(&self) -> Result<(), Errno> {
        lock(&self.slots).apply()
    }

    pub(crate) fn confirm(&self) -> Result<(), Errno> {
        lock(&self.slots).confirm()
    }

    /// Version, and whether it stays.
    pub(crate) fn running(&self) -> (String, bool) {
        (self.running.version.clone(), lock(&self.slots).confirmed())
    }

    pub(crate) fn downloaded(&self) -> Option<String> {
        lock(&self.slots).other_image()
    }

    fn fetch(&self, target: &Target, transfer: &Transfer, tell: &Callback) -> Result<(), Cause> {
        let storage = |_| Cause::Storage;
        let mut offset = lock(&self.slots)
            .prepare(target.identity)
            .map_err(storage)?;
        if offset > 0 {
            log::info!(TARGET, "going on at byte {offset}");
        }
        let mut connection: Option<Connection> = None;
        let mut size = Some(target.size).filter(|size| *size != 0);
        while size.is_none_or(|size| offset < size) {
            if transfer.stop.load(Ordering::Acquire) {
                return Err(Cause::Transfer);
            }
            let mut open = match connection.take().filter(Connection::is_open) {
                Some(open) => open,
                None => self.open(target, transfer)?,
            };
            let answer = open.get(target, offset, target.fragment).map_err(|error| {
                log::warning!(TARGET, "at byte {offset}: {error}");
                Cause::Transfer
            })?;
            connection = Some(open);
            let total = self.check(target, &answer, offset)?;
            size = Some(total);
            if answer.body.is_empty() {
                break;
            }
            if offset == 0 && !answer.body.starts_with(&image::MAGIC) {
                return Err(Cause::Image);
            }
            lock(&self.slots).append(&answer.body).map_err(storage)?;
            // Bounded by SLOT_SIZE.
            offset += answer.body.len() as u32;
            tell(Told::Progress {
                offset,
                size: total,
            });
        }
        self.verify(target)
    }

    fn open(&self, target: &Target, transfer: &Transfer) -> Result<Connection, Cause> {
        Connection::open(&self.modem, target, self.timeout, |socket| {
            *lock(&transfer.socket) = Some(Arc::clone(socket));
            if transfer.stop.load(Ordering::Acquire) {
                socket.close();
            }
        })
    }

    /// The size of the whole image, where the answer is one to go on with.
    fn check(&self, target: &Target, answer: &http::Answer, offset: u32) -> Result<u32, Cause> {
        match answer.status {
            200 | 206 => {}
            // Nothing is there behind what we have: it is all of it.
            416 if offset > 0 && answer.total == Some(offset) => return Ok(offset),
            status => return Err(Cause::Http(status)),
        }
        let total = answer.total.ok_or(Cause::Transfer)?;
        if target.size != 0 && total != target.size {
            return Err(Cause::Size);
        }
        if total > SLOT_SIZE {
            return Err(Cause::TooLarge);
        }
        if u64::from(offset) + answer.body.len() as u64 > u64::from(total) {
            lock(&self.slots).discard();
            return Err(Cause::Transfer);
        }
        Ok(total)
    }

    /// What was promised is what is there, as the job and the image itself say.
    fn verify(&self, target: &Target) -> Result<(), Cause> {
        let mut slots = lock(&self.slots);
        let image = slots.downloaded().map_err(|_| Cause::Storage)?;
        let hash = digest(&SHA256, &image);
        let wrong = if target.size != 0 && image.len() != target.size as usize {
            Some(Cause::Size)
        } else if target.sha256.is_some_and(|wanted| hash.as_ref() != wanted) {
            Some(Cause::Hash)
        } else if image::read(&image).is_none() {
            Some(Cause::Image)
        } else {
            None
        };
        wrong.map_or(Ok(()), |cause| {
            slots.discard();
            Err(cause)
        })
    }
}

/// Runs the boot loader.
pub(crate) fn boot(data: &std::path::Path, factory: &str) -> io::Result<(Slots, Firmware)> {
    Slots::boot(data.join("firmware"), factory)
}
