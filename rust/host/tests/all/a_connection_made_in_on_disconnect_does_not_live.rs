//! Nordic's race, kept: the helper's thread ends its loop by aborting whatever connection there is,
//! also one that on_disconnect made.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{
    device::{self, IPV6_UP, Seen, errno},
    hub::{Hub, Sent},
    pki::Pki,
};
use ncs_sys as sys;

#[test]
fn a_connection_made_in_on_disconnect_does_not_live() {
    crate::support::alone(run);
}

fn run() {
    static ONCE: AtomicBool = AtomicBool::new(false);

    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let hub = Hub::new(pki.hub());
    let port = hub.port();
    let hub = hub.run(|hub| {
        drop(hub.accept_mqtt());
        let mut again = hub.accept();
        assert!(matches!(again.recv(), Sent::Connect { .. }));
        assert_eq!(again.recv(), Sent::End);
    });

    device::attach(device::options(data.path(), port), &IPV6_UP);
    device::init();
    device::in_disconnect(|| {
        if !ONCE.swap(true, Ordering::SeqCst) {
            assert_eq!(device::abort(), errno(sys::EDEADLK));
            assert_eq!(device::connect(), 0);
        }
    });
    assert_eq!(device::connect(), 0);
    assert_eq!(
        device::next(),
        Seen::Connack {
            code: 0,
            session_present: false
        }
    );
    let disconnect = |error| Seen::Disconnect {
        result: errno(error),
        thread: "mqtt_helper".into(),
    };
    assert_eq!(device::next(), disconnect(sys::ENOTCONN));
    assert_eq!(device::next(), disconnect(sys::ECONNABORTED));
    hub.join().unwrap();
    assert_eq!(device::abort(), 0);
    device::assert_silent();
}
