//! JWT and attestation token through the C functions; the signatures are verified, once with the
//! modem's identity key and once with a key under a tag.

#![allow(
    clippy::expect_used,
    reason = "a test that cannot be set up has failed"
)]

use std::{ffi::CStr, fs};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
        UnparsedPublicKey,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use iothub_host::Options;
use ncs::{
    attest,
    jwt::{self, Claims, Key},
    keys::{self, Credential, SecTag},
};

const NO_CLAIMS: Claims<'_> = Claims {
    subject: None,
    audience: None,
    lifetime_s: 0,
};

fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).expect("base64url")
}

/// The claims, once the signature is verified.
fn verified(token: &str, public_key: &[u8]) -> String {
    let (message, signature) = token.rsplit_once('.').expect("a signature");
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public_key)
        .verify(message.as_bytes(), &decode(signature))
        .expect("the signature fits");
    let (header, claims) = message.split_once('.').expect("header and claims");
    assert_eq!(decode(header), br#"{"typ":"JWT","alg":"ES256"}"#);
    String::from_utf8(decode(claims)).expect("JSON")
}

fn key_of(pem: &str) -> EcdsaKeyPair {
    let body: String = pem.lines().filter(|line| !line.contains('-')).collect();
    let der = STANDARD.decode(body).expect("base64");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).expect("PKCS#8")
}

fn new_key() -> (String, EcdsaKeyPair) {
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .expect("a key");
    let text = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let key = key_of(&pem);
    (pem, key)
}

fn claims<'a>(subject: &'a CStr, audience: &'a CStr) -> Claims<'a> {
    Claims {
        subject: Some(subject),
        audience: Some(audience),
        lifetime_s: 60,
    }
}

#[test]
fn the_modem_signs_tokens() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut buffer = [0; 900];
    let before = jwt::generate(Key::Identity, &NO_CLAIMS, &mut buffer);
    assert!(before.is_err_and(|errno| errno.is(ncs_sys::EPERM)));
    let mut options = Options::new(folder.path());
    options.hardware_id = Some("352656100367872".to_owned());
    iothub_host::start(options).expect("the device starts");

    let uuids = jwt::uuids().expect("UUIDs");
    assert_eq!(uuids.device().len(), 36);
    let all = claims(c"device-1", c"team");
    let token = jwt::generate(Key::Identity, &all, &mut buffer).expect("a token");
    let identity = fs::read_to_string(folder.path().join("modem/identity.pem")).expect("a key");
    let identity = key_of(&identity);
    let said = verified(token, identity.public_key().as_ref());
    assert!(said.contains(r#""sub":"device-1","aud":"team""#), "{said}");
    let issuer = format!(r#""iss":"nRF9160.{}""#, uuids.device());
    assert!(said.contains(&issuer), "{said}");
    assert!(said.contains(uuids.modem_firmware()), "{said}");
    assert!(!said.contains("exp"), "no network, no time: {said}");

    let (pem, key) = new_key();
    let missing = jwt::generate(Key::Client(SecTag(7)), &NO_CLAIMS, &mut buffer);
    assert!(missing.is_err_and(|errno| errno.is(ncs_sys::ENOEXEC)));
    keys::write(SecTag(7), Credential::PrivateKey, pem.as_bytes()).expect("written");
    let token = jwt::generate(Key::Client(SecTag(7)), &NO_CLAIMS, &mut buffer).expect("a token");
    verified(token, key.public_key().as_ref());

    let quoted = claims(c"a\"b", c"");
    let refused = jwt::generate(Key::Identity, &quoted, &mut buffer);
    assert!(refused.is_err_and(|errno| errno.is(ncs_sys::ENOEXEC)));
    let mut too_small = [0; 100];
    let small = jwt::generate(Key::Identity, &NO_CLAIMS, &mut too_small);
    assert!(small.is_err_and(|errno| errno.is(ncs_sys::E2BIG)));
    let empty = jwt::generate(Key::Identity, &NO_CLAIMS, &mut []);
    assert!(empty.is_err_and(|errno| errno.is(ncs_sys::EMSGSIZE)));

    attestation(&identity);
}

/// COSE_Sign1 with the payload apart: 18([h'a10126', {4: h'21'}, null, signature]).
fn attestation(identity: &EcdsaKeyPair) {
    let (mut body, mut cose) = ([0; 128], [0; 128]);
    let token = attest::token(&mut body, &mut cose).expect("a token");
    let (body, cose) = (decode(token.attestation), decode(token.cose));
    assert_eq!(body[..5], [0xd9, 0xd9, 0xf7, 0x85, 0x01]);
    let head = [
        0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26, 0xa1, 0x04, 0x41, 0x21, 0xf6, 0x58, 0x40,
    ];
    assert_eq!(cose[..head.len()], head);
    let length = u8::try_from(body.len()).expect("short");
    let signed = [
        b"\x84\x6aSignature1\x43\xa1\x01\x26\x40\x58".as_slice(),
        &[length],
        &body,
    ]
    .concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, identity.public_key().as_ref())
        .verify(&signed, &cose[head.len()..])
        .expect("the signature fits");
    let (mut too_small, mut enough) = ([0; 20], [0; 128]);
    let small = attest::token(&mut too_small, &mut enough);
    assert!(small.is_err_and(|errno| errno.is(ncs_sys::EMSGSIZE)));
    let empty = attest::token(&mut [], &mut enough);
    assert!(empty.is_err_and(|errno| errno.is(ncs_sys::EBADF)));
}
