//! What a modem meets when it is switched on, as lists of events.
//!
//! Order and delays are those that logs of real modems show: `+CGEV: ME PDN ACT 0[,reason]`, with
//! `+CNEC_ESM: 50` or `51` where the network gives one family only, then `+CEREG: 1` or `5`, and
//! 0.6 to 3 s after the activation `+CGEV: IPV6 0`.

use std::{fmt, str::FromStr, time::Duration};

/// What the modem finds when it is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Network {
    /// IPv4 and IPv6; IPv6 comes later than IPv4.
    DualStack,
    /// Nothing says that there is no IPv6, and it never comes.
    DualStackIpv6Never,
    /// IPv4, and `+CGEV: IPV6 FAIL`.
    DualStackIpv6Fails,
    /// IPv6 only (reason 1, ESM 51).
    Ipv6Only,
    /// IPv6 only, and it never comes.
    Ipv6OnlyNever,
    /// IPv6 only, and `+CGEV: IPV6 FAIL`.
    Ipv6OnlyFails,
    /// IPv4 only (reason 0, ESM 50), roaming.
    Ipv4Only,
    /// The network refuses the registration.
    Denied,
    /// No SIM card that works.
    NoSim,
    /// No cell in reach: the search goes on without end.
    NoCell,
}

/// The states of registration, as `AT+CEREG` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Registration {
    /// Not registered, and not searching.
    NotRegistered,
    /// Registered at home.
    Home,
    /// Searching.
    Searching,
    /// Refused.
    Denied,
    /// Unknown.
    Unknown,
    /// Registered elsewhere.
    Roaming,
    /// The SIM card does not work.
    UiccFail,
}

impl Registration {
    /// Whether the network has taken the device.
    pub fn is_registered(self) -> bool {
        matches!(self, Self::Home | Self::Roaming)
    }
}

/// What the modem says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// `+CEREG`.
    Registration(Registration),
    /// `+CNEC_ESM`: 50 IPv4 only, 51 IPv6 only.
    EsmCause(u8),
    /// `+CGEV: ME PDN ACT 0[,reason]`: 0 IPv4 only, 1 IPv6 only.
    Activated {
        /// Why not what was asked for.
        reason: Option<u8>,
    },
    /// `+CGEV: NW PDN DEACT 0`.
    Deactivated,
    /// `+CGEV: IPV6 0`.
    Ipv6Up,
    /// `+CGEV: IPV6 FAIL 0`.
    Ipv6Down,
    /// `+CGEV: NW DETACH`.
    NetworkDetach,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registration(registration) => f.write_str(match registration {
                Registration::NotRegistered => "not registered, and not searching",
                Registration::Home => "registered with the home network",
                Registration::Searching => "searching for a network",
                Registration::Denied => "the network refuses the registration",
                Registration::Unknown => "it is not known whether the device is registered",
                Registration::Roaming => "registered with another network: roaming",
                Registration::UiccFail => "the SIM card does not work",
            }),
            Self::EsmCause(50) => f.write_str("the network allows IPv4 only (ESM cause 50)"),
            Self::EsmCause(51) => f.write_str("the network allows IPv6 only (ESM cause 51)"),
            Self::EsmCause(cause) => write!(f, "the network says ESM cause {cause}"),
            Self::Activated { reason: None } => f.write_str("the data connection is active"),
            Self::Activated { reason: Some(0) } => {
                f.write_str("the data connection is active, with IPv4 only")
            }
            Self::Activated { reason: Some(1) } => {
                f.write_str("the data connection is active, with IPv6 only")
            }
            Self::Activated {
                reason: Some(reason),
            } => {
                write!(f, "the data connection is active, with reason {reason}")
            }
            Self::Deactivated => f.write_str("the network took the data connection away"),
            Self::Ipv6Up => f.write_str("IPv6 is up"),
            Self::Ipv6Down => f.write_str("IPv6 is down"),
            Self::NetworkDetach => f.write_str("the network detached the device"),
        }
    }
}

/// An event and how long after the one before it (the first: after now).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Multiplied by [`Options::time_factor`](crate::Options::time_factor).
    pub after: Duration,
    /// What happens then.
    pub event: Event,
}

/// How a connection to the network is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// The network takes the PDN away.
    Deactivated,
    /// The network detaches the device.
    Detached,
    /// IPv6 goes.
    Ipv6Down,
    /// Out of coverage: the modem searches, the PDN stays.
    Searching,
}

