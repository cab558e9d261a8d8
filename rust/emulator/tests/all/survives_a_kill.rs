//! What was acknowledged is there after SIGKILL.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use crate::support;
use crate::support::amqp::{Client, Frame};
use crate::support::process::Process;
use crate::support::{Ca, Device, HUB};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

#[tokio::test]
async fn registry_twin_queue_session_and_telemetry() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::root("Root");
    let process = Process::start(&["--data-dir"], folder.path());
    let certificate = serde_json::json!({"name": "root", "certificate": ca.pem}).to_string();
    process
        .call("POST", "/admin/certificates", &certificate)
        .await;
    let device = r#"{"authentication":{"type":"certificateAuthority"}}"#;
    process.call("PUT", "/devices/dev", device).await;
    process
        .call(
            "PATCH",
            "/twins/dev",
            r#"{"properties":{"desired":{"a":1}}}"#,
        )
        .await;
    let server_ca = std::fs::read_to_string(folder.path().join("server-ca.pem")).unwrap();
    let credentials = ca.device("dev");
    let mut device = Device::dial(process.mqtt, &server_ca, Some(&credentials))
        .await
        .unwrap();
    device.connect("dev", false).await;
    assert_eq!(device.connack().await, (false, 0));
    device
        .subscribe(&["devices/dev/messages/devicebound/#", "$iothub/twin/res/#"])
        .await;
    let mut acknowledged = 0;
    for id in 1..=200 {
        device
            .publish("devices/dev/messages/events/", &id.to_string(), id)
            .await;
    }
    // Killed in the middle of it.
    while acknowledged < 50 {
        acknowledged += 1;
        device.expect_puback(acknowledged).await;
    }
    process.kill();
    while let Some((0x40, id)) = device.packet().await {
        acknowledged = u16::from_be_bytes([id[0], id[1]]);
    }

    let process = Process::start(&["--data-dir"], folder.path());
    process
        .call("POST", "/devices/dev/messages/deviceBound", "while away")
        .await;
    process.kill();

    let process = Process::start(&["--data-dir"], folder.path());
    let lines = process.call("GET", "/admin/telemetry.jsonl", "").await;
    let stored: Vec<u64> = lines
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["body"]
                .as_u64()
                .unwrap()
        })
        .collect();
    for id in 1..=u64::from(acknowledged) {
        assert!(stored.contains(&id), "{id} was acknowledged and is gone");
    }
    let twin = process.call("GET", "/twins/dev", "").await;
    assert!(twin.contains("\"a\":1"), "{twin}");
    let mut device = Device::dial(process.mqtt, &server_ca, Some(&credentials))
        .await
        .unwrap();
    device.connect("dev", false).await;
    assert_eq!(device.connack().await, (true, 0));
    assert_eq!(device.message().await.payload, "while away");
    process.kill();
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_iothub-emulator"))
        .args(["--ephemeral", "--http", "127.0.0.1:0", "--mqtt", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains(&format!("cannot listen on {address} for mqtt")),
        "{text}"
    );
    assert!(text.contains("choose another port with --mqtt"), "{text}");
}

