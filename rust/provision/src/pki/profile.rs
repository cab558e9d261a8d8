//! What kinds of certificates there are, and what each may do.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
};
use time::{Duration, OffsetDateTime};

use crate::error::{Error, Kind};
use crate::pki::Certificate;

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
    pub(crate) fn apply(&self, params: &mut CertificateParams) -> Result<(), Error> {
        params.use_authority_key_identifier_extension = !matches!(self, Profile::Root);
        let ca_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        match self {
            Profile::Root => {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.key_usages = ca_usages;
            }
            Profile::Intermediate { path_length } => {
                params.is_ca = IsCa::Ca(path_length.map_or(
                    BasicConstraints::Unconstrained,
                    BasicConstraints::Constrained,
                ));
                params.key_usages = ca_usages;
                params.extended_key_usages = vec![
                    ExtendedKeyUsagePurpose::ClientAuth,
                    ExtendedKeyUsagePurpose::ServerAuth,
                ];
            }
            Profile::Device => {
                params.is_ca = IsCa::ExplicitNoCa;
                params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }
            Profile::Server { names } => {
                params.is_ca = IsCa::ExplicitNoCa;
                params.key_usages = vec![
                    KeyUsagePurpose::DigitalSignature,
                    KeyUsagePurpose::KeyEncipherment,
                ];
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                params.subject_alt_names = names
                    .iter()
                    .map(|name| san(name))
                    .collect::<Result<_, _>>()?;
            }
            Profile::Proof => {
                params.is_ca = IsCa::ExplicitNoCa;
                params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            }
        }
        Ok(())
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
            .map(|name| match san(name)? {
                SanType::IpAddress(address) => Ok(address.to_string()),
                _ => Ok(name.clone()),
            })
            .collect::<Result<Vec<String>, Error>>()?;
        plain.sort();
        Ok(plain)
    }
}

/// A distinguished name: an optional prefix, an optional unit, and the common name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    attributes: Vec<(&'static str, String)>,
}

impl Subject {
    /// `CN=…` alone.
    pub fn common_name(name: impl Into<String>) -> Self {
        Self {
            attributes: vec![("CN", name.into())],
        }
    }

    /// A prefix in OpenSSL's form, `/C=NO/ST=Norway/O=Nordic Semiconductor`, and a unit, both
    /// before the common name.
    ///
    /// # Errors
    /// [`Kind::Usage`] if the prefix is not of that form or an attribute is unknown.
    pub fn new(prefix: Option<&str>, unit: Option<&str>, name: &str) -> Result<Self, Error> {
        let mut attributes = Vec::new();
        for part in prefix
            .unwrap_or("")
            .split('/')
            .filter(|part| !part.is_empty())
        {
            let (key, value) = part.split_once('=').ok_or_else(|| bad_prefix(part))?;
            let known = ATTRIBUTES.iter().find(|(known, _)| *known == key.trim());
            let (known, _) = known.ok_or_else(|| bad_prefix(part))?;
            attributes.push((*known, value.trim().to_owned()));
        }
        attributes.extend(unit.map(|unit| ("OU", unit.to_owned())));
        attributes.push(("CN", name.to_owned()));
        Ok(Self { attributes })
    }

    /// The subject of a certificate that is to be issued anew.
    ///
    /// # Errors
    /// [`Kind::Trust`] if it has attributes that this tool does not write.
    pub fn of(certificate: &Certificate) -> Result<Self, Error> {
        let odd = || {
            Error::new(
                Kind::Trust,
                format!(
                    "the subject {} cannot be repeated here",
                    certificate.subject()
                ),
            )
            .advise("renew this certificate where it was made")
        };
        let mut attributes = Vec::new();
        for part in certificate.subject().split(", ") {
            let (key, value) = part.split_once('=').ok_or_else(odd)?;
            let (known, _) = ATTRIBUTES
                .iter()
                .find(|(known, _)| *known == key)
                .ok_or_else(odd)?;
            attributes.push((*known, value.to_owned()));
        }
        Ok(Self { attributes })
    }

    pub(crate) fn distinguished_name(&self) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        for (key, value) in &self.attributes {
            if let Some((_, kind)) = ATTRIBUTES.iter().find(|(known, _)| known == key) {
                name.push(kind.clone(), value_of(key, value));
            }
        }
        name
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
    /// [`Kind::Usage`] if the end lies beyond the year 9999.
    pub fn days(now: OffsetDateTime, days: u32) -> Result<Self, Error> {
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

    /// The same, but never longer than the issuer's own.
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

/// A host name, or an IP address with or without brackets.
fn san(name: &str) -> Result<SanType, Error> {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    name.try_into().map(SanType::DnsName).map_err(|_| {
        Error::new(
            Kind::Usage,
            format!("{name:?} is neither a host name nor an IP address"),
        )
    })
}

/// A country is a PrintableString (X.520), everything else UTF-8.
fn value_of(key: &str, value: &str) -> DnValue {
    match value.try_into() {
        Ok(printable) if key == "C" => DnValue::PrintableString(printable),
        _ => DnValue::Utf8String(value.to_owned()),
    }
}

fn bad_prefix(part: &str) -> Error {
    let known: Vec<&str> = ATTRIBUTES.iter().map(|(key, _)| *key).collect();
    Error::new(
        Kind::Usage,
        format!("the subject prefix has {part:?} in it"),
    )
    .advise(format!(
        "write /C=NO/ST=Norway/O=Company; known are {}",
        known.join(", ")
    ))
}

const ATTRIBUTES: &[(&str, DnType)] = &[
    ("C", DnType::CountryName),
    ("ST", DnType::StateOrProvinceName),
    ("L", DnType::LocalityName),
    ("O", DnType::OrganizationName),
    ("OU", DnType::OrganizationalUnitName),
    ("CN", DnType::CommonName),
];
