//! IPv4 addresses inside IPv6 addresses: NAT64 (RFC 6052).

use crate::network::{Peer, PeerView};

/// The well-known prefix 64:ff9b::/96, RFC 6052 section 2.1.
const WELL_KNOWN: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];

impl PeerView {
    /// Reads an address as far as it says itself what it is.
    pub fn new(peer: Peer) -> Self {
        let address = match peer {
            Peer::V4(address) => return Self::V4(address),
            Peer::V6(address) => address,
        };
        let [prefix @ .., a, b, c, d] = address;
        let v4 = [a, b, c, d];
        let certain = prefix == WELL_KNOWN;
        let shaped = prefix[8..] == [0; 4] && is_public(v4);
        if certain || shaped {
            Self::Nat64 {
                address,
                prefix: 96,
                v4,
                certain,
            }
        } else {
            Self::V6(address)
        }
    }
}

/// Whether a hub could have this address on the Internet.
fn is_public(v4: [u8; 4]) -> bool {
    !matches!(
        v4,
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
    )
}