/// Devices that send as fast as they can while the process is killed.
#[tokio::test]
async fn everything_that_was_acknowledged_under_load() {
    const DEVICES: usize = 6;
    const WINDOW: u16 = 32;
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::root("Root");
    let process = Process::start(&["--data-dir"], folder.path());
    let certificate = serde_json::json!({"name": "root", "certificate": ca.pem}).to_string();
    process
        .call("POST", "/admin/certificates", &certificate)
        .await;
    let server_ca = std::fs::read_to_string(folder.path().join("server-ca.pem")).unwrap();
    let mut load = tokio::task::JoinSet::new();
    for number in 0..DEVICES {
        let id = format!("dev{number}");
        let device = r#"{"authentication":{"type":"certificateAuthority"}}"#;
        process.call("PUT", &format!("/devices/{id}"), device).await;
        let credentials = ca.device(&id);
        let mut device = Device::dial(process.mqtt, &server_ca, Some(&credentials))
            .await
            .unwrap();
        device.connect(&id, false).await;
        assert_eq!(device.connack().await.1, 0);
        device.subscribe(&["$iothub/twin/res/#"]).await;
        load.spawn(async move {
            let (mut sent, mut stored, mut version) = (0u16, 0u16, 0i64);
            loop {
                while sent < stored + WINDOW {
                    sent += 1;
                    let topic = format!("devices/{id}/messages/events/");
                    if device
                        .try_publish(&topic, &sent.to_string(), sent)
                        .await
                        .is_err()
                    {
                        return (id, stored, version);
                    }
                }
                let report = format!("$iothub/twin/PATCH/properties/reported/?$rid={sent}");
                let body = format!("{{\"sent\":{sent}}}");
                let _ = device.try_publish(&report, &body, 0).await;
                match device.packet().await {
                    Some((0x40, id)) => stored = u16::from_be_bytes([id[0], id[1]]),
                    Some((0x30, body)) => {
                        let text = String::from_utf8_lossy(&body).into_owned();
                        let (_, number) = text.split_once("$version=").unwrap();
                        version = number.parse().unwrap();
                    }
                    Some(other) => panic!("{other:?}"),
                    None => return (id, stored, version),
                }
            }
        });
    }
    // Killed once there is something to lose.
    let loaded = async {
        loop {
            let lines = process.call("GET", "/admin/telemetry.jsonl", "").await;
            if lines.lines().count() > 500 {
                return;
            }
        }
    };
    support::within("five hundred messages", loaded).await;
    process.kill();

    let process = Process::start(&["--data-dir"], folder.path());
    let lines = process.call("GET", "/admin/telemetry.jsonl", "").await;
    let all: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut acknowledged = 0;
    while let Some(done) = load.join_next().await {
        let (id, stored, version) = done.unwrap();
        let bodies = all.iter().filter(|line| line["deviceId"] == *id);
        let bodies: Vec<u64> = bodies.map(|line| line["body"].as_u64().unwrap()).collect();
        let expected: Vec<u64> = (1..=u64::from(stored)).collect();
        assert!(bodies.starts_with(&expected), "{id} lost some of {stored}");
        let twin = process.call("GET", &format!("/twins/{id}"), "").await;
        let twin: Value = serde_json::from_str(&twin).unwrap();
        let kept = twin["properties"]["reported"]["$version"].as_i64().unwrap();
        assert!(
            kept >= version,
            "{id} is at version {kept}, and was told {version}"
        );
        acknowledged += usize::from(stored);
    }
    assert!(acknowledged > 100, "{acknowledged} is no load");
    process.kill();
}

/// A message as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    number: i64,
    offset: String,
    body: String,
}

impl Event {
    fn of(frame: &Frame) -> Self {
        let text = String::from_utf8_lossy(&frame.bytes);
        Self {
            number: frame.sequence_number(),
            offset: frame.offset(),
            body: text[text.rfind('<').unwrap()..].to_owned(),
        }
    }
}

/// A consumer of a partition, behind what it has seen.
async fn consumer(
    process: &Process,
    server_ca: &str,
    partition: usize,
    behind: Option<&Event>,
) -> Client {
    let mut client = process.service(server_ca).await;
    let address = format!("iothub-ehub-{HUB}/ConsumerGroups/$Default/Partitions/{partition}");
    let offset = behind.map_or("-1", |event| &event.offset);
    let filter = format!("amqp.annotation.x-opt-offset > '{offset}'");
    client.attach_from(2, &address, &filter).await;
    client.expect(0x12).await;
    client
}

/// Sends as fast as the hub takes it, until it is gone; how many were acknowledged.
async fn storm(mut device: Device, id: String, round: usize, stored: Arc<Semaphore>) -> u16 {
    const WINDOW: u16 = 32;
    let topic = format!("devices/{id}/messages/events/");
    let (mut sent, mut acknowledged) = (0, 0);
    loop {
        while sent < acknowledged + WINDOW {
            sent += 1;
            let body = format!("<{id} {round} {sent}>");
            if device.try_publish(&topic, &body, sent).await.is_err() {
                break;
            }
        }
        match device.packet().await {
            Some((0x40, id)) => acknowledged = u16::from_be_bytes([id[0], id[1]]),
            Some(other) => panic!("{other:?}"),
            None => return acknowledged,
        }
        stored.add_permits(1);
    }
}

