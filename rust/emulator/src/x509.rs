//! Certificates: who a device is, whether a registered CA stands behind it, proof of possession.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::prelude::{FromDer as _, KeyUsage, ParsedExtension, X509Certificate, X509Error};

use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};

/// A CA certificate that somebody registered.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    /// The name under which it is registered.
    pub name: String,
    /// The certificate.
    pub der: Vec<u8>,
    /// Whether possession of its key has been proved.
    pub verified: bool,
}

/// What is shown of a certificate.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    /// The subject as text.
    pub subject: String,
    /// The subject's common name; empty if there is none.
    pub common_name: String,
    /// The issuer as text.
    pub issuer: String,
    /// Upper-case hexadecimal SHA-1.
    pub sha1: String,
    /// Upper-case hexadecimal SHA-256.
    pub sha256: String,
    /// The serial number in upper-case hexadecimal.
    pub serial: String,
    /// Start of the validity.
    pub not_before: UnixMs,
    /// End of the validity.
    pub not_after: UnixMs,
    /// Whether it may issue certificates.
    pub is_ca: bool,
    /// The X.509 version, 1 to 3.
    pub version: u32,
}

/// Reads what is to be shown of a certificate.
pub(crate) fn describe(der: &[u8]) -> Result<Description, Refusal> {
    let certificate = parse(der, "the certificate")?;
    Ok(Description {
        subject: certificate.subject().to_string(),
        common_name: common_name(&certificate).to_owned(),
        issuer: certificate.issuer().to_string(),
        sha1: hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref()),
        sha256: hex(digest::digest(&digest::SHA256, der).as_ref()),
        serial: hex(certificate.raw_serial()),
        not_before: certificate
            .validity()
            .not_before
            .timestamp()
            .saturating_mul(1000),
        not_after: certificate
            .validity()
            .not_after
            .timestamp()
            .saturating_mul(1000),
        is_ca: certificate.is_ca(),
        version: certificate.version().0 + 1,
    })
}

/// Reads a certificate given as PEM, as base64 of PEM, or as base64 of DER, as Azure's calls do.
pub(crate) fn from_text(text: &str) -> Result<Vec<u8>, Refusal> {
    let text = text.trim();
    if text.starts_with("-----BEGIN") {
        let block = text.split("-----BEGIN CERTIFICATE-----").nth(1);
        let block = block.and_then(|rest| rest.split("-----END CERTIFICATE-----").next());
        let block = block.ok_or_else(|| invalid("the PEM text has no CERTIFICATE block".into()))?;
        let body: String = block.split_whitespace().collect();
        let der = STANDARD
            .decode(body)
            .map_err(|_| invalid("the PEM text is not base64".into()))?;
        return describe(&der).map(|_| der);
    }
    let body: String = text.split_whitespace().collect();
    let bytes = STANDARD
        .decode(body)
        .map_err(|_| invalid("the certificate is neither PEM nor base64 of DER".into()))?;
    match std::str::from_utf8(&bytes) {
        Ok(pem) if pem.trim_start().starts_with("-----BEGIN") => from_text(pem),
        _ => describe(&bytes).map(|_| bytes),
    }
}

/// Finds the registered CA behind a presented chain, leaf first.
///
/// The path may pass through presented certificates only; the registered CA itself ends it. The
/// refusal says at which certificate the path broke, and why. Returns the positions in `anchors` of
/// all registered and verified CAs that the path meets, nearest first.
pub(crate) fn verify_chain(
    presented: &[impl AsRef<[u8]>],
    anchors: &[Anchor],
    now: UnixMs,
) -> Result<Vec<usize>, Refusal> {
    let leaf = presented
        .first()
        .ok_or_else(|| refused("no certificate was presented".into()))?;
    let mut current = parse(leaf.as_ref(), "the device's certificate")?;
    check_validity(&current, now)?;
    check_leaf(&current)?;
    let mut found = Vec::new();
    let mut broken = None;
    for below in 0..MAX_PATH {
        match issuing_anchor(&current, anchors, below, now) {
            Ok(Some(index)) => found.push(index),
            Ok(None) => {}
            Err(refusal) => broken = broken.or(Some(refusal)),
        }
        // A registered intermediate may itself be presented; then the path goes on from there.
        let next = presented.iter().skip(1).find_map(|der| {
            let issuer = parse(der.as_ref(), "a presented CA").ok()?;
            (issuer.subject() == current.issuer() && issuer.subject() != current.subject())
                .then_some(issuer)
        });
        let Some(issuer) = next else { break };
        if let Err(refusal) = check_issuer(&current, &issuer, below, now) {
            broken = broken.or(Some(refusal));
            break;
        }
        current = issuer;
    }
    if !found.is_empty() {
        return Ok(found);
    }
    Err(broken.unwrap_or_else(|| {
        refused(format!(
            "the certificate '{}' was issued by '{}', which is neither a registered CA nor in the presented chain",
            current.subject(),
            current.issuer()
        ))
    }))
}

