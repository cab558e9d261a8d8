//! Methods with what they take and with every kind of payload that they do not; what they are asked
//! for happens.

use crate::support::{TIMEOUT, World};
use iothub_demo::DEVICE_ID;
use serde_json::{Value, json};

#[test]
fn methods_answer_every_kind_of_payload() {
    let mut world = World::new();
    let (_, lines) = world.begin(&json!({}));
    world.connected(&lines);
    let rest = world.bench.rest();
    let ask = |name: &str, payload: &Value| -> Value {
        rest.until(name, TIMEOUT, |rest| {
            let (http, answer) = rest.method(DEVICE_ID, name, payload)?;
            Ok((http == 200).then_some(answer))
        })
        .expect("answered")
    };
    let expect = |name: &str, payload: Value, status: u64| {
        let answer = ask(name, &payload);
        assert_eq!(answer["status"], status, "{name} {payload}: {answer}");
        let is_object = answer["payload"].is_object();
        assert!(is_object, "{name} {payload}: {answer}");
        if status >= 400 {
            let error = &answer["payload"]["error"];
            assert!(error.is_string(), "{name} {payload}: {answer}");
        }
    };
    let strange = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("1"),
        json!([1]),
        json!({}),
        json!({ "a": 1 }),
        json!(18_446_744_073_709_551_615_u64),
        json!("x".repeat(400)),
    ];
    for payload in &strange {
        for name in ["led", "buzz", "config", "fault"] {
            expect(name, payload.clone(), 400);
        }
        // These take none, and do not mind.
        for (name, status) in [("diagnostics", 200), ("sample", 202), ("locate", 202)] {
            expect(name, payload.clone(), status);
        }
        expect("nothing", payload.clone(), 404);
    }
    for payload in [json!(2), json!(10), json!("on")] {
        expect("led", payload, 400);
    }
    for payload in [json!(0), json!(10_001), json!("100"), json!(1e3)] {
        expect("buzz", payload, 400);
    }
    for payload in [
        json!({ "telemetryInterval": 0 }),
        json!({ "telemetryInterval": 86_401 }),
        json!({ "telemetryInterval": 60, "mvt": 60 }),
        json!({ "hostname": "other.example" }),
        json!({ "mvt": 60, "hostname": "other.example" }),
        json!({ "upd": -1 }),
        json!({ "accath": 1, "accith": 2 }),
        json!({ "nod": ["everything"] }),
    ] {
        expect("config", payload, 400);
    }
    for payload in [
        json!({ "offset": -1 }),
        json!({ "offset": "0" }),
        json!({ "erase": 1 }),
    ] {
        let answer = ask("coredump", &payload);
        let status = answer["status"].as_u64();
        assert!(matches!(status, Some(400 | 404)), "{payload}: {answer}");
    }
    expect("led", json!(1), 200);
    expect("config", json!({ "led": false }), 200);
    expect("led", json!(1), 409);
    expect("led", json!(0), 200);
    let mark = lines.mark();
    expect("buzz", json!(250), 200);
    lines
        .find_after(mark, "buzzer: 250 ms", TIMEOUT)
        .expect("it sounds");

    // With an hour between two updates nothing leaves but what is asked for.
    let version = rest
        .patch_desired(DEVICE_ID, &json!({ "cfg": { "upd": 3600, "actwt": 3600 } }))
        .expect("patched");
    rest.until("an acknowledgement", TIMEOUT, |rest| {
        let twin = rest.twin(DEVICE_ID)?;
        Ok((twin["properties"]["reported"]["cfg"]["av"] == version).then_some(()))
    })
    .expect("acknowledged");
    for (name, kind) in [("sample", "env"), ("locate", "gnss")] {
        let count = |messages: &[Value]| -> usize {
            let readings = messages
                .iter()
                .filter_map(|message| message["body"][kind].as_array());
            readings.map(Vec::len).sum()
        };
        let before = count(&rest.telemetry(DEVICE_ID, 0).expect("telemetry"));
        expect(name, Value::Null, 202);
        rest.until(name, TIMEOUT, |rest| {
            let now = count(&rest.telemetry(DEVICE_ID, 0)?);
            Ok((now > before).then_some(()))
        })
        .expect("it arrives");
    }
}
