//! What is signed, for how long, by whom, and what is said against it; without a folder.

use time::{Duration, OffsetDateTime};

use super::*;
use crate::error::Kind;
use crate::secret::Secret;

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

fn days(days: u32) -> Validity {
    Validity::days(now(), days).unwrap()
}

fn subject(name: &str) -> Subject {
    Subject::common_name(name).unwrap()
}

fn root(validity: Validity) -> Authority {
    let key = Key::generate(KeyAlgorithm::P256).unwrap();
    let certificate = Authority::self_sign(&key, &subject("root"), validity, None).unwrap();
    Authority::new(&name("rootca"), certificate, &[], key).unwrap()
}

fn name(name: &str) -> AuthorityName {
    AuthorityName::new(name).unwrap()
}

fn below(issuer: &Authority, path_length: Option<u8>) -> Result<Authority, crate::error::Error> {
    let key = Key::generate(KeyAlgorithm::P384).unwrap();
    let request = SigningRequest::create(&key, &subject("sub")).unwrap();
    let profile = Profile::Intermediate { path_length };
    let made = issuer.issue_for(&request, &profile, &subject("sub"), days(50))?;
    let mut above = vec![issuer.certificate().clone()];
    above.extend(issuer.chain().iter().cloned());
    Authority::new(&name("subca"), made, &above, key)
}

fn device(issuer: &Authority, validity: Validity) -> Certificate {
    let key = Key::generate(KeyAlgorithm::P256).unwrap();
    let public_key = key.public_key();
    let template = Template {
        profile: &Profile::Device,
        subject: &subject("d1"),
        validity,
        public_key: &public_key,
        renews: None,
    };
    issuer.issue(&template).unwrap()
}

fn failed(checks: Vec<Check>) -> Vec<Check> {
    checks.into_iter().filter(|check| !check.passed).collect()
}

fn good(checks: Vec<Check>) {
    let failed = failed(checks);
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn what_is_issued_ends_no_later_than_its_issuer() {
    let root = root(days(100));
    let short = device(&root, days(10));
    assert_eq!(short.not_before(), now() - BACKDATED);
    assert_eq!(short.not_after(), now() + Duration::days(10));
    let long = device(&root, days(1000));
    assert_eq!(long.not_after(), root.certificate().not_after());
    assert_eq!(long.not_after(), now() + Duration::days(100));
    // Behind 2049 the time is written in another form.
    let late = self::root(days(36_500));
    assert_eq!(
        late.certificate().not_after(),
        now() + Duration::days(36_500)
    );
}

#[test]
fn a_chain_of_three_is_good_in_its_time_and_for_its_device_alone() {
    let root = root(days(100));
    let sub = below(&root, Some(0)).unwrap();
    assert_eq!(sub.chain().len(), 1, "the root is not sent");
    let leaf = device(&sub, days(20));
    assert!(sub.certificate().has_signed(&leaf) && !root.certificate().has_signed(&leaf));
    let text: String = [&leaf, sub.certificate()].map(Certificate::pem).concat();
    let chain = Certificate::all_from_pem(&text).unwrap();
    assert!(chain == [leaf.clone(), sub.certificate().clone()]);
    let roots = [root.certificate().clone()];
    good(verify_device("d1", &chain, &roots, now()));
    for (id, at) in [
        ("d2", now()),
        ("d1", now() + Duration::days(21)),
        ("d1", now() - Duration::days(1)),
    ] {
        assert!(
            !failed(verify_device(id, &chain, &roots, at)).is_empty(),
            "{id} {at}"
        );
    }
    good(verify_thumbprint("d1", &leaf, now()));
    assert_eq!(failed(verify_thumbprint("d2", &leaf, now())).len(), 1);
}

#[test]
fn a_certificate_names_the_keys_of_its_issuer_and_of_itself() {
    use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};
    let root = root(days(100));
    let leaf = device(&root, days(10));
    let (_, parsed) = X509Certificate::from_der(leaf.der()).unwrap();
    let named = parsed
        .extensions()
        .iter()
        .find_map(|it| match it.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(found) => found.key_identifier.as_ref(),
            _ => None,
        });
    let named = named.map(|it| it.0);
    assert_eq!(named, root.certificate().key_identifier());
    assert_eq!(
        leaf.key_identifier().unwrap(),
        encoding::key_identifier(leaf.public_key()).unwrap()
    );
}

