//! Which address a name has, and that it is reached: IPv6-only by NAT64, dual stack by IPv6 once it
//! is up, IPv4-only; and the positive numbers of a name that has none.

use std::net::{IpAddr, Ipv6Addr};

use crate::support::{
    device::{self, IPV6_UP, Seen, errno},
    hub::Hub,
    pki::Pki,
};
use iothub_host::{Loss, Network};
use ncs_sys as sys;

const HOME: Seen = Seen::Registration(1);

#[test]
fn finds_the_hub_on_every_kind_of_network() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let hub = Hub::new(pki.hub());
    let mut options = device::options(data.path(), hub.port());
    options
        .hosts
        .push(("v6.example".into(), Ipv6Addr::LOCALHOST.into()));
    let hub = hub.run(|hub| {
        for _ in 0..5 {
            let mut session = hub.accept_mqtt();
            session.recv();
        }
    });
    let connects_at = |address: &str| {
        assert_eq!(device::connect(), 0);
        assert_eq!(
            device::next(),
            Seen::Connack {
                code: 0,
                session_present: false
            }
        );
        let octets = match address.parse().unwrap() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        assert_eq!(device::peer(), Ok(octets));
        assert_eq!(device::disconnect(), 0);
        assert!(matches!(device::next(), Seen::Disconnect { result: 0, .. }));
        assert_eq!(device::abort(), 0);
    };
    assert_eq!(device::peer(), Err(errno(sys::EPERM)));

    device::attach(options, &IPV6_UP);
    device::init();
    let modem = iothub_host::modem().unwrap();
    assert_eq!(device::peer(), Err(errno(sys::ENOTCONN)));
    connects_at("2001:8004:11d0:4e2a::7f00:1");

    modem.attach(Network::DualStackIpv6Never).unwrap();
    device::until(&HOME);
    connects_at("127.0.0.1");
    modem.attach(Network::DualStack).unwrap();
    device::until(&IPV6_UP);
    connects_at("127.0.0.1");

    modem.lose(Loss::Detached).unwrap();
    device::until(&Seen::Pdn {
        event: 5,
        reason: -1,
    });
    const AGAIN: i32 = 3;
    assert_eq!(device::connect(), AGAIN);

    modem.attach(Network::Ipv4Only).unwrap();
    device::until(&Seen::Registration(5));
    connects_at("127.0.0.1");
    const NO_DATA: i32 = 5;
    assert_eq!(device::connect_to("v6.example"), NO_DATA);
    assert_eq!(device::connect_to("::1"), errno(sys::ENETUNREACH));
    const NO_NAME: i32 = 2;
    assert_eq!(device::connect_to("my-hub.invalid"), NO_NAME);
    device::assert_logged("my-hub.invalid cannot be resolved: there is no such name");

    modem.lose(Loss::Detached).unwrap();
    device::until(&Seen::Pdn {
        event: 5,
        reason: -1,
    });
    modem.attach(Network::Ipv6Only).unwrap();
    device::until(&IPV6_UP);
    assert_eq!(device::connect_to("127.0.0.1"), errno(sys::ENETUNREACH));
    connects_at("2001:8004:11d0:4e2a::7f00:1");
    hub.join().unwrap();
}
