//! The commands around keys: `%KEYGEN`, `%ATTESTTOKEN`, `%JWT`, `%CERTEXPIRY`.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;
use x509_cert::der::asn1::BitString;
use x509_cert::der::flagset::{FlagSet, Flags as _};
use x509_cert::ext::pkix::{KeyUsage, KeyUsages};

use crate::error::Error;
use crate::nrfcloud;
use crate::pki::{Certificate, Key, Subject, der, encoding};
use crate::simulator::attest::{Message, signed_body, token};

/// Who this modem is.
pub(crate) struct Identity {
    pub(crate) key: Key,
    pub(crate) device: [u8; 16],
    pub(crate) firmware: [u8; 16],
    pub(crate) chip: String,
    pub(crate) device_type: u8,
}

impl Identity {
    /// The device UUID in its usual form.
    pub(crate) fn uuid(&self) -> String {
        nrfcloud::dashed(&self.device)
    }

    /// The answer of `%KEYGEN` for a new key: a request, or the public key alone.
    pub(crate) fn generated(
        &self,
        key: &Key,
        tag: u32,
        message: Message,
        attributes: Option<&str>,
        usage: &str,
    ) -> Result<String, Error> {
        let body = match message {
            Message::PublicKey => key.public_key(),
            Message::Request => request(key, &self.subject(attributes)?, usage)?,
        };
        signed_body(&self.key, &self.device, tag, message, &body)
    }

    pub(crate) fn attestation(&self, challenge: Option<[u8; 16]>) -> Result<String, Error> {
        token(
            &self.key,
            &self.device,
            &self.firmware,
            self.device_type,
            challenge,
        )
    }

    /// The answer of `%JWT`. `iat` and `exp` stand in it only if the time is known.
    pub(crate) fn jwt(
        &self,
        key: Option<&Key>,
        lifetime_s: i64,
        subject: Option<&str>,
        audience: Option<&str>,
        now: Option<OffsetDateTime>,
    ) -> Result<String, Error> {
        let mut claims = serde_json::Map::new();
        let issuer = format!("{}.{}", self.chip, self.uuid());
        let id = format!(
            "{}.{}.{}",
            self.chip,
            nrfcloud::dashed(&self.firmware),
            self.uuid()
        );
        claims.insert("iss".to_owned(), json!(issuer));
        claims.insert("jti".to_owned(), json!(id));
        for (name, value) in [("sub", subject), ("aud", audience)] {
            claims.extend(
                value
                    .filter(|v| !v.is_empty())
                    .map(|v| (name.to_owned(), json!(v))),
            );
        }
        if let Some(now) = now.filter(|_| lifetime_s > 0) {
            claims.insert("iat".to_owned(), json!(now.unix_timestamp()));
            claims.insert("exp".to_owned(), json!(now.unix_timestamp() + lifetime_s));
        }
        nrfcloud::sign(key.unwrap_or(&self.key), &Value::Object(claims))
    }

    fn subject(&self, attributes: Option<&str>) -> Result<Subject, Error> {
        let attributes = attributes.unwrap_or_default();
        let parts = || {
            attributes
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
        };
        let name = parts().find_map(|part| part.strip_prefix("CN=").map(str::to_owned));
        let prefix: String = parts()
            .filter(|part| !part.starts_with("CN="))
            .map(|part| format!("/{part}"))
            .collect();
        Subject::new(Some(&prefix), None, &name.unwrap_or_else(|| self.uuid()))
    }
}

/// `<serial>,<not before>,<not after>` of `%CERTEXPIRY`.
pub(crate) fn expiry(certificate: &Certificate) -> String {
    let form = format_description!("[year][month][day][hour][minute][second]Z");
    let at = |time: OffsetDateTime| time.format(form).unwrap_or_default();
    let (before, after) = (certificate.not_before(), certificate.not_after());
    format!("{},{},{}", certificate.serial(), at(before), at(after))
}

/// A PKCS#10 request whose signature algorithm has NULL parameters, as the modem writes it.
fn request(key: &Key, subject: &Subject, usage: &str) -> Result<Vec<u8>, Error> {
    let wanted = usage
        .bytes()
        .zip(KeyUsages::LIST)
        .filter(|(bit, _)| *bit == b'1');
    let wanted: FlagSet<KeyUsages> = wanted
        .map(|(_, usage)| *usage)
        .fold(FlagSet::default(), |all, usage| all | usage);
    let extensions = [der::extension(&KeyUsage(wanted), true)?];
    let body = encoding::request_body(subject, &key.public_key(), &extensions)?;
    let signature = BitString::from_bytes(&key.sign_sha256(&body)?).map_err(der::unencodable)?;
    der::sequence(&[&body, &ECDSA_WITH_SHA256_NULL, &der::der(&signature)?])
}

/// `SEQUENCE { OID 1.2.840.10045.4.3.2, NULL }`.
const ECDSA_WITH_SHA256_NULL: [u8; 14] = [
    0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02, 0x05, 0x00,
];
