//! The part of JSON that the protocol needs: checking, finding members, reading numbers and texts.
//! Without recursion: a peer's nesting takes no stack.

use crate::error::{Capacity, Error, PeerError};
use crate::scan::{self, Set};
use crate::writer::Writer;

/// Deepest nesting that is read. The hub's own limit for twins is 10.
pub(crate) const MAX_DEPTH: u32 = 64;

/// Whether `json` is one JSON text in UTF-8 (RFC 8259), nested no deeper than [`MAX_DEPTH`].
pub(crate) fn is_valid(json: &[u8]) -> bool {
    core::str::from_utf8(json).is_ok()
        && skip_value(json, skip_space(json, 0))
            .is_some_and(|end| skip_space(json, end) == json.len())
}

/// Whether `json` is valid and an object.
pub(crate) fn is_object(json: &[u8]) -> bool {
    json.get(skip_space(json, 0)) == Some(&b'{') && is_valid(json)
}

/// The members of an object as raw key (between its quotes) and raw value; ends early where the
/// JSON is broken.
pub(crate) fn members(json: &[u8]) -> Members<'_> {
    Members::at(json, skip_space(json, 0))
}

/// The first members of these names, all of them in one walk that checks the whole text as
/// [`is_object`] does; what is not there is empty. `inner` is an object in it whose own members are
/// taken as well.
pub(crate) fn read<'a>(
    json: &'a [u8],
    wanted: &mut [Wanted<'a>],
    inner: &'static str,
    of_inner: &mut [Wanted<'a>],
) -> bool {
    let inner = Some((inner, of_inner));
    walk(json, skip_space(json, 0), wanted, inner)
        .is_some_and(|end| skip_space(json, end) == json.len())
        && core::str::from_utf8(json).is_ok()
}

/// The end of the object.
fn walk<'a>(
    json: &'a [u8],
    start: usize,
    wanted: &mut [Wanted<'a>],
    mut inner: Option<(&str, &mut [Wanted<'a>])>,
) -> Option<usize> {
    let mut members = Members::at(json, start);
    while let Some((key, value)) = members.next_key() {
        let is_inner =
            |(name, _): &mut (&str, _)| json.get(value) == Some(&b'{') && is_text(key, name);
        let end = match inner.take_if(is_inner) {
            Some((_, of_inner)) => walk(json, value, of_inner, None)?,
            None => {
                let end = skip_value(json, value)?;
                let found = wanted
                    .iter_mut()
                    .find(|(name, value)| value.is_empty() && is_text(key, name));
                if let Some((_, place)) = found {
                    *place = json.get(value..end)?;
                }
                end
            }
        };
        members.go_on(end);
    }
    members.end
}

/// A member that [`read`] looks for: its name and its raw value.
pub(crate) type Wanted<'a> = (&'static str, &'a [u8]);

/// The raw value of the first member of that name.
pub(crate) fn member<'a>(json: &'a [u8], name: &str) -> Option<&'a [u8]> {
    members(json)
        .find(|(key, _)| is_text(key, name))
        .map(|(_, value)| value)
}

/// The raw values of an array; ends early where the JSON is broken.
pub(crate) fn items(json: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = Some(skip_space(json, 0));
    let mut bracket = b'[';
    core::iter::from_fn(move || {
        let value = skip_space(json, expect(json, at.take()?, bracket)?);
        let end = skip_value(json, value)?;
        at = Some(skip_space(json, end));
        bracket = b',';
        json.get(value..end)
    })
}

/// A whole number, not negative, without fraction or exponent.
pub(crate) fn number(raw: &[u8]) -> Option<u64> {
    let digit = |byte: &u8| Some(byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9);
    // Nine digits are always a number of 32 bits, with which a Cortex-M is quicker.
    let (start, rest) = raw.split_at_checked(9).unwrap_or((raw, &[]));
    let mut value = 0u32;
    for byte in start {
        value = value * 10 + u32::from(digit(byte)?);
    }
    let value = rest.iter().try_fold(u64::from(value), |value, byte| {
        value.checked_mul(10)?.checked_add(u64::from(digit(byte)?))
    });
    value.filter(|_| !raw.is_empty())
}

/// The part of a raw text between its quotes.
pub(crate) fn quoted(raw: &[u8]) -> Option<&[u8]> {
    match raw {
        [b'"', quoted @ .., b'"'] => Some(quoted),
        _ => None,
    }
}

/// A raw text value, its escapes resolved into `buffer`.
pub(crate) fn text<'b>(raw: &[u8], buffer: &'b mut [u8]) -> Result<&'b str, Error> {
    let malformed = Error::Peer(PeerError::Malformed);
    let mut writer = Writer::new(buffer);
    let is_whole = quoted(raw).is_some_and(|quoted| {
        unescaped(quoted, &mut |bytes| {
            writer.bytes(bytes);
            true
        })
    });
    if !is_whole {
        return Err(malformed);
    }
    let text = writer
        .finish()
        .map_err(|_| Error::Capacity(Capacity::Buffer))?;
    core::str::from_utf8(text).map_err(|_| malformed)
}

