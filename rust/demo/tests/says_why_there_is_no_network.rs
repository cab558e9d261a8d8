//! No SIM, registration denied: the log says so, and the device goes on.

mod support;

use iothub_host::Network;
use support::{World, waits_for};

#[test]
fn says_why_there_is_no_network() {
    let mut world = World::new();
    let lines = world.start(Network::NoSim);
    waits_for(&lines, "no SIM, or it does not answer");
    let lines = world.start(Network::Denied);
    waits_for(&lines, "registration denied");
}
