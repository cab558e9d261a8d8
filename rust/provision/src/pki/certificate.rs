//! A certificate that has been read, with the facts that matter here.

use std::net::{Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use time::OffsetDateTime;
use x509_parser::prelude::{
    FromDer as _, GeneralName, ParsedExtension, X509Certificate, X509Error,
};

use crate::error::{Error, Kind};
use crate::files;
use crate::pem;
use crate::pki::Subject;
use crate::pki::serial::hex;

/// What the extensions of a certificate allow, and whether they can be relied on.
#[derive(Clone, Debug)]
struct Usage {
    client_authentication: bool,
    signs_certificates: bool,
    signs: bool,
    objection: Option<String>,
}

/// A parsed X.509 certificate. Two are equal if their bytes are.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Vec<u8>,
    version: u32,
    common_name: Option<String>,
    subject_name: Subject,
    issuer_name: Subject,
    subject: String,
    issuer: String,
    serial: String,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    is_ca: bool,
    path_length: Option<u32>,
    usage: Usage,
    alt_names: Vec<String>,
    key_identifier: Option<Vec<u8>>,
    public_key: Vec<u8>,
    key_kind: &'static str,
    weak_key: Option<&'static str>,
    weak_signature: Option<&'static str>,
}

impl Certificate {
    /// Parses DER.
    ///
    /// # Errors
    /// [`Kind::Content`] if it is not a certificate.
    pub fn from_der(der: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let der = der.into();
        let (rest, parsed) = X509Certificate::from_der(&der).map_err(|_| not_one())?;
        if !rest.is_empty() {
            return Err(not_one());
        }
        let constraints = parsed
            .basic_constraints()
            .ok()
            .flatten()
            .map(|found| found.value);
        let (is_ca, path_length) =
            constraints.map_or((false, None), |found| (found.ca, found.path_len_constraint));
        let subject_name = Subject::from_der(parsed.subject().as_raw());
        let issuer_name = Subject::from_der(parsed.issuer().as_raw());
        Ok(Self {
            version: parsed.version().0 + 1,
            common_name: subject_name.value("CN"),
            subject: subject_name.to_string(),
            issuer: issuer_name.to_string(),
            subject_name,
            issuer_name,
            serial: hex(parsed
                .raw_serial()
                .strip_prefix(&[0])
                .unwrap_or(parsed.raw_serial())),
            not_before: parsed.validity().not_before.to_datetime(),
            not_after: parsed.validity().not_after.to_datetime(),
            is_ca,
            path_length,
            usage: usage(&parsed),
            alt_names: alt_names(&parsed),
            key_identifier: key_identifier(&parsed),
            public_key: parsed.public_key().raw.to_vec(),
            key_kind: key_kind(&parsed),
            weak_key: weak_key(&parsed),
            weak_signature: weak_signature(&parsed),
            der,
        })
    }

    /// All certificates of a file as people have it: PEM in any encoding of text, or one as DER.
    ///
    /// # Errors
    /// [`Kind::Content`] if there is none, or one is damaged.
    pub fn all_from_bytes(bytes: &[u8]) -> Result<Vec<Self>, Error> {
        match files::is_der(bytes) {
            true => Ok(vec![Self::from_der(bytes)?]),
            false => Self::all_from_pem(&files::text(bytes)?),
        }
    }

