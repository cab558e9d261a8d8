//! The twin's desired object `firmware`, as Nordic's azure_fota has it, and with fields of ours.

use core::ffi::CStr;
use core::ops::Range;
use core::slice::SliceIndex;

use super::field::{Fault, Field, NAMES};
use super::{Reason, Version, line};
use crate::error::{Capacity, Error};
use crate::json;
use crate::scan::Set;

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

/// What is taken of a field.
enum Format {
    /// The fields after it are its members.
    Object,
    Text,
    /// `http` or `https`.
    Protocol,
    Host,
    /// From this number on, and with so many bits; what is outside of them is refused.
    Number(u8, u8),
    /// Likewise; what is outside of them is brought inside, and 0 is as good as absence.
    Clamped(u8, u8),
    Sha256,
    SecTags,
    Flag,
}

enum Presence {
    Required,
    /// As a merge patch has it: null is absence.
    Optional,
    /// An empty text is absence, too.
    OrEmpty,
}

struct Rule {
    field: Field,
    presence: Presence,
    format: Format,
    place: Place,
}

/// In the order in which they are read. A fault is told together with the job's id and version, so
/// these are first.
const RULES: [Rule; 13] = {
    use Format::{Clamped, Flag, Host, Number, Object, Protocol, SecTags, Sha256, Text};
    use Presence::{Optional, OrEmpty, Required};
    const fn rule(field: Field, presence: Presence, format: Format, place: Place) -> Rule {
        Rule {
            field,
            presence,
            format,
            place,
        }
    }
    [
        rule(Field::Firmware, Required, Object, START),
        rule(Field::JobId, OrEmpty, Text, ID),
        rule(Field::Version, Required, Text, VERSION),
        rule(Field::Fragment, OrEmpty, Clamped(128, 16), FRAGMENT),
        rule(Field::Sha256, Optional, Sha256, SHA256),
        rule(Field::Size, OrEmpty, Number(1, 32), SIZE),
        rule(Field::SecTags, Optional, SecTags, SEC_TAGS),
        rule(Field::ByText, Optional, Flag, BY_TEXT),
        rule(Field::Location, Required, Object, START),
        rule(Field::Protocol, OrEmpty, Protocol, PLAIN),
        rule(Field::Port, OrEmpty, Number(1, 16), PORT),
        // What it says of the two is what Nordic's library goes by.
        rule(Field::Host, Required, Host, HOST),
        rule(Field::Path, Required, Text, PATH),
    ]
};

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

const START: Place = Place { at: 0, len: 0 };
/// The version that ran before: the device's own.
const FROM: Place = Place::after(START, VERSION_MAX + 1);
const ID: Place = Place::after(FROM, JOB_ID_MAX + 1);
const VERSION: Place = Place::after(ID, VERSION_MAX + 1);
const HOST: Place = Place::after(VERSION, HOST_MAX + 1);
const PATH: Place = Place::after(HOST, PATH_MAX + 1);
/// With a 1 behind it where it is given.
const SHA256: Place = Place::after(PATH, 32 + 1);
/// 1 without TLS.
const PLAIN: Place = Place::after(SHA256, 1);
const PORT: Place = Place::after(PLAIN, 4);
const SIZE: Place = Place::after(PORT, 4);
const FRAGMENT: Place = Place::after(SIZE, 4);
/// With their count behind them.
const SEC_TAGS: Place = Place::after(FRAGMENT, 4 * SEC_TAGS_MAX + 1);

/// 1 where the version in the image's header is not looked at. Behind what a [`Source`] has.
const BY_TEXT: Place = Place::after(SEC_TAGS, 1);

/// What the cloud wants to run: one row, of which the record and a [`Source`] are parts. Texts have
/// zeros up to the next place, numbers their low byte first.
#[derive(Clone, Debug)]
pub(super) struct Job {
    row: [u8; BY_TEXT.end()],
}

impl Job {
    /// A function: a constant would be copied from flash.
    pub(super) const fn new() -> Self {
        Self {
            row: [0; BY_TEXT.end()],
        }
    }

