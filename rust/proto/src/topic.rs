//! Incoming topics, recognised by their exact prefix.

use crate::json;
use crate::scan::{after, split_at};

/// An incoming topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    C2d {
        bag: &'a [u8],
    },
    Method {
        name: &'a [u8],
        request: &'a [u8],
    },
    TwinAnswer {
        status: u16,
        request: Option<u32>,
        version: Option<u64>,
    },
    Desired {
        version: Option<u64>,
    },
    DpsAnswer {
        status: u16,
        request: Option<u32>,
        retry_after: Option<u32>,
    },
}

/// Parses a topic; `None` for one that is not for this device.
pub(crate) fn read<'a>(topic: &'a [u8], device_id: &str) -> Option<Incoming<'a>> {
    if let Some(rest) = after(topic, b"$iothub/methods/POST/") {
        let (name, query) = segment(rest)?;
        let request = value(query, b"$rid=").filter(|request| !request.is_empty())?;
        return (!name.is_empty()).then_some(Incoming::Method { name, request });
    }
    if let Some(rest) = after(topic, b"$iothub/twin/") {
        return of_twin(rest);
    }
    if let Some(rest) = after(topic, b"devices/") {
        let bag = after(
            after(rest, device_id.as_bytes())?,
            b"/messages/devicebound/",
        )?;
        return Some(Incoming::C2d { bag });
    }
    let (status, query) = status(after(topic, b"$dps/registrations/res/")?)?;
    Some(Incoming::DpsAnswer {
        status,
        request: small(query, b"$rid="),
        retry_after: small(query, b"retry-after="),
    })
}

fn of_twin(rest: &[u8]) -> Option<Incoming<'_>> {
    if let Some(rest) = after(rest, b"res/") {
        let (status, query) = status(rest)?;
        return Some(Incoming::TwinAnswer {
            status,
            request: small(query, b"$rid="),
            version: value(query, b"$version=").and_then(json::number),
        });
    }
    let rest = after(rest, b"PATCH/properties/desired/")?;
    Some(Incoming::Desired {
        version: value(query(rest)?, b"$version=").and_then(json::number),
    })
}

/// `{status}/?{query}`, three digits; the query may be missing.
fn status(rest: &[u8]) -> Option<(u16, &[u8])> {
    let (status, query) = segment(rest)?;
    if status.len() != 3 {
        return None;
    }
    let status = u16::try_from(json::number(status)?).ok()?;
    (status >= 100).then_some((status, query))
}

/// `{segment}/`, and the query after `?` if there is one.
fn segment(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (segment, rest) = split_at(rest, b'/')?;
    Some((segment, query(rest)?))
}

/// What follows `?`; nothing at all is a query too.
fn query(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [] | [b'?'] => Some(&[]),
        [b'?', query @ ..] => Some(query),
        _ => None,
    }
}

/// The value of the first parameter of that name, which is given with its `=`.
fn value<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = query;
    loop {
        let (part, others) = match split_at(rest, b'&') {
            Some((part, others)) => (part, Some(others)),
            None => (rest, None),
        };
        if let Some(value) = after(part, name) {
            return Some(value);
        }
        rest = others?;
    }
}

fn small(query: &[u8], name: &[u8]) -> Option<u32> {
    u32::try_from(json::number(value(query, name)?)?).ok()
}
