//! Every way the desired object can be wrong: status `error` and a reason, and nothing else
//! happens.

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
        ("jobId", "[\"j\"]".into(), "is of the wrong type"),
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
        ("port", "0".into(), "has a value that is not allowed"),
        ("port", "65536".into(), "has a value that is not allowed"),
        ("port", "-1".into(), "has a value that is not allowed"),
        (
            "fwFragmentSize",
            "1.5".into(),
            "has a value that is not allowed",
        ),
        (
            "fwFragmentSize",
            "\"1k\"".into(),
            "has a value that is not allowed",
        ),
        ("fwFragmentSize", "\"small\"".into(), "is of the wrong type"),
        (
            "fwFragmentSize",
            "18446744073709551616".into(),
            "has a value that is not allowed",
        ),
        ("port", "\"https\"".into(), "is of the wrong type"),
        (
            "port",
            "\"65536\"".into(),
            "has a value that is not allowed",
        ),
        ("port", "443.5".into(), "has a value that is not allowed"),
        (
            "protocol",
            "\"httpss:\"".into(),
            "has a value that is not allowed",
        ),
        (
            "protocol",
            "\"ftp:\"".into(),
            "has a value that is not allowed",
        ),
        (
            "protocol",
            "\"https::\"".into(),
            "has a value that is not allowed",
        ),
        (
            "host",
            "\"ftp://fw.example\"".into(),
            "has a value that is not allowed",
        ),
        ("host", "\"https://\"".into(), "is empty"),
        ("host", "\"HTTP:///\"".into(), "is empty"),
        ("host", "\":\"".into(), "is empty"),
        (
            "host",
            "\"http:/fw.example\"".into(),
            "has a value that is not allowed",
        ),
        ("host", "\":443\"".into(), "is empty"),
        ("host", "\"[]:443\"".into(), "is empty"),
        (
            "host",
            "\"[2001:db8::1\"".into(),
            "has a value that is not allowed",
        ),
        (
            "host",
            "\"fw.example]\"".into(),
            "has a value that is not allowed",
        ),
        (
            "host",
            "\"[2001:db8::1]]\"".into(),
            "has a value that is not allowed",
        ),
        (
            "host",
            "\"[2001:db8::1]443\"".into(),
            "has a value that is not allowed",
        ),
        (
            "host",
            "\"fw.example:0\"".into(),
            "has a value that is not allowed",
        ),
        (
            "host",
            "\"fw.example:65536\"".into(),
            "has a value that is not allowed",
        ),
        (
            "host",
            "\"fw.example:x\"".into(),
            "has a value that is not allowed",
        ),
        (
            "host",
            "\"fw.example/images\"".into(),
            "has a value that is not allowed",
        ),
        (
            "host",
            "\"user@fw.example\"".into(),
            "has a value that is not allowed",
        ),
        (
            "host",
            format!("\"https://{}:65535/\"", "x".repeat(254)),
            "is too long",
        ),
        ("sha256", "\"\"".into(), "is empty"),
        ("sha256", long(64), "has a value that is not allowed"),
        ("sha256", long(63), "has a value that is not allowed"),
        ("sha256", long(65), "is too long"),
        ("sha256", "5".into(), "is of the wrong type"),
        ("size", "\"0\"".into(), "has a value that is not allowed"),
        ("size", "0".into(), "has a value that is not allowed"),
        (
            "size",
            "4294967296".into(),
            "has a value that is not allowed",
        ),
        ("secTags", "10".into(), "is of the wrong type"),
        ("secTags", "[\"ten\"]".into(), "is of the wrong type"),
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
        assert!(bench.stored.is_empty(), "an invalid object is no attempt");
        // It is not reported again for the same object, and a better one under the same id is
        // taken.
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

/// What a [`Source`] says, in one line.
fn source_of(firmware: &str) -> String {
    let mut job = Job::new();
    let desired = format!(r#"{{"firmware":{firmware}}}"#);
    if let Err(reason) = job.read(desired.as_bytes()) {
        return format!("{reason}");
    }
    let mut buffer = [0; COMMAND_MAX];
    let source = job.source(&mut buffer).expect("room");
    let scheme = if source.tls() { "https" } else { "http" };
    let (host, path) = (source.host().to_str(), source.path().to_str());
    let (tags, count) = source.sec_tags();
    format!(
        "{scheme} {} {} {} {} {} {:?}",
        host.expect("text"),
        source.port(),
        path.expect("text"),
        source.fragment(),
        source.size(),
        &tags[..count]
    )
}

#[test]
fn a_parsed_url_spread_into_the_location_is_taken() {
    // As Node's url.parse gives it, with the first slash of the path cut off; null deletes in a
    // twin and is in a patch.
    let location = r#"{"protocol":"https:","slashes":true,"auth":null,"host":"fw.example:8443","port":"8443",
        "hostname":"fw.example","hash":null,"search":"?sv=2020&sig=a%2Fb","query":"sv=2020&sig=a%2Fb",
        "pathname":"/fw/79ca.bin","path":"fw/79ca.bin?sv=2020&sig=a%2Fb","href":"https://fw.example:8443/fw/79ca.bin"}"#;
    let firmware = format!(
        r#"{{"fwVersion":"v1.0.1-rc1-327-g6fc8c16b239f","jobId":"79ca833d-f653-48e8-b691-e0c3cfe1400a",
        "fwPackageURI":"https://fw.example:8443/fw/79ca.bin?sv=2020&sig=a%2Fb","fwFragmentSize":1800,"fwLocation":{location}}}"#
    );
    assert_eq!(
        source_of(&firmware),
        "https fw.example 8443 fw/79ca.bin?sv=2020&sig=a%2Fb 1800 0 []"
    );
    // As the documentation of Nordic's library shows it, without a job's id.
    let documented = r#"{"fwVersion":"v1.0.3","fwLocation":{"protocol":"https:","host":"fw.example","path":"app.bin"},"fwFragmentSize":1800}"#;
    assert_eq!(
        source_of(documented),
        "https fw.example 0 app.bin 1800 0 []"
    );
    let plain = documented
        .replace("https:", "http:")
        .replace("\"host\"", "\"port\":null,\"hash\":\"\",\"host\"");
    assert_eq!(source_of(&plain), "http fw.example 0 app.bin 1800 0 []");
    // A URL object has an empty port where it is the protocol's own.
    let url = documented.replace("\"host\"", "\"port\":\"\",\"host\"");
    assert_eq!(source_of(&url), "https fw.example 0 app.bin 1800 0 []");
}

