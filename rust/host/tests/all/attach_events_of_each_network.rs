//! What the callbacks are told while the modem attaches, on each kind of network, and when it is
//! lost.

use crate::support::device::{self, Seen, errno};
use iothub_host::{Loss, ModemError, Network};
use ncs_sys as sys;

const SEARCHING: Seen = Seen::Registration(2);
const HOME: Seen = Seen::Registration(1);
const IPV6_UP: Seen = Seen::Pdn {
    event: 3,
    reason: -1,
};
const IPV6_DOWN: Seen = Seen::Pdn {
    event: 4,
    reason: -1,
};

fn activated(reason: i32) -> Seen {
    Seen::Pdn { event: 1, reason }
}

fn esm(cause: i32) -> Seen {
    Seen::Pdn {
        event: 0,
        reason: cause,
    }
}

fn expect(all: &[Seen]) {
    all.iter()
        .for_each(|expected| assert_eq!(device::next(), *expected));
}

#[test]
fn attach_events_of_each_network() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    assert_eq!(iothub_host::modem().map(drop), Err(ModemError::NotStarted));
    let mut options = device::options(data.path(), 1);
    options.network = Network::NoCell;
    device::attach(options, &SEARCHING);
    let modem = iothub_host::modem().unwrap();
    assert_eq!(device::lte_on(), errno(sys::EINPROGRESS));

    let attaches = |network, events: &[Seen]| {
        modem.attach(network).unwrap();
        expect(&[SEARCHING]);
        expect(events);
    };
    attaches(Network::DualStack, &[activated(-1), HOME, IPV6_UP]);
    assert_eq!(device::lte_on(), 0);
    attaches(Network::DualStackIpv6Never, &[activated(-1), HOME]);
    attaches(
        Network::DualStackIpv6Fails,
        &[activated(-1), HOME, IPV6_DOWN],
    );
    attaches(Network::Ipv6Only, &[activated(1), esm(51), HOME, IPV6_UP]);
    attaches(Network::Ipv6OnlyNever, &[activated(1), esm(51), HOME]);
    attaches(
        Network::Ipv6OnlyFails,
        &[activated(1), esm(51), HOME, IPV6_DOWN],
    );
    attaches(
        Network::Ipv4Only,
        &[activated(0), esm(50), Seen::Registration(5)],
    );
    attaches(Network::Denied, &[Seen::Registration(3)]);
    attaches(Network::NoCell, &[]);
    modem.attach(Network::NoSim).unwrap();
    expect(&[Seen::Registration(90)]);

    let lost = |loss, events: &[Seen]| {
        modem.lose(loss).unwrap();
        expect(events);
    };
    lost(
        Loss::Deactivated,
        &[Seen::Pdn {
            event: 2,
            reason: -1,
        }],
    );
    lost(Loss::Ipv6Down, &[IPV6_DOWN]);
    lost(Loss::Searching, &[SEARCHING]);
    lost(
        Loss::Detached,
        &[
            Seen::Registration(0),
            Seen::Pdn {
                event: 5,
                reason: -1,
            },
        ],
    );

    assert_eq!(device::lte_off(), 0);
    expect(&[
        Seen::Registration(0),
        Seen::Pdn {
            event: 5,
            reason: -1,
        },
    ]);
    assert_eq!(modem.lose(Loss::Detached), Err(ModemError::Off));
    assert_eq!(device::lte_on(), 0);
    expect(&[SEARCHING]);
    device::assert_silent();
}
