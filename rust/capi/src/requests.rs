//! What C has said of what it sends: the numbers of messages, and the request ids of twin requests
//! until they are answered.

use core::{cell::RefCell, ffi::c_int};

use critical_section::Mutex;
use heapless::Vec;
use iothub::{MessageId, RequestId};

use crate::errno;

/// In the number of a message that C wants acknowledged.
const WANTS_PUBACK: u32 = 0x1_0000;

/// The client's number of a message that is to be acknowledged under this one.
pub(crate) fn numbered(message_id: u16) -> MessageId {
    MessageId::new(WANTS_PUBACK | u32::from(message_id))
}

/// Which message of C's was acknowledged or dropped; `None` for one that was not to be
/// acknowledged.
pub(crate) fn acknowledged(id: MessageId) -> Option<u16> {
    let id = id.as_u32();
    (id & WANTS_PUBACK != 0).then_some((id & 0xFFFF) as u16)
}

/// Longest request id: that of a UUID.
pub(crate) const TEXT: usize = 36;

/// So many at once.
const ROOM: usize = 8;

pub(crate) type Text = Vec<u8, TEXT>;

/// What C has said about a request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    number: RequestId,
    pub(crate) text: Text,
    /// To be acknowledged by PUBACK too, since C sent it at QoS 1.
    pub(crate) message_id: Option<u16>,
    /// It is void when its connection ends, as only a report is kept.
    is_get: bool,
}

static REQUESTS: Mutex<RefCell<Vec<Request, ROOM>>> = Mutex::new(RefCell::new(Vec::new()));

/// What C says about a request that it makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewRequest<'a> {
    /// Empty for none.
    pub(crate) text: &'a str,
    pub(crate) message_id: Option<u16>,
    pub(crate) is_get: bool,
}

impl NewRequest<'_> {
    /// # Errors
    /// EFAULT for a text that is too long, ENOMEM where too many requests wait.
    pub(crate) fn check(self) -> Result<(), c_int> {
        if self.text.len() > TEXT {
            return Err(errno::EFAULT);
        }
        if self.is_plain() || !critical_section::with(|cs| REQUESTS.borrow_ref(cs).is_full()) {
            return Ok(());
        }
        Err(errno::ENOMEM)
    }

    /// There is nothing to remember.
    fn is_plain(self) -> bool {
        self.text.is_empty() && self.message_id.is_none()
    }

    /// It was accepted under this number.
    pub(crate) fn accepted(self, number: RequestId) {
        if self.is_plain() {
            return;
        }
        let request = Request {
            number,
            // It fits: it was checked.
            text: Text::from_slice(self.text.as_bytes()).unwrap_or_default(),
            message_id: self.message_id,
            is_get: self.is_get,
        };
        let lost = critical_section::with(|cs| REQUESTS.borrow_ref_mut(cs).push(request));
        if lost.is_err() {
            log::warn!("too many twin requests at once: the answer to one comes under its number");
        }
    }
}

/// Takes out what C has said about the request with this number, or else about one for the twin;
/// `None` for nothing, or nothing more.
pub(crate) fn take(number: Option<RequestId>) -> Option<Request> {
    critical_section::with(|cs| {
        let mut requests = REQUESTS.borrow_ref_mut(cs);
        let at = requests
            .iter()
            .position(|request| number.map_or(request.is_get, |number| request.number == number))?;
        Some(requests.remove(at))
    })
}

/// The number as a text, for a request that C has not named.
pub(crate) fn number(number: RequestId) -> Text {
    let mut text = Text::new();
    let mut unit = 1_000_000_000;
    while unit > 0 {
        let digit = (number.as_u32() / unit % 10) as u8;
        if digit > 0 || unit == 1 || !text.is_empty() {
            // Ten digits fit.
            let _ = text.push(b'0' + digit);
        }
        unit /= 10;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal() {
        for (of, expected) in [
            (0, "0"),
            (9, "9"),
            (10, "10"),
            (1_000_000, "1000000"),
            (u32::MAX, "4294967295"),
        ] {
            assert_eq!(number(RequestId::new(of)), expected.as_bytes());
        }
    }
}
