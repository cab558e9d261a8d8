//! A certificate that has been read, with the facts that matter here.

use std::net::{Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::error::{Error, Kind};
use crate::pem;
use crate::pki::serial::hex;

/// A parsed X.509 certificate. Two are equal if their bytes are.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Vec<u8>,
    common_name: Option<String>,
    subject: String,
    issuer: String,
    serial: String,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    is_ca: bool,
    path_length: Option<u32>,
    client_authentication: bool,
    alt_names: Vec<String>,
    public_key: Vec<u8>,
    key_kind: &'static str,
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
        let common_name = common_name(parsed.subject());
        let constraints = parsed
            .basic_constraints()
            .ok()
            .flatten()
            .map(|found| found.value);
        let purposes = parsed
            .extended_key_usage()
            .ok()
            .flatten()
            .map(|found| found.value);
        let (is_ca, path_length) =
            constraints.map_or((false, None), |found| (found.ca, found.path_len_constraint));
        Ok(Self {
            common_name,
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            serial: hex(parsed
                .raw_serial()
                .strip_prefix(&[0])
                .unwrap_or(parsed.raw_serial())),
            not_before: parsed.validity().not_before.to_datetime(),
            not_after: parsed.validity().not_after.to_datetime(),
            is_ca,
            path_length,
            client_authentication: purposes.is_none_or(|found| found.client_auth || found.any),
            alt_names: alt_names(&parsed),
            public_key: parsed.public_key().raw.to_vec(),
            key_kind: key_kind(&parsed),
            der,
        })
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

    /// Whether it may sign certificates.
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// How many CAs may stand below it, where that is limited.
    pub fn path_length(&self) -> Option<u32> {
        self.path_length
    }

    /// Whether a TLS client may use it.
    pub fn client_authentication(&self) -> bool {
        self.client_authentication
    }

    /// The host names and IP addresses that a server proves with it, sorted.
    pub fn alt_names(&self) -> &[String] {
        &self.alt_names
    }

    /// Whether it is its own issuer.
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
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

pub(crate) fn common_name(name: &x509_parser::x509::X509Name<'_>) -> Option<String> {
    name.iter_common_name()
        .next()
        .and_then(|found| found.as_str().ok())
        .map(str::to_owned)
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

fn not_one() -> Error {
    Error::new(
        Kind::Content,
        "the CERTIFICATE block does not hold an X.509 certificate",
    )
    .advise("look at it with: openssl x509 -text -noout -in FILE")
}
