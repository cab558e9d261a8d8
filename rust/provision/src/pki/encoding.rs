//! Certificates and requests as DER (RFC 5280, section 4.1, and RFC 2986), signed.
//!
//! Names go in as the bytes that they are, so that an issuer that another tool has named joins the
//! certificates that are issued here, whatever its name is made of.

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{KeyPair, SigningKey as _};
use time::OffsetDateTime;
use x509_cert::attr::Attribute;
use x509_cert::der::asn1::{BitString, GeneralizedTime, ObjectIdentifier, SetOfVec, UtcTime};
use x509_cert::der::{Any, DateTime, Decode as _, Tag, TagNumber};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};

use crate::error::{Error, Kind};
use crate::pki::der::{constructed, der, extension, octets, sequence, unencodable};
use crate::pki::{Subject, Validity};

/// The fields of a certificate, apart from what the signer adds.
pub(crate) struct Fields<'a> {
    /// The serial number, positive.
    pub(crate) serial: &'a [u8],
    /// The issuer's name as it stands in its certificate.
    pub(crate) issuer: &'a Subject,
    /// From when until when.
    pub(crate) validity: Validity,
    /// The subject.
    pub(crate) subject: &'a Subject,
    /// The public key as DER SubjectPublicKeyInfo.
    pub(crate) public_key: &'a [u8],
    /// What follows from its purpose, and the key identifiers.
    pub(crate) extensions: Vec<Extension>,
}

/// Signs a certificate.
pub(crate) fn certificate(fields: &Fields<'_>, signer: &KeyPair) -> Result<Vec<u8>, Error> {
    let algorithm = algorithm(signer)?;
    let version_3 = context(TagNumber::N0, &der(&2_u8)?)?;
    let serial = SerialNumber::<x509_cert::certificate::Rfc5280>::new(fields.serial);
    let validity = sequence(&[
        &moment(fields.validity.not_before)?,
        &moment(fields.validity.not_after)?,
    ])?;
    let extensions = context(TagNumber::N3, &der(&fields.extensions)?)?;
    let body = sequence(&[
        &version_3,
        &der(&serial.map_err(unencodable)?)?,
        &algorithm,
        fields.issuer.der(),
        &validity,
        fields.subject.der(),
        fields.public_key,
        &extensions,
    ])?;
    signed(&body, &algorithm, signer)
}

/// Signs a PKCS#10 request for this name, without extensions.
pub(crate) fn request(subject: &Subject, signer: &KeyPair) -> Result<Vec<u8>, Error> {
    let body = request_body(
        subject,
        &rcgen::PublicKeyData::subject_public_key_info(signer),
        &[],
    )?;
    signed(&body, &algorithm(signer)?, signer)
}

/// The part of a request that is signed.
pub(crate) fn request_body(
    subject: &Subject,
    public_key: &[u8],
    extensions: &[Extension],
) -> Result<Vec<u8>, Error> {
    let mut attributes = Vec::new();
    if !extensions.is_empty() {
        let wanted = Any::encode_from(&extensions.to_vec()).map_err(unencodable)?;
        let values = SetOfVec::try_from(vec![wanted]).map_err(unencodable)?;
        let oid = EXTENSION_REQUEST;
        attributes = der(&Attribute { oid, values })?;
    }
    let attributes = context(TagNumber::N0, &attributes)?;
    sequence(&[&der(&0_u8)?, subject.der(), public_key, &attributes])
}

/// The extension that names the key of the certificate itself.
pub(crate) fn subject_key(identifier: &[u8]) -> Result<Extension, Error> {
    extension(&SubjectKeyIdentifier(octets(identifier)?), false)
}

/// The extension that names the key of the issuer.
pub(crate) fn authority_key(identifier: &[u8]) -> Result<Extension, Error> {
    let identifier = AuthorityKeyIdentifier {
        key_identifier: Some(octets(identifier)?),
        ..AuthorityKeyIdentifier::default()
    };
    extension(&identifier, false)
}

/// The leftmost 160 bits of SHA-256 of the public key (RFC 7093, section 2, method 1).
pub(crate) fn key_identifier(public_key: &[u8]) -> Result<Vec<u8>, Error> {
    let info = SubjectPublicKeyInfoRef::from_der(public_key).map_err(unencodable)?;
    let hash = digest(&SHA256, info.subject_public_key.raw_bytes());
    Ok(hash.as_ref()[..20].to_vec())
}

fn signed(body: &[u8], algorithm: &[u8], signer: &KeyPair) -> Result<Vec<u8>, Error> {
    let signature = signer
        .sign(body)
        .map_err(|error| Error::new(Kind::Internal, format!("nothing could be signed: {error}")))?;
    let signature = BitString::from_bytes(&signature).map_err(unencodable)?;
    sequence(&[body, algorithm, &der(&signature)?])
}

/// The signature algorithm of this key (RFC 5758, section 3.2, and RFC 4055, section 5).
fn algorithm(signer: &KeyPair) -> Result<Vec<u8>, Error> {
    let (oid, parameters) = match signer.algorithm() {
        found if found == &rcgen::PKCS_ECDSA_P256_SHA256 => ("1.2.840.10045.4.3.2", None),
        found if found == &rcgen::PKCS_ECDSA_P384_SHA384 => ("1.2.840.10045.4.3.3", None),
        found if found == &rcgen::PKCS_RSA_SHA256 => ("1.2.840.113549.1.1.11", Some(Any::null())),
        _ => {
            return Err(
                Error::new(Kind::Content, "a key of this kind cannot sign here")
                    .advise("use EC P-256, EC P-384 or RSA"),
            );
        }
    };
    let oid = ObjectIdentifier::new_unwrap(oid);
    der(&AlgorithmIdentifierOwned { oid, parameters })
}

/// UTCTime until 2049, GeneralizedTime after it (RFC 5280, section 4.1.2.5).
fn moment(at: OffsetDateTime) -> Result<Vec<u8>, Error> {
    let at = at.to_offset(time::UtcOffset::UTC);
    let year = u16::try_from(at.year()).unwrap_or_default();
    let moment = DateTime::new(
        year,
        at.month().into(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
    )
    .map_err(unencodable)?;
    if year < 2050 {
        der(&UtcTime::from_date_time(moment).map_err(unencodable)?)
    } else {
        der(&GeneralizedTime::from_date_time(moment))
    }
}

fn context(number: TagNumber, content: &[u8]) -> Result<Vec<u8>, Error> {
    let tag = Tag::ContextSpecific {
        constructed: true,
        number,
    };
    constructed(tag, content)
}

/// `extensionRequest` of PKCS#9 (RFC 2985, section 5.4.2).
const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");
