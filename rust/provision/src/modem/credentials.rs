//! What is written under a security tag, checked before it goes anywhere.

use aws_lc_rs::digest::{SHA256, digest};

use crate::error::{Error, Kind};
use crate::pem;
use crate::pki::{Certificate, Key, client_objection, objection};
use crate::secret::Secret;

/// The place of a credential under its tag: the type of `%CMNG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[value(rename_all = "kebab-case")]
pub enum Slot {
    /// Type 0: the CAs that the server is checked against.
    Ca = 0,
    /// Type 1: the device certificate, followed by its intermediates.
    Cert = 1,
    /// Type 2: the private key.
    Key = 2,
    /// Type 3: a pre-shared key.
    Psk = 3,
    /// Type 4: the identity that goes with it.
    PskIdentity = 4,
}

/// A credential in the form in which it is written, with LF line ends and one at the end.
#[derive(Clone, Debug)]
pub struct Credential {
    slot: Slot,
    content: Secret,
}

impl Credential {
    /// Certificates. Those of a device are its own and then each issuer, without which the hub
    /// could not follow them.
    ///
    /// # Errors
    /// [`Kind::Content`] if there is none, or a CA's stands where that of a device should;
    /// [`Kind::Trust`] if those of a device are of no use as such.
    pub fn certificates(slot: Slot, found: &[Certificate]) -> Result<Self, Error> {
        let Some(first) = found.first() else {
            return Err(Error::new(Kind::Content, "there is no certificate"));
        };
        if slot == Slot::Cert && first.is_ca() {
            return Err(Error::new(
                Kind::Content,
                format!(
                    "the first certificate, {}, is a CA's, not a device's",
                    first.subject()
                ),
            )
            .advise(
                "the device's own certificate comes first, then its intermediates; one that is \
                 registered by its thumbprint is written with --thumbprint",
            ));
        }
        if slot == Slot::Cert {
            check_chain(found)?;
        }
        Ok(Self::of(slot, found))
    }

    /// The certificate of a device that is registered by its thumbprint, which may be a CA's:
    /// `openssl req -x509` makes it so.
    ///
    /// # Errors
    /// As [`Credential::certificates`].
    pub fn self_signed(found: &[Certificate]) -> Result<Self, Error> {
        check_chain(found)?;
        Ok(Self::of(Slot::Cert, found))
    }

    fn of(slot: Slot, certificates: &[Certificate]) -> Self {
        let content: String = certificates.iter().map(Certificate::pem).collect();
        Self {
            slot,
            content: Secret::new(content),
        }
    }

    /// A private key, written as PKCS#8 without `EC PARAMETERS`.
    pub fn key(key: &Key) -> Self {
        Self {
            slot: Slot::Key,
            content: key.to_pem(),
        }
    }

    /// Text as it is: a pre-shared key in hex, or its identity.
    ///
    /// # Errors
    /// [`Kind::Content`] if it is empty or holds a quote or a control character, which would end
    /// the command; also if the key is not hexadecimal.
    pub fn text(slot: Slot, text: &str) -> Result<Self, Error> {
        let text = text.trim_end_matches(['\r', '\n']);
        let wrong = |why: &str| Err(Error::new(Kind::Content, why));
        if text.is_empty() || text.contains(|c: char| c == '"' || c.is_control()) {
            return wrong("it is empty, or holds a quotation mark or control characters");
        }
        let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
        if slot == Slot::Psk && !is_hex {
            return wrong("a pre-shared key is an even number of hexadecimal digits");
        }
        Ok(Self {
            slot,
            content: Secret::new(text),
        })
    }

    /// The place of the credential.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// How many bytes it takes.
    pub fn size(&self) -> usize {
        self.content.expose().len()
    }

    /// SHA-256 of exactly what is written, upper-case hex: what `%CMNG=1` lists.
    pub fn sha256(&self) -> String {
        sha256(self.content.expose())
    }

