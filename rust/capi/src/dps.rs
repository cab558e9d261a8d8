//! The types and functions of `azure_iot_hub_dps.h`.
#![allow(non_camel_case_types, reason = "C's names")]

use core::{
    cell::{RefCell, UnsafeCell},
    ffi::c_int,
};

use critical_section::Mutex;
use heapless::String;
use iothub::{
    DeviceIdentity,
    capi_support::{Assigned, c_api},
};

use crate::{
    buffer::{self, NAME_MAX},
    engine::{self, Registration},
    errno,
    types::azure_iot_hub_buf,
};

/// How the registration is getting on.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum azure_iot_hub_dps_reg_status {
    /// Initialised.
    AZURE_IOT_HUB_DPS_REG_STATUS_NOT_STARTED,
    /// DPS is working on it.
    AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNING,
    /// Done: azure_iot_hub_dps_hostname_get() and azure_iot_hub_dps_device_id_get() have the
    /// result.
    AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNED,
    /// DPS refused, did not answer, or was not reached.
    AZURE_IOT_HUB_DPS_REG_STATUS_FAILED,
}
use azure_iot_hub_dps_reg_status::*;

/// Is called when the status changes: from azure_iot_hub_dps_init() on its caller's thread, else as
/// the handler of azure_iot_hub.h.
pub type azure_iot_hub_dps_handler_t =
    Option<unsafe extern "C" fn(status: azure_iot_hub_dps_reg_status)>;

/// How to register. Copied.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct azure_iot_hub_dps_config {
    /// Is called when the status changes.
    pub handler: azure_iot_hub_dps_handler_t,
    /// The ID scope; empty: CONFIG_AZURE_IOT_HUB_DPS_ID_SCOPE.
    pub id_scope: azure_iot_hub_buf,
    /// The registration id; empty: CONFIG_AZURE_IOT_HUB_DPS_REG_ID, else the device id.
    pub reg_id: azure_iot_hub_buf,
}

/// Longest ID scope.
const ID_SCOPE_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Uninitialised,
    Initialised,
    Running,
    /// It runs, and DPS has named the hub.
    Assigned,
}

impl State {
    fn is_running(self) -> bool {
        matches!(self, Self::Running | Self::Assigned)
    }
}

struct Dps {
    state: State,
    /// A registration was reset while it ran, and its end is still to come: what it may have stored
    /// is to be forgotten.
    discarding: bool,
    handler: azure_iot_hub_dps_handler_t,
    status: azure_iot_hub_dps_reg_status,
    id_scope: String<ID_SCOPE_MAX>,
    reg_id: String<NAME_MAX>,
}

static DPS: Mutex<RefCell<Dps>> = Mutex::new(RefCell::new(Dps {
    state: State::Uninitialised,
    discarding: false,
    handler: None,
    status: AZURE_IOT_HUB_DPS_REG_STATUS_NOT_STARTED,
    id_scope: String::new(),
    reg_id: String::new(),
}));

fn with<R>(f: impl FnOnce(&mut Dps) -> R) -> R {
    critical_section::with(|cs| f(&mut DPS.borrow_ref_mut(cs)))
}

/// Takes over the configuration and calls the handler with
/// AZURE_IOT_HUB_DPS_REG_STATUS_NOT_STARTED. A name that is NULL or empty is taken from the
/// configuration.
///
/// Returns 0; -EINVAL for NULL, no handler or what is not UTF-8; -EMSGSIZE for names that are too
/// long; -EACCES while a registration is under way.
///
/// # Safety
/// `cfg` is NULL or valid, and so are its buffers, until this returns; the handler until
/// azure_iot_hub_dps_reset().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn azure_iot_hub_dps_init(cfg: *mut azure_iot_hub_dps_config) -> c_int {
    // SAFETY: NULL or valid, as the caller promises.
    let Some(cfg) = (unsafe { cfg.as_ref() }) else {
        return errno::EINVAL;
    };
    let Some(handler) = cfg.handler else {
        return errno::EINVAL;
    };
    // SAFETY: as the caller promises.
    let id_scope = unsafe { buffer::text_or_none(&cfg.id_scope, ID_SCOPE_MAX) };
    // SAFETY: as the caller promises.
    let reg_id = unsafe { buffer::text_or_none(&cfg.reg_id, NAME_MAX) };
    let (id_scope, reg_id) = match (id_scope, reg_id) {
        (Ok(id_scope), Ok(reg_id)) => (id_scope, reg_id),
        (Err(errno), _) | (_, Err(errno)) => return errno,
    };
    let taken = with(|dps| {
        if dps.state.is_running() {
            return false;
        }
        dps.state = State::Initialised;
        dps.handler = cfg.handler;
        dps.status = AZURE_IOT_HUB_DPS_REG_STATUS_NOT_STARTED;
        dps.id_scope.clear();
        dps.reg_id.clear();
        // They fit: the lengths were looked at.
        let _ = dps.id_scope.push_str(id_scope);
        let _ = dps.reg_id.push_str(reg_id);
        true
    });
    if !taken {
        return errno::EACCES;
    }
    // SAFETY: the application's own function.
    unsafe { handler(AZURE_IOT_HUB_DPS_REG_STATUS_NOT_STARTED) };
    0
}

