//! What TLS needs under a security tag. On a board with a modem the tag is the modem's, reached by
//! `modem/modem_key_mgmt.h`; on native_sim `src/sim_keys.c` keeps the same tags for Zephyr's `tls_credential_add()`; on
//! Linux it is a folder.

use crate::{
    Errno,
    keys::{self, Credential, SecTag},
};

/// The first of the three credentials of mutual TLS that the tag does not have: the CA's, the device's certificate, its
/// key. That they fit each other is not looked at.
///
/// # Errors
/// What the credential store says.
pub fn missing(tag: SecTag) -> Result<Option<Credential>, Errno> {
    for credential in [
        Credential::CaChain,
        Credential::Certificate,
        Credential::PrivateKey,
    ] {
        if !keys::exists(tag, credential)? {
            return Ok(Some(credential));
        }
    }
    Ok(None)
}
