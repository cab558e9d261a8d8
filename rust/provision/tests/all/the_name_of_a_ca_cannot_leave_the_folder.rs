//! Whichever command takes the name of a CA: one that leads elsewhere, or into a folder that is
//! taken, is refused before anything is read or written.

use crate::support::Bench;
use crate::support::CODE;
use iothub_provision::Kind;
use iothub_provision::pki::{AuthorityName, Certificate, Pki, Validity};
use time::OffsetDateTime;

/// A CA that lies outside of the folder, where `../evil` leads.
const OUTSIDE: &str = "../evil";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["ca", "create", "--name", "evil", "--home", "."]);
    bench.done(&["device", "create", "d1"]);
    // What a device of these names leaves is no CA.
    bench.done(&["device", "create", "devices"]);
    bench.done(&["server", "servers", "--host", "localhost"]);
    bench.write("batch.csv", "deviceId\nd2\n");
    bench.done(&[
        "ca",
        "csr",
        "--name",
        "x",
        "--common-name",
        "x",
        "--home",
        "upstream",
    ]);
    bench
}

#[test]
fn every_command_refuses_it() {
    let bench = bench();
    let before = bench.snapshot();
    let names = [
        OUTSIDE, "devices", "servers", "", ".", "..", "/tmp/x", "a b",
    ];
    let commands: [&[&str]; 15] = [
        &["ca", "create", "--name", "NAME"],
        &["ca", "create", "--name", "new", "--parent", "NAME"],
        &["ca", "csr", "--name", "NAME", "--common-name", "x"],
        &["ca", "import-chain", "--name", "NAME", "evil/evil.pem"],
        &["ca", "prove", "--name", "NAME", CODE],
        &["ca", "renew", "NAME"],
        &["ca", "export", "--name", "NAME", "--to", "shared"],
        &[
            "ca",
            "sign-ca",
            "--issuer",
            "NAME",
            "--csr",
            "upstream/x/x.csr",
            "--path-length",
            "0",
            "--out",
            "x.pem",
        ],
        &["device", "create", "d2", "--issuer", "NAME"],
        &["device", "batch", "batch.csv", "--issuer", "NAME"],
        &["up", "--port", "tcp:127.0.0.1:1", "--issuer", "NAME"],
        &[
            "up",
            "--dry-run",
            "--port",
            "tcp:127.0.0.1:1",
            "--issuer",
            "NAME",
        ],
        &[
            "hub",
            "ca",
            "add",
            "NAME",
            "--emulator",
            "http://127.0.0.1:1",
        ],
        &["hub", "az", "--hub", "h", "--ca", "NAME"],
        &[
            "hub",
            "enrollment",
            "add",
            "g",
            "--ca",
            "NAME",
            "--emulator",
            "http://127.0.0.1:1",
        ],
    ];
    for name in names {
        for command in commands {
            let arguments: Vec<&str> = command
                .iter()
                .map(|part| if *part == "NAME" { name } else { part })
                .collect();
            let said = bench.fails(2, &arguments);
            assert!(
                said.contains("cannot be the name of a CA"),
                "{arguments:?}: {said}"
            );
            assert!(bench.snapshot() == before, "{arguments:?} changed files");
        }
    }
}

#[test]
fn what_a_device_or_a_server_is_called_makes_no_ca() {
    let bench = bench();
    let listed = bench.done(&["ca", "list"]);
    assert!(
        listed.contains("rootca") && !listed.contains("devices"),
        "{listed}"
    );
    assert!(!listed.contains("servers"), "{listed}");
}

#[test]
fn nor_does_the_library_take_it() {
    let bench = bench();
    let pki = Pki::at(bench.path("dev-certs"));
    let now = OffsetDateTime::now_utc();
    let validity = Validity::days(now, 1).unwrap();
    let before = bench.snapshot();
    for name in [OUTSIDE, "devices", ""] {
        let evil = Certificate::from_pem(&bench.read("evil/evil.pem")).unwrap();
        let refused = [
            pki.authority(name, None).map(drop),
            pki.authority_certificate(name).map(drop),
            pki.chain(name).map(drop),
            pki.import_chain(name, &[evil], None).map(drop),
            pki.renew_authority(name, None, validity, None).map(drop),
            AuthorityName::new(name).map(drop),
        ];
        for outcome in refused {
            assert_eq!(outcome.unwrap_err().kind(), Kind::Usage, "{name:?}");
        }
    }
    assert!(bench.snapshot() == before);
}
