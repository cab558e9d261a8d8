//! Every way the desired object can be wrong: status `error` and a reason, and nothing else happens.

use super::*;

fn with(field: &str, value: &str) -> String {
    let mut members = vec![
        ("fwVersion", "\"2.0.0\"".to_owned()),
        ("jobId", "\"j1\"".to_owned()),
        ("fwFragmentSize", "1024".to_owned()),
    ];
    let mut location = vec![
        ("host", "\"fw.example\"".to_owned()),
        ("path", "\"app.bin\"".to_owned()),
    ];
    let object = |members: &[(&str, String)]| {
        let members: Vec<_> = members
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    };
    if field == "fwLocation" {
        members.push(("fwLocation", value.to_owned()));
        return object(&members);
    }
    let place = if matches!(field, "host" | "path" | "protocol" | "port") {
        &mut location
    } else {
        &mut members
    };
    place.retain(|(name, _)| *name != field);
    place.push((field, value.to_owned()));
    members.push(("fwLocation", object(&location)));
    object(&members)
}

const MISSING: &str = "";

#[test]
fn each_is_answered_with_error_and_a_reason() {
    let long = |len: usize| format!("\"{}\"", "x".repeat(len));
    let cases: &[(&str, String, &str)] = &[
        ("fwVersion", MISSING.into(), "is missing"),
        ("fwVersion", "null".into(), "is of the wrong type"),
        ("fwVersion", "true".into(), "is of the wrong type"),
        ("fwVersion", "{}".into(), "is of the wrong type"),
        ("fwVersion", "\"\"".into(), "is empty"),
        ("fwVersion", long(65), "is too long"),
        ("fwVersion", "1".repeat(65), "is too long"),
        (
            "fwVersion",
            r#""2\u0000""#.into(),
            "has a value that is not allowed",
        ),
        ("jobId", "7".into(), "is of the wrong type"),
        ("jobId", "null".into(), "is of the wrong type"),
        ("jobId", "[\"j\"]".into(), "is of the wrong type"),
        ("jobId", "\"\"".into(), "is empty"),
        ("jobId", long(41), "is too long"),
        ("fwLocation", MISSING.into(), "is missing"),
        ("fwLocation", "null".into(), "is of the wrong type"),
        (
            "fwLocation",
            "\"fw.example\"".into(),
            "is of the wrong type",
        ),
        ("host", MISSING.into(), "is missing"),
        ("host", "1".into(), "is of the wrong type"),
        ("host", "\"\"".into(), "is empty"),
        ("host", long(254), "is too long"),
        (
            "host",
            "\"https://fw.example\"".into(),
            "has a value that is not allowed",
        ),
        (
            "host",
            "\"fw example\"".into(),
            "has a value that is not allowed",
        ),
        ("path", MISSING.into(), "is missing"),
        ("path", "false".into(), "is of the wrong type"),
        ("path", "\"\"".into(), "is empty"),
        ("path", "\"//\"".into(), "is empty"),
        ("path", long(513), "is too long"),
        (
            "path",
            r#""a\r\nHost: evil""#.into(),
            "has a value that is not allowed",
        ),
        ("path", "\"a b\"".into(), "has a value that is not allowed"),
        (
            "protocol",
            "\"ftp\"".into(),
            "has a value that is not allowed",
        ),
        ("protocol", "1".into(), "is of the wrong type"),
        ("protocol", "\"\"".into(), "is empty"),
        ("port", "0".into(), "has a value that is not allowed"),
        ("port", "65536".into(), "has a value that is not allowed"),
        ("port", "-1".into(), "has a value that is not allowed"),
        ("port", "\"443\"".into(), "is of the wrong type"),
        (
            "fwFragmentSize",
            "127".into(),
            "has a value that is not allowed",
        ),
        (
            "fwFragmentSize",
            "70000".into(),
            "has a value that is not allowed",
        ),
        (
            "fwFragmentSize",
            "1.5".into(),
            "has a value that is not allowed",
        ),
        ("fwFragmentSize", "\"1024\"".into(), "is of the wrong type"),
        ("sha256", long(64), "has a value that is not allowed"),
        ("sha256", long(63), "has a value that is not allowed"),
        ("sha256", long(65), "is too long"),
        ("sha256", "5".into(), "is of the wrong type"),
        ("size", "0".into(), "has a value that is not allowed"),
        (
            "size",
            "4294967296".into(),
            "has a value that is not allowed",
        ),
        ("size", "\"5\"".into(), "is of the wrong type"),
        ("secTags", "10".into(), "is of the wrong type"),
        ("secTags", "[\"10\"]".into(), "is of the wrong type"),
        ("secTags", "[10,[11]]".into(), "is of the wrong type"),
        (
            "secTags",
            "[2147483648]".into(),
            "has a value that is not allowed",
        ),
        ("secTags", "[1,2,3,4,5]".into(), "is too long"),
    ];
    for (field, value, reason) in cases {
        let firmware = format!("\"firmware\":{},", with(field, value));
        let mut bench = Bench::new(|_| {});
        bench.twin(&firmware, "");
        let expected = format!("\"reason\":\"{field} {reason}\"");
        assert!(
            bench.last_report.contains(&expected),
            "{field} {value}: {}",
            bench.last_report
        );
        assert!(bench.last_report.contains(r#""fwUpdateStatus":"error""#));
        assert_eq!(bench.log.last().map(String::as_str), Some("> report error"));
        assert!(bench.stored.is_empty(), "a wrong wish is no try");
        // It is not said again for the same wish, and a better one under the same id is taken.
        bench.log.clear();
        bench.desired(&with(field, value));
        assert!(!bench.log.iter().any(|line| line.starts_with("> start")));
        bench.log.clear();
        bench.desired(JOB);
        assert_eq!(
            bench.log.first().map(String::as_str),
            Some("* Started"),
            "{field} {value}"
        );
    }
}

#[test]
fn an_object_that_is_none() {
    for value in ["\"2.0.0\"", "7", "[]", "true"] {
        let mut bench = Bench::new(|_| {});
        bench.twin(&format!("\"firmware\":{value},"), "");
        assert!(
            bench
                .last_report
                .contains(r#""reason":"firmware is of the wrong type""#)
        );
    }
}

#[test]
fn a_wrong_job_takes_the_place_of_the_one_under_way() {
    let mut bench = Bench::new(|_| {});
    bench.desired(JOB);
    bench.log.clear();
    bench.desired(&with("host", "\"\"").replace("j1", "j2"));
    bench.says(&["* Failed(host is empty)", "> cancel"]);
    bench.act(Updater::handle_stopped);
    bench.says(&["> report error"]);
    assert!(
        bench
            .last_report
            .contains(r#""jobId":"j2","progress":null,"reason":"host is empty""#)
    );
}

#[test]
fn nothing_of_an_earlier_job_stays_in_the_next() {
    let mut job = Job::new();
    let full = with("sha256", &format!("\"{}\"", "ab".repeat(32)))
        .replace(
            "\"app.bin\"",
            "\"app.bin\",\"port\":8443,\"protocol\":\"http\"",
        )
        .replace("\"jobId\"", "\"size\":9,\"secTags\":[ 1 , 2 ],\"jobId\"");
    let desired = format!(r#"{{"firmware":{full}}}"#);
    assert_eq!(job.read(desired.as_bytes()), Ok(()));
    let mut buffer = [0; COMMAND_MAX];
    let source = job.source(&mut buffer).expect("room");
    assert_eq!(source.sha256(), Some(&[0xAB; 32]));
    assert_eq!(
        (source.port(), source.tls(), source.size()),
        (8443, false, 9)
    );
    assert_eq!(source.sec_tags(), ([1, 2, 0, 0], 2));

    let mut bench = Bench::new(|_| {});
    bench.desired(&full);
    assert!(
        bench
            .log
            .contains(&"> start http://fw.example/app.bin".to_owned())
    );
    bench.desired(&JOB.replace("j1", "j2"));
    bench.log.clear();
    bench.act(Updater::handle_stopped);
    assert!(
        bench
            .log
            .contains(&"> start https://fw.example/app.bin".to_owned())
    );
}

#[test]
fn what_nordics_library_takes_is_taken() {
    let accepted = [
        JOB.to_owned(),
        // Without a job's id, as older back ends; the version a number.
        JOB.replace(r#""jobId":"j1","#, ""),
        JOB.replace("\"2.0.0\"", "2"),
        JOB.replace("\"2.0.0\"", &format!("\"{}\"", "v".repeat(64))),
        JOB.replace("j1", &"j".repeat(40)),
        JOB.replace("fw.example", &"h".repeat(253)),
        JOB.replace("/app.bin", &"p".repeat(512)),
        // What a merge patch takes away is absent.
        JOB.replace("1024", "null"),
        JOB.replace("fw.example", "fw.ex\\u0061mple"),
    ];
    for wish in accepted {
        let mut bench = Bench::new(|_| {});
        bench.desired(&wish);
        assert_eq!(
            bench.log.first().map(String::as_str),
            Some("* Started"),
            "{wish}"
        );
    }
}

use super::super::wish::Job;
