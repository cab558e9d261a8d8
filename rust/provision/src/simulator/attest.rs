//! What the modem signs with its identity key: COSE_Sign1 around a key or a request, and the
//! attestation token (sections 2.3 and 2.4 of the reference).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coset::{CoseSign1Builder, HeaderBuilder, TaggedCborSerializable as _, iana};
use minicbor::Encoder;
use minicbor::data::Tag;

use crate::error::{Error, Kind};
use crate::pki::Key;

/// What stands in the payload's first place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    PublicKey = 8,
    Request = 9,
}

/// `<body>.<COSE>` as `%KEYGEN` answers.
pub(crate) fn signed_body(
    identity: &Key,
    device: &[u8; 16],
    tag: u32,
    message: Message,
    body: &[u8],
) -> Result<String, Error> {
    let hash = digest(&SHA256, body);
    let payload = encoded(|e| {
        let mut tag_bytes = Vec::new();
        Encoder::new(&mut tag_bytes).u32(tag)?;
        e.tag(Tag::new(55799))?
            .array(5)?
            .u8(message as u8)?
            .bytes(device)?;
        e.bytes(&tag_bytes)?.bytes(hash.as_ref())?.bytes(&nonce())?;
        Ok(())
    })?;
    let cose = sign1(identity, Some(&payload), &payload)?;
    Ok(format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(body),
        URL_SAFE_NO_PAD.encode(cose)
    ))
}

/// `<body>.<COSE>` as `%ATTESTTOKEN` answers.
pub(crate) fn token(
    identity: &Key,
    device: &[u8; 16],
    firmware: &[u8; 16],
    device_type: u8,
    challenge: Option<[u8; 16]>,
) -> Result<String, Error> {
    let nonce = challenge.unwrap_or_else(nonce);
    let body = encoded(|e| {
        e.tag(Tag::new(55799))?.array(5)?.u8(1)?.bytes(device)?;
        e.u8(device_type)?.bytes(firmware)?.bytes(&nonce)?;
        Ok(())
    })?;
    let cose = sign1(identity, None, &body)?;
    Ok(format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(body),
        URL_SAFE_NO_PAD.encode(cose)
    ))
}

/// COSE_Sign1 (RFC 9052, section 4.2) with ES256 and the key id of the identity key, -2. The
/// payload is detached if `carried` is `None`.
fn sign1(identity: &Key, carried: Option<&[u8]>, payload: &[u8]) -> Result<Vec<u8>, Error> {
    let es256 = HeaderBuilder::new().algorithm(iana::Algorithm::ES256);
    let identity_key = HeaderBuilder::new().key_id(IDENTITY_KEY.to_vec());
    let mut message = CoseSign1Builder::new()
        .protected(es256.build())
        .unprotected(identity_key.build())
        .try_create_detached_signature(payload, &[], |message| identity.sign_es256(message))?
        .build();
    message.payload = carried.map(<[u8]>::to_vec);
    message
        .to_tagged_vec()
        .map_err(|_| Error::new(Kind::Internal, "COSE could not be written"))
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn encoded(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Written) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes))
        .map_err(|_| Error::new(Kind::Internal, "CBOR could not be written"))?;
    Ok(bytes)
}

fn nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    let _ = aws_lc_rs::rand::fill(&mut nonce);
    nonce
}

/// CBOR -2.
const IDENTITY_KEY: [u8; 1] = [0x21];
