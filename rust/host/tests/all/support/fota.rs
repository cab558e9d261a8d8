//! Transfers as C starts them, and what their callback was told.

use std::{
    cell::RefCell,
    ffi::{CString, c_int},
    sync::{Mutex, mpsc},
};

use ncs_sys as sys;

use super::{DEADLINE, HOST};

/// What the callback was told.
pub(crate) type Told = (u32, u32, u32);

pub(crate) const DONE: Told = (sys::IOTHUB_FOTA_DONE, 0, 0);
pub(crate) const STOPPED: Told = (sys::IOTHUB_FOTA_STOPPED, 0, 0);

/// Bytes of a request.
pub(crate) const FRAGMENT: u16 = 256;

static TOLD: Mutex<Option<mpsc::Sender<Told>>> = Mutex::new(None);

/// The end by this cause.
pub(crate) const fn failed(cause: u32, status: u32) -> Told {
    (sys::IOTHUB_FOTA_FAILED, cause, status)
}

/// What every transfer of the process tells.
pub(crate) struct Transfers {
    told: mpsc::Receiver<Told>,
    /// Versions that were told, as `major << 24 | minor << 16 | revision`.
    pub(crate) versions: RefCell<Vec<u32>>,
}

impl Transfers {
    pub(crate) fn new() -> Self {
        let (sender, told) = mpsc::channel();
        *TOLD.lock().unwrap() = Some(sender);
        Self {
            told,
            versions: RefCell::default(),
        }
    }

    /// How the transfer ended.
    pub(crate) fn end(&self) -> Told {
        loop {
            let told = self.told.recv_timeout(DEADLINE).unwrap();
            match told.0 {
                sys::IOTHUB_FOTA_PROGRESS => {}
                sys::IOTHUB_FOTA_VERSION => self.versions.borrow_mut().push(told.1),
                _ => return told,
            }
        }
    }

    /// Nothing was told since.
    pub(crate) fn assert_silent(&self) {
        assert!(self.told.try_recv().is_err(), "each start has one end");
    }
}

unsafe extern "C" fn on_event(event: u32, first: u32, second: u32) {
    let told = TOLD.lock().unwrap();
    told.as_ref().unwrap().send((event, first, second)).unwrap();
}

pub(crate) fn start(port: u16, tls: bool, identity: u32, sha256: Option<&[u8; 32]>) -> c_int {
    let host = CString::new(HOST).unwrap();
    let source = sys::iothub_fota_source {
        host: host.as_ptr(),
        path: c"images/app.bin?sig=secret".as_ptr(),
        sha256: sha256.map_or(std::ptr::null(), |hash| hash.as_ptr()),
        identity,
        port,
        tls,
        fragment: FRAGMENT,
        ..Default::default()
    };
    // SAFETY: what it points to lives until the call returns.
    unsafe { sys::iothub_platform_fota_start(&raw const source, Some(on_event)) }
}
