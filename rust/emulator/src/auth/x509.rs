//! Certificates: what stands in one, and how one is given.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};

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
///
/// A text that holds a private key is refused: Microsoft asks for the certificate alone, and a key
/// that was sent is known to others.
pub(crate) fn from_text(text: &str) -> Result<Vec<u8>, Refusal> {
    if let Some(der) = from_pem(text)? {
        return Ok(der);
    }
    let body: String = text.split_whitespace().collect();
    let bytes = STANDARD
        .decode(body)
        .map_err(|_| invalid("the certificate is neither PEM nor base64 of DER".into()))?;
    let inner = std::str::from_utf8(&bytes).ok().map(from_pem);
    let der = inner.transpose()?.flatten().unwrap_or(bytes);
    describe(&der).map(|_| der)
}

/// The first certificate of a PEM text; `None` if it is no PEM.
fn from_pem(text: &str) -> Result<Option<Vec<u8>>, Refusal> {
    if !text.contains("-----BEGIN ") {
        return Ok(None);
    }
    if PrivateKeyDer::pem_slice_iter(text.as_bytes()).any(|it| it.is_ok()) || text.contains(KEY) {
        return Err(invalid(
            "the text holds a private key, which must never leave its place: send the certificate alone, and make a new key"
                .into(),
        ));
    }
    let der = CertificateDer::from_pem_slice(text.as_bytes());
    let der = der.map_err(|error| match error {
        pem::Error::NoItemsFound => invalid("the PEM text has no CERTIFICATE block".into()),
        error => invalid(format!("the PEM text cannot be read: {error}")),
    })?;
    describe(&der).map(|_| Some(der.to_vec()))
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

/// Whether a certificate is valid at a moment.
pub(super) fn check_validity(
    certificate: &X509Certificate<'_>,
    now: UnixMs,
) -> Result<(), Refusal> {
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

/// Reads a certificate; `what` it is stands in the refusal.
pub(super) fn parse<'d>(der: &'d [u8], what: &str) -> Result<X509Certificate<'d>, Refusal> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(invalid(format!("{what} has bytes behind its end"))),
        Err(error) => Err(invalid(format!("{what} cannot be read: {error}"))),
    }
}

pub(super) fn common_name<'c>(certificate: &'c X509Certificate<'_>) -> &'c str {
    let name = certificate.subject().iter_common_name().next();
    name.and_then(|name| name.as_str().ok()).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A refusal of who presents a certificate.
pub(super) fn refused(reason: String) -> Refusal {
    Refusal::new(ErrorCode::IotHubUnauthorized, reason)
}

pub(super) fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

/// How every kind of private key ends its first line.
const KEY: &str = "PRIVATE KEY-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_refused_wherever_it_stands() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (pem, key) = (certificate.pem(), key.serialize_pem());
        let sealed =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let base64 = |text: &str| STANDARD.encode(text);
        for text in [
            format!("{pem}{key}"),
            format!("{key}{pem}"),
            format!("{pem}{sealed}"),
            base64(&format!("{pem}{key}")),
            key,
        ] {
            let refusal = from_text(&text).unwrap_err();
            assert!(refusal.reason.contains("a private key"), "{refusal}");
        }
        // As `openssl x509 -text` writes it.
        let spoken = format!("Certificate:\n    Data:\n{pem}");
        let der = certificate.der().to_vec();
        for text in [pem.clone(), spoken, base64(&pem), STANDARD.encode(&der)] {
            assert_eq!(from_text(&text).as_ref(), Ok(&der));
        }
        for (text, why) in [
            (
                "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
                "no CERTIFICATE block",
            ),
            (
                "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
                "cannot be read",
            ),
            ("nothing", "neither PEM nor base64"),
        ] {
            let refusal = from_text(text).unwrap_err();
            assert!(refusal.reason.contains(why), "{refusal}");
        }
    }
}
