//! The credentials come in over AT commands: the key is made in the modem and is nowhere else. What
//! is done stays done, and what does not belong there is replaced.

use std::fs;

use crate::support::{World, key, valid_now};
use iothub_demo::DEVICE_ID;
use iothub_host::Network;
use iothub_provision::pki::{Certificate, Key};

#[test]
fn provisions_over_at() {
    let mut world = World::new();
    let setup = world.bench.setup();
    let (store, devices) = (setup.credentials(), setup.data().join("pki/devices"));
    let read = |name: &str| fs::read_to_string(store.join(name)).expect("a credential");
    let key_fits = || {
        let leaf = Certificate::from_pem(&read("cert.pem")).expect("a certificate");
        let key = Key::from_pem(&read("key.pem"), None).expect("a key");
        assert_eq!(leaf.common_name(), Some(DEVICE_ID));
        assert_eq!(leaf.public_key(), key.public_key());
    };
    let outside = devices.join(format!("{DEVICE_ID}.key"));
    key_fits();
    assert!(!outside.exists());

    let again = world.bench.provision().expect("provisioned already");
    assert!(again.iter().all(|step| !step.changed), "{again:?}");

    let stranger = world.issue("another-device", valid_now());
    world.credential("key.pem", Some(&key(&stranger)));
    fs::write(&outside, key(&stranger)).expect("written");
    world.bench.provision().expect("provisioned anew");
    key_fits();
    assert!(!outside.exists());
    let lines = world.start(Network::Ipv4Only);
    world.connected(&lines);
}
