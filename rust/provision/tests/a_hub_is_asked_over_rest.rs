//! The registry calls: paths, bodies and the signature that Azure asks for; answers that refuse
//! are passed on.

#![allow(clippy::unwrap_used)]

mod support;
use support::Bench;
use support::stub::Stub;

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
}

#[test]
fn an_enrolment_group_carries_the_ca() {
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
    assert!(run(&["list"]).contains("g          group  enabled"));
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
fn an_individual_enrolment_carries_the_devices_certificate() {
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
    assert!(run(&["enrollment", "list"]).contains("d1         device  enabled"));
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
