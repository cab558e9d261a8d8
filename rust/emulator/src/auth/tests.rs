//! Registered CAs, from the upload to the proof of possession; keys and the server's certificate.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use rusqlite::Connection;

use super::certificates::{self, Certificate, PROVISIONING};
use super::{possession, sas};
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::etag::{IfMatch, etag};
use crate::store;

const HUB: &str = "hub.example";
const NOW: UnixMs = 1_800_000_000_000;
const DAY: UnixMs = 86_400_000;

fn params(name: &str, is_ca: IsCa) -> CertificateParams {
    let at = |ms: UnixMs| time::OffsetDateTime::from_unix_timestamp(ms / 1000).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = is_ca;
    params.not_before = at(NOW - DAY);
    params.not_after = at(NOW + DAY);
    params
}

/// A CA of this name: its certificate, and what signs with its key.
fn ca(name: &str) -> (Vec<u8>, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let params = params(name, IsCa::Ca(BasicConstraints::Unconstrained));
    let der = params.self_signed(&key).unwrap().der().to_vec();
    (der, Issuer::new(params, key))
}

fn proof(code: &str, by: &Issuer<'_, KeyPair>) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    let made = params(code, IsCa::NoCa).signed_by(&key, by).unwrap();
    made.der().to_vec()
}

fn upload(c: &Connection, name: &str, der: &[u8]) -> Result<Certificate, Refusal> {
    certificates::put(c, HUB, name, der.to_vec(), false, &IfMatch::Absent, NOW)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>, code: ErrorCode) {
    assert_eq!(result.unwrap_err().code, code);
}

#[test]
fn a_ca_is_verified_by_a_certificate_that_its_key_has_signed_for_the_code() {
    let c = store::in_memory().unwrap();
    let (der, key) = ca("root");
    let (_, other_key) = ca("root");
    let any = &IfMatch::Any;
    let uploaded = upload(&c, "root", &der).unwrap();
    assert!(!uploaded.verified && uploaded.code.is_none());
    let verify = |proof: &[u8]| certificates::verify(&c, HUB, "root", proof, any, NOW);
    refused(verify(&proof("", &key)), ErrorCode::ArgumentInvalid);
    let asked = certificates::generate_code(&c, HUB, "root", any, NOW + 1).unwrap();
    let code = asked.code.unwrap();
    assert_eq!(code.len(), 48);
    for wrong in [proof("another", &key), proof(&code, &other_key), der] {
        refused(verify(&wrong), ErrorCode::ArgumentInvalid);
    }
    let fits = proof(&code, &key);
    for days in [-2, 2] {
        let at = NOW + days * DAY;
        let late = certificates::verify(&c, HUB, "root", &fits, any, at);
        refused(late, ErrorCode::ArgumentInvalid);
    }
    assert!(!certificates::anchors(&c, HUB).unwrap()[0].verified);
    let verified = certificates::verify(&c, HUB, "root", &fits, any, NOW + 2).unwrap();
    assert!(verified.verified);
    assert_eq!(
        (verified.etag, verified.created, verified.updated),
        (3, NOW, NOW + 2)
    );
    let anchors = certificates::anchors(&c, HUB).unwrap();
    assert_eq!(anchors.len(), 1);
    assert!(anchors[0].verified && anchors[0].name == "root");
    // Another certificate under the name has to be proved anew.
    let (second, _) = ca("second");
    let replaced = upload(&c, "root", &second).unwrap();
    assert!(!replaced.verified && replaced.code.is_none() && replaced.etag == 4);
    assert_eq!(replaced.created, NOW);
}

#[test]
fn a_proof_is_issued_under_the_name_of_the_ca() {
    let (der, key) = ca("root");
    let renamed = Issuer::new(
        params("other", IsCa::Ca(BasicConstraints::Unconstrained)),
        KeyPair::from_pem(&key.key().serialize_pem()).unwrap(),
    );
    possession::verify(&der, &proof("code", &key), "code", NOW).unwrap();
    let other = possession::verify(&der, &proof("code", &renamed), "code", NOW);
    refused(other, ErrorCode::ArgumentInvalid);
}

