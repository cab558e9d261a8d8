//! After CONNACK the subscription, the request for the twin and the first messages follow each
//! other without waiting for SUBACK; ready is what SUBACK grants.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use crate::support::{Device, SUBSCRIBE, USER};
use iothub_proto::{Subscriptions, Telemetry};

#[test]
fn first_connection() {
    let mut device = Device::new(|config| config.request_twin = true);
    device.act(|client, _| {
        for payload in [b"a", b"b"] {
            client.send(&Telemetry::new(payload)).unwrap();
        }
    });
    device.silent();
    device.act(|client, now| client.connect(now).unwrap());
    device.expect(&format!(
        "* Connecting {{ attempt: 1 }}
         > connect hub.example dev1 {USER}"
    ));
    device.connack(0);
    device.expect(&format!(
        "* Connected {{ session_present: false }}
         > subscribe 1 {SUBSCRIBE}
         > publish0 2 $iothub/twin/GET/?$rid=800230
         > publish1 3 devices/dev1/messages/events/ a
         > publish1 4 devices/dev1/messages/events/ b"
    ));
    device.act(|client, now| client.handle_suback(now, 1, true));
    device.expect("* Ready");
    device.act(|client, now| client.handle_puback(now, 4));
    device.act(|client, now| client.handle_puback(now, 3));
    device.expect("* Sent 2\n* Sent 1");
    device.publish(
        "$iothub/twin/res/200/?$rid=800230",
        r#"{"desired":{"$version":7},"reported":{"$version":3}}"#,
    );
    device.expect(r#"* Twin 7 {"desired":{"$version":7},"reported":{"$version":3}}"#);
}

#[test]
fn inputs_may_overtake_the_completion_of_their_command() {
    let mut device = Device::new(|_| ());
    let mut buffer = [0; 4096];
    device.client.connect(device.now).unwrap();
    device.client.send(&Telemetry::new(b"a")).unwrap();

    let (connect, _) = device.client.poll_command(device.now, &mut buffer).unwrap();
    device.client.handle_connack(device.now, 0, false);
    device.client.complete(device.now, connect, Ok(()));
    let (subscribe, _) = device.client.poll_command(device.now, &mut buffer).unwrap();
    device.client.handle_suback(device.now, 1, true);
    device.client.complete(device.now, subscribe, Ok(()));
    let (publish, _) = device.client.poll_command(device.now, &mut buffer).unwrap();
    device.client.handle_puback(device.now, 2);
    device.client.complete(device.now, publish, Ok(()));
    device.drain();
    device.expect(
        "* Connecting { attempt: 1 }
         * Connected { session_present: false }
         * Ready
         * Sent 1",
    );
    assert_eq!(device.client.status().outbox_used, 0);
}

#[test]
fn a_module_has_no_cloud_to_device_messages() {
    let mut device = Device::new(|config| {
        config.module_id = Some("mod1");
        config.model_id = Some("dtmi:com:example:Thermostat;1");
    });
    device.act(|client, now| {
        client.connect(now).unwrap();
        client.send(&Telemetry::new(b"a")).unwrap();
    });
    device.connack(0);
    device.expect(
        "* Connecting { attempt: 1 }
         > connect hub.example dev1/mod1 hub.example/dev1/mod1/?api-version=2021-04-12&DeviceClientType=t&model-id=dtmi%3Acom%3Aexample%3AThermostat%3B1
         * Connected { session_present: false }
         > subscribe 1 twin/res/# 0, twin/PATCH/properties/desired/# 0, methods/POST/# 0
         > publish1 2 devices/dev1/modules/mod1/messages/events/ a",
    );
}

#[test]
fn subscribes_to_what_was_chosen_and_to_the_answers() {
    let [answers, desired, methods, c2d]: [&str; 4] = SUBSCRIBE
        .split(", ")
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    for (chosen, filters) in [
        ([false, false, false], vec![answers]),
        ([true, false, false], vec![answers, desired]),
        ([false, true, false], vec![answers, methods]),
        ([true, true, false], vec![answers, desired, methods]),
        ([false, false, true], vec![c2d, answers]),
        ([true, false, true], vec![desired, c2d, answers]),
        ([false, true, true], vec![c2d, answers, methods]),
        ([true, true, true], vec![answers, desired, methods, c2d]),
    ] {
        let [desired, methods, c2d] = chosen;
        let mut device = Device::new(|config| {
            config.subscriptions = Subscriptions {
                desired,
                methods,
                c2d,
            };
        });
        device.act(|client, now| client.connect(now).unwrap());
        device.connack(0);
        device.expect(&format!(
            "* Connecting {{ attempt: 1 }}
             > connect hub.example dev1 {USER}
             * Connected {{ session_present: false }}
             > subscribe 1 {}",
            filters.join(", ")
        ));
    }
}
