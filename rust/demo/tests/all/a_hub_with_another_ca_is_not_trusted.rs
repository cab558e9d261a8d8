//! The device holds the wrong CA: it does not talk to the hub.

use crate::support::{World, waits_for};
use iothub_host::Network;

#[test]
fn a_hub_with_another_ca_is_not_trusted() {
    let mut world = World::new();
    let stranger = world.other_pki();
    let root = stranger
        .authority_certificate("rootca")
        .expect("a root")
        .pem();
    world.credential("ca.pem", Some(&root));
    let lines = world.start(Network::Ipv4Only);
    waits_for(&lines, "ECONNREFUSED");
    waits_for(&lines, iothub_demo::said::RETRY);
    let telemetry = world
        .bench
        .rest()
        .telemetry(iothub_demo::DEVICE_ID, 0)
        .expect("the hub answers");
    assert!(telemetry.is_empty(), "{telemetry:?}");
}
