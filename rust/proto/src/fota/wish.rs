//! The twin's desired object `firmware`, as Nordic's azure_fota has it, and with fields of ours.

use core::ffi::CStr;
use core::ops::Range;
use core::slice::SliceIndex;

use super::{Reason, Source};
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
    /// To its place.
    Text(Place),
    /// `http` or `https`.
    Protocol,
    /// To its number, if it is one from the first to the last of these.
    Number(Number, u8, u32),
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
    let fragment = Kind::Number(Number::Fragment, FRAGMENT_MIN, 65_535);
    let size = Kind::Number(Number::Size, 1, u32::MAX);
    let port = Kind::Number(Number::Port, 1, 65_535);
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

/// Where something lies in a job's row.
#[derive(Clone, Copy)]
struct Place {
    at: u16,
    len: u16,
}

impl Place {
    /// Behind the one before; a text has room for a 0 after the longest.
    const fn after(before: Self, len: usize) -> Self {
        Self {
            at: before.end() as u16,
            len: len as u16,
        }
    }

    const fn end(self) -> usize {
        self.at as usize + self.len as usize
    }

    const fn range(self) -> Range<usize> {
        self.at as usize..self.end()
    }
}

const ID: Place = Place::after(Place { at: 0, len: 0 }, JOB_ID_MAX + 1);
const VERSION: Place = Place::after(ID, VERSION_MAX + 1);
const HOST: Place = Place::after(VERSION, HOST_MAX + 1);
const PATH: Place = Place::after(HOST, PATH_MAX + 1);
const SHA256: Place = Place::after(PATH, 32);

#[derive(Clone, Copy)]
pub(super) enum Number {
    Port,
    Fragment,
    Size,
}

/// What the cloud wants to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// Texts, each with zeros up to the next, and the hash.
    row: [u8; SHA256.end()],
    has_sha256: bool,
    /// Without TLS.
    pub(super) plain: bool,
    pub(super) sec_tag_count: u8,
    pub(super) sec_tags: [u32; SEC_TAGS_MAX],
    /// By [`Number`]; 0 where it is not said.
    numbers: [u32; 3],
}

impl Job {
    /// A function: a constant would be copied from flash.
    pub(super) const fn new() -> Self {
        Self {
            row: [0; SHA256.end()],
            has_sha256: false,
            plain: false,
            sec_tag_count: 0,
            sec_tags: [0; SEC_TAGS_MAX],
            numbers: [0; 3],
        }
    }

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
                let room = self.row.get_mut(place.range()).unwrap_or_default();
                return text(raw, rule.field, room)
                    .map(drop)
                    .inspect_err(|_| room.fill(0));
            }
            Kind::Protocol => {
                let mut room = [0; 9];
                let protocol = text(raw, rule.field, &mut room)?;
                let known = [b"https".as_slice(), b"http"];
                let known = known.iter().position(|known| *known == protocol);
                self.plain = known.ok_or(Fault::Value)? == 1;
            }
            Kind::Number(number, least, most) => {
                let value = self::number(raw)?;
                // As if it were absent.
                let is_default = value == 0 && rule.field == Field::Fragment;
                if !is_default && !(u32::from(*least)..=*most).contains(&value) {
                    return Err(Fault::Value);
                }
                if let Some(place) = self.numbers.get_mut(*number as usize) {
                    *place = value;
                }
            }
            Kind::Sha256 => {
                let mut room = [0; 65];
                let digits = text(raw, rule.field, &mut room)?;
                let hash = self.row.get_mut(SHA256.range()).unwrap_or_default();
                json::hex(digits, hash).ok_or(Fault::Value)?;
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
        super::text(self.part(ID.range()))
    }

    /// With zeros after it.
    pub(super) fn version(&self) -> &[u8] {
        self.part(VERSION.range())
    }

    /// Id and version.
    pub(super) fn name(&self) -> &[u8] {
        self.part(..NAME_MAX)
    }

    pub(super) fn name_mut(&mut self) -> &mut [u8] {
        self.row.get_mut(..NAME_MAX).unwrap_or_default()
    }

    fn part(&self, range: impl SliceIndex<[u8], Output = [u8]>) -> &[u8] {
        self.row.get(range).unwrap_or_default()
    }

    /// Where it is, and what is known of it. Host, path and hash are copied to the buffer.
    pub(super) fn source<'b>(&self, buffer: &'b mut [u8]) -> Option<Source<'b>> {
        let row = super::put(buffer, self.part(HOST.range().start..))?;
        let (host, row) = row.split_at_checked(HOST.range().len())?;
        let (mut path, hash) = row.split_at_checked(PATH.range().len())?;
        // The first `/` belongs to the request.
        while let Some(rest) = path.strip_prefix(b"/") {
            path = rest;
        }
        Some(Source {
            host: CStr::from_bytes_until_nul(host).ok()?,
            path: CStr::from_bytes_until_nul(path).ok()?,
            tls: !self.plain,
            port: self.number(Number::Port) as u16,
            sec_tags: self.sec_tags,
            sec_tag_count: self.sec_tag_count,
            fragment: self.number(Number::Fragment) as u16,
            size: self.number(Number::Size),
            sha256: hash.try_into().ok().filter(|_| self.has_sha256),
            identity: self.identity(),
        })
    }

    pub(super) fn number(&self, number: Number) -> u32 {
        self.numbers.get(number as usize).copied().unwrap_or(0)
    }

    /// Tells images apart, so that none is continued with another's bytes: FNV-1a over where it lies and what it is.
    pub(super) fn identity(&self) -> u32 {
        let mut hash = 0x811C_9DC5u32;
        let mut take = |word: u32| hash = (hash ^ word).wrapping_mul(0x0100_0193);
        for byte in self.part(VERSION.range().start..) {
            take(u32::from(*byte));
        }
        take(self.number(Number::Port));
        take(self.number(Number::Size));
        take(u32::from(self.plain));
        hash
    }
}

/// Bytes that a source needs.
pub(super) const SOURCE_MAX: usize = SHA256.end() - HOST.range().start;

/// Bytes of [`Job::name`].
pub(super) const NAME_MAX: usize = VERSION.end();

const FRAGMENT_MIN: u8 = 128;

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

/// The modem's own above.
const SEC_TAG_MAX: u32 = 2_147_483_647;
