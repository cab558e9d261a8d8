//! The device twin.

use crate::id::RequestId;

/// The whole twin, as the answer to a request: `{"desired":{…},"reported":{…}}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// The request it answers.
    pub request: RequestId,
    /// `desired.$version`.
    pub version: u64,
    /// The document.
    pub json: &'a [u8],
}

/// A change of the desired properties: a merge patch (RFC 7396), nulls included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desired<'a> {
    /// The version after the change.
    pub version: u64,
    /// The patch, with its `$version`.
    pub patch: &'a [u8],
}

/// Why a twin request came to nothing.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The hub refused: 400 malformed or over a limit, 412 the `$version` did not match, 429 too many
    /// requests, 5xx trouble at the hub.
    Status(u16),
    /// No answer in time.
    Timeout,
    /// An answer that is not a twin.
    Malformed,
}
