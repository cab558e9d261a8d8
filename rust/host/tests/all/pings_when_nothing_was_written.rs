//! Keep-alive: a PINGREQ when nothing was written for that long, and none while CONNECT is
//! unanswered: there the helper gives up.

use std::time::Duration;

use crate::support::{
    device::{self, IPV6_UP, Seen, errno},
    hub::{Hub, Sent},
    pki::Pki,
};
use ncs_sys as sys;

#[test]
fn pings_when_nothing_was_written() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let hub = Hub::new(pki.hub());
    let mut options = device::options(data.path(), hub.port());
    options.keep_alive = Duration::from_secs(1);
    let hub = hub.run(|hub| {
        let mut session = hub.accept_mqtt();
        assert_eq!(session.recv(), Sent::Pingreq);
        session.pingresp();
        assert_eq!(session.recv(), Sent::Pingreq);
        drop(session);
        let mut silent = hub.accept();
        assert!(matches!(silent.recv(), Sent::Connect { keep_alive: 1, .. }));
        assert_eq!(silent.recv(), Sent::End);
    });

    device::attach(options, &IPV6_UP);
    device::init();
    assert_eq!(device::connect(), 0);
    assert_eq!(
        device::next(),
        Seen::Connack {
            code: 0,
            session_present: false
        }
    );
    assert_eq!(device::next(), Seen::Pingresp);
    let disconnect = |error| Seen::Disconnect {
        result: errno(error),
        thread: "mqtt_helper".into(),
    };
    assert_eq!(device::next(), disconnect(sys::ENOTCONN));
    assert_eq!(device::abort(), 0);
    assert_eq!(device::connect(), 0);
    assert_eq!(device::next(), disconnect(sys::ECONNABORTED));
    hub.join().unwrap();
}
