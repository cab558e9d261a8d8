//! Tokens from PKCS#8, from SEC1 with EC PARAMETERS in front, and from the modem; RSA is refused.

use crate::support::{Bench, has_openssl};

fn verified(bench: &Bench, token: &str, key: &str) -> serde_json::Value {
    bench.json(&["nrfcloud", "verify", token.trim(), "--key", key])["claims"].clone()
}

#[test]
fn from_a_device_of_the_folder() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1"]);
    let key = ["nrfcloud", "jwt", "--key", "dev-certs/devices/d1.key"];
    let token = bench.done(&[&key[..], &["--iss", "nrf9160.d1", "--days", "1"]].concat());
    let claims = verified(&bench, &token, "dev-certs/devices/d1.pem");
    assert_eq!(claims["iss"], "nrf9160.d1");
    assert!(claims["exp"].is_i64());
    let said = bench.fails(2, &key);
    assert!(said.contains("the token would name nobody"), "{said}");
}

#[test]
fn from_what_openssl_ecparam_writes() {
    if !has_openssl() {
        return;
    }
    let bench = Bench::new();
    bench.openssl(&[
        "ecparam",
        "-out",
        "private-key.pem",
        "-name",
        "prime256v1",
        "-genkey",
    ]);
    bench.openssl(&[
        "ec",
        "-in",
        "private-key.pem",
        "-pubout",
        "-out",
        "public-key.pem",
    ]);
    let token = bench.done(&[
        "nrfcloud",
        "jwt",
        "--key",
        "private-key.pem",
        "--aud",
        "team",
    ]);
    let claims = verified(&bench, &token, "public-key.pem");
    assert_eq!(claims["aud"], "team");
    assert!(
        claims["exp"].is_i64(),
        "a proxy token expires unless --days 0 is given"
    );
}

#[test]
fn from_the_modem() {
    let bench = Bench::new();
    let modem = bench.modem(|_| {});
    bench.done(&[
        "modem",
        "keygen",
        "--port",
        modem.port(),
        "--tag",
        "20",
        "--out",
        "d.csr",
    ]);
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1", "--csr", "d.csr"]);
    let jwt = ["nrfcloud", "jwt", "--port", modem.port(), "--sub", "d1"];
    let token = bench.done(&[&jwt[..], &["--tag", "20"]].concat());
    let claims = verified(&bench, &token, "dev-certs/devices/d1.pem");
    assert_eq!(claims["sub"], "d1");
    assert!(
        claims["iss"]
            .as_str()
            .is_some_and(|iss| iss.starts_with("nRF9160."))
    );
    let said = bench.fails(12, &[&jwt[..], &["--tag", "21"]].concat());
    assert!(said.contains("there is no such credential"), "{said}");
}

#[test]
fn an_rsa_key_is_refused() {
    let bench = Bench::new();
    bench.done(&["ca", "create"]);
    bench.done(&["device", "create", "d1", "--algorithm", "rsa2048"]);
    let key = [
        "nrfcloud",
        "jwt",
        "--key",
        "dev-certs/devices/d1.key",
        "--sub",
        "d1",
    ];
    let said = bench.fails(4, &key);
    assert!(said.contains("not an EC P-256 key"), "{said}");
}
