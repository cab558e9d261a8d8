//! A certification authority: a certificate, the chain above it, and the key that signs.

use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo};
use x509_parser::public_key::PublicKey;

use crate::error::{Error, Kind};
use crate::pki::encoding::{self, Fields};
use crate::pki::{
    AuthorityName, Certificate, Key, Profile, SigningRequest, Subject, Validity, serial,
};

/// A CA that can sign.
pub struct Authority {
    name: AuthorityName,
    certificate: Certificate,
    chain: Vec<Certificate>,
    key: Key,
}

/// What is to be certified.
#[derive(Clone, Debug)]
pub struct Template<'a> {
    /// What the certificate is for; the extensions follow from it.
    pub profile: &'a Profile,
    /// The subject.
    pub subject: &'a Subject,
    /// From when until when; cut at the end of the issuer's own validity.
    pub validity: Validity,
    /// The subject's public key, as DER SubjectPublicKeyInfo.
    pub public_key: &'a [u8],
    /// The certificate that this one takes the place of: what was signed with its key names the key
    /// as that certificate does.
    pub renews: Option<&'a Certificate>,
}

impl Authority {
    /// Puts a CA together from its parts. `above` is the chain from its issuer upwards; the
    /// root may be left out.
    ///
    /// # Errors
    /// [`Kind::Trust`] if the certificate is not a CA's or the key does not fit it.
    pub fn new(
        name: &AuthorityName,
        certificate: Certificate,
        above: &[Certificate],
        key: Key,
    ) -> Result<Self, Error> {
        if !certificate.is_ca() {
            return Err(Error::new(
                Kind::Trust,
                format!("the certificate of {name} is not a CA certificate"),
            )
            .advise("a CA certificate has basicConstraints CA:TRUE; ask for one upstream"));
        }
        if key.public_key() != certificate.public_key() {
            return Err(Error::new(
                Kind::Trust,
                format!("the key of {name} does not fit its certificate"),
            )
            .advise("put back the key that was made together with this certificate"));
        }
        let chain = std::iter::once(&certificate)
            .chain(above)
            .filter(|found| !found.is_self_issued())
            .cloned()
            .collect();
        Ok(Self {
            name: name.clone(),
            certificate,
            chain,
            key,
        })
    }

    /// Makes the certificate of a root: self-signed, with a random serial number. `renews` is the
    /// one that it takes the place of.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the crypto library fails.
    pub fn self_sign(
        key: &Key,
        subject: &Subject,
        validity: Validity,
        renews: Option<&Certificate>,
    ) -> Result<Certificate, Error> {
        let public_key = key.public_key();
        let template = Template {
            profile: &Profile::Root,
            subject,
            validity,
            public_key: &public_key,
            renews,
        };
        template.signed(subject, None, key)
    }

    /// Signs a certificate.
    ///
    /// # Errors
    /// [`Kind::Trust`] if this CA has expired, may not sign certificates, or its path length
    /// forbids another CA below it; also if the public key is of a kind that is not supported.
    pub fn issue(&self, template: &Template<'_>) -> Result<Certificate, Error> {
        self.may_issue(template.profile, template.validity.not_before)?;
        check_public_key(template.public_key)?;
        let template = Template {
            validity: template.validity.within(self.certificate.not_after()),
            ..template.clone()
        };
        let own = self.certificate.key_identifier();
        let made = template.signed(self.certificate.subject_name(), own, &self.key)?;
        if self.certificate.has_signed(&made) {
            return Ok(made);
        }
        Err(Error::new(
            Kind::Internal,
            format!("{} cannot verify what it has signed", self.name),
        ))
    }

    /// Signs what a request asks for, under a name and for a purpose that the caller decides.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn issue_for(
        &self,
        request: &SigningRequest,
        profile: &Profile,
        subject: &Subject,
        validity: Validity,
    ) -> Result<Certificate, Error> {
        self.issue(&Template {
            profile,
            subject,
            validity,
            public_key: request.public_key(),
            renews: None,
        })
    }

    /// The folder name under which it is kept: `rootca`, `subca`, …
    pub fn name(&self) -> &AuthorityName {
        &self.name
    }

    /// The CA's own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What a device sends after its own certificate: this CA and those above it, without the
    /// root. Empty for a root.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    fn may_issue(&self, profile: &Profile, not_before: OffsetDateTime) -> Result<(), Error> {
        if not_before >= self.certificate.not_after() {
            return Err(Error::new(
                Kind::Trust,
                format!(
                    "the CA {} expired at {}",
                    self.name,
                    self.certificate.not_after()
                ),
            )
            .advise(format!("renew it: iothub-provision ca renew {}", self.name)));
        }
        if !self.certificate.signs_certificates() {
            return Err(Error::new(
                Kind::Trust,
                format!("the CA {} may not sign certificates", self.name),
            )
            .advise("its key usage lacks keyCertSign; ask for another certificate upstream"));
        }
        let is_ca = matches!(profile, Profile::Intermediate { .. });
        let Some(own) = self.certificate.path_length() else {
            return Ok(());
        };
        let asked = match profile {
            Profile::Intermediate { path_length } => path_length.map(u32::from),
            _ => Some(0),
        };
        if is_ca && (own == 0 || asked.is_none_or(|asked| asked >= own)) {
            return Err(Error::new(
                Kind::Trust,
                format!(
                    "the CA {} may have {own} further CAs below it, not this one",
                    self.name
                ),
            )
            .advise("give a --path-length that is smaller, or have this CA signed again"));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Authority({}, {})",
            self.name,
            self.certificate.subject()
        )
    }
}

impl Template<'_> {
    fn signed(
        &self,
        issuer: &Subject,
        issuer_key: Option<&[u8]>,
        signer: &Key,
    ) -> Result<Certificate, Error> {
        let mut extensions = self.profile.extensions()?;
        let own = match self.renews.and_then(Certificate::key_identifier) {
            Some(identifier) => identifier.to_vec(),
            None => encoding::key_identifier(self.public_key)?,
        };
        extensions.push(encoding::subject_key(&own)?);
        if let Some(identifier) = issuer_key {
            extensions.push(encoding::authority_key(identifier)?);
        }
        let fields = Fields {
            serial: &serial::random()?,
            issuer,
            validity: self.validity,
            subject: self.subject,
            public_key: self.public_key,
            extensions,
        };
        Certificate::from_der(encoding::certificate(&fields, signer.pair())?)
    }
}

/// Only keys that IoT Hub and the modem can use are certified.
fn check_public_key(public_key: &[u8]) -> Result<(), Error> {
    let parsed = SubjectPublicKeyInfo::from_der(public_key);
    let fits = parsed.is_ok_and(|(rest, info)| {
        let fits = match info.parsed() {
            Ok(PublicKey::EC(point)) => matches!(point.key_size(), 256 | 384),
            Ok(PublicKey::RSA(key)) => (2048..=8192).contains(&key.key_size()),
            _ => false,
        };
        fits && rest.is_empty()
    });
    if fits {
        return Ok(());
    }
    Err(Error::new(
        Kind::Trust,
        "the public key is of a kind that is not supported",
    )
    .advise("use EC P-256, EC P-384, or RSA with at least 2048 bits"))
}
