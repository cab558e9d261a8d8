//! Percent-encoding, RFC 3986 section 2: everything but unreserved characters is `%XX`, upper-case.

use crate::error::{Capacity, Error, PeerError};

pub(crate) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

pub(crate) const fn hex(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'A' + nibble - 10
    }
}

pub(crate) fn encoded_len(text: &str) -> usize {
    text.bytes()
        .map(|byte| if is_unreserved(byte) { 1 } else { 3 })
        .sum()
}

/// Decodes into `buffer`. `+` is a plus sign.
///
/// # Errors
/// [`PeerError::Encoding`] for a broken `%` or a result that is not UTF-8, [`Capacity::Buffer`] where the buffer is too
/// small.
pub(crate) fn decode<'b>(encoded: &[u8], buffer: &'b mut [u8]) -> Result<&'b str, Error> {
    let mut len = 0;
    for byte in decoded(encoded) {
        let byte = byte.ok_or(Error::Peer(PeerError::Encoding))?;
        *buffer
            .get_mut(len)
            .ok_or(Error::Capacity(Capacity::Buffer))? = byte;
        len += 1;
    }
    core::str::from_utf8(buffer.get(..len).unwrap_or_default())
        .map_err(|_| Error::Peer(PeerError::Encoding))
}

/// Whether `encoded` decodes to `plain`.
pub(crate) fn is(encoded: &[u8], plain: &str) -> bool {
    decoded(encoded).eq(plain.bytes().map(Some))
}

/// The decoded bytes; `None` for a broken `%`.
fn decoded(encoded: &[u8]) -> impl Iterator<Item = Option<u8>> + '_ {
    let mut bytes = encoded.iter().copied();
    core::iter::from_fn(move || {
        let byte = bytes.next()?;
        if byte != b'%' {
            return Some(Some(byte));
        }
        let mut nibble = || char::from(bytes.next()?).to_digit(16);
        Some(match (nibble(), nibble()) {
            (Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
    })
}
