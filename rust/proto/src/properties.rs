//! The property bag of an incoming topic, decoded on demand into the caller's buffer.

/// `name=value&name=&name`, percent-encoded or raw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties<'a> {
    bag: &'a [u8],
}

impl<'a> Properties<'a> {
    /// Over the part of the topic after `devicebound/`.
    pub const fn new(bag: &'a [u8]) -> Self {
        Self { bag }
    }

    /// As it came.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bag
    }
}
