//! The client.

use crate::command::Command;
use crate::config::Config;
use crate::error::{ConfigError, Error};
use crate::event::Event;
use crate::id::{CommandId, Errno, MessageId, RequestId};
use crate::methods::MethodResponse;
use crate::network;
use crate::status::Status;
use crate::telemetry::Telemetry;
use crate::time::Instant;

/// Protocol state for one device. See the crate docs for the calling contract.
#[derive(Debug)]
pub struct Client<const OUTBOX: usize> {
    status: Status,
}

#[allow(unused_variables)]
impl<const OUTBOX: usize> Client<OUTBOX> {
    /// Checks the configuration and copies it.
    pub fn new(config: &Config<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            status: Status::default(),
        })
    }

    /// Wish: attach, pass the gate, provision, connect, and stay connected.
    pub fn connect(&mut self, now: Instant) -> Result<(), Error> {
        Err(Error::NotReady)
    }

    /// Wish: end the connection and stay so. The outbox is kept.
    pub fn disconnect(&mut self, now: Instant) -> Result<(), Error> {
        Err(Error::NotReady)
    }

    /// Wish: keep the message and send it when there is a connection.
    pub fn send(&mut self, now: Instant, message: &Telemetry<'_>) -> Result<MessageId, Error> {
        Err(Error::NotReady)
    }

    /// Wish: patch the reported properties; `version` makes the hub refuse if its own is another.
    pub fn report(
        &mut self,
        now: Instant,
        patch: &[u8],
        version: Option<u64>,
    ) -> Result<RequestId, Error> {
        Err(Error::NotReady)
    }

    /// Wish: get the whole twin.
    pub fn request_twin(&mut self, now: Instant) -> Result<RequestId, Error> {
        Err(Error::NotReady)
    }

    /// Wish: answer a method.
    pub fn respond(&mut self, now: Instant, answer: &MethodResponse<'_>) -> Result<(), Error> {
        Err(Error::NotReady)
    }

    /// Wish: forget DPS's assignment, end the connection and register anew.
    pub fn reprovision(&mut self, now: Instant) -> Result<(), Error> {
        Err(Error::NotReady)
    }

    /// Fact: the modem reported something. May come at any time, before `connect` too.
    pub fn handle_network(&mut self, now: Instant, fact: network::Fact) {}

    /// Fact: CONNACK.
    pub fn handle_connack(&mut self, now: Instant, code: u8, session_present: bool) {}

    /// Fact: SUBACK; `granted` is false if there was a 0x80 in it.
    pub fn handle_suback(&mut self, now: Instant, message_id: u16, granted: bool) {}

    /// Fact: PUBACK.
    pub fn handle_puback(&mut self, now: Instant, message_id: u16) {}

    /// Fact: PINGRESP.
    pub fn handle_pingresp(&mut self, now: Instant) {}

    /// Fact: PUBLISH. The event borrows from topic and payload.
    pub fn handle_publish<'a>(
        &mut self,
        now: Instant,
        topic: &'a [u8],
        payload: &'a [u8],
    ) -> Option<Event<'a>> {
        None
    }

    /// Fact: a message was larger than the payload buffer.
    pub fn handle_oversize(&mut self, now: Instant) {}

    /// Fact: the connection has ended.
    pub fn handle_disconnect(&mut self, now: Instant, cause: Errno) {}

    /// Fact: the address of the last connect.
    pub fn handle_peer(&mut self, now: Instant, peer: network::Peer) {}

    /// Fact: time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {}

    /// Duty: the next event that borrows nothing. Drain after every other call.
    pub fn poll_event(&mut self) -> Option<Event<'static>> {
        None
    }

    /// Duty: the next call to make. What it needs is copied into `buffer`.
    pub fn poll_command<'b>(
        &mut self,
        now: Instant,
        buffer: &'b mut [u8],
    ) -> Option<(CommandId, Command<'b>)> {
        None
    }

    /// Duty: how that call went.
    pub fn complete(&mut self, now: Instant, id: CommandId, result: Result<(), Errno>) {}

    /// When to call `handle_timeout`, unless something else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// A copy of what is worth knowing.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The hub's host name; empty before DPS has assigned one.
    pub fn hostname(&self) -> &str {
        ""
    }

    /// The device id at that hub; empty before DPS has assigned one.
    pub fn device_id(&self) -> &str {
        ""
    }
}
