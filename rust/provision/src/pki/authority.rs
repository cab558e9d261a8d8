//! A certification authority: a certificate, the chain above it, and the key that signs.

use rcgen::{CertificateParams, Issuer, KeyPair, SerialNumber, SubjectPublicKeyInfo};
use time::OffsetDateTime;

use crate::error::{Error, Kind};
use crate::pki::{
    AuthorityName, Certificate, Key, Profile, SigningRequest, Subject, Validity, serial,
};

/// A CA that can sign.
pub struct Authority {
    name: AuthorityName,
    certificate: Certificate,
    chain: Vec<Certificate>,
    issuer: Issuer<'static, KeyPair>,
    public_key: Vec<u8>,
}

/// What is to be certified.
#[derive(Clone, Debug)]
pub struct Template<'a> {
    /// What the certificate is for; the extensions follow from it.
    pub profile: &'a Profile,
    /// Whom it names.
    pub subject: &'a Subject,
    /// From when until when; cut at the end of the issuer's own validity.
    pub validity: Validity,
    /// Whose key, as DER SubjectPublicKeyInfo.
    pub public_key: &'a [u8],
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
        let public_key = key.public_key();
        if public_key != certificate.public_key() {
            return Err(Error::new(
                Kind::Trust,
                format!("the key of {name} does not fit its certificate"),
            )
            .advise("put back the key that was made together with this certificate"));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate.der().into(), key.into_pair())
            .map_err(|_| odd_name(name))?;
        let chain = std::iter::once(&certificate)
            .chain(above)
            .filter(|found| !found.is_self_issued())
            .cloned()
            .collect();
        Ok(Self {
            name: name.clone(),
            certificate,
            chain,
            issuer,
            public_key,
        })
    }

    /// Makes the certificate of a root: self-signed, with a random serial number.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the library refuses the subject.
    pub fn self_sign(
        key: &Key,
        subject: &Subject,
        validity: Validity,
    ) -> Result<Certificate, Error> {
        let params = params(&Profile::Root, subject, validity)?;
        let made = params
            .self_signed(key.pair())
            .map_err(|error| refused(&error))?;
        Certificate::from_der(made.der().as_ref())
    }

    /// Signs a certificate.
    ///
    /// # Errors
    /// [`Kind::Trust`] if this CA has expired, or its path length forbids another CA below it.
    pub fn issue(&self, template: &Template<'_>) -> Result<Certificate, Error> {
        self.may_issue(template.profile, template.validity.not_before)?;
        let validity = template.validity.within(self.certificate.not_after());
        let params = params(template.profile, template.subject, validity)?;
        let public_key =
            SubjectPublicKeyInfo::from_der(template.public_key).map_err(|_| odd_key())?;
        let made = params
            .signed_by(&public_key, &self.issuer)
            .map_err(|error| refused(&error))?;
        let made = Certificate::from_der(made.der().as_ref())?;
        if !self.certificate.has_signed(&made) {
            return Err(odd_name(&self.name));
        }
        Ok(made)
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
        })
    }

    /// The folder name under which it is kept: `rootca`, `subca`, …
    pub fn name(&self) -> &AuthorityName {
        &self.name
    }

    /// Its own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What a device sends after its own certificate: this CA and those above it, without the
    /// root. Empty for a root.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// Its public key as DER SubjectPublicKeyInfo.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
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

fn params(
    profile: &Profile,
    subject: &Subject,
    validity: Validity,
) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject.distinguished_name();
    params.not_before = validity.not_before;
    params.not_after = validity.not_after;
    params.serial_number = Some(SerialNumber::from_slice(&serial::random()?));
    profile.apply(&mut params)?;
    Ok(params)
}

fn refused(error: &rcgen::Error) -> Error {
    Error::new(
        Kind::Internal,
        format!("the certificate could not be made: {error}"),
    )
}

fn odd_key() -> Error {
    Error::new(
        Kind::Trust,
        "the public key is of a kind that is not supported",
    )
    .advise("use EC P-256, EC P-384 or RSA")
}

fn odd_name(name: &str) -> Error {
    Error::new(
        Kind::Trust,
        format!("the subject of {name} has a form that cannot be repeated as an issuer"),
    )
    .advise("a CA subject must not have an attribute twice or several in one part")
}