/// Whether a raw text (between its quotes) stands for `plain`.
pub(crate) fn is_text(quoted: &[u8], plain: &str) -> bool {
    let mut plain = plain.as_bytes();
    match (quoted, plain) {
        ([byte, ..], [other, ..]) if byte == other || *byte == b'\\' => {}
        _ => return quoted.len() + plain.len() == 0,
    }
    // An escape is longer than what it stands for.
    if quoted.len() <= plain.len() {
        return scan::is_same(quoted, plain);
    }
    unescaped(quoted, &mut |bytes| {
        let rest = scan::after(plain, bytes);
        plain = rest.unwrap_or_default();
        rest.is_some()
    }) && plain.is_empty()
}

/// Hands out the text between quotes, piece by piece, until one is refused or an escape is broken.
fn unescaped(quoted: &[u8], take: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    let mut rest = quoted.iter().copied();
    while let Some(byte) = rest.next() {
        let unit = match byte {
            b'\\' => unescape(&mut rest),
            _ => Some(Unit::Byte(byte)),
        };
        let mut utf8 = [0; 4];
        if !unit.is_some_and(|unit| take(unit.write(&mut utf8))) {
            return false;
        }
    }
    true
}

/// See [`members`].
#[derive(Debug)]
pub(crate) struct Members<'a> {
    json: &'a [u8],
    /// At the `{` or the `,` before the next member.
    at: Option<usize>,
    /// After the `}`, once all was read.
    end: Option<usize>,
}

impl<'a> Members<'a> {
    fn at(json: &'a [u8], start: usize) -> Self {
        Self {
            json,
            at: (json.get(start) == Some(&b'{')).then_some(start),
            end: None,
        }
    }

    /// The next raw key, and where its value begins; [`Members::go_on`] has to follow.
    fn next_key(&mut self) -> Option<(&'a [u8], usize)> {
        let json = self.json;
        let at = self.at.take()?;
        let key = skip_space(json, at + 1);
        if json.get(at) == Some(&b'{') && json.get(key) == Some(&b'}') {
            self.end = Some(key + 1);
            return None;
        }
        let key_end = skip_string(json, key)?;
        let value = skip_space(json, expect(json, skip_space(json, key_end), b':')?);
        Some((json.get(key + 1..key_end - 1)?, value))
    }

    /// Goes on where the value ended.
    fn go_on(&mut self, value_end: usize) {
        let end = skip_space(self.json, value_end);
        match self.json.get(end) {
            Some(b',') => self.at = Some(end),
            Some(b'}') => self.end = Some(end + 1),
            _ => {}
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = self.next_key()?;
        let end = skip_value(self.json, value)?;
        self.go_on(end);
        Some((key, self.json.get(value..end)?))
    }
}

type Bytes<'a> = core::iter::Copied<core::slice::Iter<'a, u8>>;

enum Unit {
    /// A byte without an escape; may be a part of a longer character.
    Byte(u8),
    Char(char),
}

impl Unit {
    fn write(self, utf8: &mut [u8; 4]) -> &[u8] {
        match self {
            Self::Byte(byte) => {
                utf8[0] = byte;
                utf8.get(..1).unwrap_or_default()
            }
            Self::Char(char) => char.encode_utf8(utf8).as_bytes(),
        }
    }
}

/// An escape without its `\`. A surrogate counts in a pair only: alone it is no character (RFC 8259
/// section 8.2).
fn unescape(bytes: &mut Bytes<'_>) -> Option<Unit> {
    Some(Unit::Byte(match bytes.next()? {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let first = hex4(bytes)?;
            let code = if (0xD800..0xDC00).contains(&first) {
                if bytes.next()? != b'\\' || bytes.next()? != b'u' {
                    return None;
                }
                let second = hex4(bytes)?
                    .checked_sub(0xDC00)
                    .filter(|second| *second < 0x400)?;
                0x10000 + ((first - 0xD800) << 10) + second
            } else {
                first
            };
            return char::from_u32(code).map(Unit::Char);
        }
        byte @ (b'"' | b'\\' | b'/') => byte,
        _ => return None,
    }))
}

