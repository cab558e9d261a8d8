//! Blobs: where devices put files, and jobs find and leave theirs. A storage of our own in the data
//! folder, or another one (Azurite), for which addresses are signed.

use std::path::PathBuf;

use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};

mod account;
mod folder;
mod remote;

pub(crate) use account::{Account, AccountError, Endpoint};
pub(crate) use folder::{Folder, Incoming};

/// The storage.
#[derive(Debug)]
pub(crate) struct Blobs {
    /// Who signs.
    pub account: Account,
    /// The files, if the storage is the one inside.
    pub folder: Option<Folder>,
}

/// The parts of a blob's address, as an upload answers them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// `http` or `https`.
    pub scheme: String,
    /// Host and port.
    pub host_name: String,
    /// The container, behind the account's name where that is a part of the path.
    pub container_name: String,
    /// As given.
    pub blob_name: String,
    /// With `?` in front.
    pub sas_token: String,
}

impl Blobs {
    /// A storage in a folder, `limit` bytes at most.
    pub(crate) fn inside(folder: PathBuf, key: String, limit: u64) -> std::io::Result<Self> {
        Ok(Self {
            account: Account::inside(key),
            folder: Some(Folder::open(folder, limit)?),
        })
    }

    /// Another storage.
    pub(crate) fn elsewhere(account: Account) -> Self {
        Self {
            account,
            folder: None,
        }
    }

    /// Where the account's containers are.
    pub(crate) fn endpoint(&self, host: &str) -> String {
        let Endpoint {
            scheme,
            authority,
            path,
        } = self.place(host);
        format!("{scheme}://{authority}/{path}")
    }

    fn place(&self, host: &str) -> Endpoint {
        let inside = || Endpoint {
            scheme: "https".to_owned(),
            authority: host.to_owned(),
            path: self.account.name.clone(),
        };
        self.account.elsewhere.clone().unwrap_or_else(inside)
    }

    /// A signed address; `host` is what the client calls this machine at the HTTPS port.
    pub(crate) fn address(
        &self,
        host: &str,
        container: &str,
        blob: &str,
        permissions: &str,
        expiry: UnixMs,
    ) -> Address {
        let endpoint = self.place(host);
        let front = match endpoint.path.as_str() {
            "" => String::new(),
            path => format!("{path}/"),
        };
        let sas = self.account.sign(container, blob, permissions, expiry);
        Address {
            scheme: endpoint.scheme,
            host_name: endpoint.authority,
            container_name: format!("{front}{container}"),
            blob_name: blob.to_owned(),
            sas_token: format!("?{sas}"),
        }
    }
}

/// Checks a container's name (Microsoft, "Naming and referencing containers, blobs, and metadata").
pub(crate) fn check_container(name: &str) -> Result<(), Refusal> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte != b'-');
    let bytes = name.as_bytes();
    if (3..=63).contains(&name.len())
        && bytes.iter().copied().all(allowed)
        && ends(bytes.first().copied())
        && ends(bytes.last().copied())
        && !name.contains("--")
    {
        return Ok(());
    }
    Err(invalid(format!(
        "container '{name}' must have 3 to 63 lower-case letters, digits and single hyphens"
    )))
}

/// Checks a blob's name: 1 to 1,024 characters, of which none is a control character.
pub(crate) fn check_blob(name: &str) -> Result<(), Refusal> {
    let count = name.chars().count();
    match (1..=1024).contains(&count) && !name.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(invalid(
            "a blob's name must have 1 to 1,024 characters, without control characters".to_owned(),
        )),
    }
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}