    /// The first certificate of a PEM text, whatever stands before it.
    ///
    /// # Errors
    /// [`Kind::Content`] if there is none.
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        let mut all = Self::all_from_pem(text)?;
        Ok(all.swap_remove(0))
    }

    /// All certificates of a PEM text in their order, at least one.
    ///
    /// # Errors
    /// [`Kind::Content`] if there is none, or one is damaged.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>, Error> {
        let blocks = pem::blocks_labelled(text, "CERTIFICATE")?;
        blocks
            .into_iter()
            .map(|block| Self::from_der(block.der))
            .collect()
    }

    /// Canonical PEM: LF, a line end after the last line.
    pub fn pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.der)
    }

    /// The bytes themselves.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The common name, which for a device is its device id.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The X.509 version, 1 to 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The subject as it stands in the certificate.
    pub fn subject_name(&self) -> &Subject {
        &self.subject_name
    }

    /// The subject as text.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer as text.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number in upper-case hex.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The first moment at which it holds.
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// The last moment at which it holds.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Whether basicConstraints makes it a CA.
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// How many CAs may stand below it, where that is limited.
    pub fn path_length(&self) -> Option<u32> {
        self.path_length
    }

    /// Whether a TLS client may use it: its extended key usage, if it has one, names clientAuth.
    /// anyExtendedKeyUsage is not enough for OpenSSL either.
    pub fn client_authentication(&self) -> bool {
        self.usage.client_authentication
    }

    /// Whether its key may sign certificates: its key usage, if it has one, names keyCertSign.
    pub fn signs_certificates(&self) -> bool {
        self.usage.signs_certificates
    }

    /// Whether its key may sign a handshake: its key usage, if it has one, names digitalSignature
    /// or keyAgreement.
    pub fn signs_handshakes(&self) -> bool {
        self.usage.signs
    }

    /// Why its extensions cannot be relied on: one that is critical is not known here, cannot be
    /// read, or stands there twice (RFC 5280, section 4.2).
    pub fn objection(&self) -> Option<&str> {
        self.usage.objection.as_deref()
    }

    /// The identifier of its key (RFC 5280, section 4.2.1.2), where it has one.
    pub(crate) fn key_identifier(&self) -> Option<&[u8]> {
        self.key_identifier.as_deref()
    }

    /// The host names and IP addresses that a server proves with it, sorted.
    pub fn alt_names(&self) -> &[String] {
        &self.alt_names
    }

    /// Whether it is its own issuer.
    pub fn is_self_issued(&self) -> bool {
        self.subject_name == self.issuer_name
    }

    /// The public key as DER SubjectPublicKeyInfo.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// The public key as PEM.
    pub fn public_key_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.public_key)
    }

    /// Which kind of key it holds: `EC P-256`, `RSA 2048`, …
    pub fn key_kind(&self) -> &'static str {
        self.key_kind
    }

    /// What is wrong with its key, if that is too short for today.
    pub fn weak_key(&self) -> Option<&'static str> {
        self.weak_key
    }

    /// What is wrong with the algorithm of the signature on it, if that is broken.
    pub fn weak_signature(&self) -> Option<&'static str> {
        self.weak_signature
    }

    /// SHA-256 over the DER, upper-case hex: IoT Hub's primary thumbprint form.
    pub fn thumbprint(&self) -> String {
        hex(digest(&SHA256, &self.der).as_ref())
    }

    /// SHA-1 over the DER, upper-case hex, which IoT Hub's portal shows.
    pub fn thumbprint_sha1(&self) -> String {
        hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der).as_ref())
    }

    /// Whether `now` lies within its validity.
    pub fn is_valid_at(&self, now: OffsetDateTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Whether this certificate's key made the signature on `other`, and the names join.
    pub fn has_signed(&self, other: &Certificate) -> bool {
        let (Ok((_, own)), Ok((_, issued))) = (
            X509Certificate::from_der(&self.der),
            X509Certificate::from_der(&other.der),
        ) else {
            return false;
        };
        own.subject().as_raw() == issued.issuer().as_raw()
            && issued.verify_signature(Some(own.public_key())).is_ok()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

fn usage(certificate: &X509Certificate<'_>) -> Usage {
    let purposes = certificate.extended_key_usage();
    let keys = certificate.key_usage();
    let constraints = certificate.basic_constraints();
    let broken = |error: &X509Error| format!("an extension cannot be relied on: {error}");
    let unread = [
        purposes.as_ref().err(),
        keys.as_ref().err(),
        constraints.as_ref().err(),
    ];
    let unread = unread.into_iter().flatten().next().map(broken);
    let objection = unread.or_else(|| {
        let unknown = certificate.extensions().iter().find(|extension| {
            let is_known = KNOWN.contains(&extension.oid.to_id_string().as_str());
            let is_read = !matches!(
                extension.parsed_extension(),
                ParsedExtension::ParseError { .. } | ParsedExtension::UnsupportedExtension { .. }
            );
            extension.critical && !(is_known && is_read)
        });
        unknown
            .map(|extension| format!("the critical extension {} is not known here", extension.oid))
    });
    let purposes = purposes.ok().flatten().map(|found| found.value);
    let keys = keys.ok().flatten().map(|found| found.value);
    Usage {
        client_authentication: purposes.is_none_or(|found| found.client_auth),
        signs_certificates: keys.is_none_or(|found| found.key_cert_sign()),
        signs: keys.is_none_or(|found| found.digital_signature() || found.key_agreement()),
        objection,
    }
}

fn key_identifier(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(found) => Some(found.0.to_vec()),
            _ => None,
        })
}

fn alt_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(octets) => ip_address(octets),
            _ => None,
        });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn ip_address(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).to_string());
    let v6 = <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).to_string());
    v4.or(v6).ok()
}

fn key_kind(certificate: &X509Certificate<'_>) -> &'static str {
    use x509_parser::public_key::PublicKey;
    match certificate.public_key().parsed() {
        Ok(PublicKey::EC(point)) => match point.key_size() {
            256 => "EC P-256",
            384 => "EC P-384",
            521 | 528 => "EC P-521",
            _ => "EC",
        },
        Ok(PublicKey::RSA(key)) => match key.key_size() {
            2048 => "RSA 2048",
            3072 => "RSA 3072",
            4096 => "RSA 4096",
            _ => "RSA",
        },
        _ => "unknown",
    }
}

/// Below 112 bits of security (NIST SP 800-57, part 1, table 2).
fn weak_key(certificate: &X509Certificate<'_>) -> Option<&'static str> {
    use x509_parser::public_key::PublicKey;
    match certificate.public_key().parsed() {
        Ok(PublicKey::EC(point)) if point.key_size() < 224 => {
            Some("the EC key is shorter than 224 bits")
        }
        Ok(PublicKey::RSA(key)) if key.key_size() < 2048 => {
            Some("the RSA key is shorter than 2048 bits")
        }
        _ => None,
    }
}

fn weak_signature(certificate: &X509Certificate<'_>) -> Option<&'static str> {
    match certificate
        .signature_algorithm
        .algorithm
        .to_id_string()
        .as_str()
    {
        "1.2.840.113549.1.1.4" => Some("it is signed with MD5"),
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => Some("it is signed with SHA-1"),
        _ => None,
    }
}

fn not_one() -> Error {
    Error::new(Kind::Content, "this is not an X.509 certificate")
        .advise("look at it with: openssl x509 -text -noout -in FILE")
}

/// Extensions that are judged here, or that forbid nothing here: key identifiers, key usage,
/// alternative names, basic constraints, policies, extended key usage.
const KNOWN: &[&str] = &[
    "2.5.29.14",
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.18",
    "2.5.29.19",
    "2.5.29.32",
    "2.5.29.35",
    "2.5.29.37",
];
