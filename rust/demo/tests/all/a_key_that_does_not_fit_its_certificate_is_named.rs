//! The log names the key, and the device goes on trying.

use crate::support::{World, key, valid_now, waits_for};
use iothub_host::Network;

#[test]
fn a_key_that_does_not_fit_its_certificate_is_named() {
    let mut world = World::new();
    let other = world.issue("another-device", valid_now());
    world.credential("key.pem", Some(&key(&other)));
    let lines = world.start(Network::Ipv4Only);
    waits_for(&lines, "the private key is not the one of the certificate");
    waits_for(&lines, "ECONNREFUSED");
    waits_for(&lines, iothub_demo::said::RETRY);
}
