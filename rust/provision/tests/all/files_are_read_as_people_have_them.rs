//! Keys, certificates, requests and connection strings in the forms in which other tools leave
//! them.

#![allow(clippy::unwrap_used)]

use crate::support::stub::Stub;
use crate::support::{Bench, has_openssl};

/// A CA of OpenSSL whose key `key` becomes that of `bought`.
fn bought(bench: &Bench, key: &[u8]) {
    std::fs::create_dir_all(bench.path("dev-certs/bought")).unwrap();
    std::fs::write(bench.path("dev-certs/bought/bought.key"), key).unwrap();
}

fn utf16(text: &str, with_mark: bool, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mark = with_mark.then_some(0xFEFF);
    mark.into_iter()
        .chain(text.encode_utf16())
        .flat_map(unit)
        .collect()
}

#[test]
fn every_encryption_of_a_key_that_openssl_writes() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    bench.write("pass", "correct horse\n");
    let new = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-subj",
        "/CN=Bought",
        "-passout",
        "pass:correct horse",
    ];
    bench.openssl(&[&new[..], &["-keyout", "first.key", "-out", "made.pem"]].concat());
    let encrypt = [
        "pkcs8",
        "-topk8",
        "-in",
        "first.key",
        "-passin",
        "pass:correct horse",
        "-passout",
        "pass:correct horse",
    ];
    let encrypt = |form: &[&str]| {
        bench.openssl(&[&encrypt[..], form, &["-out", "made.key"]].concat());
        std::fs::read(bench.path("made.key")).unwrap()
    };
    let first = std::fs::read(bench.path("first.key")).unwrap();
    let mut forms = vec![first];
    for form in [
        "-v2 des3",
        "-v2 des3 -v2prf hmacWithSHA1",
        "-v2 aes-128-cbc -v2prf hmacWithSHA1",
        "-v2 aes-256-cbc -v2prf hmacWithSHA512",
        "-v2 aes-256-cbc -outform DER",
        "-scrypt",
    ] {
        forms.push(encrypt(&form.split(' ').collect::<Vec<_>>()));
    }
    let import = ["ca", "import-chain", "--name", "bought", "made.pem"];
    for form in forms {
        bought(&bench, &form);
        bench.fails(7, &import);
        bench.done(&[&import[..], &["--signer-passphrase-file", "pass"]].concat());
        bench.write("wrong", "battery staple\n");
        bench.fails(
            7,
            &[&import[..], &["--signer-passphrase-file", "wrong"]].concat(),
        );
    }
    bought(&bench, &encrypt(&["-v1", "PBE-SHA1-3DES"]));
    let said = bench.fails(
        4,
        &[&import[..], &["--signer-passphrase-file", "pass"]].concat(),
    );
    assert!(said.contains("-v2 aes-256-cbc"), "{said}");
}

#[test]
fn keys_certificates_and_requests_as_der() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.openssl(&[
        "ecparam",
        "-genkey",
        "-noout",
        "-name",
        "prime256v1",
        "-outform",
        "DER",
        "-out",
        "sec1.der",
    ]);
    let from = ["-in", "sec1.der", "-inform", "DER"];
    bench.openssl(
        &[
            &[
                "pkcs8",
                "-topk8",
                "-nocrypt",
                "-outform",
                "DER",
                "-out",
                "pkcs8.der",
            ],
            &from[..],
        ]
        .concat(),
    );
    let key = ["-key", "sec1.der", "-keyform", "DER", "-outform", "DER"];
    bench.openssl(
        &[
            &["req", "-new", "-subj", "/CN=d1", "-out", "r.der"],
            &key[..],
        ]
        .concat(),
    );
    bench.openssl(&[
        "req",
        "-x509",
        "-subj",
        "/CN=Bought",
        "-key",
        "sec1.der",
        "-keyform",
        "DER",
        "-out",
        "made.pem",
    ]);
    bench.openssl(&[
        "x509", "-in", "made.pem", "-outform", "DER", "-out", "made.der",
    ]);
    for form in ["sec1.der", "pkcs8.der"] {
        bought(&bench, &std::fs::read(bench.path(form)).unwrap());
        bench.done(&["ca", "import-chain", "--name", "bought", "made.der"]);
    }
    bench.done(&["device", "create", "d1", "--csr", "r.der"]);
    let device = "dev-certs/devices/d1.pem";
    bench.openssl(&["x509", "-in", device, "-outform", "DER", "-out", "d1.der"]);
    bench.done(&[
        "device",
        "verify",
        "d1",
        "--chain",
        "d1.der",
        "--root",
        "dev-certs/subca/subca.pem",
    ]);
    let modem = bench.modem(|_| {});
    let write = [
        "modem",
        "creds",
        "write",
        "--port",
        modem.port(),
        "--tag",
        "7",
    ];
    let files = ["--ca", "made.der", "--cert", "d1.der", "--key", "sec1.der"];
    bench.done(&[&write[..], &files].concat());
    let stored = bench.stored(7, "ca").unwrap();
    assert!(
        stored.starts_with("-----BEGIN CERTIFICATE-----\n"),
        "{stored}"
    );
    std::fs::write(
        bench.path("cut.der"),
        &std::fs::read(bench.path("d1.der")).unwrap()[..200],
    )
    .unwrap();
    bench.fails(4, &["device", "verify", "d1", "--chain", "cut.der"]);
}

