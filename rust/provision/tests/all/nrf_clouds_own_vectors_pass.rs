//! The examples of nRF Cloud's JWT guide: its token verifies with its first key and not with its
//! second, and both CSV forms come out byte for byte.

use crate::support::Bench;

const ID: &str = "f69c0e45-7f04-4949-8def-bb2215b4223e";
const ONBOARD: &str = include_str!("../vectors/guide-onboard.csv");
const PUBLIC_KEYS: &str = include_str!("../vectors/guide-public-keys.csv");
const TOKEN: &str = include_str!("../vectors/guide-token.txt");

fn guide() -> Bench {
    let bench = Bench::new();
    bench.write(
        "device.crt.pem",
        &ONBOARD[ONBOARD.find('"').unwrap_or(0) + 1..],
    );
    bench.write("public-key.pem", &PUBLIC_KEYS[ID.len() + 1..]);
    bench.write("token.txt", TOKEN);
    bench
}

#[test]
fn the_token_verifies_with_the_key_of_its_certificate() {
    let said = guide().done(&["nrfcloud", "verify", "token.txt", "--key", "device.crt.pem"]);
    assert!(said.contains(&format!("{{\"sub\":\"{ID}\"}}")), "{said}");
    assert!(said.contains("! it has no exp"), "{said}");
}

#[test]
fn the_token_does_not_verify_with_the_guides_second_key() {
    let said = guide().fails(
        6,
        &[
            "nrfcloud",
            "verify",
            TOKEN.trim(),
            "--key",
            "public-key.pem",
        ],
    );
    assert!(
        said.contains("the signature of the token does not fit the public key"),
        "{said}"
    );
}

#[test]
fn the_onboarding_list_is_the_guides() {
    let bench = guide();
    let device = format!("{ID}=device.crt.pem");
    let list = [
        "nrfcloud",
        "onboard-csv",
        &device,
        "--sub-type",
        "my-thing-type",
    ];
    let more = [
        "--tag",
        "tag1",
        "--tag",
        "tag2",
        "--fw",
        "APP,MODEM",
        "--out",
        "list.csv",
    ];
    bench.done(&[&list[..], &more[..]].concat());
    assert_eq!(bench.read("list.csv"), ONBOARD);
}

#[test]
fn the_public_key_list_is_the_guides() {
    let bench = guide();
    let device = format!("{ID}=public-key.pem");
    bench.done(&["nrfcloud", "public-keys-csv", &device, "--out", "list.csv"]);
    assert_eq!(bench.read("list.csv"), PUBLIC_KEYS);
}
