//! Facts are taken in and the handler is called by one thread at a time, in the order of the wire: by the driver's, and
//! for what the hub sends by mqtt_helper's.

use core::cell::Cell;

use crate::sync::{self, Waiter, thread_id};

/// The thread that is inside the handler; 0 for none.
static HOLDER: critical_section::Mutex<Cell<usize>> = critical_section::Mutex::new(Cell::new(0));

/// The right to take in facts and to call the handler, until it is dropped. No call of C is made with it.
pub(crate) struct Turn {
    nested: bool,
}

impl Turn {
    /// Waits for the other thread to leave the handler.
    pub(crate) fn take() -> Self {
        let me = thread_id();
        loop {
            let holder = sync::with(|cs| {
                let cell = HOLDER.borrow(cs);
                let holder = cell.get();
                if holder == 0 {
                    cell.set(me);
                }
                holder
            });
            if holder == 0 || holder == me {
                return Self {
                    nested: holder == me,
                };
            }
            Waiter::Handler.wait(None);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.nested {
            sync::with(|cs| HOLDER.borrow(cs).set(0));
            Waiter::Handler.wake();
        }
    }
}

/// Whether the calling thread is inside the handler.
pub(crate) fn is_mine() -> bool {
    let me = thread_id();
    sync::with(|cs| HOLDER.borrow(cs).get() == me)
}
