//! What a back end is told and asked about the position, and what it answers.

use std::{boxed::Box, format, string::String, vec::Vec};

use iothub::{C2d, Capacity, Error, Phase, Properties};
use iothub_host::{Assistance, Methods, Neighbour, Predictions, Survey};
use ncs::board::Event;

use super::{CELL, TIME, World, desired, said};
use crate::{c2d, client::double, configuration, tracker};

const NOW: i64 = TIME + 1_000_000;

fn survey() -> Survey {
    Survey {
        camped: Some((CELL, 80)),
        neighbours: std::vec![
            Neighbour {
                id: 117,
                earfcn: 6446,
                rsrp: -104,
                rsrq: -115
            },
            Neighbour {
                id: 3,
                earfcn: 1650,
                rsrp: -110,
                rsrq: 25
            },
        ],
        access_points: std::vec![[0x80, 0xe0, 0x1d, 0x09, 0x8f, 0x6e], [0, 1, 2, 3, 4, 5]],
    }
}

/// A loop whose first wait is followed by these.
fn run(waits: Vec<Box<dyn FnMut() + Send>>) -> Vec<String> {
    said(|said| said.locate = Some(Ok(())));
    let mut device = Box::new(tracker::Tracker::new());
    double::run(waits, || device.run());
    double::calls()
}

fn of(calls: &[String], name: &str) -> Vec<String> {
    let begin = format!("send {name}");
    let of = calls.iter().filter(|call| call.starts_with(&begin));
    of.cloned().collect()
}

fn heard() -> Box<dyn FnMut() + Send> {
    Box::new(|| {
        said(|said| said.survey = survey());
        tracker::on_board(Event::Surveyed);
    })
}

#[test]
fn cells_and_access_points_that_were_heard_leave_at_once_with_their_time() {
    let _world = World::new();
    let calls = run(std::vec![heard()]);
    let sent = of(&calls, "ground-fix");
    let [sent] = &sent[..] else {
        panic!("{calls:?}");
    };
    let ts = NOW + 20_000;
    let expected = format!(
        "{{\"lte\":{{\"mcc\":242,\"mnc\":1,\"area\":2305,\"adv\":80,\"cell\":33703719,\"earfcn\":6446,\"rsrp\":-97,\"rsrq\":-9.5,\
         \"nmr\":[{{\"cell\":117,\"earfcn\":6446,\"rsrp\":-104,\"rsrq\":-11.5}},\
         {{\"cell\":3,\"earfcn\":1650,\"rsrp\":-110,\"rsrq\":0}}],\"ts\":{ts}}},\
         \"wifi\":{{\"aps\":[\"80e01d098f6e\",\"000102030405\"],\"ts\":{ts}}}}}"
    );
    assert!(sent.ends_with(&expected), "{sent}");
}

#[test]
fn a_survey_without_a_cell_or_with_one_access_point_has_no_such_part() {
    let _world = World::new();
    let lone = || -> Box<dyn FnMut() + Send> {
        Box::new(|| {
            said(|said| {
                said.survey = Survey {
                    camped: None,
                    neighbours: Vec::new(),
                    ..survey()
                };
            });
            tracker::on_board(Event::Surveyed);
        })
    };
    let few = || -> Box<dyn FnMut() + Send> {
        Box::new(|| {
            said(|said| {
                said.survey = survey();
                said.survey.neighbours.clear();
                said.survey.access_points.truncate(1);
            });
            tracker::on_board(Event::Surveyed);
        })
    };
    let nothing = || -> Box<dyn FnMut() + Send> {
        Box::new(|| {
            said(|said| said.survey = Survey::default());
            tracker::on_board(Event::Surveyed);
        })
    };
    let calls = run(std::vec![lone(), few(), nothing()]);
    let sent = of(&calls, "ground-fix");
    assert_eq!(sent.len(), 2, "{calls:?}");
    assert!(sent[0].contains(" {\"wifi\":{"), "{}", sent[0]);
    assert!(sent[1].contains(" {\"lte\":{"), "{}", sent[1]);
    assert!(
        !sent[1].contains("nmr") && !sent[1].contains("wifi"),
        "{}",
        sent[1]
    );
}

#[test]
fn however_much_was_heard_a_survey_fits_a_message() {
    let _world = World::new();
    let many = Box::new(|| {
        said(|said| {
            said.survey = survey();
            let neighbour = Neighbour {
                id: 65_535,
                earfcn: 262_143,
                rsrp: -140,
                rsrq: -195,
            };
            said.survey.neighbours = std::vec![neighbour; 40];
            said.survey.access_points = std::vec![[0xff; 6]; 40];
        });
        tracker::on_board(Event::Surveyed);
    });
    let sent = of(&run(std::vec![many]), "ground-fix");
    let (_, json) = sent[0].split_once(" {").unwrap();
    assert!(json.len() < iothub::MESSAGE_MAX - 256, "{}", json.len());
    assert!(
        json.ends_with("}}") && json.contains("\"ffffffffffff\",\"ffffffffffff\""),
        "{json}"
    );
    assert_eq!(
        json.matches('{').count() + 1,
        json.matches('}').count(),
        "{json}"
    );
}

