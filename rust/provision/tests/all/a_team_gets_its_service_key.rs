//! nRF Cloud makes the service key of a team: asked for once, kept for its owner alone, and good
//! for proxy tokens.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;

use crate::support::Bench;
use crate::support::stub::Stub;

#[test]
fn a_service_key_is_kept_and_signs_proxy_tokens() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "proxy"]);
    bench.write("key", "team-key\n");
    let made = bench.read("dev-certs/devices/proxy.key");
    let cloud = Stub::start(move |_| {
        let answer = serde_json::json!({"key": made, "token": "aa.bb.cc"});
        (200, answer.to_string())
    });
    let ask = [
        "nrfcloud",
        "service-key",
        "--api-key-file",
        "key",
        "--out",
        "service.key",
        "--api",
        &cloud.url,
    ];
    let said = bench.fails(2, &ask);
    assert!(said.contains("ends every token"), "{said}");
    for taken in ["key", "none/x"] {
        let elsewhere = [&ask[..], &["--yes", "--new-token-file", taken]].concat();
        bench.fails(if taken == "key" { 5 } else { 3 }, &elsewhere);
    }
    bench.fails(
        2,
        &[&ask[..], &["--yes", "--new-token-file", "service.key"]].concat(),
    );
    assert_eq!(cloud.asked().len(), 0, "nothing was asked of the cloud");

    let said = bench.done(&[&ask[..], &["--yes", "--new-token-file", "token.txt"]].concat());
    assert!(
        !said.contains("PRIVATE KEY") && !said.contains("aa.bb.cc"),
        "{said}"
    );
    for name in ["service.key", "token.txt"] {
        let mode = std::fs::metadata(bench.path(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(bench.read("token.txt"), "aa.bb.cc\n");
    let asked = cloud.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].method.as_str(), asked[0].path.as_str()),
        ("POST", "/v1/account/service-key-and-token")
    );
    assert!(asked[0].headers.contains("authorization: bearer team-key"));

    let token = bench.done(&["nrfcloud", "jwt", "--key", "service.key", "--aud", "team-1"]);
    bench.write("proxy.jwt", &token);
    let verify = ["nrfcloud", "verify", "proxy.jwt", "--key"];
    let said = bench.json(&[&verify[..], &["dev-certs/devices/proxy.pem"]].concat());
    assert_eq!(said["claims"]["aud"], "team-1");

    bench.fails(5, &[&ask[..], &["--yes"]].concat());
    assert_eq!(cloud.asked().len(), 1, "a key in use was asked for again");
}

#[test]
fn an_answer_without_a_key_writes_nothing() {
    let bench = Bench::new();
    bench.write("key", "team-key\n");
    for (status, body, exit) in [
        (200, "{}", 22),
        (200, r#"{"key":"","token":"t"}"#, 22),
        (403, "only the owner", 21),
        (500, "later", 22),
    ] {
        let cloud = Stub::start(move |_| (status, body.to_owned()));
        let ask = [
            "nrfcloud",
            "service-key",
            "--yes",
            "--api-key-file",
            "key",
            "--out",
            "service.key",
            "--api",
            &cloud.url,
        ];
        bench.fails(exit, &ask);
        assert!(!bench.path("service.key").exists());
    }
}

#[test]
fn each_token_of_a_team_has_its_call() {
    let bench = Bench::new();
    bench.write("key", "team-key\n");
    let cloud = Stub::start(|asked| {
        (
            200,
            format!(r#"{{"token":"{} {}"}}"#, asked.method, asked.path),
        )
    });
    for (more, call) in [
        (&[][..], "GET /v1/account/service-token"),
        (
            &["--evaluation"],
            "GET /v1/account/service-evaluation-token",
        ),
        (
            &["--evaluation", "--begin"],
            "POST /v1/account/service-evaluation-token",
        ),
    ] {
        let ask = [
            "nrfcloud",
            "service-token",
            "--api-key-file",
            "key",
            "--api",
            &cloud.url,
        ];
        assert_eq!(bench.done(&[&ask[..], more].concat()).trim(), call);
    }
    bench.fails(
        2,
        &[
            "nrfcloud",
            "service-token",
            "--begin",
            "--api-key-file",
            "key",
        ],
    );
}
