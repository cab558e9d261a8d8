//! What the board measures, and what its modem tells.

use std::{string::String, vec::Vec};

use iothub::Instant;
use iothub_host::{Cell, Sensor, Unavailable};

use super::{CELL, TIME, World, data, said, set};
use crate::{
    documents::Text,
    health, measure, modem,
    reading::{Environment, FuelGauge, Position, Value},
};

#[test]
fn each_sensor_has_a_range_and_what_is_outside_of_it_is_left_out() {
    let _world = World::new();
    let sensors = [
        Sensor::Temperature,
        Sensor::Humidity,
        Sensor::Pressure,
        Sensor::Gas,
        Sensor::Light,
    ];
    let read = || match measure::environment() {
        Some(Value::Environment(all)) => [
            all.temperature,
            all.humidity,
            all.pressure,
            all.gas,
            all.light,
        ],
        _ => [None; 5],
    };
    assert_eq!(measure::environment(), None, "a board without sensors");
    for (index, (least, most)) in [
        (-40_000, 85_000),
        (1_000, 100_000),
        (30_000, 110_000),
        (1, i32::MAX),
        (0, 200_000),
    ]
    .into_iter()
    .enumerate()
    {
        let _ = sensors.map(|sensor| said(|said| said.values.remove(&sensor)));
        for (value, expected) in [
            (Some(least), Some(least)),
            (Some(most), Some(most)),
            (least.checked_sub(1), None),
            (most.checked_add(1), None),
        ] {
            let Some(value) = value else { continue };
            set(&[(sensors[index], value)]);
            let mut values = [None; 5];
            values[index] = expected;
            assert_eq!(read(), values, "{:?} {value}", sensors[index]);
            let failing = if expected.is_none() { 1 << index } else { 0 };
            assert_eq!(measure::failing(), failing, "{:?} {value}", sensors[index]);
        }
        set(&[(sensors[index], least)]);
        read();
    }
}

#[test]
fn a_sensor_that_fails_is_counted_until_it_works_again_and_one_that_is_not_there_never() {
    let _world = World::new();
    set(&[(Sensor::Temperature, 25_000), (Sensor::Humidity, 40_000)]);
    said(|said| {
        said.values
            .insert(Sensor::Pressure, Err(Unavailable::Broken))
    });
    said(|said| said.values.insert(Sensor::Gas, Err(Unavailable::Missing)));
    said(|said| said.values.insert(Sensor::Light, Err(Unavailable::Hangs)));
    let expected = Environment {
        temperature: Some(25_000),
        humidity: Some(40_000),
        ..Environment::default()
    };
    for _ in 0..2 {
        assert_eq!(measure::environment(), Some(Value::Environment(expected)));
        assert_eq!(measure::failing(), 1 << 2 | 1 << 4);
    }
    set(&[(Sensor::Pressure, 101_325)]);
    measure::environment();
    assert_eq!(measure::failing(), 1 << 4);
}

#[test]
fn the_battery_is_the_gauges_or_else_the_modems() {
    let _world = World::new();
    assert_eq!(measure::battery(), None);
    set(&[(Sensor::BatteryVoltage, 3_950)]);
    assert_eq!(measure::battery(), Some(Value::Battery(3_950)));
    assert_eq!(modem::battery(), Some(3_950), "the modem is supplied by it");
    set(&[(Sensor::BatteryVoltage, 20_001)]);
    assert_eq!(
        measure::battery(),
        Some(Value::Battery(20_001)),
        "as the modem has it"
    );
}

