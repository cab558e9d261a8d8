//! The certificate is another device's: CONNACK 5, and the reason in the hub's log.

use crate::support::{World, key, valid_now, waits_for};
use iothub_host::Network;

#[test]
fn a_common_name_that_is_not_the_device_id_is_refused() {
    let mut world = World::new();
    let other = world.issue("another-device", valid_now());
    world.credential("cert.pem", Some(&other.chain_pem()));
    world.credential("key.pem", Some(&key(&other)));
    let lines = world.start(Network::Ipv4Only);
    let line = waits_for(&lines, "CONNACK 5");
    assert!(line.contains(iothub_demo::said::RETRY), "{line}");
    let refused = world.event("refused");
    assert!(
        refused["reason"]
            .as_str()
            .unwrap_or_default()
            .contains("another-device"),
        "{refused}"
    );
}
