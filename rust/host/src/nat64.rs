//! IPv4 addresses inside of IPv6 addresses: RFC 6052.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// The prefix of a DNS64 and its NAT64: `2001:8004:11d0:4e2a::/96`. Lengths: 32, 40, 48, 56, 64,
/// 96.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat64Prefix {
    prefix: [u8; 16],
    length: u8,
}

/// Where the four bytes of the IPv4 address stand, for each length (RFC 6052, section 2.2).
const POSITIONS: [(u8, [usize; 4]); 6] = [
    (32, [4, 5, 6, 7]),
    (40, [5, 6, 7, 9]),
    (48, [6, 7, 9, 10]),
    (56, [7, 9, 10, 11]),
    (64, [9, 10, 11, 12]),
    (96, [12, 13, 14, 15]),
];

impl Nat64Prefix {
    /// Telstra's, as seen in the field.
    pub const TELSTRA: Self = Self {
        prefix: Ipv6Addr::new(0x2001, 0x8004, 0x11d0, 0x4e2a, 0, 0, 0, 0).octets(),
        length: 96,
    };
    /// `64:ff9b::/96` (RFC 6052, section 2.1).
    pub const WELL_KNOWN: Self = Self {
        prefix: Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0).octets(),
        length: 96,
    };

    /// The IPv6 address that stands for `address`.
    pub fn embed(&self, address: Ipv4Addr) -> Ipv6Addr {
        let mut octets = self.prefix;
        for (position, byte) in self.positions().into_iter().zip(address.octets()) {
            octets[position] = byte;
        }
        octets.into()
    }

    /// The IPv4 address inside, if `address` has this prefix.
    pub fn extract(&self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        let octets = address.octets();
        let length = usize::from(self.length / 8);
        (octets[..length] == self.prefix[..length])
            .then(|| Ipv4Addr::from(self.positions().map(|position| octets[position])))
    }

    fn positions(&self) -> [usize; 4] {
        let found = POSITIONS.iter().find(|(length, _)| *length == self.length);
        found.map_or([12, 13, 14, 15], |(_, positions)| *positions)
    }
}

/// Why a text is no [`Nat64Prefix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat64PrefixError;

impl fmt::Display for Nat64PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a NAT64 prefix: it is written as 64:ff9b::/96, its length is one of 32, 40, 48, 56, 64 \
             and 96, and what follows the prefix is 0",
        )
    }
}

impl std::error::Error for Nat64PrefixError {}

impl FromStr for Nat64Prefix {
    type Err = Nat64PrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (prefix, length) = text.split_once('/').ok_or(Nat64PrefixError)?;
        let prefix = prefix
            .parse::<Ipv6Addr>()
            .map_err(|_| Nat64PrefixError)?
            .octets();
        let length = length.parse::<u8>().map_err(|_| Nat64PrefixError)?;
        let known = POSITIONS.iter().any(|(known, _)| *known == length);
        let rest = prefix
            .get(usize::from(length / 8)..)
            .ok_or(Nat64PrefixError)?;
        if known && rest.iter().all(|byte| *byte == 0) {
            Ok(Self { prefix, length })
        } else {
            Err(Nat64PrefixError)
        }
    }
}

impl fmt::Display for Nat64Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv6Addr::from(self.prefix), self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_6052_and_of_the_article() {
        let vectors = [
            ("2001:db8::/32", "192.0.2.33", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "192.0.2.33", "2001:db8:1c0:2:21::"),
            (
                "2001:db8:122::/48",
                "192.0.2.33",
                "2001:db8:122:c000:2:2100::",
            ),
            (
                "2001:db8:122:300::/56",
                "192.0.2.33",
                "2001:db8:122:3c0:0:221::",
            ),
            (
                "2001:db8:122:344::/64",
                "192.0.2.33",
                "2001:db8:122:344:c0:2:2100:0",
            ),
            (
                "2001:db8:122:344::/96",
                "192.0.2.33",
                "2001:db8:122:344::c000:221",
            ),
            ("64:ff9b::/96", "192.0.2.33", "64:ff9b::c000:221"),
            (
                "2001:8004:11d0:4e2a::/96",
                "13.70.74.195",
                "2001:8004:11d0:4e2a::d46:4ac3",
            ),
            (
                "2001:8004:11d0:4e2a::/96",
                "51.75.78.103",
                "2001:8004:11d0:4e2a::334b:4e67",
            ),
        ];
        for (prefix, v4, v6) in vectors {
            let prefix: Nat64Prefix = prefix.parse().unwrap();
            assert_eq!(
                prefix.embed(v4.parse().unwrap()),
                v6.parse::<Ipv6Addr>().unwrap()
            );
            assert_eq!(
                prefix.extract(v6.parse().unwrap()),
                Some(v4.parse().unwrap())
            );
        }
    }

    #[test]
    fn an_address_of_another_prefix_is_not_taken_apart() {
        assert_eq!(Nat64Prefix::WELL_KNOWN.extract(Ipv6Addr::LOCALHOST), None);
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in [
            "64:ff9b::",
            "64:ff9b::/95",
            "64:ff9b::1/96",
            "x/96",
            "64:ff9b::/300",
            "::/128",
        ] {
            assert_eq!(text.parse::<Nat64Prefix>(), Err(Nat64PrefixError), "{text}");
        }
    }

    #[test]
    fn the_constants_are_what_their_texts_say() {
        assert_eq!(
            Nat64Prefix::WELL_KNOWN.to_string().parse(),
            Ok(Nat64Prefix::WELL_KNOWN)
        );
        assert_eq!("2001:8004:11d0:4e2a::/96".parse(), Ok(Nat64Prefix::TELSTRA));
    }
}
