//! What kinds of certificates there are, and what each may do.

use std::net::IpAddr;

use time::{Duration, OffsetDateTime};
use x509_cert::der::asn1::{Ia5String, ObjectIdentifier, OctetString};
use x509_cert::der::flagset::FlagSet;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
};

use crate::error::{Error, Kind};
use crate::pki::der::{extension, unencodable};

/// What a certificate is for. The extensions follow from this alone and never from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// CA, key usage certificate and CRL signing.
    Root,
    /// As the root, and usable for client and server authentication.
    Intermediate {
        /// How many further CAs may stand below; `None` sets no limit.
        path_length: Option<u8>,
    },
    /// Not a CA, digital signature, client authentication.
    Device,
    /// Not a CA, digital signature (and key encipherment for RSA), server authentication.
    Server {
        /// Host names and IP addresses.
        names: Vec<String>,
    },
    /// Not a CA, digital signature, nothing else: it proves who holds the CA's key.
    Proof,
}

impl Profile {
    /// The extensions, apart from the key identifiers.
    pub(crate) fn extensions(&self) -> Result<Vec<Extension>, Error> {
        let path_length = match self {
            Profile::Intermediate { path_length } => *path_length,
            _ => None,
        };
        let mut extensions = Vec::new();
        if let Profile::Server { names } = self {
            let names = names.iter().map(|name| general_name(name));
            let names = SubjectAltName(names.collect::<Result<_, _>>()?);
            extensions.push(extension(&names, false)?);
        }
        extensions.push(extension(&KeyUsage(self.key_usages()), true)?);
        let purposes = self.purposes();
        if !purposes.is_empty() {
            let purposes = purposes.iter().map(|oid| ObjectIdentifier::new_unwrap(oid));
            let purposes = ExtendedKeyUsage(purposes.collect());
            extensions.push(extension(&purposes, false)?);
        }
        let constraints = BasicConstraints {
            ca: self.is_ca(),
            path_len_constraint: path_length,
        };
        extensions.push(extension(&constraints, true)?);
        Ok(extensions)
    }

    fn is_ca(&self) -> bool {
        matches!(self, Profile::Root | Profile::Intermediate { .. })
    }

    fn key_usages(&self) -> FlagSet<KeyUsages> {
        match self {
            Profile::Root | Profile::Intermediate { .. } => {
                KeyUsages::KeyCertSign | KeyUsages::CRLSign
            }
            Profile::Server { .. } => KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment,
            Profile::Device | Profile::Proof => KeyUsages::DigitalSignature.into(),
        }
    }

    fn purposes(&self) -> &'static [&'static str] {
        match self {
            Profile::Root | Profile::Proof => &[],
            Profile::Intermediate { .. } => &[CLIENT_AUTH, SERVER_AUTH],
            Profile::Device => &[CLIENT_AUTH],
            Profile::Server { .. } => &[SERVER_AUTH],
        }
    }

    /// The server's names in the plain form of [`Certificate::alt_names`], sorted.
    ///
    /// [`Certificate::alt_names`]: crate::pki::Certificate::alt_names
    pub(crate) fn alt_names(&self) -> Result<Vec<String>, Error> {
        let Profile::Server { names } = self else {
            return Ok(Vec::new());
        };
        let mut plain = names
            .iter()
            .map(|name| match ip_address(name) {
                Some(address) => Ok(address.to_string()),
                None => host_name(name).map(str::to_owned),
            })
            .collect::<Result<Vec<String>, Error>>()?;
        plain.sort();
        Ok(plain)
    }
}

/// From when until when. Never left to a library's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: OffsetDateTime,
    /// The last moment.
    pub not_after: OffsetDateTime,
}

impl Validity {
    /// From [`BACKDATED`] before `now`, so that a device whose clock is a little slow accepts it,
    /// for this many days.
    ///
    /// # Errors
    /// [`Kind::Usage`] for no day at all, or if the end lies beyond the year 9999.
    pub fn days(now: OffsetDateTime, days: u32) -> Result<Self, Error> {
        if days == 0 {
            return Err(Error::new(
                Kind::Usage,
                "a certificate for 0 days has expired when it is made",
            )
            .advise("give --days 1 or more; 3650 is the default"));
        }
        let end = now.checked_add(Duration::days(i64::from(days)));
        match end.filter(|end| end.year() <= 9999) {
            Some(not_after) => Ok(Self {
                not_before: now - BACKDATED,
                not_after,
            }),
            None => Err(
                Error::new(Kind::Usage, format!("{days} days is too long a validity"))
                    .advise("3650 is the default"),
            ),
        }
    }

    /// This validity, but never longer than the issuer's own.
    #[must_use]
    pub fn within(self, issuer_not_after: OffsetDateTime) -> Self {
        Self {
            not_after: self.not_after.min(issuer_not_after),
            ..self
        }
    }
}

/// How far the start of a validity lies before the moment of issue.
pub const BACKDATED: Duration = Duration::minutes(10);

fn general_name(name: &str) -> Result<GeneralName, Error> {
    if let Some(address) = ip_address(name) {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        return OctetString::new(octets)
            .map(GeneralName::IpAddress)
            .map_err(unencodable);
    }
    Ia5String::new(host_name(name)?)
        .map(GeneralName::DnsName)
        .map_err(unencodable)
}

/// An IP address with or without brackets.
fn ip_address(name: &str) -> Option<IpAddr> {
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    bare.unwrap_or(name).parse().ok()
}

/// A host name of RFC 1123, section 2.1, in which the first part may be `*`.
fn host_name(name: &str) -> Result<&str, Error> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let labels = name.strip_prefix("*.").unwrap_or(name);
    // A name whose last part is a number is taken for an address (WHATWG's URL standard, RFC 3696,
    // section 2).
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let ends_in_a_number = labels.rsplit('.').next().is_some_and(is_number);
    if name.len() <= 253 && labels.split('.').all(is_label) && !ends_in_a_number {
        return Ok(name);
    }
    Err(Error::new(
        Kind::Usage,
        format!("{name:?} is neither a host name nor an IP address"),
    )
    .advise("give --host NAME, for example --host localhost or --host 127.0.0.1"))
}

/// `id-kp-serverAuth` and `id-kp-clientAuth` (RFC 5280, section 4.2.1.12).
const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
