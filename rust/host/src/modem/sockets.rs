//! Name resolution and TCP as the PDN allows them: DNS64 and NAT64 where it has no IPv4.

use std::{
    fmt,
    net::{IpAddr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{Simulated, State, TARGET};
use crate::{errno::Errno, lock, log};

/// Why a name has no address: the modem's `NRF_EAI_*`, which are negative numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResolveError {
    /// No such name.
    NoName,
    /// No PDN, or none with an address yet.
    Again,
    /// No address of a family that the PDN has.
    NoData,
}

impl ResolveError {
    /// `NRF_EAI_*`.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::NoName => -2,
            Self::Again => -3,
            Self::NoData => -5,
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoName => "there is no such name",
            Self::Again => "there is no PDN with an address to ask over",
            Self::NoData => "it has no address of a family that the PDN has, and there is no DNS64",
        })
    }
}

/// A TCP connection over the PDN.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    ipv6: bool,
    network_down: AtomicBool,
    closed: AtomicBool,
}

impl Socket {
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether the PDN went away under it.
    pub(crate) fn is_network_down(&self) -> bool {
        self.network_down.load(Ordering::Acquire)
    }

    /// Whether it was closed here, and not by the peer.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Closes both ways; whoever reads or writes returns.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // It is closed already, then.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    pub(super) fn cut(&self) {
        self.network_down.store(true, Ordering::Release);
        self.close();
    }
}

/// Takes out the sockets whose address family is gone.
pub(super) fn without_network(state: &mut State) -> Vec<Arc<Socket>> {
    let (ipv4, ipv6) = (state.ipv4, state.ipv6);
    let mut cut = Vec::new();
    state.sockets.retain(|socket| match socket.upgrade() {
        None => false,
        Some(socket) if if socket.ipv6 { ipv6 } else { ipv4 } => true,
        Some(socket) => {
            cut.push(socket);
            false
        }
    });
    cut
}

impl Simulated {
    /// `getaddrinfo` with `AF_UNSPEC`: IPv6 first, and the first address only.
    pub(crate) fn resolve(&self, name: &str) -> Result<IpAddr, ResolveError> {
        if let Ok(literal) = name.parse() {
            return Ok(literal);
        }
        let (ipv4, ipv6) = self.families();
        if !ipv4 && !ipv6 {
            return Err(ResolveError::Again);
        }
        let addresses = self.addresses(name);
        if addresses.is_empty() {
            return Err(ResolveError::NoName);
        }
        let first_v6 = addresses.iter().find(|address| address.is_ipv6());
        let first_v4 = addresses.iter().find(|address| address.is_ipv4());
        if let (true, Some(address)) = (ipv6, first_v6) {
            return Ok(*address);
        }
        match (first_v4, self.nat64) {
            (Some(address), _) if ipv4 => Ok(*address),
            (Some(IpAddr::V4(address)), Some(prefix)) => Ok(prefix.embed(*address).into()),
            _ => Err(ResolveError::NoData),
        }
    }

