//! From the client to C: what both forms of the API have to tell.

use core::ffi::c_int;

use iothub::{Event, RequestId, capi_support::Message, firmware, twin};

use crate::{errno, requests};

/// Room for the decoded properties of a message.
pub(crate) const TEXTS: usize = 256;

/// What happened. Each form of the API has a table from this to its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Connecting,
    /// With 1 where the hub has kept the session.
    Connected,
    /// With the code of CONNACK.
    ConnectionFailed,
    Ready,
    /// With 0 as requested, else a negative errno.
    Disconnected,
    /// With its property bag as the name.
    Message,
    /// On a topic that is none of the hub's.
    UnknownTopic,
    /// With the message id.
    Puback,
    Pingresp,
    Twin,
    Desired,
    /// With the status.
    ReportAccepted,
    /// With the status.
    TwinFailed,
    Method,
    TooLarge,
    FotaStart,
    FotaDone,
    FotaErasePending,
    FotaEraseDone,
    FotaError,
    /// With a negative errno.
    Error,
    DpsConnecting,
    DpsRegistering,
    DpsAssigned,
    DpsFailed,
}

/// Something that C gets to know. Borrowed for the time of the call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CEvent<'a> {
    pub(crate) kind: Kind,
    pub(crate) number: c_int,
    pub(crate) name: &'a [u8],
    pub(crate) request_id: &'a [u8],
    pub(crate) message: Message<'a>,
}

impl CEvent<'_> {
    pub(crate) const fn new(kind: Kind, number: c_int) -> Self {
        Self {
            kind,
            number,
            name: &[],
            request_id: &[],
            message: Message {
                topic: &[],
                payload: &[],
            },
        }
    }
}

/// What takes the events: the form that the application has initialised.
pub(crate) type Handler = fn(&CEvent<'_>);

/// What Nordic's library tells of it; of progress, cancelling and what came after the restart it
/// says nothing.
fn of_firmware(event: firmware::Event) -> Option<Kind> {
    match event {
        firmware::Event::Started => Some(Kind::FotaStart),
        firmware::Event::Done => Some(Kind::FotaDone),
        firmware::Event::ErasePending => Some(Kind::FotaErasePending),
        firmware::Event::EraseDone => Some(Kind::FotaEraseDone),
        firmware::Event::Failed(_) => Some(Kind::FotaError),
        _ => None,
    }
}

/// What of the client's events is about messages, told to `tell`.
pub(crate) fn of_event<'a>(event: &Event<'a>, message: Option<Message<'a>>, tell: Handler) {
    let mut told = CEvent::new(Kind::Message, 0);
    told.message = message.unwrap_or(told.message);
    let request = match *event {
        Event::C2d(c2d) => {
            told.name = c2d.properties.as_bytes();
            None
        }
        Event::UnknownTopic(_) => {
            told.kind = Kind::UnknownTopic;
            None
        }
        Event::Desired(_) => {
            told.kind = Kind::Desired;
            None
        }
        Event::Firmware(event) => {
            let Some(kind) = of_firmware(event) else {
                return;
            };
            told.kind = kind;
            None
        }
        Event::Sent(id) => {
            let Some(message_id) = requests::acknowledged(id) else {
                return;
            };
            told.kind = Kind::Puback;
            told.number = message_id.into();
            None
        }
        Event::Dropped(id) if requests::acknowledged(id).is_some() => {
            told.kind = Kind::Error;
            told.number = errno::EIO;
            None
        }
        Event::Method(_) => {
            let Some((name, request_id)) = method(told.message.topic) else {
                return;
            };
            told.kind = Kind::Method;
            told.name = name;
            told.request_id = request_id;
            None
        }
        Event::Twin(document) => {
            told.kind = Kind::Twin;
            Some(document.request)
        }
        Event::Reported { request, .. } => {
            told.kind = Kind::ReportAccepted;
            told.number = status(told.message.topic);
            Some(request)
        }
        Event::ReportFailed { request, reason } | Event::TwinFailed { request, reason } => {
            told.kind = Kind::TwinFailed;
            told.number = failure(reason).into();
            Some(request)
        }
        _ => return,
    };
    match request {
        Some(request) => of_request(request, told, tell),
        None => tell(&told),
    }
}

/// Once for each time that C has asked, or once where it has not.
fn of_request(number: RequestId, told: CEvent<'_>, tell: Handler) {
    let own = requests::number(number);
    let answer = |request_id: &[u8]| {
        tell(&CEvent { request_id, ..told });
    };
    let mut told = false;
    while let Some(request) = requests::take(Some(number)) {
        if let Some(message_id) = request.message_id {
            tell(&CEvent::new(Kind::Puback, message_id.into()));
        }
        let named = !request.text.is_empty();
        answer(if named { &request.text } else { &own });
        told = true;
    }
    if !told {
        answer(&own);
    }
}

/// The connection has ended: requests for the twin will not be answered.
pub(crate) fn void_requests(tell: Handler) {
    while let Some(request) = requests::take(None) {
        tell(&CEvent {
            request_id: &request.text,
            ..CEvent::new(Kind::TwinFailed, UNAVAILABLE.into())
        });
    }
}

const UNAVAILABLE: u16 = 503;