/// Registers. Returns when the connection to DPS is up; the handler tells the rest.
///
/// Returns 0; -EACCES before azure_iot_hub_dps_init(), while a registration is under way, or while
/// connected to a hub; -EALREADY where a hub is assigned already; -EINVAL for an ID scope or
/// registration id that DPS does not allow, or without DPS in the build; else as
/// azure_iot_hub_connect().
#[unsafe(no_mangle)]
pub extern "C" fn azure_iot_hub_dps_start() -> c_int {
    if !c_api::DPS {
        return errno::EINVAL;
    }
    let is_assigned = is_assigned();
    let begun = with(|dps| {
        if dps.state != State::Initialised {
            return Err(errno::EACCES);
        }
        if is_assigned && !dps.discarding {
            dps.status = AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNED;
            return Err(errno::EALREADY);
        }
        dps.state = State::Running;
        dps.status = AZURE_IOT_HUB_DPS_REG_STATUS_NOT_STARTED;
        Ok((dps.id_scope.clone(), dps.reg_id.clone()))
    });
    let (id_scope, registration_id) = match begun {
        Ok(names) => names,
        Err(errno) => return errno,
    };
    let who = DeviceIdentity::Registered {
        id_scope: &id_scope,
        registration_id: &registration_id,
    };
    let result = engine::register(&who, on_registration);
    if result == 0 {
        return 0;
    }
    with(|dps| {
        if dps.state.is_running() {
            dps.state = State::Initialised;
        }
    });
    match result {
        errno::EINPROGRESS | errno::EALREADY => errno::EACCES,
        other => other,
    }
}

/// The assigned hub's host name. The buffer is the library's, ends in a 0, and holds until another
/// is assigned.
///
/// Returns 0; -EINVAL for NULL; -ENOENT where none is assigned.
///
/// # Safety
/// `buf` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn azure_iot_hub_dps_hostname_get(buf: *mut azure_iot_hub_buf) -> c_int {
    static NAME: Name = Name::new();
    // SAFETY: as the caller promises.
    unsafe { get(Assigned::Hub, &NAME, buf) }
}

/// Forgets the assigned hub's host name. Returns 0, also where there was none; -EFAULT where the
/// settings fail.
#[unsafe(no_mangle)]
pub extern "C" fn azure_iot_hub_dps_hostname_delete() -> c_int {
    forget(Assigned::Hub)
}

/// The assigned device id. The buffer is the library's, ends in a 0, and holds until another is
/// assigned.
///
/// Returns 0; -EINVAL for NULL; -ENOENT where none is assigned.
///
/// # Safety
/// `buf` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn azure_iot_hub_dps_device_id_get(buf: *mut azure_iot_hub_buf) -> c_int {
    static NAME: Name = Name::new();
    // SAFETY: as the caller promises.
    unsafe { get(Assigned::DeviceId, &NAME, buf) }
}

/// Forgets the assigned device id. Returns 0, also where there was none; -EFAULT where the settings
/// fail.
#[unsafe(no_mangle)]
pub extern "C" fn azure_iot_hub_dps_device_id_delete() -> c_int {
    forget(Assigned::DeviceId)
}

