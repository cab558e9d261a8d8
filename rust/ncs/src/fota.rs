//! The two slots of firmware, and the download into one of them: the FOTA functions of `iothub_platform.h`.

use core::{
    ffi::{CStr, c_uint},
    ptr,
};

use ncs_sys as c;

use crate::{Errno, errno::check, platform::Slot as Handler};

/// Where an image is, and what is known of it. Copied by [`start`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// Its host.
    pub host: &'a CStr,
    /// Its path, without the first `/`.
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

/// What a transfer tells, on a thread of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// So much is stored.
    Progress {
        /// Bytes in the slot.
        offset: u32,
        /// Bytes of the image.
        size: u32,
    },
    /// The slot has to be erased, which waits, or is.
    Erase {
        /// It is.
        done: bool,
    },
    /// The end: complete, and what it was to be.
    Done,
    /// The end, by this cause (`IOTHUB_FOTA_CAUSE_*`).
    Failed {
        /// The cause's number.
        cause: u32,
        /// The HTTP status, where that is the cause.
        status: u16,
    },
    /// The end, as it was asked.
    Stopped,
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
#[derive(Clone, Copy)]
pub struct Image(c::iothub_fota_image);

impl Image {
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

static HANDLER: Handler<fn(Fact)> = Handler::new();

/// Fetches an image into the slot that does not run. `handler` is told how it goes and how it ended; it must not block.
///
/// # Errors
/// EBUSY while another transfer has not ended.
pub fn start(source: &Source<'_>, handler: fn(Fact)) -> Result<(), Errno> {
    HANDLER.set(handler);
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
    // SAFETY: the texts end in a 0 byte, tags and hash have the lengths that go with them, and all are copied.
    check(unsafe { c::iothub_platform_fota_start(&raw const source, Some(on_event)) })
}

/// Asks the transfer to stop; its end is told by a fact.
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

/// What is in a slot.
///
/// # Errors
/// ENOENT where there is no image, ENOTSUP where it cannot be known.
pub fn image(slot: Slot) -> Result<Image, Errno> {
    let slot = match slot {
        Slot::Running => c::IOTHUB_FOTA_SLOT_RUNNING,
        Slot::Downloaded => c::IOTHUB_FOTA_SLOT_DOWNLOADED,
    };
    let mut image = c::iothub_fota_image::default();
    // SAFETY: the pointer leads to an image that lives until the call returns.
    check(unsafe { c::iothub_platform_fota_image(slot, &raw mut image) })?;
    Ok(Image(image))
}

/// What C calls.
///
/// # Safety
/// None is needed: there are no pointers.
unsafe extern "C" fn on_event(event: c_uint, first: u32, second: u32) {
    let fact = match event {
        c::IOTHUB_FOTA_PROGRESS => Fact::Progress {
            offset: first,
            size: second,
        },
        c::IOTHUB_FOTA_ERASE_PENDING => Fact::Erase { done: false },
        c::IOTHUB_FOTA_ERASE_DONE => Fact::Erase { done: true },
        c::IOTHUB_FOTA_DONE => Fact::Done,
        c::IOTHUB_FOTA_STOPPED => Fact::Stopped,
        // An end that is not known is one all the same.
        _ => Fact::Failed {
            cause: first,
            status: u16::try_from(second).unwrap_or(0),
        },
    };
    if let Some(handler) = HANDLER.get() {
        handler(fact);
    }
}
