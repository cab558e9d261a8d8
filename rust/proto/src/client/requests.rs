//! Requests of the application.

use super::{AssignmentUpdate, Client, PUBLISH_OVERHEAD, Pending, State, Target, commands};
use crate::config::Limits;
use crate::error::{Capacity, Disconnect, Error, InvalidRequest};
use crate::event::Event;
use crate::id::{MessageId, MethodId, RequestId};
use crate::json;
use crate::methods::{self, MethodResponse};
use crate::outbox::{self, Flags, Keep, Kind, Outbox};
use crate::telemetry::{Delivery, Qos, Telemetry};
use crate::time::Instant;
use crate::timer::Timer;
use crate::twin::GetState;
use crate::writer::{Writer, decimal_len};
use crate::zero_option::ZeroOption;

/// The twin's limit for a section.
const PATCH_MAX: usize = 32 * 1024;

pub(super) fn check_patch(patch: &[u8]) -> Result<(), Error> {
    if patch.len() > PATCH_MAX || !json::is_object(patch) {
        return Err(Error::InvalidRequest(InvalidRequest::Patch));
    }
    Ok(())
}

impl<const OUTBOX: usize, const DPS: bool> Client<OUTBOX, DPS> {
    /// Attaches, waits for the network, provisions, connects, and stays connected.
    ///
    /// # Errors
    /// [`InvalidRequest::AlreadyStarted`] after an earlier `connect`.
    pub fn connect(&mut self, now: Instant) -> Result<(), Error> {
        if self.wanted {
            return Err(Error::InvalidRequest(InvalidRequest::AlreadyStarted));
        }
        self.wanted = true;
        let minimum = self.settings.backoff.min;
        self.set_earliest_connect(now, self.last_connect.map_or(now, |last| last + minimum));
        Ok(())
    }

    /// Ends the connection, and makes no other until `connect`. Accepted messages are written
    /// before DISCONNECT as far as the window allows; the outbox is kept.
    ///
    /// # Errors
    /// [`Error::Disconnected`] if `connect` was not called.
    pub fn disconnect(&mut self, now: Instant) -> Result<(), Error> {
        if !self.wanted {
            return Err(Error::Disconnected);
        }
        self.wanted = false;
        match self.state {
            State::Connected(target, _) => {
                self.state = State::Disconnecting(target, Disconnect::Requested);
            }
            State::Connecting(_) | State::AwaitingConnack(_) => {
                self.end_connection(now, Disconnect::Requested)
            }
            State::Disconnecting(target, _) => {
                self.state = State::Disconnecting(target, Disconnect::Requested);
            }
            State::Idle | State::Aborting => {
                self.last_disconnect = ZeroOption::Some(Disconnect::Requested);
                self.events.push(Event::Disconnected {
                    cause: Disconnect::Requested,
                    retry_in: None,
                });
            }
        }
        Ok(())
    }

    /// Stores the message in the outbox and sends it when there is a connection. [`Event::Sent`] or
    /// [`Event::Dropped`] follows.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for a message that the hub would refuse; [`Capacity::Outbox`]
    /// where the outbox has no room now; [`Capacity::Message`] or [`Capacity::Topic`] where the
    /// message never fits.
    pub fn send(&mut self, message: &Telemetry<'_>) -> Result<MessageId, Error> {
        self.send_as(MessageId(self.next_message), message)?;
        Ok(self.message_id())
    }

    /// The number of a message, which no other has.
    pub(super) fn message_id(&mut self) -> MessageId {
        let id = MessageId(self.next_message);
        self.next_message = self.next_message.wrapping_add(1);
        id
    }

    /// Checks a message, and returns the length of its properties on the wire.
    pub(super) fn check_message(&self, message: &Telemetry<'_>) -> Result<usize, Error> {
        let properties_len = message.check().map_err(Error::InvalidRequest)?;
        self.check_size(
            self.identity.names().telemetry_topic_len() + properties_len,
            message.payload.len(),
        )?;
        Ok(properties_len)
    }

