//! Incoming topics, recognised by their exact prefix.

use crate::json;

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
    if let Some(rest) = topic.strip_prefix(b"devices/") {
        let bag = rest
            .strip_prefix(device_id.as_bytes())?
            .strip_prefix(b"/messages/devicebound/")?;
        return Some(Incoming::C2d { bag });
    }
    if let Some(rest) = topic.strip_prefix(b"$dps/registrations/res/") {
        let (status, query) = status(rest)?;
        return Some(Incoming::DpsAnswer {
            status,
            request: small(query, b"$rid"),
            retry_after: small(query, b"retry-after"),
        });
    }
    let rest = topic.strip_prefix(b"$iothub/")?;
    if let Some(rest) = rest.strip_prefix(b"twin/res/") {
        let (status, query) = status(rest)?;
        return Some(Incoming::TwinAnswer {
            status,
            request: small(query, b"$rid"),
            version: value(query, b"$version").and_then(json::number),
        });
    }
    if let Some(rest) = rest.strip_prefix(b"twin/PATCH/properties/desired/") {
        let query = if rest.is_empty() {
            rest
        } else {
            rest.strip_prefix(b"?")?
        };
        return Some(Incoming::Desired {
            version: value(query, b"$version").and_then(json::number),
        });
    }
    let (name, query) = segment(rest.strip_prefix(b"methods/POST/")?)?;
    let request = value(query, b"$rid").filter(|request| !request.is_empty())?;
    (!name.is_empty()).then_some(Incoming::Method { name, request })
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
    let slash = rest.iter().position(|&byte| byte == b'/')?;
    let (segment, rest) = (rest.get(..slash)?, rest.get(slash + 1..)?);
    if rest.is_empty() {
        return Some((segment, rest));
    }
    Some((segment, rest.strip_prefix(b"?")?))
}

/// The value of the first parameter of that name.
fn value<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    query
        .split(|&byte| byte == b'&')
        .find_map(|part| part.strip_prefix(name)?.strip_prefix(b"="))
}

fn small(query: &[u8], name: &[u8]) -> Option<u32> {
    u32::try_from(json::number(value(query, name)?)?).ok()
}
