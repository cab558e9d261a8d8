//! What a peer sends on its links, and what it says of what it was sent.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::attach::MAX_MESSAGE;
use super::link::{Delivery, Incoming, Partial, Role};
use super::outlet::{Command, LinkId, Settlement};
use super::{Connection, invalid};
use crate::amqp::address::{Feature, Node};
use crate::amqp::codec::frame::Fields;
use crate::amqp::codec::message::{BATCH, Message, place};
use crate::amqp::codec::performative::{self, ACCEPTED, Fault, Outcome};
use crate::amqp::eventhub::management;
use crate::code::{ErrorCode, Refusal};

impl Connection {
    /// A frame of a delivery.
    pub(super) async fn transfer(
        &mut self,
        channel: u16,
        fields: &Fields,
        payload: &[u8],
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&channel) else {
            return Ok(());
        };
        if session.count_transfer() {
            performative::flow(&mut self.writer.waiting, channel, session.window, None);
        }
        let handle = fields
            .uint(0)
            .ok_or_else(|| invalid("transfer without a handle"))?;
        let link = match session.links.get_mut(&handle) {
            Some(link) => link,
            None if session.ended.contains(&handle) => return Ok(()),
            None => {
                return Err(invalid(&format!(
                    "transfer on handle {handle}, where no link is attached"
                )));
            }
        };
        let (id, node) = (link.id, link.node.clone());
        let Role::Incoming(incoming) = &mut link.role else {
            return Err(invalid(&format!(
                "transfer on handle {handle}, where the peer receives"
            )));
        };
        let Some(partial) = incoming.take(fields, payload, &mut self.partial)? else {
            return Ok(());
        };
        let Partial {
            id: delivery,
            format,
            settled,
            bytes,
        } = partial;
        if bytes.len() > MAX_MESSAGE {
            self.detach(
                id,
                &Fault::new(
                    "amqp:link:message-size-exceeded",
                    format!(
                        "a message of {} bytes is larger than {MAX_MESSAGE}",
                        bytes.len()
                    ),
                ),
            );
            return Ok(());
        }
        let room = room(&self.incoming, bytes.len()).await?;
        let is_batch = format == BATCH && matches!(node, Node::Device(_, Feature::Events));
        let parsed = match is_batch {
            true => Message::parse_batch(&bytes).map(|all| (Message::default(), all)),
            false => Message::parse(&bytes).map(|one| (one, Vec::new())),
        };
        let mut answer = None;
        let done = match parsed {
            Err(error) => Some(Err(Refusal::new(
                ErrorCode::IotHubFormatError,
                error.to_string(),
            ))),
            Ok((message, batch)) => match node {
                Node::Cbs => {
                    answer = Some(self.put_token(&message).await);
                    Some(Ok(()))
                }
                Node::Device(device, Feature::Events) => {
                    let messages = if is_batch { batch } else { vec![message] };
                    self.hear_events((id, delivery, settled), &device, messages, room)
                }
                Node::Device(device, feature) => self.hear(id, (device, feature), message, room),
                Node::Management { hub } => {
                    self.ask(id, hub, message, room);
                    Some(Ok(()))
                }
                Node::Registration { .. } => {
                    self.provision((id, delivery, settled), message, room);
                    None
                }
                Node::CloudToDevice => {
                    self.send_to_device((id, delivery, settled), message, room);
                    None
                }
                _ => Some(Ok(())),
            },
        };
        match done {
            // It is settled when the storage has answered.
            None => {}
            Some(done) => {
                let outcome = match done {
                    Ok(()) => Outcome::Accepted,
                    Err(refusal) => Outcome::Rejected(Some(Fault::from(&refusal))),
                };
                match settled {
                    true => self.done(id),
                    false => self.settle(id, delivery, &outcome),
                }
            }
        }
        if let Some((reply_to, answer)) = answer {
            self.respond(id, &reply_to, answer);
        }
        Ok(())
    }

    /// Lets the storage answer, beside the connection.
    fn ask(&self, id: LinkId, hub: String, request: Message, room: OwnedSemaphorePermit) {
        let reply_to = request
            .properties
            .str(place::REPLY_TO)
            .unwrap_or_default()
            .to_owned();
        let (service, commands) = (Arc::clone(&self.amqp.service), self.commands.clone());
        tokio::spawn(async move {
            let answer = management::answer(service, hub, request).await;
            drop(room);
            let _ = commands.send(Command::Respond(id, reply_to, answer));
        });
    }

    /// Sends an answer on the link that receives from the node to which the request went.
    pub(super) fn respond(&mut self, id: LinkId, reply_to: &str, message: Vec<u8>) {
        let Some(session) = self.sessions.get_mut(&id.channel) else {
            return;
        };
        let Some(node) = session.link(id).map(|link| link.node.clone()) else {
            return;
        };
        if let Some(to) = self.receiver_of(&node, Some(id.channel), reply_to) {
            self.queue(to, message);
        }
    }

    /// The link that receives from a node: the one of that reply address, else one of that session,
    /// else any.
    pub(super) fn receiver_of(
        &self,
        node: &Node,
        channel: Option<u16>,
        reply_to: &str,
    ) -> Option<LinkId> {
        let links = self.sessions.values().flat_map(|it| it.links.values());
        let receivers = links.filter_map(|link| match &link.role {
            Role::Outgoing(outgoing) if link.node == *node => {
                let is_named = !reply_to.is_empty() && outgoing.reply_to == reply_to;
                Some((is_named, Some(link.id.channel) == channel, link.id))
            }
            _ => None,
        });
        let best = receivers.max_by_key(|(is_named, is_near, _)| (*is_named, *is_near));
        best.map(|(_, _, id)| id)
    }

    /// Puts a message behind the others of a link.
    pub(super) fn queue(&mut self, to: LinkId, message: Vec<u8>) {
        let Some(link) = self.outgoing(to) else {
            return;
        };
        if link.queue.len() >= MAX_ANSWERS {
            let fault = Fault::new("amqp:resource-limit-exceeded", "answers are not taken");
            self.detach(to, &fault);
            return;
        }
        link.queue.push_back(Delivery {
            message,
            written: 0,
            id: None,
            settlement: None,
            _room: None,
        });
        self.send_link(to);
    }

    /// Tells the peer what became of a delivery.
    pub(super) fn settle(&mut self, id: LinkId, delivery: u32, outcome: &Outcome) {
        performative::disposition(
            &mut self.writer.waiting,
            id.channel,
            true,
            delivery,
            outcome,
        );
        self.done(id);
    }

    /// A delivery is off the table: there is room for another.
    pub(super) fn done(&mut self, id: LinkId) {
        let link = self
            .sessions
            .get_mut(&id.channel)
            .and_then(|it| it.link(id));
        if let Some(link) = link
            && let Role::Incoming(incoming) = &mut link.role
        {
            incoming.open = incoming.open.saturating_sub(1);
        }
        self.grant(id);
    }

    /// Lets the peer of a link send.
    pub(super) fn grant(&mut self, id: LinkId) {
        let Some(session) = self.sessions.get_mut(&id.channel) else {
            return;
        };
        let window = session.window;
        if let Some(link) = session.link(id)
            && let Role::Incoming(incoming) = &mut link.role
            && incoming.grant(CREDIT)
        {
            let flow = incoming.flow(id.handle);
            performative::flow(&mut self.writer.waiting, id.channel, window, Some(flow));
        }
    }

    /// What the peer says of deliveries.
    pub(super) fn disposition(&mut self, channel: u16, fields: &Fields) {
        let Some(session) = self.sessions.get_mut(&channel) else {
            return;
        };
        // Of what the peer sent there is nothing to learn: it is settled here.
        if !fields.bool(0) {
            return;
        }
        let first = fields.uint(1).unwrap_or_default();
        let span = fields.uint(2).unwrap_or(first).wrapping_sub(first);
        let state = fields.at(4).clone().into_described().map(|(code, _)| code);
        let settled: Vec<_> = session
            .unsettled
            .extract_if(.., |id, _| id.wrapping_sub(first) <= span)
            .collect();
        for (id, (link, settlement)) in settled {
            match settlement {
                Settlement::Records(records, token) => {
                    self.settle_records(records, token, state == Some(ACCEPTED));
                }
                Settlement::Message(id, token) => self.settle_message(id, token, state),
            }
            if !fields.bool(3) {
                let out = &mut self.writer.waiting;
                performative::disposition(out, link.channel, false, id, &Outcome::Accepted);
            }
        }
    }
}

