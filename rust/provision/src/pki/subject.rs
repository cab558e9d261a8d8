//! Distinguished names: kept as DER from where they come from to where they go, and shown as text.

use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::der::{Decode as _, SliceReader, Tag};
use x509_cert::der::{Header, Reader as _};

use crate::error::{Error, Kind};
use crate::pki::der::{constructed, der, sequence};

/// A distinguished name (RFC 5280, section 4.1.2.4), as its bytes.
///
/// Two are equal if their bytes are, so that no text, however it is written, is taken for another
/// name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    der: Vec<u8>,
}

/// One attribute of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// `CN`, `O`, …; the number of the attribute if it has no short name here.
    pub key: String,
    /// The value as text; `#` and hexadecimal digits if it is none.
    pub value: String,
    /// Whether it belongs to the same part of the name as the one before.
    pub joins: bool,
}

impl Subject {
    /// `CN=…` alone.
    ///
    /// # Errors
    /// [`Kind::Usage`] if it is empty, longer than 64 characters, or holds control characters.
    pub fn common_name(name: &str) -> Result<Self, Error> {
        Self::of_attributes(&[("CN", name)])
    }

    /// A prefix in OpenSSL's form, `/C=NO/ST=Norway/O=Nordic Semiconductor`, and a unit, both
    /// before the common name. `\/` and `\\` stand for the characters themselves.
    ///
    /// # Errors
    /// [`Kind::Usage`] if the prefix is not of that form, an attribute is unknown, or a value is
    /// longer than X.520 allows.
    pub fn new(prefix: Option<&str>, unit: Option<&str>, name: &str) -> Result<Self, Error> {
        let parts = parts(prefix.unwrap_or_default());
        let mut attributes = Vec::new();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| bad_prefix(part))?;
            if kind_of(key.trim()).is_none() {
                return Err(bad_prefix(part));
            }
            attributes.push((key.trim(), value.trim()));
        }
        attributes.extend(unit.map(|unit| ("OU", unit)));
        attributes.push(("CN", name));
        Self::of_attributes(&attributes)
    }

    /// A name that stands in a certificate or a request.
    pub(crate) fn from_der(der: &[u8]) -> Self {
        Self { der: der.to_vec() }
    }

    /// The bytes: DER of an RDNSequence.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The attributes of the name in their order. What cannot be read is left out.
    pub fn attributes(&self) -> Vec<Attribute> {
        let mut found = Vec::new();
        let _ = self.read(&mut found);
        found
    }

    /// The first attribute of this kind.
    pub(crate) fn value(&self, key: &str) -> Option<String> {
        let all = self.attributes();
        let found = all.into_iter().find(|found| found.key == key);
        found.map(|found| found.value)
    }

    /// OpenSSL's one-line form, `/O=Company/CN=Name`, as it stands in the database of `openssl ca`.
    pub(crate) fn one_line(&self) -> String {
        let attributes = self.attributes();
        let shown = attributes.iter().map(|found| {
            let separator = if found.joins { '+' } else { '/' };
            let value: String = found.value.bytes().map(printable).collect();
            format!("{separator}{}={value}", found.key)
        });
        shown.collect()
    }

    fn of_attributes(attributes: &[(&str, &str)]) -> Result<Self, Error> {
        let mut parts = Vec::new();
        for (key, value) in attributes {
            let kind = kind_of(key).ok_or_else(|| bad_prefix(key))?;
            let value = kind.encoded(value)?;
            let oid = der(&ObjectIdentifier::new_unwrap(kind.oid))?;
            let pair = sequence(&[&oid, &value])?;
            parts.push(constructed(Tag::Set, &pair)?);
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        Ok(Self {
            der: sequence(&parts)?,
        })
    }

    fn read(&self, found: &mut Vec<Attribute>) -> Result<(), x509_cert::der::Error> {
        let mut names = content(&self.der, Tag::Sequence)?;
        while !names.is_finished() {
            let mut part = content(names.tlv_bytes()?, Tag::Set)?;
            let mut joins = false;
            while !part.is_finished() {
                let mut pair = content(part.tlv_bytes()?, Tag::Sequence)?;
                let oid = ObjectIdentifier::decode(&mut pair)?;
                let value = AnyRef::decode(&mut pair)?;
                let short = KINDS
                    .iter()
                    .find(|kind| oid == ObjectIdentifier::new_unwrap(kind.oid));
                found.push(Attribute {
                    key: short.map_or_else(|| oid.to_string(), |kind| kind.key.to_owned()),
                    value: text_of(value),
                    joins,
                });
                joins = true;
            }
        }
        Ok(())
    }
}

/// `C=NO, O=Company, CN=Name`; what would end or join a part is escaped as in RFC 4514, section
/// 2.4.
impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, found) in self.attributes().iter().enumerate() {
            let separator = match (place, found.joins) {
                (0, _) => "",
                (_, true) => " + ",
                (_, false) => ", ",
            };
            write!(f, "{separator}{}={}", found.key, escaped(&found.value))?;
        }
        Ok(())
    }
}

