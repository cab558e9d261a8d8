//! What the application wishes.

use super::{AssignmentDuty, Client, Duty, PUBLISH_OVERHEAD, State, Target, duties};
use crate::config::Limits;
use crate::error::{Capacity, Disconnect, Error, InvalidRequest};
use crate::event::Event;
use crate::id::{MessageId, MethodId, RequestId};
use crate::json;
use crate::maybe::Maybe;
use crate::methods::{self, MethodResponse};
use crate::outbox::{self, Kind, Outbox};
use crate::telemetry::{Qos, Telemetry};
use crate::time::Instant;
use crate::timer::Timer;
use crate::twin::Get;
use crate::writer::Writer;

/// The twin's limit for a section.
const PATCH_MAX: usize = 32 * 1024;

impl<const OUTBOX: usize, const DPS: bool> Client<OUTBOX, DPS> {
    /// Wish: attach, pass the gate, provision, connect, and stay connected.
    ///
    /// Fails with [`InvalidRequest::AlreadyStarted`].
    pub fn connect(&mut self, now: Instant) -> Result<(), Error> {
        if self.wanted {
            return Err(Error::InvalidRequest(InvalidRequest::AlreadyStarted));
        }
        self.wanted = true;
        let minimum = self.settings.backoff.min;
        self.not_before(now, self.last_connect.map_or(now, |last| last + minimum));
        Ok(())
    }

    /// Wish: end the connection and stay so. What was accepted is written before, as far as that needs no answer;
    /// the outbox is kept.
    ///
    /// Fails with [`Error::Disconnected`] if `connect` was not called.
    pub fn disconnect(&mut self, now: Instant) -> Result<(), Error> {
        if !self.wanted {
            return Err(Error::Disconnected);
        }
        self.wanted = false;
        match self.state {
            State::Open(target, _) => {
                self.state = State::Leaving(target, Disconnect::Requested);
            }
            State::Opening(_) | State::Greeting(_) => self.end(now, Disconnect::Requested),
            State::Leaving(target, _) => {
                self.state = State::Leaving(target, Disconnect::Requested);
            }
            State::Idle | State::Ending => {
                self.last_disconnect = Maybe::Some(Disconnect::Requested);
                self.events.push(Event::Disconnected {
                    cause: Disconnect::Requested,
                    retry_in: None,
                });
            }
        }
        Ok(())
    }

    /// Wish: keep the message and send it when there is a connection. [`Event::Sent`] or [`Event::Dropped`]
    /// follows.
    ///
    /// Fails with [`Error::InvalidRequest`] for what the hub would refuse, with [`Error::Capacity`] where it
    /// does not fit: into the outbox now ([`Capacity::Outbox`]) or ever ([`Capacity::Message`],
    /// [`Capacity::Topic`]).
    pub fn send(&mut self, now: Instant, message: &Telemetry<'_>) -> Result<MessageId, Error> {
        let id = MessageId(self.next_message);
        self.send_as(now, id, message)?;
        self.next_message = self.next_message.wrapping_add(1);
        Ok(id)
    }

    /// As [`Client::send`], under a number of the application's, which need not be unique. An application
    /// uses either this or `send`.
    pub fn send_as(
        &mut self,
        now: Instant,
        id: MessageId,
        message: &Telemetry<'_>,
    ) -> Result<(), Error> {
        let _ = now;
        let bag = message.check().map_err(Error::InvalidRequest)?;
        self.check_size(
            self.identity.names().telemetry_topic_len() + bag,
            message.payload.len(),
        )?;
        let kind = match message.qos {
            Qos::AtMostOnce => Kind::Once,
            Qos::AtLeastOnce => Kind::Kept,
        };
        self.make_room(kind, bag, message.payload.len())?;
        let content = self.outbox.push(kind, id.0, bag, message.payload.len())?;
        let mut writer = Writer::new(content);
        message.write_bag(&mut writer);
        writer.bytes(message.payload);
        self.counters.accepted = self.counters.accepted.wrapping_add(1);
        Ok(())
    }

    /// Wish: patch the reported properties with a JSON object; with `version` the hub refuses (412) where its
    /// own is another. Kept until [`Event::Reported`] or [`Event::ReportFailed`], over reconnects.
    ///
    /// Fails with [`InvalidRequest::Patch`] or [`Error::Capacity`].
    pub fn report(
        &mut self,
        now: Instant,
        patch: &[u8],
        version: Option<u64>,
    ) -> Result<RequestId, Error> {
        let _ = now;
        if patch.len() > PATCH_MAX || !json::is_object(patch) {
            return Err(Error::InvalidRequest(InvalidRequest::Patch));
        }
        let id = self.request_id();
        let mut head = [0; 64];
        let mut writer = Writer::new(&mut head);
        writer.number(u64::from(id.0));
        if let Some(version) = version {
            writer.text("&$version=");
            writer.number(version);
        }
        let head = writer.finish().unwrap_or_default();
        let len = head.len();
        self.check_size(duties::REPORT_TOPIC.len() + len, patch.len())?;
        let content = self.outbox.push(Kind::Report, id.0, len, patch.len())?;
        let mut writer = Writer::new(content);
        writer.bytes(head);
        writer.bytes(patch);
        Ok(id)
    }

    /// Wish: get the whole twin. [`Event::Twin`] or [`Event::TwinFailed`] follows. One request is on its way
    /// at a time: where there is one already, its number is returned.
    ///
    /// Fails with [`Error::NotReady`] without a connection to the hub.
    pub fn request_twin(&mut self, now: Instant) -> Result<RequestId, Error> {
        let _ = now;
        if !matches!(self.state, State::Open(Target::Hub, _)) {
            return Err(Error::NotReady);
        }
        Ok(match self.get {
            Get::Due(id) | Get::Sent(id) => id,
            Get::Idle | Get::Again => self.want_twin(),
        })
    }

