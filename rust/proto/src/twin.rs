//! The device twin.

use serde::Deserialize;

use crate::error::{Error, PeerError};
use crate::id::RequestId;
use crate::json;

/// The whole twin, as the answer to a request: `{"desired":{…},"reported":{…}}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// The request that it answers.
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

/// Why a twin request failed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The hub's status: 400 malformed or over a limit, 412 the `$version` did not match, 429 too many
    /// requests, 5xx trouble at the hub.
    Status(u16),
    /// No answer in time.
    Timeout,
    /// The answer is not a twin.
    Malformed,
    /// The connection ended before the answer.
    Disconnected,
}

/// How often a stale document is requested again before it is taken as it is.
const STALE_MAX: u8 = 2;

/// The request for the whole twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GetState {
    /// No request.
    Idle,
    /// To be sent under this `$rid`.
    Due(RequestId),
    /// Sent and not answered.
    Sent(RequestId),
    /// The last one failed; the next is sent when the timer expires.
    Retry,
}

/// How the version of a patch follows the version that the application has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionCheck {
    /// The next version.
    Next,
    /// A later one: patches in between are missing, and the whole twin has to be read.
    Gap,
    /// The same or an earlier one.
    Known,
}

/// The version of the desired properties that the application has, on this connection. Patches made while the device
/// was not connected are not sent later, and a twin that was deleted and made again starts at 1: so nothing is carried
/// over to the next connection.
#[derive(Debug)]
pub(crate) struct VersionTracker {
    version: Option<u64>,
    /// Whether `version` is that of a patch, not of a document.
    patched: bool,
    stale: u8,
}

impl VersionTracker {
    pub(crate) const fn new() -> Self {
        Self {
            version: None,
            patched: false,
            stale: 0,
        }
    }

    /// Takes the version of a patch, unless it is known.
    pub(crate) fn check_patch(&mut self, version: u64) -> VersionCheck {
        let check = match self.version {
            Some(known) if version <= known => return VersionCheck::Known,
            Some(known) if version > known.saturating_add(1) => VersionCheck::Gap,
            _ => VersionCheck::Next,
        };
        self.version = Some(version);
        self.patched = true;
        check
    }

    /// Takes the version of a document. `false`: a patch has overtaken it, and the twin has to be read again.
    pub(crate) fn accept_document(&mut self, version: u64) -> bool {
        let overtaken = self.patched && self.version.is_some_and(|known| version < known);
        if overtaken && self.stale < STALE_MAX {
            self.stale += 1;
            return false;
        }
        *self = Self {
            version: Some(version),
            patched: false,
            stale: 0,
        };
        true
    }
}

impl<'a> Document<'a> {
    /// Reads an answer; `None` where it is not a twin.
    pub(crate) fn read(request: RequestId, json: &'a [u8]) -> Option<Self> {
        let mut version = [("$version", &[][..])];
        if !json::read(json, &mut [], "desired", &mut version) {
            return None;
        }
        let version = json::number(version[0].1)?;
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
    /// Reads a patch; its version is that of the topic, otherwise that of the body.
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

/// A JSON object, read on demand: raw, or typed through `serde`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    json: &'a [u8],
}

impl<'a> View<'a> {
    /// A view of an object; of any other value it is empty.
    pub const fn new(json: &'a [u8]) -> Self {
        Self { json }
    }

    /// The JSON text as received.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.json
    }

    /// The raw JSON of a member, `null` included; `None` where there is no such member.
    pub fn raw(&self, name: &str) -> Option<&'a [u8]> {
        json::member(self.json, name)
    }

    /// A member that is an object; `None` where there is no such member.
    pub fn object(&self, name: &str) -> Option<Self> {
        let json = self.raw(name)?;
        json.starts_with(b"{").then_some(Self { json })
    }

    /// A member as a type of the application's; `None` where there is no such member. Texts with escapes do not become
    /// `&str`: use [`View::text`].
    ///
    /// # Errors
    /// [`PeerError::Malformed`] where the member is of another type.
    pub fn read<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, Error> {
        let Some(raw) = self.raw(name) else {
            return Ok(None);
        };
        match serde_json_core::from_slice(raw) {
            Ok((value, used)) if used == raw.len() => Ok(Some(value)),
            _ => Err(Error::Peer(PeerError::Malformed)),
        }
    }

    /// A member that is a whole number, also one written as a text of digits.
    pub fn number(&self, name: &str) -> Option<u64> {
        let raw = self.raw(name)?;
        json::number(json::quoted(raw).unwrap_or(raw))
    }

    /// A member that is a text, its escapes resolved into `buffer`; `None` where there is no such member.
    ///
    /// # Errors
    /// [`PeerError::Malformed`] where the member is no text, [`Capacity::Buffer`](crate::Capacity) where the buffer is too
    /// small.
    pub fn text<'b>(&self, name: &str, buffer: &'b mut [u8]) -> Result<Option<&'b str>, Error> {
        self.raw(name)
            .map(|raw| json::text(raw, buffer))
            .transpose()
    }

    /// The members in order: the raw name between its quotes, and the raw value.
    pub fn members(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + 'a {
        json::members(self.json)
    }
}
