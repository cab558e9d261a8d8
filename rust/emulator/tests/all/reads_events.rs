//! The Event Hubs-compatible endpoint: what is in its partitions, under which numbers, and where a
//! consumer may begin.

#![allow(clippy::unwrap_used)] // helpers of tests

use iothub_emulator::AmqpPort;
use serde_json::{Value, json};

use crate::support::amqp::{Client, Frame, V};
use crate::support::process::Process;
use crate::support::{Ca, Device, HUB, Hub, token};

async fn start(partitions: &str) -> Hub {
    Hub::start_with(|options| {
        options.amqp = Some(AmqpPort::At("127.0.0.1:0".parse().unwrap()));
        let settings = &mut options.settings;
        settings.set("eventHubPartitions", partitions).unwrap();
    })
    .await
}

async fn client(hub: &Hub) -> Client {
    let address = hub.emulator.amqp_addr().unwrap();
    let token = token(HUB, hub.emulator.service_key(), 3600, Some("service"));
    Client::open(address, &hub.server_ca, &token).await
}

fn partition(hub: &str, number: u32) -> String {
    format!("iothub-ehub-{hub}/ConsumerGroups/$Default/Partitions/{number}")
}

/// The endpoint as a consumer sees it that begins with the oldest message.
async fn reader(hub: &Hub) -> Client {
    let mut reader = client(hub).await;
    reader.attach(2, true, &partition(HUB, 0), vec![]).await;
    reader.credit(2, 0, 1000).await;
    reader
}

async fn publish(device: &mut Device, bodies: &[&str]) {
    for (id, body) in (1..).zip(bodies) {
        device
            .publish("devices/dev/messages/events/", body, id)
            .await;
        device.expect_puback(id).await;
    }
}

async fn route(hub: &Hub, rules: Value) {
    let (status, shown) = hub.put("/admin/routing", &rules).await;
    assert_eq!(status, 200, "{shown}");
}

