//! What survives a reboot: one setting.

use heapless::{String, Vec};

use super::Reason;
use super::updater::Last;
use super::wish::{JOB_ID_MAX, VERSION_MAX};

/// Longest record in bytes.
pub const RECORD_MAX: usize = 5 + 3 + JOB_ID_MAX + 2 * VERSION_MAX;

/// How far an update had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It was about to be marked for the boot loader, for the so many-th time.
    Applying(u8),
    /// It was marked: the next boot runs it.
    Applied,
    /// It has ended, one way or the other.
    Ended(Last),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) progress: Progress,
    pub(super) job: String<JOB_ID_MAX>,
    /// What was to run.
    pub(super) version: String<VERSION_MAX>,
    /// What ran before.
    pub(super) from: String<VERSION_MAX>,
}

const FORMAT: u8 = 1;

impl Record {
    pub(super) fn write(&self) -> Vec<u8, RECORD_MAX> {
        let (phase, [a, b, c]) = match self.progress {
            Progress::Applying(times) => (1, [times, 0, 0]),
            Progress::Applied => (2, [0; 3]),
            Progress::Ended(Last::Nothing) => (3, [0; 3]),
            Progress::Ended(Last::Current) => (4, [0; 3]),
            Progress::Ended(Last::RolledBack) => (5, [0; 3]),
            Progress::Ended(Last::Failed(reason)) => (6, reason.to_bytes()),
        };
        let mut bytes = Vec::new();
        let mut take = |more: &[u8]| {
            // RECORD_MAX is the sum of all of them.
            let _ = bytes.extend_from_slice(more);
        };
        take(&[FORMAT, phase, a, b, c]);
        for text in [&self.job[..], &self.version[..], &self.from[..]] {
            take(&[text.len() as u8]);
            take(text.as_bytes());
        }
        bytes
    }

    /// `None` for what was not written by [`write`](Self::write).
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (&[format, phase, a, b, c], mut rest) = bytes.split_first_chunk()?;
        if format != FORMAT {
            return None;
        }
        let progress = match phase {
            1 => Progress::Applying(a),
            2 => Progress::Applied,
            3 => Progress::Ended(Last::Nothing),
            4 => Progress::Ended(Last::Current),
            5 => Progress::Ended(Last::RolledBack),
            6 => Progress::Ended(Last::Failed(Reason::from_bytes([a, b, c])?)),
            _ => return None,
        };
        let record = Self {
            progress,
            job: text(&mut rest)?,
            version: text(&mut rest)?,
            from: text(&mut rest)?,
        };
        rest.is_empty().then_some(record)
    }
}

fn text<const N: usize>(rest: &mut &[u8]) -> Option<String<N>> {
    let (len, after) = rest.split_first()?;
    let (text, after) = after.split_at_checked(usize::from(*len))?;
    *rest = after;
    String::try_from(core::str::from_utf8(text).ok()?).ok()
}
