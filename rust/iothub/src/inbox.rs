//! Inputs on their way from the callbacks of C to the driver.

use core::cell::RefCell;

use heapless::Deque;
use iothub_proto::network;

use crate::sync::{self, Waiter};

/// What a callback was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Network(network::Input),
    ModemStopped { fault: u32 },
    Connack { code: u8, session_present: bool },
    Suback { message_id: u16, granted: bool },
    Puback { message_id: u16 },
    Pingresp,
    Oversize,
    Disconnected { result: i32 },
}

/// Room for more than can come between two passes of the driver: the acknowledgements of every
/// message under way, the events of an attach, and the end of the connection.
const ROOM: usize = 32;

/// A bounded queue, which an interrupt may fill.
pub(crate) struct Inbox {
    inputs: critical_section::Mutex<RefCell<Deque<Input, ROOM>>>,
}

impl Inbox {
    pub(crate) const fn new() -> Self {
        Self {
            inputs: critical_section::Mutex::new(RefCell::new(Deque::new())),
        }
    }

    /// Adds an input and wakes the driver. Called on threads of C and in an interrupt: takes no
    /// lock and does not wait.
    pub(crate) fn push(&self, input: Input) {
        let full = sync::with(|cs| self.inputs.borrow_ref_mut(cs).push_back(input).is_err());
        if full {
            // The driver has not run for longer than any of its timers: these will find what was
            // lost.
            log::error!("the inbox is full: an input is lost");
        }
        Waiter::Driver.wake();
    }

    /// The oldest input.
    pub(crate) fn pop(&self) -> Option<Input> {
        sync::with(|cs| self.inputs.borrow_ref_mut(cs).pop_front())
    }
}
