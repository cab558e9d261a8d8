//! A name is the same bytes from where it is given to the last certificate that repeats it,
//! whatever it is made of; what would make another name of it on the way is refused.

#![allow(clippy::unwrap_used)]

use crate::support::{Bench, has_openssl};
use iothub_provision::pki::{Certificate, SigningRequest};

fn certificate(bench: &Bench, name: &str) -> Certificate {
    Certificate::from_pem(&bench.read(name)).unwrap()
}

#[test]
fn a_comma_in_a_name_makes_no_other_attribute() {
    let bench = Bench::new();
    for name in [
        "Foo, O=Evil",
        "Foo/O=Evil",
        "a\\,b + c=d",
        "Ærø, \"Nord\"",
        " x ",
    ] {
        let home = ["--home", "other"];
        let create = ["ca", "create", "--name", "ca", "--common-name", name];
        bench.done(&[&home[..], &create].concat());
        let before = certificate(&bench, "other/ca/ca.pem");
        assert_eq!(before.common_name(), Some(name));
        let attributes = before.subject_name().attributes();
        assert_eq!(attributes.len(), 1, "{attributes:?}");
        bench.done(&[
            "--home", "other", "device", "create", "d1", "--issuer", "ca",
        ]);
        bench.done(&["--home", "other", "ca", "renew", "ca", "--days", "90"]);
        let after = certificate(&bench, "other/ca/ca.pem");
        assert_ne!(before, after);
        assert_eq!(before.subject_name().der(), after.subject_name().der());
        bench.done(&["--home", "other", "device", "verify", "d1"]);
        std::fs::remove_dir_all(bench.path("other")).unwrap();
    }
}

#[test]
fn names_are_shown_so_that_no_two_look_alike() {
    let bench = Bench::new();
    let create = [
        "ca",
        "create",
        "--name",
        "one",
        "--common-name",
        "Foo, O=Evil",
    ];
    let said = bench.done(&create);
    assert!(said.contains("CN=Foo\\, O=Evil, EC P-256"), "{said}");
    let prefix = ["--subject-prefix", "/O=A\\/B/OU=x"];
    let create = ["ca", "create", "--name", "two", "--common-name", "Foo"];
    let said = bench.done(&[&create[..], &prefix].concat());
    assert!(said.contains("O=A/B, OU=x, CN=Foo"), "{said}");
    let index = bench.read("dev-certs/one/db/index.txt");
    assert!(index.ends_with("\tunknown\t/CN=Foo, O=Evil\n"), "{index}");
}

/// Two units, two domain components, a part of two attributes, and an old string type.
#[test]
fn a_ca_that_another_tool_has_named_joins_its_devices() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    let subject = "/DC=com/DC=example/O=Company+OU=One/OU=Two/OU=Three/CN=Bought, and paid";
    bench.openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "made.key",
        "-out",
        "made.pem",
        "-multivalue-rdn",
        "-subj",
        subject,
        "-days",
        "30",
    ]);
    std::fs::create_dir_all(bench.path("dev-certs/bought")).unwrap();
    std::fs::copy(
        bench.path("made.key"),
        bench.path("dev-certs/bought/bought.key"),
    )
    .unwrap();
    bench.done(&["ca", "import-chain", "--name", "bought", "made.pem"]);
    bench.done(&["device", "create", "d1", "--issuer", "bought"]);
    bench.done(&["device", "verify", "d1"]);
    let verify = ["verify", "-purpose", "sslclient", "-CAfile"];
    let device = "dev-certs/devices/d1.pem";
    bench.openssl(&[&verify[..], &["made.pem", device]].concat());
    bench.done(&["ca", "renew", "bought"]);
    let renewed = "dev-certs/bought/bought.pem";
    let (old, new) = (
        certificate(&bench, "made.pem"),
        certificate(&bench, renewed),
    );
    assert_ne!(old, new);
    assert_eq!(old.subject_name().der(), new.subject_name().der());
    bench.openssl(&[&verify[..], &[renewed, device]].concat());
    let text = bench.openssl(&[
        "x509",
        "-in",
        renewed,
        "-noout",
        "-ext",
        "subjectKeyIdentifier",
    ]);
    let before = bench.openssl(&[
        "x509",
        "-in",
        "made.pem",
        "-noout",
        "-ext",
        "subjectKeyIdentifier",
    ]);
    assert_eq!(text, before);
    bench.done(&["device", "create", "d2", "--issuer", "bought"]);
    bench.openssl(&[&verify[..], &["made.pem", "dev-certs/devices/d2.pem"]].concat());
}