#[test]
fn a_fuel_gauge_is_whole_or_not_there() {
    let _world = World::new();
    let whole = [
        (Sensor::BatteryVoltage, 3_950),
        (Sensor::BatteryCurrent, -120),
        (Sensor::BatteryTemperature, 287),
        (Sensor::BatteryCharge, 71),
    ];
    set(&whole);
    let gauge = FuelGauge {
        voltage: 3_950,
        current: -120,
        temperature: 287,
        charge: 71,
        to_empty: None,
        to_full: None,
    };
    assert_eq!(measure::fuel_gauge(), Some(Value::FuelGauge(gauge)));
    set(&[(Sensor::TimeToEmpty, 7_200), (Sensor::TimeToFull, 60)]);
    let gauge = FuelGauge {
        to_empty: Some(7_200),
        to_full: Some(60),
        ..gauge
    };
    assert_eq!(measure::fuel_gauge(), Some(Value::FuelGauge(gauge)));
    for (sensor, value) in whole {
        said(|said| said.values.remove(&sensor));
        assert_eq!(measure::fuel_gauge(), None, "{sensor:?}");
        set(&[(sensor, value)]);
    }
    for (sensor, wrong) in [
        (Sensor::BatteryCharge, 101),
        (Sensor::BatteryCharge, -1),
        (Sensor::BatteryCurrent, 10_001),
        (Sensor::BatteryCurrent, -10_001),
        (Sensor::BatteryTemperature, 1_001),
        (Sensor::BatteryTemperature, -401),
        (Sensor::BatteryVoltage, 0),
    ] {
        set(&whole);
        set(&[(sensor, wrong)]);
        assert_eq!(measure::fuel_gauge(), None, "{sensor:?} {wrong}");
    }
}

const POSITION: [(Sensor, i32); 6] = [
    (Sensor::Latitude, -274_698_000),
    (Sensor::Longitude, 1_530_251_000),
    (Sensor::Accuracy, 42),
    (Sensor::Altitude, -281),
    (Sensor::Speed, 1_389),
    (Sensor::FixAge, 2_000),
];

#[test]
fn a_position_has_the_time_when_the_device_was_there() {
    let _world = World::new();
    let now = Instant::from_millis(1_000_000);
    set(&POSITION);
    let (value, taken, time) = measure::position(now).unwrap();
    let position = Position {
        latitude: -274_698_000,
        longitude: 1_530_251_000,
        accuracy: 42,
        altitude: -281,
        speed: 1_389,
        heading: None,
    };
    assert_eq!(value, Value::Position(position));
    assert_eq!(taken, Instant::from_millis(998_000));
    let time_of = |time: Option<crate::time::UnixTime>| time.map(|time| time.as_millis());
    assert_eq!(time_of(time), Some(TIME + 998_000));
    // An age that is not known is none, and one before the start does not underflow.
    for (age, at) in [(-5, 1_000_000), (2_000_000, 0)] {
        set(&[(Sensor::FixAge, age)]);
        let (_, taken, _) = measure::position(now).unwrap();
        assert_eq!(taken, Instant::from_millis(at));
    }
    said(|said| said.time = None);
    assert_eq!(time_of(measure::position(now).unwrap().2), None);
    for (sensor, value) in &POSITION[..5] {
        said(|said| said.values.remove(sensor));
        assert!(measure::position(now).is_none(), "{sensor:?}");
        set(&[(*sensor, *value)]);
    }
    for (sensor, least, most) in [
        (Sensor::Latitude, -900_000_000, 900_000_000),
        (Sensor::Longitude, -1_800_000_000, 1_800_000_000),
        (Sensor::Altitude, -100_000, 1_000_000),
        (Sensor::Speed, 0, 100_000),
        (Sensor::Accuracy, 0, i32::MAX),
    ] {
        for (value, is_right) in [
            (Some(least), true),
            (Some(most), true),
            (i32::checked_sub(least, 1), false),
            (i32::checked_add(most, 1), false),
        ] {
            let Some(value) = value else { continue };
            set(&POSITION);
            set(&[(sensor, value)]);
            assert_eq!(
                measure::position(now).is_some(),
                is_right,
                "{sensor:?} {value}"
            );
        }
    }
    set(&POSITION);
    for (heading, is_right) in [(0, true), (36_000, true), (-1, false), (36_001, false)] {
        set(&[(Sensor::Heading, heading)]);
        let Some((Value::Position(position), ..)) = measure::position(now) else {
            panic!("a position");
        };
        assert_eq!(position.heading, is_right.then_some(heading));
    }
}

