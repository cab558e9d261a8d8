//! What survives a reboot: one setting, of which each part has its place.

use super::desired::RECORDED_LEN;
use super::put;
use super::reason::Outcome;

/// Bytes of a record.
pub const RECORD_MAX: usize = 5 + RECORDED_LEN;

/// How far an update had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Progress {
    /// It was about to be marked for the boot loader, for the so many-th time.
    Applying = 1,
    /// It was marked: the next boot runs it.
    Applied,
    /// It has ended, one way or the other.
    Ended,
}

/// The parts of a record, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'r> {
    pub(super) progress: Progress,
    pub(super) times: u8,
    pub(super) outcome: Outcome,
    /// What is kept of the job.
    pub(super) job: &'r [u8],
}

const FORMAT: u8 = 3;

impl Record<'_> {
    /// Whether it says how a job has ended, or how far it is.
    pub(super) fn is_of_job(&self) -> bool {
        self.progress != Progress::Ended || self.outcome != Outcome::NOTHING
    }

    pub(super) fn write<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let [low, high] = self.outcome.0.to_le_bytes();
        let record = buffer.get_mut(..RECORD_MAX)?;
        let (head, job) = record.split_at_mut(5);
        put(head, &[FORMAT, self.progress as u8, self.times, low, high])?;
        put(job, self.job)?;
        Some(record)
    }

    /// `None` for what was not written by [`write`](Self::write), or is damaged: what a report
    /// could not say of it is looked at here, as [`Job`](super::desired::Job) does.
    pub(super) fn read(bytes: &[u8]) -> Option<Record<'_>> {
        let (&[format, progress, times, low, high], job) = bytes.split_first_chunk()?;
        let texts = core::str::from_utf8(job).ok()?;
        let is_text = texts.bytes().all(|byte| byte == 0 || byte >= b' ');
        if format != FORMAT || bytes.len() != RECORD_MAX || !is_text {
            return None;
        }
        Some(Record {
            progress: match progress {
                1 => Progress::Applying,
                2 => Progress::Applied,
                3 => Progress::Ended,
                _ => return None,
            },
            times,
            outcome: Outcome(u16::from_le_bytes([low, high])),
            job,
        })
    }
}
