//! The registry calls: paths, bodies and the signature that Azure asks for; answers that refuse
//! are passed on.

#![allow(clippy::unwrap_used)]

use crate::support::Bench;
use crate::support::stub::Stub;

#[test]
fn devices_are_registered_disabled_listed_and_deleted() {
    let bench = Bench::new();
    let device = r#"{"deviceId":"d1","status":"enabled","authentication":{"type":"certificateAuthority"},"etag":"AAA="}"#;
    let hub =
        Stub::start(
            move |asked| match (asked.method.as_str(), asked.path.split('?').next()) {
                ("GET", Some("/devices")) => (200, format!("[{device}]")),
                ("GET", Some("/devices/d1")) => (200, device.to_owned()),
                ("GET", _) => (404, r#"{"Message":"ErrorCode:DeviceNotFound"}"#.to_owned()),
                _ => (200, "{}".to_owned()),
            },
        );
    let at = ["--emulator", hub.url.as_str()];
    let run = |arguments: &[&str]| bench.done(&[&["hub", "device"], arguments, &at[..]].concat());
    assert!(run(&["create", "d2"]).contains("✓ d2 is registered"));
    assert!(run(&["create", "d1"]).contains("= d1 is registered already"));
    assert!(run(&["disable", "d1"]).contains("d1 is disabled"));
    assert!(run(&["list"]).contains("d1      certificateAuthority  enabled"));
    run(&["delete", "d1"]);
    let asked: Vec<String> = hub
        .asked()
        .iter()
        .filter(|asked| asked.method != "GET")
        .map(|asked| {
            format!(
                "{} {} {}",
                asked.method,
                asked.path.split('?').next().unwrap(),
                asked.body
            )
        })
        .collect();
    assert_eq!(asked.len(), 3);
    assert!(
        asked[0].starts_with("PUT /devices/d2 ") && asked[0].contains("\"status\":\"enabled\"")
    );
    assert!(
        asked[1].starts_with("PUT /devices/d1 ") && asked[1].contains("\"status\":\"disabled\"")
    );
    assert_eq!(asked[2], "DELETE /devices/d1 ");
}

#[test]
fn a_refusal_has_a_status_of_its_own() {
    let bench = Bench::new();
    let hub = Stub::start(|_| {
        (
            401,
            r#"{"Message":"ErrorCode:IotHubUnauthorizedAccess"}"#.to_owned(),
        )
    });
    let said = bench.fails(21, &["hub", "device", "list", "--emulator", &hub.url]);
    assert!(
        said.contains("401 ErrorCode:IotHubUnauthorizedAccess"),
        "{said}"
    );
}

#[test]
fn a_hub_that_is_not_there_is_unreachable() {
    let bench = Bench::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{free}");
    let said = bench.fails(20, &["hub", "device", "list", "--emulator", &url]);
    assert!(
        said.contains("check the address and that the server is running"),
        "{said}"
    );
}

#[test]
fn azures_commands_are_printed_where_rest_does_not_reach() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.write(
        "cs",
        "HostName=my.azure-devices.net;SharedAccessKeyName=o;SharedAccessKey=c2VjcmV0\n",
    );
    let said = bench.done(&["hub", "ca", "add", "--connection-string-file", "cs"]);
    assert!(said.contains("az iot hub certificate create --hub-name my --name subca --path dev-certs/subca/subca.pem"), "{said}");
    assert!(
        said.contains("iothub-provision ca prove --name subca"),
        "{said}"
    );
    assert!(!said.contains("c2VjcmV0"));
}

#[test]
fn telemetry_is_shown_line_by_line() {
    let bench = Bench::new();
    let hub = Stub::start(|_| (200, "{\"seq\":1}\n{\"seq\":2}\n{\"seq\":3}\n".to_owned()));
    let said = bench.done(&["hub", "monitor", "--count", "2", "--emulator", &hub.url]);
    assert_eq!(said, "{\"seq\":1}\n{\"seq\":2}\n");
    let since = [
        "hub", "monitor", "--count", "1", "--since", "7", "--device", "a b",
    ];
    bench.done(&[&since[..], &["--emulator", &hub.url]].concat());
    let paths: Vec<String> = hub.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths[0], "/admin/telemetry.jsonl?follow=true&last=0");
    assert_eq!(
        paths[1],
        "/admin/telemetry.jsonl?follow=true&since=7&device=a%20b"
    );
}