/// A kind of attribute that is written here.
struct AttributeKind {
    key: &'static str,
    oid: &'static str,
    tag: Tag,
    /// The upper bound of X.520 (RFC 5280, appendix A.1), in characters.
    longest: usize,
}

impl AttributeKind {
    /// A country is a PrintableString of two letters, what goes into the DNS and mail addresses are
    /// IA5, everything else UTF-8.
    fn encoded(&self, value: &str) -> Result<Vec<u8>, Error> {
        let key = self.key;
        let length = value.chars().count();
        let wrong = match self.tag {
            _ if value.is_empty() => Some("is empty".to_owned()),
            _ if value.chars().any(char::is_control) => Some("has control characters".to_owned()),
            _ if length > self.longest => Some(format!(
                "has {length} characters; X.520 allows {}",
                self.longest
            )),
            _ if key == "C" && (length != 2 || !value.bytes().all(|b| b.is_ascii_alphabetic())) => {
                Some("is not a country code of two letters".to_owned())
            }
            Tag::Ia5String if !value.is_ascii() => Some("must be ASCII".to_owned()),
            Tag::PrintableString if !value.bytes().all(is_printable) => {
                Some("has characters that its type lacks".to_owned())
            }
            _ => None,
        };
        match wrong {
            Some(why) => {
                Err(Error::new(Kind::Usage, format!("{key}={value:?} {why}"))
                    .advise("change the name"))
            }
            None => constructed(self.tag, value.as_bytes()),
        }
    }
}

/// The parts between `/`, where `\` takes the next character as it is.
fn parts(prefix: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = prefix.chars();
    while let Some(c) = rest.next() {
        let taken = match c {
            '/' => {
                parts.push(String::new());
                continue;
            }
            '\\' => rest.next().unwrap_or(c),
            _ => c,
        };
        if let Some(part) = parts.last_mut() {
            part.push(taken);
        }
    }
    parts
}

fn kind_of(key: &str) -> Option<&'static AttributeKind> {
    KINDS.iter().find(|kind| kind.key == key)
}

fn content(der: &[u8], tag: Tag) -> Result<SliceReader<'_>, x509_cert::der::Error> {
    let mut reader = SliceReader::new(der)?;
    let header = Header::decode(&mut reader)?;
    header.tag.assert_eq(tag)?;
    let content = reader.read_slice(header.length)?;
    SliceReader::new(content)
}

/// The text of any of the string types (X.680); `#` and the bytes in hexadecimal if it is none.
fn text_of(value: AnyRef<'_>) -> String {
    use x509_cert::der::Tagged as _;
    let bytes = value.value();
    let text = match value.tag() {
        Tag::Utf8String
        | Tag::PrintableString
        | Tag::Ia5String
        | Tag::NumericString
        | Tag::VisibleString => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Tag::TeletexString => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => {
            let units = bytes.chunks(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0xD800,
            });
            String::from_utf16(&units.collect::<Vec<u16>>()).ok()
        }
        _ => None,
    };
    text.unwrap_or_else(|| {
        bytes
            .iter()
            .fold("#".to_owned(), |hex, b| format!("{hex}{b:02X}"))
    })
}

fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut shown = String::new();
    for (place, c) in value.chars().enumerate() {
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => shown.extend(['\\', c]),
            ' ' if place == 0 || place == last => shown.push_str("\\ "),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    shown.push_str(&format!("\\{byte:02X}"));
                }
            }
            c => shown.push(c),
        }
    }
    shown
}

/// As OpenSSL's X509_NAME_oneline.
fn printable(byte: u8) -> String {
    match byte {
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02X}"),
    }
}

fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte)
}

fn bad_prefix(part: &str) -> Error {
    let known: Vec<&str> = KINDS.iter().map(|kind| kind.key).collect();
    Error::new(
        Kind::Usage,
        format!("the subject prefix has {part:?} in it"),
    )
    .advise(format!(
        "write /C=NO/ST=Norway/O=Company; known are {}",
        known.join(", ")
    ))
}

const KINDS: &[AttributeKind] = &[
    kind("C", "2.5.4.6", Tag::PrintableString, 2),
    kind("ST", "2.5.4.8", Tag::Utf8String, 128),
    kind("L", "2.5.4.7", Tag::Utf8String, 128),
    kind("O", "2.5.4.10", Tag::Utf8String, 64),
    kind("OU", "2.5.4.11", Tag::Utf8String, 64),
    kind("CN", "2.5.4.3", Tag::Utf8String, 64),
    kind("serialNumber", "2.5.4.5", Tag::PrintableString, 64),
    kind("DC", "0.9.2342.19200300.100.1.25", Tag::Ia5String, 63),
    kind("emailAddress", "1.2.840.113549.1.9.1", Tag::Ia5String, 255),
];

const fn kind(key: &'static str, oid: &'static str, tag: Tag, longest: usize) -> AttributeKind {
    AttributeKind {
        key,
        oid,
        tag,
        longest,
    }
}
