//! `up`: one command from an empty modem to a device that the hub knows; a second run changes
//! nothing, and a run that was cut off is finished by the next.

#![allow(clippy::unwrap_used)]

use crate::support::stub::Stub;
use crate::support::{Bench, Simulated};

/// The registry of a hub, as far as `up` needs it.
fn hub() -> Stub {
    hub_with(None)
}

/// The same with a server whose certificate is of a CA of its own.
fn hub_with(server_ca: Option<&str>) -> Stub {
    Stub::emulator("hub.localhost", server_ca)
}

fn up<'a>(modem: &'a Simulated, hub: &'a Stub, more: &[&'a str]) -> Vec<&'a str> {
    let all = ["up", "--port", modem.port(), "--emulator", hub.url.as_str()];
    [&all[..], more].concat()
}

const ID: &str = "352656100367872";

#[test]
fn up_makes_a_board_ready() {
    let (bench, hub) = (Bench::new(), hub());
    let modem = bench.modem(|options| options.functional_mode = 1);
    let done = bench.json(&up(&modem, &hub, &["--hostname", "iothub.localhost"]));
    assert_eq!(done["deviceId"], ID);
    assert!(
        done["steps"]
            .as_array()
            .unwrap()
            .iter()
            .all(|step| step["changed"] == true)
    );
    assert_eq!(
        done["kconfig"][0],
        "CONFIG_IOTHUB_HOSTNAME=\"iothub.localhost\""
    );

    assert_eq!(
        bench.stored(10, "ca").unwrap(),
        bench.read("dev-certs/rootca/rootca.pem")
    );
    let chain = format!("dev-certs/devices/{ID}.chain.pem");
    assert_eq!(bench.stored(10, "cert").unwrap(), bench.read(&chain));
    assert!(!bench.path(&format!("dev-certs/devices/{ID}.key")).exists());
    let key =
        iothub_provision::pki::Key::from_pem(&bench.stored(10, "key").unwrap(), None).unwrap();
    let leaf = iothub_provision::pki::Certificate::from_pem(&bench.read(&chain)).unwrap();
    assert_eq!(key.public_key(), leaf.public_key());
    let info = bench.json(&["modem", "info", "--port", modem.port()]);
    assert_eq!(info["functionalMode"], "1");
    let put = hub
        .asked()
        .into_iter()
        .find(|asked| asked.method == "PUT")
        .unwrap();
    assert!(put.path.starts_with(&format!("/devices/{ID}?api-version=")));
    assert!(put.body.contains("\"type\":\"certificateAuthority\""));

    let before = bench.snapshot();
    let again = bench.json(&up(&modem, &hub, &[]));
    assert_eq!(again["changed"], false);
    assert!(before == bench.snapshot());
}

#[test]
fn the_ca_that_the_emulator_has_made_is_trusted() {
    let other = Bench::new();
    other.done(&["ca", "create"]);
    let made = other.read("dev-certs/rootca/rootca.pem");
    let (bench, hub) = (Bench::new(), hub_with(Some(&made)));
    let modem = bench.modem(|_| {});
    let said = bench.done(&up(&modem, &hub, &[]));
    assert_eq!(bench.stored(10, "ca").unwrap(), made);
    assert!(
        said.contains("CONFIG_IOTHUB_HOSTNAME=\"hub.localhost\""),
        "{said}"
    );
    assert!(!said.contains("will refuse"), "{said}");

    let root = bench.path("dev-certs/rootca/rootca.pem");
    let more = ["--replace", "--root", root.to_str().unwrap()];
    let said = bench.done(&up(&modem, &hub, &more));
    assert!(
        said.contains("the device will refuse the emulator"),
        "{said}"
    );
}

