//! Issuing: making the CAs, devices and servers that are missing in the folder.

use std::path::PathBuf;

use time::OffsetDateTime;

use crate::error::{Error, Kind};
use crate::files;
use crate::pki::identity::Identity;
use crate::pki::layout::read_key;
use crate::pki::{
    Authority, AuthorityName, Certificate, Key, KeyAlgorithm, Pki, Profile, SigningRequest,
    Subject, Template, Validity,
};
use crate::secret::Secret;

/// How a CA is made.
#[derive(Clone, Debug)]
pub struct AuthorityOptions {
    /// The folder and file name of the device.
    pub name: AuthorityName,
    /// The subject of the certificate.
    pub subject: Subject,
    /// The kind of its key.
    pub algorithm: KeyAlgorithm,
    /// From when until when.
    pub validity: Validity,
    /// How many CAs may stand below it (intermediates only).
    pub path_length: Option<u8>,
    /// Encrypts its key.
    pub passphrase: Option<Secret>,
}

impl AuthorityOptions {
    /// The default root: `rootca`, "Development Root CA", 3650 days.
    ///
    /// # Errors
    /// [`Kind::Usage`] if `now` is so late that 3650 days do not fit.
    pub fn root(now: OffsetDateTime) -> Result<Self, Error> {
        Self::named(ROOT, "Development Root CA", now)
    }

    /// The default intermediate: `subca`, "Development Intermediate CA", 3650 days.
    ///
    /// # Errors
    /// As [`AuthorityOptions::root`].
    pub fn intermediate(now: OffsetDateTime) -> Result<Self, Error> {
        Self::named(INTERMEDIATE, "Development Intermediate CA", now)
    }

    fn named(name: &str, common_name: &str, now: OffsetDateTime) -> Result<Self, Error> {
        Ok(Self {
            name: AuthorityName::new(name)?,
            subject: Subject::common_name(common_name)?,
            algorithm: KeyAlgorithm::default(),
            validity: Validity::days(now, DAYS)?,
            path_length: None,
            passphrase: None,
        })
    }
}

impl Pki {
    /// Opens a folder with the default root and intermediate, and makes what is missing of it.
    /// Calling it again changes nothing.
    ///
    /// # Errors
    /// [`Kind::File`] if the folder cannot be written; [`Kind::Trust`] if what is there does not
    /// fit together.
    pub fn development(home: impl Into<PathBuf>, now: OffsetDateTime) -> Result<Self, Error> {
        let pki = Self::at(home);
        files::sweep(pki.home());
        let (root, _) = pki.create_root(&AuthorityOptions::root(now)?)?;
        pki.create_intermediate(&root, &AuthorityOptions::intermediate(now)?)?;
        Ok(pki)
    }

    /// Makes a root, or opens the one that is there. The flag says whether it was made now.
    ///
    /// # Errors
    /// [`Kind::File`], [`Kind::Trust`] or [`Kind::Passphrase`].
    pub fn create_root(&self, options: &AuthorityOptions) -> Result<(Authority, bool), Error> {
        if self.authority_file(&options.name, "pem").exists() {
            return Ok((
                self.authority(&options.name, options.passphrase.as_ref())?,
                false,
            ));
        }
        let key = self.authority_key(options)?;
        let certificate = Authority::self_sign(&key, &options.subject, options.validity, None)?;
        self.index(&options.name).record(&certificate)?;
        self.write_configuration(&options.name)?;
        self.write_authority(&options.name, &certificate, &[])?;
        Ok((Authority::new(&options.name, certificate, &[], key)?, true))
    }

    /// Makes an intermediate below `parent`, or opens the one that is there.
    ///
    /// # Errors
    /// As [`Pki::create_root`]; [`Kind::Trust`] also if the one that is there has another parent.
    pub fn create_intermediate(
        &self,
        parent: &Authority,
        options: &AuthorityOptions,
    ) -> Result<(Authority, bool), Error> {
        let path = self.authority_file(&options.name, "pem");
        if path.exists() {
            let found = self.authority(&options.name, options.passphrase.as_ref())?;
            if !parent.certificate().has_signed(found.certificate()) {
                return Err(Error::new(
                    Kind::Trust,
                    format!("{} was not signed by {}", path.display(), parent.name()),
                )
                .advise("use another --name, or another folder with --home"));
            }
            return Ok((found, false));
        }
        let key = self.authority_key(options)?;
        let certificate = parent.issue(&Template {
            profile: &Profile::Intermediate {
                path_length: options.path_length,
            },
            subject: &options.subject,
            validity: options.validity,
            public_key: &key.public_key(),
            renews: None,
        })?;
        self.index(parent.name()).record(&certificate)?;
        self.write_configuration(&options.name)?;
        self.write_authority(&options.name, &certificate, parent.chain())?;
        Ok((
            Authority::new(&options.name, certificate, parent.chain(), key)?,
            true,
        ))
    }