/// Forgets the assignment, and gives up a registration that is under way, whose handler is not
/// called any more. azure_iot_hub_dps_init() is needed again afterwards.
///
/// Returns 0; -EFAULT where the settings fail.
#[unsafe(no_mangle)]
pub extern "C" fn azure_iot_hub_dps_reset() -> c_int {
    let running = with(|dps| {
        let running = dps.state.is_running();
        dps.state = State::Uninitialised;
        dps.discarding |= running;
        dps.handler = None;
        dps.status = AZURE_IOT_HUB_DPS_REG_STATUS_NOT_STARTED;
        running
    });
    if running && engine::disconnect() != 0 {
        with(|dps| dps.discarding = false);
    }
    match (forget(Assigned::Hub), forget(Assigned::DeviceId)) {
        (0, result) => result,
        (result, _) => result,
    }
}

/// What the engine tells of the registration that [`azure_iot_hub_dps_start`] has begun.
fn on_registration(registration: Registration) {
    match registration {
        Registration::Ended => ended(),
        _ if with(|dps| dps.discarding) => {}
        Registration::Assigning => set(AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNING),
        Registration::Assigned => with(|dps| {
            if dps.state == State::Running {
                dps.state = State::Assigned;
            }
        }),
    }
}

fn ended() {
    let (state, discarded) = with(|dps| {
        let discarded = core::mem::take(&mut dps.discarding);
        let state = dps.state;
        if !discarded && state.is_running() {
            dps.state = State::Initialised;
        }
        (state, discarded)
    });
    if discarded {
        forget(Assigned::Hub);
        forget(Assigned::DeviceId);
        return;
    }
    match state {
        State::Assigned => set(AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNED),
        State::Running => set(AZURE_IOT_HUB_DPS_REG_STATUS_FAILED),
        State::Uninitialised | State::Initialised => {}
    }
}

/// Tells the handler, if it is news.
fn set(status: azure_iot_hub_dps_reg_status) {
    let handler = with(|dps| {
        let news = dps.status != status;
        dps.status = status;
        dps.handler.filter(|_| news)
    });
    if let Some(handler) = handler {
        // SAFETY: the application's own function.
        unsafe { handler(status) };
    }
}

/// Whether DPS has assigned a hub and a device id, and they are remembered.
pub(crate) fn is_assigned() -> bool {
    let mut room = [0; NAME_MAX];
    Assigned::Hub.load(&mut room).is_some() && Assigned::DeviceId.load(&mut room).is_some()
}

/// Whether a hub is assigned, if not a device id: Nordic's library of the older form has stored no
/// other.
pub(crate) fn has_hub() -> bool {
    Assigned::Hub.load(&mut [0; NAME_MAX]).is_some()
}

/// Connects to the hub that DPS has assigned, without asking DPS.
pub(crate) fn connect_to_assigned() -> c_int {
    let mut hub = [0; NAME_MAX];
    let mut id = [0; NAME_MAX];
    let who = DeviceIdentity::Hub {
        hostname: Assigned::Hub.load(&mut hub).unwrap_or_default(),
        device_id: Assigned::DeviceId.load(&mut id).unwrap_or_default(),
    };
    engine::connect(&who, false)
}

fn forget(which: Assigned) -> c_int {
    which.forget().map_or(errno::EFAULT, |()| 0)
}

/// A name that C may look at for as long as it likes.
struct Name(UnsafeCell<[u8; NAME_MAX + 1]>);

// SAFETY: written to in a critical section only, and only when the name is another.
unsafe impl Sync for Name {}

impl Name {
    const fn new() -> Self {
        Self(UnsafeCell::new([0; NAME_MAX + 1]))
    }
}

/// # Safety
/// `buf` is NULL or valid.
unsafe fn get(which: Assigned, place: &'static Name, buf: *mut azure_iot_hub_buf) -> c_int {
    // SAFETY: NULL or valid, as the caller promises.
    let Some(buf) = (unsafe { buf.as_mut() }) else {
        return errno::EINVAL;
    };
    let mut room = [0; NAME_MAX];
    let Some(name) = which.load(&mut room) else {
        return errno::ENOENT;
    };
    critical_section::with(|_| {
        // SAFETY: nobody writes meanwhile.
        let old = unsafe { &*place.0.get() };
        let same =
            old.get(..name.len()) == Some(name.as_bytes()) && old.get(name.len()) == Some(&0);
        if !same {
            // SAFETY: nobody else writes meanwhile, and `old` is not used any more.
            let new = unsafe { &mut *place.0.get() };
            new.fill(0);
            if let Some(new) = new.get_mut(..name.len()) {
                new.copy_from_slice(name.as_bytes());
            }
        }
    });
    buf.ptr = place.0.get().cast();
    buf.size = name.len();
    0
}
