//! What OpenSSL's commands leave behind is read as it is: text before BEGIN, EC PARAMETERS
//! before the key, PKCS#1 keys, CRLF, and folders of `openssl ca`.

use crate::support::{Bench, has_openssl};

#[test]
fn ec_parameters_before_the_key() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.openssl(&[
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-out",
        "made.key",
    ]);
    assert!(
        bench
            .read("made.key")
            .starts_with("-----BEGIN EC PARAMETERS")
    );
    let subject = [
        "-subj",
        "/CN=Bought CA",
        "-addext",
        "basicConstraints=critical,CA:true",
    ];
    let request = [
        "req", "-new", "-x509", "-key", "made.key", "-out", "made.pem", "-text",
    ];
    bench.openssl(&[&request[..], &subject[..]].concat());
    assert!(bench.read("made.pem").starts_with("Certificate:\n"));
    std::fs::create_dir_all(bench.path("dev-certs/bought")).unwrap();
    std::fs::copy(
        bench.path("made.key"),
        bench.path("dev-certs/bought/bought.key"),
    )
    .unwrap();
    bench.done(&["ca", "import-chain", "--name", "bought", "made.pem"]);
    bench.done(&["device", "create", "d1", "--issuer", "bought"]);
    bench.done(&["device", "verify", "d1"]);
}

#[test]
fn an_rsa_ca_in_pkcs1_with_carriage_returns() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    bench.openssl(&["genrsa", "-traditional", "-out", "made.key", "2048"]);
    assert!(
        bench
            .read("made.key")
            .starts_with("-----BEGIN RSA PRIVATE KEY")
    );
    let request = [
        "req", "-new", "-x509", "-key", "made.key", "-out", "made.pem",
    ];
    bench.openssl(&[&request[..], &["-subj", "/C=NO/O=Company/CN=Bought CA"]].concat());
    std::fs::create_dir_all(bench.path("dev-certs/bought")).unwrap();
    bench.write(
        "dev-certs/bought/bought.key",
        &bench.read("made.key").replace('\n', "\r\n"),
    );
    bench.write("made.pem", &bench.read("made.pem").replace('\n', "\r\n"));
    bench.done(&["ca", "import-chain", "--name", "bought", "made.pem"]);
    bench.done(&["device", "create", "d1", "--issuer", "bought"]);
    bench.done(&["device", "verify", "d1"]);
}

#[test]
fn openssl_ca_goes_on_in_our_folder() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.write("subca.cnf", OPENSSL_CNF);
    let request = [
        "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "d2.key",
    ];
    let purpose = ["-addext", "extendedKeyUsage = clientAuth"];
    bench.openssl(
        &[
            &request[..],
            &["-out", "d2.csr", "-subj", "/CN=d2"],
            &purpose,
        ]
        .concat(),
    );
    bench.openssl(&[
        "ca",
        "-config",
        "subca.cnf",
        "-batch",
        "-in",
        "d2.csr",
        "-out",
        "d2.pem",
    ]);
    assert!(bench.read("d2.pem").starts_with("Certificate:\n"));
    let chain = bench.read("d2.pem") + &bench.read("dev-certs/subca/subca.pem");
    bench.write("d2.chain.pem", &chain);
    bench.done(&["device", "verify", "d2", "--chain", "d2.chain.pem"]);
    let listed = bench.json(&["ca", "list"]);
    assert_eq!(listed["authorities"][1]["issued"], 1);
}

const OPENSSL_CNF: &str = "\
[ ca ]
default_ca = ca_default
[ ca_default ]
name = subca
home = dev-certs/$name
database = $home/db/index.txt
serial = $home/db/serial.txt
new_certs_dir = $home/certs
certificate = $home/$name.pem
private_key = $home/$name.key
policy = policy_default
default_md = sha256
default_days = 3650
copy_extensions = copy
[ policy_default ]
commonName = supplied
";