    /// Makes the key of a CA that someone else will sign, and its request `<name>/<name>.csr`.
    ///
    /// # Errors
    /// [`Kind::File`], or [`Kind::Exists`] if the CA has a certificate already.
    pub fn request_authority(&self, options: &AuthorityOptions) -> Result<SigningRequest, Error> {
        if self.authority_file(&options.name, "pem").exists() {
            return Err(Error::new(
                Kind::Exists,
                format!("the CA {} has its certificate already", options.name),
            )
            .advise("use another --name, or renew it"));
        }
        let key = self.authority_key(options)?;
        let request = SigningRequest::create(&key, &options.subject)?;
        files::write_public(&self.authority_file(&options.name, "csr"), &request.pem())?;
        Ok(request)
    }

    /// Signs a request as a CA. The only way in which a request becomes a CA.
    ///
    /// # Errors
    /// [`Kind::Trust`] if the signer may not have another CA below it.
    pub fn sign_authority(
        &self,
        signer: &Authority,
        request: &SigningRequest,
        subject: &Subject,
        path_length: u8,
        validity: Validity,
    ) -> Result<Certificate, Error> {
        let profile = Profile::Intermediate {
            path_length: Some(path_length),
        };
        let issued = signer.issue_for(request, &profile, subject, validity)?;
        self.index(signer.name()).record(&issued)?;
        Ok(issued)
    }

    /// Takes the certificates that came back: the CA's own first, then those above it. The key
    /// may be here (from [`Pki::request_authority`]) or not.
    ///
    /// # Errors
    /// [`Kind::Trust`] if one is not a CA, has not signed the one before it, or the key that is
    /// here does not fit.
    pub fn import_chain(
        &self,
        name: &str,
        certificates: &[Certificate],
        passphrase: Option<&Secret>,
    ) -> Result<Certificate, Error> {
        let name = &AuthorityName::new(name)?;
        let Some((own, above)) = certificates.split_first() else {
            return Err(Error::new(Kind::Content, "the chain holds no certificate"));
        };
        for pair in certificates.windows(2) {
            if !pair[1].has_signed(&pair[0]) {
                return Err(Error::new(
                    Kind::Trust,
                    format!("{} did not sign {}", pair[1].subject(), pair[0].subject()),
                )
                .advise("order the file: the CA's own certificate first, then each issuer"));
            }
        }
        let key_path = self.authority_file(name, "key");
        if key_path.exists() {
            Authority::new(name, own.clone(), above, read_key(&key_path, passphrase)?)?;
        } else if !own.is_ca() {
            return Err(Error::new(
                Kind::Trust,
                format!("{} is not a CA", own.subject()),
            ));
        }
        self.index(name).prepare()?;
        if let Some(root) = above.last().filter(|last| last.is_self_issued()) {
            files::write_public(&self.authority_file(name, "root.pem"), &root.pem())?;
        }
        self.write_authority(name, own, above)?;
        Ok(own.clone())
    }

    /// Issues a CA's certificate anew: same key, same subject, new serial number and validity.
    /// What it has signed stays valid. `signer` is `None` for a root.
    ///
    /// # Errors
    /// [`Kind::Trust`] if the signer is not the one that signed it before.
    pub fn renew_authority(
        &self,
        name: &str,
        signer: Option<&Authority>,
        validity: Validity,
        passphrase: Option<&Secret>,
    ) -> Result<Certificate, Error> {
        let name = &AuthorityName::new(name)?;
        let old = self.authority_certificate(name)?;
        let subject = old.subject_name();
        let key = read_key(&self.authority_file(name, "key"), passphrase)?;
        let path_length = old
            .path_length()
            .and_then(|length| u8::try_from(length).ok());
        let renewed = match signer {
            None => Authority::self_sign(&key, subject, validity, Some(&old))?,
            Some(signer) => signer.issue(&Template {
                profile: &Profile::Intermediate { path_length },
                subject,
                validity,
                public_key: &key.public_key(),
                renews: Some(&old),
            })?,
        };
        let above = signer
            .map(|signer| signer.chain().to_vec())
            .unwrap_or_default();
        self.index(signer.map_or(name, Authority::name))
            .record(&renewed)?;
        self.write_authority(name, &renewed, &above)?;
        Ok(renewed)
    }

    /// Signs a verification code: `<ca>/proof.pem`, with a key of its own that is thrown
    /// away, since nobody needs it again.
    ///
    /// # Errors
    /// [`Kind::Usage`] if that is no verification code; [`Kind::File`] or [`Kind::Trust`].
    pub fn prove(
        &self,
        authority: &Authority,
        code: &str,
        now: OffsetDateTime,
    ) -> Result<Certificate, Error> {
        let code = code.trim();
        check_code(code)?;
        let key = Key::generate(KeyAlgorithm::P256)?;
        let proof = authority.issue(&Template {
            profile: &Profile::Proof,
            subject: &Subject::common_name(code)?,
            validity: Validity::days(now, PROOF_DAYS)?,
            public_key: &key.public_key(),
            renews: None,
        })?;
        self.index(authority.name()).record(&proof)?;
        files::write_public(
            &self.authority_folder(authority.name()).join("proof.pem"),
            &proof.pem(),
        )?;
        Ok(proof)
    }