#[test]
fn utf_16_is_read_with_a_mark_and_named_without() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    let chain = bench.read("dev-certs/devices/d1.chain.pem");
    let verify = ["device", "verify", "d1", "--chain", "file"];
    for unit in [u16::to_le_bytes, u16::to_be_bytes] {
        std::fs::write(bench.path("file"), utf16(&chain, true, unit)).unwrap();
        bench.done(&verify);
        std::fs::write(bench.path("file"), utf16(&chain, false, unit)).unwrap();
        let said = bench.fails(4, &verify);
        assert!(said.contains("UTF-16 without a byte order mark"), "{said}");
    }
    let mut odd = utf16(&chain, true, u16::to_le_bytes);
    odd.pop();
    std::fs::write(bench.path("file"), odd).unwrap();
    let said = bench.fails(4, &verify);
    assert!(said.contains("UTF-16, and damaged"), "{said}");
    bench.write("file", &format!("\u{feff}{chain}"));
    bench.done(&verify);
    bench.write("batch.csv", "\u{feff}deviceId\nd2\n");
    bench.done(&["device", "batch", "batch.csv"]);
    bench.write("pass", "\u{feff}secret\n");
    let create = ["ca", "create", "--name", "x", "--passphrase-file", "pass"];
    bench.done(&create);
    bench.write("pass", "secret\n");
    bench.done(&[
        "device",
        "create",
        "d3",
        "--issuer",
        "x",
        "--signer-passphrase-file",
        "pass",
    ]);
}

#[test]
fn connection_strings_as_every_tool_prints_them() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    let plain = "HostName=my.azure-devices.net;SharedAccessKeyName=o;SharedAccessKey=c2VjcmV0";
    let ask = ["hub", "ca", "list", "--connection-string-file", "cs"];
    let json = format!("{{\n  \"connectionString\": \"{plain}\"\n}}\n");
    for form in [
        plain.to_owned(),
        format!("{plain}\n\n"),
        format!("\"{plain}\"\n"),
        format!("'{plain}'\r\n"),
        format!("\u{feff}{plain}\r\n"),
        json.clone(),
        format!("[{json}]"),
        format!("\u{feff}{json}"),
    ] {
        bench.write("cs", &form);
        let said = bench.done(&ask);
        assert!(said.contains("--hub-name my "), "{form}: {said}");
    }
    for unit in [u16::to_le_bytes, u16::to_be_bytes] {
        std::fs::write(bench.path("cs"), utf16(&json, true, unit)).unwrap();
        assert!(bench.done(&ask).contains("--hub-name my "));
    }
    for (form, sentence) in [
        (format!("[{json},{json}]"), "a list"),
        ("{\"name\":\"x\"}".to_owned(), "holds no connectionString"),
        ("{\"connectionString\"".to_owned(), "damaged"),
        (
            "HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0".to_owned(),
            "it is a device's",
        ),
        (
            "HostName=;SharedAccessKeyName=o;SharedAccessKey=c2VjcmV0".to_owned(),
            "no HostName",
        ),
        (
            "HostName=a b;SharedAccessKeyName=o;SharedAccessKey=c2VjcmV0".to_owned(),
            "not the name of a host",
        ),
        (plain[..plain.len() - 1].to_owned(), "is cut"),
        (String::new(), "no SharedAccessKey"),
    ] {
        bench.write("cs", &form);
        let said = bench.fails(4, &ask);
        assert!(
            said.contains(sentence) && !said.contains("c2VjcmV"),
            "{form}: {said}"
        );
    }
}

#[test]
fn a_token_as_the_azure_cli_prints_it() {
    let bench = Bench::new();
    let azure = Stub::start(|_| (200, r#"{"value":[]}"#.to_owned()));
    let resource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Devices/IotHubs/my";
    let list = [
        "hub",
        "ca",
        "list",
        "--resource-id",
        resource,
        "--bearer-token-file",
        "token",
    ];
    for form in [
        "abc.def",
        "\"abc.def\"\n",
        "{\"accessToken\": \"abc.def\", \"tenant\": \"t\"}",
    ] {
        bench.write("token", form);
        bench.done(&[&list[..], &["--management", &azure.url]].concat());
        let asked = azure.asked();
        assert!(
            asked
                .last()
                .unwrap()
                .headers
                .contains("authorization: bearer abc.def\r\n"),
            "{form}"
        );
    }
}
