//! Percent-encoding, RFC 3986 section 2: everything but unreserved characters is `%XX`, upper-case.

use crate::error::{Capacity, Error, PeerError};
use crate::scan::{self, Set};

pub(crate) const fn hex(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'A' + nibble - 10
    }
}

pub(crate) fn encoded_len(text: &str) -> usize {
    let escapes = text.bytes().filter(|byte| !Set::UNRESERVED.has(*byte));
    text.len() + 2 * escapes.count()
}

/// Decodes into `buffer`. `+` is a plus sign.
///
/// # Errors
/// [`PeerError::Encoding`] for a broken `%` or a result that is not UTF-8, [`Capacity::Buffer`]
/// where the buffer is too small.
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

/// Whether `encoded` decodes to `plain`, which is shorter wherever there is something to decode.
pub(crate) fn is(encoded: &[u8], plain: &str) -> bool {
    if encoded.len() <= plain.len() {
        return scan::is_same(encoded, plain.as_bytes());
    }
    let mut rest = encoded.iter();
    plain
        .bytes()
        .all(|byte| next(&mut rest) == Some(Some(byte)))
        && rest.as_slice().is_empty()
}

/// The decoded bytes; `None` for a broken `%`.
fn decoded(encoded: &[u8]) -> impl Iterator<Item = Option<u8>> + '_ {
    let mut rest = encoded.iter();
    core::iter::from_fn(move || next(&mut rest))
}

fn next(rest: &mut core::slice::Iter<'_, u8>) -> Option<Option<u8>> {
    let byte = *rest.next()?;
    if byte != b'%' {
        return Some(Some(byte));
    }
    let mut nibble = || rest.next().and_then(|digit| scan::hex_digit(*digit));
    Some(match (nibble(), nibble()) {
        (Some(high), Some(low)) => Some(high << 4 | low),
        _ => None,
    })
}
