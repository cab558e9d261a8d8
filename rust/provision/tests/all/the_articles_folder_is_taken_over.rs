//! A folder that was made with the commands of the article on the Thingy:91 and Azure, that is, by
//! OpenSSL alone, is gone on with here; and OpenSSL goes on in ours with the same commands.

#![allow(clippy::unwrap_used)]

use std::process::Command;

use crate::support::{Bench, has_openssl, text};

const ID: &str = "352656100367872";

fn in_folder(bench: &Bench, script: &str) {
    let output = Command::new("sh")
        .args(["-ec", script])
        .current_dir(bench.path("dev-certs"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}\n{}", text(&output));
}

/// A key, a request and its certificate, as the article makes each.
fn issued(ca: &str, stem: &str, subject: &str, extensions: &[&str]) -> String {
    let added: String = extensions
        .iter()
        .map(|one| format!(" -addext '{one}'"))
        .collect();
    let more = if stem == "rootca/rootca" {
        " -selfsign"
    } else {
        ""
    };
    format!(
        "openssl req -config {ca}.cnf -new -newkey rsa:2048 -nodes -keyout {stem}.key -out {stem}.csr \
         -subj '{subject}'{added}\n\
         openssl ca -config {ca}.cnf{more} -batch -in {stem}.csr -out {stem}.pem\n"
    )
}

fn device(id: &str) -> String {
    let extensions = [
        "basicConstraints = critical,CA:false",
        "keyUsage = critical,digitalSignature",
        "extendedKeyUsage = clientAuth",
    ];
    issued(
        "subca",
        &format!("devices/{id}"),
        &format!("/CN={id}"),
        &extensions,
    )
}

#[test]
fn what_openssl_has_made_is_gone_on_with() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    let configuration = Bench::new();
    configuration.done(&["ca", "create"]);
    for folder in [
        "rootca/certs",
        "rootca/db",
        "subca/certs",
        "subca/db",
        "devices",
    ] {
        std::fs::create_dir_all(bench.path("dev-certs").join(folder)).unwrap();
    }
    for name in ["rootca", "subca"] {
        let written = configuration.read(&format!("dev-certs/{name}.cnf"));
        bench.write(&format!("dev-certs/{name}.cnf"), &written);
        bench.write(&format!("dev-certs/{name}/db/index.txt"), "");
        in_folder(
            &bench,
            &format!("openssl rand -hex 16 > {name}/db/serial.txt"),
        );
    }
    let ca = [
        "basicConstraints = critical,CA:true",
        "keyUsage = critical,keyCertSign,cRLSign",
    ];
    in_folder(
        &bench,
        &issued("rootca", "rootca/rootca", "/CN=Development Root CA", &ca),
    );
    let purpose = ["extendedKeyUsage = clientAuth,serverAuth"];
    let subject = "/CN=Development Intermediate CA";
    in_folder(
        &bench,
        &issued(
            "rootca",
            "subca/subca",
            subject,
            &[&ca[..], &purpose].concat(),
        ),
    );
    in_folder(&bench, &device(ID));

    let listed = bench.json(&["ca", "list"]);
    assert_eq!(listed["authorities"][0]["issued"], 2);
    let listed = bench.json(&["device", "list"]);
    assert_eq!(listed["devices"][0]["deviceId"], ID);
    let said = bench.done(&["device", "verify", ID]);
    assert!(
        said.contains("ends at a trusted CA: CN=Development Root CA"),
        "{said}"
    );
    bench.done(&["device", "create", "d2"]);
    bench.done(&["device", "verify", "d2"]);
    bench.done(&["ca", "renew", "subca"]);
    bench.done(&["device", "verify", ID]);
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
    let (cert, key) = (
        format!("dev-certs/devices/{ID}.pem"),
        format!("dev-certs/devices/{ID}.key"),
    );
    bench.done(&[&write[..], &["--cert", &cert, "--key", &key]].concat());
}

#[test]
fn openssl_goes_on_in_what_was_made_here() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    in_folder(&bench, &device(ID));
    bench.done(&["device", "verify", ID]);
    let listed = bench.json(&["device", "list"]);
    assert_eq!(listed["devices"].as_array().unwrap().len(), 2);
    assert_eq!(bench.json(&["ca", "list"])["authorities"][1]["issued"], 2);
}

#[test]
fn the_signing_request_of_a_device_is_kept() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    let kept = bench.read("dev-certs/devices/d1.csr");
    let request = iothub_provision::pki::SigningRequest::from_pem(&kept).unwrap();
    assert_eq!(request.common_name(), Some("d1"));
    std::fs::copy(
        bench.path("dev-certs/devices/d1.csr"),
        bench.path("from-elsewhere.csr"),
    )
    .unwrap();
    bench.done(&["device", "create", "d2", "--csr", "from-elsewhere.csr"]);
    assert_eq!(bench.read("dev-certs/devices/d2.csr"), kept);
}
