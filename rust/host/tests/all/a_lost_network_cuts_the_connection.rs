//! The PDN goes away, or the address family of the connection: the connection is cut at once; a
//! loss of coverage alone cuts nothing.

use crate::support::{
    device::{self, IPV6_UP, Seen, errno},
    hub::{Hub, Sent},
    pki::Pki,
};
use iothub_host::{Loss, Network};
use ncs_sys as sys;

#[test]
fn a_lost_network_cuts_the_connection() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let hub = Hub::new(pki.hub());
    let port = hub.port();
    let hub = hub.run(|hub| {
        for _ in 0..2 {
            let mut session = hub.accept_mqtt();
            assert!(matches!(session.recv(), Sent::Publish { .. }));
            assert_eq!(session.recv(), Sent::End);
        }
    });

    device::attach(device::options(data.path(), port), &IPV6_UP);
    device::init();
    let modem = iothub_host::modem().unwrap();
    for (loss, event) in [(Loss::Deactivated, 2), (Loss::Ipv6Down, 4)] {
        assert_eq!(device::connect(), 0);
        assert_eq!(
            device::next(),
            Seen::Connack {
                code: 0,
                session_present: false
            }
        );
        modem.lose(Loss::Searching).unwrap();
        assert_eq!(device::next(), Seen::Registration(2));
        assert_eq!(device::publish("a", b"", 0, 1), 0);
        modem.lose(loss).unwrap();
        // From two threads, in any order.
        let mut seen = [device::next(), device::next()];
        if matches!(seen[0], Seen::Disconnect { .. }) {
            seen.swap(0, 1);
        }
        assert_eq!(seen[0], Seen::Pdn { event, reason: -1 });
        let thread = "mqtt_helper".into();
        assert_eq!(
            seen[1],
            Seen::Disconnect {
                result: errno(sys::ECONNABORTED),
                thread
            }
        );
        assert_eq!(device::abort(), 0);
        modem.attach(Network::Ipv6Only).unwrap();
        device::until(&IPV6_UP);
    }
    device::assert_silent();
    hub.join().unwrap();
}
