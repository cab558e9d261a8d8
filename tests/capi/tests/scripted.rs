//! Each C program against a hub that does what its script says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../rust/host/tests/all/support/hub.rs"]
#[allow(dead_code)]
mod hub;
#[path = "../../../rust/host/tests/all/support/pki.rs"]
#[allow(dead_code)]
mod pki;
mod support;

use std::time::Duration;

use hub::{Hub, Sent, Session};
use iothub_capi_tests::hurry;
use support::{Case, DEADLINE, HOST, Next as _};

/// Connects, grants everything, and answers the first request for the twin.
fn ready(hub: &Hub) -> Session {
    ready_as(hub, "device-1")
}

fn ready_as(hub: &Hub, device: &str) -> Session {
    let mut session = hub.accept();
    connect_as(&mut session, device);
    session.connack(0, true);
    subscribe(&mut session, &[0, 0, 0, 1]);
    answer_twin(&mut session);
    session
}

fn connect(session: &mut Session) {
    connect_as(session, "device-1");
}

fn connect_as(session: &mut Session, device: &str) {
    let connect = session.next();
    let Sent::Connect {
        client_id,
        user_name,
        ..
    } = &connect
    else {
        panic!("{connect:?}");
    };
    assert_eq!(client_id, device);
    assert!(
        user_name.starts_with(&format!("{HOST}/{device}/?api-version=")),
        "{user_name}"
    );
}

fn subscribe(session: &mut Session, codes: &[u8]) {
    let subscribe = session.next();
    let Sent::Subscribe {
        message_id,
        filters,
    } = &subscribe
    else {
        panic!("{subscribe:?}");
    };
    assert_eq!(filters.len(), 4);
    session.suback(*message_id, codes);
}

/// The `$rid` of the next message, which is on this topic, and its body.
fn request(session: &mut Session, prefix: &str) -> (String, String) {
    let sent = session.next();
    let Sent::Publish { topic, payload, .. } = &sent else {
        panic!("{sent:?}");
    };
    let rid = topic.strip_prefix(prefix).expect(topic);
    (
        rid.to_owned(),
        String::from_utf8_lossy(payload).into_owned(),
    )
}

fn answer_twin(session: &mut Session) {
    let (rid, _) = request(session, "$iothub/twin/GET/?$rid=");
    session.publish(
        &format!("$iothub/twin/res/200/?$rid={rid}"),
        br#"{"desired":{"$version":1},"reported":{}}"#,
        None,
    );
}

fn report(session: &mut Session) -> (String, String) {
    request(session, "$iothub/twin/PATCH/properties/reported/?$rid=")
}

/// The device leaves.
fn end(session: &mut Session) {
    assert_eq!(session.next(), Sent::Disconnect);
    assert_eq!(session.next(), Sent::End);
}

