//! A write that fails inside of publish: on_disconnect is called on the caller's thread before
//! publish returns, and may call back into the helper.

use std::{sync::Mutex, sync::mpsc, time::Duration};

use crate::support::{
    DEADLINE,
    device::{self, IPV6_UP, Seen, errno},
    hub::Hub,
    pki::Pki,
};
use ncs_sys as sys;

static INSIDE: Mutex<Vec<i32>> = Mutex::new(Vec::new());

#[test]
fn a_failed_write_tells_on_the_callers_thread() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let hub = Hub::new(pki.hub());
    let mut options = device::options(data.path(), hub.port());
    options.send_timeout = Duration::from_secs(1);
    let (done, may_close) = mpsc::channel::<()>();
    let hub = hub.run(move |hub| {
        // Connected, and then it reads nothing more.
        let session = hub.accept_mqtt();
        may_close.recv_timeout(DEADLINE).unwrap();
        drop(session);
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
    device::in_disconnect(|| {
        let called = [
            device::publish("a", b"", 0, 2),
            device::disconnect(),
            device::init(),
        ];
        INSIDE.lock().unwrap().extend(called);
    });
    let payload = vec![0; 1 << 20];
    let results = std::iter::repeat_with(|| device::publish("a", &payload, 0, 1));
    let failed = results.take(100).find(|result| *result != 0);

    assert_eq!(failed, Some(errno(sys::EAGAIN)));
    let wrong_state = errno(sys::EOPNOTSUPP);
    assert_eq!(*INSIDE.lock().unwrap(), [wrong_state, wrong_state, 0]);
    let thread = device::thread_name();
    assert_eq!(
        device::next(),
        Seen::Disconnect {
            result: errno(sys::EAGAIN),
            thread
        }
    );
    assert_eq!(device::publish("a", b"", 0, 1), wrong_state);
    assert_eq!(device::abort(), 0);
    device::assert_silent();
    done.send(()).unwrap();
    hub.join().unwrap();
}
