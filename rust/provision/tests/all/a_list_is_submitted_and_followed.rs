//! A list goes to nRF Cloud's address, the bulk operation is asked for until it has ended, and
//! its errors are shown by row.

use crate::support::Bench;
use crate::support::stub::Stub;
use std::sync::atomic::{AtomicU32, Ordering};

/// A cloud whose operation is pending, then in progress, then ended.
fn cloud(last: &'static str) -> Stub {
    let rounds = AtomicU32::new(0);
    Stub::start(
        move |asked| match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", _) if !asked.headers.contains("authorization: bearer the-key") => {
                (401, "{}".to_owned())
            }
            ("POST", _) => (202, r#"{"bulkOpsRequestId":"op-1"}"#.to_owned()),
            ("GET", "/v1/bulk-ops-requests/op-1") => match rounds.fetch_add(1, Ordering::SeqCst) {
                0 => (200, r#"{"status":"PENDING"}"#.to_owned()),
                1 => (200, r#"{"status":"IN_PROGRESS"}"#.to_owned()),
                _ => (200, last.to_owned()),
            },
            ("GET", "/v1/location/agnss?mcc=310") => (206, "binary".to_owned()),
            _ => (404, "{}".to_owned()),
        },
    )
}

fn submit<'a>(cloud: &'a Stub, target: &'a str) -> Vec<&'a str> {
    let all = [
        "nrfcloud",
        "submit",
        target,
        "list.csv",
        "--api",
        cloud.url.as_str(),
    ];
    [&all[..], &["--api-key-file", "key.txt", "--every", "0.01"]].concat()
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("list.csv", "d1,pem\n");
    bench.write("key.txt", "the-key\n");
    bench
}

#[test]
fn a_list_is_submitted_and_followed() {
    let (bench, cloud) = (bench(), cloud(r#"{"status":"SUCCEEDED"}"#));
    let said = bench.done(&submit(&cloud, "public-keys"));
    assert!(said.contains("✓ all devices were taken"), "{said}");
    let asked = cloud.asked();
    assert_eq!(
        (asked[0].path.as_str(), asked[0].body.as_str()),
        ("/v1/devices/public-keys", "d1,pem\n")
    );
    assert!(asked[0].headers.contains("content-type: text/csv"));
    assert_eq!(asked.len(), 4);
}

#[test]
fn errors_are_shown_by_row() {
    let summary = Stub::start(|asked| {
        assert!(
            !asked.headers.contains("authorization"),
            "the key went to another server"
        );
        (200, r#"{"errors":["[0]: Invalid certificate"]}"#.to_owned())
    });
    let last = format!(
        r#"{{"status":"FAILED","errorSummaryUrl":"{}/e"}}"#,
        summary.url
    );
    let (bench, cloud) = (bench(), cloud(last.leak()));
    let said = bench.fails(22, &submit(&cloud, "devices"));
    assert!(said.contains("✗ row 1: Invalid certificate"), "{said}");
}

#[test]
fn a_wrong_key_is_said_to_be_one() {
    let (bench, cloud) = (bench(), cloud("{}"));
    bench.write("key.txt", "another\n");
    let said = bench.fails(21, &submit(&cloud, "devices"));
    assert!(said.contains("/v1/devices: 401"), "{said}");
    assert!(!said.contains("another\n"));
}

#[test]
fn an_endpoint_is_called_with_a_token() {
    let (bench, cloud) = (bench(), cloud("{}"));
    let path = "/v1/location/agnss?mcc=310";
    let get = [
        "nrfcloud",
        "get",
        path,
        "--token-file",
        "key.txt",
        "--api",
        cloud.url.as_str(),
    ];
    let said = bench.done(&[&get[..], &["--bytes", "0-500", "--out", "agnss.bin"]].concat());
    assert!(said.contains("6 bytes, status 206"), "{said}");
    assert!(cloud.asked()[0].headers.contains("range: bytes=0-500"));
    assert_eq!(bench.read("agnss.bin"), "binary");
}
