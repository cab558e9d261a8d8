//! Many enrollments in one request: each is done or refused by itself.
//!
//! Microsoft, "Run Bulk Operation" of individual enrollments and enrollment groups.

use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::enrollments::{self, Kind};
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::etag::IfMatch;
use crate::store::attempt;

/// What is to be done with all entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Create,
    Update,
    UpdateIfMatchETag,
    Delete,
}

impl Mode {
    /// Reads Azure's word, in any case.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "create" => Self::Create,
            "update" => Self::Update,
            "updateifmatchetag" => Self::UpdateIfMatchETag,
            "delete" => Self::Delete,
            _ => {
                return Err(invalid(format!(
                    "mode '{text}' is none of create, update, updateIfMatchETag, delete"
                )));
            }
        })
    }
}

/// Does one thing with all entries; the errors of those that were refused, in Azure's form.
pub(crate) fn apply(
    c: &Connection,
    kind: Kind,
    mode: Mode,
    entries: &[Map<String, Value>],
    now: UnixMs,
) -> Vec<Value> {
    let errors = entries.iter().filter_map(|entry| {
        let refusal = attempt(c, |c| one(c, kind, mode, entry, now)).err()?;
        let mut error = json!({"errorCode": refusal.code.number(), "errorStatus": refusal.reason});
        error[kind.id_field()] = json!(entry.get(kind.id_field()));
        Some(error)
    });
    errors.collect()
}

fn one(
    c: &Connection,
    kind: Kind,
    mode: Mode,
    entry: &Map<String, Value>,
    now: UnixMs,
) -> Result<(), Refusal> {
    let id = entry.get(kind.id_field()).and_then(Value::as_str);
    let id = id.ok_or_else(|| invalid(format!("'{}' is missing", kind.id_field())))?;
    if mode == Mode::Create {
        if enrollments::find(c, kind, id)?.is_some() {
            return Err(Refusal::new(
                ErrorCode::EnrollmentConflict,
                format!("there is an enrollment '{id}' already"),
            ));
        }
    } else {
        enrollments::require(c, kind, id)?;
    }
    let tag = entry.get("etag").and_then(Value::as_str);
    let condition = match (mode, tag) {
        (Mode::UpdateIfMatchETag, Some(tag)) => IfMatch::Tag(tag.trim_matches('"').to_owned()),
        (Mode::UpdateIfMatchETag, None) => {
            return Err(invalid(format!("enrollment '{id}' has no etag")));
        }
        _ => IfMatch::Any,
    };
    match mode {
        Mode::Delete => enrollments::delete(c, kind, id, &condition),
        _ => enrollments::put(c, kind, id, entry.clone(), &condition, now).map(|_| ()),
    }
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}