/// Bytes in hexadecimal digits, all of them.
pub(crate) fn hex(digits: &[u8], bytes: &mut [u8]) -> Option<()> {
    let mut digits = digits.iter().copied();
    for pair in bytes.chunks_exact_mut(2) {
        pair.copy_from_slice(&(hex4(&mut digits)? as u16).to_be_bytes());
    }
    digits.next().is_none().then_some(())
}

fn hex4(bytes: &mut Bytes<'_>) -> Option<u32> {
    (0..4).try_fold(0, |value, _| {
        Some(value * 16 + u32::from(scan::hex_digit(bytes.next()?)?))
    })
}

fn expect(json: &[u8], at: usize, byte: u8) -> Option<usize> {
    (json.get(at) == Some(&byte)).then_some(at + 1)
}

/// As a rule there is none.
fn skip_space(json: &[u8], at: usize) -> usize {
    match json.get(at) {
        Some(0..=b' ') => skip_spaces(json, at),
        _ => at,
    }
}

#[cold]
fn skip_spaces(json: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = json.get(at) {
        at += 1;
    }
    at
}

/// The end of the value at `at`. The kind of each open bracket is a bit of `open`: 1 for an object.
fn skip_value(json: &[u8], mut at: usize) -> Option<usize> {
    let mut open = 0u64;
    let mut depth = 0u32;
    loop {
        match *json.get(at)? {
            bracket @ (b'{' | b'[') => {
                if depth == MAX_DEPTH {
                    return None;
                }
                let is_object = bracket == b'{';
                at = skip_space(json, at + 1);
                // `}` and `]` stand two after `{` and `[` in ASCII.
                if json.get(at) == Some(&(bracket + 2)) {
                    at += 1;
                } else {
                    open = open << 1 | u64::from(is_object);
                    depth += 1;
                    if is_object {
                        at = skip_key(json, at)?;
                    }
                    continue;
                }
            }
            b'"' => at = skip_string(json, at)?,
            b't' => at = skip_word(json, at, b"true")?,
            b'f' => at = skip_word(json, at, b"false")?,
            b'n' => at = skip_word(json, at, b"null")?,
            _ => at = skip_number(json, at)?,
        }
        loop {
            if depth == 0 {
                return Some(at);
            }
            at = skip_space(json, at);
            let is_object = open & 1 == 1;
            match *json.get(at)? {
                b',' => {
                    at = skip_space(json, at + 1);
                    if is_object {
                        at = skip_key(json, at)?;
                    }
                    break;
                }
                b'}' if is_object => {}
                b']' if !is_object => {}
                _ => return None,
            }
            at += 1;
            open >>= 1;
            depth -= 1;
        }
    }
}

fn skip_key(json: &[u8], at: usize) -> Option<usize> {
    let end = skip_space(json, skip_string(json, at)?);
    Some(skip_space(json, expect(json, end, b':')?))
}

fn skip_word(json: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    json.get(at..)?.starts_with(word).then_some(at + word.len())
}

fn skip_string(json: &[u8], at: usize) -> Option<usize> {
    let mut rest = json.get(expect(json, at, b'"')?..)?.iter().copied();
    loop {
        match rest.find(|byte| !Set::JSON_PLAIN.has(*byte))? {
            b'"' => return Some(json.len() - rest.len()),
            b'\\' => {
                unescape(&mut rest)?;
            }
            _ => return None,
        }
    }
}

