//! The far end of a link that sends: what a task of its own makes goes out as fast as the peer
//! gives credit.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::amqp::codec::performative::{Fault, Outcome};
use crate::hub::c2d::LockToken;
use crate::hub::connections;
use crate::hub::locked_records::Records;

/// A link of this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::amqp) struct LinkId {
    pub channel: u16,
    pub handle: u32,
    /// Of the link itself, since handles are used again.
    pub number: u64,
}

/// What the tasks around a connection ask of it.
#[derive(Debug)]
pub(in crate::amqp) enum Command {
    /// Messages to send, for which there is credit.
    Deliver(LinkId, Batch),
    /// There is nothing to send, and the peer wanted to know: its credit up to this count is used
    /// up.
    Drained(LinkId, u32),
    /// A delivery that came in is done, and the peer is to hear of it.
    Settle(LinkId, u32, Outcome),
    /// A delivery that came in settled is done.
    Done(LinkId),
    /// What the hub asks of a device.
    Hub(String, connections::Command),
    /// An answer to a request that came in by the link.
    Respond(LinkId, String, Vec<u8>),
    /// The end of a link.
    Detach(LinkId, Fault),
}

/// What is to be done when a peer settles a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::amqp) enum Settlement {
    /// A batch of records for services, under its lock token.
    Records(Records, String),
    /// A message of a device, under its lock.
    Message(String, LockToken),
}

/// Messages of one link.
#[derive(Debug)]
pub(in crate::amqp) struct Batch {
    pub messages: Vec<(Vec<u8>, Option<Settlement>)>,
    /// Their room, free again when all have been written.
    pub room: Arc<Room>,
}

/// A link's turn, and bytes of its connection.
#[derive(Debug)]
pub(in crate::amqp) struct Room {
    _turn: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

/// Up to which count of deliveries the peer takes them.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::amqp) struct Credit {
    pub limit: u32,
    /// Whether the peer wants the credit back that cannot be used now.
    pub drain: bool,
}

/// The far end of a link.
#[derive(Debug)]
pub(in crate::amqp) struct Outlet {
    to: LinkId,
    commands: mpsc::UnboundedSender<Command>,
    credit: watch::Receiver<Credit>,
    /// The count of deliveries until now.
    taken: u32,
    batch: Vec<(Vec<u8>, Option<Settlement>)>,
    bytes: usize,
    slots: Arc<Semaphore>,
    /// Of all links of the connection, in bytes.
    all: Arc<Semaphore>,
}

/// What became of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::amqp) enum Step {
    /// Something has changed.
    Again,
    /// The link is gone.
    Gone,
}

impl Outlet {
    pub(super) fn new(
        to: LinkId,
        commands: mpsc::UnboundedSender<Command>,
        credit: watch::Receiver<Credit>,
        all: Arc<Semaphore>,
    ) -> Self {
        Self {
            to,
            commands,
            credit,
            taken: 0,
            batch: Vec::new(),
            bytes: 0,
            slots: Arc::new(Semaphore::new(BATCHES)),
            all,
        }
    }

    /// Waits until the peer takes something, and says how many messages.
    pub(in crate::amqp) async fn room(&mut self) -> usize {
        loop {
            let room = self.left();
            if room > 0 {
                return room;
            }
            if self.credit.changed().await.is_err() {
                // The link is gone, and its task with it.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits, while there is nothing to send, for a change of the credit. It is cancel safe.
    pub(in crate::amqp) async fn idle(&mut self) -> Step {
        let Credit { limit, drain } = *self.credit.borrow_and_update();
        if drain && self.left() > 0 {
            self.taken = limit;
            let _ = self.commands.send(Command::Drained(self.to, limit));
            return Step::Again;
        }
        match self.credit.changed().await {
            Ok(()) => Step::Again,
            Err(_) => Step::Gone,
        }
    }

    /// Sends a message, settled at once. It is for the credit that [`Outlet::room`] has told of.
    pub(in crate::amqp) async fn send(&mut self, message: Vec<u8>) {
        self.push(message, None).await;
    }

    /// Sends a message that the peer is to settle.
    pub(in crate::amqp) async fn send_unsettled(&mut self, message: Vec<u8>, how: Settlement) {
        self.push(message, Some(how)).await;
    }

    async fn push(&mut self, message: Vec<u8>, how: Option<Settlement>) {
        self.taken = self.taken.wrapping_add(1);
        self.bytes += message.len();
        self.batch.push((message, how));
        if self.bytes >= BATCH {
            self.flush().await;
        }
    }

    /// Hands over what was sent; waits where the peer does not read.
    pub(in crate::amqp) async fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let Ok(turn) = Arc::clone(&self.slots).acquire_owned().await else {
            return;
        };
        let bytes = u32::try_from(self.bytes).unwrap_or(u32::MAX);
        let Ok(bytes) = Arc::clone(&self.all).acquire_many_owned(bytes).await else {
            return;
        };
        self.bytes = 0;
        let batch = Batch {
            messages: std::mem::take(&mut self.batch),
            room: Arc::new(Room {
                _turn: turn,
                _bytes: bytes,
            }),
        };
        let _ = self.commands.send(Command::Deliver(self.to, batch));
    }

    /// What can end the link.
    pub(in crate::amqp) fn end(&self) -> End {
        End {
            to: self.to,
            commands: self.commands.clone(),
        }
    }

    fn left(&self) -> usize {
        let left = self.credit.borrow().limit.wrapping_sub(self.taken);
        // Credit that was taken back is none.
        match i32::try_from(left) {
            Ok(left) => usize::try_from(left).unwrap_or(0),
            Err(_) => 0,
        }
    }
}

/// Ends a link.
#[derive(Debug)]
pub(in crate::amqp) struct End {
    to: LinkId,
    commands: mpsc::UnboundedSender<Command>,
}

impl End {
    pub(in crate::amqp) fn detach(self, fault: Fault) {
        let _ = self.commands.send(Command::Detach(self.to, fault));
    }
}

/// Bytes of messages that are handed over together, and how often that may be done before the first
/// has been written.
const BATCH: usize = 64 * 1024;
const BATCHES: usize = 2;
