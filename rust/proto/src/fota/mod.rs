//! Firmware over the air, driven by the twin's object `firmware` as Nordic's azure_fota is.
//!
//! [`Updater`] stands beside [`Client`](crate::Client) and has the same kinds of methods: inputs
//! (`handle_*`), outputs (`poll_event`, `poll_command` with `complete`, `poll_timeout`) and views.
//! What runs after a reboot is never guessed from the twin: it is what the platform says runs,
//! against one stored [record](Command::Store).
//!
//! # Desired
//! ```json
//! {"firmware":{"fwVersion":"1.1.0","jobId":"job-7","fwLocation":{"host":"fw.example","path":"app.bin"},
//!  "fwFragmentSize":1024}}
//! ```
//! as Nordic has it; `fwFragmentSize` may be absent. Ours, all optional: `fwLocation.protocol`
//! (`https`, `http`), `fwLocation.port`, `size`, `sha256`, `secTags`, `byText`. `null` instead of
//! the object, or a document without it, cancels.
//!
//! # Reported
//! `fwUpdateStatus` (`current`, `downloading`, `applying`, `rebooting`, `error`, `rolledback`),
//! `currentFwVersion`, and where there is a job `pendingFwVersion` and `jobId`; ours: `progress` in
//! percent while downloading, and `reason`.
//!
//! # Invariants
//! - **A job is tried once**: one that has ended, well or not, is not begun again by a twin that
//!   comes again. A wrong object is no try, and a cancelled job neither.
//! - **Stored before done**: the record that a boot needs is written before the boot loader is
//!   told.
//! - **The hub decides**: a new image is confirmed once the hub has granted every subscription, and
//!   not before; if it is not within [`Policy::trial_s`], the device restarts and the boot loader
//!   takes the image back.

mod desired;
mod evaluate;
mod field;
mod reason;
mod record;
mod report;
#[cfg(test)]
mod tests;
mod updater;
mod version;

pub use desired::{HOST_MAX, JOB_ID_MAX, PATH_MAX, SEC_TAGS_MAX, Source, VERSION_MAX};
pub use field::{Fault, Field};
pub use reason::Reason;
pub use record::RECORD_MAX;
pub use updater::{COMMAND_MAX, Updater};
pub use version::ImageVersion;

use crate::writer::str_of;

/// What is decided before the start.
#[derive(Clone, Copy, Debug)]
pub struct Config<'c> {
    /// The version that runs, as the platform says: printable ASCII, cut at [`VERSION_MAX`].
    pub version: &'c str,
    /// `version` is a free text, and what an image's header says is not compared with it.
    pub by_text: bool,
    /// The running image is there to stay. If not, the boot loader takes it back at the next boot.
    pub confirmed: bool,
    /// What the last [`Command::Store`] stored; empty for nothing.
    pub record: &'c [u8],
    /// How it goes about it.
    pub policy: Policy,
}

/// How an update is gone about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Restart by itself once a new image is in place. If not, [`Event::Done`] is where the
    /// application does.
    pub reboot: bool,
    /// Report the progress every so many percent; 0 never.
    pub progress_step: u8,
    /// Attempts without a byte of progress, then the job has failed.
    pub attempts: u8,
    /// How many seconds a new image may take to reach the hub.
    pub trial_s: u32,
    /// Seconds before the next attempt; each next wait is twice as long, up to 64 times the first.
    pub retry_s: u16,
}

impl<'c> Config<'c> {
    /// Defaults for what runs and is confirmed.
    pub const fn new(version: &'c str) -> Self {
        Self {
            version,
            by_text: false,
            confirmed: true,
            record: &[],
            policy: Policy {
                reboot: true,
                progress_step: 10,
                attempts: 8,
                trial_s: 900,
                retry_s: 5,
            },
        }
    }
}

/// What the driver must do now. What it borrows lies in the buffer given to
/// [`Updater::poll_command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'b> {
    /// Keep this for [`Config::record`] of the next boot; empty: forget it.
    Store(&'b [u8]),
    /// Fetch an image into the slot that does not run, without waiting: inputs follow.
    Start(Source<'b>),
    /// Stop fetching; [`Updater::handle_stopped`] follows.
    Cancel,
    /// Mark the image for the boot loader: the next boot runs it, once, unless it is confirmed.
    Apply,
    /// The running image is there to stay.
    Confirm,
    /// Restart.
    Reboot,
    /// Report these properties, and tell the number by [`Updater::accepted`] before the `complete`.
    Report(&'b [u8]),
    /// Ask for the whole twin.
    RequestTwin,
}

/// What the application gets to know.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An image is being fetched.
    Started,
    /// So much of it is there.
    Progress {
        /// Bytes in the slot.
        offset: u32,
        /// Bytes of the image; 0: not known yet.
        size: u32,
    },
    /// The slot is being erased, which on some modems needs LTE to be off.
    ErasePending,
    /// The slot is erased.
    EraseDone,
    /// The image is in place: a restart runs it.
    Done,
    /// The job came to nothing. What runs is untouched.
    Failed(Reason),
    /// The job was taken back.
    Cancelled,
    /// The new image has reached the hub, and stays.
    Confirmed,
    /// The new image was taken back: the old one runs.
    RolledBack,
}

/// The member of the twin that it is about.
const NAME: &str = "firmware";

/// A version, with zeros after it.
type Version = [u8; VERSION_MAX + 1];

/// A text with zeros after it.
fn text(bytes: &[u8]) -> &str {
    str_of(bytes.split(|byte| *byte == 0).next().unwrap_or_default())
}

/// A line of a text.
#[inline(never)]
fn line(lines: &'static str, number: usize) -> &'static str {
    let mut lines = lines.as_bytes().split(|byte| *byte == b'\n');
    str_of(lines.nth(number).unwrap_or_default())
}

/// Copies to the front of a buffer.
fn put<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> Option<&'b [u8]> {
    let place = buffer.get_mut(..bytes.len())?;
    place.copy_from_slice(bytes);
    Some(place)
}
