//! Looking through bytes, with as few instructions for each as can be: texts are short here, and
//! most time goes into them.

/// Kinds of bytes: letters, digits, and what each has beside them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set(u8);

impl Set {
    pub(crate) const UNRESERVED: Self = Self(1);
    pub(crate) const HOSTNAME: Self = Self(1 << 1);
    pub(crate) const DEVICE_ID: Self = Self(1 << 2);
    pub(crate) const MESSAGE_ID: Self = Self(1 << 3);
    pub(crate) const OPERATION_ID: Self = Self(1 << 4);
    pub(crate) const REGISTRATION_ID: Self = Self(1 << 5);
    pub(crate) const ID_SCOPE: Self = Self(1 << 6);
    /// What stands for itself in a JSON text, and each byte of a character beyond ASCII.
    pub(crate) const JSON_PLAIN: Self = Self(1 << 7);

    #[inline(always)]
    pub(crate) fn has(self, byte: u8) -> bool {
        SETS.get(usize::from(byte))
            .is_some_and(|sets| sets & self.0 != 0)
    }

    /// Whether the text has no other bytes.
    pub(crate) fn has_all(self, text: &[u8]) -> bool {
        text.iter().all(|byte| self.has(*byte))
    }
}

/// The sets that each byte is in, as bits.
static SETS: [u8; 256] = {
    let mut sets = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if (byte as u8).is_ascii_alphanumeric() {
            sets[byte] = 0x7F;
        }
        if byte >= 0x20 && byte as u8 != b'"' && byte as u8 != b'\\' {
            sets[byte] |= Set::JSON_PLAIN.0;
        }
        byte += 1;
    }
    let mut set = 0;
    while set < OTHERS.len() {
        let mut at = 0;
        while at < OTHERS[set].len() {
            sets[OTHERS[set][at] as usize] |= 1 << set;
            at += 1;
        }
        set += 1;
    }
    sets
};

/// What each of the first seven has beside letters and digits, in the order of their bits.
const OTHERS: [&[u8]; 7] = [
    b"-._~",
    b".-_",
    b"-.%_*?!(),:=@$'",
    b"-:.+%_#*?!(),=@;$'",
    b"-._~:",
    b"-._:",
    b"-",
];

/// What stands before the first such byte, and what after it.
#[inline(never)]
pub(crate) fn split_at(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let mut rest = bytes;
    while let Some((first, others)) = rest.split_first() {
        if *first == byte {
            return Some((bytes.get(..bytes.len() - rest.len())?, others));
        }
        rest = others;
    }
    None
}

/// What follows a prefix. For texts as short as these a loop takes less than a call of `memcmp`.
#[inline(never)]
pub(crate) fn after<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    let is_prefix = start.iter().zip(prefix).all(|(byte, other)| byte == other);
    is_prefix.then_some(rest)
}

pub(crate) fn hex_digit(digit: u8) -> Option<u8> {
    let letter = (digit | 0x20).wrapping_sub(b'a');
    match digit.wrapping_sub(b'0') {
        value @ 0..10 => Some(value),
        _ if letter < 6 => Some(letter + 10),
        _ => None,
    }
}

/// Whether both are the same.
pub(crate) fn is_same(bytes: &[u8], other: &[u8]) -> bool {
    after(bytes, other).is_some_and(<[u8]>::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_has_what_its_page_says() {
        let sets: [(Set, &[u8]); 7] = [
            (Set::UNRESERVED, b"-._~"),
            (Set::HOSTNAME, b"-._"),
            (Set::DEVICE_ID, b"-.%_*?!(),:=@$'"),
            (Set::MESSAGE_ID, b"-:.+%_#*?!(),=@;$'"),
            (Set::OPERATION_ID, b"-._~:"),
            (Set::REGISTRATION_ID, b"-._:"),
            (Set::ID_SCOPE, b"-"),
        ];
        for byte in 0..=255u8 {
            for (set, others) in sets {
                let expected = byte.is_ascii_alphanumeric() || others.contains(&byte);
                assert_eq!(set.has(byte), expected, "{set:?} {byte:#x}");
            }
            let plain = !matches!(byte, 0..0x20 | b'"' | b'\\');
            assert_eq!(Set::JSON_PLAIN.has(byte), plain, "{byte:#x}");
        }
    }

    #[test]
    fn parts_and_prefixes() {
        for byte in 0..=255u8 {
            let expected = char::from(byte).to_digit(16).filter(|_| byte.is_ascii());
            assert_eq!(hex_digit(byte).map(u32::from), expected, "{byte:#x}");
        }
        assert_eq!(split_at(b"a=b=c", b'='), Some((&b"a"[..], &b"b=c"[..])));
        assert_eq!(split_at(b"=", b'='), Some((&b""[..], &b""[..])));
        assert_eq!(split_at(b"ab", b'='), None);
        assert_eq!(after(b"abc", b"ab"), Some(&b"c"[..]));
        assert_eq!(after(b"abc", b""), Some(&b"abc"[..]));
        assert_eq!((after(b"abc", b"ac"), after(b"a", b"ab")), (None, None));
        assert!(is_same(b"ab", b"ab") && !is_same(b"ab", b"a") && !is_same(b"a", b"ab"));
    }
}