    /// The device's certificate and key, made by the default intermediate if they are missing.
    /// For more choice see [`Identity::create`].
    ///
    /// # Errors
    /// As [`Identity::create`].
    pub fn device(&self, id: &str, now: OffsetDateTime) -> Result<Identity, Error> {
        let authority = self.authority(INTERMEDIATE, None)?;
        let validity = Validity::days(now, DAYS)?;
        Identity::device(self, &authority, id, KeyAlgorithm::default(), validity, now)
    }

    /// A server's certificate and key for these host names and IP addresses, in
    /// `servers/<name>.*`; made by the default intermediate, and made anew if the names differ.
    ///
    /// # Errors
    /// As [`Identity::create`].
    pub fn server(
        &self,
        name: &str,
        names: &[&str],
        now: OffsetDateTime,
    ) -> Result<Identity, Error> {
        let authority = self.authority(INTERMEDIATE, None)?;
        let validity = Validity::days(now, DAYS)?;
        Identity::server(
            self,
            &authority,
            name,
            names,
            KeyAlgorithm::default(),
            validity,
            now,
        )
    }

    fn authority_key(&self, options: &AuthorityOptions) -> Result<Key, Error> {
        files::create_private_folder(self.home())?;
        let ignore = self.home().join(".gitignore");
        if !ignore.exists() {
            files::write_public(&ignore, IGNORE_ALL)?;
        }
        self.index(&options.name).prepare()?;
        let path = self.authority_file(&options.name, "key");
        if path.exists() {
            return read_key(&path, options.passphrase.as_ref());
        }
        let key = Key::generate(options.algorithm)?;
        let text = match &options.passphrase {
            None => key.to_pem(),
            Some(passphrase) => Secret::new(key.to_encrypted_pem(passphrase)?),
        };
        files::write_private(&path, text.expose())?;
        Ok(key)
    }

    /// `<name>.cnf`, with which `openssl ca` goes on in this folder.
    fn write_configuration(&self, name: &AuthorityName) -> Result<(), Error> {
        let path = self.home().join(format!("{name}.cnf"));
        if path.exists() {
            return Ok(());
        }
        files::write_public(&path, &CONFIGURATION.replace("NAME", name))
    }

    fn write_authority(
        &self,
        name: &AuthorityName,
        certificate: &Certificate,
        above: &[Certificate],
    ) -> Result<(), Error> {
        let chain: String = std::iter::once(certificate)
            .chain(above)
            .filter(|found| !found.is_self_issued())
            .map(Certificate::pem)
            .collect();
        files::write_public(&self.authority_file(name, "chain.pem"), &chain)?;
        files::write_public(&self.authority_file(name, "pem"), &certificate.pem())?;
        Ok(())
    }
}

/// IoT Hub shows 48 letters and digits (Microsoft, "Tutorial: Create and upload certificates for
/// testing"). What is much shorter was cut or is something else, and would be refused only there.
fn check_code(code: &str) -> Result<(), Error> {
    let is_code = (SHORTEST_CODE..=64).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_code {
        return Ok(());
    }
    Err(
        Error::new(Kind::Usage, format!("{code:?} is not a verification code"))
            .advise("copy it whole: IoT Hub shows 48 letters and digits"),
    )
}

/// The folder name of the default root.
pub(crate) const ROOT: &str = "rootca";
/// The folder name of the default intermediate.
pub(crate) const INTERMEDIATE: &str = "subca";
/// Ten years.
pub(crate) const DAYS: u32 = 3650;
/// Keys do not belong into version control.
const IGNORE_ALL: &str = "*\n";
/// To be used inside the folder, as `openssl ca -config rootca.cnf`. The extensions of a request
/// are copied into the certificate, so look at the request before.
const CONFIGURATION: &str = "\
[ ca ]
default_ca = ca_default

[ ca_default ]
name = NAME
home = $name
database = $home/db/index.txt
serial = $home/db/serial.txt
new_certs_dir = $home/certs
certificate = $home/$name.pem
private_key = $home/$name.key
policy = policy_default
default_md = sha256
default_days = 3650
copy_extensions = copy
subjectKeyIdentifier = hash
unique_subject = no

[ policy_default ]
commonName = supplied

[ req ]
distinguished_name = req_distinguished_name

[ req_distinguished_name ]
";
const PROOF_DAYS: u32 = 30;
const SHORTEST_CODE: usize = 32;
