//! What one device or one server owns: a key, a certificate, and the chain it sends.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::error::{Error, Kind};
use crate::files;
use crate::pki::layout::{file_name, read_certificate, read_certificates, read_key};
use crate::pki::{
    Authority, Certificate, Key, KeyAlgorithm, Pki, Profile, SigningRequest, Subject, Template,
    Validity,
};
use crate::secret::Secret;

/// A device or a server in the folder.
#[derive(Clone, Debug)]
pub struct Identity {
    name: String,
    files: Files,
    certificate: Certificate,
    chain: Vec<Certificate>,
    created: bool,
}

/// How an identity is made.
#[derive(Clone, Debug)]
pub struct IdentityOptions<'a> {
    /// What the certificate is for: [`Profile::Device`] or [`Profile::Server`].
    pub profile: Profile,
    /// The device id, or the name of the server's files.
    pub name: &'a str,
    /// The subject; its common name must be the device id.
    pub subject: Subject,
    /// Where the key comes from.
    pub key: KeySource<'a>,
    /// From when until when.
    pub validity: Validity,
    /// Make it anew even if a good one is there.
    pub replace: bool,
}

/// Where the key of an identity comes from.
#[derive(Clone, Copy, Debug)]
pub enum KeySource<'a> {
    /// It is made here and kept in the folder.
    Generate(KeyAlgorithm),
    /// It stays where it is, for example in a modem; its owner has signed this request.
    Request(&'a SigningRequest),
}

impl Identity {
    /// Makes an identity, or returns the one that is there if it is whole and still valid.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a name that IoT Hub or X.509 does not allow; [`Kind::Trust`] if what
    /// is there has expired, has another issuer or another key; [`Kind::File`].
    pub fn create(
        pki: &Pki,
        authority: &Authority,
        options: &IdentityOptions<'_>,
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        check_name(options.name)?;
        if let Some(why) = crate::platform::no_file_name(options.name) {
            let text = format!("{:?} cannot be made here: {why}", options.name);
            return Err(Error::new(Kind::Usage, text)
                .advise("choose another name, or make it on Linux or macOS"));
        }
        let files = Files::of(pki, &options.profile, options.name);
        if files.certificate.exists() && !options.replace {
            return Self::reopen(pki, authority, options, files, now);
        }
        let folder = files.certificate.parent().unwrap_or(pki.home());
        files::create_private_folder(folder)?;
        let made;
        let request = match options.key {
            KeySource::Request(request) => request,
            KeySource::Generate(algorithm) => {
                let key = files.make_key(algorithm, options.replace)?;
                made = SigningRequest::create(&key, &options.subject)?;
                &made
            }
        };
        files::write_public(&files.request, &request.pem())?;
        let public_key = request.public_key();
        let certificate = authority.issue(&Template {
            profile: &options.profile,
            subject: &options.subject,
            validity: options.validity,
            public_key,
            renews: None,
        })?;
        pki.index(authority.name()).record(&certificate)?;
        let chain = full_chain(&certificate, authority);
        files::write_public(&files.chain, &pem_of(&chain))?;
        files::write_public(&files.certificate, &certificate.pem())?;
        Ok(Self {
            name: options.name.to_owned(),
            files,
            certificate,
            chain,
            created: true,
        })
    }

    pub(crate) fn device(
        pki: &Pki,
        authority: &Authority,
        id: &str,
        algorithm: KeyAlgorithm,
        validity: Validity,
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        let options = IdentityOptions {
            profile: Profile::Device,
            name: id,
            subject: Subject::common_name(id)?,
            key: KeySource::Generate(algorithm),
            validity,
            replace: false,
        };
        Self::create(pki, authority, &options, now)
    }