    /// Reads the object into `self`, which is new. Where it is wrong, `self` has what was read
    /// before.
    pub(super) fn read(&mut self, desired: &[u8]) -> Result<(), Reason> {
        let mut object = desired;
        for rule in &RULES {
            let wrong = |fault| Reason::invalid(rule.field, fault);
            let raw = match json::member(object, line(NAMES, rule.field as usize)) {
                None if matches!(rule.presence, Presence::Required) => {
                    return Err(wrong(Fault::Missing));
                }
                None => continue,
                Some(b"null") if !matches!(rule.presence, Presence::Required) => continue,
                Some(b"\"\"") if matches!(rule.presence, Presence::OrEmpty) => continue,
                Some(raw) => raw,
            };
            self.take(rule, raw).map_err(wrong)?;
            if matches!(rule.format, Format::Object) {
                object = raw;
            }
        }
        Ok(())
    }

    fn take(&mut self, rule: &Rule, raw: &[u8]) -> Result<(), Fault> {
        let place = self.row.get_mut(rule.place.range()).unwrap_or_default();
        match rule.format {
            Format::Object => return raw.starts_with(b"{").then_some(()).ok_or(Fault::Type),
            Format::Text => return text(raw, rule.field, place).inspect_err(|_| place.fill(0)),
            Format::Flag => {
                place.fill((raw == b"true").into());
                let is_flag = matches!(raw, b"true" | b"false");
                return is_flag.then_some(()).ok_or(Fault::Type);
            }
            Format::Host => return self.take_host(raw),
            Format::Number(least, bits) => return number(raw, least, bits, place),
            Format::Clamped(least, bits) => return clamped(raw, least, bits, place),
            Format::SecTags | Format::Sha256 | Format::Protocol => {}
        }
        let (mark, place) = place.split_last_mut().ok_or(Fault::Value)?;
        if matches!(rule.format, Format::SecTags) {
            if !raw.starts_with(b"[") {
                return Err(Fault::Type);
            }
            let mut places = place.chunks_exact_mut(4);
            for item in json::items(raw) {
                number(item, 0, SEC_TAG_BITS, places.next().ok_or(Fault::TooLong)?)?;
                *mark += 1;
            }
            return Ok(());
        }
        let mut room = [0; 65];
        text(raw, rule.field, &mut room)?;
        let is_right = if matches!(rule.format, Format::Protocol) {
            let scheme = super::text(&room);
            let scheme = scheme.strip_suffix(':').unwrap_or(scheme);
            *mark = u8::from(scheme.eq_ignore_ascii_case("http"));
            *mark == 1 || scheme.eq_ignore_ascii_case("https")
        } else {
            *mark = 1;
            json::hex(super::text(&room).as_bytes(), place).is_some()
        };
        is_right.then_some(()).ok_or(Fault::Value)
    }

    /// See [`Authority`]. The path is read after it: until then its place is room for a scheme and
    /// a port.
    fn take_host(&mut self, raw: &[u8]) -> Result<(), Fault> {
        let (texts, others) = self.row.split_at_mut(PATH.end());
        let (host, room) = texts[HOST.range().start..].split_at_mut(HOST.len.into());
        text(raw, Field::Host, room)?;
        let authority = Authority::split(super::text(room).as_bytes())?;
        super::put(&mut host[..HOST_MAX], authority.host).ok_or(Fault::TooLong)?;
        if let Some(port) = authority.port {
            let place = &mut others[PORT.range().start - PATH.end()..];
            number(port, 1, 16, place).map_err(|_| Fault::Value)?;
        }
        if let Some(plain) = authority.plain {
            others[PLAIN.range().start - PATH.end()] = plain.into();
        }
        room.fill(0);
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
        self.part(ID.range().start..VERSION.end())
    }

    /// There is no job.
    pub(super) fn is_none(&self) -> bool {
        self.name().iter().all(|byte| *byte == 0)
    }

    /// What the record keeps of it.
    pub(super) fn recorded(&self) -> &[u8] {
        self.part(..RECORDED_LEN)
    }

    pub(super) fn recorded_mut(&mut self) -> &mut [u8] {
        self.row.get_mut(..RECORDED_LEN).unwrap_or_default()
    }

    /// What another wants, and the device's own part as it is.
    pub(super) fn copy_request(&mut self, other: &Self) {
        self.row[FROM.end()..].copy_from_slice(&other.row[FROM.end()..]);
    }

