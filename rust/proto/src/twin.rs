//! The device twin.

use serde::Deserialize;

use crate::error::{Error, PeerError};
use crate::id::RequestId;
use crate::json;

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
    /// The connection ended before the answer.
    Disconnected,
}

/// A stale document is fetched again so often; then it is taken as it is.
const STALE_MAX: u8 = 2;

/// The request for the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Get {
    /// None is wanted.
    Idle,
    /// To be handed out; the application has been told this number.
    Due(RequestId),
    /// Handed out; its answer is awaited.
    Sent(RequestId),
    /// It failed, and is due again when the timer says so.
    Again,
}

/// What is to be done with a change of the desired properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Hand it on.
    Apply,
    /// Hand it on, and get the document: something in between is missing.
    Gap,
    /// Known already.
    Old,
}

/// Which version the application has, on this connection. Changes that happen while the device is away are
/// not sent again by the hub, and a twin that was made anew starts from 1: so nothing is carried over.
#[derive(Debug)]
pub(crate) struct Tracker {
    version: Option<u64>,
    /// Whether `version` is a change's, not a document's.
    changed: bool,
    stale: u8,
}

impl Tracker {
    pub(crate) const fn new() -> Self {
        Self {
            version: None,
            changed: false,
            stale: 0,
        }
    }

    /// A change has come.
    pub(crate) fn change(&mut self, version: u64) -> Verdict {
        let verdict = match self.version {
            Some(known) if version <= known => return Verdict::Old,
            Some(known) if version > known.saturating_add(1) => Verdict::Gap,
            _ => Verdict::Apply,
        };
        self.version = Some(version);
        self.changed = true;
        verdict
    }

    /// A document has come. `false`: a change has overtaken it, get it again.
    pub(crate) fn document(&mut self, version: u64) -> bool {
        let overtaken = self.changed && self.version.is_some_and(|known| version < known);
        if overtaken && self.stale < STALE_MAX {
            self.stale += 1;
            return false;
        }
        *self = Self {
            version: Some(version),
            changed: false,
            stale: 0,
        };
        true
    }
}

impl<'a> Document<'a> {
    /// Reads an answer; `None` where it is not a twin.
    pub(crate) fn read(request: RequestId, json: &'a [u8]) -> Option<Self> {
        let desired = json::is_valid(json)
            .then(|| json::member(json, "desired"))
            .flatten()?;
        let version = json::number(json::member(desired, "$version")?)?;
        Some(Self {
            request,
            version,
            json,
        })
    }

    /// The desired properties.
    pub fn desired(&self) -> View<'a> {
        View::new(json::member(self.json, "desired").unwrap_or_default())
    }

    /// The reported properties.
    pub fn reported(&self) -> View<'a> {
        View::new(json::member(self.json, "reported").unwrap_or_default())
    }
}

impl<'a> Desired<'a> {
    /// Reads a notification; the version of the topic counts, else that of the body.
    pub(crate) fn read(version: Option<u64>, patch: &'a [u8]) -> Option<Self> {
        if !json::is_object(patch) {
            return None;
        }
        let version = version.or_else(|| json::number(json::member(patch, "$version")?))?;
        Some(Self { version, patch })
    }

    /// The changed properties.
    pub fn properties(&self) -> View<'a> {
        View::new(self.patch)
    }
}

/// A JSON object, looked into on demand: raw, or typed through `serde`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    json: &'a [u8],
}

impl<'a> View<'a> {
    /// Over an object; over anything else it is empty.
    pub const fn new(json: &'a [u8]) -> Self {
        Self { json }
    }

    /// As it came.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.json
    }

    /// The raw JSON of a member, `null` included; `None` where there is none.
    pub fn raw(&self, name: &str) -> Option<&'a [u8]> {
        json::member(self.json, name)
    }

    /// A member that is an object itself.
    pub fn object(&self, name: &str) -> Option<Self> {
        let json = self.raw(name)?;
        json.starts_with(b"{").then_some(Self { json })
    }

    /// A member as a type of the application's. `None` where there is none.
    ///
    /// Fails with [`PeerError::Malformed`] where it is of another type. Texts with escapes do not become
    /// `&str`: use [`View::text`].
    pub fn read<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, Error> {
        let Some(raw) = self.raw(name) else {
            return Ok(None);
        };
        match serde_json_core::from_slice(raw) {
            Ok((value, used)) if used == raw.len() => Ok(Some(value)),
            _ => Err(Error::Peer(PeerError::Malformed)),
        }
    }

    /// A whole number, also one written as a text of digits.
    pub fn number(&self, name: &str) -> Option<u64> {
        let raw = self.raw(name)?;
        json::number(json::quoted(raw).unwrap_or(raw))
    }

    /// A text, its escapes resolved into `buffer`. `None` where there is none.
    ///
    /// Fails with [`PeerError::Malformed`] where it is no text, with
    /// [`Capacity::Buffer`](crate::Capacity) where it does not fit.
    pub fn text<'b>(&self, name: &str, buffer: &'b mut [u8]) -> Result<Option<&'b str>, Error> {
        self.raw(name)
            .map(|raw| json::text(raw, buffer))
            .transpose()
    }

    /// Members one by one: the raw name between its quotes, and the raw value.
    pub fn members(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + 'a {
        json::members(self.json)
    }
}
