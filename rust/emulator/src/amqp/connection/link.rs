//! Sessions and their links, as numbers: windows, credit, deliveries on their way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::outlet::{Credit, LinkId, Room, Settlement};
use crate::amqp::address::{Address, Node};
use crate::amqp::codec::performative::{self, LinkFlow, Transfer, Window};

/// A session of the peer.
#[derive(Debug)]
pub(super) struct Session {
    pub window: Window,
    /// Transfers that the peer takes.
    pub remote_window: u32,
    /// Transfers since the peer was last told of the window.
    pub received: u32,
    pub next_delivery: u32,
    /// By their handles.
    pub links: BTreeMap<u32, Link>,
    /// Handles of links that ended here, and whose end the peer has not answered yet.
    pub ended: BTreeSet<u32>,
    /// By the number of the delivery.
    pub unsettled: BTreeMap<u32, (LinkId, Settlement)>,
}

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    pub id: LinkId,
    pub node: Node,
    pub address: Address,
    pub role: Role,
}

#[derive(Debug)]
pub(super) enum Role {
    /// The peer sends.
    Incoming(Incoming),
    /// The peer receives.
    Outgoing(Outgoing),
}

/// A link on which the peer sends.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// Deliveries until now.
    pub count: u32,
    /// Up to which count the peer may send.
    pub limit: u32,
    /// Deliveries that are not settled.
    pub open: u32,
    /// A delivery of which more is to come.
    pub partial: Option<Partial>,
}

/// A delivery as far as it has come.
#[derive(Debug)]
pub(super) struct Partial {
    pub id: u32,
    /// Of the message.
    pub format: u32,
    pub settled: bool,
    pub bytes: Vec<u8>,
}

/// A link on which the peer receives.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The address of the peer's target: to it an answer goes.
    pub reply_to: String,
    /// Deliveries until now.
    pub count: u32,
    /// Up to which count the peer takes them.
    pub limit: u32,
    /// Tells the task that makes the messages.
    pub credit: watch::Sender<Credit>,
    pub queue: VecDeque<Delivery>,
    /// The task that makes the messages, if there is one.
    pub task: Option<AbortHandle>,
}

/// A message on its way to the peer.
#[derive(Debug)]
pub(super) struct Delivery {
    pub message: Vec<u8>,
    /// Bytes that have been written.
    pub written: usize,
    /// Its number, once its first frame has been written.
    pub id: Option<u32>,
    pub settlement: Option<Settlement>,
    pub _room: Option<Arc<Room>>,
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Session {
    /// A session that the peer begins.
    pub(super) fn new(next_outgoing: u32, remote_window: u32) -> Self {
        Self {
            window: Window {
                next_incoming: next_outgoing,
                incoming: INCOMING_WINDOW,
                next_outgoing: 0,
            },
            remote_window,
            received: 0,
            next_delivery: 0,
            links: BTreeMap::new(),
            ended: BTreeSet::new(),
            unsettled: BTreeMap::new(),
        }
    }

    /// Counts a transfer in; `true` if the peer should be told of the window again.
    pub(super) fn count_transfer(&mut self) -> bool {
        self.window.next_incoming = self.window.next_incoming.wrapping_add(1);
        self.received += 1;
        let tell = self.received >= INCOMING_WINDOW / 2;
        if tell {
            self.received = 0;
        }
        tell
    }

    /// The link of that identity, unless it has gone.
    pub(super) fn link(&mut self, id: LinkId) -> Option<&mut Link> {
        let link = self.links.get_mut(&id.handle)?;
        (link.id == id).then_some(link)
    }

    /// Writes what a link's credit and the session's window allow; `false` if nothing more fits
    /// into `out` now.
    pub(super) fn send(
        &mut self,
        handle: u32,
        frame: usize,
        most: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(Link {
            id,
            role: Role::Outgoing(link),
            ..
        }) = self.links.get_mut(&handle)
        else {
            return true;
        };
        let room = frame.saturating_sub(performative::TRANSFER_HEAD).max(1);
        while let Some(delivery) = link.queue.front_mut() {
            if delivery.id.is_none() && ahead(link.limit, link.count) == 0 {
                break;
            }
            if self.remote_window == 0 {
                break;
            }
            if out.len() >= most {
                return false;
            }
            let number = *delivery.id.get_or_insert_with(|| {
                let id = self.next_delivery;
                self.next_delivery = id.wrapping_add(1);
                id
            });
            let end = delivery.message.len().min(delivery.written + room);
            let more = end < delivery.message.len();
            let transfer = Transfer {
                handle,
                id: number,
                settled: delivery.settlement.is_none(),
                more,
            };
            let payload = &delivery.message[delivery.written..end];
            performative::transfer(out, id.channel, transfer, payload);
            delivery.written = end;
            self.remote_window -= 1;
            self.window.next_outgoing = self.window.next_outgoing.wrapping_add(1);
            if !more {
                link.count = link.count.wrapping_add(1);
                if let Some(settlement) = delivery.settlement.take() {
                    self.unsettled.insert(number, (*id, settlement));
                }
                link.queue.pop_front();
            }
        }
        true
    }
}

impl Incoming {
    /// Credit that is to be given now, if any.
    pub(super) fn grant(&mut self, most: u32) -> bool {
        let left = self.limit.wrapping_sub(self.count);
        let room = most.saturating_sub(self.open);
        if left > most / 2 || room <= left {
            return false;
        }
        self.limit = self.count.wrapping_add(room);
        true
    }

    pub(super) fn flow(&self, handle: u32) -> LinkFlow {
        LinkFlow {
            handle,
            delivery_count: self.count,
            credit: self.limit.wrapping_sub(self.count),
            drain: false,
        }
    }
}

impl Outgoing {
    pub(super) fn flow(&self, handle: u32) -> LinkFlow {
        let credit = self.credit.borrow();
        LinkFlow {
            handle,
            delivery_count: self.count,
            credit: ahead(self.limit, self.count),
            drain: credit.drain,
        }
    }
}

/// How far a limit is ahead of a count, of which both go round the corner of 32 bits; one that was
/// taken back is behind.
pub(super) fn ahead(limit: u32, count: u32) -> u32 {
    match limit.wrapping_sub(count) {
        ahead @ 0..=MAX_AHEAD => ahead,
        _ => 0,
    }
}

/// The most credit and the largest window that are counted: more would look like less than nothing.
pub(super) const MAX_AHEAD: u32 = u32::MAX / 2;

/// Transfers that a peer may send before it is told again.
pub(super) const INCOMING_WINDOW: u32 = 2048;
