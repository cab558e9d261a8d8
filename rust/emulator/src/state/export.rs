//! The document piece by piece, so that nobody holds it whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{FORMAT, PARTS, device, message};
use crate::auth::certificates;
use crate::code::Refusal;
use crate::dps::assignment;
use crate::dps::enrollments::{self, Kind};
use crate::hub::{c2d, registry};

/// Everything but telemetry, sessions and events, keys included: one JSON object, a row of it on
/// each line.
///
/// Between two pieces others have their turn, so that what changes meanwhile may be in it or not.
#[derive(Debug)]
pub(crate) struct Export {
    hubs: Vec<String>,
    /// Index into [`PARTS`]; the first has no rows.
    part: usize,
    /// Index into `hubs`, for what belongs to one.
    hub: usize,
    /// The last key that was written.
    after: String,
    /// The last message that was written.
    sequence: i64,
    /// Whether the part has begun, and whether it has a row already.
    begun: (bool, bool),
}

impl Export {
    /// An export of these hubs and of the provisioning service.
    pub(crate) fn new(hubs: Vec<String>) -> Self {
        Self {
            hubs,
            part: 0,
            hub: 0,
            after: String::new(),
            sequence: 0,
            begun: (false, false),
        }
    }

    /// The next piece, at most [`PAGE`] rows; `None` after the last.
    pub(crate) fn next(&mut self, c: &Connection) -> Result<Option<String>, Refusal> {
        let Some(part) = PARTS.get(self.part) else {
            return Ok(None);
        };
        if self.part == 0 {
            self.part = 1;
            return Ok(Some(format!("{{\n\"{part}\": \"{FORMAT}\"")));
        }
        let mut text = String::new();
        let (rows, more) = self.rows(c, part)?;
        if !self.begun.0 {
            text.push_str(&format!(",\n\"{part}\": ["));
            self.begun.0 = true;
        }
        for row in rows {
            let comma = if self.begun.1 { "," } else { "" };
            text.push_str(&format!("{comma}\n{row}"));
            self.begun.1 = true;
        }
        if more {
            return Ok(Some(text));
        }
        text.push_str("\n]");
        *self = Self {
            part: self.part + 1,
            ..Self::new(std::mem::take(&mut self.hubs))
        };
        if self.part == PARTS.len() {
            text.push_str("\n}\n");
        }
        Ok(Some(text))
    }

    /// Rows of a part, and whether there may be more.
    fn rows(&mut self, c: &Connection, part: &str) -> Result<(Vec<Value>, bool), Refusal> {
        match part {
            "certificates" => Ok((self.certificates(c)?, false)),
            "enrollments" => self.enrollments(c, Kind::Individual),
            "enrollmentGroups" => self.enrollments(c, Kind::Group),
            "registrations" => {
                let page = assignment::page(c, &self.after, PAGE)?;
                let more = self.go_on(page.last().map(|(id, _)| id.clone()), page.len());
                Ok((page.into_iter().map(|(_, state)| state).collect(), more))
            }
            _ => {
                let Some(hub) = self.hubs.get(self.hub).cloned() else {
                    return Ok((Vec::new(), false));
                };
                let (rows, more) = match part {
                    "devices" => self.devices(c, &hub)?,
                    _ => self.messages(c, &hub)?,
                };
                if !more {
                    self.hub += 1;
                    self.after.clear();
                    self.sequence = 0;
                }
                Ok((rows, more || self.hub < self.hubs.len()))
            }
        }
    }

    fn certificates(&self, c: &Connection) -> Result<Vec<Value>, Refusal> {
        let mut rows = Vec::new();
        let scopes = self.hubs.iter().map(String::as_str);
        for scope in scopes.chain([certificates::PROVISIONING]) {
            for certificate in certificates::list(c, scope)? {
                rows.push(json!({
                    "hub": scope,
                    "name": certificate.name,
                    "certificate": STANDARD.encode(&certificate.der),
                    "isVerified": certificate.verified,
                }));
            }
        }
        Ok(rows)
    }

    fn devices(&mut self, c: &Connection, hub: &str) -> Result<(Vec<Value>, bool), Refusal> {
        let page = registry::page(c, hub, registry::Kind::Any, &self.after, PAGE)?;
        let more = page.next.is_some();
        self.after = page.next.unwrap_or_default();
        Ok((page.devices.iter().map(device::export).collect(), more))
    }

    fn messages(&mut self, c: &Connection, hub: &str) -> Result<(Vec<Value>, bool), Refusal> {
        let page = c2d::page(c, hub, self.sequence, PAGE_OF_MESSAGES)?;
        self.sequence = page.last().map_or(0, |(_, message)| message.seq);
        let more = page.len() == PAGE_OF_MESSAGES;
        let rows = page.iter();
        let rows = rows.map(|(device, it)| message::export(hub, device, it));
        Ok((rows.collect(), more))
    }

    fn enrollments(&mut self, c: &Connection, kind: Kind) -> Result<(Vec<Value>, bool), Refusal> {
        let page = enrollments::page(c, kind, &self.after, PAGE)?;
        let more = self.go_on(page.last().map(|last| last.id.clone()), page.len());
        let rows = page.into_iter().map(|it| Value::Object(it.document));
        Ok((rows.collect(), more))
    }

    fn go_on(&mut self, last: Option<String>, rows: usize) -> bool {
        self.after = last.unwrap_or_default();
        rows == PAGE
    }
}

const PAGE: usize = 500;

/// Each may have 64 KiB.
const PAGE_OF_MESSAGES: usize = 50;
