//! The twin's desired object `firmware`, as Nordic's azure_fota has it, and with fields of ours.

use core::ffi::CStr;
use core::ops::Range;

use super::Reason;
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
    Firmware,
    /// `jobId`: a text.
    JobId,
    /// `fwVersion`: a text or a number.
    Version,
    /// `fwFragmentSize`: bytes of a request, 128 to 65535; 0 and absence leave it to the device.
    Fragment,
    /// `sha256`, ours: 64 hexadecimal digits.
    Sha256,
    /// `size`, ours: bytes.
    Size,
    /// `secTags`, ours: up to four numbers.
    SecTags,
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
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It is of another JSON type.
    Type,
    /// It is an empty text.
    Empty,
    /// It is longer than the device can keep.
    TooLong,
    /// It has a value that cannot be.
    Value,
}

/// What is taken of a field, and to where.
enum Kind {
    /// The fields after it are its members.
    Object,
    /// To its [place](Job::text).
    Text(Range<usize>),
    /// `http` or `https`.
    Protocol,
    /// To its number, if it is one of these.
    Number(Number, core::ops::RangeInclusive<u32>),
    Sha256,
    SecTags,
}

enum Presence {
    Required,
    /// It may be absent, but not null.
    Given,
    /// As a merge patch has it: null is absence.
    Optional,
}

struct Rule {
    field: Field,
    name: &'static str,
    presence: Presence,
    kind: Kind,
}

/// In the order in which they are read. A fault is told together with the job's id and version, so these are first.
const RULES: [Rule; 12] = {
    use Presence::{Given, Optional, Required};
    const fn rule(field: Field, name: &'static str, presence: Presence, kind: Kind) -> Rule {
        Rule {
            field,
            name,
            presence,
            kind,
        }
    }
    let fragment = Kind::Number(Number::Fragment, FRAGMENT_MIN..=65_535);
    let size = Kind::Number(Number::Size, 1..=u32::MAX);
    let port = Kind::Number(Number::Port, 1..=65_535);
    [
        rule(Field::Firmware, "firmware", Required, Kind::Object),
        rule(Field::JobId, "jobId", Given, Kind::Text(ID)),
        rule(Field::Version, "fwVersion", Required, Kind::Text(VERSION)),
        rule(Field::Fragment, "fwFragmentSize", Optional, fragment),
        rule(Field::Sha256, "sha256", Optional, Kind::Sha256),
        rule(Field::Size, "size", Optional, size),
        rule(Field::SecTags, "secTags", Optional, Kind::SecTags),
        rule(Field::Location, "fwLocation", Required, Kind::Object),
        rule(Field::Host, "host", Required, Kind::Text(HOST)),
        rule(Field::Path, "path", Required, Kind::Text(PATH)),
        rule(Field::Protocol, "protocol", Optional, Kind::Protocol),
        rule(Field::Port, "port", Optional, port),
    ]
};

/// A field's name, by its number.
pub(super) fn name(field: usize) -> &'static str {
    RULES.get(field).map_or("", |rule| rule.name)
}

/// The places of a job's texts, each with room for a 0 after the longest.
const ID: Range<usize> = 0..JOB_ID_MAX + 1;
const VERSION: Range<usize> = ID.end..ID.end + VERSION_MAX + 1;
const HOST: Range<usize> = VERSION.end..VERSION.end + HOST_MAX + 1;
const PATH: Range<usize> = HOST.end..HOST.end + PATH_MAX + 1;

#[derive(Clone, Copy)]
pub(super) enum Number {
    Port,
    Fragment,
    Size,
}

/// What the cloud wants to run. Its texts lie in one row, each with zeros up to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    texts: [u8; PATH.end],
    /// By [`Number`]; 0 where it is not said.
    numbers: [u32; 3],
    pub(super) sec_tags: [u32; SEC_TAGS_MAX],
    pub(super) sec_tag_count: u8,
    /// Without TLS.
    pub(super) plain: bool,
    has_sha256: bool,
    sha256: [u8; 32],
}

impl Job {
    pub(super) const NONE: Self = Self {
        texts: [0; PATH.end],
        numbers: [0; 3],
        sec_tags: [0; SEC_TAGS_MAX],
        sec_tag_count: 0,
        plain: false,
        has_sha256: false,
        sha256: [0; 32],
    };

    /// Reads the object into `self`, which is new. Where it is wrong, `self` has what was read before.
    pub(super) fn read(&mut self, desired: &[u8]) -> Result<(), Reason> {
        let mut object = desired;
        for rule in &RULES {
            let wrong = |fault| Reason::wish(rule.field, fault);
            let raw = match (json::member(object, rule.name), &rule.presence) {
                (None, Presence::Required) => return Err(wrong(Fault::Missing)),
                (None, _) | (Some(b"null"), Presence::Optional) => continue,
                (Some(raw), _) => raw,
            };
            self.take(rule, raw).map_err(wrong)?;
            if matches!(rule.kind, Kind::Object) {
                object = raw;
            }
        }
        Ok(())
    }

