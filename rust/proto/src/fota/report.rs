//! The reported object `firmware`.

use super::desired::{JOB_ID_MAX, VERSION_MAX};
use super::reason::Outcome;
use super::updater::{COMMAND_MAX, State, Updater};
use super::{Reason, line};
use crate::json;
use crate::twin::View;
use crate::writer::Writer;

/// A report fits a command's buffer: texts without control characters are escaped to twice their
/// length at most.
const _: () = assert!(320 + 2 * (2 * VERSION_MAX + JOB_ID_MAX) <= COMMAND_MAX);

/// Those that a job has ended with, as far as a report can say it, come last.
enum Status {
    Current,
    Downloading,
    Error,
    RolledBack,
    Applying,
    Rebooting,
}

/// A line for each [`Status`].
const STATUSES: &str = "current
downloading
error
rolledback
applying
rebooting";

/// What a back end looks at: texts, of which an empty one is null.
const MEMBERS: &str = "fwUpdateStatus
currentFwVersion
pendingFwVersion
jobId";

impl Updater {
    /// What `fwUpdateStatus` is to say.
    pub fn status(&self) -> &'static str {
        let status = match self.state {
            State::Idle => match self.outcome {
                Outcome::NOTHING | Outcome::CURRENT => Status::Current,
                Outcome::ROLLED_BACK => Status::RolledBack,
                _ => Status::Error,
            },
            State::Applied | State::Rebooting if self.policy.reboot => Status::Rebooting,
            state if state.is_transfer() => Status::Downloading,
            _ => Status::Applying,
        };
        line(STATUSES, status as usize)
    }

    fn members(&self) -> impl Iterator<Item = (&'static str, &str)> {
        (0..4).map(|member| {
            let text = match member {
                0 => self.status(),
                1 => super::text(&self.version),
                2 => super::text(self.job.version()),
                _ => self.job.id(),
            };
            (line(MEMBERS, member), text)
        })
    }

    /// As a merge patch: what does not apply is null, so that no word of an earlier job stays.
    pub(super) fn write_report<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let mut writer = Writer::new(buffer);
        self.write(&mut writer);
        writer.finish().ok().map(|report| &*report)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        let mut before = r#"{"firmware":{""#;
        for (name, text) in self.members() {
            writer.texts(&[before, name, r#"":"#]);
            before = r#",""#;
            if text.is_empty() {
                writer.text("null");
            } else {
                writer.json_text(text);
            }
        }
        writer.text(r#","progress":"#);
        if self.state.is_transfer() && !self.state.is_leaving() {
            writer.number(self.percent().into());
        } else {
            writer.text("null");
        }
        writer.text(r#","reason":"#);
        let reason = self.outcome.reason().filter(|_| self.state == State::Idle);
        match reason.or(self.is_older.then_some(Reason::OLDER)) {
            Some(reason) => {
                writer.text("\"");
                reason.write(writer);
                writer.text("\"}}");
            }
            None => writer.text("null}}"),
        }
    }

    /// Whether the twin has what it is to have.
    pub(super) fn is_reported(&self, reported: View<'_>) -> bool {
        self.members().all(|(name, text)| {
            if text.is_empty() {
                reported.raw(name).is_none()
            } else {
                is(reported, name, text)
            }
        })
    }
}

/// How a job has ended that the twin reports.
pub(super) fn ended(reported: View<'_>, job: &str) -> Outcome {
    const FAILED: usize = Status::Error as usize;
    if !is(reported, "jobId", job) {
        return Outcome::NOTHING;
    }
    let is_status = |status: &usize| is(reported, "fwUpdateStatus", line(STATUSES, *status));
    match (FAILED..=Status::Rebooting as usize).find(is_status) {
        None => Outcome::NOTHING,
        Some(FAILED) => Outcome::failed(Reason::TRANSFER),
        Some(_) => Outcome::ROLLED_BACK,
    }
}

/// Whether a member is this text; of any other type it is not.
fn is(object: View<'_>, name: &str, text: &str) -> bool {
    let quoted = object.raw(name).and_then(json::quoted);
    quoted.is_some_and(|quoted| json::is_text(quoted, text))
}
