//! The hub trusts another CA than the one of the device's certificate, or the device has none.

use std::fs;

use crate::support::{
    device::{self, IPV6_UP, errno},
    hub::Hub,
    pki::Pki,
};
use ncs_sys as sys;

#[test]
fn is_refused_by_a_hub_that_does_not_know_its_ca() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let hub = Hub::new(pki.hub_that_trusts(&Pki::named("Other CA")));
    let port = hub.port();
    let hub = hub.run(|hub| {
        for _ in 0..2 {
            assert!(hub.try_accept().is_err());
        }
    });

    device::attach(device::options(data.path(), port), &IPV6_UP);
    device::init();
    assert_eq!(device::connect(), errno(sys::ECONNREFUSED));
    device::assert_logged("the server refuses the TLS handshake with the alert UnknownCA");

    let folder = data.path().join("modem/credentials/10");
    fs::remove_file(folder.join("cert.pem")).unwrap();
    fs::remove_file(folder.join("key.pem")).unwrap();
    assert_eq!(device::connect(), errno(sys::ECONNREFUSED));
    device::assert_logged("sec tag [10] has no client certificate");
    hub.join().unwrap();
    device::assert_silent();
}
