//! Checks, each with its verdict, so that a report can show all of them and not only the first
//! that failed.
//!
//! The rules are those of RFC 5280, section 6, as `openssl verify -partial_chain -purpose sslclient
//! -auth_level 2` judges them. Three are stricter, since IoT Hub or TLS is: the certificates are of
//! version 3, each stands before its issuer (RFC 5246, section 7.4.2), and a device is no CA.

use time::OffsetDateTime;

use crate::pki::Certificate;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// What was looked at.
    pub what: String,
    /// Whether it is as it should be.
    pub passed: bool,
    /// What was found, where that says more.
    pub found: String,
    /// What to do if it is not as it should be, where that is not to make the certificate anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Check {
    pub(crate) fn new(what: impl Into<String>, passed: bool, found: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            passed,
            found: found.into(),
            advice: None,
        }
    }
}

/// Checks a chain: leaf first, each signed by the next, up to the first that one of `roots` is or
/// has signed; every one valid at `now`, and every one but the leaf a CA with room for those below
/// it.
pub fn verify_chain(
    chain: &[Certificate],
    roots: &[Certificate],
    now: OffsetDateTime,
) -> Vec<Check> {
    let Some(last) = chain.last() else {
        return vec![Check::new("chain", false, "it is empty")];
    };
    let anchored = chain.iter().enumerate().find_map(|(place, found)| {
        let root = roots
            .iter()
            .find(|root| *root == found || (root.is_ca() && root.has_signed(found)))?;
        Some((place, root))
    });
    let (path, root) = match anchored {
        Some((place, root)) => (&chain[..=place], Some(root)),
        None => (chain, None),
    };
    let mut all: Vec<&Certificate> = path.iter().collect();
    all.extend(root.filter(|root| path.last() != Some(root)));
    let mut checks = Vec::new();
    // RFC 5280, section 6.1.4 (l): self-issued CAs are not counted.
    let mut below = 0;
    for (place, pair) in all.windows(2).enumerate() {
        below += usize::from(place > 0 && !pair[0].is_self_issued());
        checks.push(signed(pair[0], pair[1], below));
    }
    checks.extend(all.iter().map(|found| in_time(found, now)));
    checks.push(match root {
        Some(root) if !root.is_ca() => Check {
            advice: Some("give the certificate of the CA that has signed it with --root FILE".to_owned()),
            ..Check::new(
                "ends at a trusted CA",
                false,
                format!("{} is no CA", root.subject()),
            )
        },
        Some(root) => Check::new("ends at a trusted CA", true, root.subject()),
        None => Check {
            advice: Some(format!(
                "the issuer {} is above this folder: give its certificate with --root FILE, or take \
                 the whole chain in with ca import-chain",
                last.issuer()
            )),
            ..Check::new(
                "ends at a trusted CA",
                false,
                format!("nobody here signed {}", last.subject()),
            )
        },
    });
    checks
}

/// Checks what IoT Hub checks for a device: its chain, that the leaf is no CA, that it may
/// authenticate a client, and that its common name is the device id.
pub fn verify_device(
    id: &str,
    chain: &[Certificate],
    roots: &[Certificate],
    now: OffsetDateTime,
) -> Vec<Check> {
    let mut checks = verify_chain(chain, roots, now);
    if let Some(leaf) = chain.first() {
        checks.push(named(leaf, id));
        checks.push(Check {
            advice: Some(
                "make another one with device create; registered by its thumbprint it may be a CA's: \
                 --thumbprint"
                    .to_owned(),
            ),
            ..Check::new("device certificate is not a CA", !leaf.is_ca(), "")
        });
        checks.push(for_clients(leaf));
    }
    checks
}

/// Checks what IoT Hub checks for a device that is registered by the thumbprint of its certificate:
/// nobody need have signed it, and it may be a CA's.
pub fn verify_thumbprint(id: &str, certificate: &Certificate, now: OffsetDateTime) -> Vec<Check> {
    vec![
        in_time(certificate, now),
        named(certificate, id),
        for_clients(certificate),
    ]
}

