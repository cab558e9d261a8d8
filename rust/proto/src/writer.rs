//! Writes into a buffer that may be too small.

use crate::percent;
use crate::scan::Set;
use crate::time::divide;

/// The buffer was too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Appends to a borrowed buffer. After a piece that does not fit nothing more is written, and
/// [`Writer::finish`] fails.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
    is_full: bool,
}

impl<'b> Writer<'b> {
    pub(crate) fn new(buffer: &'b mut [u8]) -> Self {
        Self {
            buffer,
            len: 0,
            is_full: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let place = self.buffer.get_mut(self.len..);
        match place.and_then(|rest| rest.get_mut(..bytes.len())) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.fill(),
        }
    }

    /// Leaves no room for anything else.
    fn fill(&mut self) {
        self.len = self.buffer.len();
        self.is_full = true;
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        match self.buffer.get_mut(self.len) {
            Some(place) => {
                *place = byte;
                self.len += 1;
            }
            None => self.fill(),
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn texts(&mut self, texts: &[&str]) {
        for text in texts {
            self.text(text);
        }
    }

    pub(crate) fn number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            let (quotient, rest) = match u32::try_from(number) {
                Ok(small) => (u64::from(small / 10), small % 10),
                Err(_) => divide(number, 10),
            };
            *digit = b'0' + rest as u8;
            number = quotient;
            used += 1;
            if number == 0 {
                break;
            }
        }
        self.bytes(digits.get(20 - used..).unwrap_or_default());
    }

    pub(crate) fn signed(&mut self, number: i64) {
        if number < 0 {
            self.byte(b'-');
        }
        self.number(number.unsigned_abs());
    }

    /// Writes a JSON text with its quotes; only what RFC 8259 demands is escaped.
    pub(crate) fn json_text(&mut self, text: &str) {
        self.byte(b'"');
        for byte in text.bytes() {
            if !Set::JSON_PLAIN.has(byte) {
                self.byte(b'\\');
                if byte < 0x20 {
                    self.text("u00");
                    self.byte(percent::hex(byte >> 4));
                    self.byte(percent::hex(byte & 15));
                    continue;
                }
            }
            self.byte(byte);
        }
        self.byte(b'"');
    }

    pub(crate) fn encoded(&mut self, text: &str) {
        let all = self.buffer.len();
        let mut room = self
            .buffer
            .get_mut(self.len..)
            .unwrap_or_default()
            .iter_mut();
        for byte in text.bytes() {
            let written = if Set::UNRESERVED.has(byte) {
                room.next().map(|place| *place = byte)
            } else {
                let mut next = |byte| room.next().map(|place| *place = byte);
                next(b'%')
                    .and_then(|()| next(percent::hex(byte >> 4)))
                    .and_then(|()| next(percent::hex(byte & 15)))
            };
            if written.is_none() {
                return self.fill();
            }
        }
        self.len = all - room.len();
    }

    /// The bytes written, if all of them fitted.
    pub(crate) fn finish(self) -> Result<&'b mut [u8], Full> {
        let Self {
            buffer,
            len,
            is_full,
        } = self;
        buffer.get_mut(..len).filter(|_| !is_full).ok_or(Full)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// As [`Writer::finish`], for a writer that only text was written to.
    pub(crate) fn into_str(self) -> Result<&'b str, Full> {
        self.finish().map(|written| str_of(written))
    }
}

/// How many digits a number has.
pub(crate) fn decimal_len(number: u32) -> usize {
    let (mut rest, mut digits) = (number / 10, 1);
    while rest > 0 {
        rest /= 10;
        digits += 1;
    }
    digits
}

/// Bytes that are known to be UTF-8, as text.
pub(crate) fn str_of(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_text_until_it_is_full() {
        let mut buffer = [0; 24];
        let mut writer = Writer::new(&mut buffer);
        writer.number(0);
        writer.number(u64::MAX);
        writer.encoded("~");
        assert_eq!(writer.into_str(), Ok("018446744073709551615~"));

        let mut writer = Writer::new(&mut buffer);
        writer.encoded("a b/é");
        assert_eq!(writer.into_str(), Ok("a%20b%2F%C3%A9"));

        for room in 0..4 {
            let mut writer = Writer::new(&mut buffer[..room]);
            writer.encoded("\u{1}");
            writer.encoded("a");
            writer.byte(b'b');
            assert_eq!((writer.len(), writer.is_full()), (room, true));
        }
        let mut writer = Writer::new(&mut buffer);
        writer.json_text("a\"\\\u{1}\u{e9}");
        assert_eq!(writer.into_str(), Ok("\"a\\\"\\\\\\u0001\u{e9}\""));

        let mut writer = Writer::new(&mut buffer[..3]);
        writer.text("abcd");
        writer.text("e");
        assert_eq!(
            writer.into_str(),
            Err(Full),
            "nothing is written after a piece that did not fit"
        );
    }
}