    /// A connection to that address, as the device sees it.
    pub(crate) fn connect_tcp(
        &self,
        address: IpAddr,
        port: u16,
        timeout: Duration,
    ) -> Result<Arc<Socket>, Errno> {
        if !self.has_family_of(address) {
            return Err(Errno::NETUNREACH);
        }
        let target = self.translate(address);
        if target != address {
            log::debug!(
                TARGET,
                "the simulated network carries {address} to {target}"
            );
        }
        let stream = TcpStream::connect_timeout(&SocketAddr::new(target, port), timeout)
            .map_err(|error| Errno::from(&error))?;
        let socket = Arc::new(Socket {
            stream,
            ipv6: address.is_ipv6(),
            network_down: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        lock(&self.state).sockets.push(Arc::downgrade(&socket));
        // The family may have gone while the connection was made.
        if self.has_family_of(address) {
            Ok(socket)
        } else {
            Err(Errno::NETDOWN)
        }
    }

    fn families(&self) -> (bool, bool) {
        let state = lock(&self.state);
        (state.ipv4, state.ipv6)
    }

    fn has_family_of(&self, address: IpAddr) -> bool {
        let (ipv4, ipv6) = self.families();
        if address.is_ipv6() { ipv6 } else { ipv4 }
    }

    fn translate(&self, address: IpAddr) -> IpAddr {
        let behind_nat64 = match (address, self.nat64) {
            (IpAddr::V6(v6), Some(prefix)) => prefix.extract(v6).map_or(address, IpAddr::V4),
            _ => address,
        };
        let route = self.routes.iter().find(|(from, _)| *from == behind_nat64);
        route.map_or(behind_nat64, |(_, to)| *to)
    }

    fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let mapped = self.hosts.iter().filter(|(host, _)| stands_for(host, name));
        let mapped: Vec<_> = mapped.map(|(_, address)| *address).collect();
        // RFC 6761, section 6.4: a name under .invalid is not to be asked for.
        if !mapped.is_empty() || name.to_ascii_lowercase().ends_with(".invalid") {
            return mapped;
        }
        let found = (name, 0).to_socket_addrs();
        found
            .map(|all| all.map(|address| address.ip()).collect())
            .unwrap_or_default()
    }
}

/// Whether the name of [`Options::hosts`](crate::Options::hosts) is this one, or a wildcard above
/// it.
fn stands_for(host: &str, name: &str) -> bool {
    match host.strip_prefix('*') {
        None => host.eq_ignore_ascii_case(name),
        Some(end) => name
            .len()
            .checked_sub(end.len())
            .and_then(|at| name.get(at..).filter(|_| at > 0))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Nat64Prefix, Options};

    const V4: &str = "13.70.74.195";
    const V6: &str = "2001:db8::1";

    fn modem(nat64: Option<Nat64Prefix>, events: &[Event]) -> Simulated {
        let host = |name: &str, address: &str| (name.to_owned(), address.parse().unwrap());
        let mut options = Options::new("/nonexistent");
        options.nat64 = nat64;
        options.hosts = vec![host("both", V4), host("both", V6), host("v4", V4)];
        let modem = Simulated::new(&options);
        events.iter().for_each(|event| modem.happen(*event));
        modem
    }

    const IPV4: Event = Event::Activated { reason: Some(0) };
    const IPV6: Event = Event::Activated { reason: Some(1) };

    #[test]
    fn on_dual_stack_ipv6_is_first_once_it_is_up() {
        let modem = modem(
            Some(Nat64Prefix::TELSTRA),
            &[Event::Activated { reason: None }],
        );
        assert_eq!(modem.resolve("both"), Ok(V4.parse().unwrap()));
        modem.happen(Event::Ipv6Up);
        assert_eq!(modem.resolve("both"), Ok(V6.parse().unwrap()));
        assert_eq!(modem.resolve("v4"), Ok(V4.parse().unwrap()));
    }

    #[test]
    fn without_ipv4_a_name_becomes_a_nat64_address() {
        let modem = modem(Some(Nat64Prefix::TELSTRA), &[IPV6]);
        assert_eq!(modem.resolve("v4"), Err(ResolveError::Again));
        modem.happen(Event::Ipv6Up);
        let seen = "2001:8004:11d0:4e2a::d46:4ac3".parse().unwrap();
        assert_eq!(modem.resolve("v4"), Ok(seen));
        assert_eq!(modem.translate(seen), V4.parse::<IpAddr>().unwrap());
        assert_eq!(modem.resolve("both"), Ok(V6.parse().unwrap()));
    }

    #[test]
    fn without_dns64_an_ipv4_name_has_no_address() {
        let modem = modem(None, &[IPV6, Event::Ipv6Up]);
        assert_eq!(modem.resolve("v4"), Err(ResolveError::NoData));
    }

    #[test]
    fn an_ipv4_network_gives_ipv4_and_an_unknown_name_none() {
        let modem = modem(Some(Nat64Prefix::TELSTRA), &[IPV4]);
        assert_eq!(modem.resolve("both"), Ok(V4.parse().unwrap()));
        assert_eq!(modem.resolve("nobody.invalid"), Err(ResolveError::NoName));
    }

    #[test]
    fn a_wildcard_stands_for_every_name_below_it() {
        for (name, below) in [
            ("my-hub.azure-devices.net", true),
            ("MY-HUB.Azure-Devices.NET", true),
            ("a.b.azure-devices.net", true),
            (".azure-devices.net", false),
            ("azure-devices.net", false),
            ("my-hub.azure-devices.net.example", false),
            ("azure-devices-provisioning.net", false),
            ("ü", false),
            ("", false),
        ] {
            assert_eq!(stands_for("*.azure-devices.net", name), below, "{name}");
        }
        assert!(stands_for("Hub", "hub") && !stands_for("hub", "a.hub"));
    }

    #[test]
    fn a_family_that_the_pdn_has_not_cannot_be_reached() {
        let modem = modem(None, &[IPV4]);
        let there = modem.connect_tcp(V6.parse().unwrap(), 1, Duration::from_secs(1));
        assert_eq!(there.map(drop), Err(Errno::NETUNREACH));
    }
}