#[test]
fn a_ca_signs_what_it_may_and_while_it_is_valid() {
    let root = root(days(100));
    let last = below(&root, Some(0)).unwrap();
    assert_eq!(below(&last, None).unwrap_err().kind(), Kind::Trust);
    assert_eq!(below(&last, Some(0)).unwrap_err().kind(), Kind::Trust);
    let one = below(&root, Some(1)).unwrap();
    assert!(below(&one, Some(0)).is_ok());
    assert_eq!(below(&one, Some(1)).unwrap_err().kind(), Kind::Trust);
    assert_eq!(below(&one, None).unwrap_err().kind(), Kind::Trust);

    let key = Key::generate(KeyAlgorithm::P256).unwrap();
    let public_key = key.public_key();
    let mut template = Template {
        profile: &Profile::Device,
        subject: &subject("d1"),
        validity: Validity {
            not_before: root.certificate().not_after(),
            not_after: root.certificate().not_after() + Duration::days(1),
        },
        public_key: &public_key,
        renews: None,
    };
    assert_eq!(root.issue(&template).unwrap_err().kind(), Kind::Trust);
    template.validity.not_before -= Duration::seconds(1);
    assert!(root.issue(&template).is_ok());
    // Ed25519, which the modem does not have.
    let mut other = vec![48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0];
    other.extend([7; 32]);
    template.public_key = &other;
    assert_eq!(root.issue(&template).unwrap_err().kind(), Kind::Trust);
}

#[test]
fn a_ca_is_made_of_a_ca_certificate_and_its_key() {
    let root = root(days(100));
    let key = || Key::generate(KeyAlgorithm::P256).unwrap();
    let of = |certificate: &Certificate, key: Key| {
        Authority::new(&name("x"), certificate.clone(), &[], key).map(drop)
    };
    let wrong = of(root.certificate(), key()).unwrap_err();
    assert_eq!(wrong.kind(), Kind::Trust);
    let own = key();
    let public_key = own.public_key();
    let leaf = root
        .issue(&Template {
            profile: &Profile::Device,
            subject: &subject("d1"),
            validity: days(1),
            public_key: &public_key,
            renews: None,
        })
        .unwrap();
    assert_eq!(of(&leaf, own).unwrap_err().kind(), Kind::Trust);
}

#[test]
fn what_is_wrong_with_a_chain_comes_with_what_to_do() {
    let root = root(days(100));
    let sub = below(&root, Some(0)).unwrap();
    let leaf = device(&sub, days(20));
    let advice = |checks: Vec<Check>| -> String {
        let all = failed(checks).into_iter().filter_map(|it| it.advice);
        all.collect::<Vec<_>>().join("|")
    };
    assert_eq!(verify_chain(&[], &[], now()).len(), 1);
    assert!(!verify_chain(&[], &[], now())[0].passed);
    let chain = [leaf.clone(), sub.certificate().clone()];
    let nobody = advice(verify_chain(&chain, &[], now()));
    assert!(
        nobody.contains("--root FILE") && nobody.contains("CN=root"),
        "{nobody}"
    );
    let no_ca = advice(verify_chain(&chain, std::slice::from_ref(&leaf), now()));
    assert!(no_ca.contains("--root FILE"), "{no_ca}");
    let roots = [root.certificate().clone()];
    let ca_as_device = [sub.certificate().clone()];
    let told = advice(verify_device("sub", &ca_as_device, &roots, now()));
    assert!(told.contains("--thumbprint"), "{told}");
}

#[test]
fn keys_too_short_to_trust_are_named() {
    let all: Vec<Certificate> = [P192, RSA_1024]
        .map(|text| Certificate::from_pem(text).unwrap())
        .into();
    let named = all.iter().map(|it| it.weak_key().unwrap_or_default());
    assert_eq!(
        named.collect::<Vec<_>>(),
        [
            "the EC key is shorter than 224 bits",
            "the RSA key is shorter than 2048 bits"
        ]
    );
    for weak in &all {
        assert_eq!(client_objection(weak).as_deref(), weak.weak_key());
        assert!(objection(weak, weak, 0).is_some());
    }
    for algorithm in [
        KeyAlgorithm::P256,
        KeyAlgorithm::P384,
        KeyAlgorithm::Rsa2048,
    ] {
        let key = Key::generate(algorithm).unwrap();
        let good = Authority::self_sign(&key, &subject("good"), days(1), None).unwrap();
        assert_eq!(good.weak_key(), None);
    }
}

#[test]
fn thumbprints_and_serial_numbers_are_openssls() {
    let known = Certificate::from_pem(P192).unwrap();
    assert_eq!(
        known.thumbprint(),
        "1864F250CCC3163959834CB6BCD8E99AC788EF2DE31B9C9F782612A1C3C6CDB4"
    );
    assert_eq!(
        known.thumbprint_sha1(),
        "D121F50427CE12A460B1C9096C6D7D56E9B254CE"
    );
    assert_eq!(known.serial(), "6B03C404AE65FE731AA54F745FB9CB1CD0ED856B");
}

