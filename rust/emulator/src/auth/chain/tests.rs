//! Chains made with openssl, checked here, by `openssl verify` and by rustls-webpki.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::pki::{CA, LEAF, Made, Pki};
use super::*;
use crate::code::ErrorCode;

mod pki;

fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_millis()).unwrap()
}

/// Who else judges a chain otherwise, and why that is right.
#[derive(Clone, Copy, PartialEq)]
enum Others {
    /// Nobody.
    Agree,
    /// rustls-webpki alone: it takes a root as it is (its dates, key usage and pathlen), looks
    /// neither at key usage nor at the leaf's own key, knows no critical policies, takes neither a
    /// CA nor version 1 as end entity, and goes through six intermediates.
    Webpki,
    /// `openssl verify` alone: it knows of critical policies, tries one path, and goes through a
    /// hundred intermediates.
    Openssl,
    /// Both: what is not judged here is refused here.
    Both,
}

/// What is presented, the registered CAs, the day from now, what the refusal says (empty: let in),
/// and who else judges otherwise.
type Case<'c> = (Vec<String>, &'c [&'c str], i64, &'c str, Others);

#[test]
#[allow(clippy::too_many_lines)] // a table
fn chains_of_every_kind_and_two_other_judges() {
    use Others::{Agree, Both, Openssl, Webpki};
    let pki = Pki::new();
    let ca = |name: &str, issuer: Option<&str>, made: Made<'_>| pki.make(name, name, issuer, made);
    let leaf = |name: &str, issuer: &str, made: Made<'_>| pki.make(name, "dev", Some(issuer), made);
    let of = |section: &'static str, made: Made<'static>| Made { section, ..made };

    ca("root", None, CA);
    ca("other", None, CA);
    ca("int", Some("root"), CA);
    ca("sub", Some("int"), CA);
    leaf("l", "root", LEAF);
    leaf("li", "int", LEAF);
    leaf("ls", "sub", LEAF);
    for section in [
        "leaf_server",
        "leaf_both",
        "none",
        "leaf_signs",
        "leaf_agrees",
        "leaf_enciphers",
        "leaf_unknown",
        "leaf_unknown_loose",
        "leaf_san",
        "leaf_policies",
        "ca_plain",
    ] {
        leaf(&format!("l-{section}"), "root", of(section, LEAF));
    }
    for section in [
        "ca0",
        "ca1",
        "ca_plain",
        "ca_false",
        "none",
        "ca_no_sign",
        "ca_server",
        "ca_client",
        "ca_unknown",
        "ca_permitted",
        "ca_excluded",
        "ca_loose",
        "ca_policy",
        "ca_any",
    ] {
        let name = format!("i-{section}");
        ca(&name, Some("root"), of(section, CA));
        leaf(&format!("{name}-l"), &name, of("leaf_san", LEAF));
    }
    ca("i-ca0-sub", Some("i-ca0"), CA);
    leaf("i-ca0-sub-l", "i-ca0-sub", LEAF);
    ca("i-ca1-sub", Some("i-ca1"), CA);
    leaf("i-ca1-sub-l", "i-ca1-sub", LEAF);
    ca("root0", None, of("ca0", CA));
    leaf("root0-l", "root0", LEAF);
    ca("root0-int", Some("root0"), CA);
    leaf("root0-int-l", "root0-int", LEAF);
    ca("root-no-sign", None, of("ca_no_sign", CA));
    leaf("root-no-sign-l", "root-no-sign", LEAF);
    ca("short-int", Some("root"), Made { days: "10", ..CA });
    leaf("short-int-l", "short-int", LEAF);
    ca("short-root", None, Made { days: "10", ..CA });
    leaf("short-root-l", "short-root", LEAF);
    leaf("short-l", "root", Made { days: "10", ..LEAF });
    // Others of the same names.
    pki.make("root-twin", "root", None, CA);
    pki.make("int-twin", "int", Some("root"), CA);
    pki.make("int-stranger", "int", Some("other"), CA);
    // The same key behind two roots.
    pki.make(
        "int-cross",
        "int",
        Some("other"),
        Made {
            key: &["-key", "int.key"],
            ..CA
        },
    );
    // A circle.
    ca("a", None, CA);
    pki.make("b", "b", Some("a"), CA);
    pki.make(
        "a-by-b",
        "a",
        Some("b"),
        Made {
            key: &["-key", "a.key"],
            ..CA
        },
    );
    leaf("circle-l", "b", LEAF);
    // Digests and keys.
    let rsa = &["-newkey", "rsa:2048"][..];
    ca("rsa", None, Made { key: rsa, ..CA });
    for (digest, issuer) in [
        ("md5", "rsa"),
        ("sha1", "rsa"),
        ("sha1", "root"),
        ("sha384", "root"),
        ("sha512", "rsa"),
    ] {
        let flag = format!("-{digest}");
        let digest_of = |made| Made {
            digest: &flag,
            ..made
        };
        let name = format!("{issuer}-{digest}");
        leaf(&format!("{name}-l"), issuer, digest_of(LEAF));
        ca(&name, Some(issuer), digest_of(CA));
        leaf(&format!("{name}-i-l"), &name, LEAF);
    }
    for (name, key) in [
        ("rsa1024", &["-newkey", "rsa:1024"][..]),
        ("rsa2048", &["-newkey", "rsa:2048"]),
        (
            "p192",
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-192"],
        ),
        (
            "p384",
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
        ),
        (
            "p521",
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
        ),
        ("ed25519", &["-newkey", "ed25519"]),
    ] {
        leaf(&format!("l-{name}"), "root", Made { key, ..LEAF });
        ca(&format!("i-{name}"), Some("root"), Made { key, ..CA });
        leaf(&format!("i-{name}-l"), &format!("i-{name}"), LEAF);
    }
    pki.make("self", "dev", None, LEAF);
    // A ladder of CAs.
    let mut below = "root".to_owned();
    for step in 1..=12 {
        let name = format!("step{step}");
        ca(&name, Some(&below), CA);
        below = name;
    }
    leaf("l5", "step5", LEAF);
    leaf("l9", "step9", LEAF);
    leaf("l12", "step12", LEAF);
    // A signature with a wrong bit.
    let mut broken = pki.der("l");
    let last = broken.len() - 1;
    broken[last] ^= 1;
    let text = STANDARD.encode(&broken);
    let text = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    std::fs::write(pki.path("l-broken"), text).unwrap();

    let ladder = |leaf: &'static str, steps: usize| {
        let steps: Vec<String> = (1..=steps)
            .rev()
            .map(|step| format!("step{step}"))
            .collect();
        (leaf, steps)
    };
    let (l5, l9, l12) = (ladder("l5", 5), ladder("l9", 9), ladder("l12", 12));
    let chain = |(leaf, steps): &(&'static str, Vec<String>)| -> Vec<String> {
        std::iter::once((*leaf).to_owned())
            .chain(steps.iter().cloned())
            .collect()
    };
    let texts =
        |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };

    let now = now();
    let day = 86_400_000;
    let root: &[&str] = &["root"];
    let cases: Vec<Case<'_>> = vec![
        (texts(&["l"]), root, 1, "", Agree),
        (texts(&["li", "int"]), root, 1, "", Agree),
        (texts(&["ls", "sub", "int"]), root, 1, "", Agree),
        (texts(&["ls", "int", "sub"]), root, 1, "", Agree),
        (texts(&["li", "int", "root"]), root, 1, "", Agree),
        (texts(&["li"]), root, 1, "neither a registered CA", Agree),
        (
            texts(&["ls", "sub"]),
            root,
            1,
            "neither a registered CA",
            Agree,
        ),
        (
            texts(&["ls", "int"]),
            root,
            1,
            "neither a registered CA",
            Agree,
        ),
        (
            texts(&["l"]),
            &["other"],
            1,
            "neither a registered CA",
            Agree,
        ),
        (texts(&["l"]), &[], 1, "neither a registered CA", Agree),
        (texts(&["li"]), &["int"], 1, "", Agree),
        (texts(&["ls", "sub"]), &["int"], 1, "", Agree),
        (texts(&["self"]), root, 1, "neither a registered CA", Agree),
        (
            texts(&["l-leaf_server"]),
            root,
            1,
            "lacks clientAuth",
            Agree,
        ),
        (texts(&["l-leaf_both"]), root, 1, "", Agree),
        (texts(&["l-none"]), root, 1, "", Webpki),
        (texts(&["l-leaf_signs"]), root, 1, "", Agree),
        (texts(&["l-leaf_agrees"]), root, 1, "", Agree),
        (
            texts(&["l-leaf_enciphers"]),
            root,
            1,
            "lacks digitalSignature",
            Webpki,
        ),
        (
            texts(&["l-leaf_unknown"]),
            root,
            1,
            "critical extension 1.2.3.4",
            Agree,
        ),
        (texts(&["l-leaf_unknown_loose"]), root, 1, "", Agree),
        (texts(&["l-leaf_san"]), root, 1, "", Agree),
        (texts(&["l-leaf_policies"]), root, 1, "", Webpki),
        (texts(&["l-ca_plain"]), root, 1, "", Webpki),
        (texts(&["i-ca_plain-l", "i-ca_plain"]), root, 1, "", Agree),
        (
            texts(&["i-ca_false-l", "i-ca_false"]),
            root,
            1,
            "is no CA",
            Agree,
        ),
        (texts(&["i-none-l", "i-none"]), root, 1, "is no CA", Agree),
        (
            texts(&["i-ca_no_sign-l", "i-ca_no_sign"]),
            root,
            1,
            "lacks keyCertSign",
            Webpki,
        ),
        (
            texts(&["i-ca_server-l", "i-ca_server"]),
            root,
            1,
            "lacks clientAuth",
            Agree,
        ),
        (texts(&["i-ca_client-l", "i-ca_client"]), root, 1, "", Agree),
        (
            texts(&["i-ca_unknown-l", "i-ca_unknown"]),
            root,
            1,
            "critical extension 1.2.3.4",
            Agree,
        ),
        (
            texts(&["i-ca_permitted-l", "i-ca_permitted"]),
            root,
            1,
            "has name constraints",
            Both,
        ),
        (
            texts(&["i-ca_excluded-l", "i-ca_excluded"]),
            root,
            1,
            "has name constraints",
            Agree,
        ),
        (
            texts(&["i-ca_loose-l", "i-ca_loose"]),
            root,
            1,
            "has name constraints",
            Agree,
        ),
        (
            texts(&["i-ca_policy-l", "i-ca_policy"]),
            root,
            1,
            "critical extension 2.5.29.36",
            Openssl,
        ),
        (
            texts(&["i-ca_any-l", "i-ca_any"]),
            root,
            1,
            "critical extension 2.5.29.54",
            Openssl,
        ),
        (texts(&["i-ca0-l", "i-ca0"]), root, 1, "", Agree),
        (
            texts(&["i-ca0-sub-l", "i-ca0-sub", "i-ca0"]),
            root,
            1,
            "(pathlen)",
            Agree,
        ),
        (
            texts(&["i-ca1-sub-l", "i-ca1-sub", "i-ca1"]),
            root,
            1,
            "",
            Agree,
        ),
        (texts(&["root0-l"]), &["root0"], 1, "", Agree),
        (
            texts(&["root0-int-l", "root0-int"]),
            &["root0"],
            1,
            "(pathlen)",
            Webpki,
        ),
        (
            texts(&["root-no-sign-l"]),
            &["root-no-sign"],
            1,
            "lacks keyCertSign",
            Webpki,
        ),
        (texts(&["l"]), root, 366, "expired", Agree),
        (texts(&["l"]), root, -1, "not valid before", Agree),
        (texts(&["short-l"]), root, 11, "expired", Agree),
        (texts(&["short-int-l", "short-int"]), root, 9, "", Agree),
        (
            texts(&["short-int-l", "short-int"]),
            root,
            11,
            "expired",
            Agree,
        ),
        (
            texts(&["short-root-l"]),
            &["short-root"],
            11,
            "expired",
            Webpki,
        ),
        (
            texts(&["l"]),
            &["root-twin"],
            1,
            "another CA has the same name",
            Agree,
        ),
        (texts(&["l"]), &["root-twin", "root"], 1, "", Agree),
        (
            texts(&["li", "int-twin"]),
            root,
            1,
            "another CA has the same name",
            Agree,
        ),
        (texts(&["li", "int-twin", "int"]), root, 1, "", Agree),
        (
            texts(&["li", "int-stranger", "int-twin", "int"]),
            root,
            1,
            "",
            Agree,
        ),
        (texts(&["li", "int-cross", "int"]), root, 1, "", Openssl),
        (
            texts(&["li", "int", "int-cross"]),
            &["other"],
            1,
            "",
            Openssl,
        ),
        (
            texts(&["circle-l", "b", "a-by-b"]),
            root,
            1,
            "neither a registered CA",
            Agree,
        ),
        (
            texts(&["l-broken"]),
            root,
            1,
            "another CA has the same name",
            Agree,
        ),
        (texts(&["rsa-md5-l"]), &["rsa"], 1, "made with MD5", Agree),
        (
            texts(&["rsa-sha1-l"]),
            &["rsa"],
            1,
            "made with SHA-1",
            Agree,
        ),
        (texts(&["root-sha1-l"]), root, 1, "made with SHA-1", Agree),
        (
            texts(&["rsa-md5-i-l", "rsa-md5"]),
            &["rsa"],
            1,
            "made with MD5",
            Agree,
        ),
        (
            texts(&["rsa-sha1-i-l", "rsa-sha1"]),
            &["rsa"],
            1,
            "made with SHA-1",
            Agree,
        ),
        (
            texts(&["root-sha1-i-l", "root-sha1"]),
            root,
            1,
            "made with SHA-1",
            Agree,
        ),
        (texts(&["root-sha384-l"]), root, 1, "", Agree),
        (
            texts(&["rsa-sha512-i-l", "rsa-sha512"]),
            &["rsa"],
            1,
            "",
            Agree,
        ),
        (
            texts(&["l-rsa1024"]),
            root,
            1,
            "RSA key of 1024 bits",
            Webpki,
        ),
        (
            texts(&["i-rsa1024-l", "i-rsa1024"]),
            root,
            1,
            "RSA key of 1024 bits",
            Agree,
        ),
        (texts(&["l-rsa2048"]), root, 1, "", Agree),
        (texts(&["i-rsa2048-l", "i-rsa2048"]), root, 1, "", Agree),
        (texts(&["l-p192"]), root, 1, "EC key of 192 bits", Webpki),
        (
            texts(&["i-p192-l", "i-p192"]),
            root,
            1,
            "EC key of 192 bits",
            Agree,
        ),
        (texts(&["i-p384-l", "i-p384"]), root, 1, "", Agree),
        (texts(&["l-p521"]), root, 1, "", Agree),
        (texts(&["i-ed25519-l", "i-ed25519"]), root, 1, "", Agree),
        (chain(&l5), root, 1, "", Agree),
        (chain(&l9), root, 1, "", Webpki),
        (chain(&l12), root, 1, "more than 10 CAs", Openssl),
    ];
    let mut wrong = Vec::new();
    for (names, anchors, days, why, others) in &cases {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let at = now + days * day;
        let here = pki.here(&names, anchors, at);
        let expected = why.is_empty();
        let fits = match &here {
            Ok(()) => expected,
            Err(told) => !expected && told.contains(why),
        };
        let says = |by: &[Others]| expected != by.contains(others);
        let (webpki, openssl) = (
            pki.webpki(&names, anchors, at),
            pki.openssl(&names, anchors, at),
        );
        if !fits || webpki != says(&[Webpki, Both]) || openssl != says(&[Openssl, Both]) {
            wrong.push(format!(
                "{names:?} behind {anchors:?} in {days} days: here {here:?}, webpki {webpki}, openssl {openssl}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn many_cas_of_one_name_cost_no_more_than_a_few() {
    let pki = Pki::new();
    pki.make("root", "root", None, CA);
    pki.make("x0", "x", None, CA);
    pki.make("l", "dev", Some("x0"), LEAF);
    let mut chain = vec!["l".to_owned()];
    for n in 1..40 {
        let name = format!("x{n}");
        // All of one key and of two names, each by the one before.
        let subject = ["x", "y"][n % 2];
        let made = Made {
            key: &["-key", "x0.key"],
            ..CA
        };
        pki.make(&name, subject, Some(&format!("x{}", n - 1)), made);
        std::fs::copy(pki.path("x0.key"), pki.path(&format!("{name}.key"))).unwrap();
        chain.push(name);
    }
    let names: Vec<&str> = chain.iter().map(String::as_str).collect();
    let now = now();
    let refused = pki.here(&names, &["root"], now).unwrap_err();
    assert!(refused.contains("too many CAs"), "{refused}");
}

#[test]
fn a_handshake_proves_something_only_with_a_key_that_cannot_be_guessed() {
    let pki = Pki::new();
    pki.make("good", "device", None, LEAF);
    let key = &["-newkey", "rsa:1024"];
    pki.make("weak", "device", None, Made { key, ..LEAF });
    check_usable(&pki.der("good")).unwrap();
    let refused = |der: &[u8]| check_usable(der).unwrap_err().code;
    assert_eq!(refused(&pki.der("weak")), ErrorCode::IotHubUnauthorized);
    assert_eq!(refused(b"no certificate"), ErrorCode::ArgumentInvalid);
}
