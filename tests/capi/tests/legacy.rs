//! The older form of the header: each C program against a hub that does what its script says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../rust/host/tests/all/support/hub.rs"]
#[allow(dead_code)]
mod hub;
#[path = "../../../rust/host/tests/all/support/pki.rs"]
#[allow(dead_code)]
mod pki;
#[allow(dead_code)]
mod support;

use hub::{Hub, Sent, Session};
use support::{Case, DEADLINE, HOST, Next as _};

fn ready(hub: &Hub) -> Session {
    // As the example in the library's documentation has it.
    ready_as(hub, "my-device")
}

fn accept_as(hub: &Hub, device: &str) -> Session {
    let mut session = hub.accept();
    let connect = session.next();
    assert!(
        matches!(&connect, Sent::Connect { client_id, .. } if client_id == device),
        "{connect:?}"
    );
    session
}

fn ready_as(hub: &Hub, device: &str) -> Session {
    let mut session = accept_as(hub, device);
    session.connack(0, false);
    let Sent::Subscribe { message_id, .. } = session.next() else {
        panic!("no SUBSCRIBE");
    };
    session.suback(message_id, &[0, 0, 0, 1]);
    answer_twin(&mut session);
    session
}

fn answer_twin(session: &mut Session) {
    let rid = request(session, "$iothub/twin/GET/?$rid=");
    let document = br#"{"desired":{"$version":1},"reported":{}}"#;
    session.publish(&format!("$iothub/twin/res/200/?$rid={rid}"), document, None);
}

fn request(session: &mut Session, prefix: &str) -> String {
    let sent = session.next();
    let Sent::Publish { topic, .. } = &sent else {
        panic!("{sent:?}");
    };
    topic.strip_prefix(prefix).expect(topic).to_owned()
}

fn end(session: &mut Session) {
    assert_eq!(session.next(), Sent::Disconnect);
    assert_eq!(session.next(), Sent::End);
}

#[test]
fn legacy_session() {
    let case = Case::new("legacy_session").setting("iothub/hostname", HOST);
    case.run(iothub_capi_tests::legacy_session, |hub| {
        let mut session = ready(hub);
        let sent = session.next();
        let Sent::Publish {
            topic,
            message_id: Some(message_id),
            qos: 1,
            ..
        } = &sent
        else {
            panic!("{sent:?}");
        };
        assert_eq!(
            topic,
            "devices/my-device/messages/events/a%20b=50%25%26c&empty=&flag"
        );
        session.puback(*message_id);
        for status in [204, 400] {
            let rid = request(
                &mut session,
                "$iothub/twin/PATCH/properties/reported/?$rid=",
            );
            session.publish(&format!("$iothub/twin/res/{status}/?$rid={rid}"), b"", None);
        }
        answer_twin(&mut session);
        session.publish(
            "devices/my-device/messages/devicebound/%24.mid=a%20b&key=&flag",
            b"hello",
            None,
        );
        session.publish(
            "$iothub/twin/PATCH/properties/desired/?$version=2",
            br#"{"telemetryInterval":5,"$version":2}"#,
            None,
        );
        session.publish("$iothub/methods/POST/led/?$rid=4f", b"1", None);
        let answer = request(&mut session, "$iothub/methods/res/200/?$rid=");
        assert_eq!(answer, "4f");
        end(&mut session);
    });
}

#[test]
fn legacy_fota_refused() {
    let case = Case::new("legacy_fota_refused").setting("iothub/hostname", HOST);
    case.run(iothub_capi_tests::legacy_fota_refused, |hub| {
        support::refuses_an_update(&mut ready(hub));
    });
}

#[test]
fn legacy_bad_input() {
    let case = Case::new("legacy_bad_input").setting("iothub/hostname", HOST);
    case.run(iothub_capi_tests::legacy_bad_input, |hub| {
        end(&mut ready(hub))
    });
}

#[test]
fn legacy_failures() {
    let case = Case::new("legacy_failures").setting("iothub/hostname", HOST);
    case.run(iothub_capi_tests::legacy_failures, |hub| {
        accept_as(hub, "my-device").connack(5, false);
        let mut session = ready(hub);
        assert!(matches!(session.next(), Sent::Publish { qos: 1, .. }));
        drop(session);
        let mut session = ready_as(hub, "other-device");
        session.publish(
            "devices/other-device/messages/devicebound/",
            &[b'x'; 5000],
            None,
        );
        session
    });
}