    pub(crate) fn server(
        pki: &Pki,
        authority: &Authority,
        name: &str,
        names: &[&str],
        algorithm: KeyAlgorithm,
        validity: Validity,
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        let Some(first) = names.first() else {
            return Err(
                Error::new(Kind::Usage, "a server certificate needs a host name")
                    .advise("give --host NAME, for example --host localhost"),
            );
        };
        let mut options = IdentityOptions {
            profile: Profile::Server {
                names: names.iter().map(|name| (*name).to_owned()).collect(),
            },
            name,
            subject: Subject::common_name(first)?,
            key: KeySource::Generate(algorithm),
            validity,
            replace: false,
        };
        let path = pki.server_file(name, "pem");
        let wanted = options.profile.alt_names()?;
        if path.exists() {
            options.replace = read_certificate(&path)?.alt_names() != wanted;
        }
        Self::create(pki, authority, &options, now)
    }

    /// Opens what is in the folder for this device.
    ///
    /// # Errors
    /// [`Kind::File`] if there is nothing, [`Kind::Content`] if it is damaged.
    pub fn open_device(pki: &Pki, id: &str) -> Result<Self, Error> {
        check_name(id)?;
        Self::open(pki, id, Files::of(pki, &Profile::Device, id))
    }

    /// The device id or the name of the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The identity's own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The device's certificate and all intermediates, as it sends them.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// [`Identity::chain`] as PEM: what goes into a modem as `%CMNG` type 1.
    pub fn chain_pem(&self) -> String {
        pem_of(&self.chain)
    }

    /// The private key as PEM, if it is kept here and not in a modem.
    ///
    /// # Errors
    /// [`Kind::File`] if it is not here.
    pub fn key_pem(&self) -> Result<Secret, Error> {
        self.files.check_key(&self.name)?;
        Ok(read_key(&self.files.key, None)?.to_pem())
    }

    /// The path of the private key (mode 0600). The file is absent if the key is in a modem.
    pub fn key_path(&self) -> &Path {
        &self.files.key
    }

    /// The path of the certificate.
    pub fn certificate_path(&self) -> &Path {
        &self.files.certificate
    }

    /// The path of the chain.
    pub fn chain_path(&self) -> &Path {
        &self.files.chain
    }

    /// Whether it was made by the call that returned it.
    pub fn is_new(&self) -> bool {
        self.created
    }

    fn open(pki: &Pki, name: &str, files: Files) -> Result<Self, Error> {
        let certificate = read_certificate(&files.certificate)?;
        let chain = match files.chain.exists() {
            true => read_certificates(&files.chain)?,
            false => pki.followed(&certificate)?,
        };
        Ok(Self {
            name: name.to_owned(),
            files,
            certificate,
            chain,
            created: false,
        })
    }

    fn reopen(
        pki: &Pki,
        authority: &Authority,
        options: &IdentityOptions<'_>,
        files: Files,
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        let certificate = read_certificate(&files.certificate)?;
        let wrong = |what: String| {
            Err(Error::new(
                Kind::Exists,
                format!("{} {what}", files.certificate.display()),
            )
            .advise("make it anew with --replace"))
        };
        if !certificate.is_valid_at(now) {
            return wrong(format!(
                "is not valid now; it ended at {}",
                certificate.not_after()
            ));
        }
        if !authority.certificate().has_signed(&certificate) {
            return wrong(format!("was not signed by {}", authority.name()));
        }
        let key = match options.key {
            KeySource::Request(request) => request.public_key().to_vec(),
            KeySource::Generate(_) => {
                files.check_key(options.name)?;
                read_key(&files.key, None)?.public_key()
            }
        };
        if key != certificate.public_key() {
            return wrong("was made for another key".to_owned());
        }
        if !files.chain.exists() {
            files::write_public(&files.chain, &pem_of(&full_chain(&certificate, authority)))?;
        }
        Self::open(pki, options.name, files)
    }
}

#[derive(Clone, Debug)]
struct Files {
    key: PathBuf,
    request: PathBuf,
    certificate: PathBuf,
    chain: PathBuf,
}

impl Files {
    fn of(pki: &Pki, profile: &Profile, name: &str) -> Self {
        let file = |extension| match profile {
            Profile::Server { .. } => pki.server_file(name, extension),
            _ => pki.device_file(name, extension),
        };
        Self {
            key: file("key"),
            request: file("csr"),
            certificate: file("pem"),
            chain: file("chain.pem"),
        }
    }

