//! The state of the network: whether a connection can be made.

use core::time::Duration;

use crate::time::Instant;
use crate::zero_option::ZeroOption;

/// A report of the modem.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
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

/// Whether to wait for the network, and how long for IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `false`: the platform looks after the network; the client makes no `Attach` and waits for no
    /// address family.
    pub enabled: bool,
    /// Longest wait for IPv6 where the network may offer both address families.
    pub dual_stack: Duration,
    /// Longest wait for IPv6 where the network offers IPv6 only.
    pub ipv6_only: Duration,
}

impl Config {
    /// Enabled, 5 s and 30 s.
    pub const fn new() -> Self {
        Self {
            enabled: true,
            dual_stack: Duration::from_secs(5),
            ipv6_only: Duration::from_secs(30),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// The address families of the PDN, as far as the modem has reported them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Families {
    /// IPv4 can be used.
    pub v4: bool,
    /// IPv6 can be used.
    pub v6: bool,
}

/// A change of the network's state, for the application.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The device is registered.
    Registered {
        /// Not the home network.
        roaming: bool,
    },
    /// Registered and activated; the client waits for IPv6.
    WaitingForIpv6 {
        /// Longest wait.
        timeout: Duration,
    },
    /// A connection can be made.
    Up(Families),
    /// A connection cannot be made any more.
    Lost(LostReason),
    /// There is no IPv6. [`Event::Up`] follows where the PDN has IPv4, or where waiting has ended.
    Ipv6NotComing(NoIpv6Reason),
    /// The registration is refused.
    Refused(RefusedReason),
}

/// Why a connection cannot be made any more.
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
    /// The modem could not configure IPv6.
    Failed,
    /// No IPv6 address in time.
    Timeout,
}

/// Why registration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedReason {
    /// The network refuses the SIM: does its subscription cover this network?
    Denied,
    /// The SIM fails: is there one?
    UiccFail,
}

/// The address of the last connect, in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// IPv4.
    V4([u8; 4]),
    /// IPv6.
    V6([u8; 16]),
}

/// The address of the last connect, with an embedded IPv4 address found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerView {
    /// IPv4.
    V4([u8; 4]),
    /// IPv6 without a recognised IPv4 address inside.
    V6([u8; 16]),
    /// IPv6 with an IPv4 address inside (RFC 6052).
    Nat64 {
        /// The address itself.
        address: [u8; 16],
        /// The length of the prefix in bits: 32, 40, 48, 56, 64 or 96.
        prefix: u8,
        /// The IPv4 address inside.
        v4: [u8; 4],
        /// The prefix is well known or was discovered; otherwise it is a guess from the address's
        /// shape.
        certain: bool,
    },
}

/// What an input means for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// The network that carried the connection is gone.
    Lost,
}

/// Receives the events of one call.
pub(crate) type Emit<'e> = &'e mut dyn FnMut(Event);

/// The PDN state machine. Inputs may come in any order: each is stored, and the state is evaluated
/// anew from all that is stored.
#[derive(Debug)]
pub(crate) struct NetworkMonitor {
    config: Config,
    /// `Some(roaming)` while registered.
    registered: ZeroOption<bool>,
    active: bool,
    suspended: bool,
    allowed: Allowed,
    v6: V6,
    /// End of the wait for IPv6.
    deadline: Instant,
    /// The last state that was emitted; `None`: no connection can be made.
    up: ZeroOption<Families>,
}

/// The address families that the network allows.
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

impl NetworkMonitor {
    pub(crate) const fn new(config: Config) -> Self {
        Self {
            config,
            registered: ZeroOption::None,
            active: false,
            suspended: false,
            allowed: Allowed::Both,
            v6: V6::Pending,
            deadline: Instant::NEVER,
            up: ZeroOption::None,
        }
    }

    /// All zeros.
    pub(crate) const fn unconfigured() -> Self {
        Self::new(Config {
            enabled: false,
            dual_stack: Duration::ZERO,
            ipv6_only: Duration::ZERO,
        })
    }

    /// Whether a connection can be made.
    pub(crate) fn is_up(&self) -> bool {
        !self.config.enabled || (self.up.get().is_some() && !self.suspended)
    }

