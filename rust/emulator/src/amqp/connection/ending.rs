//! How links end, and with them the connection: by the peer, by a proof that runs out, by a fault.

use std::sync::Arc;

use super::link::Role;
use super::outlet::{LinkId, Settlement};
use super::served::Device;
use super::{Connection, End};
use crate::amqp::codec::frame::Fields;
use crate::amqp::codec::performative::{self, Fault};
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::hub::locked_records::Records;
use crate::journal::Event;

impl Connection {
    /// When the next proof ends.
    pub(super) fn next_end(&self) -> Option<UnixMs> {
        let devices = self.devices.values().filter_map(|device| device.until);
        devices.chain(self.claims.next_end()).min()
    }

    /// Ends the links whose proof has run out.
    pub(super) fn expire(&mut self) {
        let now = self.amqp.service.clock.now();
        self.claims.expire(now);
        let over = |device: &Device| device.until.is_some_and(|until| until <= now);
        let devices = self.devices.iter().filter(|(_, device)| over(device));
        let devices: Vec<String> = devices.map(|(id, _)| id.clone()).collect();
        for id in devices {
            let refusal = Refusal::new(ErrorCode::IotHubUnauthorized, "the token expired");
            self.end_device(&id, &refusal);
        }
        let mut ended = Vec::new();
        for session in self.sessions.values() {
            // A device's links end with its own token, above; a registration's have none that ends.
            let links = session.links.values();
            for link in links.filter(|it| it.node.is_of_services()) {
                if let Err(refusal) = self.claims.check(&link.address, &link.node) {
                    ended.push((link.id, refusal));
                }
            }
        }
        for (id, refusal) in ended {
            self.record(Event::refusal("closed", &refusal));
            self.detach(id, &Fault::from(&refusal));
        }
    }

    /// Ends a link from this side.
    pub(super) fn detach(&mut self, id: LinkId, fault: &Fault) {
        let Some(session) = self.sessions.get_mut(&id.channel) else {
            return;
        };
        if session.link(id).is_none() {
            return;
        }
        session.ended.insert(id.handle);
        performative::detach(&mut self.writer.waiting, id.channel, id.handle, Some(fault));
        self.remove(id.channel, id.handle);
    }

    /// The peer ends a link, or answers that it has seen its end.
    pub(super) fn detached(&mut self, channel: u16, fields: &Fields) {
        let Some(handle) = fields.uint(0) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&channel) else {
            return;
        };
        if session.ended.remove(&handle) {
            return;
        }
        if self.remove(channel, handle) {
            performative::detach(&mut self.writer.waiting, channel, handle, None);
        }
    }

    /// Forgets a link; what its peer has not settled goes to others.
    pub(super) fn remove(&mut self, channel: u16, handle: u32) -> bool {
        let Some(session) = self.sessions.get_mut(&channel) else {
            return false;
        };
        let Some(link) = session.links.remove(&handle) else {
            return false;
        };
        let id = link.id;
        let mut unsettled: Vec<_> = session
            .unsettled
            .extract_if(.., |_, (of, _)| *of == id)
            .map(|(_, it)| it)
            .collect();
        match link.role {
            Role::Incoming(incoming) => {
                let held = incoming.partial.map_or(0, |it| it.bytes.len());
                self.partial = self.partial.saturating_sub(held);
            }
            Role::Outgoing(mut outgoing) => {
                self.listens(&link.node, false);
                let waiting = outgoing.queue.drain(..);
                unsettled.extend(waiting.filter_map(|mut it| Some((id, it.settlement.take()?))));
            }
        }
        self.give_back(unsettled);
        true
    }

    pub(super) fn give_back(&self, unsettled: impl IntoIterator<Item = (LinkId, Settlement)>) {
        for (_, settlement) in unsettled {
            match settlement {
                Settlement::Records(records, token) => {
                    self.settle_records(records, token, false);
                }
                Settlement::Message(id, token) => self.settle_message(id, token, None),
            }
        }
    }

    pub(super) fn settle_records(&self, records: Records, token: String, taken: bool) {
        let (hub, now) = (self.hub.clone(), self.amqp.service.clock.now());
        let service = Arc::clone(&self.amqp.service);
        let (number, address) = (self.number, self.address);
        self.amqp.service.store.submit(
            move |c| match taken {
                true => records.complete(c, &hub, &token, now),
                false => records.abandon(c, &hub, &token, now),
            },
            move |result| {
                if let Err(refusal) = result {
                    let event = Event::refusal("feedback", &refusal);
                    service.journal.record(event.on(number, address));
                }
            },
        );
    }

    pub(super) async fn finish(mut self, end: End) {
        let sessions = std::mem::take(&mut self.sessions);
        for session in sessions.into_values() {
            self.give_back(session.unsettled.into_values());
        }
        let devices: Vec<String> = self.devices.keys().cloned().collect();
        for id in devices {
            let event = match &end {
                End::Goodbye => Event::info("closed", "AMQP, the peer sent close"),
                End::Closed(refusal) => Event::refusal("closed", refusal),
            };
            self.leave(&id, event);
        }
        let fault = match end {
            End::Goodbye => {
                if self.unproved.is_none() {
                    self.record(Event::info("closed", "AMQP, the peer sent close"));
                }
                None
            }
            End::Closed(refusal) => {
                self.record(Event::refusal("closed", &refusal));
                Some(match refusal.code {
                    ErrorCode::InvalidOperation => {
                        Fault::new("amqp:connection:framing-error", refusal.to_string())
                    }
                    _ => Fault::from(&refusal),
                })
            }
        };
        performative::close(&mut self.writer.waiting, fault.as_ref());
        self.writer.close().await;
    }
}
