//! What the modem reports by itself after it was switched on, in the order and with the delays
//! that were seen on real networks (section 4 of the reference).

use std::time::Duration;

/// What the network gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "kebab-case")]
pub enum Network {
    /// IPv4 at once, IPv6 a little later.
    #[default]
    DualStack,
    /// Dual stack was granted, but IPv6 never comes.
    DualStackIpv6Never,
    /// IPv6 alone.
    Ipv6Only,
    /// IPv6 alone, and it fails.
    Ipv6OnlyFails,
    /// IPv4 alone: reason 0, ESM cause 50.
    Ipv4Only,
    /// No cell.
    None,
}

/// One unsolicited line, and how long after the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The delay.
    pub after: Duration,
    /// The line.
    pub line: String,
}

impl Network {
    pub(crate) fn attach(self) -> Vec<Notice> {
        let searching = notice(200, "+CEREG: 2,\"8169\",\"0149FB00\",7");
        let connected = notice(1500, "+CSCON: 1");
        let registered = notice(
            100,
            "+CEREG: 1,\"8169\",\"0149FB00\",7,,,\"11100000\",\"11100000\"",
        );
        let time = notice(50, "%XTIME: ,\"62115012514400\",\"00\"");
        let activated = |text: &str| notice(300, text);
        let mut all = vec![searching];
        if self == Network::None {
            return all;
        }
        all.push(connected);
        match self {
            Network::Ipv4Only => {
                all.push(activated("+CGEV: ME PDN ACT 0,0"));
                all.push(notice(10, "+CNEC_ESM: 50,0"));
            }
            _ => all.push(activated("+CGEV: ME PDN ACT 0")),
        }
        all.extend([registered, time]);
        match self {
            Network::DualStack | Network::Ipv6Only => all.push(notice(900, "+CGEV: IPV6 0")),
            Network::Ipv6OnlyFails => all.push(notice(12_000, "+CGEV: IPV6 FAIL 0")),
            _ => {}
        }
        all
    }

    pub(crate) fn detach() -> Vec<Notice> {
        vec![
            notice(100, "+CGEV: ME DETACH"),
            notice(20, "+CEREG: 0"),
            notice(20, "+CSCON: 0"),
        ]
    }

    /// The addresses as `+CGPADDR` shows them: IPv6 in upper case.
    pub(crate) fn addresses(self) -> &'static str {
        match self {
            Network::DualStack => "\"10.1.2.3\",\"2A02:2121:20D:175D:0:63:B639:AB01\"",
            Network::DualStackIpv6Never | Network::Ipv4Only => "\"10.1.2.3\"",
            Network::Ipv6Only => "\"2001:8004:4810:1:0:63:B639:AB01\"",
            Network::Ipv6OnlyFails | Network::None => "",
        }
    }
}

fn notice(after_ms: u64, line: &str) -> Notice {
    Notice {
        after: Duration::from_millis(after_ms),
        line: line.to_owned(),
    }
}
