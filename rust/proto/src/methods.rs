//! Direct methods: the service calls, the device answers.

use heapless::Vec;

use crate::id::MethodId;
use crate::time::Instant;
use crate::writer::Writer;

/// A call. Borrowed from the input: copy what must outlive it; [`MethodRequest::id`] is enough to answer.
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

/// The answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodResponse<'a> {
    /// Which call.
    pub request: MethodId,
    /// Any number; by custom those of HTTP.
    pub status: i32,
    /// JSON, or empty.
    pub payload: &'a [u8],
}

/// Longest `$rid` that a call can have; the hub's are a few digits.
const RID_MAX: usize = 40;

/// Calls that can wait at once.
const CALLS: usize = 4;

/// The largest body, both ways: 128 KB.
pub(crate) const BODY_MAX: usize = 128 * 1024;

/// The calls that wait for an answer.
#[derive(Debug)]
pub(crate) struct Calls {
    slots: [Option<Call>; CALLS],
    turn: u32,
}

#[derive(Debug)]
struct Call {
    turn: u32,
    rid: Vec<u8, RID_MAX>,
    deadline: Instant,
}

impl Calls {
    pub(crate) const fn new() -> Self {
        Self {
            slots: [const { None }; CALLS],
            turn: 0,
        }
    }

    /// `None` where no more can wait, or the `$rid` is longer than can be kept.
    pub(crate) fn insert(&mut self, rid: &[u8], deadline: Instant) -> Option<MethodId> {
        let rid = Vec::from_slice(rid).ok()?;
        let (slot, free) = (0u8..)
            .zip(&mut self.slots)
            .find(|(_, slot)| slot.is_none())?;
        self.turn = self.turn.wrapping_add(1);
        *free = Some(Call {
            turn: self.turn,
            rid,
            deadline,
        });
        Some(MethodId {
            slot,
            turn: self.turn,
        })
    }

    /// The `$rid` of a call that still waits.
    pub(crate) fn rid(&self, id: MethodId) -> Option<&[u8]> {
        let call = self.slots.get(usize::from(id.slot))?.as_ref()?;
        (call.turn == id.turn).then_some(&*call.rid)
    }

    pub(crate) fn find(&self, rid: &[u8]) -> Option<MethodId> {
        (0u8..).zip(&self.slots).find_map(|(slot, call)| {
            let call = call.as_ref().filter(|call| *call.rid == *rid)?;
            Some(MethodId {
                slot,
                turn: call.turn,
            })
        })
    }

    pub(crate) fn remove(&mut self, id: MethodId) {
        if let Some(slot) = self.slots.get_mut(usize::from(id.slot)) {
            *slot = None;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.slots = [const { None }; CALLS];
    }

    pub(crate) fn next(&self) -> Instant {
        let waiting = self.slots.iter().flatten();
        waiting.fold(Instant::NEVER, |next, call| next.or_before(call.deadline))
    }

    pub(crate) fn expired(&self, now: Instant) -> Option<MethodId> {
        (0u8..).zip(&self.slots).find_map(|(slot, call)| {
            let call = call.as_ref().filter(|call| call.deadline <= now)?;
            Some(MethodId {
                slot,
                turn: call.turn,
            })
        })
    }
}

/// Writes `{status}/?$rid={rid}`, what follows `$iothub/methods/res/`.
pub(crate) fn write_answer_topic(writer: &mut Writer<'_>, status: i32, rid: &[u8]) {
    writer.signed(i64::from(status));
    writer.text("/?$rid=");
    writer.bytes(rid);
}

/// A name as it came, split into component and command.
pub(crate) fn split_name(name: &str) -> (Option<&str>, &str) {
    let star = name.bytes().position(|byte| byte == b'*');
    match star.and_then(|at| Some((name.get(..at)?, name.get(at + 1..)?))) {
        Some((component, command)) if !component.is_empty() => (Some(component), command),
        _ => (None, name),
    }
}