/// Why one certificate may not have issued another, with `below` CAs between it and the leaf;
/// `None` if it may.
pub(crate) fn objection(lower: &Certificate, upper: &Certificate, below: usize) -> Option<String> {
    let has_room = upper
        .path_length()
        .is_none_or(|length| below as u64 <= u64::from(length));
    if !upper.has_signed(lower) {
        let why = lower.weak_signature();
        return Some(
            why.unwrap_or("the signature or the name does not fit")
                .to_owned(),
        );
    }
    if upper.version() != 3 {
        return Some(format!(
            "the issuer is of X.509 version {}",
            upper.version()
        ));
    }
    if !upper.is_ca() {
        return Some("the issuer is not a CA".to_owned());
    }
    if !upper.signs_certificates() {
        return Some("the key usage of the issuer lacks keyCertSign".to_owned());
    }
    if !upper.client_authentication() {
        return Some("the extended key usage of the issuer lacks clientAuth".to_owned());
    }
    if !has_room {
        return Some("too many CAs below the issuer".to_owned());
    }
    let weakness = lower.weak_signature().or(upper.weak_key());
    weakness.or(upper.objection()).map(str::to_owned)
}

fn signed(lower: &Certificate, upper: &Certificate, below: usize) -> Check {
    let found = objection(lower, upper, below).unwrap_or_default();
    let what = format!("{} is signed by {}", lower.subject(), upper.subject());
    Check::new(what, found.is_empty(), found)
}

fn in_time(found: &Certificate, now: OffsetDateTime) -> Check {
    Check::new(
        format!("{} is valid now", found.subject()),
        found.is_valid_at(now),
        format!(
            "{} to {}",
            found.not_before().date(),
            found.not_after().date()
        ),
    )
}

fn named(leaf: &Certificate, id: &str) -> Check {
    let name = leaf.common_name().unwrap_or("(none)");
    Check::new("common name is the device id", name == id, name)
}

fn for_clients(leaf: &Certificate) -> Check {
    let found = client_objection(leaf).unwrap_or_default();
    let what = "device certificate may authenticate a client";
    Check::new(what, found.is_empty(), found)
}

/// Why a certificate cannot be that of a device; `None` if it can.
pub(crate) fn client_objection(leaf: &Certificate) -> Option<String> {
    if leaf.version() != 3 {
        return Some(format!("it is of X.509 version {}", leaf.version()));
    }
    if !leaf.client_authentication() {
        return Some("its extended key usage lacks clientAuth".to_owned());
    }
    if !leaf.signs_handshakes() {
        return Some("its key usage lacks digitalSignature".to_owned());
    }
    leaf.objection().or(leaf.weak_key()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
        KeyPair, KeyUsagePurpose,
    };

    use super::*;

    fn params(name: &str, is_ca: IsCa) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        match is_ca {
            IsCa::Ca(_) => params.key_usages.push(KeyUsagePurpose::KeyCertSign),
            _ => {
                params.key_usages.push(KeyUsagePurpose::DigitalSignature);
                let purpose = ExtendedKeyUsagePurpose::ClientAuth;
                params.extended_key_usages.push(purpose);
            }
        }
        params.is_ca = is_ca;
        params
    }

    /// A device below a CA of this name, below a root that may have no other CA below it.
    fn below(name: &str) -> Vec<Check> {
        let keys: [KeyPair; 3] = std::array::from_fn(|_| KeyPair::generate().unwrap());
        let root = params("root", IsCa::Ca(BasicConstraints::Constrained(0)));
        let ca = params(name, IsCa::Ca(BasicConstraints::Unconstrained));
        let leaf = params("d1", IsCa::ExplicitNoCa);
        let by_root = Issuer::from_params(&root, &keys[0]);
        let by_ca = Issuer::from_params(&ca, &keys[1]);
        let of = |made: rcgen::Certificate| Certificate::from_der(made.der().to_vec()).unwrap();
        let chain = [
            of(leaf.signed_by(&keys[2], &by_ca).unwrap()),
            of(ca.signed_by(&keys[1], &by_root).unwrap()),
        ];
        let roots = [of(root.self_signed(&keys[0]).unwrap())];
        verify_device("d1", &chain, &roots, OffsetDateTime::now_utc())
    }

    #[test]
    fn a_root_that_has_changed_its_key_is_no_ca_below_itself() {
        let failed = |checks: Vec<Check>| -> Vec<String> {
            let failed = checks.into_iter().filter(|check| !check.passed);
            failed.map(|check| check.found).collect()
        };
        assert_eq!(failed(below("root")), Vec::<String>::new());
        assert_eq!(failed(below("another")), ["too many CAs below the issuer"]);
    }
}
