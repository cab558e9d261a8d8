//! Dual stack, IPv6 only behind a NAT64, IPv4 only, and a network that promises IPv6 and does not
//! give it.

use crate::support::{World, waits_for};
use iothub_host::Network;

#[test]
fn connects_over_each_kind_of_network() {
    let mut world = World::new();
    for (network, says) in [
        (Network::DualStack, "network up: IPv4 and IPv6"),
        (Network::Ipv6Only, "network up: IPv6 only"),
        (Network::Ipv4Only, "no IPv6: the network gives IPv4 only"),
        (
            Network::DualStackIpv6Fails,
            "no IPv6: its configuration failed",
        ),
    ] {
        let lines = world.start(network);
        waits_for(&lines, says);
        world.connected(&lines);
    }
    world.telemetry_arrives();
}
