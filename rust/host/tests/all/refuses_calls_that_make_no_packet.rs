//! Message id 0, a packet larger than the transmit buffer, and a topic that is none: refused,
//! nothing is sent, and the connection lives.

use crate::support::{
    device::{self, IPV6_UP, Seen, errno},
    hub::{Hub, Sent},
    pki::Pki,
};
use ncs_sys as sys;

#[test]
fn refuses_calls_that_make_no_packet() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let hub = Hub::new(pki.hub());
    let mut options = device::options(data.path(), hub.port());
    options.rx_tx_buffer = 128;
    let hub = hub.run(|hub| {
        let mut session = hub.accept_mqtt();
        let Sent::Publish { topic, payload, .. } = session.recv() else {
            panic!()
        };
        assert_eq!((topic.len(), payload.len()), (120, 1000));
        // A topic that the device has no room for.
        session.publish(&"t".repeat(130), b"", None);
        assert_eq!(session.recv(), Sent::End);
        session
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
    let invalid = errno(sys::EINVAL);
    assert_eq!(device::publish("a", b"", 0, 0), invalid);
    assert_eq!(device::subscribe(&[("a", 0)], 0), invalid);
    assert_eq!(device::subscribe(&[], 1), invalid);
    assert_eq!(device::publish("a/#", b"", 0, 1), invalid);
    assert_eq!(device::publish("a", b"", 3, 1), invalid);
    let no_memory = errno(sys::ENOMEM);
    assert_eq!(device::publish(&"t".repeat(130), b"", 1, 1), no_memory);
    let filter = "f".repeat(60);
    assert_eq!(
        device::subscribe(&[(&filter, 0), (&filter, 0)], 1),
        no_memory
    );
    device::assert_logged("does not fit the transmit buffer of 128");
    device::assert_silent();

    // The payload does not count.
    assert_eq!(device::publish(&"t".repeat(120), &[0; 1000], 1, 1), 0);
    let thread = "mqtt_helper".into();
    assert_eq!(
        device::next(),
        Seen::Disconnect {
            result: no_memory,
            thread
        }
    );
    hub.join().unwrap();
    device::assert_silent();
}
