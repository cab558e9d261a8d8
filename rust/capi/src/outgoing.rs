//! From C to the client.

use core::{cell::Cell, ffi::c_int, time::Duration};

use critical_section::Mutex;
use heapless::Vec;
use iothub::{
    MessageId, Property, Qos, Telemetry,
    capi_support::{self, c_api},
};

use crate::{
    c_event, engine, errno,
    requests::{self, NewRequest},
};

/// Most properties of a message to send.
pub(crate) const PROPERTIES_MAX: usize = 32;

/// Room for the texts of properties that came percent-encoded, in bytes.
pub(crate) const DECODED: usize = 256;

/// Telemetry on its way to the client.
pub(crate) struct Outgoing<'a> {
    payload: &'a [u8],
    qos: Qos,
    message_id: u16,
    properties: Vec<Property<'a>, { PROPERTIES_MAX + 1 }>,
    room: &'a mut [u8],
}

impl<'a> Outgoing<'a> {
    /// `room`: of [`DECODED`] bytes.
    pub(crate) fn new(payload: &'a [u8], qos: Qos, message_id: u16, room: &'a mut [u8]) -> Self {
        Self {
            payload,
            qos,
            message_id,
            properties: Vec::new(),
            room,
        }
    }

    /// Adds a property; without a value it has no `=` either.
    ///
    /// # Errors
    /// EINVAL for an empty name and what is not UTF-8, EMSGSIZE for too many.
    pub(crate) fn property(&mut self, key: &'a [u8], value: Option<&'a [u8]>) -> Result<(), c_int> {
        if key.is_empty() {
            return Err(errno::EINVAL);
        }
        let name = plain(key, &mut self.room)?;
        let value = value
            .map(|value| plain(value, &mut self.room))
            .transpose()?;
        self.properties
            .push(Property { name, value })
            .map_err(|_| errno::EMSGSIZE)
    }

    pub(crate) fn send(&self) -> Result<(), c_int> {
        let message = Telemetry {
            payload: self.payload,
            qos: self.qos,
            properties: &self.properties,
            ..Telemetry::default()
        };
        let id = match self.qos {
            Qos::AtLeastOnce => requests::numbered(message_id(self.message_id)),
            Qos::AtMostOnce => MessageId::new(0),
        };
        in_room(|| capi_support::send_as(id, &message).map_err(errno::of))
    }
}

/// Calls `request`, which says ENOMEM while there is no room, until there is: as Nordic's library
/// does, which writes before it returns. Not inside the handler, on whose thread room may come to
/// be, and no longer than Nordic's write may take.
fn in_room(mut request: impl FnMut() -> Result<(), c_int>) -> Result<(), c_int> {
    let first = request();
    if first != Err(errno::ENOMEM) || iothub::in_handler() {
        return first;
    }
    let deadline = iothub::now() + c_api::SEND_TIMEOUT;
    loop {
        c_api::wait_for_room((iothub::now() + LOOK_AGAIN).min(deadline));
        let result = if engine::is_connected() {
            request()
        } else {
            Err(errno::ENOTCONN)
        };
        if result != Err(errno::ENOMEM) || iothub::now() >= deadline {
            // One wake is one thread's: there may be room for another's.
            c_api::room();
            return result;
        }
    }
}

/// An answer that has been written makes room without an event.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Reports properties; nothing stands for an object without members.
pub(crate) fn report(payload: &[u8], request_id: &str, qos: Qos, id: u16) -> Result<(), c_int> {
    let request = NewRequest {
        text: request_id,
        message_id: (qos == Qos::AtLeastOnce).then(|| message_id(id)),
        is_get: false,
    };
    let payload = if payload.is_empty() { b"{}" } else { payload };
    in_room(|| {
        request.check()?;
        capi_support::report_as(payload, None, |number| request.accepted(number)).map_err(errno::of)
    })
}

/// Asks for the twin.
pub(crate) fn request_twin(request_id: &str) -> Result<(), c_int> {
    let request = NewRequest {
        text: request_id,
        message_id: None,
        is_get: true,
    };
    in_room(|| {
        request.check()?;
        capi_support::request_twin_as(|number| request.accepted(number)).map_err(errno::of)
    })
}

/// Answers a method.
pub(crate) fn respond(
    request_id: Result<&[u8], c_int>,
    status: u32,
    payload: Result<&[u8], c_int>,
) -> c_int {
    let answer = || {
        let request_id = request_id?;
        let payload = payload?;
        let status = i32::try_from(status).map_err(|_| errno::EINVAL)?;
        in_room(|| capi_support::respond_to(request_id, status, payload).map_err(errno::of))
    };
    errno::returned(answer().map_err(errno::of_response))
}

/// The QoS of a message of C's.
///
/// # Errors
/// EINVAL for what IoT Hub does not have.
pub(crate) fn qos(number: u32) -> Result<Qos, c_int> {
    match number {
        0 => Ok(Qos::AtMostOnce),
        1 => Ok(Qos::AtLeastOnce),
        _ => Err(errno::EINVAL),
    }
}

/// The id that C has given, or the next; never 0.
fn message_id(given: u16) -> u16 {
    static NEXT: Mutex<Cell<u16>> = Mutex::new(Cell::new(1));
    if given != 0 {
        return given;
    }
    critical_section::with(|cs| {
        let next = NEXT.borrow(cs);
        let id = next.get();
        next.set(id.checked_add(1).unwrap_or(1));
        id
    })
}

/// A text that is percent-encoded already, as Nordic's library wants it, decoded into `room`; any
/// other as it is. The client encodes what it sends.
fn plain<'a>(text: &'a [u8], room: &mut &'a mut [u8]) -> Result<&'a str, c_int> {
    let bytes = if is_encoded(text) {
        c_event::text(text, room).ok_or(errno::EMSGSIZE)?
    } else {
        text
    };
    core::str::from_utf8(bytes).map_err(|_| errno::EINVAL)
}

/// Whether every `%` starts an encoded byte, there is one, and nothing is there that had to be
/// encoded (RFC 3986, 3.4).
fn is_encoded(text: &[u8]) -> bool {
    let mut found = false;
    let mut from = text.iter();
    while let Some(&byte) = from.next() {
        match byte {
            b'%' => {
                let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
                if !(is_hex(from.next()) && is_hex(from.next())) {
                    return false;
                }
                found = true;
            }
            byte if byte.is_ascii_alphanumeric() => {}
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b'+' | b','
            | b';' | b'=' | b':' | b'@' | b'/' | b'?' => {}
            _ => return false,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_not_encoded_again() {
        for (text, expected) in [
            ("%24.ct", "$.ct"),
            ("application%2Fjson", "application/json"),
            ("$.ct", "$.ct"),
            ("application/json", "application/json"),
            ("100%", "100%"),
            ("100%2", "100%2"),
            ("50%25 off", "50%25 off"),
            ("%C3%BC", "ü"),
            ("ü", "ü"),
            ("", ""),
        ] {
            let mut room = [0; 64];
            assert_eq!(plain(text.as_bytes(), &mut &mut room[..]), Ok(expected));
        }
        assert_eq!(plain(b"%FF", &mut &mut [0; 8][..]), Err(errno::EINVAL));
        assert_eq!(plain(b"%24.ct", &mut &mut [0; 4][..]), Err(errno::EMSGSIZE));
    }

    #[test]
    fn message_ids_are_never_0() {
        assert_eq!(message_id(7), 7);
        for _ in 0..70_000 {
            assert_ne!(message_id(0), 0);
        }
    }
}
