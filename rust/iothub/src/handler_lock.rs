//! Inputs are taken in and the handler is called by one thread at a time, in the order of the wire:
//! by the driver's, and for what the hub sends by mqtt_helper's.

use core::cell::Cell;

use crate::sync::{self, Waiter, thread_id};

/// Who may take in inputs and call the handler.
pub(crate) struct HandlerLock {
    /// The thread that is inside; 0 for none.
    holder: critical_section::Mutex<Cell<usize>>,
}

impl HandlerLock {
    pub(crate) const fn new() -> Self {
        Self {
            holder: critical_section::Mutex::new(Cell::new(0)),
        }
    }

    /// Waits for the other thread to leave. The thread that is inside may enter again.
    pub(crate) fn lock(&self) -> HandlerGuard<'_> {
        let me = thread_id();
        loop {
            let holder = sync::with(|cs| {
                let cell = self.holder.borrow(cs);
                let holder = cell.get();
                if holder == 0 {
                    cell.set(me);
                }
                holder
            });
            if holder == 0 || holder == me {
                return HandlerGuard {
                    lock: self,
                    nested: holder == me,
                };
            }
            Waiter::Handler.wait(None);
        }
    }

    /// Whether the calling thread is inside.
    pub(crate) fn is_mine(&self) -> bool {
        let me = thread_id();
        sync::with(|cs| self.holder.borrow(cs).get() == me)
    }
}

/// The right to take in inputs and to call the handler, until it is dropped.
pub(crate) struct HandlerGuard<'a> {
    lock: &'a HandlerLock,
    nested: bool,
}

impl Drop for HandlerGuard<'_> {
    fn drop(&mut self) {
        if !self.nested {
            sync::with(|cs| self.lock.holder.borrow(cs).set(0));
            Waiter::Handler.wake();
        }
    }
}