impl Network {
    /// Every one of them.
    pub const ALL: [Self; 10] = [
        Self::DualStack,
        Self::DualStackIpv6Never,
        Self::DualStackIpv6Fails,
        Self::Ipv6Only,
        Self::Ipv6OnlyNever,
        Self::Ipv6OnlyFails,
        Self::Ipv4Only,
        Self::Denied,
        Self::NoSim,
        Self::NoCell,
    ];

    /// What it is called on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::DualStack => "dual-stack",
            Self::DualStackIpv6Never => "dual-stack-ipv6-never",
            Self::DualStackIpv6Fails => "dual-stack-ipv6-fails",
            Self::Ipv6Only => "ipv6-only",
            Self::Ipv6OnlyNever => "ipv6-only-never",
            Self::Ipv6OnlyFails => "ipv6-only-fails",
            Self::Ipv4Only => "ipv4-only",
            Self::Denied => "denied",
            Self::NoSim => "no-sim",
            Self::NoCell => "no-cell",
        }
    }

    /// What the modem says while it attaches.
    pub(crate) fn attach(self) -> Vec<Step> {
        let searching = step(SEARCH, Event::Registration(Registration::Searching));
        let home = step(REGISTER, Event::Registration(Registration::Home));
        let roaming = step(REGISTER, Event::Registration(Registration::Roaming));
        let activated = |reason| step(ACTIVATE, Event::Activated { reason });
        let esm = |cause| step(ESM, Event::EsmCause(cause));
        let up = step(IPV6, Event::Ipv6Up);
        let fails = step(IPV6, Event::Ipv6Down);
        match self {
            Self::DualStack => vec![searching, activated(None), home, up],
            Self::DualStackIpv6Never => vec![searching, activated(None), home],
            Self::DualStackIpv6Fails => vec![searching, activated(None), home, fails],
            Self::Ipv6Only => vec![searching, activated(Some(1)), esm(51), home, up],
            Self::Ipv6OnlyNever => vec![searching, activated(Some(1)), esm(51), home],
            Self::Ipv6OnlyFails => vec![searching, activated(Some(1)), esm(51), home, fails],
            Self::Ipv4Only => vec![searching, activated(Some(0)), esm(50), roaming],
            Self::Denied => vec![
                searching,
                step(ACTIVATE, Event::Registration(Registration::Denied)),
            ],
            Self::NoSim => vec![step(SEARCH, Event::Registration(Registration::UiccFail))],
            Self::NoCell => vec![searching],
        }
    }
}

impl Loss {
    /// What the modem says when that happens.
    pub(crate) fn steps(self) -> Vec<Step> {
        let now = |event| step(Duration::ZERO, event);
        match self {
            Self::Deactivated => vec![now(Event::Deactivated)],
            Self::Detached => vec![
                now(Event::Registration(Registration::NotRegistered)),
                now(Event::NetworkDetach),
            ],
            Self::Ipv6Down => vec![now(Event::Ipv6Down)],
            Self::Searching => vec![now(Event::Registration(Registration::Searching))],
        }
    }
}

fn step(after: Duration, event: Event) -> Step {
    Step { after, event }
}

const SEARCH: Duration = Duration::from_millis(50);
const ACTIVATE: Duration = Duration::from_millis(1500);
const ESM: Duration = Duration::from_millis(5);
const REGISTER: Duration = Duration::from_millis(20);
const IPV6: Duration = Duration::from_millis(1200);

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no [`Network`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError(String);

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Network::ALL.map(|network| network.to_string());
        write!(f, "'{}' is none of {}", self.0, known.join(", "))
    }
}

impl std::error::Error for NetworkError {}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|network| network.name() == text);
        found.ok_or_else(|| NetworkError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_is_found_by_its_name() {
        for network in Network::ALL {
            assert_eq!(network.to_string().parse(), Ok(network));
        }
        let error = "5g".parse::<Network>().unwrap_err().to_string();
        assert!(error.starts_with("'5g' is none of dual-stack, "), "{error}");
    }

    #[test]
    fn ipv6_comes_between_600_ms_and_3_s_after_the_activation() {
        for network in [Network::DualStack, Network::Ipv6Only] {
            let steps = network.attach();
            let of = |wanted: fn(&Event) -> bool| steps.iter().position(|step| wanted(&step.event));
            let active = of(|event| matches!(event, Event::Activated { .. })).unwrap();
            let up = of(|event| *event == Event::Ipv6Up).unwrap();
            let delay: Duration = steps[active + 1..=up].iter().map(|step| step.after).sum();
            assert!(
                (600..3000).contains(&delay.as_millis()),
                "{network}: {delay:?}"
            );
        }
    }
}
