//! Writing into a buffer that may be too small.

use crate::percent;
use crate::time::divide;

/// The buffer is full. What was written before stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Appends to a borrowed buffer.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    pub(crate) fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.len.checked_add(bytes.len()).ok_or(Full)?;
        self.buffer
            .get_mut(self.len..end)
            .ok_or(Full)?
            .copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<(), Full> {
        self.bytes(text.as_bytes())
    }

    /// All or nothing of the texts.
    pub(crate) fn texts(&mut self, texts: &[&str]) -> Result<(), Full> {
        texts.iter().try_for_each(|text| self.text(text))
    }

    pub(crate) fn number(&mut self, mut number: u64) -> Result<(), Full> {
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
        self.bytes(digits.get(20 - used..).unwrap_or_default())
    }

    pub(crate) fn signed(&mut self, number: i64) -> Result<(), Full> {
        if number < 0 {
            self.text("-")?;
        }
        self.number(number.unsigned_abs())
    }

    /// With its quotes; escaped as little as RFC 8259 allows.
    pub(crate) fn json_text(&mut self, text: &str) -> Result<(), Full> {
        self.text("\"")?;
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => self.bytes(&[b'\\', byte])?,
                0..0x20 => {
                    self.text("\\u00")?;
                    self.bytes(&[percent::hex(byte >> 4), percent::hex(byte & 15)])?;
                }
                _ => self.bytes(&[byte])?,
            }
        }
        self.text("\"")
    }

    pub(crate) fn encoded(&mut self, text: &str) -> Result<(), Full> {
        text.bytes().try_for_each(|byte| {
            if percent::is_unreserved(byte) {
                self.bytes(&[byte])
            } else {
                self.bytes(&[b'%', percent::hex(byte >> 4), percent::hex(byte & 15)])
            }
        })
    }

    /// The buffer, and how much of it is written.
    pub(crate) fn finish(self) -> (&'b mut [u8], usize) {
        (self.buffer, self.len)
    }

    /// What is written, which is UTF-8 if only text was written.
    pub(crate) fn into_str(self) -> &'b str {
        let (buffer, len) = self.finish();
        str_of(buffer.get(..len).unwrap_or_default())
    }
}

/// Bytes that are known to be text.
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
        writer.number(0).unwrap();
        writer.number(u64::MAX).unwrap();
        writer.encoded("~").unwrap();
        assert_eq!(writer.encoded("é"), Err(Full));
        assert_eq!(writer.into_str(), "018446744073709551615~");

        let mut writer = Writer::new(&mut buffer);
        writer.encoded("a b/é").unwrap();
        assert_eq!(writer.into_str(), "a%20b%2F%C3%A9");
    }
}
