//! The proof that a modem is one of Nordic's, and which: `modem/modem_attest_token.h`. Needs
//! `CONFIG_MODEM_ATTEST_TOKEN=y` and modem firmware 1.3.0.

use core::ffi::c_char;

use crate::{Errno, errno::check, jwt::until_zero};

/// An attestation token: both parts base64url without padding. `attestation.cose` is the form in
/// which cloud services take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'b> {
    /// CBOR: device UUID and type, firmware UUID, nonce.
    pub attestation: &'b str,
    /// COSE_Sign1 over it, by the modem's identity key.
    pub cose: &'b str,
}

/// Asks the modem for its token; each buffer takes its part with a 0 at its end (128 bytes each are
/// enough).
///
/// # Errors
/// EBADF for an empty buffer, EMSGSIZE for one that is too small, EBADMSG where the modem refuses
/// or answers something else. (NCS, `modem_attest_token_get`.)
pub fn token<'b>(attestation: &'b mut [u8], cose: &'b mut [u8]) -> Result<Token<'b>, Errno> {
    let mut token = ncs_sys::nrf_attestation_token {
        attest: attestation.as_mut_ptr().cast::<c_char>(),
        attest_sz: attestation.len(),
        cose: cose.as_mut_ptr().cast::<c_char>(),
        cose_sz: cose.len(),
    };
    // SAFETY: each buffer has as many bytes as it says, and both live for the call.
    check(unsafe { ncs_sys::modem_attest_token_get(&mut token) })?;
    Ok(Token {
        attestation: until_zero(attestation),
        cose: until_zero(cose),
    })
}