    /// As [`Client::send`], under a number of the application's, which need not be unique. An
    /// application uses either `send_as` or `send`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn send_as(&mut self, id: MessageId, message: &Telemetry<'_>) -> Result<(), Error> {
        let properties_len = self.check_message(message)?;
        let kind = match message.qos {
            Qos::AtMostOnce => Kind::Qos0,
            Qos::AtLeastOnce => Kind::Qos1,
        };
        self.make_room(kind, properties_len, message.payload.len())?;
        let content = self
            .outbox
            .push(kind, id.0, properties_len, message.payload.len())?;
        let mut writer = Writer::new(content);
        if properties_len > 0 {
            message.write_properties(&mut writer);
        }
        writer.bytes(message.payload);
        let Delivery { priority, keep, .. } = message.delivery;
        let ram_only = u8::from(keep == Some(Keep::Never)) * Flags::RAM_ONLY;
        self.outbox
            .set_last_flags((priority as u8 * Flags::HIGH) | ram_only);
        self.counters.accepted = self.counters.accepted.wrapping_add(1);
        Ok(())
    }

    /// Patches the reported properties with a JSON object. With `version` the hub refuses (412)
    /// where it has another version. The patch is kept over reconnects until [`Event::Reported`] or
    /// [`Event::ReportFailed`].
    ///
    /// # Errors
    /// [`InvalidRequest::Patch`] or [`Error::Capacity`].
    pub fn report(&mut self, patch: &[u8], version: Option<u64>) -> Result<RequestId, Error> {
        check_patch(patch)?;
        let id = self.request_id();
        let mut query = [0; 64];
        let mut writer = Writer::new(&mut query);
        writer.number(u64::from(id.0));
        if let Some(version) = version {
            writer.text("&$version=");
            writer.number(version);
        }
        let query = writer.finish().unwrap_or_default();
        let len = query.len();
        self.check_size(commands::REPORT_TOPIC.len() + len, patch.len())?;
        let content = self.outbox.push(Kind::Report, id.0, len, patch.len())?;
        let mut writer = Writer::new(content);
        writer.bytes(query);
        writer.bytes(patch);
        Ok(id)
    }

    /// Requests the whole twin. [`Event::Twin`] or [`Event::TwinFailed`] follows. One request is in
    /// flight at a time: where there is one already, its number is returned.
    ///
    /// # Errors
    /// [`Error::NotReady`] without a connection to the hub.
    pub fn request_twin(&mut self) -> Result<RequestId, Error> {
        if !matches!(self.state, State::Connected(Target::Hub, _)) {
            return Err(Error::NotReady);
        }
        Ok(match self.twin_get {
            GetState::Due(id) | GetState::Sent(id) => id,
            GetState::Idle | GetState::Retry => self.queue_twin_get(),
        })
    }

    /// Responds to a method.
    ///
    /// # Errors
    /// [`InvalidRequest::UnknownMethod`] where the method does not wait for a response any more;
    /// [`InvalidRequest::MethodAnswer`] or [`Error::Capacity`], after which the method still waits.
    pub fn respond(&mut self, response: &MethodResponse<'_>) -> Result<(), Error> {
        if self.methods.rid(response.request).is_none() {
            return Err(Error::InvalidRequest(InvalidRequest::UnknownMethod));
        }
        if response.payload.len() > methods::BODY_MAX
            || !(response.payload.is_empty() || json::is_valid(response.payload))
        {
            return Err(Error::InvalidRequest(InvalidRequest::MethodAnswer));
        }
        self.send_method_response(response.request, response.status, response.payload)
    }

    /// The method that waits for a response under this `$rid`.
    pub fn find_method(&self, rid: &[u8]) -> Option<MethodId> {
        self.methods.find(rid)
    }

    /// Forgets DPS's assignment and registers again.
    ///
    /// # Errors
    /// [`InvalidRequest::NoProvisioning`] without DPS.
    pub fn reprovision(&mut self, now: Instant) -> Result<(), Error> {
        let Some(registration) = self.dps() else {
            return Err(Error::InvalidRequest(InvalidRequest::NoProvisioning));
        };
        registration.require();
        self.identity.forget_assignment();
        self.assignment = AssignmentUpdate::Erase;
        match self.state {
            State::Connected(Target::Hub, _) => {
                self.pending = Pending::None;
                self.state = State::Disconnecting(Target::Hub, Disconnect::Requested);
            }
            State::Connecting(Target::Hub) | State::AwaitingConnack(Target::Hub) => {
                self.end_connection(now, Disconnect::Requested);
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

    pub(super) fn queue_twin_get(&mut self) -> RequestId {
        let id = self.request_id();
        self.twin_get = GetState::Due(id);
        self.timers.stop(Timer::Twin);
        id
    }

    /// Checks that a PUBLISH of this size fits the platform's buffers.
    pub(super) fn check_size(&self, topic: usize, payload: usize) -> Result<(), Error> {
        let limits = &self.settings.limits;
        if topic + PUBLISH_OVERHEAD > limits.packet {
            Err(Error::Capacity(Capacity::Topic))
        } else if topic.saturating_add(payload) > limits.transmit {
            Err(Error::Capacity(Capacity::Message))
        } else {
            Ok(())
        }
    }

    /// Checks that the outbox has room, or makes room where the policy is to drop.
    fn make_room(&mut self, kind: Kind, topic: usize, payload: usize) -> Result<(), Error> {
        loop {
            let full = match self.outbox.check(kind, topic, payload) {
                Err(full @ Error::Capacity(Capacity::Outbox)) => full,
                other => return other,
            };
            // One event is left free for the rest of the call.
            if self.settings.outbox == outbox::Policy::Reject || self.events.room() <= 1 {
                return Err(full);
            }
            let pending = self.pending;
            let oldest = self.outbox.find(&mut |record| {
                matches!(record.kind, Kind::Qos0 | Kind::Qos1)
                    && !record.in_flight()
                    && pending != Pending::Record(record.packet)
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

    /// Puts the response to a method into the outbox; the method does not wait any more.
    pub(super) fn send_method_response(
        &mut self,
        id: MethodId,
        status: i32,
        payload: &[u8],
    ) -> Result<(), Error> {
        let Some(rid) = self.methods.rid(id) else {
            return Ok(());
        };
        let limits = &self.settings.limits;
        push_method_response(&mut self.outbox, limits, status, rid, payload)?;
        self.methods.remove(id);
        Ok(())
    }
}

/// Puts the response to a method into the outbox.
pub(super) fn push_method_response<const N: usize>(
    outbox: &mut Outbox<N>,
    limits: &Limits,
    status: i32,
    rid: &[u8],
    payload: &[u8],
) -> Result<(), Error> {
    let digits = usize::from(status < 0) + decimal_len(status.unsigned_abs());
    let topic_end = digits + "/?$rid=".len() + rid.len();
    let topic = commands::RESPONSE_TOPIC.len() + topic_end;
    if topic + PUBLISH_OVERHEAD > limits.packet {
        return Err(Error::Capacity(Capacity::Topic));
    }
    if topic.saturating_add(payload.len()) > limits.transmit {
        return Err(Error::Capacity(Capacity::Message));
    }
    let content = outbox.push(Kind::MethodResponse, 0, topic_end, payload.len())?;
    let mut writer = Writer::new(content);
    methods::write_response_topic(&mut writer, status, rid);
    writer.bytes(payload);
    Ok(())
}