#[test]
fn a_request_is_granted_its_name_whole_or_not() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let sign = |csr: &str, more: &[&str]| {
        let command = [
            "ca",
            "sign-ca",
            "--issuer",
            "rootca",
            "--path-length",
            "0",
            "--out",
            "out.pem",
        ];
        bench.tool(&[&command[..], &["--csr", csr], more].concat())
    };
    let request = |subject: &str| {
        let new = [
            "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "k", "-out", "r.csr",
        ];
        bench.openssl(&[&new[..], &["-utf8", "-subj", subject]].concat());
    };
    request("/C=NO/O=Factory, Inc./CN=Line 1");
    assert!(sign("r.csr", &[]).status.success());
    let asked = SigningRequest::from_pem(&bench.read("r.csr")).unwrap();
    let granted = certificate(&bench, "out.pem");
    assert_eq!(granted.subject_name(), asked.subject_name());
    request("/O=Factory/CN=Line\u{1b}[2J1");
    assert_eq!(sign("r.csr", &[]).status.code(), Some(6));
    request("/O=Factory");
    assert_eq!(sign("r.csr", &[]).status.code(), Some(6));
    assert!(sign("r.csr", &["--common-name", "Line 1"]).status.success());
    assert_eq!(certificate(&bench, "out.pem").subject(), "CN=Line 1");
}

#[test]
fn names_that_x520_has_no_place_for_are_refused() {
    let bench = Bench::new();
    let long = "x".repeat(65);
    for (flag, value) in [
        ("--common-name", ""),
        ("--common-name", "a\tb"),
        ("--common-name", long.as_str()),
        ("--unit", ""),
        ("--unit", "a\u{7}"),
        ("--subject-prefix", "/C=Norway"),
        ("--subject-prefix", "/C=N1"),
        ("--subject-prefix", "/DC=Ærø"),
        ("--subject-prefix", "/O="),
        ("--subject-prefix", "/X=y"),
    ] {
        bench.fails(2, &["ca", "create", "--name", "x", flag, value]);
        assert!(!bench.path("dev-certs/x/x.pem").exists());
    }
}

#[test]
fn a_device_id_never_becomes_an_attribute_in_the_modem() {
    let bench = Bench::new();
    let modem = bench.modem(|_| {});
    for id in ["a,O=evil", "a=b", "a,b"] {
        let keygen = [
            "modem",
            "keygen",
            "--port",
            modem.port(),
            "--device-id",
            id,
            "--out",
            "r.csr",
        ];
        let said = bench.fails(2, &keygen);
        assert!(said.contains("device create"), "{said}");
        bench.fails(2, &["up", "--port", modem.port(), "--device-id", id]);
        bench.fails(
            2,
            &["up", "--port", modem.port(), "--device-id", id, "--dry-run"],
        );
        assert!(!bench.path("r.csr").exists());
        bench.done(&["ca", "create"]);
        bench.done(&["device", "create", id]);
        bench.done(&["device", "verify", id]);
    }
    let keygen = [
        "modem",
        "keygen",
        "--port",
        modem.port(),
        "--device-id",
        "a\",1",
        "--out",
        "r.csr",
    ];
    bench.fails(2, &keygen);
    let jwt = ["nrfcloud", "jwt", "--port", modem.port(), "--sub"];
    bench.fails(2, &[&jwt[..], &["x\",\"y"]].concat());
    bench.fails(2, &[&jwt[..], &["x\ry"]].concat());
    bench.fails(2, &[&jwt[..], &["x", "--aud", "y\"z"]].concat());
    let stored = bench.json(&["modem", "creds", "list", "--port", modem.port()]);
    assert_eq!(stored["credentials"], serde_json::json!([]));
}

#[test]
fn a_credential_that_would_end_its_command_is_refused() {
    let bench = Bench::new();
    let modem = bench.modem(|_| {});
    for (name, content) in [
        ("quote", "a\"b"),
        ("return", "a\rb"),
        ("nul", "a\0b"),
        ("empty", "\n"),
    ] {
        bench.write(name, content);
        let write = [
            "modem",
            "creds",
            "write",
            "--tag",
            "7",
            "--port",
            modem.port(),
        ];
        bench.fails(4, &[&write[..], &["--psk-identity", name]].concat());
    }
    bench.write("odd", "zz");
    let write = [
        "modem",
        "creds",
        "write",
        "--tag",
        "7",
        "--port",
        modem.port(),
    ];
    bench.fails(4, &[&write[..], &["--psk", "odd"]].concat());
}

#[test]
fn what_is_printed_for_a_shell_is_quoted() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["--home", "my certs", "ca", "create"]);
    let hostile = "my hub; rm -rf 'x'";
    let az = [
        "--home",
        "my certs",
        "hub",
        "az",
        "--hub",
        hostile,
        "--device",
        "$(reboot)",
    ];
    for (shell, quoted) in [
        ("bash", "'my hub; rm -rf '\\''x'\\'''"),
        ("powershell", "'my hub; rm -rf ''x'''"),
    ] {
        let said = bench.done(&[&az[..], &["--shell", shell]].concat());
        assert!(!said.replace(quoted, "").contains("rm -rf"), "{said}");
        assert!(said.contains("'$(reboot)'"), "{said}");
        assert!(said.contains("'my certs/subca/subca.pem'"), "{said}");
    }
    for bad in ["a\nb", "a\"b", "a\u{1b}[2J"] {
        bench.fails(2, &["hub", "az", "--hub", bad]);
    }
    let host = ["up", "--dry-run", "--port", "none", "--hostname"];
    bench.fails(2, &[&host[..], &["h\"\nCONFIG_X=y"]].concat());
}
