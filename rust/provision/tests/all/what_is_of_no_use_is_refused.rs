//! What would be made or written without an error, and be of no use to anybody, is refused before
//! it is made.

#![allow(clippy::unwrap_used)]

use crate::support::{Bench, CODE, has_openssl};

/// A key and a certificate by `openssl req -x509` for `d1`, with these extensions.
fn made_by_openssl(bench: &Bench, name: &str, extensions: &[&str]) {
    let (key, out) = (format!("{name}.key"), format!("{name}.pem"));
    let mut all = vec![
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ];
    all.extend(["-nodes", "-subj", "/CN=d1", "-keyout", &key, "-out", &out]);
    extensions
        .iter()
        .for_each(|one| all.extend(["-addext", one]));
    bench.openssl(&all);
}

#[test]
fn a_verification_code_that_is_none() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let long = "A".repeat(65);
    for code in [
        "",
        "ABC",
        " ",
        &CODE[..20],
        "106A5SD2-42AF512B3498BD6098C4941E66",
        &long,
    ] {
        bench.fails(2, &["ca", "prove", code]);
        assert!(
            !bench.path("dev-certs/subca/proof.pem").exists(),
            "{code:?}"
        );
    }
    bench.done(&["ca", "prove", CODE]);
}

#[test]
fn a_certificate_that_has_expired_when_it_is_made() {
    let bench = Bench::new();
    bench.fails(2, &["ca", "create", "--days", "0"]);
    bench.done(&["ca", "create"]);
    bench.done(&["ca", "csr", "--name", "x", "--common-name", "x"]);
    for command in [
        "device create d1 --days 0",
        "ca renew subca --days 0",
        "ca sign-ca --issuer rootca --csr dev-certs/x/x.csr --path-length 0 --out x.pem --days 0",
    ] {
        bench.fails(2, &command.split(' ').collect::<Vec<_>>());
    }
    assert!(!bench.path("dev-certs/devices/d1.pem").exists() && !bench.path("x.pem").exists());
    bench.done(&["device", "create", "d1", "--days", "1"]);
}

#[test]
fn a_server_without_a_name() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let long = format!("{}.example", "a".repeat(64));
    for host in [
        "", " ", "a b", "a..b", "-a", "a/b", "http://a", "*", "a.*.b", "[::1", &long,
    ] {
        bench.fails(2, &["server", "hub", &format!("--host={host}")]);
        assert!(
            !bench.path("dev-certs/servers/hub.pem").exists(),
            "{host:?}"
        );
    }
    bench.done(&[
        "server",
        "hub",
        "--host",
        "*.example.com",
        "--host",
        "[::1]",
    ]);
}

#[test]
fn a_certificate_that_no_hub_will_take() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    let modem = bench.modem(|_| {});
    let write = [
        "modem",
        "creds",
        "write",
        "--port",
        modem.port(),
        "--tag",
        "10",
    ];
    let write = |bench: &Bench, status: i32, more: &[&str], sentence: &str| {
        let said = match status {
            0 => bench.done(&[&write[..], more].concat()),
            _ => bench.fails(status, &[&write[..], more].concat()),
        };
        assert!(said.contains(sentence), "{said}");
    };
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    made_by_openssl(&bench, "whole", &[]);
    bench.openssl(&[
        "req",
        "-new",
        "-key",
        "whole.key",
        "-subj",
        "/CN=d1",
        "-out",
        "r.csr",
    ]);
    bench.openssl(&[
        "x509",
        "-req",
        "-in",
        "r.csr",
        "-signkey",
        "whole.key",
        "-out",
        "v1.pem",
    ]);
    write(&bench, 6, &["--cert", "v1.pem"], "it is of X.509 version 1");
    bench.fails(
        6,
        &[
            "device",
            "verify",
            "d1",
            "--chain",
            "v1.pem",
            "--thumbprint",
        ],
    );
    made_by_openssl(
        &bench,
        "server",
        &["basicConstraints=CA:FALSE", "extendedKeyUsage=serverAuth"],
    );
    write(&bench, 6, &["--cert", "server.pem"], "lacks clientAuth");

    // `openssl req -x509` makes a CA; by thumbprint the hub takes it.
    write(&bench, 4, &["--cert", "whole.pem"], "--thumbprint");
    let verify = ["device", "verify", "d1", "--chain", "whole.pem"];
    let said = bench.fails(6, &[&verify[..], &["--root", "whole.pem"]].concat());
    assert!(said.contains("--thumbprint"), "{said}");
    bench.done(&[&verify[..], &["--thumbprint"]].concat());
    write(
        &bench,
        0,
        &["--cert", "whole.pem", "--thumbprint"],
        "written and verified",
    );
    bench.fails(
        6,
        &[
            "device",
            "verify",
            "d2",
            "--chain",
            "whole.pem",
            "--thumbprint",
        ],
    );

    // The issuers behind it: one that may not sign, and the wrong order.
    let (device, root) = ("dev-certs/devices/d1.pem", "dev-certs/rootca/rootca.pem");
    bench.write("order.pem", &(bench.read(device) + &bench.read(root)));
    write(
        &bench,
        6,
        &["--cert", "order.pem"],
        "is not signed by CN=Development Root CA",
    );
    let no_sign = [
        "basicConstraints=critical,CA:TRUE",
        "keyUsage=critical,cRLSign",
    ];
    made_by_openssl(&bench, "mute", &no_sign);
    bench.write("ext.cnf", "extendedKeyUsage=clientAuth\n");
    let sign = "x509 -req -in r.csr -CA mute.pem -CAkey mute.key -CAcreateserial -extfile ext.cnf \
                -out below.pem";
    bench.openssl(&sign.split_whitespace().collect::<Vec<_>>());
    bench.write(
        "below-chain.pem",
        &(bench.read("below.pem") + &bench.read("mute.pem")),
    );
    write(
        &bench,
        6,
        &["--cert", "below-chain.pem"],
        "lacks keyCertSign",
    );
}

