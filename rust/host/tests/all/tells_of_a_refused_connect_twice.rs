//! A refused CONNECT: on_connack with the reason, then on_disconnect; and a hub that just closes.

use crate::support::{
    device::{self, IPV6_UP, Seen, errno},
    hub::Hub,
    pki::Pki,
};
use ncs_sys as sys;

#[test]
fn tells_of_a_refused_connect_twice() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let hub = Hub::new(pki.hub());
    let port = hub.port();
    let hub = hub.run(|hub| {
        let mut session = hub.accept();
        session.recv();
        session.connack(5, false);
        session.recv();
        drop(hub.accept_mqtt());
    });

    device::attach(device::options(data.path(), port), &IPV6_UP);
    device::init();
    assert_eq!(device::connect(), 0);
    assert_eq!(
        device::next(),
        Seen::Connack {
            code: 5,
            session_present: false
        }
    );
    let disconnect = |error| Seen::Disconnect {
        result: errno(error),
        thread: "mqtt_helper".into(),
    };
    assert_eq!(device::next(), disconnect(sys::ECONNREFUSED));

    assert_eq!(device::abort(), 0);
    assert_eq!(device::connect(), 0);
    assert_eq!(
        device::next(),
        Seen::Connack {
            code: 0,
            session_present: false
        }
    );
    assert_eq!(device::next(), disconnect(sys::ENOTCONN));
    assert_eq!(device::abort(), 0);
    assert_eq!(device::deinit(), 0);
    assert_eq!(device::connect(), errno(sys::EOPNOTSUPP));
    device::assert_silent();
    hub.join().unwrap();
}