#[test]
fn a_host_may_have_a_scheme_and_a_port() {
    for (host, protocol, expected) in [
        ("fw.example", "\"https:\"", "https fw.example 0"),
        ("fw.example:8080", "\"http:\"", "http fw.example 8080"),
        ("https://fw.example", MISSING, "https fw.example 0"),
        ("https://fw.example/", MISSING, "https fw.example 0"),
        ("http://fw.example:8080", MISSING, "http fw.example 8080"),
        ("http://10.0.0.7:8080/", "\"https:\"", "http 10.0.0.7 8080"),
        ("https://fw.example", "\"http\"", "https fw.example 0"),
        ("2001:db8::1", "\"HTTP\"", "http 2001:db8::1 0"),
        ("[2001:db8::1]", MISSING, "https 2001:db8::1 0"),
        ("[2001:db8::1]:8443", MISSING, "https 2001:db8::1 8443"),
        ("http://[2001:db8::1]:80/", MISSING, "http 2001:db8::1 80"),
        (
            "HTTPS://fw.example:8443/",
            "\"http\"",
            "https fw.example 8443",
        ),
        ("Http://fw.example", MISSING, "http fw.example 0"),
        ("http://fw.example:/", MISSING, "http fw.example 0"),
        ("[2001:db8::1]:", MISSING, "https 2001:db8::1 0"),
    ] {
        let firmware = with("host", &format!("\"{host}\""));
        let firmware = if protocol.is_empty() {
            firmware
        } else {
            firmware.replace("\"path\"", &format!("\"protocol\":{protocol},\"path\""))
        };
        assert_eq!(
            source_of(&firmware),
            format!("{expected} app.bin 1024 0 []"),
            "{host}"
        );
    }
    let longest = "h".repeat(HOST_MAX);
    let firmware = with("host", &format!("\"https://{longest}:65535/\""));
    assert_eq!(
        source_of(&firmware),
        format!("https {longest} 65535 app.bin 1024 0 []")
    );
    // The host's own port is what counts, and nothing of a long host is left behind a path.
    let firmware = with("host", "\"fw.example:81\"").replace("\"path\"", "\"port\":82,\"path\"");
    assert_eq!(
        source_of(&firmware),
        "https fw.example 81 app.bin 1024 0 []"
    );
}

#[test]
fn numbers_may_be_texts_and_a_fragment_is_brought_into_bounds() {
    for (fragment, expected) in [
        ("\"1024\"", 1024),
        ("1800.0", 1800),
        ("\"1800.0\"", 1800),
        ("0", 0),
        ("\"\"", 0),
        ("1", 128),
        ("127", 128),
        ("65535", 65535),
        ("70000", 65535),
        ("4294967296", 65535),
    ] {
        let firmware = with("fwFragmentSize", fragment);
        assert_eq!(
            source_of(&firmware),
            format!("https fw.example 0 app.bin {expected} 0 []"),
            "{fragment}"
        );
    }
    let firmware = with("port", "\"8443\"").replace(
        "\"jobId\"",
        "\"size\":\"700\",\"secTags\":[\"16842753\",11],\"jobId\"",
    );
    assert_eq!(
        source_of(&firmware),
        "https fw.example 8443 app.bin 1024 700 [16842753, 11]"
    );
}

#[test]
fn what_nordics_library_takes_is_taken() {
    let accepted = [
        JOB.to_owned(),
        // Without a job's id, as older back ends; the version a number.
        JOB.replace(r#""jobId":"j1","#, ""),
        JOB.replace("\"j1\"", "\"\""),
        JOB.replace("\"j1\"", "null"),
        JOB.replace("\"2.0.0\"", "2"),
        JOB.replace("\"2.0.0\"", &format!("\"{}\"", "v".repeat(64))),
        JOB.replace("j1", &"j".repeat(40)),
        JOB.replace("fw.example", &"h".repeat(253)),
        JOB.replace("/app.bin", &"p".repeat(512)),
        // What a merge patch takes away is absent.
        JOB.replace("1024", "null"),
        JOB.replace("fw.example", "fw.ex\\u0061mple"),
    ];
    for object in accepted {
        let mut bench = Bench::new(|_| {});
        bench.desired(&object);
        assert_eq!(
            bench.log.first().map(String::as_str),
            Some("* Started"),
            "{object}"
        );
    }
}

use super::super::desired::Job;
