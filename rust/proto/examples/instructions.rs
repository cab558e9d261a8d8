//! One operation of the core, so many times: `bench/instructions.sh` counts its instructions.
//! Without arguments it lists the operations. Inputs are those of the vectors.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an example")]

use std::hint::black_box;
use std::sync::Mutex;

use iothub_proto::twin::View;
use iothub_proto::{
    Client, Command, Config, Event, Instant, MethodResponse, Properties, Property, Telemetry, dps,
};

const NOW: Instant = Instant::from_millis(0);
const OUTBOX: usize = 1024;

type Operation = fn(u32);

const OPERATIONS: &[(&str, Operation)] = &[
    ("connect: a new client, user name and client id", connect),
    (
        "telemetry: accept, build the topic, hand out, PUBACK",
        telemetry,
    ),
    ("incoming topic: C2D", c2d),
    ("incoming topic: no topic of ours", foreign),
    ("properties: decode all of a bag", bag),
    ("twin: request, answer of 170 bytes", twin),
    ("twin: a change of the desired properties", desired),
    ("twin: a number out of a patch", number),
    ("twin: report, answer", report),
    ("method: request, answer", method),
    ("DPS: a new client, register, assigned", provision),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        for (name, _) in OPERATIONS {
            println!("{name}");
        }
        return;
    };
    let times = arguments.next().and_then(|times| times.parse().ok());
    let (_, operation) = OPERATIONS
        .iter()
        .find(|(known, _)| *known == name)
        .expect("an operation from the list");
    operation(times.expect("how many times"));
}

/// The field of the first line of a file of vectors whose expectation holds this.
fn vector(file: &'static str, field: usize, holds: &str) -> &'static str {
    let line = file
        .lines()
        .find(|line| !line.starts_with('#') && line.contains(holds))
        .expect("such a vector");
    line.split('\t').nth(field).expect("such a field")
}

fn incoming(holds: &str) -> &'static [u8] {
    let file = include_str!("../tests/vectors/incoming_topics.tsv");
    vector(file, 0, holds).as_bytes()
}

fn config() -> Config<'static> {
    let mut config = Config::new("hub.example", "dev1");
    config.network.enabled = false;
    config.request_twin = false;
    config
}

fn ready(config: &Config<'_>) -> Client<OUTBOX> {
    let mut client = Client::new(config).unwrap();
    client.connect(NOW).unwrap();
    drain(&mut client);
    client.handle_connack(NOW, 0, false);
    let (packet, _) = drain(&mut client);
    client.handle_suback(NOW, packet, true);
    drain(&mut client);
    client
}

/// Carries out everything; returns the last packet id and `$rid`.
fn drain(client: &mut Client<OUTBOX>) -> (u16, u32) {
    // Not the caller's zeros: they would be counted.
    static BUFFER: Mutex<[u8; 4096]> = Mutex::new([0; 4096]);
    let mut buffer = BUFFER.lock().unwrap();
    let mut last = (0, 0);
    while let Some((id, command)) = client.poll_command(NOW, &mut buffer[..]) {
        match command {
            Command::Publish {
                message_id, topic, ..
            } => {
                last.0 = message_id;
                if let Some((_, rid)) = topic.split_once("$rid=") {
                    last.1 = rid.parse().unwrap_or(0);
                }
            }
            Command::Subscribe { message_id, .. } => last.0 = message_id,
            _ => {}
        }
        client.complete(NOW, id, Ok(()));
    }
    while let Some(event) = client.poll_event() {
        black_box(&event);
    }
    last
}

/// A topic whose `$rid` has always as many digits.
fn answer(topic: &str, rid: u32) -> String {
    format!("{topic}{rid:07}")
}

fn connect(times: u32) {
    let config = config();
    for _ in 0..times {
        let mut client = Client::<OUTBOX>::new(black_box(&config)).unwrap();
        client.connect(NOW).unwrap();
        drain(&mut client);
    }
}

