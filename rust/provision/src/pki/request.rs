//! Certificate signing requests: made here, or read from a file or a modem.

use rcgen::CertificateParams;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use crate::error::{Error, Kind};
use crate::pem;
use crate::pki::certificate::common_name;
use crate::pki::{Key, Subject};

/// A request whose signature has been verified: who made it holds the key.
///
/// Only the public key and the common name are taken from it. What it asks for in extensions is
/// reported and never granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningRequest {
    der: Vec<u8>,
    common_name: Option<String>,
    public_key: Vec<u8>,
    asks_for_ca: bool,
}

impl SigningRequest {
    /// Makes a request for this name, signed with the key.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the library refuses the name.
    pub fn create(key: &Key, subject: &Subject) -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject.distinguished_name();
        let request = params.serialize_request(key.pair()).map_err(|error| {
            Error::new(Kind::Internal, format!("no request could be made: {error}"))
        })?;
        Self::from_der(request.der().as_ref())
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
        Ok(Self {
            common_name: common_name(&info.subject),
            public_key: info.subject_pki.raw.to_vec(),
            asks_for_ca,
            der,
        })
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

    /// The public key as DER SubjectPublicKeyInfo.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Whether it asks to become a CA, which a device certificate never grants.
    pub fn asks_for_ca(&self) -> bool {
        self.asks_for_ca
    }
}

fn not_one() -> Error {
    Error::new(
        Kind::Content,
        "the block does not hold a PKCS#10 signing request",
    )
    .advise("look at it with: openssl req -text -noout -in FILE")
}
