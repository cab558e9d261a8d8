//! The log names the host, and the device goes on trying.

use crate::support::{World, waits_for};
use iothub_host::Network;

#[test]
fn an_unresolvable_host_is_named() {
    let mut world = World::new();
    world
        .bench
        .setup()
        .setting("iothub/hostname", "no-such-hub.invalid")
        .expect("set");
    let lines = world.start(Network::Ipv4Only);
    waits_for(&lines, "connecting to no-such-hub.invalid");
    waits_for(&lines, "could not be resolved");
    waits_for(&lines, iothub_demo::said::RETRY);
}