/// Checks a proof of possession: issued by the CA, valid now, and its CN is the verification code.
pub(crate) fn verify_possession(
    ca: &[u8],
    proof: &[u8],
    code: &str,
    now: UnixMs,
) -> Result<(), Refusal> {
    let ca = parse(ca, "the CA certificate")?;
    let proof = parse(proof, "the verification certificate")?;
    let found = common_name(&proof);
    if found != code {
        return Err(invalid(format!(
            "the verification certificate's CN is '{found}', and not the verification code"
        )));
    }
    if proof.issuer() != ca.subject() || proof.verify_signature(Some(ca.public_key())).is_err() {
        return Err(invalid(format!(
            "the verification certificate is not signed by the key of '{}'",
            ca.subject()
        )));
    }
    check_validity(&proof, now).map_err(|refusal| invalid(refusal.reason))
}

/// The common name of a certificate's subject.
pub(crate) fn subject_name(der: &[u8]) -> Result<String, Refusal> {
    Ok(common_name(&parse(der, "the device's certificate")?).to_owned())
}

/// Whether `thumbprint` (hexadecimal, SHA-1 or SHA-256, colons allowed) is that of the certificate.
pub(crate) fn has_thumbprint(der: &[u8], thumbprint: &str) -> bool {
    let wanted: String = thumbprint.chars().filter(char::is_ascii_hexdigit).collect();
    let algorithm = match wanted.len() {
        40 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        64 => &digest::SHA256,
        _ => return false,
    };
    wanted.eq_ignore_ascii_case(&hex(digest::digest(algorithm, der).as_ref()))
}

fn issuing_anchor(
    certificate: &X509Certificate<'_>,
    anchors: &[Anchor],
    below: u32,
    now: UnixMs,
) -> Result<Option<usize>, Refusal> {
    let mut broken = None;
    for (index, anchor) in anchors.iter().enumerate() {
        let ca = parse(&anchor.der, "a registered CA")?;
        if ca.subject() != certificate.issuer() {
            continue;
        }
        let checked = check_issuer(certificate, &ca, below, now).and_then(|()| match anchor.verified {
            true => Ok(()),
            false => Err(refused(format!(
                "the CA '{}' is registered as '{}' but not verified: prove possession of its key",
                ca.subject(),
                anchor.name
            ))),
        });
        match checked {
            Ok(()) => return Ok(Some(index)),
            Err(refusal) => broken = Some(refusal),
        }
    }
    broken.map_or(Ok(None), Err)
}

/// Whether `issuer`, with `below` other CAs between it and the leaf, may have issued the certificate, and did.
fn check_issuer(
    certificate: &X509Certificate<'_>,
    issuer: &X509Certificate<'_>,
    below: u32,
    now: UnixMs,
) -> Result<(), Refusal> {
    let name = issuer.subject();
    let constraints = issuer
        .basic_constraints()
        .ok()
        .flatten()
        .filter(|constraints| constraints.value.ca)
        .ok_or_else(|| {
            let subject = certificate.subject();
            refused(format!("'{name}' issued '{subject}' but is no CA"))
        })?;
    if let Some(allowed) = constraints.value.path_len_constraint
        && below > allowed
    {
        return Err(refused(format!(
            "'{name}' allows {allowed} CAs below it, and there are {below} (pathlen)"
        )));
    }
    if key_usage(issuer)?.is_some_and(|usage| !usage.key_cert_sign()) {
        return Err(refused(format!(
            "'{name}' may not sign certificates: its key usage lacks keyCertSign"
        )));
    }
    check_extensions(issuer)?;
    check_is_for_clients(issuer)?;
    if certificate
        .verify_signature(Some(issuer.public_key()))
        .is_err()
    {
        return Err(refused(format!(
            "the signature on '{}' is not by the key of '{}': another CA has the same name",
            certificate.subject(),
            issuer.subject()
        )));
    }
    check_validity(issuer, now)
}

