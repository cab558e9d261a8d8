//! `modem/nrf_modem_lib.h`, `modem/lte_lc.h`, `modem/pdn.h`, `modem/modem_key_mgmt.h`.

use std::{
    ffi::{c_char, c_int, c_uint, c_void},
    sync::Arc,
};

use ncs_sys as sys;

use super::{bytes, bytes_mut, copy_out, text, with_host};
use crate::{
    board::Sensor,
    errno::{Errno, code},
    log,
    modem::{Event, PdnHandler, Registration, commands, credentials::Kind},
};

super::defines! {
    nrf_modem_lib_init,
    nrf_modem_lib_shutdown,
    iothub_platform_modem_watch,
    iothub_platform_at,
    iothub_platform_apn_set,
    lte_lc_connect_async,
    lte_lc_power_off,
    pdn_default_ctx_cb_reg,
    modem_key_mgmt_write,
    modem_key_mgmt_delete,
    modem_key_mgmt_read,
    modem_key_mgmt_exists,
}

/// Switches the modem library on.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn nrf_modem_lib_init() -> c_int {
    code(with_host(|host| {
        host.modem.init();
        Ok(())
    }))
}

/// Switches LTE off if it is on.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn nrf_modem_lib_shutdown() -> c_int {
    code(with_host(|host| host.modem.power_off()))
}

/// A simulated modem has no faults and nobody else who switches it: the handler is never called.
///
/// # Safety
/// None is needed: the handler is not called.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_modem_watch(
    _handler: Option<unsafe extern "C" fn(what: c_uint, value: c_int)>,
) {
}

/// `AT%CMNG=1,tag,type`: whether there is such a credential; what [`commands`] answers; -ENOTSUP
/// for every other command.
///
/// # Safety
/// `command` is NULL or ends in a 0 byte; `answer` is NULL or leads to `len` bytes that can be
/// written.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_at(
    command: *const c_char,
    answer: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: as the caller promises.
    let command = unsafe { text(command) };
    // SAFETY: as the caller promises.
    let room = unsafe { bytes_mut(answer.cast(), len) };
    code(with_host(|host| {
        let command = command?;
        let snapshot = commands::Snapshot {
            imei: host.hardware_id.as_deref(),
            cell: host.board.cell().filter(|_| host.modem.is_registered()),
            battery_mv: host.board.read(Sensor::BatteryVoltage).ok(),
            ..host.modem.snapshot()
        };
        if let Some(line) = commands::answer(command, &snapshot) {
            let answer = format!("{line}\r\nOK\r\n\0");
            return copy_out(answer.as_bytes(), room, &mut 0, Errno::TOO_BIG);
        }
        let (tag, number) = command
            .strip_prefix("AT%CMNG=1,")
            .and_then(|rest| rest.split_once(','))
            .ok_or(Errno::NOTSUP)?;
        let tag = tag.parse().map_err(|_| Errno::INVAL)?;
        let kind = number.parse().ok().and_then(Kind::from_number);
        let found = host
            .modem
            .credentials
            .exists(tag, kind.ok_or(Errno::INVAL)?);
        let line: &[u8] = if found {
            b"%CMNG: \r\nOK\r\n\0"
        } else {
            b"OK\r\n\0"
        };
        copy_out(line, room, &mut 0, Errno::TOO_BIG)
    }))
}

/// A log line: the simulated networks take every name.
///
/// # Safety
/// `apn` is NULL or ends in a 0 byte.
#[unsafe(no_mangle)]
unsafe extern "C" fn iothub_platform_apn_set(apn: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    let apn = unsafe { text(apn) };
    code(apn.map(|apn| log::info!("modem", "the access point name is \"{apn}\"")))
}

/// CFUN=1; events follow on the system workqueue. -EINVAL without a handler, -EFAULT before
/// `nrf_modem_lib_init`, -EINPROGRESS while it is under way.
///
/// # Safety
/// `handler` can be called from any thread until the end of the process.
#[unsafe(no_mangle)]
unsafe extern "C" fn lte_lc_connect_async(handler: sys::lte_lc_evt_handler_t) -> c_int {
    let Some(function) = handler else {
        return Errno::INVAL.code();
    };
    let call = move |registration| {
        let type_ = sys::lte_lc_evt_type::LTE_LC_EVT_NW_REG_STATUS;
        let nw_reg_status = status(registration);
        let evt = sys::lte_lc_evt {
            type_,
            __bindgen_anon_1: sys::lte_lc_evt__bindgen_ty_1 { nw_reg_status },
        };
        // SAFETY: the application's function, as its type says; the event lives for the call.
        unsafe { function(&raw const evt) }
    };
    code(with_host(|host| host.modem.connect(Arc::new(call))))
}

/// CFUN=0.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn lte_lc_power_off() -> c_int {
    code(with_host(|host| host.modem.power_off()))
}

fn status(registration: Registration) -> sys::lte_lc_nw_reg_status {
    use sys::lte_lc_nw_reg_status as status;

    match registration {
        Registration::NotRegistered => status::LTE_LC_NW_REG_NOT_REGISTERED,
        Registration::Home => status::LTE_LC_NW_REG_REGISTERED_HOME,
        Registration::Searching => status::LTE_LC_NW_REG_SEARCHING,
        Registration::Denied => status::LTE_LC_NW_REG_REGISTRATION_DENIED,
        Registration::Unknown => status::LTE_LC_NW_REG_UNKNOWN,
        Registration::Roaming => status::LTE_LC_NW_REG_REGISTERED_ROAMING,
        Registration::UiccFail => status::LTE_LC_NW_REG_UICC_FAIL,
    }
}