#[test]
fn session() {
    Case::new("session").run(iothub_capi_tests::session, |hub| {
        let mut session = ready(hub);
        let telemetry = |topic: &str, qos, message_id| Sent::Publish {
            topic: format!("devices/device-1/messages/events/{topic}"),
            payload: br#"{"temperature":25.1}"#.into(),
            qos,
            message_id,
            dup: false,
        };
        assert_eq!(
            session.next(),
            telemetry("%24.ct=application%2Fjson&a%20b=50%25%26c&empty=", 0, None)
        );
        for _ in 0..2 {
            let sent = session.next();
            let Sent::Publish { message_id, .. } = sent else {
                panic!("{sent:?}");
            };
            assert_eq!(sent, telemetry("", 1, message_id));
            session.puback(message_id.unwrap());
        }
        let (rid, body) = report(&mut session);
        assert_eq!(body, r#"{"on":true}"#);
        session.publish(
            &format!("$iothub/twin/res/204/?$rid={rid}&$version=3"),
            b"",
            None,
        );
        let (rid, _) = report(&mut session);
        session.publish(
            &format!("$iothub/twin/res/400/?$rid={rid}"),
            br#"{"error":1}"#,
            None,
        );
        answer_twin(&mut session);
        session.publish(
            "devices/device-1/messages/devicebound/%24.mid=a%20b&key=&flag",
            b"hello",
            Some(5),
        );
        assert_eq!(session.next(), Sent::Puback(5));
        session.publish(
            "$iothub/twin/PATCH/properties/desired/?$version=2",
            br#"{"telemetryInterval":5,"$version":2}"#,
            None,
        );
        session.publish("$iothub/methods/POST/led/?$rid=4f", b"1", None);
        assert_eq!(
            session.next(),
            Sent::Publish {
                topic: "$iothub/methods/res/200/?$rid=4f".into(),
                payload: br#"{"it":"worked"}"#.into(),
                qos: 0,
                message_id: None,
                dup: false,
            }
        );
        end(&mut session);
    });
}

#[test]
fn fota_refused() {
    Case::new("fota_refused").run(iothub_capi_tests::fota_refused, |hub| {
        support::refuses_an_update(&mut ready(hub));
    });
}

/// Defects 5 and 19: pointers to the caller's names are kept, and the host name's size is ignored.
#[test]
fn names_are_copied() {
    Case::new("names_are_copied").run(iothub_capi_tests::names_are_copied, |hub| {
        let mut session = ready(hub);
        let sent = session.next();
        assert!(
            matches!(&sent, Sent::Publish { topic, .. } if topic == "devices/device-1/messages/events/"),
            "{sent:?}"
        );
        session.publish("devices/device-1/messages/devicebound/", b"", None);
        end(&mut session);
    });
}

/// Defect 1: request ids are three digits of the uptime, and collide.
#[test]
fn unique_request_ids() {
    Case::new("unique_request_ids").run(iothub_capi_tests::unique_request_ids, |hub| {
        let mut session = ready(hub);
        let rids: Vec<_> = (0..3).map(|_| report(&mut session).0).collect();
        assert!(
            rids[0] != rids[1] && rids[1] != rids[2] && rids[0] != rids[2],
            "{rids:?}"
        );
        for rid in rids {
            session.publish(&format!("$iothub/twin/res/204/?$rid={rid}"), b"", None);
        }
        end(&mut session);
    });
}

/// Defect 3: READY after any SUBACK.
#[test]
fn refused_subscription() {
    Case::new("refused_subscription").run(iothub_capi_tests::refused_subscription, |hub| {
        let mut session = hub.accept();
        connect(&mut session);
        session.connack(0, false);
        subscribe(&mut session, &[0, 0, 0, 0x80]);
        while session.next() != Sent::End {}
    });
}

/// Defect 11: CONNECTION_FAILED and DISCONNECTED for one cause.
#[test]
fn refused_connection() {
    Case::new("refused_connection").run(iothub_capi_tests::refused_connection, |hub| {
        let mut session = hub.accept();
        connect(&mut session);
        session.connack(5, false);
        drop(session);
        end(&mut ready(hub));
    });
}

/// Defect 4: no way out of CONNECTING.
#[test]
fn disconnect_while_connecting() {
    let case = Case::new("disconnect_while_connecting");
    case.run(iothub_capi_tests::disconnect_while_connecting, |hub| {
        let mut session = hub.accept();
        connect(&mut session);
        assert_eq!(session.next(), Sent::End);
        end(&mut ready(hub));
    });
}

/// Defect 4 once more: no timer for CONNACK.
#[test]
fn silent_hub() {
    Case::new("silent_hub").run(iothub_capi_tests::silent_hub, |hub| {
        let mut session = hub.accept();
        connect(&mut session);
        hurry(true);
        assert_eq!(session.next(), Sent::End);
    });
}

/// What was accepted for a device is not sent as another, and the application is told.
#[test]
fn other_device() {
    Case::new("other_device").run(iothub_capi_tests::other_device, |hub| {
        let mut session = ready(hub);
        assert!(matches!(session.next(), Sent::Publish { qos: 1, .. }));
        drop(session);
        end(&mut ready_as(hub, "device-2"));
    });
}

/// Defect 13: no reason. And a QoS 1 message outlives its connection.
#[test]
fn lost_connection() {
    Case::new("lost_connection").run(iothub_capi_tests::lost_connection, |hub| {
        let kept = |sent: &Sent, dup: bool| {
            matches!(sent, Sent::Publish { payload, qos: 1, dup: was, .. } if payload == b"kept" && *was == dup)
        };
        let mut session = ready(hub);
        let sent = session.next();
        assert!(kept(&sent, false), "{sent:?}");
        drop(session);
        let mut session = ready(hub);
        let sent = session.next();
        assert!(kept(&sent, true), "{sent:?}");
        let Sent::Publish {
            message_id: Some(message_id),
            ..
        } = sent
        else {
            panic!("{sent:?}")
        };
        session.puback(message_id);
        end(&mut session);
    });
}

/// A positive result for a name that does not resolve.
#[test]
fn unknown_host() {
    Case::new("unknown_host").run(iothub_capi_tests::unknown_host, |hub| end(&mut ready(hub)));
}

#[test]
fn connect_in_handler() {
    Case::new("connect_in_handler").run(iothub_capi_tests::connect_in_handler, |hub| {
        drop(ready(hub));
        end(&mut ready(hub));
    });
}

/// Defect 14: only logged.
#[test]
fn unknown_topic() {
    Case::new("unknown_topic").run(iothub_capi_tests::unknown_topic, |hub| {
        let mut session = ready(hub);
        session.publish("something/else", b"?", None);
        end(&mut session);
    });
}

#[test]
fn oversize() {
    Case::new("oversize").run(iothub_capi_tests::oversize, |hub| {
        let mut session = ready(hub);
        session.publish(
            "devices/device-1/messages/devicebound/",
            &[b'x'; 5000],
            None,
        );
        session
    });
}

#[test]
fn ping() {
    let mut case = Case::new("ping");
    case.keep_alive = Duration::from_secs(1);
    case.run(iothub_capi_tests::ping, |hub| {
        let mut session = ready(hub);
        assert_eq!(session.next(), Sent::Pingreq);
        session.pingresp();
        session
    });
}

#[test]
fn bad_input() {
    Case::new("bad_input").run(iothub_capi_tests::bad_input, |hub| end(&mut ready(hub)));
}

/// Defect 18: an end of the connection to DPS is not told. And a second try is possible.
#[test]
fn dps_lost_connection() {
    Case::new("dps_lost_connection").run(iothub_capi_tests::dps_lost_connection, |hub| {
        drop(registering(hub));
        assign(registering(hub));
    });
}

/// Defect 15: the time-out disconnects, and waits for that, on the thread that all of the system's
/// timers share, and the handler is called there.
#[test]
fn dps_silent() {
    Case::new("dps_silent").run(iothub_capi_tests::dps_silent, |hub| {
        let (mut silent, _) = registering(hub);
        hurry(true);
        while silent.next() != Sent::End {}
        assign(registering(hub));
    });
}

/// Assigns the device, once asked again, until it leaves.
fn assign((mut session, rid): (Session, String)) {
    session.publish(
        &format!("$dps/registrations/res/202/?$rid={rid}&retry-after=1"),
        br#"{"operationId":"4.d0","status":"assigning"}"#,
        None,
    );
    let asked = asked(
        &mut session,
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=",
    );
    let rid = asked.strip_suffix("&operationId=4.d0").expect(&asked);
    session.publish(
        &format!("$dps/registrations/res/200/?$rid={rid}"),
        format!(
            r#"{{"operationId":"4.d0","status":"assigned","registrationState":{{"assignedHub":"{HOST}","deviceId":"device-1","status":"assigned"}}}}"#
        )
        .as_bytes(),
        None,
    );
    end(&mut session);
}

/// A device that has asked to be registered, and the number of its request.
fn registering(hub: &Hub) -> (Session, String) {
    let mut session = hub.accept();
    let connect = session.next();
    let Sent::Connect { user_name, .. } = &connect else {
        panic!("{connect:?}");
    };
    assert!(
        user_name.starts_with("0ne00000001/registrations/device-1/"),
        "{user_name}"
    );
    session.connack(0, false);
    let subscribe = session.next();
    let Sent::Subscribe { message_id, .. } = subscribe else {
        panic!("{subscribe:?}");
    };
    session.suback(message_id, &[1]);
    let rid = asked(
        &mut session,
        "$dps/registrations/PUT/iotdps-register/?$rid=",
    );
    (session, rid)
}

/// What stands behind the beginning of the topic that the device publishes on; it is acknowledged.
fn asked(session: &mut Session, beginning: &str) -> String {
    let sent = session.next();
    let Sent::Publish {
        topic,
        message_id: Some(message_id),
        ..
    } = &sent
    else {
        panic!("{sent:?}");
    };
    session.puback(*message_id);
    topic.strip_prefix(beginning).expect(topic).to_owned()
}

/// Defect 6: one is connected at another address than the host name's, which then stands in user
/// name and TLS. The user name is looked at by every script here; the certificate is for the host
/// name only.
///
/// Defect 12: with DPS in the build and no host name in the config, the configured one counts.
#[test]
fn configured_names() {
    let case = Case::new("configured_names").setting("iothub/hostname", HOST);
    let case = case.setting("iothub/device_id", "device-1");
    case.run(iothub_capi_tests::configured_names, |hub| {
        for _ in 0..3 {
            end(&mut ready(hub));
        }
    });
}

/// Defect 9: what is handed over without a 0 behind it is parsed as if there were one.
#[test]
fn payloads_have_their_size() {
    let case = Case::new("payloads_have_their_size");
    case.run(iothub_capi_tests::payloads_have_their_size, |hub| {
        let mut session = ready(hub);
        let rest = r#"{"more":["#.repeat(20);
        let desired = "$iothub/twin/PATCH/properties/desired/?$version=";
        session.publish(
            "devices/device-1/messages/devicebound/",
            rest.as_bytes(),
            None,
        );
        session.publish(&format!("{desired}2"), br#"{"a":1,"$version":2}"#, None);
        session.publish(&format!("{desired}3"), br#"{"$version":3}"#, None);
        end(&mut session);
    });
}

/// Defect 10: one static buffer for the topics of all threads' answers.
#[test]
fn answers_from_several_threads() {
    let case = Case::new("answers_from_several_threads");
    case.run(iothub_capi_tests::answers_from_several_threads, |hub| {
        let mut session = ready(hub);
        for round in 0..8 {
            for call in 0..4 {
                let rid = format!("{round}a{call}");
                let topic = format!("$iothub/methods/POST/led/?$rid={rid}");
                session.publish(&topic, format!("{call}").as_bytes(), None);
            }
            let mut answered = [false; 4];
            for _ in 0..4 {
                let sent = session.next();
                let Sent::Publish { topic, payload, .. } = &sent else {
                    panic!("{sent:?}");
                };
                let payload = String::from_utf8_lossy(payload);
                let call: usize = payload.parse().expect("the number of the call");
                // Each answer has the status and the request id of its own call.
                assert_eq!(
                    topic,
                    &format!("$iothub/methods/res/{}/?$rid={round}a{call}", 200 + call)
                );
                assert!(!std::mem::replace(&mut answered[call], true), "{topic}");
            }
        }
        end(&mut session);
    });
}

/// Nordic's library ignores the flag without DPS in the build, and its sample sets it always.
#[test]
fn dps_not_in_use() {
    let case = Case::new("dps_not_in_use").setting("iothub/hostname", HOST);
    case.run(iothub_capi_tests::dps_not_in_use, |hub| {
        for _ in 0..2 {
            end(&mut ready(hub));
        }
    });
}

/// What Nordic's library has stored of DPS: with an ID scope, and without one.
#[test]
fn nordic_assignment() {
    let case = Case::new("nordic_assignment").setting("iothub/dps/id_scope", "0ne00000001");
    moved_over(case).run(iothub_capi_tests::nordic_assignment, |hub| {
        end(&mut ready(hub));
    });
}

#[test]
fn nordic_assignment_alone() {
    moved_over(Case::new("nordic_assignment_alone"))
        .run(iothub_capi_tests::nordic_assignment, |hub| {
            end(&mut ready(hub))
        });
}

/// Before NCS 2.3 it stored the hub's name with the 0 behind it, and no device id: the
/// registration's id is the device's.
#[test]
fn nordic_assignment_of_the_older_form() {
    let case = Case::new("nordic_assignment_of_the_older_form")
        .setting("iothub/dps/id_scope", "0ne00000001")
        .setting("iothub/device_id", "device-1")
        .setting("azure_iot_hub/hostname_len", "\x19\0\0\0")
        .setting(
            "azure_iot_hub/hostname",
            concat!("my-hub.azure-devices.net", "\0"),
        );
    case.run(iothub_capi_tests::nordic_assignment_before_2_3, |hub| {
        end(&mut ready(hub));
    });
}

/// A device that Nordic's library has registered.
fn moved_over(case: Case) -> Case {
    case.setting("azure_iot_hub/hostname", HOST)
        .setting("azure_iot_hub/device_id", "device-1")
}

#[test]
fn dps_configured() {
    let case = Case::new("dps_configured")
        .setting("iothub/dps/id_scope", "0ne00000001")
        .setting("iothub/device_id", "device-1");
    case.run(iothub_capi_tests::dps_configured, |hub| {
        assign(registering(hub));
    });
}

/// The message that the device sends next, acknowledged where it asks for that.
fn message(session: &mut Session) -> (String, Vec<u8>) {
    let sent = session.next();
    let Sent::Publish {
        topic,
        payload,
        message_id,
        ..
    } = sent
    else {
        panic!("{sent:?}");
    };
    if let Some(message_id) = message_id {
        session.puback(message_id);
    }
    (topic, payload)
}

const TELEMETRY: &str = "devices/device-1/messages/events/";

/// Nordic's library writes each before it returns: a loop of them loses none.
#[test]
fn burst() {
    Case::new("burst").run(iothub_capi_tests::burst, |hub| {
        let mut session = ready(hub);
        for _ in 0..300 {
            assert_eq!(
                message(&mut session),
                (TELEMETRY.to_owned(), vec![b'x'; 100])
            );
        }
        end(&mut session);
    });
}

/// The wait for room is bounded, and is none inside the handler.
#[test]
fn full() {
    Case::new("full").run(iothub_capi_tests::full, |hub| {
        let mut session = ready(hub);
        session.may_break = true;
        session.publish("devices/device-1/messages/devicebound/", b"fill", None);
        session
    });
}

#[test]
fn batches() {
    Case::new("batches").run(iothub_capi_tests::batches, |hub| {
        let mut session = ready(hub);
        let bytes = std::env::var("CAPI_BATCH_BYTES").map_or(900, |bytes| bytes.parse().unwrap());
        for _ in 0..11 {
            assert_eq!(
                message(&mut session),
                (TELEMETRY.to_owned(), vec![b'x'; bytes])
            );
        }
        end(&mut session);
    });
}

/// With `tests/capi/outbox` in a build that has the outbox in flash, else in one that has not.
#[test]
fn outbox() {
    Case::new("outbox").run(iothub_capi_tests::outbox, |hub| {
        let mut session = ready(hub);
        // In either order: one comes by way of the flash.
        let (mut message, mut rid) = (None, None);
        while message.is_none() || rid.is_none() {
            match session.next() {
                Sent::Publish {
                    payload,
                    message_id: Some(id),
                    ..
                } => {
                    assert_eq!(payload, b"kept");
                    message = Some(id);
                }
                Sent::Publish { topic, payload, .. } => {
                    assert_eq!(payload, br#"{"starts":21}"#);
                    rid = topic.split_once("$rid=").map(|(_, rid)| rid.to_owned());
                }
                other => panic!("{other:?}"),
            }
        }
        session.puback(message.unwrap());
        let topic = format!("$iothub/twin/res/204/?$rid={}&$version=2", rid.unwrap());
        session.publish(&topic, b"", None);
        end(&mut session);
    });
}

/// Nordic's library tells CONNECTING on the caller's thread, so that a caller's lock may be
/// recursive.
#[test]
fn connecting_with_a_lock() {
    let case = Case::new("connecting_with_a_lock");
    case.run(iothub_capi_tests::connecting_with_a_lock, |hub| {
        for _ in 0..3 {
            end(&mut ready(hub));
        }
    });
}

#[test]
fn connect_in_disconnected() {
    let case = Case::new("connect_in_disconnected");
    case.run(iothub_capi_tests::connect_in_disconnected, |hub| {
        drop(ready(hub));
        end(&mut ready(hub));
    });
}

/// The hub's answer to the report that comes next, and its body.
fn accept_report(session: &mut Session) -> String {
    let (rid, body) = report(session);
    session.publish(&format!("$iothub/twin/res/204/?$rid={rid}"), b"", None);
    body
}

#[test]
fn many_requests() {
    Case::new("many_requests").run(iothub_capi_tests::many_requests, |hub| {
        let mut session = ready(hub);
        for _ in 0..30 {
            accept_report(&mut session);
        }
        end(&mut session);
    });
}

#[test]
fn empty_report() {
    Case::new("empty_report").run(iothub_capi_tests::empty_report, |hub| {
        let mut session = ready(hub);
        assert_eq!(accept_report(&mut session), "{}");
        end(&mut session);
    });
}

#[test]
fn nordic_cases() {
    Case::new("nordic_cases").run(iothub_capi_tests::nordic_cases, |hub| {
        let mut session = ready(hub);
        answer_twin(&mut session);
        let short = "property_key_1=property_value_1";
        let long = "very_much_a_quite_long_message_property_key=\
                    and_this_is_a_fairly_long_message_property_value";
        for bag in [
            short.to_owned(),
            format!("{short}&property_key_2=property_value_2"),
            [long; 6].join("&"),
        ] {
            let (topic, body) = message(&mut session);
            assert_eq!(topic, format!("{TELEMETRY}{bag}"));
            assert_eq!(body, b"This is a test message");
        }
        let body = accept_report(&mut session);
        assert_eq!(body, r#"{ "doorLockState": "unlocked"}"#);
        end(&mut session);
    });
}

#[test]
fn dps_malformed() {
    Case::new("dps_malformed").run(iothub_capi_tests::dps_malformed, |hub| {
        let (mut session, rid) = registering(hub);
        session.publish(
            &format!("$dps/registrations/res/202/?$rid={rid}&retry-after=1"),
            b"dummy",
            None,
        );
        while session.next() != Sent::End {}
        let (mut session, rid) = registering(hub);
        session.publish("not-a-valid-topic", b"dummy", None);
        assign((session, rid));
    });
}

#[test]
fn user_sample() {
    let case = Case::new("user_sample").setting("iothub/hostname", HOST);
    case.run(iothub_capi_tests::user_sample, |hub| {
        let mut session = ready(hub);
        let (topic, body) = message(&mut session);
        assert_eq!(topic, TELEMETRY);
        assert_eq!(body, br#"{"temperature":25.3,"timestamp":1511}"#);
        session.publish(
            "$iothub/twin/PATCH/properties/desired/?$version=2",
            br#"{"telemetryInterval":60,"$version":2}"#,
            None,
        );
        assert_eq!(accept_report(&mut session), r#"{"telemetryInterval":60}"#);
        session.publish("$iothub/methods/POST/led/?$rid=1", b"1", None);
        let (topic, body) = message(&mut session);
        assert_eq!(topic, "$iothub/methods/res/200/?$rid=1");
        assert_eq!(body, br#"{"it":"worked"}"#);
        end(&mut session);
    });
}

#[test]
fn user_literal_names() {
    let case = Case::new("user_literal_names");
    case.run(iothub_capi_tests::user_literal_names, |hub| {
        let mut session = ready(hub);
        assert_eq!(message(&mut session).1, br#"{"ph":7.2}"#);
        end(&mut session);
    });
}

#[test]
fn user_tracker() {
    let case = Case::new("user_tracker").setting("iothub/hostname", HOST);
    case.run(iothub_capi_tests::user_tracker, |hub| {
        let mut session = ready(hub);
        assert_eq!(accept_report(&mut session), "{}");
        assert_eq!(accept_report(&mut session), r#"{"bat":{"v":3700}}"#);
        assert_eq!(
            message(&mut session).0,
            format!("{TELEMETRY}batch=&%24.ct=application%2Fjson&%24.ce=utf-8")
        );
        assert_eq!(
            message(&mut session).0,
            format!("{TELEMETRY}%24.ct=application%2Fjson&%24.ce=utf-8")
        );
        session.publish(
            "devices/device-1/messages/devicebound/agps=result",
            b"\x01\x00\x02",
            Some(3),
        );
        assert_eq!(session.next(), Sent::Puback(3));
        end(&mut session);
    });
}

#[test]
fn user_work_queue() {
    let case = Case::new("user_work_queue").setting("iothub/dps/id_scope", "0ne00000001");
    let case = moved_over(case);
    case.run(iothub_capi_tests::user_work_queue, |hub| {
        for _ in 0..3 {
            let mut session = ready(hub);
            assert_eq!(message(&mut session).1, b"1");
        }
    });
}

/// Takes every connection and acknowledges everything, until the program ends.
#[test]
fn stress() {
    Case::new("stress").run_beside(iothub_capi_tests::stress, |hub| {
        loop {
            let Ok(mut session) = hub.try_accept() else {
                continue;
            };
            session.may_break = true;
            std::thread::spawn(move || {
                loop {
                    match session.next() {
                        Sent::Connect { .. } => session.connack(0, false),
                        Sent::Subscribe { message_id, .. } => {
                            session.suback(message_id, &[0, 0, 0, 1]);
                        }
                        Sent::Publish {
                            topic, message_id, ..
                        } => {
                            if let Some(rid) = topic.strip_prefix("$iothub/twin/GET/?$rid=") {
                                session.publish(
                                    &format!("$iothub/twin/res/200/?$rid={rid}"),
                                    br#"{"desired":{"$version":1},"reported":{}}"#,
                                    None,
                                );
                            } else if let Some((_, rid)) = topic.split_once("reported/?$rid=") {
                                session.publish(
                                    &format!("$iothub/twin/res/204/?$rid={rid}"),
                                    b"",
                                    None,
                                );
                            }
                            if let Some(message_id) = message_id {
                                session.puback(message_id);
                            }
                        }
                        Sent::Pingreq => session.pingresp(),
                        Sent::Puback(_) => {}
                        Sent::Disconnect | Sent::End => break,
                    }
                }
            });
        }
    });
}
