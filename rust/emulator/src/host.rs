//! Host names as clients write them: in user names, in tokens and in the header `Host`.

use std::net::{IpAddr, SocketAddr};

/// The domain of the hubs that management makes. The server's certificate names all of them; it has
/// two labels, since many clients take no certificate for `*.localhost`.
pub(crate) const MANAGED_DOMAIN: &str = "azure-devices.localhost";

/// A host without its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host<'t> {
    /// A number; brackets around one of IPv6 are gone.
    Address(IpAddr),
    /// Anything else.
    Name(&'t str),
}

impl<'t> Host<'t> {
    /// Reads `name`, `1.2.3.4`, `::1` and `[::1]`, all of them (but `::1`) with a port or without.
    pub(crate) fn parse(text: &'t str) -> Self {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Self::Address(address.ip());
        }
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse() {
            return Self::Address(address);
        }
        match text.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Self::Name(name)
            }
            _ => Self::Name(text),
        }
    }

    /// Whether it can be nothing but this machine: no other's name leads here.
    pub(crate) fn is_loopback(self) -> bool {
        match self {
            Self::Address(address) => address.to_canonical().is_loopback(),
            Self::Name(name) => {
                let name = name.to_ascii_lowercase();
                name == "localhost" || name.ends_with(".localhost")
            }
        }
    }

    /// Whether both mean the same host; case does not matter.
    pub(crate) fn is_same(self, other: Host<'_>) -> bool {
        match (self, other) {
            (Self::Address(one), Host::Address(other)) => one == other,
            (Self::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_with_and_without_a_port() {
        for (text, address) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1:8883", "127.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::1]:8883", "::1"),
            ("2001:db8::8883", "2001:db8::8883"),
        ] {
            let expected = Host::Address(address.parse().unwrap());
            assert_eq!(Host::parse(text), expected, "{text}");
        }
        for (text, name) in [
            ("localhost", "localhost"),
            ("localhost:8883", "localhost"),
            ("hub.azure-devices.net", "hub.azure-devices.net"),
            ("hub.azure-devices.net:8883", "hub.azure-devices.net"),
            ("hub:", "hub"),
            ("hub:x", "hub:x"),
            ("[hub]", "[hub]"),
            ("[::1", "[:"),
            ("", ""),
        ] {
            assert_eq!(Host::parse(text), Host::Name(name), "{text}");
        }
    }

    #[test]
    fn nobody_elses_name_is_this_machine() {
        for text in [
            "localhost",
            "LOCALHOST:1",
            "hub.localhost",
            "127.0.0.1:80",
            "127.8.8.8",
            "::1",
            "[::1]",
            "[::1]:80",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert!(Host::parse(text).is_loopback(), "{text}");
        }
        for text in [
            "",
            "evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "[::1].evil.example",
            "192.168.1.2:80",
            "[2001:db8::1]",
        ] {
            assert!(!Host::parse(text).is_loopback(), "{text}");
        }
    }

    #[test]
    fn the_same_host() {
        let same = |one: &str, other: &str| Host::parse(one).is_same(Host::parse(other));
        assert!(same("Hub:1", "hub") && same("[::1]:1", "::1") && same("1.2.3.4", "1.2.3.4:5"));
        assert!(!same("hub", "hub2") && !same("::1", "127.0.0.1") && !same("hub", "::1"));
    }
}
