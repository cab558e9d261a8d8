//! A payload that does not fit: on_error, no PUBACK, and then the end of the connection; the
//! largest payload that fits arrives.

use crate::support::{
    device::{self, IPV6_UP, Seen, errno},
    hub::{Hub, Sent},
    pki::Pki,
};
use ncs_sys as sys;

#[test]
fn an_oversize_payload_ends_the_connection() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let hub = Hub::new(pki.hub());
    let mut options = device::options(data.path(), hub.port());
    options.payload_buffer = 100;
    let hub = hub.run(|hub| {
        let mut session = hub.accept_mqtt();
        session.publish("c2d", &[b'a'; 100], Some(1));
        assert_eq!(session.recv(), Sent::Puback(1));
        session.publish("c2d", &[b'b'; 101], Some(2));
        assert_eq!(session.recv(), Sent::End);
        hub.accept_mqtt()
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
    let fits = Seen::Publish {
        topic: "c2d".into(),
        payload: vec![b'a'; 100],
    };
    assert_eq!(device::next(), fits);
    assert_eq!(device::next(), Seen::MessageTooLarge);
    let thread = "mqtt_helper".into();
    assert_eq!(
        device::next(),
        Seen::Disconnect {
            result: errno(sys::ECONNABORTED),
            thread
        }
    );
    device::assert_logged("a payload of 101 bytes does not fit the buffer of 100");

    assert_eq!(device::abort(), 0);
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