#[test]
fn a_run_that_was_cut_off_is_finished() {
    let (bench, hub) = (Bench::new(), hub());
    let modem = bench.modem(|options| options.functional_mode = 1);
    let small = bench.modem(|options| options.capacity = 700);
    let said = bench.fails(12, &up(&small, &hub, &[]));
    assert!(said.contains("515"), "{said}");
    assert_eq!(bench.stored(10, "cert"), None);
    let key = bench.stored(10, "key").unwrap();
    drop(small);
    bench.done(&up(&modem, &hub, &[]));
    assert_eq!(bench.stored(10, "key").unwrap(), key);
    assert!(bench.stored(10, "cert").is_some());
}

#[test]
fn a_key_whose_request_was_lost_is_made_again() {
    let (bench, hub) = (Bench::new(), hub());
    let modem = bench.modem(|_| {});
    bench.done(&["ca", "create"]);
    bench.done(&[
        "modem",
        "keygen",
        "--port",
        modem.port(),
        "--out",
        "lost.csr",
    ]);
    std::fs::create_dir_all(bench.path("dev-certs/devices")).unwrap();
    bench.write(
        &format!("dev-certs/devices/{ID}.up.json"),
        "{\"tag\":10,\"begun\":true}",
    );
    bench.done(&up(&modem, &hub, &[]));
    bench.done(&["device", "verify", ID]);
}

#[test]
fn a_key_made_here_is_not_overtaken() {
    let (bench, hub) = (Bench::new(), hub());
    let modem = bench.modem(|_| {});
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", ID]);
    let before = bench.snapshot();
    for more in [&[][..], &["--dry-run"], &["--replace"]] {
        let said = bench.fails(5, &up(&modem, &hub, more));
        assert!(said.contains("is a key of this device made here"), "{said}");
    }
    assert!(before == bench.snapshot());
    assert_eq!(bench.stored(10, "key"), None);
}

#[test]
fn somebody_elses_key_is_not_touched() {
    let (bench, hub) = (Bench::new(), hub());
    let modem = bench.modem(|_| {});
    bench.done(&[
        "modem",
        "keygen",
        "--port",
        modem.port(),
        "--out",
        "theirs.csr",
    ]);
    let theirs = bench.stored(10, "key").unwrap();
    let said = bench.fails(5, &up(&modem, &hub, &[]));
    assert!(
        said.contains("there is a key under tag 10 that is not ours"),
        "{said}"
    );
    assert_eq!(bench.stored(10, "key").unwrap(), theirs);
    bench.done(&up(&modem, &hub, &["--replace"]));
    assert_ne!(bench.stored(10, "key").unwrap(), theirs);
}

#[test]
fn a_dry_run_shows_the_commands_and_sends_none() {
    let (bench, hub) = (Bench::new(), hub());
    let modem = bench.modem(|options| options.functional_mode = 1);
    bench.done(&["ca", "create"]);
    let before = bench.snapshot();
    let said = bench.done(&up(&modem, &hub, &["--dry-run"]));
    assert!(
        said.contains(&format!("✓ AT%KEYGEN=10,2,0,\"CN={ID}\"")),
        "{said}"
    );
    assert!(said.contains("✓ AT+CFUN=4, and back at the end"), "{said}");
    assert!(before == bench.snapshot());
    assert!(hub.asked().iter().all(|asked| asked.method == "GET"));
}

#[test]
fn without_a_hub_azures_roots_and_commands_are_given() {
    let bench = Bench::new();
    let modem = bench.modem(|_| {});
    let said = bench.done(&["up", "--port", modem.port()]);
    assert!(
        bench
            .stored(10, "ca")
            .unwrap()
            .contains("BEGIN CERTIFICATE")
    );
    assert!(bench.stored(11, "ca").is_some());
    assert!(
        said.contains(
            "# tag 10: C=US, O=DigiCert Inc, OU=www.digicert.com, CN=DigiCert Global Root G2"
        ),
        "{said}"
    );
    assert!(
        said.contains("CONFIG_IOTHUB_SECONDARY_SEC_TAG=11"),
        "{said}"
    );
    assert!(
        said.contains("az iot hub certificate create --hub-name HUB --name subca"),
        "{said}"
    );
    assert!(
        said.contains(&format!("--device-id {ID} --am x509_ca")),
        "{said}"
    );
}
