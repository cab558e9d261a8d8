//! Direct methods: the service calls, the device answers.

use heapless::Vec;

use crate::id::MethodId;
use crate::time::Instant;
use crate::writer::Writer;

/// A method. Borrowed from the input: copy the parts that must outlive it; [`MethodRequest::id`] is
/// enough to respond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodRequest<'a> {
    /// For [`MethodResponse::request`].
    pub id: MethodId,
    /// The command's name, without the component.
    pub name: &'a str,
    /// The Plug and Play component of `component*command`.
    pub component: Option<&'a str>,
    /// JSON as a rule, maybe empty. Not checked.
    pub payload: &'a [u8],
}

/// The response to a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodResponse<'a> {
    /// The method that it responds to.
    pub request: MethodId,
    /// Any number; by convention a status code of HTTP.
    pub status: i32,
    /// JSON, or empty.
    pub payload: &'a [u8],
}

/// Longest `$rid` of a method; the hub's are a few digits.
const RID_MAX: usize = 40;

/// Methods that can wait for a response at once.
const METHODS: usize = 4;

/// The largest body, both ways: 128 KB.
pub(crate) const BODY_MAX: usize = 128 * 1024;

/// The methods that wait for a response.
#[derive(Debug)]
pub(crate) struct PendingMethods {
    slots: [Option<PendingMethod>; METHODS],
    generation: u32,
}

#[derive(Debug)]
struct PendingMethod {
    generation: u32,
    rid: Vec<u8, RID_MAX>,
    deadline: Instant,
}

impl PendingMethods {
    pub(crate) const fn new() -> Self {
        Self {
            slots: [const { None }; METHODS],
            generation: 0,
        }
    }

    /// `None` where as many wait as can, or the `$rid` is too long.
    pub(crate) fn insert(&mut self, rid: &[u8], deadline: Instant) -> Option<MethodId> {
        let rid = Vec::from_slice(rid).ok()?;
        let (slot, free) = (0u8..)
            .zip(&mut self.slots)
            .find(|(_, slot)| slot.is_none())?;
        self.generation = self.generation.wrapping_add(1);
        *free = Some(PendingMethod {
            generation: self.generation,
            rid,
            deadline,
        });
        Some(MethodId {
            slot,
            generation: self.generation,
        })
    }

    /// The `$rid` of a method that still waits.
    pub(crate) fn rid(&self, id: MethodId) -> Option<&[u8]> {
        let method = self.slots.get(usize::from(id.slot))?.as_ref()?;
        (method.generation == id.generation).then_some(&*method.rid)
    }

    pub(crate) fn find(&self, rid: &[u8]) -> Option<MethodId> {
        (0u8..).zip(&self.slots).find_map(|(slot, method)| {
            let method = method.as_ref().filter(|method| *method.rid == *rid)?;
            Some(MethodId {
                slot,
                generation: method.generation,
            })
        })
    }

    pub(crate) fn remove(&mut self, id: MethodId) {
        if let Some(slot) = self.slots.get_mut(usize::from(id.slot)) {
            *slot = None;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.slots = [const { None }; METHODS];
    }

    pub(crate) fn next(&self) -> Instant {
        let waiting = self.slots.iter().flatten();
        waiting.fold(Instant::NEVER, |next, method| {
            next.or_before(method.deadline)
        })
    }

    pub(crate) fn expired(&self, now: Instant) -> Option<MethodId> {
        (0u8..).zip(&self.slots).find_map(|(slot, method)| {
            let method = method.as_ref().filter(|method| method.deadline <= now)?;
            Some(MethodId {
                slot,
                generation: method.generation,
            })
        })
    }
}

/// Writes `{status}/?$rid={rid}`, the end of a topic that begins with `$iothub/methods/res/`.
pub(crate) fn write_response_topic(writer: &mut Writer<'_>, status: i32, rid: &[u8]) {
    writer.signed(i64::from(status));
    writer.text("/?$rid=");
    writer.bytes(rid);
}

/// Splits a name into component and command.
pub(crate) fn split_name(name: &str) -> (Option<&str>, &str) {
    let star = name.bytes().position(|byte| byte == b'*');
    match star.and_then(|at| Some((name.get(..at)?, name.get(at + 1..)?))) {
        Some((component, command)) if !component.is_empty() => (Some(component), command),
        _ => (None, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_component_before_its_first_star() {
        for (name, expected) in [
            ("led", (None, "led")),
            ("thermostat1*reboot", (Some("thermostat1"), "reboot")),
            ("a*b*c", (Some("a"), "b*c")),
            ("led*", (Some("led"), "")),
            ("*reboot", (None, "*reboot")),
            ("", (None, "")),
        ] {
            assert_eq!(split_name(name), expected, "{name}");
        }
    }
}
