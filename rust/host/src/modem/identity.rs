//! What the modem signs: `%JWT` with its identity key or with a client key, `%ATTESTTOKEN` with its
//! identity key, which is in `<data>/modem/identity.pem` and is made when first needed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::{self, SystemRandom},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use coset::{CoseSign1Builder, HeaderBuilder, TaggedCborSerializable as _, iana};
use minicbor::{Encoder, data::Tag};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};

use crate::{errno::Errno, log, settings};

/// Log target.
const TARGET: &str = "modem";

/// The chip of a Thingy:91, as it stands in `iss`, and its type in an attestation token.
const CHIP: &str = "nRF9160";
const DEVICE_TYPE: u8 = 3;

/// The modem firmware that the UUID is derived from.
const FIRMWARE: &str = "mfw_nrf9160_1.3.5";

/// Who this modem is.
#[derive(Debug)]
pub(crate) struct Identity {
    path: PathBuf,
    device: [u8; 16],
    firmware: [u8; 16],
}

/// What stands in a token.
#[derive(Debug, Default)]
pub(crate) struct Claims<'a> {
    pub(crate) subject: Option<&'a str>,
    pub(crate) audience: Option<&'a str>,
    pub(crate) lifetime_s: u32,
}

impl Identity {
    pub(crate) fn new(data: &Path, hardware_id: Option<&str>) -> Self {
        Self {
            path: data.join("modem/identity.pem"),
            device: octets(hardware_id.unwrap_or("iothub")),
            firmware: octets(FIRMWARE),
        }
    }

    /// The UUIDs of device and firmware, 36 characters each.
    pub(crate) fn uuids(&self) -> (String, String) {
        (uuid(&self.device), uuid(&self.firmware))
    }

    /// `AT%JWT`. `key` is the PEM of a client key; without it the identity key signs.
    pub(crate) fn jwt(
        &self,
        key: Option<&[u8]>,
        claims: &Claims<'_>,
        knows_time: bool,
    ) -> Result<String, Errno> {
        let key = match key {
            Some(pem) => parse(pem).ok_or(Errno::NOEXEC)?,
            None => self.key()?,
        };
        let payload = self.payload(claims, knows_time)?;
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ES256"}"#),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let signature = sign(&key, message.as_bytes())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn payload(&self, claims: &Claims<'_>, knows_time: bool) -> Result<String, Errno> {
        let (device, firmware) = self.uuids();
        let mut payload =
            format!(r#"{{"iss":"{CHIP}.{device}","jti":"{CHIP}.{firmware}.{device}""#);
        for (name, value) in [("sub", claims.subject), ("aud", claims.audience)] {
            let Some(value) = value.filter(|value| !value.is_empty()) else {
                continue;
            };
            if value.contains(['"', '\\']) || value.contains(char::is_control) {
                log::error!(
                    TARGET,
                    "{name} cannot stand between the quotes of an AT command"
                );
                return Err(Errno::NOEXEC);
            }
            payload += &format!(r#","{name}":"{value}""#);
        }
        if knows_time && claims.lifetime_s > 0 {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.unwrap_or_default().as_secs();
            let end = now + u64::from(claims.lifetime_s);
            payload += &format!(r#","iat":{now},"exp":{end}"#);
        }
        Ok(payload + "}")
    }

    /// `AT%ATTESTTOKEN`: the body and the signature over it, both base64url.
    pub(crate) fn attestation(&self) -> Result<(String, String), Errno> {
        let key = self.key()?;
        let mut nonce = [0; 16];
        rand::fill(&mut nonce).map_err(|_| Errno::IO)?;
        let body = encoded(|e| {
            e.tag(Tag::new(SELF_DESCRIBED))?
                .array(5)?
                .u8(IDENTITY_MESSAGE)?;
            e.bytes(&self.device)?.u8(DEVICE_TYPE)?;
            e.bytes(&self.firmware)?.bytes(&nonce)?;
            Ok(())
        });
        let es256 = HeaderBuilder::new().algorithm(iana::Algorithm::ES256);
        let identity_key = HeaderBuilder::new().key_id(IDENTITY_KEY.to_vec());
        let cose = CoseSign1Builder::new()
            .protected(es256.build())
            .unprotected(identity_key.build())
            .try_create_detached_signature(&body, &[], |message| sign(&key, message))?
            .build()
            .to_tagged_vec()
            .map_err(|_| Errno::IO)?;
        Ok((URL_SAFE_NO_PAD.encode(body), URL_SAFE_NO_PAD.encode(cose)))
    }

    fn key(&self) -> Result<EcdsaKeyPair, Errno> {
        let pem = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_key(),
            found => found,
        };
        let pem = pem.map_err(|error| {
            log::error!(TARGET, "{}: {error}", self.path.display());
            Errno::from(&error)
        })?;
        parse(&pem).ok_or_else(|| {
            log::error!(TARGET, "{} is no P-256 key", self.path.display());
            Errno::NOEXEC
        })
    }

    fn make_key(&self) -> io::Result<Vec<u8>> {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())
            .map_err(|_| io::Error::other("no key could be made"))?;
        let text = STANDARD.encode(der.as_ref());
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        for line in text.as_bytes().chunks(64) {
            pem += &String::from_utf8_lossy(line);
            pem.push('\n');
        }
        pem += "-----END PRIVATE KEY-----\n";
        settings::replace(&self.path, pem.as_bytes(), 0o600)?;
        Ok(pem.into_bytes())
    }
}

fn parse(pem: &[u8]) -> Option<EcdsaKeyPair> {
    let der = PrivateKeyDer::from_pem_slice(pem).ok()?;
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    EcdsaKeyPair::from_private_key_der(algorithm, der.secret_der()).ok()
}

fn sign(key: &EcdsaKeyPair, message: &[u8]) -> Result<Vec<u8>, Errno> {
    let signature = key.sign(&SystemRandom::new(), message);
    signature
        .map(|signature| signature.as_ref().to_vec())
        .map_err(|_| Errno::IO)
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

/// Writing into a `Vec` cannot fail.
fn encoded(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Written) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = write(&mut Encoder::new(&mut bytes));
    bytes
}

fn octets(text: &str) -> [u8; 16] {
    let mut octets = [0; 16];
    octets.copy_from_slice(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
    octets
}

fn uuid(octets: &[u8; 16]) -> String {
    let mut text = String::new();
    for (at, octet) in octets.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text += &format!("{octet:02x}");
    }
    text
}

/// RFC 8949, section 3.4.6.
const SELF_DESCRIBED: u64 = 55799;
/// The modem's number for its identity key, CBOR -2.
const IDENTITY_KEY: [u8; 1] = [0x21];
/// The message "device identity", version 1.
const IDENTITY_MESSAGE: u8 = 1;