    /// Whether a listed hash is that of this credential. at_shell stores CR LF in place of LF,
    /// which the modem reads as well.
    pub fn has_sha256(&self, listed: &str) -> bool {
        listed == self.sha256() || listed == sha256(&self.content.expose().replace('\n', "\r\n"))
    }

    /// Refuses what is longer than the AT client's buffer takes: it would wedge the board.
    ///
    /// # Errors
    /// [`Kind::Content`].
    pub fn check_size(&self, tag: u32) -> Result<(), Error> {
        let most = limit(tag);
        if self.size() <= most {
            return Ok(());
        }
        let what = name_of(self.slot as u8);
        Err(Error::new(
            Kind::Content,
            format!(
                "the {what} has {} bytes; under tag {tag} {most} fit",
                self.size()
            ),
        )
        .advise("use EC keys, fewer intermediates, or fewer CAs in one tag"))
    }

    pub(crate) fn expose(&self) -> &str {
        self.content.expose()
    }
}

/// A device's certificate and its issuers, in the order in which TLS wants them.
fn check_chain(found: &[Certificate]) -> Result<(), Error> {
    let own = found.first();
    if let Some((own, why)) = own.and_then(|own| Some((own, client_objection(own)?))) {
        return Err(Error::new(
            Kind::Trust,
            format!("{} is of no use for a device: {why}", own.subject()),
        )
        .advise("make one that is: iothub-provision device create"));
    }
    for (below, pair) in found.windows(2).enumerate() {
        if let Some(why) = objection(&pair[0], &pair[1], below) {
            return Err(Error::new(
                Kind::Trust,
                format!(
                    "{} is not signed by {}, which follows it: {why}",
                    pair[0].subject(),
                    pair[1].subject()
                ),
            )
            .advise("order the file: the device's own certificate, then each issuer"));
        }
    }
    Ok(())
}

fn sha256(content: &str) -> String {
    digest(&SHA256, content.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

/// How many bytes of content fit into one command under this tag: at_host takes 4095 characters,
/// and one less is left if its terminator is CR LF.
pub fn limit(tag: u32) -> usize {
    4095 - "AT%CMNG=0,,0,\"\"\r".len() - tag.to_string().len()
}

/// Refuses tags that are reserved, and nRF Cloud's own unless it is meant.
///
/// # Errors
/// [`Kind::Usage`] or [`Kind::Exists`].
pub fn check_tag(tag: u32, means_nrf_cloud: bool) -> Result<(), Error> {
    if tag > 2_147_483_647 {
        return Err(Error::new(
            Kind::Usage,
            format!("the tag {tag} is reserved by the modem"),
        )
        .advise("use a tag between 0 and 2147483647, for example 10"));
    }
    if tag == NRF_CLOUD && !means_nrf_cloud {
        return Err(Error::new(
            Kind::Exists,
            format!("the tag {tag} holds nRF Cloud's credentials"),
        )
        .advise("use another --tag, or --allow-nrf-cloud-tag if that is what you want"));
    }
    Ok(())
}

/// A type as people call it.
pub fn name_of(kind: u8) -> &'static str {
    match kind {
        0 => "CA certificates",
        1 => "device certificate",
        2 => "private key",
        3 => "pre-shared key",
        4 => "PSK identity",
        5 => "public key",
        6 => "device identity key",
        8 => "endorsement key",
        9 => "ownership key",
        10 => "Nordic identity root CA",
        11 => "Nordic public key",
        _ => "reserved",
    }
}

/// The PEM of a request out of DER.
pub(crate) fn request_pem(der: &[u8]) -> String {
    pem::encode("CERTIFICATE REQUEST", der)
}

/// Security tag of nRF Cloud.
const NRF_CLOUD: u32 = 16_842_753;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_for_cr_and_crlf() {
        assert_eq!(limit(10), 4077);
        assert_eq!(limit(NRF_CLOUD), 4071);
    }
}
