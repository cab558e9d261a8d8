//! IPv4 addresses inside IPv6 addresses: NAT64 prefixes (RFC 6052), their discovery (RFC 7050). The
//! resolver chooses the family of a connection (docs/decisions/0006).

use heapless::Vec;

use crate::network::{Peer, PeerView};

/// An IPv4 address in network order.
pub type V4 = [u8; 4];
/// An IPv6 address in network order.
pub type V6 = [u8; 16];

/// A NAT64 prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: V6,
    length: u8,
}

/// The lengths that RFC 6052 section 2.2 knows, in bits.
const LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];

/// Bits 64 to 71, "u" in RFC 6052, are zero and hold nothing of the IPv4 address.
const U: usize = 8;

/// The addresses of `ipv4only.arpa`, RFC 7050 section 2.2.
const WELL_KNOWN_V4: [V4; 2] = [[192, 0, 0, 170], [192, 0, 0, 171]];

/// Number of prefixes that are stored.
const PREFIXES: usize = 2;

impl Prefix {
    /// `64:ff9b::/96`, RFC 6052 section 2.1.
    pub const WELL_KNOWN: Self = Self {
        address: [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        length: 96,
    };

    /// The first `length` bits of `address`. `None` for a length that RFC 6052 does not have, or
    /// where bits 64 to 71 of the prefix are not zero.
    pub fn new(address: V6, length: u8) -> Option<Self> {
        if !LENGTHS.contains(&length) || (length == 96 && address[U] != 0) {
            return None;
        }
        let mut prefix = [0; 16];
        for (at, byte) in prefix.iter_mut().enumerate().take(usize::from(length / 8)) {
            *byte = *address.get(at)?;
        }
        Some(Self {
            address: prefix,
            length,
        })
    }

    /// The length in bits.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// The prefix, followed by zeros.
    pub const fn address(&self) -> V6 {
        self.address
    }

    /// The address that stands for `v4` behind this NAT64.
    pub fn embed(&self, v4: V4) -> V6 {
        put(self.address, self.length, v4)
    }

    /// The IPv4 address inside; `None` for an address with another prefix. The suffix is ignored,
    /// as RFC 6052 section 2.2 asks of receivers.
    pub fn extract(&self, address: V6) -> Option<V4> {
        let bytes = usize::from(self.length / 8);
        if address.get(..bytes) != self.address.get(..bytes) || address[U] != 0 {
            return None;
        }
        Some(v4_at(&address, self.length))
    }
}

/// The NAT64 prefixes that were discovered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefixes(Vec<Prefix, PREFIXES>);

impl Prefixes {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads the AAAA records of `ipv4only.arpa` (RFC 7050 section 3). A prefix counts where one of
    /// the two well-known addresses stands at exactly one place of a record, or where both records
    /// agree on the place.
    pub fn discover(records: &[V6]) -> Self {
        let mut found = Self::default();
        for record in records {
            let mut candidates = LENGTHS.into_iter().filter_map(|length| {
                let prefix = Prefix::new(*record, length)?;
                let v4 = prefix.extract(*record)?;
                WELL_KNOWN_V4.contains(&v4).then_some((prefix, v4))
            });
            match (candidates.next(), candidates.next()) {
                (Some((prefix, _)), None) => found.add(prefix),
                (Some(first), Some(second)) => {
                    for (prefix, v4) in [first, second].into_iter().chain(candidates) {
                        let [one, other] = WELL_KNOWN_V4;
                        let other = if v4 == one { other } else { one };
                        if records.contains(&put(*record, prefix.length, other)) {
                            found.add(prefix);
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// The prefixes.
    pub fn iter(&self) -> impl Iterator<Item = &Prefix> {
        self.0.iter()
    }

    fn add(&mut self, prefix: Prefix) {
        if !self.0.contains(&prefix) && self.0.push(prefix).is_err() {
            log::info!("a further NAT64 prefix is left out");
        }
    }
}

/// The indices of the IPv4 address's bytes, for one of the [`LENGTHS`]: they follow the prefix and
/// leave byte 8 out.
fn places(length: u8) -> [usize; 4] {
    let start = usize::from(length / 8);
    [0, 1, 2, 3].map(|byte| {
        let at = start + byte;
        // A prefix of 96 bits ends after byte 8.
        if start <= U && at >= U { at + 1 } else { at }
    })
}

/// `address` with this IPv4 address in its place.
fn put(mut address: V6, length: u8, v4: V4) -> V6 {
    for (at, byte) in places(length).into_iter().zip(v4) {
        if let Some(place) = address.get_mut(at) {
            *place = byte;
        }
    }
    address
}

fn v4_at(address: &V6, length: u8) -> V4 {
    places(length).map(|at| address.get(at).copied().unwrap_or(0))
}

impl PeerView {
    /// Finds an embedded IPv4 address: for certain by a well-known or discovered prefix, otherwise
    /// by the shape of the address, which is a public IPv4 address after 32 zero bits.
    pub fn new(peer: Peer, prefixes: &Prefixes) -> Self {
        let address = match peer {
            Peer::V4(address) => return Self::V4(address),
            Peer::V6(address) => address,
        };
        let known = [Prefix::WELL_KNOWN];
        let certain = known
            .iter()
            .chain(prefixes.iter())
            .find_map(|prefix| Some((prefix.length, prefix.extract(address)?)));
        if let Some((prefix, v4)) = certain {
            return Self::Nat64 {
                address,
                prefix,
                v4,
                certain: true,
            };
        }
        let v4 = v4_at(&address, 96);
        if address[U..12] == [0; 4] && is_public(v4) {
            Self::Nat64 {
                address,
                prefix: 96,
                v4,
                certain: false,
            }
        } else {
            Self::V6(address)
        }
    }
}

/// Whether the address is a public one.
fn is_public(v4: V4) -> bool {
    !matches!(
        v4,
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 0, _]
    )
}
