//! A matrix of chains that OpenSSL has made: `verify_device` accepts and refuses what `openssl
//! verify` does, apart from the rows that say why it is stricter.

#![allow(clippy::unwrap_used)]

use std::process::Command;

use crate::support::{Bench, has_openssl};
use iothub_provision::pki::{Certificate, verify_device};
use time::{Duration, OffsetDateTime};

const LEAF: &str = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
                    extendedKeyUsage=clientAuth\n";
const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
     subjectKeyIdentifier=hash\n";

/// Root, intermediate and leaf as files of extensions; none is a certificate of version 1.
struct Row {
    name: &'static str,
    leaf: &'static str,
    sub: &'static str,
    root: &'static str,
    /// More of `openssl x509` for root, intermediate and leaf.
    more: [&'static str; 3],
    /// Whether the keys of intermediate and leaf are of the named kind.
    keys: [&'static str; 3],
    /// Days from now at which it is judged.
    at: i64,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Both accept it.
    Good,
    /// Both refuse it.
    Bad,
    /// OpenSSL accepts it.
    Stricter,
}

use Verdict::{Bad, Good, Stricter};

fn row(name: &'static str, verdict: Verdict) -> Row {
    Row {
        name,
        leaf: LEAF,
        sub: CA,
        root: CA,
        more: ["", "", ""],
        keys: ["ec", "ec", "ec"],
        at: 0,
        verdict,
    }
}

fn leaf(name: &'static str, leaf: &'static str, verdict: Verdict) -> Row {
    Row {
        leaf,
        ..row(name, verdict)
    }
}

fn sub(name: &'static str, sub: &'static str, verdict: Verdict) -> Row {
    Row {
        sub,
        ..row(name, verdict)
    }
}

fn root(name: &'static str, root: &'static str, verdict: Verdict) -> Row {
    Row {
        root,
        ..row(name, verdict)
    }
}

const NO_CA: &str = "basicConstraints=critical,CA:FALSE\n";

fn matrix() -> Vec<Row> {
    vec![
        row("as it should be", Good),
        Row {
            at: -1,
            ..row("before it begins", Bad)
        },
        Row {
            at: 31,
            ..row("after it ends", Bad)
        },
        Row {
            more: ["", "-days 10", ""],
            at: 20,
            ..row("intermediate expired", Bad)
        },
        Row {
            more: ["-days 10", "", ""],
            at: 20,
            ..row("root expired", Bad)
        },
        Row {
            more: ["", "", "-days 10"],
            at: 20,
            ..row("device expired", Bad)
        },
        leaf(
            "leaf without extensions",
            "subjectKeyIdentifier=hash\n",
            Good,
        ),
        // TLS 1.2 and IoT Hub take version 3; version 1 has no way to say that it is no CA.
        leaf("leaf of version 1", "", Stricter),
        leaf(
            "leaf without key usage",
            "basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n",
            Good,
        ),
        leaf(
            "leaf for key agreement",
            "keyUsage=keyAgreement\nextendedKeyUsage=clientAuth\n",
            Good,
        ),
        leaf(
            "leaf for encipherment only",
            "keyUsage=keyEncipherment\nextendedKeyUsage=clientAuth\n",
            Bad,
        ),
        leaf(
            "leaf for servers only",
            "extendedKeyUsage=serverAuth\n",
            Bad,
        ),
        leaf(
            "leaf for both",
            "extendedKeyUsage=serverAuth,clientAuth\n",
            Good,
        ),
        leaf(
            "leaf for any purpose",
            "extendedKeyUsage=anyExtendedKeyUsage\n",
            Bad,
        ),
        leaf(
            "leaf for any purpose and clients",
            "extendedKeyUsage=anyExtendedKeyUsage,clientAuth\n",
            Good,
        ),
        leaf("leaf for mail", "extendedKeyUsage=emailProtection\n", Bad),
        leaf(
            "leaf with an unknown critical extension",
            "1.2.3.4=critical,DER:05:00\n",
            Bad,
        ),
        leaf(
            "leaf with an unknown extension",
            "1.2.3.4=DER:05:00\n",
            Good,
        ),
        leaf(
            "leaf with critical extended usage",
            "extendedKeyUsage=critical,clientAuth\n",
            Good,
        ),
        leaf(
            "leaf with a critical alternative name",
            "subjectAltName=critical,DNS:d1\n",
            Good,
        ),
        // IoT Hub's rule for devices that a CA has signed: a device that could sign others is none.
        leaf("leaf that is a CA", CA, Bad),
        leaf(
            "leaf that is a CA and may sign",
            "basicConstraints=CA:TRUE\n",
            Stricter,
        ),
        sub("intermediate that is no CA", NO_CA, Bad),
        sub(
            "intermediate without constraints",
            "subjectKeyIdentifier=hash\n",
            Bad,
        ),
        sub("intermediate of version 1", "", Bad),
        sub(
            "intermediate without keyCertSign",
            "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign\n",
            Bad,
        ),
        sub(
            "intermediate without key usage",
            "basicConstraints=critical,CA:TRUE\n",
            Good,
        ),
        sub(
            "intermediate for servers only",
            "basicConstraints=critical,CA:TRUE\nextendedKeyUsage=serverAuth\n",
            Bad,
        ),
        sub(
            "intermediate for clients",
            "basicConstraints=critical,CA:TRUE\nextendedKeyUsage=clientAuth\n",
            Good,
        ),
        sub(
            "intermediate for any purpose",
            "basicConstraints=critical,CA:TRUE\nextendedKeyUsage=anyExtendedKeyUsage\n",
            Bad,
        ),
        sub(
            "intermediate with room for none",
            "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign\n",
            Good,
        ),
        sub(
            "intermediate with an unknown critical extension",
            "basicConstraints=critical,CA:TRUE\n1.2.3.4=critical,DER:05:00\n",
            Bad,
        ),
        sub(
            "intermediate with constraints that are not critical",
            "basicConstraints=CA:TRUE\n",
            Good,
        ),
        // Name constraints are not judged here: RFC 5280, section 4.2, refuses what is critical
        // then.
        sub(
            "intermediate with name constraints",
            "basicConstraints=critical,CA:TRUE\nnameConstraints=critical,permitted;DNS:example.com\n",
            Stricter,
        ),
        root(
            "root with room for none",
            "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign\n",
            Bad,
        ),
        root(
            "root with room for one",
            "basicConstraints=critical,CA:TRUE,pathlen:1\nkeyUsage=keyCertSign\n",
            Good,
        ),
        root("root that is no CA", NO_CA, Bad),
        root(
            "root without keyCertSign",
            "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature\n",
            Bad,
        ),
        // OpenSSL makes an exception for roots of before 1999.
        root("root of version 1", "", Stricter),
        root(
            "root for servers only",
            "basicConstraints=critical,CA:TRUE\nextendedKeyUsage=serverAuth\n",
            Bad,
        ),
        Row {
            keys: ["ec", "ec", "rsa1024"],
            ..row("leaf with a short key", Bad)
        },
        Row {
            keys: ["ec", "rsa1024", "ec"],
            ..row("intermediate with a short key", Bad)
        },
        Row {
            keys: ["ec", "rsa2048", "rsa2048"],
            ..row("RSA below EC", Good)
        },
        Row {
            keys: ["rsa2048", "ec", "ec"],
            ..row("EC below RSA", Good)
        },
        Row {
            more: ["", "", "-sha1"],
            keys: ["ec", "rsa2048", "ec"],
            ..row("leaf signed with SHA-1", Bad)
        },
        Row {
            more: ["", "-sha1", ""],
            keys: ["rsa2048", "ec", "ec"],
            ..row("intermediate signed with SHA-1", Bad)
        },
        Row {
            more: ["", "", "-md5"],
            keys: ["ec", "rsa2048", "ec"],
            ..row("leaf signed with MD5", Bad)
        },
        Row {
            more: ["-sha1", "", ""],
            keys: ["rsa2048", "ec", "ec"],
            ..row("root signed with SHA-1 by itself", Good)
        },
        Row {
            more: ["", "", "-sha384"],
            ..row("P-256 with SHA-384", Good)
        },
        Row {
            more: ["", "", "-sha512"],
            keys: ["ec", "rsa2048", "ec"],
            ..row("RSA with SHA-512", Good)
        },
    ]
}

fn make_keys(bench: &Bench) {
    for kind in ["ec", "rsa1024", "rsa2048"] {
        for place in ["root", "sub", "leaf"] {
            let key = format!("{place}-{kind}.key");
            match kind.strip_prefix("rsa") {
                Some(bits) => bench.openssl(&["genrsa", "-out", &key, bits]),
                None => bench.openssl(&[
                    "ecparam",
                    "-genkey",
                    "-noout",
                    "-name",
                    "prime256v1",
                    "-out",
                    &key,
                ]),
            };
            let subject = if place == "leaf" {
                "/CN=d1".to_owned()
            } else {
                format!("/CN={place}")
            };
            let csr = format!("{place}-{kind}.csr");
            bench.openssl(&["req", "-new", "-key", &key, "-subj", &subject, "-out", &csr]);
        }
    }
}

/// Makes one certificate; `issuer` is the name of the file of the CA, or nothing for a root.
fn make(bench: &Bench, row: &Row, place: usize, issuer: Option<(&str, &str)>) -> Certificate {
    let name = ["root", "sub", "leaf"][place];
    let extensions = [row.root, row.sub, row.leaf][place];
    let stem = format!("{name}-{}", row.keys[place]);
    let (csr, key, out) = (
        format!("{stem}.csr"),
        format!("{stem}.key"),
        format!("{name}.pem"),
    );
    let mut all = vec!["x509", "-req", "-in", &csr, "-out", &out];
    match issuer {
        Some((ca, key)) => all.extend(["-CA", ca, "-CAkey", key, "-CAcreateserial"]),
        None => all.extend(["-signkey", &key]),
    }
    if !row.more[place].contains("-days") {
        all.extend(["-days", "30"]);
    }
    all.extend(row.more[place].split(' ').filter(|part| !part.is_empty()));
    if !extensions.is_empty() {
        bench.write("extensions", extensions);
        all.extend(["-extfile", "extensions"]);
    }
    bench.openssl(&all);
    Certificate::from_pem(&bench.read(&out)).unwrap()
}

fn openssl_accepts(bench: &Bench, at: OffsetDateTime) -> bool {
    let at = at.unix_timestamp().to_string();
    let output = Command::new("openssl")
        .current_dir(bench.path(""))
        .args([
            "verify",
            "-partial_chain",
            "-purpose",
            "sslclient",
            "-auth_level",
            "2",
        ])
        .args([
            "-attime",
            &at,
            "-CAfile",
            "root.pem",
            "-untrusted",
            "sub.pem",
            "leaf.pem",
        ])
        .output()
        .unwrap();
    output.status.success()
}

#[test]
fn over_the_matrix() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    make_keys(&bench);
    let now = OffsetDateTime::now_utc() + Duration::minutes(1);
    for row in matrix() {
        let root = make(&bench, &row, 0, None);
        let root_key = format!("root-{}.key", row.keys[0]);
        let sub = make(&bench, &row, 1, Some(("root.pem", &root_key)));
        let sub_key = format!("sub-{}.key", row.keys[1]);
        let leaf = make(&bench, &row, 2, Some(("sub.pem", &sub_key)));
        let at = now + Duration::days(row.at);
        let checks = verify_device("d1", &[leaf, sub], &[root], at);
        let failed: Vec<_> = checks.iter().filter(|check| !check.passed).collect();
        let theirs = openssl_accepts(&bench, at);
        let verdict = match (failed.is_empty(), theirs) {
            (true, true) => Good,
            (false, false) => Bad,
            (false, true) => Stricter,
            (true, false) => panic!("{}: accepted here, and not by OpenSSL", row.name),
        };
        assert_eq!(verdict, row.verdict, "{}: {failed:?}", row.name);
    }
}