/// Waits until there is room for a delivery; it is free again when the storage is done with that,
/// which needs nothing of the connection's task.
async fn room(free: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let room = Arc::clone(free).acquire_many_owned(bytes).await;
    room.map_err(|_| invalid("the connection is closed"))
}

impl Incoming {
    /// Puts a frame to what has come of its delivery; the delivery, once it is whole.
    fn take(
        &mut self,
        fields: &Fields,
        payload: &[u8],
        held: &mut usize,
    ) -> Result<Option<Partial>, Refusal> {
        let mut partial = match self.partial.take() {
            Some(partial) => partial,
            None => {
                if self.limit == self.count {
                    return Err(invalid("a transfer beyond the link's credit"));
                }
                self.count = self.count.wrapping_add(1);
                self.open += 1;
                Partial {
                    id: fields
                        .uint(1)
                        .ok_or_else(|| invalid("a delivery without a number"))?,
                    format: fields.uint(3).unwrap_or_default(),
                    settled: false,
                    bytes: Vec::new(),
                }
            }
        };
        partial.settled |= fields.bool(4);
        *held -= partial.bytes.len();
        if fields.bool(9) {
            self.open = self.open.saturating_sub(1);
            return Ok(None);
        }
        // What is beyond the largest message is counted, and not kept.
        let room = (MAX_MESSAGE + 1).saturating_sub(partial.bytes.len());
        partial
            .bytes
            .extend_from_slice(payload.get(..room).unwrap_or(payload));
        if !fields.bool(5) {
            return Ok(Some(partial));
        }
        *held += partial.bytes.len();
        if *held > MAX_PARTIAL {
            return Err(Refusal::new(
                ErrorCode::MessageTooLarge,
                format!("more than {MAX_PARTIAL} bytes of deliveries that are not whole"),
            ));
        }
        self.partial = Some(partial);
        Ok(None)
    }
}

/// Deliveries of a link that are not settled.
const CREDIT: u32 = 100;

/// Answers that wait for credit.
const MAX_ANSWERS: usize = 64;

/// Of all links of a connection.
const MAX_PARTIAL: usize = 1024 * 1024;
