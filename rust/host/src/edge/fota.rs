//! The FOTA functions of `iothub_platform.h`.

use std::ffi::{c_int, c_uint};

use ncs_sys as sys;

use super::{bytes, text, with_host};
use crate::{
    errno::{Errno, code},
    fota::{Cause, Source, TransferEvent},
};

super::defines! {
    iothub_platform_fota_start,
    iothub_platform_fota_cancel,
    iothub_platform_fota_apply,
    iothub_platform_fota_confirm,
    iothub_platform_fota_image,
}

/// Fetches an image.
///
/// # Safety
/// `source` is NULL or leads to a source whose pointers are NULL or lead to what goes with them.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_fota_start(
    source: *const sys::iothub_fota_source,
    callback: sys::iothub_fota_callback_t,
) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let (Some(source), Some(callback)) = (unsafe { source.as_ref() }, callback) else {
        return Errno::INVAL.code();
    };
    // SAFETY: as the caller promises.
    let source = unsafe { source_of(source) };
    code(source.and_then(|source| {
        with_host(|host| {
            host.fota.start(
                source,
                Box::new(move |event| {
                    let (event, first, second) = numbers(event);
                    // SAFETY: the caller's function, which takes numbers.
                    unsafe { callback(event, first, second) }
                }),
            )
        })
    }))
}

/// # Safety
/// As [`iothub_platform_fota_start`].
unsafe fn source_of(source: &sys::iothub_fota_source) -> Result<Source, Errno> {
    // SAFETY: as the caller promises.
    let host = unsafe { text(source.host) }?;
    // SAFETY: as the caller promises.
    let path = unsafe { text(source.path) }?;
    // SAFETY: NULL, or as many bytes as so many tags have; each is copied out of them below.
    let tags = unsafe { bytes(source.sec_tags.cast(), source.sec_tag_count * 4) };
    // SAFETY: NULL, or 32 bytes.
    let sha256 = unsafe { bytes(source.sha256, 32) };
    Ok(Source {
        host: host.to_owned(),
        path: path.to_owned(),
        port: source.port,
        tls: source.tls,
        sec_tags: tags
            .as_chunks()
            .0
            .iter()
            .map(|tag| u32::from_ne_bytes(*tag))
            .collect(),
        fragment: source.fragment.into(),
        size: source.size,
        sha256: sha256.try_into().ok(),
        identity: source.identity,
    })
}

fn numbers(event: TransferEvent) -> (c_uint, u32, u32) {
    match event {
        TransferEvent::Progress { offset, size } => (sys::IOTHUB_FOTA_PROGRESS, offset, size),
        TransferEvent::Version { number, build } => (sys::IOTHUB_FOTA_VERSION, number, build),
        TransferEvent::Done => (sys::IOTHUB_FOTA_DONE, 0, 0),
        TransferEvent::Stopped => (sys::IOTHUB_FOTA_STOPPED, 0, 0),
        TransferEvent::Failed(cause) => {
            let (cause, status) = match cause {
                Cause::Connect => (sys::IOTHUB_FOTA_CAUSE_CONNECT, 0),
                Cause::Tls => (sys::IOTHUB_FOTA_CAUSE_TLS, 0),
                Cause::Transfer => (sys::IOTHUB_FOTA_CAUSE_TRANSFER, 0),
                Cause::Http(status) => (sys::IOTHUB_FOTA_CAUSE_HTTP, status),
                // As on a board, whose library does not hand on the status.
                Cause::Answer => (sys::IOTHUB_FOTA_CAUSE_HTTP, 0),
                Cause::Size => (sys::IOTHUB_FOTA_CAUSE_SIZE, 0),
                Cause::Hash => (sys::IOTHUB_FOTA_CAUSE_HASH, 0),
                Cause::Image => (sys::IOTHUB_FOTA_CAUSE_IMAGE, 0),
                Cause::TooLarge => (sys::IOTHUB_FOTA_CAUSE_TOO_LARGE, 0),
                Cause::Storage => (sys::IOTHUB_FOTA_CAUSE_STORAGE, 0),
            };
            (sys::IOTHUB_FOTA_FAILED, cause, status.into())
        }
    }
}

/// Stops the transfer.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_fota_cancel() -> c_int {
    code(with_host(|host| host.fota.cancel()))
}

/// Marks what was downloaded for the next boot.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_fota_apply() -> c_int {
    code(with_host(|host| host.fota.apply()))
}

/// Makes the running image stay.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_fota_confirm() -> c_int {
    code(with_host(|host| host.fota.confirm()))
}

/// What is in a slot.
///
/// # Safety
/// `image` is NULL or leads to an image that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_fota_image(
    slot: c_uint,
    image: *mut sys::iothub_fota_image,
) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let Some(image) = (unsafe { image.as_mut() }) else {
        return Errno::INVAL.code();
    };
    code(with_host(|host| {
        let (version, confirmed) = match slot {
            sys::IOTHUB_FOTA_SLOT_RUNNING => host.fota.running(),
            sys::IOTHUB_FOTA_SLOT_DOWNLOADED => {
                (host.fota.downloaded().ok_or(Errno::NOENT)?, false)
            }
            _ => return Err(Errno::INVAL),
        };
        *image = sys::iothub_fota_image::default();
        // One is left for the 0.
        let room = image.version.len() - 1;
        for (to, from) in image.version.iter_mut().take(room).zip(version.bytes()) {
            *to = from.cast_signed();
        }
        image.confirmed = confirmed;
        Ok(())
    }))
}
