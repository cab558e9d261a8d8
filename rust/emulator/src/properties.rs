//! Property bags: `k1=v1&k2=v2` with RFC 3986 percent encoding, in topics and in queries.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The value of a key that stands without `=` (null) or with it.
pub(crate) type Value = Option<String>;

/// A part of a bag that is not percent-encoded UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotEncoded(String);

impl fmt::Display for NotEncoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not percent-encoded UTF-8", self.0)
    }
}

impl std::error::Error for NotEncoded {}

/// Splits a bag into decoded pairs, in the order in which they stand.
///
/// A key without `=` has the value `None`, `k=` has `Some("")`. `+` is a plus sign. The
/// error names the part that is not valid percent-encoded UTF-8.
pub(crate) fn decode_bag(bag: &str) -> Result<Vec<(String, Value)>, NotEncoded> {
    bag.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (key, value) = match part.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (part, None),
            };
            let decode = |text| {
                decode(text)
                    .map(Cow::into_owned)
                    .ok_or_else(|| NotEncoded(part.to_owned()))
            };
            Ok((decode(key)?, value.map(decode).transpose()?))
        })
        .collect()
}

/// A parameter of a query, verbatim; the first of several.
pub(crate) fn parameter<'t>(query: &'t str, name: &str) -> Option<&'t str> {
    query
        .split('&')
        .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

/// Writes a bag; `$` is written as `%24`, as the service does in C2D topics.
pub(crate) fn encode_bag<'a>(
    pairs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> String {
    let mut bag = String::new();
    for (key, value) in pairs {
        if !bag.is_empty() {
            bag.push('&');
        }
        bag.extend(encoded(key));
        if let Some(value) = value {
            bag.push('=');
            bag.extend(encoded(value));
        }
    }
    bag
}

/// Percent-decodes; `None` if an escape is broken or the result is not UTF-8. By hand, since the
/// crate for it lets broken escapes pass as they are.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        let [high, low, tail @ ..] = tail else {
            return None;
        };
        let high = char::from(*high).to_digit(16)?;
        let low = char::from(*low).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(crate) fn encode(text: &str) -> String {
    encoded(text).collect()
}

fn encoded(text: &str) -> impl Iterator<Item = &str> {
    utf8_percent_encode(text, RESERVED)
}

/// A D2C message's properties, sorted into the service's own and the application's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties {
    /// Under their JSON names: `messageId`, `contentType`, …
    pub system: Vec<(String, String)>,
    /// As sent.
    pub application: Vec<(String, Value)>,
}

impl Properties {
    /// Reads the bag of a telemetry topic.
    pub(crate) fn parse(bag: &str) -> Result<Self, NotEncoded> {
        let mut properties = Self::default();
        for (key, value) in decode_bag(bag)? {
            match SYSTEM.iter().find(|(wire, _)| *wire == key) {
                Some((_, name)) => {
                    properties
                        .system
                        .push(((*name).to_owned(), value.unwrap_or_default()));
                }
                None => properties.application.push((key, value)),
            }
        }
        Ok(properties)
    }

    /// The bytes that count towards a message's size: system values, application names and values.
    pub(crate) fn size(&self) -> usize {
        let system = self.system.iter().map(|(_, value)| value.len());
        let application = self
            .application
            .iter()
            .map(|(key, value)| key.len() + value.as_ref().map_or(0, String::len));
        system.sum::<usize>() + application.sum::<usize>()
    }

    /// The value of a system property by its JSON name.
    #[cfg(test)]
    pub(crate) fn system(&self, name: &str) -> Option<&str> {
        self.system
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Wire name and JSON name of the system properties.
pub(crate) const SYSTEM: &[(&str, &str)] = &[
    ("$.mid", "messageId"),
    ("$.cid", "correlationId"),
    ("$.uid", "userId"),
    ("$.ct", "contentType"),
    ("$.ce", "contentEncoding"),
    ("$.exp", "absoluteExpiryTime"),
    ("$.to", "to"),
    ("$.ctime", "creationTimeUtc"),
    ("$.on", "outputName"),
    ("$.sub", "componentName"),
    ("$.ifid", "interfaceId"),
    ("$.schema", "messageSchema"),
    ("$.diagid", "diagnosticId"),
    ("$.diagctx", "diagnosticContext"),
    ("$.cdid", "connectionDeviceId"),
    ("$.cmid", "connectionModuleId"),
];

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_sdks_write() {
        let bag = "%24.mid=m%201&%24.cid=c%2F1&$.ct=application%2Fjson&%24.ce=utf-8&a=%C3%A9&b=x%20y%2F%26%3D&e=&n";
        let properties = Properties::parse(bag).unwrap();
        assert_eq!(properties.system("messageId"), Some("m 1"));
        assert_eq!(properties.system("correlationId"), Some("c/1"));
        assert_eq!(properties.system("contentType"), Some("application/json"));
        let pair = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
        assert_eq!(
            properties.application,
            [
                pair("a", Some("é")),
                pair("b", Some("x y/&=")),
                pair("e", Some("")),
                pair("n", None)
            ]
        );
    }

    #[test]
    fn a_plus_sign_is_not_a_space() {
        assert_eq!(decode("a+b").as_deref(), Some("a+b"));
        assert_eq!(encode("a b+$"), "a%20b%2B%24");
    }

    #[test]
    fn names_the_broken_part() {
        assert_eq!(decode_bag("a=1&b=%2"), Err(NotEncoded("b=%2".to_owned())));
        assert_eq!(decode_bag("a=1&b=%FF"), Err(NotEncoded("b=%FF".to_owned())));
        assert_eq!(decode_bag("%zz"), Err(NotEncoded("%zz".to_owned())));
    }

    #[test]
    fn writes_null_and_empty_apart() {
        assert_eq!(
            encode_bag([("$.mid", Some("1/2")), ("n", None), ("e", Some(""))]),
            "%24.mid=1%2F2&n&e="
        );
    }
}