fn telemetry(times: u32) {
    let mut client = ready(&config());
    let property = |name, value| Property {
        name,
        value: Some(value),
    };
    let properties = [
        property("a", "é"),
        property("b", "x y/&="),
        property("e", ""),
    ];
    let mut message = Telemetry::json(br#"{"temperature":21.5,"timestamp":1234567}"#);
    message.properties = &properties;
    for _ in 0..times {
        client.send(black_box(&message)).unwrap();
        let (packet, _) = drain(&mut client);
        client.handle_puback(NOW, packet);
        black_box(client.poll_event());
    }
}

fn publish(times: u32, topic: &[u8], payload: &[u8]) {
    let mut client = ready(&config());
    for _ in 0..times {
        black_box(client.handle_publish(NOW, black_box(topic), black_box(payload)));
    }
}

fn c2d(times: u32) {
    publish(times, incoming("C2d %24.to"), b"{}");
}

fn foreign(times: u32) {
    publish(times, incoming("$iothub/twin/rez"), b"{}");
}

fn bag(times: u32) {
    let bags = include_str!("../tests/vectors/property_bags.tsv");
    let bag = vector(bags, 0, "jkl=%2F").as_bytes();
    for _ in 0..times {
        let mut buffer = [0; 64];
        for property in Properties::new(black_box(bag)).iter() {
            black_box(property.value(&mut buffer)).ok();
        }
    }
}

fn twin(times: u32) {
    let documents = include_str!("../tests/vectors/twin_documents.tsv");
    let document = vector(documents, 0, "batteryLevel").as_bytes();
    let mut client = ready(&config());
    for _ in 0..times {
        client.request_twin().unwrap();
        let (_, rid) = drain(&mut client);
        let topic = answer("$iothub/twin/res/200/?$rid=", rid);
        let event = client.handle_publish(NOW, topic.as_bytes(), black_box(document));
        assert!(matches!(event, Some(Event::Twin(_))));
    }
}

fn desired(times: u32) {
    let mut client = ready(&config());
    for version in 1..=times {
        let topic = answer("$iothub/twin/PATCH/properties/desired/?$version=", version);
        let event = client.handle_publish(NOW, topic.as_bytes(), black_box(PATCH));
        assert!(matches!(event, Some(Event::Desired(_))));
    }
}

const PATCH: &[u8] = br#"{"a":{"b":[1,2,{"c":null}]},"telemetryInterval":5,"$version":8}"#;

fn number(times: u32) {
    for _ in 0..times {
        black_box(View::new(black_box(PATCH)).number("telemetryInterval"));
    }
}

fn report(times: u32) {
    let mut client = ready(&config());
    for _ in 0..times {
        client.report(black_box(PATCH), None).unwrap();
        let (_, rid) = drain(&mut client);
        let topic = answer("$iothub/twin/res/204/?$version=4&$rid=", rid);
        let event = client.handle_publish(NOW, topic.as_bytes(), b"");
        assert!(matches!(event, Some(Event::Reported { .. })));
    }
}

fn method(times: u32) {
    let mut client = ready(&config());
    for _ in 0..times {
        let topic = b"$iothub/methods/POST/led/?$rid=1";
        let Some(Event::Method(request)) = client.handle_publish(NOW, black_box(topic), b"1")
        else {
            panic!("a method");
        };
        let response = MethodResponse {
            request: request.id,
            status: 200,
            payload: br#"{"led":1}"#,
        };
        client.respond(black_box(&response)).unwrap();
        drain(&mut client);
    }
}

fn provision(times: u32) {
    let answers = include_str!("../tests/vectors/dps_answers.tsv");
    let body = vector(answers, 2, "initialAssignment").as_bytes();
    let mut config = config();
    config.dps = Some(dps::Config::new("0ne0", "reg1"));
    for _ in 0..times {
        let mut client = Client::<OUTBOX>::new(black_box(&config)).unwrap();
        client.connect(NOW).unwrap();
        drain(&mut client);
        client.handle_connack(NOW, 0, false);
        let (packet, _) = drain(&mut client);
        client.handle_suback(NOW, packet, true);
        let (_, rid) = drain(&mut client);
        let topic = answer("$dps/registrations/res/200/?$rid=", rid);
        assert!(client.handle_publish(NOW, topic.as_bytes(), body).is_some());
    }
}
