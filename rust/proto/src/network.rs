//! The network gate: when there is something to connect over.

use core::time::Duration;

/// What the modem reported.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// `+CEREG: 1` or `5`.
    Registered {
        /// Not the home network.
        roaming: bool,
    },
    /// `+CEREG: 0`
    NotRegistered,
    /// `+CEREG: 2`
    Searching,
    /// `+CEREG: 3`
    Denied,
    /// `+CEREG: 90`
    UiccFail,
    /// `+CGEV: ME PDN ACT 0[,reason]`
    Activated {
        /// 0: IPv4 only, 1: IPv6 only.
        reason: Option<u8>,
    },
    /// `+CGEV: … PDN DEACT 0`
    Deactivated,
    /// `+CGEV: IPV6 0`
    Ipv6Up,
    /// `+CGEV: IPV6 FAIL 0`
    Ipv6Down,
    /// `+CNEC_ESM`: 50 only IPv4 allowed, 51 only IPv6 allowed.
    Esm(i32),
    /// `+CGEV: ME DETACH` or `NW DETACH`
    Detached,
    /// The PDN is suspended; it comes back.
    Suspended,
    /// The PDN is back.
    Resumed,
}

/// How long to wait for IPv6 where it can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateConfig {
    /// `false`: someone else looks after the network; there is no `Attach` and nothing is waited for.
    pub enabled: bool,
    /// Where the network may give both families.
    pub dual_stack: Duration,
    /// Where it gives IPv6 only.
    pub ipv6_only: Duration,
}

impl GateConfig {
    /// Enabled, 5 s and 30 s.
    pub const fn new() -> Self {
        Self {
            enabled: true,
            dual_stack: Duration::from_secs(5),
            ipv6_only: Duration::from_secs(30),
        }
    }
}

impl Default for GateConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Which address families the PDN has, as far as it has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Families {
    /// IPv4 may be used.
    pub v4: bool,
    /// IPv6 may be used.
    pub v6: bool,
}

/// What the gate tells the application.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The network has accepted us.
    Registered {
        /// Not the home network.
        roaming: bool,
    },
    /// Registered and activated, IPv6 is awaited.
    WaitingForIpv6 {
        /// At most so long.
        timeout: Duration,
    },
    /// There is something to connect over.
    Up(Families),
    /// There was, and there is no more.
    Lost(LostReason),
    /// No IPv6, and why. [`Event::Up`] follows where the PDN has IPv4, or where waiting has ended.
    Ipv6NotComing(NoIpv6Reason),
    /// The network does not accept us.
    Refused(RefusedReason),
}

/// Why the network is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostReason {
    /// The PDN was deactivated.
    Deactivated,
    /// The modem is detached.
    Detached,
    /// IPv6 is gone and was the only family, or the one in use.
    Ipv6Down,
    /// The registration is gone.
    NotRegistered,
}

/// Why there is no IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoIpv6Reason {
    /// The network allows IPv4 only (ESM cause 50 or reason 0).
    Ipv4Only,
    /// The modem could not configure it.
    Failed,
    /// It did not come in time.
    Timeout,
}

/// Why registration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedReason {
    /// By the network: is the SIM allowed here?
    Denied,
    /// By the SIM: is there one?
    UiccFail,
}

/// The address that the last connect went to, in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// IPv4.
    V4([u8; 4]),
    /// IPv6.
    V6([u8; 16]),
}

/// That address, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerView {
    /// IPv4.
    V4([u8; 4]),
    /// IPv6, end to end as far as one can see.
    V6([u8; 16]),
    /// IPv6 with an IPv4 address inside (RFC 6052).
    Nat64 {
        /// The address itself.
        address: [u8; 16],
        /// The length of the prefix in bits: 32, 40, 48, 56, 64 or 96.
        prefix: u8,
        /// The IPv4 address inside.
        v4: [u8; 4],
        /// The prefix is well known or was discovered; else it is a guess from the address's shape.
        certain: bool,
    },
}
