//! The modem's credential store, on disk: `<folder>/<sec tag>/{ca,cert,key,psk,identity}.pem`.
//!
//! The rules of `%CMNG`: keys and certificates cannot be read back, nothing changes while the modem
//! is online, and a client key's file is for its owner alone.

use std::{fs, io, path::PathBuf};

use crate::{errno::Errno, log, settings};

/// Log target.
const TARGET: &str = "modem_key_mgmt";

/// The largest credential that can be written: what passes through the modem's shared memory.
/// Nordic documents no limit for an item.
const MAX_SIZE: usize = 8192;

/// Sec tags above are reserved by the modem.
const MAX_SEC_TAG: u32 = 2_147_483_647;

/// The types of `modem_key_mgmt_cred_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    CaChain,
    ClientCertificate,
    ClientKey,
    Psk,
    PskIdentity,
}

impl Kind {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::CaChain),
            1 => Some(Self::ClientCertificate),
            2 => Some(Self::ClientKey),
            3 => Some(Self::Psk),
            4 => Some(Self::PskIdentity),
            _ => None,
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::CaChain => "ca.pem",
            Self::ClientCertificate => "cert.pem",
            Self::ClientKey => "key.pem",
            Self::Psk => "psk.pem",
            Self::PskIdentity => "identity.pem",
        }
    }

    fn mode(self) -> u32 {
        match self {
            Self::ClientKey | Self::Psk => 0o600,
            Self::CaChain | Self::ClientCertificate | Self::PskIdentity => 0o644,
        }
    }
}

/// The store under one folder.
#[derive(Debug)]
pub(crate) struct Credentials {
    folder: PathBuf,
}

impl Credentials {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn path(&self, sec_tag: u32, kind: Kind) -> PathBuf {
        self.folder.join(sec_tag.to_string()).join(kind.file())
    }

    /// The bytes under the sec tag, for the modem's own use; `None` if there are none.
    pub(crate) fn load(&self, sec_tag: u32, kind: Kind) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(sec_tag, kind)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn exists(&self, sec_tag: u32, kind: Kind) -> bool {
        self.path(sec_tag, kind).is_file()
    }

    /// `AT%CMNG=2`: type 0 only.
    pub(crate) fn read(&self, sec_tag: u32, kind: Kind) -> Result<Vec<u8>, Errno> {
        if kind != Kind::CaChain {
            log::error!(
                TARGET,
                "sec tag {sec_tag}: a modem gives back CA certificates only"
            );
            return Err(Errno::ACCES);
        }
        let found = self
            .load(sec_tag, kind)
            .map_err(|error| self.failed(sec_tag, kind, &error))?;
        found.ok_or(Errno::NOENT)
    }

    /// `AT%CMNG=0`. The modem must be offline.
    pub(crate) fn write(
        &self,
        online: bool,
        sec_tag: u32,
        kind: Kind,
        content: &[u8],
    ) -> Result<(), Errno> {
        check_offline(online, sec_tag)?;
        check_content(sec_tag, kind, content)?;
        settings::replace(&self.path(sec_tag, kind), content, kind.mode())
            .map_err(|error| self.failed(sec_tag, kind, &error))
    }

    /// `AT%CMNG=3`. The modem must be offline.
    pub(crate) fn delete(&self, online: bool, sec_tag: u32, kind: Kind) -> Result<(), Errno> {
        check_offline(online, sec_tag)?;
        match fs::remove_file(self.path(sec_tag, kind)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Errno::NOENT),
            Err(error) => Err(self.failed(sec_tag, kind, &error)),
        }
    }

    fn failed(&self, sec_tag: u32, kind: Kind, error: &io::Error) -> Errno {
        log::error!(TARGET, "{}: {error}", self.path(sec_tag, kind).display());
        Errno::from(error)
    }
}

fn check_offline(online: bool, sec_tag: u32) -> Result<(), Errno> {
    if online {
        log::error!(
            TARGET,
            "sec tag {sec_tag}: credentials change only while LTE is off (CFUN 0 or 4)"
        );
        return Err(Errno::PERM);
    }
    Ok(())
}

