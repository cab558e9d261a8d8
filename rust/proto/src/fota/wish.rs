//! The twin's desired object `firmware`, as Nordic's azure_fota has it, and with fields of ours.

use core::fmt;

use heapless::string::StringView;
use heapless::{String, Vec};

use crate::error::{Capacity, Error};
use crate::json;

/// Longest version in bytes, as Nordic's.
pub const VERSION_MAX: usize = 64;
/// Longest job id in bytes, as Nordic's.
pub const JOB_ID_MAX: usize = 40;
/// Longest host name in bytes: DNS has no longer ones.
pub const HOST_MAX: usize = 253;
/// Longest path in bytes, with the query that a signed URL has.
pub const PATH_MAX: usize = 512;
/// Most security tags.
pub const SEC_TAGS_MAX: usize = 4;

/// A part of the desired object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Field {
    /// `firmware`, the object itself.
    Firmware = 1,
    /// `fwVersion`: a text or a number.
    Version,
    /// `jobId`: a text.
    JobId,
    /// `fwLocation`: an object.
    Location,
    /// `fwLocation.host`: a text.
    Host,
    /// `fwLocation.path`: a text.
    Path,
    /// `fwLocation.protocol`, ours: `https` (default) or `http`.
    Protocol,
    /// `fwLocation.port`, ours: 1 to 65535.
    Port,
    /// `fwFragmentSize`: bytes of a request, 128 to 65535; 0 and absence leave it to the device.
    Fragment,
    /// `sha256`, ours: 64 hexadecimal digits.
    Sha256,
    /// `size`, ours: bytes.
    Size,
    /// `secTags`, ours: up to four numbers.
    SecTags,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// It is not there.
    Missing = 1,
    /// It is of another JSON type.
    Type,
    /// It is an empty text.
    Empty,
    /// It is longer than the device can keep.
    TooLong,
    /// It has a value that cannot be.
    Value,
}

impl Field {
    const ALL: [Self; 12] = [
        Self::Firmware,
        Self::Version,
        Self::JobId,
        Self::Location,
        Self::Host,
        Self::Path,
        Self::Protocol,
        Self::Port,
        Self::Fragment,
        Self::Sha256,
        Self::Size,
        Self::SecTags,
    ];

    /// Its name in the object.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Firmware => "firmware",
            Self::Version => "fwVersion",
            Self::JobId => "jobId",
            Self::Location => "fwLocation",
            Self::Host => "host",
            Self::Path => "path",
            Self::Protocol => "protocol",
            Self::Port => "port",
            Self::Fragment => "fwFragmentSize",
            Self::Sha256 => "sha256",
            Self::Size => "size",
            Self::SecTags => "secTags",
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|field| *field as u8 == number)
    }
}

impl Fault {
    pub(super) fn from_number(number: u8) -> Option<Self> {
        [
            Self::Missing,
            Self::Type,
            Self::Empty,
            Self::TooLong,
            Self::Value,
        ]
        .into_iter()
        .find(|fault| *fault as u8 == number)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Type => "is of the wrong type",
            Self::Empty => "is empty",
            Self::TooLong => "is too long",
            Self::Value => "has a value that is not allowed",
        })
    }
}

/// What the cloud wants to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) id: String<JOB_ID_MAX>,
    pub(crate) version: String<VERSION_MAX>,
    pub(crate) host: String<HOST_MAX>,
    pub(crate) path: String<PATH_MAX>,
    /// Without TLS.
    pub(crate) plain: bool,
    /// 0: the protocol's own.
    pub(crate) port: u16,
    /// 0: the platform's choice.
    pub(crate) fragment: u16,
    pub(crate) sha256: Option<[u8; 32]>,
    /// 0: not known.
    pub(crate) size: u32,
    pub(crate) sec_tags: Vec<u32, SEC_TAGS_MAX>,
}

type Wrong = (Field, Fault);

