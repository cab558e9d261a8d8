//! A whole session over mutual TLS on an IPv6-only network: what the hub gets, and what the device
//! is told.

use std::{net::Ipv6Addr, sync::mpsc};

use crate::support::{
    HOST,
    device::{self, IPV6_UP, Seen},
    hub::{Hub, Sent},
    pki::Pki,
};

#[test]
fn connects_over_mutual_tls() {
    crate::support::alone(run);
}

fn run() {
    let data = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    pki.provision(data.path());
    let hub = Hub::new(pki.hub());
    let port = hub.port();
    let (told, acknowledged) = mpsc::channel();
    let hub = hub.run(move |hub| {
        let mut session = hub.accept();
        assert_eq!(session.stream.conn.server_name(), Some(HOST));
        assert_eq!(session.stream.conn.peer_certificates().unwrap().len(), 1);
        assert_eq!(
            session.recv(),
            Sent::Connect {
                client_id: "device-1".into(),
                user_name: format!("{HOST}/device-1/?api-version=2021-04-12"),
                keep_alive: 60,
                clean_session: false,
            }
        );
        session.connack(0, true);
        assert_eq!(
            session.recv(),
            Sent::Subscribe {
                message_id: 7,
                filters: vec![("a/#".into(), 0), ("b/+/c".into(), 1)],
            }
        );
        session.suback(7, &[0, 0x80]);
        let publish = |qos, message_id| Sent::Publish {
            topic: "devices/device-1/messages/events/".into(),
            payload: b"{}".into(),
            qos,
            message_id,
            dup: false,
        };
        assert_eq!(session.recv(), publish(0, None));
        assert_eq!(session.recv(), publish(1, Some(9)));
        session.puback(9);
        session.publish("a/b", b"hello", Some(3));
        assert_eq!(session.recv(), Sent::Puback(3));
        told.send(()).unwrap();
        assert_eq!(session.recv(), Sent::Disconnect);
        assert_eq!(session.recv(), Sent::End);
    });

    let mut options = device::options(data.path(), port);
    let public = "13.70.74.195".parse().unwrap();
    options.hosts = vec![(HOST.into(), public)];
    options.routes = vec![(public, "127.0.0.1".parse().unwrap())];
    device::attach(options, &IPV6_UP);
    assert_eq!(device::init(), 0);
    assert_eq!(device::connect(), 0);
    assert_eq!(
        device::next(),
        Seen::Connack {
            code: 0,
            session_present: true
        }
    );
    let seen: Ipv6Addr = "2001:8004:11d0:4e2a::d46:4ac3".parse().unwrap();
    assert_eq!(device::peer(), Ok(seen.octets().into()));
    assert_eq!(device::nodelay(), 0);
    assert_eq!(device::subscribe(&[("a/#", 0), ("b/+/c", 1)], 7), 0);
    assert_eq!(
        device::next(),
        Seen::Suback {
            message_id: 7,
            codes: vec![0, 0x80]
        }
    );
    assert_eq!(
        device::publish("devices/device-1/messages/events/", b"{}", 0, 8),
        0
    );
    assert_eq!(
        device::publish("devices/device-1/messages/events/", b"{}", 1, 9),
        0
    );
    assert_eq!(device::next(), Seen::Puback(9));
    assert_eq!(
        device::next(),
        Seen::Publish {
            topic: "a/b".into(),
            payload: b"hello".into()
        }
    );
    acknowledged.recv_timeout(crate::support::DEADLINE).unwrap();
    assert_eq!(device::disconnect(), 0);
    let thread = device::thread_name();
    assert_eq!(device::next(), Seen::Disconnect { result: 0, thread });
    hub.join().unwrap();
    assert_eq!(device::abort(), 0);
    device::assert_silent();
}
