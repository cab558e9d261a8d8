//! Writes into a buffer that may be too small.

use crate::percent;
use crate::time::divide;

/// The buffer was too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Appends to a borrowed buffer. After a piece that does not fit nothing more is written, and [`Writer::finish`] fails.
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
            Some(place) if !self.is_full => {
                place.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            _ => self.is_full = true,
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
            let (quotient, rest) = divide(number, 10);
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
            self.text("-");
        }
        self.number(number.unsigned_abs());
    }

    /// Writes a JSON text with its quotes; only what RFC 8259 demands is escaped.
    pub(crate) fn json_text(&mut self, text: &str) {
        self.text("\"");
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => self.bytes(&[b'\\', byte]),
                0..0x20 => {
                    self.text("\\u00");
                    self.bytes(&[percent::hex(byte >> 4), percent::hex(byte & 15)]);
                }
                _ => self.bytes(&[byte]),
            }
        }
        self.text("\"");
    }

    pub(crate) fn encoded(&mut self, text: &str) {
        for byte in text.bytes() {
            if percent::is_unreserved(byte) {
                self.bytes(&[byte]);
            } else {
                self.bytes(&[b'%', percent::hex(byte >> 4), percent::hex(byte & 15)]);
            }
        }
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
