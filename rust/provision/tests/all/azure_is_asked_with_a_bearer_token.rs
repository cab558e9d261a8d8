//! What Azure Resource Manager does: a CA is uploaded, its code signed and verified, listed and
//! deleted, and the ID scope is shown. The token stands in the header alone.

#![allow(clippy::unwrap_used)]

use crate::support::Bench;
use crate::support::CODE;
use crate::support::stub::{Asked, Stub};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iothub_provision::pki::Certificate;
use serde_json::{Value, json};

const HUB: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Devices/IotHubs/my";
const DPS: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Devices/provisioningServices/my";
const TOKEN: &str = "eyJhbGciOi.c2VjcmV0.dG9rZW4";

/// The part of Azure that is needed, with one certificate at most.
fn azure() -> Stub {
    let state = std::sync::Mutex::new(None::<Value>);
    Stub::start(move |asked| {
        if !asked
            .headers
            .contains("authorization: bearer eyjhbgcioi.c2vjcmv0.dg9rzw4")
        {
            return (
                401,
                r#"{"error":{"code":"AuthenticationFailed"}}"#.to_owned(),
            );
        }
        let mut state = state.lock().unwrap();
        let path = asked.path.split('?').next().unwrap().to_owned();
        let answer = match (asked.method.as_str(), path.rsplit('/').next().unwrap()) {
            ("GET", "certificates") => json!({"value": state.iter().collect::<Vec<_>>()}),
            ("GET", _) => json!({"properties": {"idScope": "0ne00000001"}}),
            ("DELETE", _) => state.take().unwrap(),
            _ => {
                let changed = changed(state.clone(), &path, asked);
                state.insert(changed).clone()
            }
        };
        (200, answer.to_string())
    })
}

fn changed(found: Option<Value>, path: &str, asked: &Asked) -> Value {
    let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
    let Some(mut found) = found else {
        let certificate = decoded(&body["properties"]["certificate"]);
        return json!({"name": "subca", "etag": "AA0=", "properties": {
            "isVerified": body["properties"]["isVerified"], "subject": certificate.subject(),
            "thumbprint": certificate.thumbprint_sha1()}});
    };
    let etag = found["etag"].as_str().unwrap().to_lowercase();
    assert!(
        asked.headers.contains(&format!("if-match: {etag}")),
        "{asked:?}"
    );
    if path.ends_with("/generateVerificationCode") {
        found["etag"] = json!("AA1=");
        found["properties"]["verificationCode"] = json!(CODE);
    } else {
        assert!(path.ends_with("/verify"), "{path}");
        let proof = decoded(&body["certificate"]);
        assert_eq!(proof.common_name(), Some(CODE));
        found["etag"] = json!("AA2=");
        found["properties"]["isVerified"] = json!(true);
    }
    found
}

fn decoded(text: &Value) -> Certificate {
    let der = STANDARD.decode(text.as_str().unwrap()).unwrap();
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(der)
    );
    Certificate::from_pem(&pem).unwrap()
}

#[test]
fn a_ca_is_registered_proved_listed_and_deleted() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.write("token", &format!("{TOKEN}\n"));
    let azure = azure();
    let at = |resource: &'static str| {
        [
            "--resource-id",
            resource,
            "--bearer-token-file",
            "token",
            "--management",
            azure.url.as_str(),
        ]
        .map(str::to_owned)
    };
    let run = |command: &[&str], resource| {
        let at = at(resource);
        let at: Vec<&str> = at.iter().map(String::as_str).collect();
        let said = bench.done(&[&["hub"], command, &at].concat());
        assert!(!said.contains(TOKEN), "{said}");
        said
    };
    assert!(run(&["ca", "add"], HUB).contains("✓ subca is registered and proved"));
    assert!(run(&["ca", "add"], HUB).contains("= subca is registered and proved"));
    let list = run(&["ca", "list"], HUB);
    assert!(
        list.contains("subca  CN=Development Intermediate CA  true"),
        "{list}"
    );
    assert!(run(&["ca", "delete", "subca"], HUB).contains("subca is deleted"));
    assert!(!run(&["ca", "list"], HUB).contains("subca"));
    assert!(run(&["ca", "add", "--verified-on-upload"], HUB).contains("✓ subca"));
    assert_eq!(run(&["scope"], DPS), "0ne00000001\n");
    for asked in azure.asked() {
        let versions = ["api-version=2023-06-30", "api-version=2022-02-05"];
        assert!(versions.iter().any(|version| asked.path.ends_with(version)));
        assert!(!asked.path.contains(TOKEN));
    }
}

