//! Events for the application.

use core::time::Duration;

use crate::c2d::C2d;
use crate::error::Disconnect;
use crate::id::{MessageId, RequestId};
use crate::methods::MethodRequest;
use crate::{dps, fota, network, twin};

/// An event for the application. It borrows from the *input*, never from the client.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// About the network.
    Network(network::Event),
    /// The address that the connection goes to.
    Peer(network::PeerView),
    /// About DPS.
    Provisioning(dps::Event<'a>),
    /// A connection is being opened.
    Connecting {
        /// 1 more than the failed connects in a row, all classes together.
        attempt: u32,
    },
    /// CONNACK has accepted the connection.
    Connected {
        /// The hub has kept the session. The client subscribes again all the same.
        session_present: bool,
    },
    /// All subscriptions are granted: twin, methods and C2D arrive from now on.
    Ready,
    /// The connection has ended or could not be made.
    Disconnected {
        /// Why.
        cause: Disconnect,
        /// Time until the next connect; `None`: none without `connect`, or as soon as the network
        /// is back.
        retry_in: Option<Duration>,
    },
    /// The hub has acknowledged the message (QoS 1), or the message was written (QoS 0).
    Sent(MessageId),
    /// The message was given up: for room in the outbox, or with its connection (QoS 0).
    Dropped(MessageId),
    /// A message from the cloud.
    C2d(C2d<'a>),
    /// The whole twin.
    Twin(twin::Document<'a>),
    /// The twin could not be read. If the client had asked of its own accord, it asks again.
    TwinFailed {
        /// The request.
        request: RequestId,
        /// Why.
        reason: twin::Failure,
    },
    /// The desired properties have changed.
    Desired(twin::Desired<'a>),
    /// A reported patch was accepted.
    Reported {
        /// The request.
        request: RequestId,
        /// The version of the reported properties after the patch.
        version: Option<u64>,
    },
    /// A reported patch was not accepted.
    ReportFailed {
        /// The request.
        request: RequestId,
        /// Why.
        reason: twin::Failure,
    },
    /// A direct method, to be answered in time with [`Client::respond`](crate::Client::respond).
    Method(MethodRequest<'a>),
    /// About a firmware update: from [`fota::Updater`], which the driver runs beside the client.
    Firmware(fota::Event),
    /// An answer that matches no request, or a request that has timed out.
    UnmatchedAnswer {
        /// The answer's status.
        status: u16,
        /// The answer's `$rid`, if that is a number.
        request: Option<u32>,
    },
    /// A message with a topic that the client does not know.
    UnknownTopic(&'a [u8]),
    /// A message was larger than the payload buffer.
    Oversize {
        /// The message was acknowledged and discarded. Otherwise the client reconnects, and the
        /// message may come again.
        discarded: bool,
        /// Number of messages in a row that were not discarded.
        count: u32,
    },
}

/// Room for the events of one call.
const EVENTS: usize = 8;

#[inline(never)]
pub(crate) fn lost() {
    log::error!("an event is lost: drain the events after every call");
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