fn check_content(sec_tag: u32, kind: Kind, content: &[u8]) -> Result<(), Errno> {
    if sec_tag > MAX_SEC_TAG {
        log::error!(
            TARGET,
            "sec tag {sec_tag} is reserved: the largest is {MAX_SEC_TAG}"
        );
        return Err(Errno::INVAL);
    }
    if content.is_empty() {
        log::error!(
            TARGET,
            "sec tag {sec_tag}: an empty credential cannot be written"
        );
        return Err(Errno::INVAL);
    }
    if content.len() > MAX_SIZE {
        log::error!(
            TARGET,
            "sec tag {sec_tag}: {} bytes are more than {MAX_SIZE}",
            content.len()
        );
        return Err(Errno::TOO_BIG);
    }
    let certificate = matches!(kind, Kind::CaChain | Kind::ClientCertificate);
    if certificate && !looks_like_pem(content) {
        log::error!(
            TARGET,
            "sec tag {sec_tag}: not a PEM certificate with real line breaks (CME 527)"
        );
        return Err(Errno::INVAL);
    }
    Ok(())
}

fn looks_like_pem(content: &[u8]) -> bool {
    content
        .split(|byte| *byte == b'\n')
        .any(|line| line.trim_ascii_end() == b"-----BEGIN CERTIFICATE-----")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    const OFFLINE: bool = false;
    const ONLINE: bool = true;

    fn store() -> (tempfile::TempDir, Credentials) {
        let folder = tempfile::tempdir().unwrap();
        let store = Credentials::new(folder.path().join("credentials"));
        (folder, store)
    }

    #[test]
    fn only_ca_certificates_can_be_read_back() {
        let (_folder, store) = store();
        assert_eq!(store.read(10, Kind::CaChain), Err(Errno::NOENT));
        for kind in [Kind::CaChain, Kind::ClientCertificate, Kind::ClientKey] {
            assert!(!store.exists(10, kind));
            store.write(OFFLINE, 10, kind, PEM).unwrap();
            assert!(store.exists(10, kind));
        }
        assert_eq!(store.read(10, Kind::CaChain).unwrap(), PEM);
        assert_eq!(store.read(10, Kind::ClientCertificate), Err(Errno::ACCES));
        assert_eq!(store.read(10, Kind::ClientKey), Err(Errno::ACCES));
    }

    #[test]
    fn nothing_changes_while_lte_is_on() {
        let (_folder, store) = store();
        store.write(OFFLINE, 10, Kind::CaChain, PEM).unwrap();
        assert_eq!(
            store.write(ONLINE, 10, Kind::CaChain, PEM),
            Err(Errno::PERM)
        );
        assert_eq!(store.delete(ONLINE, 10, Kind::CaChain), Err(Errno::PERM));
        assert!(store.exists(10, Kind::CaChain));
        store.delete(OFFLINE, 10, Kind::CaChain).unwrap();
        assert_eq!(store.delete(OFFLINE, 10, Kind::CaChain), Err(Errno::NOENT));
    }

    #[test]
    fn a_client_key_is_for_its_owner_alone() {
        let (_folder, store) = store();
        store.write(OFFLINE, 10, Kind::ClientKey, PEM).unwrap();
        let mode = fs::metadata(store.path(10, Kind::ClientKey))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_a_modem_would_refuse_is_refused() {
        let (_folder, store) = store();
        let one_line = b"-----BEGIN CERTIFICATE----- AA== -----END CERTIFICATE-----";
        assert_eq!(
            store.write(OFFLINE, 10, Kind::CaChain, one_line),
            Err(Errno::INVAL)
        );
        assert_eq!(
            store.write(OFFLINE, 10, Kind::ClientKey, b""),
            Err(Errno::INVAL)
        );
        assert_eq!(
            store.write(OFFLINE, MAX_SEC_TAG + 1, Kind::CaChain, PEM),
            Err(Errno::INVAL)
        );
        let large = vec![b'a'; MAX_SIZE + 1];
        assert_eq!(
            store.write(OFFLINE, 10, Kind::ClientKey, &large),
            Err(Errno::TOO_BIG)
        );
    }
}
