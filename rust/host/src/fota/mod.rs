//! Firmware updates: two slots on disk, and a download into the one that does not run.

mod http;
pub(crate) mod image;
mod slots;
mod source;

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
pub(crate) use source::{Cause, Source};

use crate::{
    errno::Errno,
    lock, log,
    modem::{Simulated, Socket},
};
use http::{Answer, Connection, Location};
use slots::SLOT_SIZE;
use source::TARGET;

/// What a transfer reports: `IOTHUB_FOTA_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransferEvent {
    Progress {
        offset: u32,
        size: u32,
    },
    /// `major << 24 | minor << 16 | revision`.
    Version {
        number: u32,
        build: u32,
    },
    Done,
    Failed(Cause),
    Stopped,
}

pub(crate) type Callback = Box<dyn Fn(TransferEvent) + Send>;

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

/// So often a transfer follows the server to another place.
const REDIRECTS_MAX: u32 = 5;

/// Bytes of a request where the source says nothing, as Nordic's library has it beside the modem's
/// TLS.
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
    pub(crate) fn start(
        self: &Arc<Self>,
        mut source: Source,
        notify: Callback,
    ) -> Result<(), Errno> {
        if source.sec_tags.is_empty() {
            source.sec_tags.clone_from(&self.sec_tags);
        }
        if source.fragment == 0 {
            source.fragment = FRAGMENT;
        }
        if source.port == 0 {
            source.port = if source.tls { 443 } else { 80 };
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
            let result = this.fetch(&source, &transfer, &notify);
            // A start that answers to the end waits until the slot is free.
            let mut current = lock(&this.transfer);
            notify(match result {
                Ok(()) => TransferEvent::Done,
                Err(_) if transfer.stop.load(Ordering::Acquire) => TransferEvent::Stopped,
                Err(cause) => {
                    // What follows may be a signature, which is a key.
                    let path = source.path.split('?').next().unwrap_or_default();
                    log::warning!(TARGET, "{}/{path}: {cause:?}", source.host);
                    TransferEvent::Failed(cause)
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

    fn fetch(&self, source: &Source, transfer: &Transfer, notify: &Callback) -> Result<(), Cause> {
        let storage = |_| Cause::Storage;
        let mut offset = lock(&self.slots)
            .prepare(source.identity)
            .map_err(storage)?;
        if offset > 0 {
            log::info!(TARGET, "going on at byte {offset}");
        }
        let mut location = Location::of(source);
        let mut redirects = 0;
        let mut connection: Option<Connection> = None;
        let mut size = Some(source.size).filter(|size| *size != 0);
        while size.is_none_or(|size| offset < size) {
            if transfer.stop.load(Ordering::Acquire) {
                return Err(Cause::Transfer);
            }
            let mut open = match connection.take().filter(Connection::is_open) {
                Some(open) => open,
                None => self.open(&location, source, transfer)?,
            };
            let answer = open
                .get(&location, offset, source.fragment)
                .map_err(|error| {
                    log::warning!(TARGET, "at byte {offset}: {error}");
                    error.cause()
                })?;
            let (body, total) = match answer {
                Answer::Part { body, total } => (body, total),
                // Nothing is there behind what we have: it is all of it.
                Answer::End { total } if offset > 0 && total == u64::from(offset) => break,
                Answer::End { total } => {
                    log::warning!(TARGET, "at byte {offset}: the file has {total}");
                    return Err(self.changed());
                }
                Answer::Redirect(to) if redirects < REDIRECTS_MAX => {
                    redirects += 1;
                    log::info!(TARGET, "redirected to {to}");
                    location = to;
                    continue;
                }
                Answer::Redirect(_) => {
                    log::warning!(TARGET, "redirected more than {REDIRECTS_MAX} times");
                    return Err(Cause::Answer);
                }
                Answer::Refused(status) => return Err(Cause::Http(status)),
            };
            connection = Some(open);
            if source.size != 0 && total != u64::from(source.size) {
                return Err(Cause::Size);
            }
            let total = u32::try_from(total)
                .ok()
                .filter(|total| *total <= SLOT_SIZE);
            let total = total.ok_or(Cause::TooLarge)?;
            if size.replace(total).is_some_and(|before| before != total) {
                log::warning!(TARGET, "at byte {offset}: the file has another size now");
                return Err(self.changed());
            }
            if offset == 0 {
                if !body.starts_with(&image::MAGIC) {
                    return Err(Cause::Image);
                }
                notify_version(&body, notify);
            }
            lock(&self.slots).append(&body).map_err(storage)?;
            // Bounded by SLOT_SIZE.
            offset += body.len() as u32;
            notify(TransferEvent::Progress {
                offset,
                size: total,
            });
        }
        self.verify(source, notify)
    }

    /// What was fetched is not of the file that is there now.
    fn changed(&self) -> Cause {
        lock(&self.slots).discard();
        Cause::Answer
    }

    fn open(
        &self,
        location: &Location,
        source: &Source,
        transfer: &Transfer,
    ) -> Result<Connection, Cause> {
        Connection::open(
            &self.modem,
            location,
            &source.sec_tags,
            self.timeout,
            |socket| {
                *lock(&transfer.socket) = Some(Arc::clone(socket));
                if transfer.stop.load(Ordering::Acquire) {
                    socket.close();
                }
            },
        )
    }

    fn verify(&self, source: &Source, notify: &Callback) -> Result<(), Cause> {
        let mut slots = lock(&self.slots);
        let image = slots.downloaded().map_err(|_| Cause::Storage)?;
        let hash = digest(&SHA256, &image);
        let wrong = if source.size != 0 && image.len() != source.size as usize {
            Some(Cause::Size)
        } else if source
            .sha256
            .is_some_and(|expected| hash.as_ref() != expected)
        {
            Some(Cause::Hash)
        } else if image::read(&image).is_none() {
            Some(Cause::Image)
        } else {
            None
        };
        if let Some(cause) = wrong {
            slots.discard();
            return Err(cause);
        }
        // Once more: the first fragment may have come before a restart, or have been too short.
        notify_version(&image, notify);
        Ok(())
    }
}

fn notify_version(image: &[u8], notify: &Callback) {
    if let Some((number, build)) = image::version_numbers(image) {
        notify(TransferEvent::Version { number, build });
    }
}

/// Runs the boot loader.
pub(crate) fn boot(data: &std::path::Path, factory: &str) -> io::Result<(Slots, Firmware)> {
    Slots::boot(data.join("firmware"), factory)
}
