//! The two slots of firmware, and the download into one of them: the FOTA functions of
//! `iothub_platform.h`.

use core::{
    cell::Cell,
    ffi::{CStr, c_uint},
    ptr,
};

use critical_section::Mutex;
use ncs_sys as c;

use crate::{Errno, errno::check, platform::Waiter};

/// Where an image is, and what is known of it. Copied by [`start`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// The image's host.
    pub host: &'a CStr,
    /// The image's path, without the first `/`.
    pub path: &'a CStr,
    /// Over TLS.
    pub tls: bool,
    /// 0: the protocol's own.
    pub port: u16,
    /// Where the roots lie; empty: the platform's choice.
    pub sec_tags: &'a [u32],
    /// Bytes of a request; 0: the platform's choice.
    pub fragment: u16,
    /// Bytes; 0: not known.
    pub size: u32,
    /// What the image is to be.
    pub sha256: Option<&'a [u8; 32]>,
    /// Which image it is: bytes of the same one are not fetched again.
    pub identity: u32,
}

/// What a transfer has done since it was asked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferEvents {
    /// Bytes in the slot, and bytes of the image.
    pub progress: Option<(u32, u32)>,
    /// The slot has to be erased, which waits (`false`), or is (`true`).
    pub erase: Option<bool>,
    /// The version in the image's header: `major << 24 | minor << 16 | revision`, and the build
    /// number.
    pub version: Option<(u32, u32)>,
    /// How it has ended.
    pub end: Option<End>,
}

/// How a transfer has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Complete, and what it was to be.
    Done,
    /// By this cause (`IOTHUB_FOTA_CAUSE_*`), or as it was asked.
    Failed {
        /// The cause's number; 0: it was asked to stop.
        cause: u32,
        /// The HTTP status, where that is the cause.
        status: u16,
    },
}

/// A slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The image that runs.
    Running,
    /// The one that was downloaded.
    Downloaded,
}

/// What is in a slot.
#[derive(Clone, Copy, Default)]
pub struct Image(c::iothub_fota_image);

impl Image {
    /// Looks into a slot. What is not known of it is empty; an image that nobody calls unconfirmed
    /// is not on trial.
    ///
    /// # Errors
    /// ENOENT where there is no image, ENOTSUP where its version cannot be known.
    pub fn read(&mut self, slot: Slot) -> Result<(), Errno> {
        let slot = match slot {
            Slot::Running => c::IOTHUB_FOTA_SLOT_RUNNING,
            Slot::Downloaded => c::IOTHUB_FOTA_SLOT_DOWNLOADED,
        };
        self.0.confirmed = true;
        // SAFETY: the pointer leads to an image that lives until the call returns.
        check(unsafe { c::iothub_platform_fota_image(slot, &raw mut self.0) })
    }

    /// As in `1.2.3` or `1.2.3+4`.
    pub fn version(&self) -> &str {
        let bytes = self.0.version.as_ptr().cast::<u8>();
        // SAFETY: pointer and length are those of the array, and `c_char` has the size of a byte.
        let bytes = unsafe { core::slice::from_raw_parts(bytes, self.0.version.len()) };
        CStr::from_bytes_until_nul(bytes)
            .ok()
            .and_then(|version| version.to_str().ok())
            .unwrap_or_default()
    }

    /// Of the running one: it stays.
    pub fn confirmed(&self) -> bool {
        self.0.confirmed
    }
}

static PROGRESS: Pending<(u32, u32)> = Mutex::new(Cell::new(None));
static ERASE: Pending<bool> = Mutex::new(Cell::new(None));
static VERSION: Pending<(u32, u32)> = Mutex::new(Cell::new(None));
static END: Pending<End> = Mutex::new(Cell::new(None));

type Pending<T> = Mutex<Cell<Option<T>>>;

/// What the transfer has done. When there is something, [`Waiter::Driver`] is woken.
pub fn take_events() -> TransferEvents {
    critical_section::with(|cs| TransferEvents {
        progress: PROGRESS.borrow(cs).take(),
        erase: ERASE.borrow(cs).take(),
        version: VERSION.borrow(cs).take(),
        end: END.borrow(cs).take(),
    })
}

/// Fetches an image into the slot that does not run. [`take_events`] say how it goes and how it
/// ended.
///
/// # Errors
/// EBUSY while another transfer has not ended.
pub fn start(source: &Source<'_>) -> Result<(), Errno> {
    // What the last one has left is not of this one.
    let _ = take_events();
    let source = c::iothub_fota_source {
        host: source.host.as_ptr(),
        path: source.path.as_ptr(),
        sec_tags: source.sec_tags.as_ptr(),
        sec_tag_count: source.sec_tags.len(),
        sha256: source.sha256.map_or(ptr::null(), |hash| hash.as_ptr()),
        size: source.size,
        identity: source.identity,
        port: source.port,
        fragment: source.fragment,
        tls: source.tls,
    };
    // SAFETY: the texts end in a 0 byte, tags and hash have the lengths that go with them, and all
    // are copied.
    check(unsafe { c::iothub_platform_fota_start(&raw const source, Some(on_event)) })
}

/// Asks the transfer to stop; its end is one of the [`take_events`].
///
/// # Errors
/// ENOENT where there is none.
pub fn cancel() -> Result<(), Errno> {
    // SAFETY: takes no arguments.
    check(unsafe { c::iothub_platform_fota_cancel() })
}

/// The next boot runs what was downloaded.
///
/// # Errors
/// ENOENT where there is no complete image; EIO where the slot cannot be marked.
pub fn apply() -> Result<(), Errno> {
    // SAFETY: takes no arguments.
    check(unsafe { c::iothub_platform_fota_apply() })
}

/// The running image stays.
///
/// # Errors
/// EIO where the slot cannot be marked.
pub fn confirm() -> Result<(), Errno> {
    // SAFETY: takes no arguments.
    check(unsafe { c::iothub_platform_fota_confirm() })
}

/// What C calls, on a thread of its own.
///
/// # Safety
/// None is needed: there are no pointers.
unsafe extern "C" fn on_event(event: c_uint, first: u32, second: u32) {
    critical_section::with(|cs| match event {
        c::IOTHUB_FOTA_PROGRESS => PROGRESS.borrow(cs).set(Some((first, second))),
        c::IOTHUB_FOTA_VERSION => VERSION.borrow(cs).set(Some((first, second))),
        c::IOTHUB_FOTA_ERASE_PENDING => ERASE.borrow(cs).set(Some(false)),
        c::IOTHUB_FOTA_ERASE_DONE => ERASE.borrow(cs).set(Some(true)),
        end => END.borrow(cs).set(Some(match end {
            c::IOTHUB_FOTA_DONE => End::Done,
            // Stopped, or an end that is not known, which is one all the same.
            _ => End::Failed {
                cause: first,
                status: second as u16,
            },
        })),
    });
    Waiter::Driver.wake();
}
