//! What only the C API needs: the message that an event was read from, numbers that are known
//! before the answer, the names that DPS assigned, its options. Not part of the Rust API.

use core::ffi::CStr;

use iothub_proto::{Errno, Error, InvalidRequest, MessageId, MethodResponse, RequestId, Telemetry};
use ncs::settings;

pub use crate::handler::{Message, Notice};
use crate::{
    client::with_client,
    identity::{Text, key, load_assignment},
};

/// The options of the C API, and the wait for room.
pub mod c_api {
    pub use crate::{identity::has_id_scope, kconfig::c_api::*};

    /// Blocks until [`room`], or until the deadline. For any number of threads: one wake is one
    /// thread's.
    pub fn wait_for_room(deadline: crate::Instant) {
        ncs::platform::Waiter::Sender.wait(Some(deadline.as_millis()));
    }

    /// Ends one thread's [`wait_for_room`].
    pub fn room() {
        ncs::platform::Waiter::Sender.wake();
    }
}

/// As [`send`](crate::send), under a number of the application's, which need not be unique. An
/// application uses either this or `send`.
///
/// # Errors
/// As [`send`](crate::send).
pub fn send_as(id: MessageId, message: &Telemetry<'_>) -> Result<(), Error> {
    crate::thread::send(Some(id), message).map(|_| ())
}

/// As [`report`](crate::report); `accepted` gets the number before the answer can come. It runs
/// under the lock: no call of this crate.
///
/// # Errors
/// As [`report`](crate::report).
pub fn report_as(
    patch: &[u8],
    version: Option<u64>,
    accepted: impl FnOnce(RequestId),
) -> Result<(), Error> {
    with_client(|client, _| client.report(patch, version).map(accepted))
}

/// As [`request_twin`](crate::request_twin); `accepted` as with [`report_as`].
///
/// # Errors
/// As [`request_twin`](crate::request_twin).
pub fn request_twin_as(accepted: impl FnOnce(RequestId)) -> Result<(), Error> {
    with_client(|client, _| client.request_twin().map(accepted))
}

/// As [`respond`](crate::respond), to the call with this `$rid`.
///
/// # Errors
/// As [`respond`](crate::respond).
pub fn respond_to(rid: &[u8], status: i32, payload: &[u8]) -> Result<(), Error> {
    with_client(|client, _| {
        let request = client
            .find_method(rid)
            .ok_or(Error::InvalidRequest(InvalidRequest::UnknownMethod))?;
        let answer = MethodResponse {
            request,
            status,
            payload,
        };
        client.respond(&answer)
    })
}

/// One of the two names that DPS assigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// The hub's host name.
    Hub,
    /// The device id at that hub.
    DeviceId,
}

impl Assigned {
    fn key(self) -> &'static CStr {
        match self {
            Self::Hub => key::ASSIGNED_HUB.key,
            Self::DeviceId => key::ASSIGNED_DEVICE_ID.key,
        }
    }

    fn nordic_key(self) -> &'static CStr {
        match self {
            Self::Hub => key::NORDIC_HUB.key,
            Self::DeviceId => key::NORDIC_DEVICE_ID.key,
        }
    }

    /// What DPS assigned last, as it is remembered over reboots, copied to `buffer`; where nothing
    /// is, what Nordic's library has stored. `None` where there is none, or it does not fit.
    pub fn load(self, buffer: &mut [u8]) -> Option<&str> {
        let (mut hub, mut device_id) = (Text::new(), Text::new());
        load_assignment(&mut hub, &mut device_id);
        let value = match self {
            Self::Hub => hub,
            Self::DeviceId => device_id,
        };
        if value.is_empty() {
            return None;
        }
        let place = buffer.get_mut(..value.len())?;
        place.copy_from_slice(value.as_bytes());
        core::str::from_utf8(place).ok()
    }

    /// Forgets it, so that the next [`start`](crate::start) asks DPS again.
    ///
    /// # Errors
    /// What the platform's settings say.
    pub fn forget(self) -> Result<(), Errno> {
        settings::delete(self.nordic_key())
            .and_then(|()| settings::delete(self.key()))
            .map_err(|errno| Errno(errno.get()))
    }
}
