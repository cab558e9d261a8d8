//! The property bag of an incoming topic, decoded on demand into the caller's buffer.

use crate::error::Error;
use crate::percent;
use crate::scan;

/// `name=value&name=&name`, percent-encoded or raw, the end of a topic after `devicebound/`. A
/// value may contain `/` and `=`; a name without `=` has no value; an empty part is skipped; the
/// order is the sender's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Properties<'a> {
    bag: &'a [u8],
}

impl<'a> Properties<'a> {
    /// The properties of a bag.
    pub const fn new(bag: &'a [u8]) -> Self {
        Self { bag }
    }

    /// The bag as received.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bag
    }

    /// The properties in order.
    pub fn iter(&self) -> impl Iterator<Item = ReceivedProperty<'a>> + 'a {
        self.parts().map(ReceivedProperty::new)
    }

    fn parts(&self) -> impl Iterator<Item = &'a [u8]> + 'a {
        let mut rest = Some(self.bag);
        core::iter::from_fn(move || {
            loop {
                let bag = rest?;
                let (part, others) = match scan::split_at(bag, b'&') {
                    Some((part, others)) => (part, Some(others)),
                    None => (bag, None),
                };
                rest = others;
                if !part.is_empty() {
                    return Some(part);
                }
            }
        })
    }

    /// The first property of this name, which is given decoded: `$.mid` also finds `%24.mid`.
    pub fn find(&self, name: &str) -> Option<ReceivedProperty<'a>> {
        let first = name.bytes().next().unwrap_or(b'=');
        self.parts()
            .filter(|part| matches!(part, [byte, ..] if *byte == first || *byte == b'%'))
            .map(ReceivedProperty::new)
            .find(|property| property.is_named(name))
    }
}

/// One property, still encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedProperty<'a> {
    name: &'a [u8],
    value: Option<&'a [u8]>,
}

impl<'a> ReceivedProperty<'a> {
    fn new(part: &'a [u8]) -> Self {
        match scan::split_at(part, b'=') {
            Some((name, value)) => Self {
                name,
                value: Some(value),
            },
            None => Self {
                name: part,
                value: None,
            },
        }
    }

    /// Whether the decoded name is `name`.
    pub fn is_named(&self, name: &str) -> bool {
        percent::is(self.name, name)
    }

    /// The name, decoded into `buffer`.
    ///
    /// # Errors
    /// [`PeerError::Encoding`](crate::PeerError) or [`Capacity::Buffer`](crate::Capacity).
    pub fn name<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, Error> {
        percent::decode(self.name, buffer)
    }

    /// The value, decoded into `buffer`; `None` where there is no `=`.
    ///
    /// # Errors
    /// As [`ReceivedProperty::name`].
    pub fn value<'b>(&self, buffer: &'b mut [u8]) -> Result<Option<&'b str>, Error> {
        self.value
            .map(|value| percent::decode(value, buffer))
            .transpose()
    }

    /// Name and value as received.
    pub const fn raw(&self) -> (&'a [u8], Option<&'a [u8]>) {
        (self.name, self.value)
    }
}
