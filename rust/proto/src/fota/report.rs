//! The reported object `firmware`.

use core::fmt::Write as _;

use super::updater::{COMMAND_MAX, Last, State, Updater};
use super::wish::{JOB_ID_MAX, VERSION_MAX};
use crate::twin::View;
use crate::writer::Writer;

/// A report fits a command's buffer: texts without control characters are escaped to twice their length at most.
const _: () = assert!(320 + 2 * (2 * VERSION_MAX + JOB_ID_MAX) <= COMMAND_MAX);

impl Updater {
    /// What `fwUpdateStatus` is to say.
    pub fn status(&self) -> &'static str {
        match self.state {
            State::Idle(Last::Nothing | Last::Current) => "current",
            State::Idle(Last::Failed(_)) => "error",
            State::Idle(Last::RolledBack) => "rolledback",
            State::Starting | State::Running | State::Waiting | State::Stopping { .. } => {
                "downloading"
            }
            State::Applying { .. } | State::Trial { .. } => "applying",
            State::Applied | State::Rebooting if self.reboot => "rebooting",
            State::Applied | State::Rebooting => "applying",
        }
    }

    pub(super) fn write_report<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let mut writer = Writer::new(buffer);
        self.write(&mut writer);
        writer.finish().ok().map(|report| &*report)
    }

    /// As a merge patch: what does not apply is null, so that no word of an earlier job stays.
    fn write(&self, writer: &mut Writer<'_>) {
        writer.texts(&[r#"{"firmware":{"fwUpdateStatus":""#, self.status()]);
        writer.text(r#"","currentFwVersion":"#);
        writer.json_text(&self.version);
        writer.text(r#","pendingFwVersion":"#);
        text_or_null(writer, &self.job.version);
        writer.text(r#","jobId":"#);
        text_or_null(writer, &self.job.id);
        writer.text(r#","progress":"#);
        match self.state {
            State::Starting | State::Running | State::Waiting => {
                writer.number(self.percent().into());
            }
            _ => writer.text("null"),
        }
        writer.text(r#","reason":"#);
        match self.state {
            State::Idle(Last::Failed(reason)) => {
                let mut text = heapless::String::<80>::new();
                // Longer than any reason is.
                let _ = write!(text, "{reason}");
                writer.json_text(&text);
            }
            State::Idle(Last::RolledBack) => writer.json_text(ROLLED_BACK),
            _ => writer.text("null"),
        }
        writer.text("}}");
    }

    /// Whether the twin has what it is to have.
    pub(super) fn is_reported(&self, reported: Option<&View<'_>>) -> bool {
        let Some(reported) = reported else {
            return false;
        };
        let same = |name, text: &str| {
            if text.is_empty() {
                reported.raw(name).is_none()
            } else {
                is(reported, name, text)
            }
        };
        same("fwUpdateStatus", self.status())
            && same("currentFwVersion", &self.version)
            && same("pendingFwVersion", &self.job.version)
            && same("jobId", &self.job.id)
    }
}

/// Whether a member is this text; of any other type it is not.
pub(super) fn is(object: &View<'_>, name: &str, text: &str) -> bool {
    let mut buffer = [0; VERSION_MAX];
    matches!(object.text(name, &mut buffer), Ok(Some(found)) if found == text)
}

fn text_or_null(writer: &mut Writer<'_>, text: &str) {
    if text.is_empty() {
        writer.text("null");
    } else {
        writer.json_text(text);
    }
}

const ROLLED_BACK: &str = "the new image did not reach the hub, or was refused at boot";
