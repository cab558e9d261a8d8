//! What a message costs: `cargo bench -p iothub-proto`. Inputs are those of the vectors.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use iothub_proto::twin::View;
use iothub_proto::{Client, Config, Event, Instant, Properties, Property, Qos, Telemetry, dps};

const NOW: Instant = Instant::from_millis(0);

/// The field of the first line of a file of vectors whose expectation holds this.
fn vector(file: &'static str, field: usize, holds: &str) -> &'static str {
    let line = file
        .lines()
        .find(|line| !line.starts_with('#') && line.contains(holds))
        .expect("such a vector");
    line.split('\t').nth(field).expect("such a field")
}

fn ready(config: &Config<'_>) -> Client<8192> {
    let mut client = Client::new(config).unwrap();
    client.connect(NOW).unwrap();
    drain(&mut client);
    client.handle_connack(NOW, 0, false);
    drain(&mut client);
    client.handle_suback(NOW, 1, true);
    drain(&mut client);
    client
}

fn drain(client: &mut Client<8192>) -> Option<String> {
    let mut buffer = [0; 4096];
    let mut last = None;
    while let Some((id, command)) = client.poll_command(NOW, &mut buffer) {
        if let iothub_proto::Command::Publish { topic, .. } = command {
            last = topic.split_once("$rid=").map(|(_, rid)| rid.to_string());
        }
        client.complete(NOW, id, Ok(()));
    }
    while client.poll_event().is_some() {}
    last
}

fn config() -> Config<'static> {
    let mut config = Config::new("hub.example", "dev1");
    config.network.enabled = false;
    config.request_twin = false;
    config
}

fn telemetry(criterion: &mut Criterion) {
    let mut client = ready(&config());
    let properties = [
        Property {
            name: "a",
            value: Some("é"),
        },
        Property {
            name: "b",
            value: Some("x y/&="),
        },
        Property {
            name: "e",
            value: Some(""),
        },
    ];
    let mut message = Telemetry::json(br#"{"temperature":21.5,"timestamp":1234567}"#);
    message.properties = &properties;
    message.qos = Qos::AtMostOnce;
    let mut buffer = [0; 4096];
    criterion.bench_function(
        "telemetry: accept, build the topic, hand out, complete",
        |bencher| {
            bencher.iter(|| {
                client.send(black_box(&message)).unwrap();
                let (id, command) = client.poll_command(NOW, &mut buffer).unwrap();
                black_box(&command);
                client.complete(NOW, id, Ok(()));
                client.poll_event()
            });
        },
    );
}

fn incoming(criterion: &mut Criterion) {
    let file = include_str!("../tests/vectors/incoming_topics.tsv");
    let mut client = ready(&config());
    for (name, holds) in [
        ("C2D", "C2d %24.to"),
        ("an answer", "&$version=16"),
        ("no topic of ours", "$iothub/twin/rez"),
    ] {
        let topic = vector(file, 0, holds);
        criterion.bench_function(&format!("incoming topic: {name}"), |bencher| {
            bencher.iter(|| {
                let event = client.handle_publish(NOW, black_box(topic.as_bytes()), b"{}");
                matches!(event, Some(Event::C2d(_)))
            });
        });
    }
    let bag = vector(
        include_str!("../tests/vectors/property_bags.tsv"),
        0,
        "jkl=%2F",
    );
    criterion.bench_function("properties: decode all of a bag", |bencher| {
        bencher.iter(|| {
            let mut buffer = [0; 64];
            Properties::new(black_box(bag.as_bytes()))
                .iter()
                .filter_map(|property| property.value(&mut buffer).ok()?.map(str::len))
                .sum::<usize>()
        });
    });
}

fn twin(criterion: &mut Criterion) {
    let file = include_str!("../tests/vectors/twin_documents.tsv");
    let small = vector(file, 0, "batteryLevel").to_string();
    let filler = r#""key":{"value":12345,"text":"a text of some length"},"#.repeat(600);
    let large = format!(r#"{{"desired":{{{filler}"$version":7}},"reported":{{"$version":3}}}}"#);
    for (name, document) in [("170 bytes", &small), ("32 KB", &large)] {
        let mut client = ready(&config());
        criterion.bench_function(&format!("twin: request, answer of {name}"), |bencher| {
            bencher.iter(|| {
                client.request_twin().unwrap();
                let rid = drain(&mut client).unwrap();
                let topic = format!("$iothub/twin/res/200/?$rid={rid}");
                match client.handle_publish(NOW, topic.as_bytes(), black_box(document.as_bytes())) {
                    Some(Event::Twin(document)) => document.version,
                    other => panic!("{other:?}"),
                }
            });
        });
    }
    let patch = br#"{"a":{"b":[1,2,{"c":null}]},"telemetryInterval":5,"$version":8}"#;
    criterion.bench_function("twin: a number out of a patch", |bencher| {
        bencher.iter(|| View::new(black_box(patch)).number("telemetryInterval"));
    });
}

fn provisioning(criterion: &mut Criterion) {
    let file = include_str!("../tests/vectors/dps_answers.tsv");
    let body = vector(file, 2, "initialAssignment");
    let mut config = config();
    config.dps = Some(dps::Config::new("0ne0", "reg1"));
    criterion.bench_function("DPS: from new to assigned", |bencher| {
        bencher.iter(|| {
            let mut client = Client::<8192>::new(black_box(&config)).unwrap();
            client.connect(NOW).unwrap();
            drain(&mut client);
            client.handle_connack(NOW, 0, false);
            drain(&mut client);
            client.handle_suback(NOW, 1, true);
            let rid = drain(&mut client).unwrap();
            let topic = format!("$dps/registrations/res/200/?$rid={rid}");
            client
                .handle_publish(NOW, topic.as_bytes(), body.as_bytes())
                .is_some()
        });
    });
}

criterion_group!(benches, telemetry, incoming, twin, provisioning);
criterion_main!(benches);