    /// The version that ran before.
    pub(super) fn from(&self) -> &Version {
        self.row.first_chunk().unwrap_or(&[0; VERSION_MAX + 1])
    }

    pub(super) fn set_from(&mut self, version: &Version) {
        super::put(&mut self.row, version);
    }

    fn part(&self, range: impl SliceIndex<[u8], Output = [u8]>) -> &[u8] {
        self.row.get(range).unwrap_or_default()
    }

    /// Where it is, and what is known of it, copied to the buffer.
    pub(super) fn source<'b>(&self, buffer: &'b mut [u8]) -> Option<Source<'b>> {
        let row = buffer.first_chunk_mut()?;
        row.copy_from_slice(self.part(HOST.range().start..SEC_TAGS.end()));
        Some(Source {
            row,
            identity: self.identity(),
        })
    }

    pub(super) fn by_text(&self) -> bool {
        self.part(BY_TEXT.range()) == [1]
    }

    pub(super) fn size(&self) -> u32 {
        self.part(SIZE.range())
            .try_into()
            .map_or(0, u32::from_le_bytes)
    }

    /// Tells images apart, so that none is continued with another's bytes: FNV-1a over where it
    /// lies and what it is.
    pub(super) fn identity(&self) -> u32 {
        let image = self.part(VERSION.range().start..SIZE.end());
        image.iter().fold(0x811C_9DC5, |hash, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        })
    }
}

/// Where an image is, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source<'b> {
    /// Of a job's row what begins with its host.
    row: &'b [u8; SOURCE_MAX],
    /// Which image it is: what the slot has of the same one is not fetched again.
    pub identity: u32,
}

impl<'b> Source<'b> {
    // Inlined it is one address.
    #[inline(always)]
    fn part(&self, place: Place) -> &'b [u8] {
        let place = place.range();
        let first = HOST.range().start;
        &self.row[place.start - first..place.end - first]
    }

    fn text(&self, place: Place, from: usize) -> &'b CStr {
        let text = self.part(place).get(from..).unwrap_or_default();
        CStr::from_bytes_until_nul(text).unwrap_or_default()
    }

    #[inline(always)]
    fn number(&self, place: Place) -> u32 {
        self.part(place).try_into().map_or(0, u32::from_le_bytes)
    }

    /// The host: a name, or an address without brackets.
    pub fn host(&self) -> &'b CStr {
        self.text(HOST, 0)
    }

    /// The path, without the first `/`, which belongs to the request.
    pub fn path(&self) -> &'b CStr {
        let slashes = self.part(PATH).iter().take_while(|byte| **byte == b'/');
        self.text(PATH, slashes.count())
    }

    /// Over TLS.
    pub fn tls(&self) -> bool {
        self.part(PLAIN) == [0]
    }

    /// 0: the protocol's own.
    pub fn port(&self) -> u16 {
        self.number(PORT) as u16
    }

    /// Where the roots lie, and how many there are; none: the platform's choice.
    pub fn sec_tags(&self) -> ([u32; SEC_TAGS_MAX], usize) {
        let mut sec_tags = [0; SEC_TAGS_MAX];
        let part = self.part(SEC_TAGS);
        for (tag, bytes) in sec_tags.iter_mut().zip(part.as_chunks().0) {
            *tag = u32::from_le_bytes(*bytes);
        }
        (sec_tags, part[4 * SEC_TAGS_MAX].into())
    }

    /// Bytes of a request; 0: the platform's choice.
    pub fn fragment(&self) -> u16 {
        self.number(FRAGMENT) as u16
    }

    /// The image's size in bytes; 0: not known.
    pub fn size(&self) -> u32 {
        self.number(SIZE)
    }

    /// The SHA-256 of the image.
    pub fn sha256(&self) -> Option<&'b [u8; 32]> {
        let (hash, given) = self.part(SHA256).split_first_chunk()?;
        (given == [1]).then_some(hash)
    }
}

/// Bytes that a source needs.
pub(super) const SOURCE_MAX: usize = SEC_TAGS.end() - HOST.range().start;

/// Bytes that the record keeps of a job.
pub(super) const RECORDED_LEN: usize = VERSION.end();

