//! The event log: every connect, refusal and close with its reason, for the page, for
//! `/admin/events` and for the terminal.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;

use crate::clock::{Clock, rfc3339};
use crate::code::Refusal;

mod visits;

pub(crate) use visits::Visits;

/// Where the event log goes besides memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Nowhere.
    #[default]
    Off,
    /// One line of text per event on stdout.
    Text,
    /// One JSON object per event on stdout.
    Json,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Daily business.
    #[default]
    Info,
    /// Something was turned down or broke.
    Warn,
}

/// Something that happened. Fields that do not apply are absent.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    /// Position in the log, from 1.
    pub seq: u64,
    /// RFC 3339.
    pub time: String,
    /// How much it matters.
    pub level: Level,
    /// `connected`, `refused`, `closed`, …
    pub event: &'static str,
    /// The hub's host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// The device, as it is known or as it claims to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// The number of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    /// The peer's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Azure's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// Azure's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// Why, or what.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Event {
    /// Code and reason as the list of devices shows them.
    pub(crate) fn shown(&self) -> String {
        match (self.code, self.error) {
            (Some(code), Some(error)) => format!("{code} {error}: {}", self.reason),
            _ => self.reason.clone(),
        }
    }
}

impl Event {
    /// An event of daily business.
    pub(crate) fn info(event: &'static str, reason: impl Into<String>) -> Self {
        Self {
            event,
            reason: reason.into(),
            ..Self::default()
        }
    }

    /// An event with an error code.
    pub(crate) fn refusal(event: &'static str, refusal: &Refusal) -> Self {
        Self {
            level: Level::Warn,
            event,
            code: Some(refusal.code.number()),
            error: Some(refusal.code.name()),
            reason: refusal.reason.clone(),
            ..Self::default()
        }
    }

    /// Adds the device.
    pub(crate) fn of(mut self, hub: &str, device_id: &str) -> Self {
        self.hub = Some(hub.to_owned());
        self.device_id = Some(device_id.to_owned());
        self
    }

    /// Adds the connection.
    pub(crate) fn on(mut self, connection: u64, peer: impl ToString) -> Self {
        self.connection = Some(connection);
        self.peer = Some(peer.to_string());
        self
    }
}

/// Keeps the latest events and hands them out as they come.
#[derive(Debug)]
pub(crate) struct Journal {
    clock: Arc<Clock>,
    format: LogFormat,
    kept: Mutex<Kept>,
    live: broadcast::Sender<Arc<Event>>,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    events: VecDeque<Arc<Event>>,
    latest: visits::Latest,
}

impl Journal {
    /// An empty log.
    pub(crate) fn new(clock: Arc<Clock>, format: LogFormat) -> Self {
        let (live, _) = broadcast::channel(1024);
        Self {
            clock,
            format,
            kept: Mutex::default(),
            live,
        }
    }

    /// Numbers, stamps, prints and publishes an event.
    pub(crate) fn record(&self, mut event: Event) {
        let mut kept = self.kept();
        kept.last += 1;
        event.seq = kept.last;
        event.time = rfc3339(self.clock.now());
        // A device names itself; no field of a hostile one may fill the memory or break a line.
        event.device_id = event.device_id.map(|id| printable(id, MAX_ID));
        event.reason = printable(event.reason, MAX_REASON);
        self.print(&event);
        let event = Arc::new(event);
        if kept.events.len() == CAPACITY {
            kept.events.pop_front();
        }
        kept.events.push_back(Arc::clone(&event));
        kept.latest.note(&event);
        // Sent under the lock, so that followers see the order of the numbers.
        let _ = self.live.send(event);
    }

    /// What is kept after `since`, oldest first, and what comes from then on.
    pub(crate) fn follow(&self, since: u64) -> (Vec<Arc<Event>>, broadcast::Receiver<Arc<Event>>) {
        let kept = self.kept();
        let past = kept
            .events
            .iter()
            .filter(|event| event.seq > since)
            .cloned()
            .collect();
        (past, self.live.subscribe())
    }

    /// What the connections of a device came to last, as far as that is known since the start.
    pub(crate) fn visits(&self, hub: &str, id: &str) -> Visits {
        self.kept().latest.of(hub, id)
    }

    /// The devices of a hub, registered or not, whose latest attempt to connect was turned down.
    pub(crate) fn refused(&self, hub: &str) -> Vec<String> {
        self.kept().latest.refused(hub)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print(&self, event: &Event) {
        let mut out = std::io::stdout().lock();
        // A closed terminal is no reason to stop.
        let _ = match self.format {
            LogFormat::Off => Ok(()),
            LogFormat::Json => match serde_json::to_string(event) {
                Ok(line) => writeln!(out, "{line}"),
                Err(_) => Ok(()),
            },
            LogFormat::Text => writeln!(out, "{}", text(event)),
        };
    }
}

/// One line: time, device, event, code, reason.
fn text(event: &Event) -> String {
    let clock = event.time.get(11..23).unwrap_or_default();
    let mut line = format!("{clock} {:<10}", event.event);
    if let Some(device) = &event.device_id {
        line.push_str(&format!(" {device}"));
    }
    if let Some(connection) = event.connection {
        line.push_str(&format!(" #{connection}"));
    }
    if let (Some(code), Some(error)) = (event.code, event.error) {
        line.push_str(&format!(" {code} {error}"));
    }
    if !event.reason.is_empty() {
        line.push_str(": ");
        line.push_str(&event.reason);
    }
    line
}

fn printable(text: String, max: usize) -> String {
    if text.len() <= max && !text.contains(char::is_control) {
        return text;
    }
    let mut shown: String = text
        .chars()
        .take(max)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(max).is_some() {
        shown.push('…');
    }
    shown
}

const CAPACITY: usize = 5_000;
const MAX_ID: usize = 256;
const MAX_REASON: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_be_forged() {
        let journal = Journal::new(Arc::default(), LogFormat::Off);
        journal.record(Event::info("refused", "a\nready").of("h", &"x".repeat(10_000)));
        let (past, _) = journal.follow(0);
        assert_eq!(past[0].reason, "a\u{fffd}ready");
        assert_eq!(
            past[0].device_id.as_ref().map(|id| id.chars().count()),
            Some(257)
        );
    }

    #[test]
    fn keeps_the_latest() {
        let journal = Journal::new(Arc::default(), LogFormat::Off);
        for _ in 0..CAPACITY + 10 {
            journal.record(Event::info("connected", ""));
        }
        let (past, _) = journal.follow(0);
        assert_eq!((past.len(), past[0].seq), (CAPACITY, 11));
        assert_eq!(journal.follow(CAPACITY as u64 + 9).0.len(), 1);
    }
}
