//! The folder of certificates: where each thing is, and reading it.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, Kind};
use crate::files;
use crate::pki::index::Index;
use crate::pki::{Authority, AuthorityName, Certificate, Key, SigningRequest};
use crate::secret::Secret;

/// A folder of certificates. See the [module](crate::pki) for its layout.
#[derive(Clone, Debug)]
pub struct Pki {
    home: PathBuf,
}

impl Pki {
    /// Names a folder; nothing is read or made.
    pub fn at(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into() }
    }

    /// The folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Opens a CA.
    ///
    /// # Errors
    /// [`Kind::File`] if it is not there, [`Kind::Passphrase`] if its key is encrypted.
    pub fn authority(&self, name: &str, passphrase: Option<&Secret>) -> Result<Authority, Error> {
        let name = &AuthorityName::new(name)?;
        let certificate_path = self.authority_file(name, "pem");
        if !certificate_path.exists() {
            return Err(Error::new(
                Kind::File,
                format!("there is no CA {name} in {}", self.home.display()),
            )
            .advise("make one: iothub-provision ca create"));
        }
        let certificate = self.authority_certificate(name)?;
        let key_path = self.authority_file(name, "key");
        if !key_path.exists() {
            return Err(Error::new(
                Kind::File,
                format!(
                    "the key of the CA {name} is not here: {}",
                    key_path.display()
                ),
            )
            .advise("only whoever holds the key can sign; ask there, with a signing request"));
        }
        let key = read_key(&key_path, passphrase)?;
        let above = self.chain_above(name)?;
        Authority::new(name, certificate, &above, key)
            .map_err(|error| error.at(certificate_path.display()))
    }

    /// The certificate of a CA, whose key need not be here.
    ///
    /// # Errors
    /// [`Kind::File`] or [`Kind::Content`].
    pub fn authority_certificate(&self, name: &str) -> Result<Certificate, Error> {
        read_certificate(&self.authority_file(&AuthorityName::new(name)?, "pem"))
    }

    /// What a device sends after its own certificate when this CA has signed it: without the root.
    ///
    /// # Errors
    /// [`Kind::File`] or [`Kind::Content`].
    pub fn chain(&self, name: &str) -> Result<Vec<Certificate>, Error> {
        let name = &AuthorityName::new(name)?;
        let path = self.authority_file(name, "chain.pem");
        if !path.exists() {
            return self.followed(&self.authority_certificate(name)?);
        }
        let certificates = match files::read(&path)? {
            text if text.trim().is_empty() => Vec::new(),
            text => Certificate::all_from_pem(&text).map_err(|error| error.at(path.display()))?,
        };
        Ok(certificates)
    }

    /// A certificate and its issuers among the folder's CAs, without the root: the chain of a
    /// folder that `openssl ca` has made, where nobody has written it down.
    ///
    /// # Errors
    /// [`Kind::File`] or [`Kind::Content`].
    pub(crate) fn followed(&self, certificate: &Certificate) -> Result<Vec<Certificate>, Error> {
        let mut authorities = Vec::new();
        for name in self.authorities()? {
            authorities.push(self.authority_certificate(&name)?);
        }
        let mut chain = Vec::new();
        let mut next = Some(certificate.clone());
        while let Some(found) = next.filter(|found| !found.is_self_issued()) {
            // Two CAs that have signed each other would never end.
            if chain.contains(&found) {
                break;
            }
            next = authorities
                .iter()
                .find(|authority| authority.has_signed(&found))
                .cloned();
            chain.push(found);
        }
        Ok(chain)
    }

    /// The root above this CA, if it came with its chain and is not one of the folder's own CAs.
    ///
    /// # Errors
    /// [`Kind::File`] or [`Kind::Content`].
    pub fn root_above(&self, name: &AuthorityName) -> Result<Option<Certificate>, Error> {
        let path = self.authority_file(name, "root.pem");
        match path.exists() {
            true => read_certificate(&path).map(Some),
            false => Ok(None),
        }
    }

    /// What a chain of this folder may end at: its self-issued CAs and the roots that came with a
    /// chain; if there are none (a chain whose root is elsewhere), all its CAs.
    ///
    /// # Errors
    /// [`Kind::File`] or [`Kind::Content`].
    pub fn roots(&self) -> Result<Vec<Certificate>, Error> {
        let (mut own, mut roots) = (Vec::new(), Vec::new());
        for name in self.authorities()? {
            roots.extend(self.root_above(&name)?);
            own.push(self.authority_certificate(&name)?);
        }
        roots.extend(own.iter().filter(|found| found.is_self_issued()).cloned());
        roots.dedup();
        Ok(if roots.is_empty() { own } else { roots })
    }

    /// The names of all CAs in the folder, sorted.
    ///
    /// # Errors
    /// [`Kind::File`] if the folder cannot be read.
    pub fn authorities(&self) -> Result<Vec<AuthorityName>, Error> {
        let entries = std::fs::read_dir(&self.home)
            .map_err(|error| Error::file(&self.home, "read the folder", &error))?;
        let mut names: Vec<AuthorityName> = entries
            .flatten()
            .filter_map(|entry| AuthorityName::new(entry.file_name().to_str()?).ok())
            .filter(|name| self.authority_file(name, "pem").is_file())
            .collect();
        names.sort();
        Ok(names)
    }

    /// What a CA has issued.
    pub fn index(&self, name: &AuthorityName) -> Index {
        Index::of(&self.authority_folder(name))
    }

    /// A device's file: `key`, `csr`, `pem` or `chain.pem`. It need not be there.
    pub fn device_file(&self, id: &str, extension: &str) -> PathBuf {
        self.home
            .join("devices")
            .join(format!("{}.{extension}", file_name(id)))
    }

    pub(crate) fn server_file(&self, name: &str, extension: &str) -> PathBuf {
        self.home
            .join("servers")
            .join(format!("{}.{extension}", file_name(name)))
    }

    pub(crate) fn authority_folder(&self, name: &AuthorityName) -> PathBuf {
        self.home.join(&**name)
    }

    /// Whether the key of a CA is here.
    pub(crate) fn has_key(&self, name: &AuthorityName) -> bool {
        self.authority_file(name, "key").exists()
    }

    pub(crate) fn authority_file(&self, name: &AuthorityName, extension: &str) -> PathBuf {
        self.authority_folder(name)
            .join(format!("{name}.{extension}"))
    }

    fn chain_above(&self, name: &AuthorityName) -> Result<Vec<Certificate>, Error> {
        let own = self.authority_certificate(name)?;
        let chain = self.chain(name).unwrap_or_default();
        Ok(chain.into_iter().filter(|found| *found != own).collect())
    }
}

/// Reads a key file, with its path in front of any error.
pub(crate) fn read_key(path: &Path, passphrase: Option<&Secret>) -> Result<Key, Error> {
    let bytes = Zeroizing::new(files::read_bytes(path)?);
    Key::from_bytes(&bytes, passphrase).map_err(|error| error.at(path.display()))
}

/// Reads the first certificate of a file, with its path in front of any error.
pub(crate) fn read_certificate(path: &Path) -> Result<Certificate, Error> {
    Ok(read_certificates(path)?.swap_remove(0))
}

/// Reads all certificates of a file, at least one, with its path in front of any error.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    Certificate::all_from_bytes(&files::read_bytes(path)?).map_err(|error| error.at(path.display()))
}

/// Reads a request, with its path in front of any error.
pub(crate) fn read_request(path: &Path) -> Result<SigningRequest, Error> {
    SigningRequest::from_bytes(&files::read_bytes(path)?).map_err(|error| error.at(path.display()))
}

/// The name that a device's files have; a module's id has a slash.
pub(crate) fn file_name(id: &str) -> String {
    id.replace('/', "%2F")
}
