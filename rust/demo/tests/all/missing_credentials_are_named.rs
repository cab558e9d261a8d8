//! No credentials, and half of them: the log says what is missing, and the device goes on trying.

use crate::support::{World, waits_for};
use iothub_host::Network;

#[test]
fn missing_credentials_are_named() {
    let mut world = World::new();
    world.credential("key.pem", None);
    let lines = world.start(Network::Ipv4Only);
    let line = waits_for(&lines, "half of a client's credentials");
    assert!(
        line.contains("sec tag 10") && line.contains("key.pem"),
        "the security tag is named: {line}"
    );
    waits_for(&lines, iothub_demo::said::RETRY);

    world.credential("cert.pem", None);
    world.credential("ca.pem", None);
    let lines = world.start(Network::Ipv4Only);
    waits_for(&lines, "sec tag 10");
    waits_for(&lines, iothub_demo::said::RETRY);
}