#[test]
fn a_wrong_token_a_wrong_id_and_no_token_are_told_apart() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.write("expired", "eyJhbGciOi.old\n");
    bench.write("broken", "two words\n");
    let azure = azure();
    let list = ["hub", "ca", "list", "--management", azure.url.as_str()];
    let fails = |status, more: &[&str]| bench.fails(status, &[&list[..], more].concat());
    let said = fails(
        21,
        &["--resource-id", HUB, "--bearer-token-file", "expired"],
    );
    assert!(said.contains("401") && !said.contains("eyJ"), "{said}");
    fails(4, &["--resource-id", HUB, "--bearer-token-file", "broken"]);
    fails(
        2,
        &[
            "--resource-id",
            "/subscriptions/s",
            "--bearer-token-file",
            "expired",
        ],
    );
    fails(3, &["--resource-id", HUB, "--bearer-token-file", "absent"]);
    let said = fails(21, &["--resource-id", HUB]);
    assert!(said.contains("--bearer-token-file"), "{said}");
    let by_environment = bench
        .command(&[&list[..], &["--resource-id", HUB]].concat())
        .env("AZURE_BEARER_TOKEN", TOKEN)
        .output()
        .unwrap();
    assert!(by_environment.status.success());
}

#[test]
fn only_certificates_are_let_in_and_the_rest_of_the_hub_stays_as_it_is() {
    let bench = Bench::new();
    bench.write("token", TOKEN);
    let state = std::sync::Mutex::new(json!({"name": "my", "etag": "AA0=", "sku": {"name": "F1"},
        "properties": {"hostName": "my.azure-devices.net", "minTlsVersion": "1.2"}}));
    let azure = Stub::start(move |asked| {
        let mut state = state.lock().unwrap();
        if asked.method == "PUT" {
            assert!(asked.headers.contains("if-match: aa0="), "{asked:?}");
            *state = serde_json::from_str(&asked.body).unwrap();
        }
        (200, state.to_string())
    });
    let enforce = [
        "hub",
        "enforce-x509",
        "--bearer-token-file",
        "token",
        "--management",
        &azure.url,
    ];
    let run = |more: &[&str]| bench.done(&[&enforce[..], &["--resource-id", HUB], more].concat());
    assert!(run(&[]).contains("✓ the hub lets only certificates in"));
    assert!(run(&[]).contains("= the hub lets only certificates in"));
    assert!(run(&["--undo"]).contains("✓ the hub lets shared keys in"));
    let puts: Vec<_> = azure
        .asked()
        .into_iter()
        .filter(|asked| asked.method == "PUT")
        .collect();
    assert_eq!(puts.len(), 2);
    let sent: Value = serde_json::from_str(&puts[0].body).unwrap();
    assert_eq!(sent["properties"]["disableDeviceSAS"], true);
    assert_eq!(sent["properties"]["disableModuleSAS"], true);
    assert_eq!(sent["properties"]["minTlsVersion"], "1.2");
    assert_eq!(sent["sku"]["name"], "F1");
    bench.fails(2, &[&enforce[..], &["--resource-id", DPS]].concat());
    for id in [format!("{HUB}?x"), format!("{HUB}#x"), format!("{HUB} x")] {
        bench.fails(2, &[&enforce[..], &["--resource-id", &id]].concat());
    }
}
