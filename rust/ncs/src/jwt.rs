//! Tokens that the modem signs (ES256): `modem/modem_jwt.h`. Needs `CONFIG_MODEM_JWT=y` and modem
//! firmware 1.3.0.

use core::{
    ffi::{CStr, c_char},
    ptr, str,
};

use crate::{Errno, errno::check, keys::SecTag};

/// Which key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The modem's own, that it was made with.
    Identity,
    /// The client key under a tag, EC P-256. Tag 0 is the identity key: the C function takes it so.
    Client(SecTag),
}

/// What stands in a token besides `iss` (chip and device UUID) and `jti` (chip and firmware UUID),
/// which the modem puts in.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// `sub`: whom the token is about. Without quotation marks.
    pub subject: Option<&'a CStr>,
    /// `aud`: whom it is for. Without quotation marks.
    pub audience: Option<&'a CStr>,
    /// For how many seconds it holds. `iat` and `exp` stand in it only if this is not 0 and the
    /// modem knows the time, that is, after it was on a network.
    pub lifetime_s: u32,
}

/// Has the modem make a token; `buffer` takes it with a 0 at its end (850 bytes are enough for what
/// the library itself can hold by default).
///
/// # Errors
/// EMSGSIZE for an empty buffer, E2BIG for one that is too small; ENOEXEC where the modem refuses:
/// no such key, or an old firmware; EBADMSG for an answer that is not understood; ENOMEM. (NCS,
/// `modem_jwt_generate`.)
pub fn generate<'b>(key: Key, claims: &Claims<'_>, buffer: &'b mut [u8]) -> Result<&'b str, Errno> {
    let text = |claim: Option<&CStr>| claim.map_or(ptr::null(), CStr::as_ptr);
    let mut data = ncs_sys::jwt_data {
        sec_tag: match key {
            Key::Identity => 0,
            Key::Client(tag) => tag.0,
        },
        key: ncs_sys::jwt_key_type::JWT_KEY_TYPE_CLIENT_PRIV,
        alg: ncs_sys::jwt_alg_type::JWT_ALG_TYPE_ES256,
        exp_delta_s: claims.lifetime_s,
        subject: text(claims.subject),
        audience: text(claims.audience),
        jwt_buf: buffer.as_mut_ptr().cast::<c_char>(),
        jwt_sz: buffer.len(),
    };
    // SAFETY: the texts end in 0, the buffer has as many bytes as it says, and all live for the
    // call.
    check(unsafe { ncs_sys::modem_jwt_generate(&mut data) })?;
    Ok(until_zero(buffer))
}

/// The UUIDs of a device and of its modem firmware, in their usual form of 36 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uuids {
    device: [u8; UUID + 1],
    modem_firmware: [u8; UUID + 1],
}

impl Uuids {
    /// The device's, which is also the name in its attestation token.
    pub fn device(&self) -> &str {
        until_zero(&self.device)
    }

    /// That of the modem firmware, the same on every device with that release.
    pub fn modem_firmware(&self) -> &str {
        until_zero(&self.modem_firmware)
    }
}

/// Asks the modem who it is; it makes a token for that.
///
/// # Errors
/// As [`generate`]. (NCS, `modem_jwt_get_uuids`.)
pub fn uuids() -> Result<Uuids, Errno> {
    let mut device = ncs_sys::nrf_device_uuid::default();
    let mut firmware = ncs_sys::nrf_modem_fw_uuid::default();
    // SAFETY: both can be written during the call.
    check(unsafe { ncs_sys::modem_jwt_get_uuids(&mut device, &mut firmware) })?;
    Ok(Uuids {
        device: device.str_.map(byte),
        modem_firmware: firmware.str_.map(byte),
    })
}

/// What C left before its 0; nothing if that is no text.
pub(crate) fn until_zero(buffer: &[u8]) -> &str {
    let text = buffer.split(|byte| *byte == 0).next().unwrap_or_default();
    str::from_utf8(text).unwrap_or_default()
}

/// `c_char` has a sign on some platforms and none on others.
fn byte(character: c_char) -> u8 {
    character.to_ne_bytes()[0]
}

/// 32 hex digits and 4 hyphens.
const UUID: usize = 36;
