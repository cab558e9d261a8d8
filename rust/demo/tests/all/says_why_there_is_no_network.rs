//! No SIM, registration denied: the log says so, and the device goes on.

use crate::support::{World, waits_for};
use iothub_host::Network;

#[test]
fn says_why_there_is_no_network() {
    let mut world = World::new();
    let lines = world.start(Network::NoSim);
    waits_for(&lines, "no SIM, or it does not answer");
    let lines = world.start(Network::Denied);
    waits_for(&lines, "registration denied");
}
