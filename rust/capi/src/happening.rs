//! From the client to C: what both forms of the API have to tell.

use core::ffi::c_int;

use heapless::Vec;
use iothub::{Event, Message, RequestId, c_api, firmware, twin};

use crate::requests::{self, Text};

/// Room for the decoded properties of a message.
pub(crate) const TEXTS: usize = 256;

/// Something that C gets to know. Borrowed for the time of the call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happening<'a> {
    Connecting,
    Connected {
        session_present: bool,
    },
    /// The code of CONNACK.
    ConnectionFailed(u8),
    Ready,
    /// 0 as requested, else a negative errno.
    Disconnected(c_int),
    /// A message with its property bag; without on a topic that is none of the hub's.
    Message {
        bag: Option<&'a [u8]>,
        message: Message<'a>,
    },
    Puback(u16),
    Pingresp,
    Twin {
        request_id: &'a str,
        message: Message<'a>,
    },
    Desired(Message<'a>),
    TwinResult {
        accepted: bool,
        request_id: &'a str,
        status: u16,
        message: Message<'a>,
    },
    Method {
        name: &'a [u8],
        request_id: &'a [u8],
        message: Message<'a>,
    },
    TooLarge,
    Fota(Fota),
    Error(c_int),
    /// Only the older form tells it to the hub's handler.
    Dps(Dps),
}

/// How a firmware update is getting on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fota {
    Start,
    Done,
    ErasePending,
    EraseDone,
    Error,
}

/// What Nordic's library tells of it; of progress, cancelling and what came after the restart it says nothing.
fn of_firmware(event: firmware::Event) -> Option<Fota> {
    match event {
        firmware::Event::Started => Some(Fota::Start),
        firmware::Event::Done => Some(Fota::Done),
        firmware::Event::ErasePending => Some(Fota::ErasePending),
        firmware::Event::EraseDone => Some(Fota::EraseDone),
        firmware::Event::Failed(_) => Some(Fota::Error),
        _ => None,
    }
}

/// How DPS is getting on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dps {
    Connecting,
    Registering,
    Assigned,
    Failed,
}

const EMPTY: Message<'static> = Message {
    topic: &[],
    payload: &[],
};

/// What of the client's events is about messages, told to `tell`.
pub(crate) fn of_event(
    event: &Event<'_>,
    message: Option<Message<'_>>,
    tell: impl Fn(&Happening<'_>),
) {
    let message = message.unwrap_or(EMPTY);
    match *event {
        Event::C2d(c2d) => tell(&Happening::Message {
            bag: Some(c2d.properties.as_bytes()),
            message,
        }),
        Event::UnknownTopic(_) => tell(&Happening::Message { bag: None, message }),
        Event::Desired(_) => tell(&Happening::Desired(message)),
        Event::Firmware(event) => {
            if let Some(fota) = of_firmware(event) {
                tell(&Happening::Fota(fota));
            }
        }
        Event::Method(_) => {
            if let Some((name, request_id)) = method(message.topic) {
                tell(&Happening::Method {
                    name,
                    request_id,
                    message,
                });
            }
        }
        Event::Twin(document) => of_request(
            document.request,
            |request_id| {
                tell(&Happening::Twin {
                    request_id,
                    message,
                });
            },
            &tell,
        ),
        Event::Reported { request, .. } => {
            let status = status(message.topic).unwrap_or(204);
            of_request(
                request,
                |request_id| {
                    tell(&Happening::TwinResult {
                        accepted: true,
                        request_id,
                        status,
                        message,
                    });
                },
                &tell,
            );
        }
        Event::ReportFailed { request, reason } | Event::TwinFailed { request, reason } => {
            of_request(
                request,
                |request_id| {
                    tell(&Happening::TwinResult {
                        accepted: false,
                        request_id,
                        status: failure(reason),
                        message,
                    });
                },
                &tell,
            );
        }
        _ => {}
    }
}

/// Once for each time that C has asked, or once where it has not.
fn of_request(number: RequestId, answer: impl Fn(&str), tell: &impl Fn(&Happening<'_>)) {
    let own: Text = requests::number(number);
    let mut told = false;
    while let Some(request) = requests::take(number) {
        if let Some(message_id) = request.message_id {
            tell(&Happening::Puback(message_id));
        }
        answer(if request.text.is_empty() {
            &own
        } else {
            &request.text
        });
        told = true;
    }
    if !told {
        answer(&own);
    }
}

/// The connection has ended: requests for the twin will not be answered.
pub(crate) fn void_requests(tell: impl Fn(&Happening<'_>)) {
    while let Some(request) = requests::take_get() {
        tell(&Happening::TwinResult {
            accepted: false,
            request_id: &request.text,
            status: UNAVAILABLE,
            message: EMPTY,
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

/// Name and request id of `$iothub/methods/POST/{name}/?$rid={request id}`.
fn method(topic: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = topic.strip_prefix(b"$iothub/methods/POST/")?;
    let slash = rest.iter().position(|&byte| byte == b'/')?;
    let (name, query) = rest.split_at_checked(slash)?;
    let request_id = query
        .strip_prefix(b"/?")?
        .split(|&byte| byte == b'&')
        .find_map(|part| part.strip_prefix(b"$rid="))?;
    Some((name, request_id))
}

/// The status in `$iothub/twin/res/{status}/…`.
fn status(topic: &[u8]) -> Option<u16> {
    let rest = topic.strip_prefix(b"$iothub/twin/res/")?;
    core::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()
}

/// The properties of a bag, decoded into `texts`, each made a `P` of C's; returns how many. Every text is followed by
/// a 0, and what cannot be decoded is left as it came.
pub(crate) fn decode<P>(
    bag: &[u8],
    texts: &mut [u8],
    properties: &mut [P],
    make: impl Fn(&[u8], Option<&[u8]>) -> P,
) -> usize {
    let mut rest = texts;
    let mut count = 0;
    let mut parts = bag
        .split(|&byte| byte == b'&')
        .filter(|part| !part.is_empty());
    let mut decoded = Vec::<P, { c_api::PROPERTIES }>::new();
    for part in parts.by_ref() {
        let mut halves = part.splitn(2, |&byte| byte == b'=');
        let key = halves.next().unwrap_or_default();
        let value = halves.next();
        let Some(key) = text(key, &mut rest) else {
            log::warn!("the properties of a message do not fit: some are left out");
            break;
        };
        let value = match value.map(|value| text(value, &mut rest)) {
            Some(None) => {
                log::warn!("the properties of a message do not fit: some are left out");
                break;
            }
            Some(value) => value,
            None => None,
        };
        if decoded.push(make(key, value)).is_err() {
            log::warn!("more properties than CONFIG_IOTHUB_C_API_PROPERTIES: some are left out");
            break;
        }
    }
    for (slot, property) in properties.iter_mut().zip(decoded) {
        *slot = property;
        count += 1;
    }
    count
}

/// A copy with a 0 behind it, which does not count, and what is left of the room; `None` where there is too little.
pub(crate) fn terminated<'a>(text: &[u8], room: &'a mut [u8]) -> Option<(&'a [u8], &'a mut [u8])> {
    let (place, rest) = room.split_at_mut_checked(text.len() + 1)?;
    let (copy, end) = place.split_at_mut_checked(text.len())?;
    copy.copy_from_slice(text);
    end.fill(0);
    Some((copy, rest))
}

/// A text, percent-decoded, and a 0 behind it.
fn text<'a>(encoded: &[u8], rest: &mut &'a mut [u8]) -> Option<&'a [u8]> {
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
}
