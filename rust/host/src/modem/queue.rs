//! The system workqueue: events in the order of their time.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::network::{Event, Step};
use crate::lock;

/// Events that are still to come.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    added: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    /// By due time; the number keeps events of one instant in order.
    events: BTreeMap<(Instant, u64), Event>,
    number: u64,
}

impl Queue {
    /// Adds events, each `after` the one before it, the first one after now.
    pub(crate) fn add(&self, steps: &[Step], factor: f64) {
        let mut inner = lock(&self.inner);
        let mut due = Instant::now();
        for step in steps {
            due += step.after.mul_f64(factor);
            let number = inner.number;
            inner.events.insert((due, number), step.event);
            inner.number += 1;
        }
        drop(inner);
        self.added.notify_all();
    }

    /// Drops what has not happened yet.
    pub(crate) fn clear(&self) {
        lock(&self.inner).events.clear();
    }

    /// The next event, when its time has come.
    pub(crate) fn next(&self) -> Event {
        let mut inner = lock(&self.inner);
        loop {
            let due = inner.events.first_key_value().map(|((due, _), _)| *due);
            let wait = due.map(|due| due.saturating_duration_since(Instant::now()));
            if wait == Some(Duration::ZERO)
                && let Some((_, event)) = inner.events.pop_first()
            {
                return event;
            }
            inner = match wait {
                None => self
                    .added
                    .wait(inner)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(wait) => {
                    let waited = self.added.wait_timeout(inner, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_their_time() {
        let queue = Queue::default();
        let step = |ms, event| Step {
            after: Duration::from_millis(ms),
            event,
        };
        queue.add(&[step(1, Event::Deactivated)], 1.0);
        queue.clear();
        queue.add(
            &[step(20, Event::EsmCause(1)), step(0, Event::EsmCause(2))],
            1.0,
        );
        queue.add(&[step(1, Event::EsmCause(0))], 1.0);
        for cause in 0..3 {
            assert_eq!(queue.next(), Event::EsmCause(cause));
        }
    }
}