fn skip_number(json: &[u8], mut at: usize) -> Option<usize> {
    let digits = |at: usize| -> Option<usize> {
        let rest = json.get(at..)?;
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(at + count)
    };
    if json.get(at) == Some(&b'-') {
        at += 1;
    }
    at = match *json.get(at)? {
        b'0' => at + 1,
        _ => digits(at)?,
    };
    if json.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(json.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(json.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = digits(at)?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_and_invalid_texts() {
        let valid = [
            "{}",
            " [ ] ",
            "0",
            "-0.5e+3",
            "\"\\u00e9\\n\"",
            "{\"a\":[1,{\"b\":null}],\"c\":true}",
            "[[],{}]",
        ];
        for json in valid {
            assert!(is_valid(json.as_bytes()), "{json}");
        }
        let invalid = [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{,}",
            "01",
            "1.",
            "1e",
            "-",
            "tru",
            "\"\\x\"",
            "\"\\u12g4\"",
            "{} {}",
            "[}",
            "{]",
            "\"\n\"",
            "nul",
            "{\"a\":1,}",
            "{1:2}",
            "+1",
        ];
        for json in invalid {
            assert!(!is_valid(json.as_bytes()), "{json}");
        }
        assert!(!is_valid(b"\"\xff\""));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| {
            let mut json = vec![b'['; depth];
            json.extend(vec![b']'; depth]);
            json
        };
        assert!(is_valid(&nested(64)));
        assert!(!is_valid(&nested(65)));
        assert!(!is_valid(&nested(100_000)));
    }

    #[test]
    fn members_by_name_through_escapes() {
        let json =
            br#" {"a":{"$version":1}, "\u0024version" : 7 ,"e\u0301":[1, 2],"\ud83d\ude00":"x"}"#;
        assert_eq!(member(json, "$version"), Some(&b"7"[..]));
        assert_eq!(member(json, "e\u{301}"), Some(&b"[1, 2]"[..]));
        assert_eq!(member(json, "😀"), Some(&b"\"x\""[..]));
        assert_eq!(member("{\"é\":1}".as_bytes(), "é"), Some(&b"1"[..]));
        assert_eq!(member("{\"é\":1}".as_bytes(), "è"), None);
        assert_eq!(member(json, "version"), None);
        assert_eq!(members(json).count(), 4);
        assert_eq!(members(b"[1]").count(), 0);
        assert_eq!(members(br#"{"a":1,"b":}"#).count(), 1);
    }

    #[test]
    fn one_walk_finds_what_two_find() {
        let texts = [
            r#"{"a":1,"in":{"b":"x","c":[{}]},"d":null}"#,
            r#" { "in" : { "b" : 2 , "b" : 3 } , "in" : { "c" : 4 } , "a" : "\u0061" } "#,
            r#"{"\u0061":1,"\u0069n":{"\u0062":2},"a":3}"#,
            r#"{"a":{"b":1},"d":{"a":2},"in":[{"b":1}]}"#,
            r#"{"in":"b","a":false}"#,
            r#"{"in":{},"a":0}"#,
            "{}",
            "[]",
            "1",
            "",
            r#"{"a":1"#,
            r#"{"a":1,}"#,
            r#"{"in":{"b":1}"#,
            r#"{"in":{"b":1,},"a":1}"#,
            r#"{"in":{"b":01}}"#,
            r#"{"in":{"b":1]}"#,
            r#"{"in":{"b":1}}}"#,
            r#"{"in":{,}}"#,
            r#"{"a" 1}"#,
            r#"{"a":1 "d":2}"#,
        ];
        for text in texts {
            let json = text.as_bytes();
            let mut outer = [("a", &[][..]), ("d", &[][..])];
            let mut inner = [("b", &[][..]), ("c", &[][..])];
            let is_object = read(json, &mut outer, "in", &mut inner);
            assert_eq!(is_object, super::is_object(json), "{text}");
            if !is_object {
                continue;
            }
            let nested = member(json, "in").unwrap_or_default();
            for (name, raw) in outer {
                assert_eq!(
                    raw,
                    member(json, name).unwrap_or_default(),
                    "{text}: {name}"
                );
            }
            for (name, raw) in inner {
                assert_eq!(
                    raw,
                    member(nested, name).unwrap_or_default(),
                    "{text}: {name}"
                );
            }
        }
        assert!(!read(b"{\"a\":\"\xff\"}", &mut [], "", &mut []));
    }

    #[test]
    fn items_of_an_array() {
        let of = |json: &'static str| items(json.as_bytes()).collect::<Vec<_>>();
        assert_eq!(of(" [ 1 , [2,3],\"]\"] "), [&b"1"[..], b"[2,3]", b"\"]\""]);
        assert!(of("[ ]").is_empty());
        assert!(of("{}").is_empty());
        assert_eq!(of("[1;2]"), [b"1"]);
    }

    #[test]
    fn numbers_and_texts() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"999999999"), Some(999_999_999));
        assert_eq!(number(b"1000000000"), Some(1_000_000_000));
        assert_eq!(number(b"4294967296"), Some(1 << 32));
        for raw in [
            "",
            "18446744073709551616",
            "184467440737095516150",
            "12345678x",
            "123456789x",
            "-1",
            "1.0",
            "1e3",
            "\"1\"",
        ] {
            assert_eq!(number(raw.as_bytes()), None, "{raw}");
        }
        let mut buffer = [0; 8];
        assert_eq!(
            text(br#""a\/\u00e9\ud83d\ude00""#, &mut buffer),
            Ok("a/é😀")
        );
        for raw in [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83d\ue000""#,
            r#""\ud83d\udbff""#,
            r#""\ud83dx""#,
        ] {
            assert_eq!(
                text(raw.as_bytes(), &mut buffer),
                Err(Error::Peer(PeerError::Malformed)),
                "{raw}"
            );
        }
        assert_eq!(
            text(br#""\udbff\udfff\ud800\udc00""#, &mut buffer),
            Ok("\u{10ffff}\u{10000}")
        );
        assert_eq!(
            text(br#""123456789""#, &mut buffer),
            Err(Error::Capacity(Capacity::Buffer))
        );
    }
}
