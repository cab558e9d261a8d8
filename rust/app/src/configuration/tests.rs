//! Fields, and the answer to them.

extern crate std;

use core::time::Duration;
use std::string::String;

use super::{
    fields::{ACTIVITY, INACTIVITY, Wrong},
    *,
};

fn merged(json: &str) -> (Fields, bool, Remarks) {
    let (mut fields, mut remarks) = (Fields::NONE, Remarks::new());
    let is_right = fields.merge(&View::new(json.as_bytes()), Fields::NONE, &mut remarks);
    (fields, is_right, remarks)
}

fn written(fields: &Fields) -> String {
    let mut buffer = [0; ROOM];
    String::from_utf8(fields.write(&mut buffer).expect("room").into()).expect("text")
}

#[test]
fn every_field_in_each_form_that_json_has_for_its_values() {
    for (json, expected) in [
        (r#"{"act":false}"#, r#"{"act":false}"#),
        (
            r#"{"actwt":1,"mvt":2147483647}"#,
            r#"{"actwt":1,"mvt":2147483647}"#,
        ),
        (r#"{"actwt":60.0,"loct":6e1}"#, r#"{"actwt":60,"loct":60}"#),
        (
            r#"{"accath":78.4532,"accith":0}"#,
            r#"{"accath":78.453,"accith":0}"#,
        ),
        (
            r#"{"accath":10.5,"accith":5.2,"accito":0.08}"#,
            r#"{"accath":10.5,"accith":5.2,"accito":0.08}"#,
        ),
        (
            r#"{"mvres":5300,"accito":5242.88}"#,
            r#"{"mvres":5300,"accito":5242.88}"#,
        ),
        (r#"{"nod":[]}"#, r#"{"nod":[]}"#),
        (
            r#"{"nod":[ "ncell" , "gnss" ]}"#,
            r#"{"nod":["gnss","ncell"]}"#,
        ),
        (
            r#"{"upd":0,"led":false,"log":5}"#,
            r#"{"upd":0,"led":false,"log":5}"#,
        ),
    ] {
        let (fields, is_right, remarks) = merged(json);
        assert!(is_right && remarks.is_empty(), "{json}: {remarks}");
        assert_eq!(written(&fields), expected, "{json}");
    }
}

/// `accith` of 4.5 is below the device's own `accath`, and not below the build's, which is 4.
#[test]
fn what_fits_only_over_the_layer_behind_it_is_there_after_a_restart() {
    let own = merged(r#"{"accath":5,"mvres":200}"#).0;
    let mut desired = Fields::NONE;
    let object = View::new(br#"{"accith":4.5,"accito":150}"#);
    assert!(desired.merge(&object, own, &mut Remarks::new()));
    let (read, is_right) = Fields::stored(written(&desired).as_bytes());
    assert!(is_right);
    assert_eq!(read, desired);
    assert_eq!(
        read.or(own).configuration(),
        desired.or(own).configuration()
    );
    // Where that layer is gone, the build's own count.
    let alone = read.configuration();
    assert_eq!((alone.activity, alone.inactivity), (ACTIVITY, INACTIVITY));
}

#[test]
fn a_wrong_value_is_named_and_the_others_are_taken() {
    for (name, values) in [
        ("act", &["1", "0", "\"true\"", "[]", "{}"][..]),
        (
            "actwt",
            &[
                "0",
                "-1",
                "2147483648",
                "1.5",
                "1e-1",
                "\"60\"",
                "true",
                "[1]",
                "1e99",
            ][..],
        ),
        (
            "mvres",
            &["0", "0.9", "4294967297", "18446744073709551617"][..],
        ),
        ("mvt", &["0", "{}", "\"\""][..]),
        ("loct", &["-60", "false"][..]),
        ("accath", &["78.4533", "-1", "-0.00001", "\"4\"", "1e9"][..]),
        ("accith", &["79", "-0.1", "null1"][..]),
        ("accito", &["0.079", "5242.881", "-1", "\"1\""][..]),
        (
            "nod",
            &[
                "\"gnss\"",
                "[\"gnss\"",
                "[gnss]",
                "[\"\"]",
                "[\"gnss\",]",
                "[1]",
                "[\"gnss\" \"env\"]",
                "[\"speed\"]",
                "{}",
            ][..],
        ),
        ("upd", &["-1", "86401"][..]),
        ("led", &["1"][..]),
        ("log", &["6", "-1", "\"debug\""][..]),
    ] {
        for value in values {
            let mut fields = Fields {
                mvt: Some(77),
                ..Fields::NONE
            };
            let mut remarks = Remarks::new();
            let result = match fields.set(name, value.as_bytes()) {
                Err(Wrong::Value(right)) => {
                    remark(&mut remarks, format_args!("{name} is {right}"));
                    false
                }
                Ok(()) => true,
                Err(Wrong::Unknown) => panic!("{name}"),
            };
            assert!(!result, "{name}: {value}");
            assert_eq!(
                fields,
                Fields {
                    mvt: Some(77),
                    ..Fields::NONE
                },
                "{name}: {value}"
            );
        }
    }
    let (fields, is_right, remarks) = merged(r#"{"actwt":0,"mvt":100,"led":3}"#);
    assert!(!is_right);
    assert_eq!(remarks, "actwt is 1 to 2147483647 s; led is true or false");
    assert_eq!(written(&fields), r#"{"mvt":100}"#);
}

#[test]
fn thresholds_that_exclude_one_another_are_taken_neither() {
    for (json, remark) in [
        (
            r#"{"accath":5,"accith":5,"upd":9}"#,
            "accith is less than accath",
        ),
        (r#"{"accith":4,"upd":9}"#, "accith is less than accath"),
        (
            r#"{"mvres":10,"accito":10,"upd":9}"#,
            "accito is less than mvres",
        ),
        (r#"{"accito":120,"upd":9}"#, "accito is less than mvres"),
    ] {
        let (fields, is_right, remarks) = merged(json);
        assert!(!is_right, "{json}");
        assert_eq!(
            (written(&fields).as_str(), remarks.as_str()),
            (r#"{"upd":9}"#, remark),
            "{json}"
        );
    }
}

#[test]
fn a_patch_changes_and_takes_away_single_fields() {
    let (mut fields, ..) = merged(r#"{"act":false,"mvt":100,"loct":30}"#);
    let patch = View::new(br#"{"mvt":200,"loct":null}"#);
    assert!(fields.merge(&patch, Fields::NONE, &mut Remarks::new()));
    assert_eq!(written(&fields), r#"{"act":false,"mvt":200}"#);
    assert!(fields.keep(&View::new(br#"{"mvt":"soon"}"#), Fields::NONE));
    assert_eq!(
        written(&fields),
        r#"{"mvt":200}"#,
        "a wrong field of a whole twin keeps its value"
    );
}

#[test]
fn what_agrees_only_with_a_field_that_is_gone_goes_with_it() {
    let (mut fields, is_right, _) = merged(r#"{"mvres":6000,"accito":5000,"upd":9}"#);
    assert!(is_right);
    assert!(!fields.keep(&View::new(br#"{"accito":5000,"upd":9}"#), Fields::NONE));
    assert_eq!(written(&fields), r#"{"upd":9}"#);
    // The same of two layers, each right by itself.
    let (own, ..) = merged(r#"{"mvres":6000,"accito":5000}"#);
    let (desired, ..) = merged(r#"{"mvres":300}"#);
    let now = desired.or(own).configuration();
    assert_eq!(
        (
            now.movement_resolution.as_secs(),
            now.inactivity_timeout.as_secs()
        ),
        (120, 60)
    );
}

#[test]
fn unknown_names_are_named_and_harmless() {
    let (fields, is_right, remarks) = merged(r#"{"a\"b":1,"actwtt":60,"act":true}"#);
    assert!(is_right);
    assert!(remarks.contains("actwtt is not known"), "{remarks}");
    assert_eq!(written(&fields), r#"{"act":true}"#);
    let long: String = core::iter::repeat_n('x', 300).collect();
    let (.., remarks) = merged(&std::format!(r#"{{"{long}":1,"y":1}}"#));
    assert_eq!(
        remarks, "y is not known",
        "what has no room is left out whole"
    );
}

#[test]
fn the_answer_is_asset_trackers_and_plug_and_plays() {
    let (fields, ..) = merged(r#"{"act":false,"actwt":60,"mvres":300,"nod":["gnss"],"log":3}"#);
    let mut buffer = [0; 1024];
    let answer = Answer {
        code: BAD,
        remarks: Remarks::try_from("a\"b is not known").expect("room"),
    };
    let patch = acknowledgement(&mut buffer, &fields.configuration(), &answer, 7).expect("room");
    let members = r#""act":false,"actwt":60,"mvres":300,"mvt":3600,"loct":60,"accath":4,"accith":2,"accito":60,"nod":["gnss"],"upd":0,"led":true,"log":3"#;
    let expected = std::format!(
        r#"{{"cfg":{{{members},"value":{{{members}}},"ac":400,"av":7,"ad":"a?b is not known"}}}}"#
    );
    assert_eq!(std::str::from_utf8(patch), Ok(expected.as_str()));

    // What the hub gives back is recognised, in whatever order it stands.
    let twin = std::format!(r#"{{"cfg":{{"ac":400,"av":7,"value":{{{members}}},{members}}}}}"#);
    let mut again = Fields::NONE;
    let _ = again.merge(
        &View::new(twin.as_bytes()).object("cfg").expect("cfg"),
        Fields::NONE,
        &mut Remarks::new(),
    );
    assert_eq!(again, fields.configuration().fields());
}

#[test]
fn what_every_field_takes_has_room() {
    let longest = r#"{"act":false,"actwt":2147483647,"mvres":2147483647,"mvt":2147483647,"loct":2147483647,"accath":78.453,"accith":77.453,"accito":5242.877,"nod":["gnss","ncell","wifi","env","bat","fg","roam","btn","impact"],"upd":86400,"led":false,"log":0}"#;
    let (fields, is_right, _) = merged(longest);
    assert!(is_right);
    assert_eq!(written(&fields), longest);
    let mut buffer = [0; 2 * ROOM + 288];
    let mut remarks = Remarks::new();
    while remarks.push('x').is_ok() {}
    let answer = Answer { code: BAD, remarks };
    assert!(acknowledgement(&mut buffer, &fields.configuration(), &answer, u64::MAX).is_some());
}

/// Documents that are broken and changed at random, from a seed: whatever comes, what counts
/// afterwards is within every range, has room, and reads back as itself.
#[test]
fn nothing_that_a_twin_can_hold_leads_out_of_the_ranges() {
    const PIECES: [&[u8]; 30] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"null",
        b"true",
        b"false",
        b"0",
        b"-1",
        b"1e9",
        b"0.08",
        b"78.4532",
        b"5242.88",
        b"2147483648",
        b"\"act\"",
        b"\"actwt\"",
        b"\"mvres\"",
        b"\"mvt\"",
        b"\"loct\"",
        b"\"accath\"",
        b"\"accith\"",
        b"\"accito\"",
        b"\"nod\"",
        b"\"gnss\"",
        b"\"upd\"",
        b"\"log\"",
        b"\\u0000",
    ];
    let mut random = 0x1234_5678_9ABC_DEF0_u64;
    let mut below = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound as u64) as usize
    };
    let (mut fields, mut taken) = (Fields::NONE, 0_u32);
    for round in 0..60_000 {
        let mut json = std::vec::Vec::from(&b"{"[..]);
        for member in 0..below(5) {
            if member > 0 {
                json.push(b',');
            }
            json.extend(PIECES[17 + below(13)]);
            json.push(b':');
            json.extend(PIECES[below(PIECES.len())]);
        }
        json.push(b'}');
        for _ in 0..below(3) {
            let at = below(json.len());
            json[at] = PIECES[below(PIECES.len())][0];
        }
        let text = String::from_utf8_lossy(&json);
        let object = View::new(&json);
        let _ = fields.merge(&object, Fields::NONE, &mut Remarks::new());
        if round % 7 == 0 {
            let _ = fields.keep(&object, Fields::NONE);
        }
        taken += u32::from(fields != Fields::NONE);
        let now = fields.configuration();
        assert!(now.inactivity < now.activity, "{text}");
        assert!(now.inactivity_timeout < now.movement_resolution, "{text}");
        assert!(now.activity <= 78_453 && now.log <= 5, "{text}");
        assert!(now.update <= Duration::from_secs(86_400), "{text}");
        for wait in [now.active_wait, now.movement_timeout, now.location_timeout] {
            assert!((1..=2_147_483_647).contains(&wait.as_secs()), "{text}");
        }
        let (again, is_right, _) = merged(&written(&fields));
        assert!(is_right && again == fields, "{text}");
    }
    assert!(taken > 1_000, "{taken} of them left something");
}
