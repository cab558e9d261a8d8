//! A hub that takes the CONNECT packet and never answers: nothing but an abort gets out.

use crate::support::{
    device::{self, IPV6_UP, Seen, errno},
    hub::{Hub, Sent},
    pki::Pki,
};
use ncs_sys as sys;

#[test]
fn abort_gets_out_of_connecting() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let hub = Hub::new(pki.hub());
    let port = hub.port();
    let hub = hub.run(|hub| {
        let mut silent = hub.accept();
        assert!(matches!(silent.recv(), Sent::Connect { .. }));
        assert_eq!(silent.recv(), Sent::End);
        hub.accept_mqtt()
    });

    device::attach(device::options(data.path(), port), &IPV6_UP);
    assert_eq!(device::abort(), 0);
    device::init();
    assert_eq!(device::connect(), 0);
    assert_eq!(device::disconnect(), errno(sys::EOPNOTSUPP));
    assert_eq!(device::connect(), errno(sys::EOPNOTSUPP));
    assert_eq!(device::publish("a", b"", 0, 1), errno(sys::EOPNOTSUPP));
    assert_eq!(device::deinit(), errno(sys::EOPNOTSUPP));
    assert_eq!(device::init(), errno(sys::EOPNOTSUPP));
    device::assert_silent();

    assert_eq!(device::abort(), 0);
    let thread = device::thread_name();
    assert_eq!(
        device::next(),
        Seen::Disconnect {
            result: errno(sys::ECONNABORTED),
            thread
        }
    );
    assert_eq!(device::connect(), 0);
    assert_eq!(
        device::next(),
        Seen::Connack {
            code: 0,
            session_present: false
        }
    );
    hub.join().unwrap();
}
