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
    /// The hub's status: 400 malformed or over a limit, 412 the `$version` did not match, 429 too
    /// many requests, 5xx trouble at the hub.
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
    /// The version that is known, or an earlier one.
    Known,
}

/// The version of the desired properties that the application has, on this connection. Patches made
/// while the device was not connected are not sent later, and a twin that was deleted and made
/// again starts at 1: so nothing is carried over to the next connection.
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

    /// Takes the version of a document. `false`: a patch has overtaken it, and the twin has to be
    /// read again.
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

    /// A member as a type of the application's; `None` where there is no such member. Texts with
    /// escapes do not become `&str`: use [`View::text`].
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

    /// A member that is a text, its escapes resolved into `buffer`; `None` where there is no such
    /// member.
    ///
    /// # Errors
    /// [`PeerError::Malformed`] where the member is no text, [`Capacity::Buffer`](crate::Capacity)
    /// where the buffer is too small.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Capacity;

    const MALFORMED: Error = Error::Peer(PeerError::Malformed);

    #[test]
    fn a_view_gives_members_raw_and_typed() {
        let view = View::new(
            br#"{"interval":5,"half":0.5,"seconds":"90","name":"a\u0062c","on":true,"none":null,"led":{"red":1}}"#,
        );
        assert_eq!(view.raw("half"), Some(&b"0.5"[..]));
        assert_eq!(view.raw("none"), Some(&b"null"[..]));
        assert_eq!(view.raw("red"), None, "a member of a member");
        let led = view.object("led").expect("an object");
        assert_eq!(led.as_bytes(), br#"{"red":1}"#);
        assert_eq!(led.number("red"), Some(1));
        assert_eq!(view.object("interval"), None);

        assert_eq!(view.number("interval"), Some(5));
        assert_eq!(view.number("seconds"), Some(90));
        for name in ["half", "name", "on", "absent"] {
            assert_eq!(view.number(name), None, "{name}");
        }

        assert_eq!(view.read::<u32>("interval"), Ok(Some(5)));
        assert_eq!(view.read::<bool>("on"), Ok(Some(true)));
        assert_eq!(view.read::<Option<u8>>("none"), Ok(Some(None)));
        assert_eq!(view.read::<u32>("absent"), Ok(None));
        assert_eq!(view.read::<u32>("name"), Err(MALFORMED));
        assert_eq!(
            view.read::<u32>("half"),
            Err(MALFORMED),
            "it is read in part"
        );

        let mut buffer = [0; 8];
        assert_eq!(view.text("name", &mut buffer), Ok(Some("abc")));
        assert_eq!(view.text("absent", &mut buffer), Ok(None));
        assert_eq!(view.text("interval", &mut buffer), Err(MALFORMED));
        let too_small = Err(Error::Capacity(Capacity::Buffer));
        assert_eq!(view.text("name", &mut buffer[..2]), too_small);
        assert_eq!(view.members().count(), 7);
        assert_eq!(View::new(b"[1]").members().count(), 0);
    }

    #[test]
    fn a_document_that_a_patch_has_overtaken_is_asked_for_twice_more() {
        let mut tracker = VersionTracker::new();
        assert_eq!(tracker.check_patch(8), VersionCheck::Next);
        assert!(!tracker.accept_document(7));
        assert!(!tracker.accept_document(7));
        assert!(tracker.accept_document(7), "then it is what there is");
        // The count begins anew, and the patch's own version is no older one.
        assert_eq!(tracker.check_patch(8), VersionCheck::Next);
        assert!(!tracker.accept_document(7));
        assert!(tracker.accept_document(8));
        assert!(tracker.accept_document(1), "no patch has overtaken it");
    }
}
