//! The hub has the PUBACK of a C2D message while on_publish still runs; and an abort waits for that
//! callback.

use std::{sync::mpsc, thread};

use crate::support::{
    DEADLINE,
    device::{self, IPV6_UP, Seen, errno},
    hub::{Hub, Sent},
    pki::Pki,
};
use ncs_sys as sys;

#[test]
fn acknowledges_before_it_hands_over() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let hub = Hub::new(pki.hub());
    let port = hub.port();
    let (acknowledged, was_acknowledged) = mpsc::channel();
    let hub = hub.run(move |hub| {
        let mut session = hub.accept_mqtt();
        session.publish("c2d", b"1", Some(1));
        assert_eq!(session.recv(), Sent::Puback(1));
        acknowledged.send(()).unwrap();
        assert_eq!(session.recv(), Sent::End);
    });

    device::attach(device::options(data.path(), port), &IPV6_UP);
    device::init();
    let (entered, has_entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel();
    device::in_publish(move || {
        was_acknowledged.recv_timeout(DEADLINE).unwrap();
        entered.send(()).unwrap();
        may_leave.recv_timeout(DEADLINE).unwrap();
    });
    assert_eq!(device::connect(), 0);
    assert_eq!(
        device::next(),
        Seen::Connack {
            code: 0,
            session_present: false
        }
    );
    has_entered.recv_timeout(DEADLINE).unwrap();

    let aborting = thread::Builder::new()
        .name("aborting".into())
        .spawn(device::abort)
        .unwrap();
    let thread = "aborting".into();
    assert_eq!(
        device::next(),
        Seen::Disconnect {
            result: errno(sys::ECONNABORTED),
            thread
        }
    );
    assert!(!aborting.is_finished());
    leave.send(()).unwrap();
    assert_eq!(
        device::next(),
        Seen::Publish {
            topic: "c2d".into(),
            payload: b"1".into()
        }
    );
    assert_eq!(aborting.join().unwrap(), 0);
    device::assert_silent();
    hub.join().unwrap();
}
