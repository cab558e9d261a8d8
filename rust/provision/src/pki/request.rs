//! Certificate signing requests: made here, or read from a file or a modem.

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use crate::error::{Error, Kind};
use crate::files;
use crate::pem;
use crate::pki::encoding;
use crate::pki::{Key, Subject};

/// A request whose signature has been verified: who made it holds the key.
///
/// Only the public key and the name are taken from it. What it asks for in extensions is
/// reported and never granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningRequest {
    der: Vec<u8>,
    common_name: Option<String>,
    subject_name: Subject,
    public_key: Vec<u8>,
    asks_for_ca: bool,
}

impl SigningRequest {
    /// Makes a request for this name, signed with the key.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the crypto library cannot sign.
    pub fn create(key: &Key, subject: &Subject) -> Result<Self, Error> {
        Self::from_der(encoding::request(subject, key.pair())?)
    }

    /// Parses and verifies DER. Accepts the modem's own form too, whose signature algorithm has
    /// NULL parameters.
    ///
    /// # Errors
    /// [`Kind::Content`] if it is no request, [`Kind::Trust`] if its signature is wrong.
    pub fn from_der(der: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let der = der.into();
        let (rest, parsed) = X509CertificationRequest::from_der(&der).map_err(|_| not_one())?;
        if !rest.is_empty() {
            return Err(not_one());
        }
        if let Ok(PublicKey::RSA(key)) = parsed.certification_request_info.subject_pki.parsed()
            && key.key_size() < LEAST_RSA
        {
            return Err(Error::new(
                Kind::Trust,
                format!(
                    "the key of the signing request is RSA with {} bits",
                    key.key_size()
                ),
            )
            .advise("make it with 2048 bits or more, or with EC P-256"));
        }
        parsed.verify_signature().map_err(|_| {
            Error::new(Kind::Trust, "the signature of the signing request is wrong")
                .advise("make the request again; it was changed or cut after it was signed")
        })?;
        let asks_for_ca = parsed.requested_extensions().is_some_and(|mut extensions| {
            extensions.any(|extension| {
                matches!(extension, x509_parser::extensions::ParsedExtension::BasicConstraints(c) if c.ca)
            })
        });
        let info = &parsed.certification_request_info;
        let subject_name = Subject::from_der(info.subject.as_raw());
        Ok(Self {
            common_name: subject_name.value("CN"),
            subject_name,
            public_key: info.subject_pki.raw.to_vec(),
            asks_for_ca,
            der,
        })
    }

    /// The request of a file as people have it: PEM in any encoding of text, or DER.
    ///
    /// # Errors
    /// As [`SigningRequest::from_der`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        match files::is_der(bytes) {
            true => Self::from_der(bytes),
            false => Self::from_pem(&files::text(bytes)?),
        }
    }

    /// The first request of a PEM text.
    ///
    /// # Errors
    /// As [`SigningRequest::from_der`].
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        let block = pem::blocks_labelled(text, "CERTIFICATE REQUEST")
            .or_else(|error| {
                pem::blocks_labelled(text, "NEW CERTIFICATE REQUEST").map_err(|_| error)
            })?
            .swap_remove(0);
        Self::from_der(block.der)
    }

    /// The request as PEM.
    pub fn pem(&self) -> String {
        pem::encode("CERTIFICATE REQUEST", &self.der)
    }

    /// The bytes themselves.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The common name that it asks for.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The subject that it asks for, byte for byte, if a certificate can carry that.
    ///
    /// # Errors
    /// [`Kind::Trust`] if it has no common name, or something in it that a terminal or a shell
    /// would take for a command.
    pub fn usable_subject(&self) -> Result<Subject, Error> {
        let attributes = self.subject_name.attributes();
        let odd = attributes
            .iter()
            .find(|found| found.value.chars().any(char::is_control));
        if let Some(odd) = odd {
            return Err(Error::new(
                Kind::Trust,
                format!("the request has control characters in its {}", odd.key),
            )
            .advise("give --common-name CN in its place"));
        }
        if !attributes.iter().any(|found| found.key == "CN") {
            return Err(Error::new(Kind::Trust, "the request has no common name")
                .advise("give --common-name CN"));
        }
        Ok(self.subject_name.clone())
    }

    /// The name that it asks for, as it stands there.
    pub fn subject_name(&self) -> &Subject {
        &self.subject_name
    }

    /// The public key as DER SubjectPublicKeyInfo.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Whether it asks to become a CA, which a device certificate never grants.
    pub fn asks_for_ca(&self) -> bool {
        self.asks_for_ca
    }
}

/// Bits of an RSA key that a hub takes; the crypto library verifies no shorter one.
const LEAST_RSA: usize = 2048;

fn not_one() -> Error {
    Error::new(Kind::Content, "this is not a PKCS#10 signing request")
        .advise("look at it with: openssl req -text -noout -in FILE")
}