#[test]
fn what_is_no_root_is_written_with_a_warning() {
    let bench = Bench::new();
    let modem = bench.modem(|_| {});
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    for (file, warning) in [
        ("rootca/rootca", ""),
        (
            "subca/subca",
            "is no root, but issued by CN=Development Root CA",
        ),
        ("devices/d1", "CN=d1 is no CA"),
    ] {
        let path = format!("dev-certs/{file}.pem");
        let write = [
            "modem",
            "creds",
            "write",
            "--port",
            modem.port(),
            "--tag",
            "10",
        ];
        let said = bench.done(&[&write[..], &["--replace", "--ca", &path]].concat());
        assert_eq!(said.contains("! "), !warning.is_empty(), "{said}");
        assert!(said.contains(warning), "{said}");
    }
}

/// The issuer of the technician's CA is in nobody's folder but the factory's.
#[test]
fn a_chain_is_followed_as_far_as_the_folder_goes() {
    let bench = Bench::new();
    bench.done(&["--home", "factory", "ca", "create", "--name", "rootca"]);
    bench.done(&[
        "--home",
        "tech",
        "ca",
        "csr",
        "--name",
        "tech",
        "--common-name",
        "T",
    ]);
    let sign = "--home factory ca sign-ca --issuer rootca --csr tech/tech/tech.csr --path-length 0 --out t.pem";
    bench.done(&sign.split(' ').collect::<Vec<_>>());
    let chain = bench.read("t.pem");
    let end = "-----END CERTIFICATE-----\n";
    let own = chain.split_inclusive(end).next().unwrap_or_default();
    bench.write("own.pem", own);
    bench.done(&[
        "--home",
        "tech",
        "ca",
        "import-chain",
        "--name",
        "tech",
        "own.pem",
    ]);
    bench.done(&[
        "--home", "tech", "device", "create", "d1", "--issuer", "tech",
    ]);
    bench.done(&["--home", "tech", "device", "verify", "d1"]);
    bench.done(&["--home", "other", "ca", "create"]);
    let verify = ["--home", "other", "device", "verify", "d1", "--chain"];
    let said = bench.fails(6, &[&verify[..], &["tech/devices/d1.chain.pem"]].concat());
    assert!(
        said.contains("the issuer CN=rootca is above this folder"),
        "{said}"
    );

    bench.done(&[
        "--home",
        "tech",
        "ca",
        "import-chain",
        "--name",
        "tech",
        "t.pem",
    ]);
    let kept = bench.json(&["--home", "tech", "device", "verify", "d1"]);
    let checks = kept["checks"].to_string();
    assert!(checks.contains("CN=T is signed by CN=rootca"), "{checks}");
    bench.done(&["--home", "tech", "ca", "export", "--to", "shared"]);
    assert_eq!(
        bench.read("shared/tech.root.pem"),
        bench.read("factory/rootca/rootca.pem")
    );
}

/// Pki of the library, whose clock the caller has.
#[test]
fn an_expired_ca_issues_nothing() {
    use iothub_provision::Kind;
    use iothub_provision::pki::Pki;
    use time::{Duration, OffsetDateTime};
    let bench = Bench::new();
    let now = OffsetDateTime::now_utc();
    let pki = Pki::development(bench.path("dev-certs"), now).unwrap();
    let end = pki.authority_certificate("subca").unwrap().not_after();
    assert!(pki.device("d1", end - Duration::MINUTE).is_ok());
    for late in [end + Duration::HOUR, end + Duration::days(400)] {
        let refused = pki.device("d2", late).unwrap_err();
        assert_eq!(refused.kind(), Kind::Trust);
        assert!(refused.to_string().contains("ca renew subca"), "{refused}");
    }
    assert!(!bench.path("dev-certs/devices/d2.pem").exists());
}