#[test]
fn a_condition_on_the_etag_is_kept_by_every_change() {
    let c = store::in_memory().unwrap();
    let (der, key) = ca("root");
    upload(&c, "root", &der).unwrap();
    let old = &IfMatch::Tag(etag(1));
    let asked = certificates::generate_code(&c, HUB, "root", old, NOW).unwrap();
    let fits = proof(&asked.code.unwrap(), &key);
    let failed = ErrorCode::PreconditionFailed;
    let again = certificates::put(&c, HUB, "root", der, true, old, NOW);
    refused(again, failed);
    refused(
        certificates::generate_code(&c, HUB, "root", old, NOW),
        failed,
    );
    refused(
        certificates::verify(&c, HUB, "root", &fits, old, NOW),
        failed,
    );
    refused(certificates::delete(&c, HUB, "root", old), failed);
    certificates::delete(&c, HUB, "root", &IfMatch::Tag(etag(2))).unwrap();
    let gone = certificates::delete(&c, HUB, "root", &IfMatch::Any);
    refused(gone, ErrorCode::NotFound);
}

#[test]
fn twenty_five_cas_with_proper_names_each_in_its_scope() {
    let c = store::in_memory().unwrap();
    let (der, key) = ca("root");
    let wrong = ErrorCode::ArgumentInvalid;
    for name in ["", "a b", "ä", &"x".repeat(65)] {
        refused(upload(&c, name, &der), wrong);
    }
    refused(upload(&c, "leaf", &proof("leaf", &key)), wrong);
    refused(upload(&c, "none", b"none"), wrong);
    for number in 0..24 {
        upload(&c, &format!("ca{number}"), &der).unwrap();
    }
    upload(&c, &"x".repeat(64), &der).unwrap();
    refused(upload(&c, "one-more", &der), wrong);
    upload(&c, "ca7", &der).unwrap();
    assert_eq!(certificates::list(&c, HUB).unwrap().len(), 25);
    assert!(certificates::list(&c, PROVISIONING).unwrap().is_empty());
    let other = certificates::require(&c, PROVISIONING, "ca7");
    refused(other, ErrorCode::NotFound);
    let put = |scope| certificates::put(&c, scope, "a", der.clone(), true, &IfMatch::Absent, NOW);
    assert!(put(PROVISIONING).unwrap().verified);
}

#[test]
fn a_certificate_is_shown_with_times_as_who_asks_reads_them() {
    let c = store::in_memory().unwrap();
    let (der, _) = ca("root");
    upload(&c, "root", &der).unwrap();
    let shown = certificates::generate_code(&c, HUB, "root", &IfMatch::Any, NOW + 1000).unwrap();
    let json = shown.to_json().unwrap();
    assert_eq!(
        (json["name"].as_str(), json["etag"].as_str()),
        (Some("root"), Some(&*etag(2)))
    );
    let properties = &json["properties"];
    assert_eq!(properties["subject"], "root");
    assert_eq!(properties["isVerified"], false);
    assert_eq!(properties["created"], "2027-01-15T08:00:00.000Z");
    assert_eq!(properties["updated"], "2027-01-15T08:00:01.000Z");
    assert_eq!(properties["expiry"], "2027-01-16T08:00:00.000Z");
    assert_eq!(
        properties["verificationCode"].as_str(),
        shown.code.as_deref()
    );
    let arm = shown.to_arm().unwrap();
    assert_eq!(
        arm["properties"]["created"],
        "Fri, 15 Jan 2027 08:00:00 GMT"
    );
}

#[test]
fn keys_are_base64_of_16_to_64_bytes_and_derived_as_azure_derives_them() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    for (bytes, fits) in [(15, false), (16, true), (64, true), (65, false)] {
        let key = STANDARD.encode(vec![1; bytes]);
        assert_eq!(sas::check_key(&key).is_ok(), fits, "{bytes}");
    }
    refused(sas::check_key("?"), ErrorCode::ArgumentInvalid);
    // By `openssl dgst -sha256 -hmac`.
    let derived = sas::derived_key("c2VjcmV0", "sensor-1").unwrap();
    assert_eq!(derived, "5TCKEknrsecmBesLYkB9EJ0uCRgQSigSl+zn6SNWR/E=");
    assert!(sas::derived_key("?", "sensor-1").is_err());
}
