//! It accepts TCP and says nothing: the handshake is bounded, and the device tries again.

use std::{net::TcpListener, sync::mpsc};

use crate::support::{TIMEOUT, World, quick, waits_for};
use iothub_demo::DeviceOptions;
use iothub_host::Network;

#[test]
fn a_hub_that_never_answers_is_given_up() {
    let mut world = World::new();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let (sender, connections) = mpsc::channel();
    std::thread::spawn(move || {
        for connection in silent.incoming().flatten() {
            if sender.send(connection).is_err() {
                return;
            }
        }
    });
    let lines = world.start_with(DeviceOptions {
        network: Network::Ipv4Only,
        port: Some(port),
        send_timeout: std::time::Duration::from_secs(1),
        ..quick()
    });
    let _first = connections
        .recv_timeout(TIMEOUT)
        .expect("the device connects");
    waits_for(&lines, "ETIMEDOUT");
    waits_for(&lines, iothub_demo::said::RETRY);
    let _second = connections
        .recv_timeout(TIMEOUT)
        .expect("the device connects again");
}