#[test]
fn a_passphrase_opens_its_key_alone() {
    let key = Key::generate(KeyAlgorithm::P384).unwrap();
    let right = Secret::new("correct horse");
    let text = key.to_encrypted_pem(&right).unwrap();
    let opened = Key::from_pem(&text, Some(&right)).unwrap();
    assert_eq!(opened.public_key(), key.public_key());
    for wrong in [None, Some(Secret::new("battery"))] {
        let error = Key::from_pem(&text, wrong.as_ref()).unwrap_err();
        assert_eq!(error.kind(), Kind::Passphrase);
    }
    let plain = Key::from_pem(key.to_pem().expose(), None).unwrap();
    assert_eq!(plain.public_key(), key.public_key());
}

#[test]
fn a_name_is_read_and_shown_as_openssl_does() {
    let made = Subject::new(Some(r"/C=NO/O=A\/B\\C"), Some("unit"), "d1").unwrap();
    assert_eq!(made.one_line(), r"/C=NO/O=A/B\C/OU=unit/CN=d1");
    assert_eq!(made.value("O").as_deref(), Some(r"A/B\C"));
    assert_eq!(made.value("L"), None);
    for wrong in ["O", "/X=1", "/O"] {
        assert!(Subject::new(Some(wrong), None, "d1").is_err(), "{wrong}");
    }
    assert!(Subject::common_name(&"x".repeat(64)).is_ok());
    for wrong in ["", "a\u{7}", &"x".repeat(65)] {
        assert!(Subject::common_name(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn what_was_issued_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::of(folder.path());
    index.prepare().unwrap();
    let root = root(days(100));
    let all = [device(&root, days(1)), device(&root, days(2))];
    for issued in &all {
        index.record(issued).unwrap();
    }
    let entries = index.entries().unwrap();
    for (entry, issued) in entries.iter().zip(&all) {
        assert_eq!((entry.status, &*entry.serial), ('V', issued.serial()));
        assert_eq!(entry.subject, "/CN=d1");
        let copy = folder.path().join(format!("certs/{}.pem", issued.serial()));
        assert_eq!(std::fs::read_to_string(copy).unwrap(), issued.pem());
    }
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].expires, "270116080000Z");
}

/// By `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-192`.
const P192: &str = "-----BEGIN CERTIFICATE-----
MIIBVDCCAQugAwIBAgIUawPEBK5l/nMapU90X7nLHNDthWswCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEd2VhazAgFw0yNjEyMDExNDQxMTZaGA8yMTI2MTEwNzE0NDEx
NlowDzENMAsGA1UEAwwEd2VhazBJMBMGByqGSM49AgEGCCqGSM49AwEBAzIABLhe
CMcsd1qXmLWCf8Oj+XfOmMNs3DHpynoPfxhX0FxqN5t1Lq5JUjmLl89KEvq2KqNT
MFEwHQYDVR0OBBYEFMWoobcVif6ECcjIE3/Ivpiur6/DMB8GA1UdIwQYMBaAFMWo
obcVif6ECcjIE3/Ivpiur6/DMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
NwAwNAIYSWxxuxlHCxtTPEg/dbOzvekvsFGFSy+SAhhGBgF/ToCU82jPQwMmfuxf
wsF8QWi9HNk=
-----END CERTIFICATE-----
";
/// By `openssl req -x509 -newkey rsa:1024`.
const RSA_1024: &str = "-----BEGIN CERTIFICATE-----
MIIB/DCCAWWgAwIBAgIUJv+hSQC8UkQ8jwFnwRvupz3ZQXswDQYJKoZIhvcNAQEL
BQAwDzENMAsGA1UEAwwEd2VhazAgFw0yNjEyMDExNDQxMTZaGA8yMTI2MTEwNzE0
NDExNlowDzENMAsGA1UEAwwEd2VhazCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkC
gYEA1CJXopZbfW1mgCJN9eAfytIQtW8dTdQpKCgqIdIZfRoPYcEX3qeYbIUzCPiA
l33fZMTihlv/PXUoBIRikxsFOXR3zcvdl9ppYxmUPsvXi3VzYqmlYJC0Gn3/OtFl
CCn4ArKUMEsEo+Jqy2LejVXCx4Q7HKP2zfHmUzIPyu0KUNkCAwEAAaNTMFEwHQYD
VR0OBBYEFBLgxeCKmuLBCTXIYDMNVHyT/6SBMB8GA1UdIwQYMBaAFBLgxeCKmuLB
CTXIYDMNVHyT/6SBMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADgYEA
NiQEOCVpVVLz7mZwhqXkDUvw9jouVKpHIEbVJ1YQTTZawv0YNWeOk5W4B1H512BD
2hYDiTep/1vTVmFvEm9AoLPcfEdYmRGicl5p3NPRQqhCnYtniRzPfR6BExst/YQP
9cqqFMSjjuB5T0TLbunxEpwFIB6rV9M2aLj2qkEYabM=
-----END CERTIFICATE-----
";
