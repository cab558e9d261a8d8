//! Entity tags, and the condition that a request puts on them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::code::{ErrorCode, Refusal};

/// An `If-Match` header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// No header.
    #[default]
    Absent,
    /// `*`
    Any,
    /// An entity tag.
    Tag(String),
}

/// Checks an `If-Match` against the current number behind an entity tag.
pub(crate) fn check_etag(if_match: &IfMatch, current: i64, what: &str) -> Result<(), Refusal> {
    match if_match {
        IfMatch::Absent | IfMatch::Any => Ok(()),
        IfMatch::Tag(tag) if *tag == etag(current) => Ok(()),
        IfMatch::Tag(tag) => Err(Refusal::new(
            ErrorCode::PreconditionFailed,
            format!(
                "the etag of {what} is '{}', and If-Match says '{tag}'",
                etag(current)
            ),
        )),
    }
}

/// The entity tag of a number, in Azure's looks.
pub(crate) fn etag(number: i64) -> String {
    STANDARD.encode(number.to_be_bytes())
}