    fn take(&mut self, rule: &Rule, raw: &[u8]) -> Result<(), Fault> {
        match &rule.kind {
            Kind::Object if raw.starts_with(b"{") => {}
            Kind::Object => return Err(Fault::Type),
            Kind::Text(place) => {
                let room = self.texts.get_mut(place.clone()).unwrap_or_default();
                return text(raw, rule.field, room)
                    .map(drop)
                    .inspect_err(|_| room.fill(0));
            }
            Kind::Protocol => {
                self.plain = match text(raw, rule.field, &mut [0; 9])? {
                    b"http" => true,
                    b"https" => false,
                    _ => return Err(Fault::Value),
                };
            }
            Kind::Number(number, allowed) => {
                let value = self::number(raw)?;
                // As if it were absent.
                let is_default = value == 0 && rule.field == Field::Fragment;
                if !is_default && !allowed.contains(&value) {
                    return Err(Fault::Value);
                }
                if let Some(place) = self.numbers.get_mut(*number as usize) {
                    *place = value;
                }
            }
            Kind::Sha256 => {
                let mut room = [0; 65];
                self.sha256 = sha256(text(raw, rule.field, &mut room)?).ok_or(Fault::Value)?;
                self.has_sha256 = true;
            }
            Kind::SecTags => {
                if !raw.starts_with(b"[") {
                    return Err(Fault::Type);
                }
                for item in json::items(raw) {
                    let tag = number(item)?;
                    if tag > SEC_TAG_MAX {
                        return Err(Fault::Value);
                    }
                    let place = self.sec_tags.get_mut(usize::from(self.sec_tag_count));
                    *place.ok_or(Fault::TooLong)? = tag;
                    self.sec_tag_count += 1;
                }
            }
        }
        Ok(())
    }

    pub(super) fn id(&self) -> &str {
        self.text(ID)
    }

    pub(super) fn version(&self) -> &str {
        self.text(VERSION)
    }

    fn text(&self, place: Range<usize>) -> &str {
        super::text(self.texts.get(place).unwrap_or_default())
    }

    /// What survives a reboot of it.
    pub(super) fn name(&self) -> &[u8] {
        self.texts.get(..NAME_MAX).unwrap_or_default()
    }

    pub(super) fn name_mut(&mut self) -> &mut [u8] {
        self.texts.get_mut(..NAME_MAX).unwrap_or_default()
    }

    /// Host and path, with a 0 after each. A path's first `/` belongs to the request.
    pub(super) fn location<'b>(&self, buffer: &'b mut [u8]) -> Option<(&'b CStr, &'b CStr)> {
        let texts = super::put(buffer, self.texts.get(HOST.start..)?)?;
        let (host, path) = texts.split_at_checked(HOST.len())?;
        let slashes = path.iter().take_while(|byte| **byte == b'/').count();
        Some((
            CStr::from_bytes_until_nul(host).ok()?,
            CStr::from_bytes_until_nul(path.get(slashes..)?).ok()?,
        ))
    }

    pub(super) fn number(&self, number: Number) -> u32 {
        self.numbers.get(number as usize).copied().unwrap_or(0)
    }

    pub(super) fn sha256(&self) -> Option<[u8; 32]> {
        self.has_sha256.then_some(self.sha256)
    }

    /// Tells images apart, so that none is continued with another's bytes: FNV-1a over where it lies and what it is.
    pub(super) fn identity(&self) -> u32 {
        let mut hash = 0x811C_9DC5u32;
        let mut take = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
            }
        };
        take(self.texts.get(VERSION.start..).unwrap_or_default());
        take(&self.sha256);
        take(&[u8::from(self.plain)]);
        take(&self.number(Number::Port).to_le_bytes());
        take(&self.number(Number::Size).to_le_bytes());
        hash
    }
}

/// Bytes of [`Job::name`].
pub(super) const NAME_MAX: usize = VERSION.end;

const FRAGMENT_MIN: u32 = 128;

/// Into its place, of which the last byte stays 0.
fn text<'b>(raw: &[u8], field: Field, room: &'b mut [u8]) -> Result<&'b [u8], Fault> {
    let (_, room) = room.split_last_mut().ok_or(Fault::TooLong)?;
    // A version may be a number, as it is written.
    let text = if field == Field::Version && is_number(raw) {
        super::put(room, raw).ok_or(Fault::TooLong)?
    } else {
        match json::text(raw, room) {
            Ok(text) => text.as_bytes(),
            Err(Error::Capacity(Capacity::Buffer)) => return Err(Fault::TooLong),
            Err(_) => return Err(Fault::Type),
        }
    };
    let is_path = field == Field::Path;
    if text.iter().all(|byte| is_path && *byte == b'/') {
        return Err(Fault::Empty);
    }
    let is_allowed = |byte: &u8| match field {
        // A name, or an address.
        Field::Host => {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']')
        }
        // It becomes a line of a request.
        Field::Path => byte.is_ascii_graphic(),
        // C ends a text at its first 0, and a log line has one line.
        _ => *byte >= b' ',
    };
    if text.iter().all(is_allowed) {
        Ok(text)
    } else {
        Err(Fault::Value)
    }
}

fn is_number(raw: &[u8]) -> bool {
    matches!(raw.first(), Some(b'0'..=b'9' | b'-'))
}

fn number(raw: &[u8]) -> Result<u32, Fault> {
    if !is_number(raw) {
        return Err(Fault::Type);
    }
    let number = json::number(raw).ok_or(Fault::Value)?;
    u32::try_from(number).map_err(|_| Fault::Value)
}

fn sha256(digits: &[u8]) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let mut digits = digits.iter().map(|digit| char::from(*digit).to_digit(16));
    for byte in &mut hash {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = (high * 16 + low) as u8;
    }
    digits.next().is_none().then_some(hash)
}

/// The modem's own above.
const SEC_TAG_MAX: u32 = 2_147_483_647;
