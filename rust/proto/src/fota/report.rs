//! The reported object `firmware`.

use super::reason::Last;
use super::updater::{COMMAND_MAX, State, Updater};
use super::wish::{JOB_ID_MAX, VERSION_MAX};
use crate::json;
use crate::twin::View;
use crate::writer::Writer;

/// A report fits a command's buffer: texts without control characters are escaped to twice their length at most.
const _: () = assert!(320 + 2 * (2 * VERSION_MAX + JOB_ID_MAX) <= COMMAND_MAX);

impl Updater {
    /// What `fwUpdateStatus` is to say.
    pub fn status(&self) -> &'static str {
        match self.state {
            State::Idle => match self.last {
                Last::NOTHING | Last::CURRENT => "current",
                Last::ROLLED_BACK => "rolledback",
                _ => "error",
            },
            State::Applied | State::Rebooting if self.policy.reboot => "rebooting",
            state if state.is_transfer() => "downloading",
            _ => "applying",
        }
    }

    /// The texts that a back end looks at; an empty one is null.
    fn texts(&self) -> [(&'static str, &str); 4] {
        [
            ("fwUpdateStatus", self.status()),
            ("currentFwVersion", super::text(&self.version)),
            ("pendingFwVersion", super::text(self.job.version())),
            ("jobId", self.job.id()),
        ]
    }

    /// As a merge patch: what does not apply is null, so that no word of an earlier job stays.
    pub(super) fn write_report<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let mut writer = Writer::new(buffer);
        self.write(&mut writer);
        writer.finish().ok().map(|report| &*report)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        let mut before = r#"{"firmware":{""#;
        for (name, text) in self.texts() {
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
        match self.last.reason() {
            Some(reason) if self.state == State::Idle => {
                writer.text("\"");
                reason.write(writer);
                writer.text("\"}}");
            }
            _ => writer.text("null}}"),
        }
    }

    /// Whether the twin has what it is to have.
    pub(super) fn is_reported(&self, reported: View<'_>) -> bool {
        self.texts().into_iter().all(|(name, text)| {
            if text.is_empty() {
                reported.raw(name).is_none()
            } else {
                is(reported, name, text)
            }
        })
    }
}

/// Whether a member is this text; of any other type it is not.
pub(super) fn is(object: View<'_>, name: &str, text: &str) -> bool {
    let quoted = object.raw(name).and_then(json::quoted);
    quoted.is_some_and(|quoted| json::is_text(quoted, text))
}
