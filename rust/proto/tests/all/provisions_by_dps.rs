//! DPS: register, poll, go on to the hub; and again where the hub does not take us.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::time::Duration;

use crate::support;
use crate::support::Device;
use iothub_proto::{Client, ConfigError, Telemetry, dps};

const SECOND: Duration = Duration::from_secs(1);
const USER: &str = "0ne000/registrations/reg1/api-version=2019-03-31&ClientVersion=t";

fn dps_config() -> dps::Config<'static> {
    let mut config = dps::Config::new("0ne000", "reg1");
    config.hostname = "dps.example";
    config
}

fn unassigned() -> Device {
    let mut device = Device::new(|config| {
        config.hostname = "";
        config.device_id = "";
        config.dps = Some(dps_config());
    });
    device.act(|client, now| client.connect(now).unwrap());
    device.connack(0);
    device.suback(true);
    device
}

fn rid(line: &str) -> u32 {
    let rid = line.split("$rid=").nth(1).unwrap();
    let digits: String = rid.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Answers the last request.
fn answer(device: &mut Device, status: &str, body: &str) {
    let lines = device.take();
    let line = lines
        .iter()
        .rfind(|line| line.contains("$dps/"))
        .expect("a request");
    let (status, query) = status.split_once('&').unwrap_or((status, ""));
    let separator = if query.is_empty() { "" } else { "&" };
    let topic = format!(
        "$dps/registrations/res/{status}/?$rid={}{separator}{query}",
        rid(line)
    );
    device.publish(&topic, body);
}

const ASSIGNING: &str = r#"{"operationId":"4.d0a6.42d7","status":"assigning"}"#;
const ASSIGNED: &str = r#"{"operationId":"4.d0a6.42d7","status":"assigned","registrationState":{"x509":{},"registrationId":"reg1","createdDateTimeUtc":"2020-04-10T03:11:13.0276997Z","assignedHub":"hub2.example","deviceId":"dev2","status":"assigned","substatus":"initialAssignment","payload":{"a":[1]}}}"#;

#[test]
fn from_registration_to_the_hub() {
    let mut device = Device::new(|config| {
        config.hostname = "";
        config.device_id = "";
        let mut dps = dps_config();
        dps.payload = Some(br#"{"modelId":"m"}"#);
        config.dps = Some(dps);
    });
    device.act(|client, now| client.connect(now).unwrap());
    device.expect(&format!(
        "* Connecting {{ attempt: 1 }}
         > connect dps.example reg1 {USER}"
    ));
    device.connack(0);
    device.expect(
        "* Connected { session_present: false }
         > subscribe 1 $dps/registrations/res/# 1",
    );
    device.act(|client, now| client.handle_suback(now, 1, true));
    let first = device.take();
    let id = rid(&first[1]);
    assert_eq!(
        first,
        [
            "* Provisioning(Registering)".into(),
            format!(
                r#"> publish1 2 $dps/registrations/PUT/iotdps-register/?$rid={id} {{"registrationId":"reg1","payload":{{"modelId":"m"}}}}"#
            )
        ]
    );
    device.publish(
        &format!("$dps/registrations/res/202/?$rid={id}&retry-after=3"),
        ASSIGNING,
    );
    device.expect("* Provisioning(Assigning)");
    assert_eq!(device.wait_for_timer(), 3 * SECOND);
    device.expect(&format!(
        "> publish1 3 $dps/registrations/GET/iotdps-get-operationstatus/?$rid={}&operationId=4.d0a6.42d7",
        id + 1
    ));
    device.publish(
        &format!("$dps/registrations/res/200/?$rid={}", id + 1),
        ASSIGNED,
    );
    device.expect(&format!(
        "* Provisioning(Assigned {{ payload: Some({:?}) }})
         > store hub2.example dev2
         > disconnect
         * Disconnected Provisioned, again
         > abort
         * Connecting {{ attempt: 1 }}
         > connect hub2.example dev2 hub2.example/dev2/?api-version=2021-04-12&DeviceClientType=t",
        br#"{"a":[1]}"#
    ));
    assert_eq!(
        (device.client.hostname(), device.client.device_id()),
        ("hub2.example", "dev2")
    );
}

#[test]
fn throttling_is_waited_out_on_the_connection() {
    let mut device = unassigned();
    answer(&mut device, "429&retry-after=7", r#"{"errorCode":429001}"#);
    device.expect("* Provisioning(Assigning)");
    assert!(device.wait_for_timer() >= 7 * SECOND);
    answer(&mut device, "500", "");
    device.wait_for_timer();
    answer(&mut device, "202", ASSIGNING);
    assert_eq!(device.wait_for_timer(), 2 * SECOND);
    answer(&mut device, "200", ASSIGNED);
    assert!(device.take().contains(&"> store hub2.example dev2".into()));
}

#[test]
fn an_answer_without_an_operation_goes_on_with_the_one_before() {
    let mut device = unassigned();
    answer(&mut device, "202", ASSIGNING);
    device.wait(2 * SECOND);
    answer(&mut device, "202", r#"{"status":"assigning"}"#);
    device.wait(2 * SECOND);
    let lines = device.take();
    let again = lines
        .iter()
        .filter(|line| line.ends_with("&operationId=4.d0a6.42d7"));
    assert_eq!(again.count(), 1, "{lines:?}");
}

/// Lets time pass until the next request, while the platform's pings are answered.
fn wait_for_request(device: &mut Device) {
    let before = device.last_packet();
    for _ in 0..200 {
        device.act(|client, now| client.handle_pingresp(now));
        device.wait(5 * SECOND);
        if device.last_packet() != before {
            return;
        }
    }
    panic!("no further request");
}

#[test]
fn a_service_that_stays_busy_is_left() {
    let mut device = unassigned();
    for _ in 1..8 {
        answer(&mut device, "429&retry-after=3", r#"{"errorCode":429001}"#);
        device.expect("* Provisioning(Assigning)");
        wait_for_request(&mut device);
    }
    answer(&mut device, "429&retry-after=3", r#"{"errorCode":429001}"#);
    let failure = "Refused { status: 429, code: 429001 }";
    device.expect(&format!(
        "* Provisioning(Failed({failure}))
         * Disconnected ProvisioningFailed({failure}), again
         > abort"
    ));
    // An answer in between begins the count anew.
    let mut device = unassigned();
    for _ in 0..3 {
        for _ in 1..8 {
            answer(&mut device, "503", "");
            wait_for_request(&mut device);
        }
        answer(&mut device, "202", ASSIGNING);
        wait_for_request(&mut device);
    }
    answer(&mut device, "200", ASSIGNED);
    assert!(device.take().contains(&"> store hub2.example dev2".into()));
}

#[test]
fn every_refusal_is_told_and_tried_again_later() {
    let cases = [
        (
            "401",
            r#"{"errorCode":401002,"trackingId":"x","message":"Invalid certificate."}"#,
            "Refused { status: 401, code: 401002 }",
        ),
        ("404", "", "Refused { status: 404, code: 0 }"),
        (
            "200",
            r#"{"status":"failed","registrationState":{"errorCode":400207,"status":"failed"}}"#,
            "Failed { code: 400207 }",
        ),
        (
            "200",
            r#"{"status":"disabled","registrationState":{}}"#,
            "Disabled",
        ),
        ("200", r#"{"status":"assigned"}"#, "Malformed"),
        ("200", "{", "Malformed"),
        (
            "200",
            r#"{"status":"assigned","registrationState":{"assignedHub":"a/b","deviceId":"d"}}"#,
            "Malformed",
        ),
        (
            "200",
            r#"{"status":"assigned","registrationState":{"assignedHub":"a","deviceId":"d","connectionProfile":"mqttV5"}}"#,
            "ConnectionProfile",
        ),
        ("202", r#"{"status":"assigning"}"#, "Malformed"),
        (
            "202",
            r#"{"status":"assigning","operationId":"a&b=c"}"#,
            "Malformed",
        ),
    ];
    for (status, body, failure) in cases {
        let mut device = unassigned();
        answer(&mut device, status, body);
        device.expect(&format!(
            "* Provisioning(Failed({failure}))
             * Disconnected ProvisioningFailed({failure}), again
             > abort"
        ));
        assert!(device.wait_for_timer() >= SECOND);
        assert!(device.take()[1].starts_with("> connect dps.example"));
    }
    for profile in ["null", "\"classic\""] {
        let mut device = unassigned();
        let body = ASSIGNED.replace("\"x509\":{}", &format!("\"connectionProfile\":{profile}"));
        answer(&mut device, "200", &body);
        assert!(device.take().contains(&"> store hub2.example dev2".into()));
    }
}

#[test]
fn silence_and_endless_assigning_end() {
    let mut device = unassigned();
    device.skip();
    device.wait(30 * SECOND);
    device.expect(
        "* Provisioning(Failed(Timeout))
         * Disconnected ProvisioningTimeout, again
         > abort",
    );
    let mut device = unassigned();
    let mut polls = 0;
    while device.client.poll_timeout().is_some() && polls < 100 {
        answer(&mut device, "202", ASSIGNING);
        polls += 1;
        if device
            .take()
            .iter()
            .any(|line| line.contains("Failed(Timeout)"))
        {
            break;
        }
        device.wait(2 * SECOND);
    }
    assert_eq!(polls, 40);
}

#[test]
fn answers_to_other_requests_are_told() {
    let mut device = unassigned();
    device.skip();
    device.publish("$dps/registrations/res/200/?$rid=1", ASSIGNED);
    device.publish("$dps/registrations/res/200/", ASSIGNED);
    device.expect(
        "* UnmatchedAnswer { status: 200, request: Some(1) }
         * UnmatchedAnswer { status: 200, request: None }",
    );
}

fn assigned() -> Device {
    assigned_after(0)
}

/// With so many failed connects before the reboot.
fn assigned_after(failures: u32) -> Device {
    assigned_with(failures, 0)
}

fn assigned_with(failures: u32, seed: u64) -> Device {
    let mut device = Device::new(|config| {
        config.seed = seed;
        config.failures.transient = failures;
        config.hostname = "";
        config.device_id = "";
        config.dps = Some(dps_config());
        config.assignment = Some(dps::Assignment {
            hostname: "hub1.example",
            device_id: "dev1",
        });
    });
    device.act(|client, now| client.connect(now).unwrap());
    device
}

/// Refuses until DPS is asked, and returns how often.
fn refuse(device: &mut Device, code: u8) -> u32 {
    for times in 0..20 {
        if device
            .take()
            .iter()
            .any(|line| line.starts_with("> connect dps.example"))
        {
            return times;
        }
        device.connack(code);
        device.wait_for_timer();
    }
    panic!("DPS is never asked");
}

/// Whatever failed before: refusals have a count of their own, and DPS is not made to wait for what
/// the hub refused.
#[test]
fn a_device_deleted_at_its_hub_is_assigned_again_within_five_minutes() {
    for failed_connects in [0, 4, 8] {
        for seed in 0..20 {
            let mut device = assigned_with(failed_connects, seed);
            let start = device.now;
            refuse(&mut device, 5);
            let waited = device.now.saturating_duration_since(start);
            assert!(waited >= 30 * SECOND, "{failed_connects} {waited:?}");
            assert!(waited <= 95 * SECOND, "{failed_connects} {waited:?}");
        }
    }
}

/// A transient failure between two refusals does not start their count anew, and takes no part in
/// it.
#[test]
fn refusals_are_counted_through_other_failures() {
    let mut device = assigned();
    device.connack(5);
    device.wait_for_timer();
    device.connack(3);
    device.wait_for_timer();
    assert_eq!(refuse(&mut device, 5), 1);
    assert_eq!(device.client.status().failures.refused_by_hub, 2);
    assert_eq!(device.client.status().failures.transient, 1);
}

#[test]
fn refusals_by_dps_have_a_back_off_of_their_own() {
    let mut device = assigned();
    refuse(&mut device, 5);
    device.skip();
    let minimum = [30, 90, 270, 810];
    for minimum in minimum {
        device.connack(5);
        device.skip();
        let wait = device.wait_for_timer();
        assert!(
            (minimum..=3 * minimum).contains(&wait.as_secs()),
            "{wait:?}"
        );
        // The hub is tried once between.
        assert!(device.take()[1].starts_with("> connect hub1.example"));
        device.connack(5);
        device.skip();
        let wait = device.wait_for_timer();
        assert!((1..=3).contains(&wait.as_secs()), "{wait:?}");
        assert!(device.take()[1].starts_with("> connect dps.example"));
    }
}

/// DPS that assigns the hub again which refuses the device is not asked without end.
#[test]
fn a_hub_that_refuses_what_dps_assigns_is_tried_less_and_less() {
    let mut device = assigned();
    let start = device.now;
    for _ in 0..6 {
        refuse(&mut device, 5);
        device.connack(0);
        device.suback(true);
        answer(&mut device, "200", ASSIGNED);
        device.wait(2 * SECOND);
    }
    let waited = device.now.saturating_duration_since(start);
    assert!(waited >= 5000 * SECOND, "{waited:?}");
    assert_eq!(device.client.status().failures.refused_by_hub, 12);
}

#[test]
fn the_stored_assignment_is_tried_first_and_given_up_in_the_end() {
    assert_eq!(refuse(&mut assigned(), 5), 2);
    assert_eq!(refuse(&mut assigned(), 3), 10);
    assert_eq!(refuse(&mut assigned_after(7), 3), 3);
    assert_eq!(
        refuse(&mut assigned_after(99), 3),
        1,
        "the hub is tried first all the same"
    );

    // A hub that accepts the device in between starts the count anew.
    let mut device = assigned();
    device.connack(5);
    device.wait_for_timer();
    device.connack(0);
    device.suback(true);
    device.closed();
    device.wait_for_timer();
    assert_eq!(refuse(&mut device, 5), 2);

    // Where DPS does not answer, the hub is tried once more.
    device.act(|client, now| client.handle_connack(now, 3, false));
    device.wait_for_timer();
    let lines = device.take();
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("> connect hub1.example")),
        "{lines:?}"
    );
    assert_eq!(refuse(&mut device, 5), 1);
}

#[test]
fn what_was_accepted_goes_to_the_new_hub() {
    let mut device = assigned();
    device.connack(0);
    device.suback(true);
    device.act(|client, _| client.send(&Telemetry::new(b"1")).unwrap());
    device.act(|client, _| client.report(b"{}", None).unwrap());
    device.closed();
    device.act(|client, now| client.reprovision(now).unwrap());
    device.wait_until("> connect dps.example");
    device.connack(0);
    device.suback(true);
    answer(&mut device, "200", ASSIGNED);
    device.wait_until("> connect hub2.example");
    device.connack(0);
    device.suback(true);
    let lines = device.take();
    let sent: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("> publish"))
        .collect();
    assert!(
        sent[0].contains(" dup devices/dev2/messages/events/ 1"),
        "{lines:?}"
    );
    assert!(
        sent[1].contains("$iothub/twin/PATCH/properties/reported/"),
        "{lines:?}"
    );
    assert_eq!(sent.len(), 2);
}

#[test]
fn provisioning_anew_on_request() {
    let mut device = assigned();
    device.connack(0);
    device.suback(true);
    device.skip();
    device.act(|client, now| client.reprovision(now).unwrap());
    device.expect(
        "> erase
         > disconnect
         * Disconnected Requested, again
         > abort",
    );
    device.wait(SECOND);
    assert!(device.take()[1].starts_with("> connect dps.example"));
    assert!(
        Device::new(|_| ())
            .act(|client, now| client.reprovision(now))
            .is_err()
    );
}

#[test]
fn a_bad_configuration_is_refused() {
    let refused = |change: fn(&mut dps::Config<'static>)| {
        let mut dps = dps_config();
        change(&mut dps);
        let mut config = support::config();
        config.dps = Some(dps);
        Client::<256>::new(&config).err()
    };
    assert_eq!(refused(|_| ()), None);
    assert_eq!(refused(|dps| dps.id_scope = ""), Some(ConfigError::IdScope));
    assert_eq!(
        refused(|dps| dps.id_scope = "0ne/x"),
        Some(ConfigError::IdScope)
    );
    for id in ["", "a/b", "a_", "a.", "a:", "ä"] {
        let mut dps = dps_config();
        dps.registration_id = id;
        let mut config = support::config();
        config.dps = Some(dps);
        assert_eq!(
            Client::<256>::new(&config).err(),
            Some(ConfigError::RegistrationId),
            "{id}"
        );
    }
    assert_eq!(
        refused(|dps| dps.hostname = "a b"),
        Some(ConfigError::Hostname)
    );
    assert_eq!(
        refused(|dps| dps.payload = Some(b"{")),
        Some(ConfigError::ProvisioningPayload)
    );
    assert_eq!(
        refused(|dps| dps.payload = Some(&[b' '; 300])),
        Some(ConfigError::ProvisioningPayload)
    );
    let mut config = support::config();
    config.dps = Some(dps_config());
    assert_eq!(
        Client::<256, false>::new(&config).err(),
        Some(ConfigError::NoProvisioning)
    );
}
