//! What TLS needs under a security tag, asked by AT command: `modem/modem_key_mgmt.h` would do, and
//! takes 4 KiB of RAM. On native_sim `src/sim_keys.c` keeps the same tags for Zephyr's
//! `tls_credential_add()`, on Linux they are folders, and both answer the same command.

use core::{ffi::CStr, fmt::Write};

use crate::{
    Decimal, at,
    keys::{Credential, SecTag},
};

/// The first of the three credentials of mutual TLS that the tag does not have: the CA's, the
/// device's certificate, its key. That they fit each other is not looked at.
///
/// # Errors
/// What the modem says.
pub fn missing(tag: SecTag) -> Result<Option<Credential>, at::Error> {
    for (number, credential) in [
        ('0', Credential::CaChain),
        ('1', Credential::Certificate),
        ('2', Credential::PrivateKey),
    ] {
        let mut text = heapless::String::<32>::new();
        // "AT%CMNG=1,2147483647,2" has 22 characters.
        let _ = write!(text, "AT%CMNG=1,{}", Decimal::from(tag.0));
        let _ = text.push(',').and_then(|()| text.push(number));
        let _ = text.push('\0');
        let command = CStr::from_bytes_until_nul(text.as_bytes()).unwrap_or_default();
        // A line with the credential's digest, and OK.
        if !at::command(command, &mut [0; 128])?.starts_with("%CMNG: ") {
            return Ok(Some(credential));
        }
    }
    Ok(None)
}
