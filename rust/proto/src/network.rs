//! The network gate: when there is something to connect over.

use core::time::Duration;

use crate::event::{Event as ClientEvent, Events};
use crate::maybe::Maybe;
use crate::time::Instant;

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

/// What a fact means for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// It is gone: there is nothing left to carry it.
    Lost,
}

/// The PDN state machine. Facts may come in any order; what they say is kept, and the reading is made
/// anew from all of them.
#[derive(Debug)]
pub(crate) struct Gate {
    config: GateConfig,
    /// Whether roaming, where registered.
    registered: Maybe<bool>,
    active: bool,
    suspended: bool,
    allowed: Allowed,
    v6: V6,
    /// Until when IPv6 is awaited.
    waiting: Instant,
    /// As last told to the application.
    open: Maybe<Families>,
}

/// What the network allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allowed {
    Both,
    V4,
    V6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum V6 {
    Pending,
    Up,
    Failed,
    TimedOut,
}

impl Gate {
    pub(crate) const fn new(config: GateConfig) -> Self {
        Self {
            config,
            registered: Maybe::Nothing,
            active: false,
            suspended: false,
            allowed: Allowed::Both,
            v6: V6::Pending,
            waiting: Instant::NEVER,
            open: Maybe::Nothing,
        }
    }

    /// All zeros.
    pub(crate) const fn unconfigured() -> Self {
        Self::new(GateConfig {
            enabled: false,
            dual_stack: Duration::ZERO,
            ipv6_only: Duration::ZERO,
        })
    }

    /// Whether there is something to connect over.
    pub(crate) fn is_open(&self) -> bool {
        !self.config.enabled || (self.open.get().is_some() && !self.suspended)
    }

    /// Whether the modem is to be switched on by us.
    pub(crate) fn wants_attach(&self) -> bool {
        self.config.enabled && self.registered.get().is_none() && !self.active
    }

    pub(crate) fn next(&self) -> Instant {
        self.waiting
    }

    pub(crate) fn handle(&mut self, now: Instant, fact: Fact, events: &mut Events) -> Change {
        if !self.config.enabled {
            return Change::None;
        }
        let mut lost = None;
        match fact {
            Fact::Registered { roaming } => {
                if self.registered != Maybe::Some(roaming) {
                    events.push(ClientEvent::Network(Event::Registered { roaming }));
                }
                self.registered = Maybe::Some(roaming);
            }
            Fact::NotRegistered | Fact::Searching => {
                self.registered = Maybe::Nothing;
            }
            Fact::Denied => {
                self.registered = Maybe::Nothing;
                events.push(ClientEvent::Network(Event::Refused(RefusedReason::Denied)));
            }
            Fact::UiccFail => {
                self.registered = Maybe::Nothing;
                events.push(ClientEvent::Network(Event::Refused(
                    RefusedReason::UiccFail,
                )));
            }
            Fact::Activated { reason } => {
                self.active = true;
                self.suspended = false;
                match reason {
                    Some(0) => self.allowed = Allowed::V4,
                    Some(1) => self.allowed = Allowed::V6,
                    _ => {}
                }
            }
            Fact::Esm(50) => self.allowed = Allowed::V4,
            Fact::Esm(51) => self.allowed = Allowed::V6,
            Fact::Esm(_) => {}
            Fact::Ipv6Up => self.v6 = V6::Up,
            Fact::Ipv6Down => {
                if self.open.get().is_some_and(|families| !families.v4) {
                    lost = Some(LostReason::Ipv6Down);
                }
                if self.v6 != V6::Failed {
                    events.push(ClientEvent::Network(Event::Ipv6NotComing(
                        NoIpv6Reason::Failed,
                    )));
                }
                self.v6 = V6::Failed;
            }
            Fact::Suspended => self.suspended = true,
            Fact::Resumed => self.suspended = false,
            Fact::Deactivated => lost = Some(LostReason::Deactivated),
            Fact::Detached => {
                self.registered = Maybe::Nothing;
                lost = Some(LostReason::Detached);
            }
        }
        if matches!(fact, Fact::Deactivated | Fact::Detached) {
            self.active = false;
            self.suspended = false;
            self.allowed = Allowed::Both;
            self.v6 = V6::Pending;
        }
        self.read(now, lost, events);
        if lost.is_some() {
            Change::Lost
        } else {
            Change::None
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, events: &mut Events) {
        if self.waiting.is_due(now) {
            self.v6 = V6::TimedOut;
            events.push(ClientEvent::Network(Event::Ipv6NotComing(
                NoIpv6Reason::Timeout,
            )));
            self.read(now, None, events);
        }
    }

    /// Reads what there is from all that is known, and tells the application what has changed.
    fn read(&mut self, now: Instant, lost: Option<LostReason>, events: &mut Events) {
        let v4 = self.allowed != Allowed::V6;
        let open = if self.registered.get().is_none() || !self.active {
            None
        } else {
            match self.v6 {
                V6::Up => Some(Families { v4, v6: true }),
                _ if self.allowed == Allowed::V4 => Some(Families { v4, v6: false }),
                V6::Failed if v4 => Some(Families { v4, v6: false }),
                V6::Failed => {
                    // Nothing else will come by itself: after a while it is tried all the same.
                    let again = now + self.config.ipv6_only;
                    if self.waiting == Instant::NEVER {
                        self.waiting = again;
                    }
                    if self.open.get().is_none() {
                        return;
                    }
                    None
                }
                V6::TimedOut => Some(Families { v4, v6: false }),
                V6::Pending => {
                    self.wait(now, events);
                    return;
                }
            }
        };
        if self.v6 != V6::Failed || open.is_some() {
            self.waiting = Instant::NEVER;
        }
        if open == self.open.get() {
            return;
        }
        let event = match open {
            Some(families) => {
                if self.open.get().is_none() && self.allowed == Allowed::V4 && !families.v6 {
                    events.push(ClientEvent::Network(Event::Ipv6NotComing(
                        NoIpv6Reason::Ipv4Only,
                    )));
                }
                Event::Up(families)
            }
            None => Event::Lost(lost.unwrap_or(LostReason::NotRegistered)),
        };
        events.push(ClientEvent::Network(event));
        self.open = open.map_or(Maybe::Nothing, Maybe::Some);
    }

    fn wait(&mut self, now: Instant, events: &mut Events) {
        let timeout = if self.allowed == Allowed::V6 {
            self.config.ipv6_only
        } else {
            self.config.dual_stack
        };
        if self.waiting == Instant::NEVER {
            self.waiting = now + timeout;
            events.push(ClientEvent::Network(Event::WaitingForIpv6 { timeout }));
        }
    }
}
