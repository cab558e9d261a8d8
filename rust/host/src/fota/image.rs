//! Images in MCUboot's format, as imgtool writes and reads them: header, body, and a TLV with the
//! SHA-256 of both.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

/// The first bytes of an image.
pub(crate) const MAGIC: [u8; 4] = 0x96f3_b83d_u32.to_le_bytes();
const HEADER_SIZE: usize = 0x200;
const TLV_MAGIC: u16 = 0x6907;
const TLV_SHA256: u16 = 0x10;

/// A version as the header has it: written `1.2.3`, or `1.2.3+4` with a build number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    major: u8,
    minor: u8,
    revision: u16,
    build: u32,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (numbers, build) = text.split_once('+').unwrap_or((text, "0"));
        let mut parts = numbers.split('.');
        let version = Self {
            major: parts.next()?.parse().ok()?,
            minor: parts.next()?.parse().ok()?,
            revision: parts.next()?.parse().ok()?,
            build: build.parse().ok()?,
        };
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            major,
            minor,
            revision,
            build,
        } = self;
        write!(f, "{major}.{minor}.{revision}")?;
        if *build == 0 {
            Ok(())
        } else {
            write!(f, "+{build}")
        }
    }
}

/// An image with this version and body; `None` where the version is not of the form `1.2.3` or
/// `1.2.3+4`.
pub(crate) fn make(version: &str, body: &[u8]) -> Option<Vec<u8>> {
    let version = Version::parse(version)?;
    let mut image = Vec::with_capacity(HEADER_SIZE + body.len() + 40);
    image.extend(MAGIC);
    image.extend(0u32.to_le_bytes());
    image.extend((HEADER_SIZE as u16).to_le_bytes());
    image.extend(0u16.to_le_bytes());
    image.extend(u32::try_from(body.len()).ok()?.to_le_bytes());
    image.extend(0u32.to_le_bytes());
    image.extend([version.major, version.minor]);
    image.extend(version.revision.to_le_bytes());
    image.extend(version.build.to_le_bytes());
    image.resize(HEADER_SIZE, 0);
    image.extend(body);
    let hash = digest(&SHA256, &image);
    image.extend(TLV_MAGIC.to_le_bytes());
    image.extend(40u16.to_le_bytes());
    image.extend(TLV_SHA256.to_le_bytes());
    image.extend(32u16.to_le_bytes());
    image.extend(hash.as_ref());
    Some(image)
}

/// The version in a header, and the image's body; `None` where the bytes are no whole image or have
/// another hash than they say.
pub(crate) fn read(image: &[u8]) -> Option<(String, &[u8])> {
    let version = version(image)?;
    let header = usize::from(u16_at(image, 8)?);
    let protected = usize::from(u16_at(image, 10)?);
    let body_end = header.checked_add(usize::try_from(u32_at(image, 12)?).ok()?)?;
    let body = image.get(header..body_end)?;
    let hashed = body_end.checked_add(protected)?;
    let expected = tlv(image.get(hashed..)?, TLV_SHA256)?;
    let hash = digest(&SHA256, image.get(..hashed)?);
    (hash.as_ref() == expected).then_some((version, body))
}

/// The version in a header.
pub(crate) fn version(image: &[u8]) -> Option<String> {
    if !image.starts_with(&MAGIC) {
        return None;
    }
    let version = Version {
        major: *image.get(20)?,
        minor: *image.get(21)?,
        revision: u16_at(image, 22)?,
        build: u32_at(image, 24)?,
    };
    Some(version.to_string())
}

/// The same as two numbers: `major << 24 | minor << 16 | revision`, and the build number.
pub(crate) fn version_numbers(image: &[u8]) -> Option<(u32, u32)> {
    let bytes = |at| image.get(at..).and_then(<[u8]>::first_chunk).copied();
    let [major, minor] = bytes(20)?;
    let number = u32::from_be_bytes([major, minor, 0, 0]) | u32::from(u16_at(image, 22)?);
    Some((number, u32_at(image, 24)?))
}

fn tlv(area: &[u8], wanted: u16) -> Option<&[u8]> {
    if u16_at(area, 0)? != TLV_MAGIC {
        return None;
    }
    let mut rest = area.get(4..usize::from(u16_at(area, 2)?))?;
    while !rest.is_empty() {
        let end = 4 + usize::from(u16_at(rest, 2)?);
        if u16_at(rest, 0)? == wanted {
            return rest.get(4..end);
        }
        rest = rest.get(end..)?;
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_can_be_read() {
        for version in ["0.1.0", "1.2.3+4", "255.255.65535+4294967295"] {
            let image = make(version, b"body").unwrap();
            assert_eq!(read(&image), Some((version.into(), &b"body"[..])));
        }
        let image = make("1.2.772+84281096", b"body").unwrap();
        assert_eq!(version_numbers(&image), Some((0x0102_0304, 0x0506_0708)));
        assert_eq!(
            version_numbers(&image[..28]),
            Some((0x0102_0304, 0x0506_0708))
        );
        assert_eq!(version_numbers(&image[..27]), None);
        for version in ["", "1.2", "1.2.3.4", "256.0.0", "1.2.x", "1.2.3-4"] {
            assert_eq!(make(version, b""), None, "{version}");
        }
    }

    #[test]
    fn each_changed_byte_and_each_cut_is_found() {
        let image = make("1.2.3", b"body").unwrap();
        for len in 0..image.len() {
            assert_eq!(read(&image[..len]), None, "cut at {len}");
        }
        // Not hashed: the length of the TLV area, which is found by what is missing then.
        for at in (0..image.len()).filter(|at| !(0x206..0x208).contains(at)) {
            let mut changed = image.clone();
            changed[at] ^= 1;
            assert_eq!(read(&changed), None, "byte {at}");
        }
    }
}