    /// Wish: answer a method.
    ///
    /// Fails with [`InvalidRequest::UnknownMethod`] where it does not wait any more, with
    /// [`InvalidRequest::MethodAnswer`] or [`Error::Capacity`]; after these two it still waits.
    pub fn respond(&mut self, now: Instant, answer: &MethodResponse<'_>) -> Result<(), Error> {
        let _ = now;
        if self.calls.rid(answer.request).is_none() {
            return Err(Error::InvalidRequest(InvalidRequest::UnknownMethod));
        }
        if answer.payload.len() > methods::BODY_MAX
            || !(answer.payload.is_empty() || json::is_valid(answer.payload))
        {
            return Err(Error::InvalidRequest(InvalidRequest::MethodAnswer));
        }
        self.answer_call(answer.request, answer.status, answer.payload)
    }

    /// The method call that waits under this `$rid`.
    pub fn find_method(&self, rid: &[u8]) -> Option<MethodId> {
        self.calls.find(rid)
    }

    /// Wish: forget DPS's assignment and register anew.
    ///
    /// Fails with [`InvalidRequest::NoProvisioning`].
    pub fn reprovision(&mut self, now: Instant) -> Result<(), Error> {
        let Some(registration) = self.dps() else {
            return Err(Error::InvalidRequest(InvalidRequest::NoProvisioning));
        };
        registration.require();
        self.identity.forget_assignment();
        self.assignment = AssignmentDuty::Erase;
        match self.state {
            State::Open(Target::Hub, _) => {
                self.in_hand = Duty::Nothing;
                self.state = State::Leaving(Target::Hub, Disconnect::Requested);
            }
            State::Opening(Target::Hub) | State::Greeting(Target::Hub) => {
                self.end(now, Disconnect::Requested);
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn request_id(&mut self) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request = self.next_request.wrapping_add(1);
        id
    }

    pub(super) fn want_twin(&mut self) -> RequestId {
        let id = self.request_id();
        self.get = Get::Due(id);
        self.timers.stop(Timer::Twin);
        id
    }

    /// Whether a publish of this size can be handed out and written.
    fn check_size(&self, topic: usize, payload: usize) -> Result<(), Error> {
        let limits = &self.settings.limits;
        if topic + PUBLISH_OVERHEAD > limits.packet {
            Err(Error::Capacity(Capacity::Topic))
        } else if topic.saturating_add(payload) > limits.transmit {
            Err(Error::Capacity(Capacity::Message))
        } else {
            Ok(())
        }
    }

    /// Checks that there is room, or makes it where the policy is to drop.
    fn make_room(&mut self, kind: Kind, head: usize, body: usize) -> Result<(), Error> {
        loop {
            let full = match self.outbox.check(kind, head, body) {
                Err(full @ Error::Capacity(Capacity::Outbox)) => full,
                other => return other,
            };
            // One event is left free for what else the call may have to say.
            if self.settings.outbox == outbox::Policy::Reject || self.events.room() <= 1 {
                return Err(full);
            }
            let in_hand = self.in_hand;
            let oldest = self.outbox.find(&mut |record| {
                matches!(record.kind, Kind::Once | Kind::Kept)
                    && !record.in_flight
                    && in_hand != Duty::Record(record.packet)
            });
            let Some(oldest) = oldest else {
                return Err(full);
            };
            self.outbox.remove(&oldest);
            self.dropped(oldest.id);
        }
    }

    pub(super) fn dropped(&mut self, id: u32) {
        self.counters.dropped = self.counters.dropped.wrapping_add(1);
        self.events.push(Event::Dropped(MessageId(id)));
    }

    /// Puts the answer to a call into the outbox; the call does not wait any more.
    pub(super) fn answer_call(
        &mut self,
        id: MethodId,
        status: i32,
        payload: &[u8],
    ) -> Result<(), Error> {
        let Some(rid) = self.calls.rid(id) else {
            return Ok(());
        };
        let limits = &self.settings.limits;
        push_answer(&mut self.outbox, limits, status, rid, payload)?;
        self.calls.remove(id);
        Ok(())
    }
}

/// Puts an answer into the outbox.
pub(super) fn push_answer<const N: usize>(
    outbox: &mut Outbox<N>,
    limits: &Limits,
    status: i32,
    rid: &[u8],
    payload: &[u8],
) -> Result<(), Error> {
    let digits = usize::from(status < 0) + decimal_len(status.unsigned_abs());
    let head = digits + "/?$rid=".len() + rid.len();
    let topic = duties::ANSWER_TOPIC.len() + head;
    if topic + PUBLISH_OVERHEAD > limits.packet {
        return Err(Error::Capacity(Capacity::Topic));
    }
    if topic.saturating_add(payload.len()) > limits.transmit {
        return Err(Error::Capacity(Capacity::Message));
    }
    let content = outbox.push(Kind::Answer, 0, head, payload.len())?;
    let mut writer = Writer::new(content);
    methods::write_answer_topic(&mut writer, status, rid);
    writer.bytes(payload);
    Ok(())
}

pub(super) fn decimal_len(number: u32) -> usize {
    let (mut rest, mut digits) = (number / 10, 1);
    while rest > 0 {
        rest /= 10;
        digits += 1;
    }
    digits
}