#[test]
fn a_survey_of_before_the_time_was_known_is_stamped_when_it_comes() {
    let _world = World::new();
    said(|said| said.time = None);
    let known = Box::new(|| {
        said(|said| said.time = Some(TIME));
        tracker::on_board(Event::Time);
    });
    let calls = run(std::vec![heard(), known]);
    let sent = of(&calls, "ground-fix");
    assert_eq!(sent.len(), 1, "{calls:?}");
    assert!(
        sent[0].contains(&format!("\"ts\":{}", NOW + 20_000)),
        "{}",
        sent[0]
    );
}

#[test]
fn a_survey_waits_for_room_in_the_outbox_and_no_longer() {
    let _world = World::new();
    let full = Box::new(|| {
        double::with(|double| double.send_error = Some(Error::Capacity(Capacity::Outbox)));
        heard()();
    });
    let room = Box::new(|| {
        double::with(|double| double.send_error = None);
        tracker::on_room();
    });
    let before = double::with(|double| double.wakes);
    let calls = run(std::vec![full, room]);
    assert_eq!(of(&calls, "ground-fix").len(), 1, "{calls:?}");
    assert!(double::with(|double| double.wakes) > before);
    // The next look is for the next sample, not for room.
    let (now, next) = double::with(|double| (double.now, double.deadline.unwrap()));
    assert!(next - now > 1000, "{}", next - now);
}

#[test]
fn each_kind_of_search_is_left_out_where_the_configuration_says_so() {
    let _world = World::new();
    let searched = |nod: &str| {
        let json = format!("{{\"cfg\":{{\"nod\":{nod}}}}}");
        configuration::on_desired(&desired(&json, 1));
        said(|said| said.methods.clear());
        run(std::vec![]);
        said(|said| {
            let methods = said.methods.first().copied();
            methods.map(|Methods { gnss, cells, wifi }| [gnss, cells, wifi])
        })
    };
    assert_eq!(searched("[]"), Some([true; 3]));
    assert_eq!(searched("[\"ncell\"]"), Some([true, false, true]));
    assert_eq!(searched("[\"gnss\",\"wifi\"]"), Some([false, true, false]));
    assert_eq!(searched("[\"gnss\",\"ncell\",\"wifi\"]"), None);
}

#[test]
fn who_asks_for_a_position_gets_a_search_with_satellites_too() {
    let _world = World::new();
    let json = "{\"cfg\":{\"nod\":[\"gnss\",\"ncell\",\"wifi\"]}}";
    configuration::on_desired(&desired(json, 1));
    said(|said| said.methods.clear());
    run(std::vec![Box::new(tracker::locate)]);
    let methods = said(|said| said.methods.clone());
    let gnss = Methods {
        gnss: true,
        cells: false,
        wifi: false,
    };
    assert_eq!(methods, [gnss]);
}

#[test]
fn assistance_data_is_asked_for_once_the_hub_is_there() {
    let _world = World::new();
    double::with(|double| double.status.as_mut().unwrap().phase = Phase::Backoff);
    said(|said| {
        said.cell = Some(CELL);
        said.predictions = Some(Predictions {
            count: 42,
            interval: 240,
            day: 16_768,
            time: 3600,
        });
    });
    let wanted = Box::new(|| {
        tracker::on_board(Event::AgnssWanted(1 << 1 | 1 << 2 | 1 << 13));
        tracker::on_board(Event::PgpsWanted);
    });
    let calls = run(std::vec![
        wanted,
        Box::new(|| {
            assert_eq!(
                of(&double::calls(), "agnss").len(),
                0,
                "nobody would answer"
            );
            double::with(|double| double.status.as_mut().unwrap().phase = Phase::Ready);
        }),
        Box::new(|| {}),
    ]);
    let (agnss, pgps) = (of(&calls, "agnss=get"), of(&calls, "pgps=get"));
    assert_eq!((agnss.len(), pgps.len()), (1, 1), "{calls:?}");
    let expected = "{\"mcc\":242,\"mnc\":1,\"area\":2305,\"cell\":33703719,\"types\":[1,2,13]}";
    assert!(agnss[0].ends_with(expected), "{}", agnss[0]);
    let expected = "{\"n\":42,\"int\":240,\"day\":16768,\"time\":3600}";
    assert!(pgps[0].ends_with(expected), "{}", pgps[0]);
}

#[test]
fn what_a_back_end_answers_goes_to_the_receiver_and_nothing_else_does() {
    let _world = World::new();
    said(|said| said.assisted = Some(Vec::new()));
    for (bag, payload) in [
        ("agnss=result", &b"\x01\x02"[..]),
        ("%24.mid=1&pgps=result", b"{\"host\":\"h\",\"path\":\"p\"}"),
        ("agnss=get", b"a"),
        ("agnss", b"b"),
        ("xagnss=result", b"c"),
        ("pgps=%ff", b"d"),
        ("", b"e"),
    ] {
        c2d::on_message(&C2d {
            properties: Properties::new(bag.as_bytes()),
            payload,
        });
    }
    let taken = said(|said| said.assisted.take().unwrap());
    let expected = std::vec![
        (Assistance::Agnss, b"\x01\x02".to_vec()),
        (
            Assistance::Pgps,
            b"{\"host\":\"h\",\"path\":\"p\"}".to_vec()
        ),
    ];
    assert_eq!(taken, expected);
    // Nothing takes it: said, and that is all.
    c2d::on_message(&C2d {
        properties: Properties::new(b"agnss=result"),
        payload: b"x",
    });
}
