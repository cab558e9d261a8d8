//! The twin requests that C has given a request id of its own, until they are answered.

use core::{cell::RefCell, ffi::c_int, fmt::Write as _};

use critical_section::Mutex;
use heapless::{String, Vec};
use iothub::RequestId;

use crate::errno;

/// Longest request id: that of a UUID.
pub(crate) const TEXT: usize = 36;

/// So many at once.
const ROOM: usize = 8;

pub(crate) type Text = String<TEXT>;

/// What C has said about a request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    number: Option<RequestId>,
    pub(crate) text: Text,
    /// To be acknowledged by PUBACK too, since C sent it at QoS 1.
    pub(crate) message_id: Option<u16>,
    /// It is void when its connection ends, as only a report is kept.
    is_get: bool,
}

static REQUESTS: Mutex<RefCell<Vec<Request, ROOM>>> = Mutex::new(RefCell::new(Vec::new()));

/// A place in the list; given back when dropped, unless it was used.
pub(crate) struct Place(Option<Request>);

impl Place {
    /// For a request with this text, empty for none.
    ///
    /// # Errors
    /// EFAULT for a text that is too long, ENOMEM where too many requests wait.
    pub(crate) fn reserve(
        text: &str,
        message_id: Option<u16>,
        is_get: bool,
    ) -> Result<Self, c_int> {
        if text.is_empty() && message_id.is_none() {
            return Ok(Self(None));
        }
        let request = Request {
            number: None,
            text: Text::try_from(text).map_err(|_| errno::EFAULT)?,
            message_id,
            is_get,
        };
        let full = critical_section::with(|cs| REQUESTS.borrow_ref(cs).is_full());
        if full {
            return Err(errno::ENOMEM);
        }
        Ok(Self(Some(request)))
    }

    /// The request was accepted under this number.
    pub(crate) fn fill(self, number: RequestId) {
        if let Some(mut request) = self.0 {
            request.number = Some(number);
            let lost = critical_section::with(|cs| REQUESTS.borrow_ref_mut(cs).push(request));
            if lost.is_err() {
                log::warn!(
                    "too many twin requests at once: the answer to one comes under its number"
                );
            }
        }
    }
}

/// Takes out what C has said about the request with this number; `None` for nothing, or nothing more.
pub(crate) fn take(number: RequestId) -> Option<Request> {
    critical_section::with(|cs| {
        let mut requests = REQUESTS.borrow_ref_mut(cs);
        let at = requests
            .iter()
            .position(|request| request.number == Some(number))?;
        Some(requests.remove(at))
    })
}

/// Takes out a request for the twin; `None` where none waits any more.
pub(crate) fn take_get() -> Option<Request> {
    critical_section::with(|cs| {
        let mut requests = REQUESTS.borrow_ref_mut(cs);
        let at = requests.iter().position(|request| request.is_get)?;
        Some(requests.remove(at))
    })
}

/// The number as a text, for a request that C has not named.
pub(crate) fn number(number: RequestId) -> Text {
    let mut text = Text::new();
    // Ten digits fit.
    let _ = write!(text, "{}", number.as_u32());
    text
}
