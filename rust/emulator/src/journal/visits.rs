//! The latest arrival and the latest end of each device's connections, so that a list can say why
//! one is away.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Event;

/// What a device's connections came to last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visits {
    /// The latest `connected`.
    pub connected: Option<Arc<Event>>,
    /// The latest `closed` or `refused`.
    pub ended: Option<Arc<Event>>,
}

impl Visits {
    /// Whether its latest attempt was turned down.
    pub(crate) fn is_refused(&self) -> bool {
        let number = |event: &Option<Arc<Event>>| event.as_ref().map(|event| event.seq);
        let refused = self
            .ended
            .as_ref()
            .is_some_and(|event| event.event == "refused");
        refused && number(&self.ended) > number(&self.connected)
    }
}

/// Hub and device.
type Key = (String, String);

/// The visits of the devices that were here last, [`CAPACITY`] of them at most: devices name
/// themselves.
#[derive(Debug, Default)]
pub(super) struct Latest {
    devices: HashMap<Key, (u64, Visits)>,
    /// By the number of the latest event of each.
    order: BTreeMap<u64, Key>,
}

impl Latest {
    /// Takes an event in, if it is about a connection of a device.
    pub(super) fn note(&mut self, event: &Arc<Event>) {
        let is_arrival = event.event == "connected";
        if !is_arrival && !matches!(event.event, "closed" | "refused") {
            return;
        }
        let (Some(hub), Some(id)) = (&event.hub, &event.device_id) else {
            return;
        };
        let key = (hub.clone(), id.clone());
        let (number, visits) = self.devices.entry(key.clone()).or_default();
        self.order.remove(number);
        *number = event.seq;
        let place = match is_arrival {
            true => &mut visits.connected,
            false => &mut visits.ended,
        };
        *place = Some(Arc::clone(event));
        self.order.insert(event.seq, key);
        if self.order.len() > CAPACITY
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.devices.remove(&oldest);
        }
    }

    pub(super) fn of(&self, hub: &str, id: &str) -> Visits {
        let key = (hub.to_owned(), id.to_owned());
        let found = self.devices.get(&key);
        found.map(|(_, visits)| visits.clone()).unwrap_or_default()
    }

    /// Those of a hub whose latest attempt was turned down.
    pub(super) fn refused(&self, hub: &str) -> Vec<String> {
        let of_hub = self.devices.iter().filter(|((of, _), _)| of == hub);
        let refused = of_hub.filter(|(_, (_, visits))| visits.is_refused());
        refused.map(|((_, id), _)| id.clone()).collect()
    }
}

const CAPACITY: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64, what: &'static str, id: &str) -> Arc<Event> {
        Arc::new(Event {
            seq,
            ..Event::info(what, "").of("h", id)
        })
    }

    #[test]
    fn the_latest_attempt_counts() {
        let mut latest = Latest::default();
        latest.note(&event(1, "refused", "a"));
        latest.note(&event(2, "telemetry", "b"));
        assert_eq!(latest.refused("h"), ["a"]);
        assert!(latest.refused("other").is_empty());
        latest.note(&event(3, "connected", "a"));
        assert!(latest.refused("h").is_empty());
        latest.note(&event(4, "closed", "a"));
        let visits = latest.of("h", "a");
        let numbers = [visits.connected, visits.ended].map(|it| it.map(|event| event.seq));
        assert_eq!(numbers, [Some(3), Some(4)]);
        assert!(latest.of("h", "b").ended.is_none());
    }

    #[test]
    fn those_that_were_here_last_are_kept() {
        let mut latest = Latest::default();
        latest.note(&event(1, "refused", "first"));
        latest.note(&event(2, "refused", "second"));
        latest.note(&event(3, "refused", "first"));
        for seq in 4..CAPACITY as u64 + 3 {
            latest.note(&event(seq, "closed", &seq.to_string()));
        }
        assert_eq!(latest.devices.len(), CAPACITY);
        assert_eq!(latest.order.len(), CAPACITY);
        assert_eq!(latest.refused("h"), ["first"]);
    }
}
