//! `modem/modem_jwt.h` and `modem/modem_attest_token.h`.

use std::ffi::{c_char, c_int};

use ncs_sys as sys;

use super::{bytes_mut, text, with_host};
use crate::{
    errno::{Errno, code},
    modem::{credentials::Kind, identity::Claims},
};

super::defines! {
    modem_jwt_generate,
    modem_jwt_get_uuids,
    modem_attest_token_get,
}

/// Signs a token: -EINVAL for NULL, -EMSGSIZE and -E2BIG for a buffer without room, -ENOMEM where
/// there is none, -ENOEXEC where the key is missing or is no P-256 key.
///
/// # Safety
/// `jwt` is NULL or leads to a struct whose texts are NULL or end in 0, and whose buffer is NULL or
/// has as many bytes as it says.
#[unsafe(no_mangle)]
unsafe extern "C" fn modem_jwt_generate(jwt: *mut sys::jwt_data) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let Some(jwt) = (unsafe { jwt.as_mut() }) else {
        return Errno::INVAL.code();
    };
    if jwt.jwt_buf.is_null() {
        return Errno::NOMEM.code();
    }
    if jwt.jwt_sz == 0 {
        return Errno::MSGSIZE.code();
    }
    // SAFETY: as the caller promises.
    let buffer = unsafe { bytes_mut(jwt.jwt_buf.cast(), jwt.jwt_sz) };
    code(with_host(|host| {
        // SAFETY: as the caller promises.
        let subject = unsafe { optional(jwt.subject) }?;
        // SAFETY: as the caller promises.
        let audience = unsafe { optional(jwt.audience) }?;
        let claims = Claims {
            subject,
            audience,
            lifetime_s: jwt.exp_delta_s,
        };
        let key = match (jwt.sec_tag, jwt.key) {
            (0, _) => None,
            (tag, sys::jwt_key_type::JWT_KEY_TYPE_CLIENT_PRIV) => {
                let found = host.modem.credentials.load(tag, Kind::ClientKey);
                Some(found.ok().flatten().ok_or(Errno::NOEXEC)?)
            }
            _ => return Err(Errno::NOEXEC),
        };
        let knows_time = host.modem.is_online();
        let token = host
            .modem
            .identity
            .jwt(key.as_deref(), &claims, knows_time)?;
        with_zero(&token, buffer, Errno::TOO_BIG)
    }))
}

/// The UUIDs of device and firmware; either may be NULL.
///
/// # Safety
/// Each is NULL or can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn modem_jwt_get_uuids(
    dev: *mut sys::nrf_device_uuid,
    mfw: *mut sys::nrf_modem_fw_uuid,
) -> c_int {
    code(with_host(|host| {
        let (device, firmware) = host.modem.identity.uuids();
        // SAFETY: NULL, or as the caller promises.
        if let Some(dev) = unsafe { dev.as_mut() } {
            put(&device, &mut dev.str_);
        }
        // SAFETY: NULL, or as the caller promises.
        if let Some(mfw) = unsafe { mfw.as_mut() } {
            put(&firmware, &mut mfw.str_);
        }
        Ok(())
    }))
}

/// The modem's attestation token: -EINVAL for NULL, -EBADF and -EMSGSIZE for a buffer without room,
/// -ENOMEM where there is none.
///
/// # Safety
/// `token` is NULL or leads to a struct whose buffers are NULL or have as many bytes as it says.
#[unsafe(no_mangle)]
unsafe extern "C" fn modem_attest_token_get(token: *mut sys::nrf_attestation_token) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let Some(token) = (unsafe { token.as_mut() }) else {
        return Errno::INVAL.code();
    };
    if token.attest.is_null() || token.cose.is_null() {
        return Errno::NOMEM.code();
    }
    if token.attest_sz == 0 || token.cose_sz == 0 {
        return Errno::BADF.code();
    }
    // SAFETY: as the caller promises.
    let attest = unsafe { bytes_mut(token.attest.cast(), token.attest_sz) };
    // SAFETY: as the caller promises.
    let cose = unsafe { bytes_mut(token.cose.cast(), token.cose_sz) };
    code(with_host(|host| {
        let (body, signature) = host.modem.identity.attestation()?;
        if body.len() >= attest.len() || signature.len() >= cose.len() {
            return Err(Errno::MSGSIZE);
        }
        with_zero(&body, attest, Errno::MSGSIZE)?;
        with_zero(&signature, cose, Errno::MSGSIZE)
    }))
}

/// A text that need not be there.
///
/// # Safety
/// A pointer that is not NULL leads to bytes that end in 0 and that nobody writes to for `'a`.
unsafe fn optional<'a>(pointer: *const c_char) -> Result<Option<&'a str>, Errno> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: it is not NULL, and the caller answers for the rest.
    unsafe { text(pointer) }.map(Some)
}

/// Copies a text and the 0 behind it.
fn with_zero(text: &str, buffer: &mut [u8], too_small: Errno) -> Result<(), Errno> {
    let (room, end) = buffer.split_at_mut_checked(text.len()).ok_or(too_small)?;
    *end.first_mut().ok_or(too_small)? = 0;
    room.copy_from_slice(text.as_bytes());
    Ok(())
}

fn put(text: &str, room: &mut [c_char; 37]) {
    let bytes = text.bytes().chain([0]);
    for (place, byte) in room.iter_mut().zip(bytes) {
        *place = c_char::from_ne_bytes([byte]);
    }
}