impl Job {
    /// Reads the object into `self`, which is new. Where it is wrong, `self` has what was read before: the job's
    /// id and version first.
    pub(crate) fn read(&mut self, raw: &[u8]) -> Result<(), Wrong> {
        let no_object = (Field::Firmware, Fault::Type);
        if !raw.starts_with(b"{") {
            return Err(no_object);
        }
        if let Some(id) = json::member(raw, Field::JobId.name()) {
            text(id, Field::JobId, &mut self.id)?;
        }
        self.read_version(required(raw, Field::Version)?)?;
        let location = required(raw, Field::Location)?;
        if !location.starts_with(b"{") {
            return Err((Field::Location, Fault::Type));
        }
        text(
            required(location, Field::Host)?,
            Field::Host,
            &mut self.host,
        )?;
        if !self.host.bytes().all(is_of_host) {
            return Err((Field::Host, Fault::Value));
        }
        text(
            required(location, Field::Path)?,
            Field::Path,
            &mut self.path,
        )?;
        // It becomes a line of a request.
        if !self.path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err((Field::Path, Fault::Value));
        }
        while self.path.starts_with('/') {
            self.path.remove(0);
        }
        if self.path.is_empty() {
            return Err((Field::Path, Fault::Empty));
        }
        self.read_optional(raw, location)
    }

    /// A text, or a number as it is written.
    fn read_version(&mut self, raw: &[u8]) -> Result<(), Wrong> {
        if !matches!(raw.first(), Some(b'0'..=b'9' | b'-')) {
            return text(raw, Field::Version, &mut self.version);
        }
        let digits = core::str::from_utf8(raw).map_err(|_| (Field::Version, Fault::Type))?;
        self.version
            .push_str(digits)
            .map_err(|_| (Field::Version, Fault::TooLong))
    }

    fn read_optional(&mut self, raw: &[u8], location: &[u8]) -> Result<(), Wrong> {
        if let Some(protocol) = optional(location, Field::Protocol) {
            let mut name = String::<8>::new();
            text(protocol, Field::Protocol, &mut name)?;
            self.plain = match name.as_bytes() {
                b"https" => false,
                b"http" => true,
                _ => return Err((Field::Protocol, Fault::Value)),
            };
        }
        if let Some(port) = number(location, Field::Port)? {
            self.port = u16::try_from(port)
                .ok()
                .filter(|port| *port != 0)
                .ok_or((Field::Port, Fault::Value))?;
        }
        if let Some(bytes) = number(raw, Field::Fragment)? {
            self.fragment = u16::try_from(bytes)
                .ok()
                .filter(|bytes| *bytes == 0 || *bytes >= FRAGMENT_MIN)
                .ok_or((Field::Fragment, Fault::Value))?;
        }
        if let Some(digits) = optional(raw, Field::Sha256) {
            let mut text = String::<64>::new();
            self::text(digits, Field::Sha256, &mut text)?;
            self.sha256 = Some(sha256(&text).ok_or((Field::Sha256, Fault::Value))?);
        }
        if let Some(size) = number(raw, Field::Size)? {
            self.size = u32::try_from(size)
                .ok()
                .filter(|size| *size != 0)
                .ok_or((Field::Size, Fault::Value))?;
        }
        if let Some(tags) = optional(raw, Field::SecTags) {
            self.sec_tags = sec_tags(tags)?;
        }
        Ok(())
    }

    /// Tells images apart, so that none is continued with another's bytes: FNV-1a over where it lies and what it is.
    pub(crate) fn identity(&self) -> u32 {
        let mut hash = 0x811C_9DC5u32;
        let mut take = |bytes: &[u8]| {
            for byte in bytes.iter().chain(&[0]) {
                hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
            }
        };
        take(self.version.as_bytes());
        take(self.host.as_bytes());
        take(self.path.as_bytes());
        take(&[u8::from(self.plain)]);
        take(&self.port.to_le_bytes());
        take(&self.size.to_le_bytes());
        take(self.sha256.as_ref().map_or(&[], |hash| hash.as_slice()));
        hash
    }
}

const FRAGMENT_MIN: u16 = 128;

fn required(raw: &[u8], field: Field) -> Result<&[u8], Wrong> {
    json::member(raw, field.name()).ok_or((field, Fault::Missing))
}

/// As a merge patch has it: null is absence.
fn optional(raw: &[u8], field: Field) -> Option<&[u8]> {
    json::member(raw, field.name()).filter(|raw| *raw != b"null")
}

/// Once for all lengths, and into its place.
fn text(raw: &[u8], field: Field, to: &mut StringView) -> Result<(), Wrong> {
    let mut buffer = [0; PATH_MAX];
    let room = buffer.get_mut(..to.capacity()).unwrap_or_default();
    let text = json::text(raw, room).map_err(|error| {
        (
            field,
            match error {
                Error::Capacity(Capacity::Buffer) => Fault::TooLong,
                _ => Fault::Type,
            },
        )
    })?;
    // C ends a text at its first 0, and a log line has one line.
    if text.bytes().any(|byte| byte < b' ') {
        return Err((field, Fault::Value));
    }
    if text.is_empty() {
        return Err((field, Fault::Empty));
    }
    to.clear();
    to.push_str(text).map_err(|_| (field, Fault::TooLong))
}

fn number(raw: &[u8], field: Field) -> Result<Option<u64>, Wrong> {
    let Some(raw) = optional(raw, field) else {
        return Ok(None);
    };
    match json::number(raw) {
        Some(number) => Ok(Some(number)),
        None if raw
            .first()
            .is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-') =>
        {
            Err((field, Fault::Value))
        }
        None => Err((field, Fault::Type)),
    }
}

fn sha256(digits: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let mut digits = digits.chars();
    for byte in &mut hash {
        let (high, low) = (digits.next()?.to_digit(16)?, digits.next()?.to_digit(16)?);
        *byte = (high * 16 + low) as u8;
    }
    digits.next().is_none().then_some(hash)
}

fn sec_tags(raw: &[u8]) -> Result<Vec<u32, SEC_TAGS_MAX>, Wrong> {
    let wrong = |fault| (Field::SecTags, fault);
    let inner = raw
        .strip_prefix(b"[")
        .and_then(|raw| raw.strip_suffix(b"]"))
        .ok_or(wrong(Fault::Type))?;
    let mut tags = Vec::new();
    if inner.trim_ascii().is_empty() {
        return Ok(tags);
    }
    for item in inner.split(|byte| *byte == b',') {
        let tag = json::number(item.trim_ascii()).ok_or(wrong(Fault::Type))?;
        let tag = u32::try_from(tag).ok().filter(|tag| *tag <= SEC_TAG_MAX);
        tags.push(tag.ok_or(wrong(Fault::Value))?)
            .map_err(|_| wrong(Fault::TooLong))?;
    }
    Ok(tags)
}

/// The modem's own above.
const SEC_TAG_MAX: u32 = 2_147_483_647;

/// Of a name, or of an address.
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']')
}
