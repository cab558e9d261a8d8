//! What became of requests, for devices that ask for it later.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::code::Refusal;
use crate::throttle::Throttle;

/// What devices asked for. A device that comes back asks for it on another connection.
#[derive(Debug, Default)]
pub(super) struct Operations(Mutex<VecDeque<Operation>>);

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// Made up by the service.
    pub(super) id: String,
    /// The registration id of the device, which alone learns of the operation.
    pub(super) registration_id: String,
    /// When it can be said what became of it.
    pub(super) ready: Instant,
    /// The state of the registration.
    pub(super) outcome: Result<Value, Refusal>,
}

impl Operations {
    pub(super) fn insert(&self, operation: Operation) {
        let mut all = self.all();
        let mine = |it: &Operation| it.registration_id == operation.registration_id;
        if all.iter().filter(|it| mine(it)).count() >= MAX_OPERATIONS_EACH
            && let Some(oldest) = all.iter().position(mine)
        {
            all.remove(oldest);
        } else if all.len() >= MAX_OPERATIONS {
            all.pop_front();
        }
        all.push_back(operation);
    }

    pub(super) fn find(&self, id: &str, registration_id: &str) -> Option<Operation> {
        let all = self.all();
        let found = all
            .iter()
            .find(|it| it.id == id && it.registration_id == registration_id);
        found.cloned()
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Operation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often each device asks what became of its operations, over whatever protocol and on however
/// many connections.
///
/// Devices that nobody has room for any more share one count: a fleet as large as that is slowed
/// down, and memory is not spent.
#[derive(Debug)]
pub(super) struct Polls {
    each: Mutex<HashMap<String, Arc<Throttle>>>,
    rest: Throttle,
}

impl Default for Polls {
    fn default() -> Self {
        Self {
            each: Mutex::default(),
            rest: Throttle::new(STRETCH),
        }
    }
}

impl Polls {
    /// Lets one more question pass, or says how many seconds to wait.
    pub(super) fn pass(&self, registration_id: &str, limit: u64) -> Result<(), u64> {
        let mut all = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_OPERATIONS && !all.contains_key(registration_id) {
            all.retain(|_, throttle| !throttle.is_over());
            if all.len() >= MAX_OPERATIONS {
                drop(all);
                return self.rest.pass(limit);
            }
        }
        let fresh = || Arc::new(Throttle::new(STRETCH));
        let of_device = Arc::clone(all.entry(registration_id.to_owned()).or_insert_with(fresh));
        drop(all);
        of_device.pass(limit)
    }
}

/// In which a device may ask so often.
const STRETCH: Duration = Duration::from_secs(10);

/// The oldest are forgotten; so are all with the end of the emulator.
const MAX_OPERATIONS_EACH: usize = 16;
const MAX_OPERATIONS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_beyond_the_room_share_a_count() {
        let polls = Polls::default();
        for device in 0..MAX_OPERATIONS {
            assert_eq!(polls.pass(&device.to_string(), 2), Ok(()));
        }
        let late = ["a", "b", "c"].map(|device| polls.pass(device, 2).is_ok());
        assert_eq!(late, [true, true, false]);
        assert_eq!(polls.each.lock().unwrap().len(), MAX_OPERATIONS);
        // Those with a count of their own keep it.
        assert_eq!(polls.pass("0", 2), Ok(()));
        assert!(polls.pass("0", 2).is_err());
    }
}