/// A status for what failed without one, as a service would put it.
fn failure(reason: twin::Failure) -> u16 {
    match reason {
        twin::Failure::Status(status) => status,
        twin::Failure::Malformed => 502,
        twin::Failure::Disconnected => UNAVAILABLE,
        _ => 504,
    }
}

/// Name and request id of `$iothub/methods/POST/{name}/?$rid={request id}`, which the client has
/// looked at.
fn method(topic: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = topic.get(b"$iothub/methods/POST/".len()..)?;
    let name = rest.split(|&byte| byte == b'/').next()?;
    let request_id = rest
        .get(name.len()..)?
        .split(|&byte| byte == b'?' || byte == b'&')
        .find_map(|part| part.strip_prefix(b"$rid="))?;
    Some((name, request_id))
}

/// The status in `$iothub/twin/res/{status}/…`, which the client has looked at: three digits.
fn status(topic: &[u8]) -> c_int {
    let start = b"$iothub/twin/res/".len();
    let digits = topic.get(start..start + 3).unwrap_or_default();
    digits.iter().fold(0, |status, digit| {
        status * 10 + c_int::from(digit.wrapping_sub(b'0'))
    })
}

/// The properties of a bag, decoded into `texts`, each made a `P` of C's; returns how many. Every
/// text is followed by a 0, and what cannot be decoded is left as it came.
pub(crate) fn decode<P>(
    bag: &[u8],
    texts: &mut [u8],
    properties: &mut [P],
    make: impl Fn(&[u8], Option<&[u8]>) -> P,
) -> usize {
    let mut rest = texts;
    let mut decoded = |part: &[u8]| {
        let equals = part.iter().position(|&byte| byte == b'=');
        let equals = equals.unwrap_or(part.len());
        let key = text(part.get(..equals)?, &mut rest)?;
        let value = match part.get(equals + 1..) {
            Some(value) => Some(text(value, &mut rest)?),
            None => None,
        };
        Some(make(key, value))
    };
    let mut slots = properties.iter_mut();
    let mut count = 0;
    for part in bag.split(|&byte| byte == b'&') {
        if part.is_empty() {
            continue;
        }
        let Some(slot) = slots.next() else {
            log::warn!("more properties than CONFIG_IOTHUB_C_API_PROPERTIES: some are left out");
            break;
        };
        let Some(property) = decoded(part) else {
            log::warn!("the properties of a message do not fit: some are left out");
            break;
        };
        *slot = property;
        count += 1;
    }
    count
}

/// A copy with a 0 behind it, which does not count, and what is left of the room; `None` where
/// there is too little.
pub(crate) fn terminated<'a>(text: &[u8], room: &'a mut [u8]) -> Option<(&'a [u8], &'a mut [u8])> {
    let (place, rest) = room.split_at_mut_checked(text.len() + 1)?;
    let (copy, end) = place.split_at_mut_checked(text.len())?;
    copy.copy_from_slice(text);
    end.fill(0);
    Some((copy, rest))
}

/// A text, percent-decoded, and a 0 behind it; what is no encoding is left as it is. `None` where
/// there is too little room.
pub(crate) fn text<'a>(encoded: &[u8], rest: &mut &'a mut [u8]) -> Option<&'a [u8]> {
    let (place, others) = core::mem::take(rest).split_at_mut_checked(encoded.len() + 1)?;
    *rest = others;
    let mut len = 0;
    let mut from = encoded;
    while let Some((&first, after)) = from.split_first() {
        let byte = match (first, after) {
            (b'%', [high, low, ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                digit(high)
                    .zip(digit(low))
                    .map(|(high, low)| (high << 4 | low) as u8)
            }
            _ => None,
        };
        from = if byte.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
        *place.get_mut(len)? = byte.unwrap_or(first);
        len += 1;
    }
    *place.get_mut(len)? = 0;
    place.get(..len)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use iothub::capi_support::c_api;
    use std::{string::String, vec::Vec};

    fn decoded(bag: &[u8], room: usize) -> Vec<String> {
        let mut texts = std::vec![0; room];
        let mut properties = std::vec![String::new(); c_api::PROPERTIES];
        let count = decode(bag, &mut texts, &mut properties, |key, value| {
            let text = |bytes| std::string::String::from_utf8_lossy(bytes).into_owned();
            std::format!("{}={:?}", text(key), value.map(text))
        });
        properties.truncate(count);
        properties
    }

    #[test]
    fn properties_arrive_decoded() {
        assert_eq!(
            decoded(b"%24.mid=a%20b&&k=&n&x=1%2", 256),
            [
                "$.mid=Some(\"a b\")",
                "k=Some(\"\")",
                "n=None",
                "x=Some(\"1%2\")"
            ]
        );
        assert_eq!(decoded(b"key=value&other=1", 11), ["key=Some(\"value\")"]);
        assert_eq!(decoded(b"", 256), [""; 0]);
    }

    #[test]
    fn a_method_is_read_from_its_topic() {
        let topic = b"$iothub/methods/POST/comp*led/?$rid=4f&x=1";
        assert_eq!(method(topic), Some((&b"comp*led"[..], &b"4f"[..])));
        assert_eq!(method(b"$iothub/methods/POST/led"), None);
    }

    #[test]
    fn a_status_is_read_from_its_topic() {
        assert_eq!(status(b"$iothub/twin/res/204/?$rid=1&$version=6"), 204);
        assert_eq!(status(b"$iothub/twin/res/202/?$rid=1"), 202);
    }
}