/// Calls `cb` for each event of the default PDN, on the system workqueue.
///
/// # Safety
/// `cb` can be called from any thread until the end of the process.
#[unsafe(no_mangle)]
unsafe extern "C" fn pdn_default_ctx_cb_reg(cb: sys::pdn_event_handler_t) -> c_int {
    let Some(function) = cb else {
        return Errno::INVAL.code();
    };
    let call = move |event| {
        if let Some((event, reason)) = pdn_event(event) {
            // SAFETY: the application's function, as its type says.
            unsafe { function(DEFAULT_CONTEXT, event, reason) }
        }
    };
    let handler = PdnHandler {
        identity: function as usize,
        call: Arc::new(call),
    };
    code(with_host(|host| {
        host.modem.on_pdn(handler);
        Ok(())
    }))
}

const DEFAULT_CONTEXT: u8 = 0;

/// The event and its reason: an ESM cause, or why not what was asked for, or -1.
fn pdn_event(event: Event) -> Option<(sys::pdn_event, c_int)> {
    const NO_REASON: c_int = -1;

    Some(match event {
        Event::EsmCause(cause) => (sys::pdn_event::PDN_EVENT_CNEC_ESM, cause.into()),
        Event::Activated { reason } => (
            sys::pdn_event::PDN_EVENT_ACTIVATED,
            reason.map_or(NO_REASON, c_int::from),
        ),
        Event::Deactivated => (sys::pdn_event::PDN_EVENT_DEACTIVATED, NO_REASON),
        Event::Ipv6Up => (sys::pdn_event::PDN_EVENT_IPV6_UP, NO_REASON),
        Event::Ipv6Down => (sys::pdn_event::PDN_EVENT_IPV6_DOWN, NO_REASON),
        Event::NetworkDetach => (sys::pdn_event::PDN_EVENT_NETWORK_DETACH, NO_REASON),
        Event::Registration(_) => return None,
    })
}

fn kind(cred_type: sys::modem_key_mgmt_cred_type) -> Result<Kind, Errno> {
    Kind::from_number(cred_type.0).ok_or(Errno::INVAL)
}

/// Writes a credential: -EPERM while LTE is on, -EINVAL for what is no credential, -E2BIG.
///
/// # Safety
/// `buf` is NULL or leads to `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn modem_key_mgmt_write(
    sec_tag: sys::nrf_sec_tag_t,
    cred_type: sys::modem_key_mgmt_cred_type,
    buf: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: as the caller promises.
    let content = unsafe { bytes(buf.cast(), len) };
    code(with_host(|host| {
        let online = host.modem.is_online();
        host.modem
            .credentials
            .write(online, sec_tag, kind(cred_type)?, content)
    }))
}

/// Deletes a credential: -EPERM while LTE is on, -ENOENT if there is none.
///
/// # Safety
/// None is needed: there are no pointers.
#[unsafe(no_mangle)]
unsafe extern "C" fn modem_key_mgmt_delete(
    sec_tag: sys::nrf_sec_tag_t,
    cred_type: sys::modem_key_mgmt_cred_type,
) -> c_int {
    code(with_host(|host| {
        let online = host.modem.is_online();
        host.modem
            .credentials
            .delete(online, sec_tag, kind(cred_type)?)
    }))
}

/// Reads CA certificates back: -EACCES for any other type, -ENOENT if there is none, -ENOMEM and
/// the length needed where there is too little room.
///
/// # Safety
/// `buf` is NULL or leads to `*len` bytes that can be written; `len` is NULL or leads to a
/// `size_t`.
#[unsafe(no_mangle)]
unsafe extern "C" fn modem_key_mgmt_read(
    sec_tag: sys::nrf_sec_tag_t,
    cred_type: sys::modem_key_mgmt_cred_type,
    buf: *mut c_void,
    len: *mut usize,
) -> c_int {
    // SAFETY: NULL, or as the caller promises.
    let Some(len) = (unsafe { len.as_mut() }) else {
        return Errno::INVAL.code();
    };
    // SAFETY: as the caller promises.
    let room = unsafe { bytes_mut(buf.cast(), *len) };
    code(with_host(|host| {
        let value = host.modem.credentials.read(sec_tag, kind(cred_type)?)?;
        copy_out(&value, room, len, Errno::NOMEM)
    }))
}

/// Whether there is such a credential.
///
/// # Safety
/// `exists` is NULL or leads to a `bool` that can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn modem_key_mgmt_exists(
    sec_tag: sys::nrf_sec_tag_t,
    cred_type: sys::modem_key_mgmt_cred_type,
    exists: *mut bool,
) -> c_int {
    if exists.is_null() {
        return Errno::INVAL.code();
    }
    code(with_host(|host| {
        let found = host.modem.credentials.exists(sec_tag, kind(cred_type)?);
        // SAFETY: it is not NULL, and the caller promises the rest.
        unsafe { exists.write(found) };
        Ok(())
    }))
}
