//! The modem's credential store: `modem/modem_key_mgmt.h`.

use core::ffi::c_void;

use crate::{Errno, errno::check};

/// A security tag: the number under which credentials belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecTag(pub u32);

/// The kinds of credential under a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The certificates that the server's chain must lead to; PEM, several are allowed.
    CaChain,
    /// The device's certificate, followed by its intermediates; PEM.
    Certificate,
    /// The device's private key; PEM. Cannot be read back.
    PrivateKey,
}

impl core::fmt::Display for Credential {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::CaChain => "CA certificate",
            Self::Certificate => "device certificate",
            Self::PrivateKey => "private key",
        })
    }
}

/// Writes a credential; the bytes between the quotes of `AT%CMNG=0`.
///
/// # Errors
/// EPERM while LTE is on; ENOMEM when the store is full; EINVAL when the modem does not like the
/// content; EALREADY when a key exists. (NCS, `modem_key_mgmt_write`.)
pub fn write(tag: SecTag, credential: Credential, pem: &[u8]) -> Result<(), Errno> {
    // SAFETY: the pointer and the length are those of one slice, which is only read during the
    // call.
    check(unsafe {
        ncs_sys::modem_key_mgmt_write(
            tag.0,
            kind(credential),
            pem.as_ptr().cast::<c_void>(),
            pem.len(),
        )
    })
}

/// Deletes a credential.
///
/// # Errors
/// ENOENT when there is none; EPERM while LTE is on. (NCS, `modem_key_mgmt_delete`.)
pub fn delete(tag: SecTag, credential: Credential) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { ncs_sys::modem_key_mgmt_delete(tag.0, kind(credential)) })
}

/// Whether there is such a credential. Allowed at any time.
///
/// # Errors
/// What the modem says. (NCS, `modem_key_mgmt_exists`.)
pub fn exists(tag: SecTag, credential: Credential) -> Result<bool, Errno> {
    let mut found = false;
    // SAFETY: the pointer is valid for the call.
    check(unsafe { ncs_sys::modem_key_mgmt_exists(tag.0, kind(credential), &mut found) })?;
    Ok(found)
}

fn kind(credential: Credential) -> ncs_sys::modem_key_mgmt_cred_type {
    use ncs_sys::modem_key_mgmt_cred_type as c;
    match credential {
        Credential::CaChain => c::MODEM_KEY_MGMT_CRED_TYPE_CA_CHAIN,
        Credential::Certificate => c::MODEM_KEY_MGMT_CRED_TYPE_PUBLIC_CERT,
        Credential::PrivateKey => c::MODEM_KEY_MGMT_CRED_TYPE_PRIVATE_CERT,
    }
}
