//! DER of values that are made here.

use x509_cert::der::asn1::{AnyRef, OctetString};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Encode, Tag};
use x509_cert::ext::Extension;

use crate::error::{Error, Kind};

/// One extension.
pub(crate) fn extension<E: AssociatedOid + Encode>(
    content: &E,
    critical: bool,
) -> Result<Extension, Error> {
    Ok(Extension {
        extn_id: E::OID,
        critical,
        extn_value: octets(&der(content)?)?,
    })
}

/// DER of a SEQUENCE of parts that are DER themselves.
pub(crate) fn sequence(parts: &[&[u8]]) -> Result<Vec<u8>, Error> {
    constructed(Tag::Sequence, &parts.concat())
}

/// DER of any value with this tag.
pub(crate) fn constructed(tag: Tag, content: &[u8]) -> Result<Vec<u8>, Error> {
    der(&AnyRef::new(tag, content).map_err(unencodable)?)
}

pub(crate) fn der(value: &impl Encode) -> Result<Vec<u8>, Error> {
    value.to_der().map_err(unencodable)
}

pub(crate) fn unencodable(error: x509_cert::der::Error) -> Error {
    Error::new(
        Kind::Internal,
        format!("the certificate could not be encoded: {error}"),
    )
}

pub(crate) fn octets(bytes: &[u8]) -> Result<OctetString, Error> {
    OctetString::new(bytes).map_err(unencodable)
}
