//! Where the one client lies, and how the application, callbacks and the driver reach it: the
//! statics of this crate.

use iothub_proto::{Error, Event, Instant};
use ncs::{
    flash::Exclusive,
    platform::{Mutex, Slot, Waiter},
};

use crate::{
    fota::Updates,
    handler::Handler,
    handler_lock::HandlerLock,
    inbox::{Inbox, Input},
    now,
    outbox::FlashOutbox,
    partition::Partition,
    state::{DeviceClient, State},
};

/// All zeros before the start, and so it takes no flash.
pub(crate) static CLIENT: Shared = Shared {
    state: Mutex::new(State::new()),
    inbox: Inbox::new(),
    handler_lock: HandlerLock::new(),
    handler: Slot::new(),
    recorder: Slot::new(),
};

/// Apart from the client: a build without updates does not link it.
pub(crate) static UPDATES: Mutex<Updates> = Mutex::new(Updates::new());

/// Behind a lock of its own, that of the flash: a build without it does not link it.
pub(crate) static OUTBOX: Exclusive<FlashOutbox<Partition>> =
    Exclusive::new(FlashOutbox::new(Partition::CLOSED));

/// What threads share.
pub(crate) struct Shared {
    /// Behind the platform's lock, which is held for microseconds.
    pub(crate) state: Mutex<State>,
    pub(crate) inbox: Inbox,
    pub(crate) handler_lock: HandlerLock,
    pub(crate) handler: Slot<&'static dyn Handler>,
    /// What keeps events for an `EventQueue`, where there is one.
    pub(crate) recorder: Slot<fn(&Event<'_>)>,
}

/// Calls `f` with the client under the lock, and wakes the driver, since there may be something to
/// do.
pub(crate) fn with_client<R>(
    f: impl FnOnce(&mut DeviceClient, Instant) -> Result<R, Error>,
) -> Result<R, Error> {
    let result = CLIENT.state.with(|state| match state.client() {
        Some(client) => f(client, now()),
        None => Err(Error::NotReady),
    });
    Waiter::Driver.wake();
    result
}

/// Hands an input to the driver. From any thread, and from an interrupt.
pub(crate) fn push(input: Input) {
    CLIENT.inbox.push(input);
}
