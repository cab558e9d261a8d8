//! For sequential code: events kept until somebody waits for them.

use core::cell::RefCell;
use core::marker::PhantomData;
use core::time::Duration;

use critical_section::Mutex;
use heapless::Deque;
use iothub_proto::{Event, dps};
use ncs::platform::Waiter;

use crate::{client::CLIENT, now};

/// So many are kept; a further one takes the place of the oldest.
const ROOM: usize = 6;

static KEPT: Mutex<RefCell<Deque<Event<'static>, ROOM>>> = Mutex::new(RefCell::new(Deque::new()));

/// For sequential code: the events that have come since it was made, oldest first.
///
/// The newest 6 are kept. Events that borrow (messages, twins, methods) go to the handler only. For
/// one thread, which may not be in [`crate::wait`] at the same time.
///
/// ```no_run
/// use core::time::Duration;
///
/// use iothub::{Event, EventQueue, Telemetry};
///
/// fn measure_once() -> Option<()> {
///     // Before what the first event comes from.
///     let mut events = EventQueue::new();
///     iothub::connect().ok()?;
///     let ready = |event: &Event| matches!(event, Event::Ready).then_some(());
///     events.wait_for(Duration::from_secs(120), ready)?;
///     let id = iothub::send(&Telemetry::json(br#"{"temperature":25.1}"#)).ok()?;
///     let sent = |event: &Event| (*event == Event::Sent(id)).then_some(());
///     events.wait_for(Duration::from_secs(60), sent)?;
///     iothub::disconnect().ok()
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct EventQueue {
    /// It stays with its thread.
    _thread: PhantomData<*const ()>,
}

impl EventQueue {
    /// Keeps events from now on.
    #[expect(
        clippy::new_without_default,
        reason = "it begins something, which a default value does not"
    )]
    pub fn new() -> Self {
        CLIENT.recorder.set(record);
        Self {
            _thread: PhantomData,
        }
    }

    /// Takes events, those that are kept and those that come, until `wanted` finds what it looks
    /// for; `None` after `timeout`, and inside the handler, which would wait for itself.
    pub fn wait_for<R>(
        &mut self,
        timeout: Duration,
        wanted: impl FnMut(&Event<'static>) -> Option<R>,
    ) -> Option<R> {
        wait_for(timeout, wanted)
    }
}

fn wait_for<R>(
    timeout: Duration,
    mut wanted: impl FnMut(&Event<'static>) -> Option<R>,
) -> Option<R> {
    if CLIENT.handler_lock.is_mine() {
        log::error!("wait_for in the handler would wait for itself");
        return None;
    }
    let deadline = now() + timeout;
    loop {
        while let Some(event) = critical_section::with(|cs| KEPT.borrow_ref_mut(cs).pop_front()) {
            if let Some(found) = wanted(&event) {
                return Some(found);
            }
        }
        if now() >= deadline {
            return None;
        }
        Waiter::Application.wait(Some(deadline.as_millis()));
    }
}

fn record(event: &Event<'_>) {
    let Some(event) = owned(event) else { return };
    critical_section::with(|cs| {
        let mut kept = KEPT.borrow_ref_mut(cs);
        if kept.is_full() {
            kept.pop_front();
        }
        // There is room.
        let _ = kept.push_back(event);
    });
    Waiter::Application.wake();
}

/// What borrows nothing; what does is for the handler.
fn owned(event: &Event<'_>) -> Option<Event<'static>> {
    Some(match *event {
        Event::Network(event) => Event::Network(event),
        Event::Peer(peer) => Event::Peer(peer),
        Event::Provisioning(dps::Event::Registering) => {
            Event::Provisioning(dps::Event::Registering)
        }
        Event::Provisioning(dps::Event::Assigning) => Event::Provisioning(dps::Event::Assigning),
        Event::Provisioning(dps::Event::Failed(failure)) => {
            Event::Provisioning(dps::Event::Failed(failure))
        }
        Event::Provisioning(dps::Event::Assigned { .. }) => {
            Event::Provisioning(dps::Event::Assigned { payload: None })
        }
        Event::Connecting { attempt } => Event::Connecting { attempt },
        Event::Connected { session_present } => Event::Connected { session_present },
        Event::Ready => Event::Ready,
        Event::Disconnected { cause, retry_in } => Event::Disconnected { cause, retry_in },
        Event::Sent(id) => Event::Sent(id),
        Event::Dropped(id) => Event::Dropped(id),
        Event::TwinFailed { request, reason } => Event::TwinFailed { request, reason },
        Event::Reported { request, version } => Event::Reported { request, version },
        Event::ReportFailed { request, reason } => Event::ReportFailed { request, reason },
        Event::Firmware(event) => Event::Firmware(event),
        Event::UnmatchedAnswer { status, request } => Event::UnmatchedAnswer { status, request },
        Event::Oversize { discarded, count } => Event::Oversize { discarded, count },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use iothub_proto::{
        Disconnect, MessageId, ProvisioningFailure, RequestId, fota,
        network::{self, PeerView},
        twin,
    };

    use super::*;

    #[test]
    fn what_borrows_nothing_is_kept_as_it_is() {
        for event in [
            Event::Provisioning(dps::Event::Registering),
            Event::Provisioning(dps::Event::Assigning),
            Event::Firmware(fota::Event::Started),
            Event::UnmatchedAnswer {
                status: 404,
                request: Some(7),
            },
            Event::Oversize {
                discarded: true,
                count: 1,
            },
            Event::Provisioning(dps::Event::Failed(ProvisioningFailure::Disabled)),
            Event::Network(network::Event::Registered { roaming: true }),
            Event::Peer(PeerView::V4([13, 70, 74, 195])),
            Event::Connecting { attempt: 2 },
            Event::Connected {
                session_present: true,
            },
            Event::Ready,
            Event::Disconnected {
                cause: Disconnect::LinkSilent,
                retry_in: None,
            },
            Event::Sent(MessageId::new(1)),
            Event::Dropped(MessageId::new(2)),
            Event::TwinFailed {
                request: RequestId::new(7),
                reason: twin::Failure::Timeout,
            },
            Event::Reported {
                request: RequestId::new(7),
                version: Some(3),
            },
            Event::ReportFailed {
                request: RequestId::new(7),
                reason: twin::Failure::Status(412),
            },
        ] {
            assert_eq!(owned(&event), Some(event));
        }
        assert_eq!(owned(&Event::UnknownTopic(b"elsewhere")), None);
    }
}