#[test]
fn an_enrollment_group_carries_the_ca() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let hub = Stub::start(|asked| match asked.method.as_str() {
        "POST" if asked.path.starts_with("/enrollmentGroups") => (
            200,
            r#"[{"enrollmentGroupId":"g","provisioningStatus":"enabled"}]"#.to_owned(),
        ),
        _ => (200, "{}".to_owned()),
    });
    let run = |command: &[&str]| {
        bench.done(
            &[
                &["hub", "enrollment"],
                command,
                &["--emulator", hub.url.as_str()],
            ]
            .concat(),
        )
    };
    run(&["add", "g"]);
    assert!(run(&["list"]).contains("g           group  enabled"));
    run(&["delete", "g"]);
    let asked = hub.asked();
    let put = asked.iter().find(|asked| asked.method == "PUT").unwrap();
    assert_eq!(put.path, "/enrollmentGroups/g?api-version=2021-10-01");
    let sent: serde_json::Value = serde_json::from_str(&put.body).unwrap();
    let certificate = &sent["attestation"]["x509"]["signingCertificates"]["primary"]["certificate"];
    assert_eq!(
        certificate.as_str().unwrap(),
        bench.read("dev-certs/subca/subca.pem")
    );
}

#[test]
fn an_individual_enrollment_carries_the_devices_certificate() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    let hub = Stub::start(|asked| match asked.path.split('?').next() {
        Some("/enrollments/query") => (
            200,
            r#"[{"registrationId":"d1","provisioningStatus":"enabled"}]"#.to_owned(),
        ),
        Some("/admin") => (200, r#"{"hubs":["h"],"idScope":"0ne0000"}"#.to_owned()),
        _ => (200, "{}".to_owned()),
    });
    let at = ["--emulator", hub.url.as_str()];
    let run = |command: &[&str]| bench.done(&[&["hub"], command, &at].concat());
    run(&[
        "enrollment",
        "add-device",
        "d1",
        "--device-id",
        "thermometer",
    ]);
    assert!(run(&["enrollment", "list"]).contains("d1          device  enabled"));
    run(&["enrollment", "delete", "d1", "--device"]);
    assert_eq!(run(&["scope"]), "0ne0000\n");
    let asked = hub.asked();
    let put = asked.iter().find(|asked| asked.method == "PUT").unwrap();
    assert_eq!(put.path, "/enrollments/d1?api-version=2021-10-01");
    let sent: serde_json::Value = serde_json::from_str(&put.body).unwrap();
    assert_eq!(sent["deviceId"], "thermometer");
    let certificate = &sent["attestation"]["x509"]["clientCertificates"]["primary"]["certificate"];
    assert_eq!(
        certificate.as_str().unwrap(),
        bench.read("dev-certs/devices/d1.pem")
    );
    let deleted = asked.iter().find(|asked| asked.method == "DELETE").unwrap();
    assert!(deleted.path.starts_with("/enrollments/d1?"));
}

#[test]
fn a_device_is_trusted_by_its_thumbprint() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    let hub = Stub::start(|asked| match asked.method.as_str() {
        "GET" => (404, "{}".to_owned()),
        _ => (200, "{}".to_owned()),
    });
    let create = ["hub", "device", "create", "d1", "--thumbprint"];
    bench.done(&[&create[..], &["--emulator", &hub.url]].concat());
    let asked = hub.asked();
    let put = asked.iter().find(|asked| asked.method == "PUT").unwrap();
    let sent: serde_json::Value = serde_json::from_str(&put.body).unwrap();
    let certificate = bench.read("dev-certs/devices/d1.pem");
    let certificate = iothub_provision::pki::Certificate::from_pem(&certificate).unwrap();
    let authentication = &sent["authentication"];
    assert_eq!(authentication["type"], "selfSigned");
    let primary = &authentication["x509Thumbprint"]["primaryThumbprint"];
    assert_eq!(primary, &certificate.thumbprint());
}

