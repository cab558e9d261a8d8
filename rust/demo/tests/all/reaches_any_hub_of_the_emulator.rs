//! The device alone finds every hub of an emulator by Azure's own names, and the provisioning
//! service by its default one.

use std::{fs, net::Ipv4Addr, process::Command};

use crate::support::{TIMEOUT, program::Program};
use iothub_demo::{DEVICE_ID, Rest};
use iothub_emulator::{Emulator, Options};
use iothub_provision::pki::Pki;
use serde_json::{Value, json};
use time::OffsetDateTime;

const HUBS: [&str; 2] = ["first.azure-devices.net", "second.azure-devices.net"];

/// With the emulator's own certificate, as `iothub-emulator` has it.
fn emulator(runtime: &tokio::runtime::Runtime) -> Emulator {
    let mut options = Options::new(HUBS[0]);
    options.more_hubs = vec![HUBS[1].to_owned()];
    options.mqtt = (Ipv4Addr::LOCALHOST, 0).into();
    options.http = (Ipv4Addr::LOCALHOST, 0).into();
    options.firmware_http = (Ipv4Addr::LOCALHOST, 0).into();
    options.firmware_https = (Ipv4Addr::LOCALHOST, 0).into();
    runtime.block_on(Emulator::start(options)).expect("started")
}

fn connected_at(rest: &Rest, hub: &str) {
    rest.until(hub, TIMEOUT, |rest| {
        let mut events = rest.events(0)?.into_iter();
        let found = events.find(|event| event["event"] == "connected" && event["hub"] == hub);
        Ok(found.map(|event| assert_eq!(event["deviceId"], DEVICE_ID)))
    })
    .expect("connected there");
}

fn put(url: &str, hub: &str, body: &Value) {
    let answer = ureq::put(url).header("host", hub).send_json(body);
    let status = answer.expect("answered").status();
    assert!(status.is_success(), "{url}: {status}");
}

#[test]
fn reaches_any_hub_of_the_emulator() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let emulator = emulator(&runtime);
    let folder = tempfile::tempdir().expect("a folder");
    let now = OffsetDateTime::now_utc();
    let pki = Pki::development(folder.path().join("pki"), now).expect("a PKI");
    let identity = pki.device(DEVICE_ID, now).expect("a certificate");
    let credentials = folder.path().join("modem/credentials/10");
    fs::create_dir_all(&credentials).expect("made");
    let key = identity.key_pem().expect("a key");
    for (name, pem) in [
        ("ca.pem", emulator.ca_pem().expect("its own")),
        ("cert.pem", identity.chain_pem().as_str()),
        ("key.pem", key.expose()),
    ] {
        fs::write(credentials.join(name), pem).expect("written");
    }

    let base = format!("http://{}", emulator.http_addr());
    let rest = Rest::new(emulator.http_addr());
    let root = pki.authority_certificate("rootca").expect("the root");
    rest.register_ca("root", &root.pem()).expect("registered");
    put(
        &format!("{base}/devices/{DEVICE_ID}"),
        HUBS[0],
        &json!({ "deviceId": DEVICE_ID, "authentication": { "type": "certificateAuthority" } }),
    );
    let certificate = identity.certificate().pem();
    put(
        &format!("{base}/enrollments/{DEVICE_ID}"),
        HUBS[0],
        &json!({
            "registrationId": DEVICE_ID, "iotHubHostName": HUBS[1],
            "attestation": { "type": "x509", "x509": { "clientCertificates": { "primary": { "certificate": certificate } } } },
        }),
    );

    let device = |options: &[&str]| {
        Program::start(|command: &mut Command| {
            command
                .args(["device", "--time-factor", "0.01", "--port"])
                .arg(emulator.mqtt_addr().port().to_string())
                .args(options)
                .arg("--data")
                .arg(folder.path());
        })
    };
    let first = device(&["--hub", HUBS[0]]);
    connected_at(&rest, HUBS[0]);
    drop(first);
    let mut second = device(&["--id-scope", "0ne00000001"]);
    second.waits_for("resolving the address of global.azure-devices-provisioning.net");
    connected_at(&rest, HUBS[1]);
    drop(second);

    // What was said once is kept.
    let mut again = device(&[]);
    again.waits_for("connecting to second.azure-devices.net");
    drop(again);
    let mut back = device(&["--hub", HUBS[0]]);
    back.waits_for("connecting to first.azure-devices.net");
    drop(back);
    runtime.block_on(emulator.shutdown());
}