/// What `fwLocation.host` may be, as Nordic's library takes it: `fw.example`, `fw.example:8443`,
/// `http://fw.example/`, `[2001:db8::1]:8443`, `2001:db8::1`.
struct Authority<'t> {
    /// Without TLS; `None` where no scheme says it.
    plain: Option<bool>,
    /// A name, or an address without brackets.
    host: &'t [u8],
    port: Option<&'t [u8]>,
}

impl<'t> Authority<'t> {
    fn split(text: &'t [u8]) -> Result<Self, Fault> {
        let behind = |scheme: &[u8]| {
            let (first, rest) = text.split_at_checked(scheme.len())?;
            first.eq_ignore_ascii_case(scheme).then_some(rest)
        };
        let (plain, text) = if let Some(rest) = behind(b"https://") {
            (Some(false), rest)
        } else if let Some(rest) = behind(b"http://") {
            (Some(true), rest)
        } else {
            (None, text)
        };
        let text = text.strip_suffix(b"/").unwrap_or(text);
        let (is_bracketed, text) = match text.strip_prefix(b"[") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut bracket = None;
        let mut colon = 0;
        let mut colons = 0;
        for (at, byte) in text.iter().enumerate() {
            match byte {
                b':' => (colon, colons) = (at, colons + 1),
                b']' if is_bracketed && bracket.is_none() => (bracket, colons) = (Some(at), 0),
                b'[' | b']' | b'/' => return Err(Fault::Value),
                _ => {}
            }
        }
        // An address without brackets has more colons than one, and no port.
        let has_port = colons == 1;
        // It may be empty, and is then the protocol's own (RFC 3986, 3.2.3).
        let port = text
            .get(colon + 1..)
            .filter(|port| has_port && !port.is_empty());
        let end = if has_port { colon } else { text.len() };
        let host = match bracket {
            Some(bracket) if bracket + 1 == end => text.get(..bracket),
            None if !is_bracketed => text.get(..end),
            _ => None,
        };
        match host {
            Some([]) => Err(Fault::Empty),
            Some(host) => Ok(Self { plain, host, port }),
            None => Err(Fault::Value),
        }
    }
}

/// Into its place, of which the last byte stays 0.
fn text(raw: &[u8], field: Field, room: &mut [u8]) -> Result<(), Fault> {
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
        Field::Host => Set::UNRESERVED.has(*byte) || matches!(byte, b':' | b'[' | b']' | b'/'),
        // It becomes a line of a request.
        Field::Path => byte.is_ascii_graphic(),
        // C ends a text at its first 0, and a log line has one line.
        _ => *byte >= b' ',
    };
    text.iter()
        .all(is_allowed)
        .then_some(())
        .ok_or(Fault::Value)
}

fn is_number(raw: &[u8]) -> bool {
    matches!(raw.first(), Some(b'0'..=b'9' | b'-'))
}

fn number(raw: &[u8], least: u8, bits: u8, place: &mut [u8]) -> Result<(), Fault> {
    let number = whole(raw)?;
    if number >> bits != 0 || number < least.into() {
        return Err(Fault::Value);
    }
    put_number(number as u32, place)
}

fn clamped(raw: &[u8], least: u8, bits: u8, place: &mut [u8]) -> Result<(), Fault> {
    let number = u32::try_from(whole(raw)?).unwrap_or(u32::MAX);
    let number = number.min((1 << bits) - 1);
    put_number(
        if number == 0 {
            0
        } else {
            number.max(least.into())
        },
        place,
    )
}

/// A whole number, or a text of one: a parsed URL has its port as a text, and other languages write
/// `1800.0`.
fn whole(raw: &[u8]) -> Result<u64, Fault> {
    let mut raw = json::quoted(raw).unwrap_or(raw);
    if !is_number(raw) {
        return Err(Fault::Type);
    }
    while let Some(rest) = raw.strip_suffix(b"0").filter(|_| raw.contains(&b'.')) {
        raw = rest;
    }
    json::number(raw.strip_suffix(b".").unwrap_or(raw)).ok_or(Fault::Value)
}

fn put_number(number: u32, place: &mut [u8]) -> Result<(), Fault> {
    let place = super::put(place, &number.to_le_bytes());
    place.map(drop).ok_or(Fault::Value)
}

/// The modem's own are above.
const SEC_TAG_BITS: u8 = 31;