#[test]
fn the_modem_tells_its_cell_and_its_numbers() {
    let _world = World::new();
    assert_eq!(modem::network(), None, "not registered");
    said(|said| said.cell = Some(CELL));
    let network = modem::network().unwrap();
    assert_eq!(
        (
            network.mccmnc,
            network.area,
            network.cell,
            network.earfcn,
            network.rsrp
        ),
        (24201, 2305, 33_703_719, Some(6446), Some(-97))
    );
    assert_eq!((network.is_nb_iot, network.energy), (false, Some(7)));
    said(|said| {
        said.cell = Some(Cell {
            is_nb_iot: true,
            ..CELL
        })
    });
    assert!(modem::network().unwrap().is_nb_iot);
    assert_eq!(modem::imei(&mut [0; 64]), Some("350457790000001"));
    let mut iccid = [0; 64];
    let iccid = modem::iccid(&mut iccid).unwrap();
    assert!(iccid.len() >= 19 && iccid.starts_with("89"), "{iccid}");
    assert_eq!(modem::iccid(&mut [0; 4]), None, "no room");
}

fn written(room: usize) -> String {
    let mut buffer = std::vec![0; room];
    let mut out = Text::new(&mut buffer);
    health::write(&mut out).unwrap();
    String::from_utf8(out.finish().to_vec()).unwrap()
}

#[test]
fn health_is_told_as_far_as_the_board_knows_it() {
    let _world = World::new();
    let fault = r#","fault":{"reason":"panic","number":4,"thread":"main"}"#;
    let told = written(500);
    assert!(told.starts_with(r#","radio":{"seconds":"#), "{told}");
    assert!(told.ends_with(fault), "{told}");
    assert!(!told.contains("coredump"), "{told}");
    std::fs::write(data().join("board/coredump"), [7; 1000]).unwrap();
    assert!(written(500).ends_with(&std::format!(r#","coredump":1000{fault}"#)));
}

fn coredump(payload: &str, room: usize) -> (i32, String) {
    let mut buffer = std::vec![0; room];
    let (status, answer) = health::coredump(payload.as_bytes(), &mut buffer);
    (status, String::from_utf8(answer.to_vec()).unwrap())
}

#[test]
fn a_core_dump_is_fetched_piece_by_piece_and_erased() {
    let _world = World::new();
    let none = (404, r#"{"error":"no core dump is stored"}"#.into());
    assert_eq!(coredump("{}", 1280), none);
    let dump: Vec<u8> = (0..1000_u32).map(|at| (at * 7) as u8).collect();
    let file = data().join("board/coredump");
    std::fs::write(&file, &dump).unwrap();
    for room in [1280, 400, 150] {
        let mut read = Vec::new();
        for _ in 0..200 {
            let (status, answer) = coredump(&std::format!("{{\"offset\": {} }}", read.len()), room);
            assert_eq!(status, 200, "{answer}");
            let head = std::format!(r#"{{"size":1000,"offset":{},"data":""#, read.len());
            let data = answer.strip_prefix(head.as_str()).expect(&answer);
            let data = data.strip_suffix("\"}").expect(&answer);
            if data.is_empty() {
                break;
            }
            read.extend(decoded(data));
        }
        assert_eq!(read, dump, "{room}");
    }
    assert_eq!(
        coredump("", 1280).1.len(),
        coredump(r#"{"offset":0}"#, 1280).1.len()
    );
    for wrong in [
        r#"{"offset":"x"}"#,
        r#"{"offset":-1}"#,
        r#"{"offset":4294967296}"#,
    ] {
        assert_eq!(coredump(wrong, 1280).0, 400, "{wrong}");
    }
    let beyond = (200, r#"{"size":1000,"offset":1001,"data":""}"#.into());
    assert_eq!(coredump(r#"{"offset":1001}"#, 1280), beyond);
    assert_eq!(coredump(r#"{"erase":false}"#, 1280).0, 200, "it is read");
    assert!(file.exists());
    let erased = (200, r#"{"coredump":"erased"}"#.into());
    assert_eq!(coredump(r#"{"erase": true }"#, 1280), erased);
    assert!(!file.exists());
}

fn decoded(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.trim_end_matches('=').chars() {
        bits = bits << 6 | DIGITS.find(digit).expect("a digit") as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}