/// As the Azure CLI makes and deletes them, for one hub.
#[tokio::test]
async fn consumer_groups_that_management_makes_are_read_from() {
    let hub = Hub::start_with(|options| {
        options.amqp = Some(AmqpPort::At("127.0.0.1:0".parse().unwrap()));
        options.consumer_groups = vec!["given".to_owned()];
        options.settings.set("eventHubPartitions", "1").unwrap();
    })
    .await;
    publish(&mut hub.device("dev").await, &["x"]).await;
    let name = HUB.split('.').next().unwrap();
    let resource = format!(
        "/subscriptions/s/resourceGroups/iothub-emulator/providers/Microsoft.Devices/IotHubs/{name}"
    );
    let at = |rest: &str| format!("{resource}{rest}?api-version=2023-06-30");
    let group = |name: &str| at(&format!("/eventHubEndpoints/events/ConsumerGroups/{name}"));
    let names = async || {
        let (status, all) = hub
            .get(&at("/eventHubEndpoints/events/ConsumerGroups"))
            .await;
        assert_eq!(status, 200, "{all}");
        let all = all["value"].as_array().unwrap().iter();
        all.map(|it| it["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let is_there = async |group: &str| {
        let address = format!("iothub-ehub-{HUB}/ConsumerGroups/{group}/Partitions/0");
        let mut reader = client(&hub).await;
        reader.attach(2, true, &address, vec![]).await;
        reader.expect(0x12).await;
        reader.credit(2, 0, 1).await;
        let frame = reader.frame().await.unwrap();
        assert!(frame.code == 0x14 || frame.has("amqp:not-found"));
        frame.code == 0x14
    };
    assert_eq!(names().await, ["$Default", "given"]);
    assert!(!is_there("Readers").await);
    let body = json!({"properties": {"name": "Readers"}});
    for _ in 0..2 {
        let (status, made) = hub.put(&group("Readers"), &body).await;
        assert_eq!(
            (status, made["name"].as_str()),
            (200, Some("Readers")),
            "{made}"
        );
    }
    assert_eq!(names().await, ["$Default", "given", "Readers"]);
    assert!(is_there("readers").await && is_there("given").await);
    // Whoever writes the hub leaves them.
    let body = json!({"location": "local", "sku": {"name": "S1", "capacity": 1}});
    assert_eq!(hub.put(&at(""), &body).await.0, 201);
    let shown = hub.get(&group("readers")).await.1;
    let id = shown["id"].as_str().unwrap();
    assert!(
        id.ends_with("/eventHubEndpoints/events/ConsumerGroups/Readers"),
        "{id}"
    );
    for (path, status) in [
        (group("$Default"), 409),
        (group("given"), 409),
        (group("none"), 404),
    ] {
        assert_eq!(hub.delete(&path).await.0, status, "{path}");
    }
    let elsewhere = at("/eventHubEndpoints/operationsMonitoringEvents/ConsumerGroups/a");
    for (path, status) in [
        (group("-a"), 400),
        (group(&"a".repeat(51)), 400),
        (elsewhere, 404),
    ] {
        assert_eq!(hub.put(&path, &json!({})).await.0, status, "{path}");
    }
    assert_eq!(hub.delete(&group("READERS")).await.0, 200);
    assert_eq!(hub.get(&group("Readers")).await.0, 404);
    assert!(!is_there("Readers").await);
    for number in 0..18 {
        let (status, made) = hub.put(&group(&format!("g{number}")), &json!({})).await;
        assert_eq!(status, 200, "{made}");
    }
    assert_eq!(hub.put(&group("more"), &json!({})).await.0, 409);
}

#[tokio::test]
async fn each_partition_counts_for_itself() {
    let hub = start("4").await;
    let mut numbers = vec![Vec::new(); 4];
    for id in ["a", "b", "c", "d", "e", "f"] {
        let mut device = hub.device(id).await;
        for packet in 1..=3 {
            let topic = format!("devices/{id}/messages/events/");
            device.publish(&topic, "x", packet).await;
            device.expect_puback(packet).await;
        }
    }
    let mut reader = client(&hub).await;
    for number in 0..4 {
        let address = partition(HUB, number);
        reader.attach(10 + number, true, &address, vec![]).await;
        reader.expect(0x12).await;
    }
    for number in 0..4 {
        reader.credit(10 + number, 0, 100).await;
    }
    for _ in 0..18 {
        let event = reader.expect(0x14).await;
        // Behind the performative's head: a list of 8 bits of size and count, and the handle as a
        // small uint.
        let handle = event.bytes.iter().position(|it| *it == 0x52).unwrap() + 1;
        let number = usize::from(event.bytes[handle] - 10);
        numbers[number].push(event.sequence_number());
    }
    assert!(numbers.iter().filter(|it| it.len() > 3).count() > 0);
    for of_one in numbers {
        let expected: Vec<i64> = (0..of_one.len() as i64).collect();
        assert_eq!(of_one, expected);
    }
}

#[tokio::test]
async fn a_place_that_never_was_is_refused_and_one_that_was_is_gone_on_from() {
    let hub = start("1").await;
    let mut device = hub.device("dev").await;
    publish(&mut device, &["one", "two", "three"]).await;
    let mut all = reader(&hub).await;
    all.expect(0x14).await;
    let second = all.expect(0x14).await;
    let offset = second.offset();
    assert_ne!(offset, second.sequence_number().to_string());
    let mut client = client(&hub).await;
    for (handle, (filter, why)) in (2..).zip([
        ("offset > '99999'", "The supplied offset '99999' is invalid"),
        (
            "sequence-number > '3'",
            "The last sequence number in the system is '2'",
        ),
    ]) {
        let filter = format!("amqp.annotation.x-opt-{filter}");
        client
            .attach_from(handle, &partition(HUB, 0), &filter)
            .await;
        client.credit(handle, 0, 10).await;
        let detach = client.expect(0x16).await;
        assert!(detach.has("com.microsoft:argument-error") && detach.has(why));
    }
    for (handle, filter, first) in [
        (5, format!("offset > '{offset}'"), "three"),
        (6, format!("offset >= '{offset}'"), "two"),
        (7, "sequence-number >= '1'".to_owned(), "two"),
    ] {
        let filter = format!("amqp.annotation.x-opt-{filter}");
        client
            .attach_from(handle, &partition(HUB, 0), &filter)
            .await;
        client.credit(handle, 0, 1).await;
        assert!(client.expect(0x14).await.has(first), "{filter}");
    }
    // The end is a place.
    client
        .attach_from(
            9,
            &partition(HUB, 0),
            "amqp.annotation.x-opt-sequence-number > '2'",
        )
        .await;
    client.expect(0x12).await;
    client.credit(9, 0, 1).await;
    publish(&mut device, &["four"]).await;
    assert!(client.expect(0x14).await.has("four"));
}

/// Section 3.5.1 of the standard: the filters of the answer are those that are in force.
#[tokio::test]
async fn an_attach_is_answered_with_the_filter_that_is_understood() {
    let hub = start("1").await;
    let mut device = hub.device("dev").await;
    publish(&mut device, &["one", "two"]).await;
    let mut client = client(&hub).await;
    let partition = partition(HUB, 0);
    let text = "amqp.annotation.x-opt-sequence-number > '0'";
    let color = || {
        let filter = V::Named("example:color-filter", Box::new(V::Text("red")));
        (V::Symbol("color"), filter)
    };
    let selector = || {
        let filter = V::Named("apache.org:selector-filter:string", Box::new(V::Text(text)));
        (V::Symbol("jms-selector"), filter)
    };
    let feedback = "/messages/serviceBound/feedback";
    for (handle, address, filters, in_force, first) in [
        (
            2,
            partition.as_str(),
            vec![color(), selector()],
            true,
            Some("two"),
        ),
        (3, &partition, vec![selector(), color()], true, Some("two")),
        (4, &partition, vec![color()], false, Some("one")),
        (5, feedback, vec![selector(), color()], false, None),
    ] {
        client.attach_with(handle, address, filters).await;
        let answer = client.expect(0x12).await;
        assert!(answer.has(address), "{handle}");
        assert!(!answer.has("color") && !answer.has("red"), "{handle}");
        assert_eq!(answer.has("jms-selector"), in_force, "{handle}");
        assert_eq!(answer.has(text), in_force, "{handle}");
        if let Some(first) = first {
            client.credit(handle, 0, 1).await;
            assert!(client.expect(0x14).await.has(first), "{handle}");
        }
    }
}

#[tokio::test]
async fn a_hub_has_its_own_number_of_partitions() {
    let hub = start("1").await;
    let path = "/subscriptions/x/resourceGroups/iothub-emulator/providers/Microsoft.Devices/IotHubs/own-1?api-version=2023-06-30";
    let body = json!({
        "location": "local", "sku": {"name": "S1", "capacity": 1},
        "properties": {"eventHubEndpoints": {"events": {"partitionCount": 2}}},
    });
    let (status, made) = hub.put(path, &body).await;
    assert_eq!(status, 201, "{made}");
    let mut client = client(&hub).await;
    for (handle, host, number, there) in [
        (2, HUB, 1, false),
        (3, "own-1.azure-devices.localhost", 1, true),
        (4, "own-1.azure-devices.localhost", 2, false),
    ] {
        let address = partition(host, number);
        client.attach(handle, true, &address, vec![]).await;
        client.expect(0x12).await;
        if !there {
            assert!(client.expect(0x16).await.has("amqp:not-found"), "{address}");
        }
    }
}

fn is_of(event: &Frame, source: &str, operation: &str) -> bool {
    event.has("iothub-message-source") && event.has(source) && event.has(operation)
}

#[tokio::test]
async fn what_happens_to_a_device_comes_where_routes_lead_it() {
    let hub = start("1").await;
    let mut reader = reader(&hub).await;
    let routes = [
        "TwinChangeEvents",
        "DeviceLifecycleEvents",
        "DeviceConnectionStateEvents",
    ]
    .map(|source| json!({"name": source, "source": source, "endpointNames": ["events"]}));
    route(&hub, json!({"routes": routes})).await;
    let mut device = hub.device("dev").await;
    let mut numbers = Vec::new();
    for (source, operation) in [
        ("deviceLifecycleEvents", "createDeviceIdentity"),
        ("deviceConnectionStateEvents", "deviceConnected"),
    ] {
        let event = reader.expect(0x14).await;
        assert!(is_of(&event, source, operation), "{source}");
        assert!(event.has("iothub-connection-device-id"));
        assert!(event.has("application/json") && event.has("utf-8"));
        // The user is the hub, as bytes of that length.
        assert!(event.has("\u{3}hub"));
        numbers.push(event.sequence_number());
    }
    // Between two messages of the device.
    publish(&mut device, &["before"]).await;
    let event = reader.expect(0x14).await;
    assert!(is_of(&event, "Telemetry", "before"));
    numbers.push(event.sequence_number());
    hub.patch("/twins/dev", &json!({"tags": {"site": "roof"}}))
        .await;
    let event = reader.expect(0x14).await;
    assert!(is_of(&event, "twinChangeEvents", "updateTwin") && event.has("roof"));
    numbers.push(event.sequence_number());
    publish(&mut device, &["after"]).await;
    let event = reader.expect(0x14).await;
    assert!(event.has("after"));
    numbers.push(event.sequence_number());
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    // Who comes later reads the same.
    let mut late = self::reader(&hub).await;
    for number in numbers {
        assert_eq!(late.expect(0x14).await.sequence_number(), number);
    }
    // Telemetry's own reader has telemetry alone.
    let lines = hub.lines("/admin/telemetry.jsonl").await;
    assert_eq!(lines.len(), 2);
}

#[tokio::test]
async fn telemetry_that_routes_lead_elsewhere_is_not_here() {
    let hub = start("1").await;
    let mut reader = reader(&hub).await;
    let mut device = hub.device("dev").await;
    publish(&mut device, &["first"]).await;
    let elsewhere = json!({
        "endpoints": [{"name": "cold", "type": "file"}],
        "routes": [{"name": "r", "source": "DeviceMessages", "condition": "$body.cold = true", "endpointNames": ["cold"]}],
    });
    route(&hub, elsewhere).await;
    let json = "devices/dev/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8";
    for (id, body) in (1..).zip(["{\"cold\":true}", "{\"cold\":false}"]) {
        device.publish(json, body, id).await;
        device.expect_puback(id).await;
    }
    // And without the fallback none is.
    route(&hub, json!({"fallbackRoute": {"isEnabled": false}})).await;
    publish(&mut device, &["nowhere"]).await;
    route(&hub, json!({})).await;
    publish(&mut device, &["last"]).await;
    for (number, body) in (0..).zip(["first", "{\"cold\":false}", "last"]) {
        let event = reader.expect(0x14).await;
        assert!(event.has(body), "{body}");
        assert_eq!(event.sequence_number(), number);
    }
    assert_eq!(hub.lines("/admin/telemetry.jsonl").await.len(), 5);
}

#[tokio::test]
async fn enrichments_come_with_the_message() {
    let hub = start("1").await;
    let mut reader = reader(&hub).await;
    let mut device = hub.device("dev").await;
    hub.patch("/twins/dev", &json!({"tags": {"site": "roof", "floor": 7}}))
        .await;
    publish(&mut device, &["before"]).await;
    let before = reader.expect(0x14).await;
    assert!(before.has("before") && !before.has("roof"));
    let enrichments = [
        ("hub", "$iothubname", "events"),
        ("site", "$twin.tags.site", "events"),
        ("floor", "$twin.tags.floor", "events"),
        ("none", "$twin.tags.none", "events"),
        ("own", "theirs", "events"),
        ("other", "elsewhere", "cold"),
    ]
    .map(|(key, value, endpoint)| json!({"key": key, "value": value, "endpointNames": [endpoint]}));
    let endpoints = json!([{"name": "cold", "type": "file"}]);
    let rules = json!({"endpoints": endpoints, "enrichments": enrichments});
    route(&hub, rules).await;
    let topic = "devices/dev/messages/events/own=mine&kept=yes";
    device.publish(topic, "after", 9).await;
    device.expect_puback(9).await;
    let event = reader.expect(0x14).await;
    for pair in [
        "\u{a1}\u{3}hub\u{a1}\u{3}hub",
        "\u{a1}\u{4}site\u{a1}\u{4}roof",
        "\u{a1}\u{5}floor\u{a1}\u{1}7",
        "\u{a1}\u{3}own\u{a1}\u{6}theirs",
        "\u{a1}\u{4}kept\u{a1}\u{3}yes",
    ] {
        // One character is one byte.
        let pair: Vec<u8> = pair.chars().map(|it| it as u8).collect();
        let found = event.bytes.windows(pair.len()).any(|it| it == pair);
        assert!(found, "{}", String::from_utf8_lossy(&pair));
    }
    for absent in ["none", "mine", "elsewhere"] {
        assert!(!event.has(absent), "{absent}");
    }
    route(&hub, json!({})).await;
    publish(&mut device, &["plain"]).await;
    assert!(!reader.expect(0x14).await.has("roof"));
}

#[tokio::test]
async fn rules_of_before_count_from_the_first_message() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::root("Root");
    let options = OPTIONS;
    let process = Process::start(&options, folder.path());
    let certificate = json!({"name": "root", "certificate": ca.pem}).to_string();
    process
        .call("POST", "/admin/certificates", &certificate)
        .await;
    let device = r#"{"authentication":{"type":"certificateAuthority"}}"#;
    process.call("PUT", "/devices/dev", device).await;
    let rules = r#"{"fallbackRoute":{"isEnabled":false}}"#;
    process.call("PUT", "/admin/routing", rules).await;
    process.kill();
    let process = Process::start(&options, folder.path());
    let server_ca = std::fs::read_to_string(folder.path().join("server-ca.pem")).unwrap();
    let mut device = Device::dial(process.mqtt, &server_ca, Some(&ca.device("dev")))
        .await
        .unwrap();
    device.connect("dev", true).await;
    device.connack().await;
    publish(&mut device, &["nowhere"]).await;
    process.call("PUT", "/admin/routing", "{}").await;
    publish(&mut device, &["here"]).await;
    let mut reader = process.service(&server_ca).await;
    reader.attach(2, true, &partition(HUB, 0), vec![]).await;
    reader.credit(2, 0, 10).await;
    let event = reader.expect(0x14).await;
    assert!(event.has("here") && event.sequence_number() == 0);
    process.kill();
}

const OPTIONS: [&str; 5] = [
    "--amqp",
    "127.0.0.1:0",
    "--set",
    "eventHubPartitions=1",
    "--data-dir",
];
