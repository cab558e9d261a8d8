//! What the application gets to know.

use core::time::Duration;

use crate::c2d::C2d;
use crate::error::Disconnect;
use crate::id::{MessageId, RequestId};
use crate::methods::MethodRequest;
use crate::{dps, fota, network, twin};

/// Something happened. What it borrows is borrowed from the *input*, never from the client.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// About the network.
    Network(network::Event),
    /// Which address the connection goes to.
    Peer(network::PeerView),
    /// About DPS.
    Provisioning(dps::Event<'a>),
    /// A connection is being opened.
    Connecting {
        /// 1 for the first, counted until a connection has proved good.
        attempt: u32,
    },
    /// CONNACK: accepted.
    Connected {
        /// The hub kept the session. Subscriptions are made anew all the same.
        session_present: bool,
    },
    /// All subscriptions are granted: twin, methods and C2D arrive from now on.
    Ready,
    /// The connection ended or did not come about.
    Disconnected {
        /// Why.
        cause: Disconnect,
        /// When it is tried again; `None`: not by itself, or as soon as the network is back.
        retry_in: Option<Duration>,
    },
    /// The hub has it (QoS 1), or it was written (QoS 0).
    Sent(MessageId),
    /// Given up for room in the outbox, or lost with its connection (QoS 0).
    Dropped(MessageId),
    /// A message from the cloud.
    C2d(C2d<'a>),
    /// The whole twin.
    Twin(twin::Document<'a>),
    /// The twin was asked for and did not come. If the client asked by itself, it asks again.
    TwinFailed {
        /// Which request.
        request: RequestId,
        /// Why.
        reason: twin::Failure,
    },
    /// The desired properties have changed.
    Desired(twin::Desired<'a>),
    /// A reported patch was accepted.
    Reported {
        /// Which request.
        request: RequestId,
        /// The reported properties' version after it.
        version: Option<u64>,
    },
    /// A reported patch was not accepted.
    ReportFailed {
        /// Which request.
        request: RequestId,
        /// Why.
        reason: twin::Failure,
    },
    /// The service calls: answer with [`Client::respond`](crate::Client::respond) in time.
    Method(MethodRequest<'a>),
    /// About a firmware update: from [`fota::Updater`], which the driver runs beside the client.
    Firmware(fota::Event),
    /// An answer to nothing that was asked, or to what has timed out.
    UnmatchedAnswer {
        /// Its status.
        status: u16,
        /// Its `$rid`, if that is a number.
        request: Option<u32>,
    },
    /// A topic that is none of ours.
    UnknownTopic(&'a [u8]),
    /// A message was larger than the payload buffer.
    Oversize {
        /// It was read away and acknowledged, and is lost. Else the connection is made anew, and it may come again.
        discarded: bool,
        /// How many in a row were not discarded.
        count: u32,
    },
}

/// Room for what one call can give rise to.
const EVENTS: usize = 8;

#[inline(never)]
pub(crate) fn lost() {
    log::error!("an event is lost: events are to be drained after every call");
}

/// The queue behind [`Client::poll_event`](crate::Client::poll_event).
#[derive(Debug)]
pub(crate) struct Events {
    queue: heapless::Deque<Event<'static>, EVENTS>,
    lost: u32,
}

impl Events {
    pub(crate) const fn new() -> Self {
        Self {
            queue: heapless::Deque::new(),
            lost: 0,
        }
    }

    pub(crate) fn push(&mut self, event: Event<'static>) {
        if self.queue.push_back(event).is_err() {
            self.lost = self.lost.wrapping_add(1);
            lost();
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Event<'static>> {
        self.queue.pop_front()
    }

    pub(crate) fn room(&self) -> usize {
        EVENTS - self.queue.len()
    }

    pub(crate) fn lost(&self) -> u32 {
        self.lost
    }
}