/// Devices at full speed, consumers of all partitions that read along, and a hub that is killed again
/// and again: its partitions go on as they were.
#[tokio::test]
async fn partitions_go_on_under_their_numbers_after_each_kill_under_load() {
    const OPTIONS: [&str; 3] = ["--amqp", "127.0.0.1:0", "--data-dir"];
    const DEVICES: usize = 8;
    const PARTITIONS: usize = 4;
    const KILLS: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::root("Root");
    let mut process = Process::start(&OPTIONS, folder.path());
    let certificate = serde_json::json!({"name": "root", "certificate": ca.pem}).to_string();
    process
        .call("POST", "/admin/certificates", &certificate)
        .await;
    let server_ca = std::fs::read_to_string(folder.path().join("server-ca.pem")).unwrap();
    let mut devices = Vec::new();
    for number in 0..DEVICES {
        let id = format!("dev{number}");
        let device = r#"{"authentication":{"type":"certificateAuthority"}}"#;
        process.call("PUT", &format!("/devices/{id}"), device).await;
        devices.push((id.clone(), ca.device(&id)));
    }
    let mut acknowledged: Vec<String> = Vec::new();
    let mut followed: Vec<Vec<Event>> = vec![Vec::new(); PARTITIONS];
    let mut stored: Vec<Vec<Event>> = vec![Vec::new(); PARTITIONS];
    for round in 0..KILLS {
        let mut followers = JoinSet::new();
        for (partition, followed) in followed.iter().enumerate() {
            let mut client = consumer(&process, &server_ca, partition, followed.last()).await;
            client.credit(2, 0, 100_000).await;
            followers.spawn(async move {
                let mut seen = Vec::new();
                while let Some(frame) = client.frame().await {
                    if frame.code == 0x14 {
                        seen.push(Event::of(&frame));
                    }
                }
                (partition, seen)
            });
        }
        let mut load = JoinSet::new();
        let permits = Arc::new(Semaphore::new(0));
        for (id, credentials) in &devices {
            let mut device = Device::dial(process.mqtt, &server_ca, Some(credentials))
                .await
                .unwrap();
            device.connect(id, true).await;
            assert_eq!(device.connack().await.1, 0);
            let (id, permits) = (id.clone(), Arc::clone(&permits));
            load.spawn(async move { (id.clone(), storm(device, id, round, permits).await) });
        }
        let enough = permits.acquire_many(MESSAGES);
        support::within("enough to lose", enough)
            .await
            .unwrap()
            .forget();
        process.kill();
        while let Some(done) = load.join_next().await {
            let (id, count) = done.unwrap();
            acknowledged.extend((1..=count).map(|number| format!("<{id} {round} {number}>")));
        }
        while let Some(done) = followers.join_next().await {
            let (partition, seen) = done.unwrap();
            followed[partition].extend(seen);
        }

        process = Process::start(&OPTIONS, folder.path());
        let mut bodies = BTreeMap::new();
        for partition in 0..PARTITIONS {
            let mut client = consumer(&process, &server_ca, partition, None).await;
            let all: Vec<Event> = client.drain(2).await.iter().map(Event::of).collect();
            let numbers: Vec<i64> = all.iter().map(|event| event.number).collect();
            assert_eq!(numbers, (0..).take(all.len()).collect::<Vec<_>>());
            // As it was after the last kill, and as those saw it who read along: without a gap,
            // nothing twice, nothing under another number.
            assert!(all.starts_with(&stored[partition]), "{partition}");
            let seen = &followed[partition];
            assert!(!seen.is_empty() && all.starts_with(seen), "{partition}");
            let mut client = consumer(&process, &server_ca, partition, seen.last()).await;
            let rest: Vec<Event> = client.drain(2).await.iter().map(Event::of).collect();
            assert_eq!(rest, all[seen.len()..], "{partition}");
            for event in &all {
                let twice = bodies.insert(event.body.clone(), (partition, event.number));
                assert_eq!(twice, None, "{event:?}");
            }
            stored[partition] = all;
        }
        // Those of a device in its partition, in the order in which it sent them.
        let mut last: BTreeMap<&str, (usize, i64)> = BTreeMap::new();
        for body in &acknowledged {
            let place = *bodies.get(body).unwrap_or_else(|| panic!("{body} is gone"));
            let device = body.split_once(' ').unwrap().0;
            if let Some(before) = last.insert(device, place) {
                assert!(before.0 == place.0 && before.1 < place.1, "{body}");
            }
        }
        let lines = process.call("GET", "/admin/telemetry.jsonl", "").await;
        assert_eq!(lines.lines().count(), bodies.len());
    }
    process.kill();
}

/// Acknowledged before each kill.
const MESSAGES: u32 = 1500;
