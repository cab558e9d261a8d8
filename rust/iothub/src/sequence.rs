//! For sequential code: events kept until somebody waits for them.

use core::cell::RefCell;
use core::time::Duration;

use critical_section::Mutex;
use heapless::Deque;
use iothub_proto::{Event, dps};
use ncs::platform::Waiter;

use crate::{driver::RECORD, now, turn};

/// So many are kept; a further one takes the place of the oldest.
const ROOM: usize = 6;

static KEPT: Mutex<RefCell<Deque<Event<'static>, ROOM>>> = Mutex::new(RefCell::new(Deque::new()));

pub(crate) fn keep() {
    RECORD.set(record);
}

pub(crate) fn wait_for<R>(
    timeout: Duration,
    mut wanted: impl FnMut(&Event<'static>) -> Option<R>,
) -> Option<R> {
    keep();
    if turn::is_mine() {
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
        Event::Oversize { discarded, count } => Event::Oversize { discarded, count },
        _ => return None,
    })
}