    /// Whether the client is to switch the modem on.
    pub(crate) fn needs_attach(&self) -> bool {
        self.config.enabled && self.registered.get().is_none() && !self.active
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn handle(&mut self, now: Instant, input: Input, emit: Emit<'_>) -> Change {
        if !self.config.enabled {
            return Change::None;
        }
        let mut lost = None;
        match input {
            Input::Registered { roaming } => {
                if self.registered != ZeroOption::Some(roaming) {
                    emit(Event::Registered { roaming });
                }
                self.registered = ZeroOption::Some(roaming);
            }
            Input::NotRegistered | Input::Searching => {
                self.registered = ZeroOption::None;
            }
            Input::Denied => {
                self.registered = ZeroOption::None;
                emit(Event::Refused(RefusedReason::Denied));
            }
            Input::UiccFail => {
                self.registered = ZeroOption::None;
                emit(Event::Refused(RefusedReason::UiccFail));
            }
            Input::Activated { reason } => {
                self.active = true;
                self.suspended = false;
                match reason {
                    Some(0) => self.allowed = Allowed::V4,
                    Some(1) => self.allowed = Allowed::V6,
                    _ => {}
                }
            }
            Input::Esm(50) => self.allowed = Allowed::V4,
            Input::Esm(51) => self.allowed = Allowed::V6,
            Input::Esm(_) => {}
            Input::Ipv6Up => self.v6 = V6::Up,
            Input::Ipv6Down => {
                if self.up.get().is_some_and(|families| !families.v4) {
                    lost = Some(LostReason::Ipv6Down);
                }
                if self.v6 != V6::Failed {
                    emit(Event::Ipv6NotComing(NoIpv6Reason::Failed));
                }
                self.v6 = V6::Failed;
            }
            Input::Suspended => self.suspended = true,
            Input::Resumed => self.suspended = false,
            Input::Deactivated => lost = Some(LostReason::Deactivated),
            Input::Detached => {
                self.registered = ZeroOption::None;
                lost = Some(LostReason::Detached);
            }
        }
        if matches!(input, Input::Deactivated | Input::Detached) {
            self.active = false;
            self.suspended = false;
            self.allowed = Allowed::Both;
            self.v6 = V6::Pending;
        }
        self.evaluate(now, lost, emit);
        if lost.is_some() {
            Change::Lost
        } else {
            Change::None
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, emit: Emit<'_>) {
        if self.deadline.is_due(now) {
            self.v6 = V6::TimedOut;
            emit(Event::Ipv6NotComing(NoIpv6Reason::Timeout));
            self.evaluate(now, None, emit);
        }
    }

    /// Evaluates all that is stored, and emits what has changed.
    fn evaluate(&mut self, now: Instant, lost: Option<LostReason>, emit: Emit<'_>) {
        let v4 = self.allowed != Allowed::V6;
        let up = if self.registered.get().is_none() || !self.active {
            None
        } else {
            match self.v6 {
                V6::Up => Some(Families { v4, v6: true }),
                _ if self.allowed == Allowed::V4 => Some(Families { v4, v6: false }),
                V6::Failed if v4 => Some(Families { v4, v6: false }),
                V6::Failed => {
                    // The modem will report nothing more by itself: after a while a connect is
                    // tried all the same.
                    let retry = now + self.config.ipv6_only;
                    if self.deadline == Instant::NEVER {
                        self.deadline = retry;
                    }
                    if self.up.get().is_none() {
                        return;
                    }
                    None
                }
                V6::TimedOut => Some(Families { v4, v6: false }),
                V6::Pending => {
                    self.wait_for_ipv6(now, emit);
                    return;
                }
            }
        };
        if self.v6 != V6::Failed || up.is_some() {
            self.deadline = Instant::NEVER;
        }
        if up == self.up.get() {
            return;
        }
        let event = match up {
            Some(families) => {
                if self.up.get().is_none() && self.allowed == Allowed::V4 && !families.v6 {
                    emit(Event::Ipv6NotComing(NoIpv6Reason::Ipv4Only));
                }
                Event::Up(families)
            }
            None => Event::Lost(lost.unwrap_or(LostReason::NotRegistered)),
        };
        emit(event);
        self.up = up.map_or(ZeroOption::None, ZeroOption::Some);
    }

    fn wait_for_ipv6(&mut self, now: Instant, emit: Emit<'_>) {
        let timeout = if self.allowed == Allowed::V6 {
            self.config.ipv6_only
        } else {
            self.config.dual_stack
        };
        if self.deadline == Instant::NEVER {
            self.deadline = now + timeout;
            emit(Event::WaitingForIpv6 { timeout });
        }
    }
}
