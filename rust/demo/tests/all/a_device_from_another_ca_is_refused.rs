//! The hub does not know the CA of the device's certificate: refused, with the reason in the hub's
//! log.

use crate::support::{World, issue, key, valid_now, waits_for};
use iothub_demo::DEVICE_ID;
use iothub_host::Network;

#[test]
fn a_device_from_another_ca_is_refused() {
    let mut world = World::new();
    let stranger = issue(&world.other_pki(), DEVICE_ID, valid_now());
    world.credential("cert.pem", Some(&stranger.chain_pem()));
    world.credential("key.pem", Some(&key(&stranger)));
    let lines = world.start(Network::Ipv4Only);
    waits_for(&lines, iothub_demo::said::RETRY);
    let refused = world.event("refused");
    assert!(
        !refused["reason"].as_str().unwrap_or_default().is_empty(),
        "{refused}"
    );
}