    /// Says who has the key if it is not here.
    fn check_key(&self, name: &str) -> Result<(), Error> {
        if self.key.exists() || !self.certificate.exists() {
            return Ok(());
        }
        let by_modem = self
            .certificate
            .with_file_name(format!("{}.up.json", file_name(name)));
        let whose = match by_modem.exists() {
            true => "the modem has made the key of this device, and keeps it",
            false => "the key of this device was made elsewhere, with a signing request",
        };
        Err(Error::new(
            Kind::Exists,
            format!("{} has no key in this folder: {whose}", self.certificate.display()),
        )
        .advise(
            "nothing is missing if that is meant: see device verify. For a key made here use another \
             id, or --replace, and then modem creds write --replace",
        ))
    }

    /// Makes the key, or takes the one that an interrupted run has left.
    fn make_key(&self, algorithm: KeyAlgorithm, replace: bool) -> Result<Key, Error> {
        if self.key.exists() && !replace {
            return read_key(&self.key, None);
        }
        let key = Key::generate(algorithm)?;
        files::write_private(&self.key, key.to_pem().expose())?;
        Ok(key)
    }
}

/// Checks a device id, or `deviceId/moduleId` for a module, against what IoT Hub allows,
/// and against the 64 characters that X.509 leaves for a common name.
///
/// # Errors
/// [`Kind::Usage`], with the rule that it breaks.
pub fn check_name(name: &str) -> Result<(), Error> {
    let bad =
        |why: &str| {
            Err(Error::new(Kind::Usage, format!("{name:?} cannot be a device id: {why}")).advise(
            "use up to 64 letters, digits and - . _ : % * ? ! ( ) , = @ $ '; a module is ID/MODULE",
        ))
        };
    let parts: Vec<&str> = name.split('/').collect();
    if parts.len() > 2 || parts.iter().any(|part| part.is_empty()) {
        return bad("an empty part, or more than one /");
    }
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return bad("it would leave the folder");
    }
    if name.len() > 64 {
        return bad("a common name has at most 64 characters (X.520)");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:%*?!(),=@$'/".contains(c);
    match name.chars().find(|c| !allowed(*c)) {
        Some(c) => bad(&format!("IoT Hub does not allow {c:?}")),
        None => Ok(()),
    }
}

/// Says what is odd about an IMEI, for a device id that looks like one. Never an error: a device
/// id may be any string.
pub fn imei_warning(id: &str) -> Option<String> {
    let looks_like_one = id.len() >= 14 && id.bytes().all(|byte| byte.is_ascii_digit());
    if !looks_like_one {
        return None;
    }
    if id.len() != 15 {
        return Some(format!("{id} has {} digits; an IMEI has 15", id.len()));
    }
    (!luhn(id)).then(|| format!("{id} is not a valid IMEI: its last digit does not fit the others"))
}

fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            let weighted = if place % 2 == 1 { digit * 2 } else { digit };
            weighted / 10 + weighted % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

fn full_chain(certificate: &Certificate, authority: &Authority) -> Vec<Certificate> {
    std::iter::once(certificate)
        .chain(authority.chain())
        .cloned()
        .collect()
}

fn pem_of(chain: &[Certificate]) -> String {
    chain.iter().map(Certificate::pem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_id_with_too_many_digits_only_warns() {
        assert!(check_name("350457791791735879").is_ok());
        assert!(imei_warning("350457791791735879").is_some());
    }

    #[test]
    fn a_real_imei_is_silent() {
        assert_eq!(imei_warning("352656100367872"), None);
        assert_eq!(imei_warning("thermostat-1"), None);
    }

    #[test]
    fn a_name_cannot_leave_the_folder() {
        for name in ["..", "a/..", "/a", "a/b/c", "", "a b", "ä"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name("device/module").is_ok());
    }
}