/// What RFC 5280 (4.2.1.3 and 4.2.1.12) lets a certificate forbid; one that lacks the extensions forbids
/// nothing. `openssl verify -purpose sslclient` judges the same.
fn check_leaf(leaf: &X509Certificate<'_>) -> Result<(), Refusal> {
    if key_usage(leaf)?.is_some_and(|usage| !usage.digital_signature() && !usage.key_agreement()) {
        return Err(refused(format!(
            "'{}' may not sign: its key usage lacks digitalSignature",
            leaf.subject()
        )));
    }
    check_extensions(leaf)?;
    check_is_for_clients(leaf)
}

/// RFC 5280, section 4.2: whoever does not know a critical extension must refuse.
fn check_extensions(certificate: &X509Certificate<'_>) -> Result<(), Refusal> {
    let unknown = certificate.extensions().iter().find(|extension| {
        let parsed = extension.parsed_extension();
        extension.critical && matches!(parsed, ParsedExtension::UnsupportedExtension { .. })
    });
    unknown.map_or(Ok(()), |extension| {
        Err(refused(format!(
            "'{}' has a critical extension {} that is not known here",
            certificate.subject(),
            extension.oid
        )))
    })
}

fn check_is_for_clients(certificate: &X509Certificate<'_>) -> Result<(), Refusal> {
    let usage = certificate
        .extended_key_usage()
        .map_err(|error| unreadable(certificate, &error))?;
    if usage.is_none_or(|usage| usage.value.client_auth) {
        return Ok(());
    }
    Err(refused(format!(
        "'{}' is not for clients: its extended key usage lacks clientAuth",
        certificate.subject()
    )))
}

fn key_usage<'c>(certificate: &'c X509Certificate<'_>) -> Result<Option<&'c KeyUsage>, Refusal> {
    let usage = certificate.key_usage();
    let usage = usage.map_err(|error| unreadable(certificate, &error))?;
    Ok(usage.map(|usage| usage.value))
}

fn unreadable(certificate: &X509Certificate<'_>, error: &X509Error) -> Refusal {
    refused(format!(
        "an extension of '{}' cannot be read: {error}",
        certificate.subject()
    ))
}

fn check_validity(certificate: &X509Certificate<'_>, now: UnixMs) -> Result<(), Refusal> {
    let validity = certificate.validity();
    let (start, end) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    let at = |seconds: i64| rfc3339(seconds.saturating_mul(1000));
    if now < start.saturating_mul(1000) {
        return Err(refused(format!(
            "the certificate '{}' is not valid before {}",
            certificate.subject(),
            at(start)
        )));
    }
    if now > end.saturating_mul(1000) {
        return Err(refused(format!(
            "the certificate '{}' expired at {}",
            certificate.subject(),
            at(end)
        )));
    }
    Ok(())
}

fn parse<'d>(der: &'d [u8], what: &str) -> Result<X509Certificate<'d>, Refusal> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(invalid(format!("{what} has bytes behind its end"))),
        Err(error) => Err(invalid(format!("{what} cannot be read: {error}"))),
    }
}

fn common_name<'c>(certificate: &'c X509Certificate<'_>) -> &'c str {
    let name = certificate.subject().iter_common_name().next();
    name.and_then(|name| name.as_str().ok()).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn refused(reason: String) -> Refusal {
    Refusal::new(ErrorCode::IotHubUnauthorized, reason)
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const MAX_PATH: u32 = 10;

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair};

    use super::*;

    /// What comes of a chain whose leaf has an extension that nobody knows.
    fn verify(critical: bool) -> Result<Vec<usize>, Refusal> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap();
        let anchor = Anchor {
            name: "ca".to_owned(),
            der: ca.der().to_vec(),
            verified: true,
        };
        let mut leaf = CertificateParams::new(Vec::new()).unwrap();
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(critical);
        leaf.custom_extensions = vec![extension];
        let leaf = leaf
            .signed_by(&KeyPair::generate().unwrap(), &Issuer::new(params, key))
            .unwrap();
        verify_chain(&[leaf.der()], &[anchor], 1_795_233_725_123)
    }

    #[test]
    fn an_unknown_extension_matters_where_it_is_critical() {
        assert_eq!(verify(false), Ok(vec![0]));
        let reason = verify(true).unwrap_err().reason;
        assert!(reason.contains("a critical extension 1.2.3.4"), "{reason}");
    }
}