#[test]
fn what_is_there_is_changed_by_its_entity_tag() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let hub = Stub::start(|_| (200, r#"{"etag":"AAA="}"#.to_owned()));
    bench.done(&["hub", "enrollment", "add", "g", "--emulator", &hub.url]);
    let asked = hub.asked();
    let put = asked.iter().find(|asked| asked.method == "PUT").unwrap();
    assert!(
        put.headers.contains("if-match: \"aaa=\""),
        "{}",
        put.headers
    );
}

#[test]
fn a_failure_that_only_speaks_of_404_is_no_missing_device() {
    let bench = Bench::new();
    let hub = Stub::start(|_| {
        (
            500,
            r#"{"Message":"upstream said 404 not found"}"#.to_owned(),
        )
    });
    let create = ["hub", "device", "create", "d1", "--emulator", &hub.url];
    bench.fails(22, &create);
    assert!(hub.asked().iter().all(|asked| asked.method == "GET"));
}

#[test]
fn a_module_is_registered_below_its_device() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1/m-1"]);
    let hub = Stub::start(|asked| match asked.method.as_str() {
        "GET" => (404, "{}".to_owned()),
        _ => (200, "{}".to_owned()),
    });
    let at = ["--emulator", hub.url.as_str()];
    let run = |arguments: &[&str]| bench.done(&[&["hub", "device"], arguments, &at[..]].concat());
    run(&["create", "d1/m-1"]);
    run(&["create", "d1/m-1", "--thumbprint"]);
    run(&["delete", "d1/m-1"]);
    for command in ["disable", "enable"] {
        bench.fails(2, &["hub", "device", command, "d1/m-1", at[0], at[1]]);
    }
    bench.fails(
        2,
        &[
            "hub",
            "device",
            "create",
            "d1/m-1",
            "--disabled",
            at[0],
            at[1],
        ],
    );
    bench.fails(2, &["hub", "device", "create", "a/b/c", at[0], at[1]]);
    let asked: Vec<_> = hub
        .asked()
        .into_iter()
        .filter(|asked| asked.method != "GET")
        .collect();
    assert_eq!(asked.len(), 3);
    assert!(
        asked
            .iter()
            .all(|asked| asked.path.starts_with("/devices/d1/modules/m-1?"))
    );
    let sent: serde_json::Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(
        (&sent["deviceId"], &sent["moduleId"]),
        (&"d1".into(), &"m-1".into())
    );
    assert_eq!(sent["authentication"]["type"], "certificateAuthority");
    assert_eq!(sent.get("status"), None);
    assert!(asked[1].body.contains("selfSigned"));
}

#[test]
fn possession_is_proved_to_the_emulator_too() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let hub = Stub::emulator("my-hub.localhost", None);
    let add = ["hub", "ca", "add", "--emulator", hub.url.as_str()];
    bench.done(&add);
    bench.done(&[&add[..], &["--dps"]].concat());
    let paths: Vec<String> = hub.asked().into_iter().map(|asked| asked.path).collect();
    assert!(
        paths
            .iter()
            .any(|path| path.contains("/IotHubs/my-hub/certificates/subca/verify?"))
    );
    assert!(
        paths
            .iter()
            .any(|path| path.contains("/provisioningServices/emulator/certificates/subca/verify?"))
    );

    std::fs::remove_file(bench.path("dev-certs/subca/subca.key")).unwrap();
    let said = bench.fails(3, &add);
    assert!(
        said.contains("the key of the CA subca is not here") && !said.contains('✓'),
        "{said}"
    );
    let said = bench.done(&[&add[..], &["--verified-on-upload"]].concat());
    assert!(said.contains("without a proof"), "{said}");
}

#[test]
fn the_emulators_variable_gives_way_to_a_connection_string() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.write(
        "cs",
        "HostName=my.azure-devices.net;SharedAccessKeyName=o;SharedAccessKey=c2VjcmV0\n",
    );
    let hub = Stub::emulator("h", None);
    let run = |value: &str, arguments: &[&str]| {
        let mut command = bench.command(arguments);
        command.env("IOTHUB_EMULATOR_URL", value).output().unwrap()
    };
    let list = ["hub", "ca", "list"];
    let azure = run(
        &hub.url,
        &[&list[..], &["--connection-string-file", "cs"]].concat(),
    );
    assert!(String::from_utf8_lossy(&azure.stdout).contains("az iot hub certificate list"));
    assert!(hub.asked().is_empty());
    assert!(run(&hub.url, &list).status.success());
    assert_eq!(hub.asked().len(), 1);
    assert_eq!(run("localhost:80", &list).status.code(), Some(2));
    assert_eq!(run("", &list).status.code(), Some(2));
    let both = [
        &list[..],
        &["--emulator", &hub.url, "--connection-string-file", "cs"],
    ]
    .concat();
    bench.fails(2, &both);
}
