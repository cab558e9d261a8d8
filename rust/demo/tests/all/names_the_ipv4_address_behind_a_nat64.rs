//! An IPv6-only network, an IPv4-only hub, and the operator's own prefix.

use crate::support::{World, waits_for};
use iothub_host::Network;

#[test]
fn names_the_ipv4_address_behind_a_nat64() {
    let mut world = World::new();
    let lines = world.start(Network::Ipv6Only);
    let line = waits_for(&lines, iothub_demo::said::BEHIND_NAT64);
    assert!(
        line.contains("over IPv6 to 2001:8004:11d0:4e2a::d46:4ac3, which is 13.70.74.195"),
        "{line}"
    );
}
