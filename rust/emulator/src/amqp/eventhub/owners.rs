//! Who receives from a partition: a receiver with an epoch (owner level) has it alone, others share
//! it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::amqp::address::Partition;
use crate::amqp::codec::performative::Fault;

/// All receivers of all partitions.
#[derive(Clone, Debug, Default)]
pub(in crate::amqp) struct Owners(Arc<Mutex<HashMap<Partition, Vec<Reader>>>>);

#[derive(Debug)]
struct Reader {
    number: u64,
    name: String,
    epoch: Option<i64>,
    /// Tells it to go, and why.
    evict: oneshot::Sender<Fault>,
}

/// A receiver's place; it is given up when this is dropped.
#[derive(Debug)]
pub(in crate::amqp) struct Place {
    owners: Owners,
    partition: Partition,
    number: u64,
    /// Says when another takes the partition over.
    pub evicted: oneshot::Receiver<Fault>,
}

impl Owners {
    /// Takes a place for the receiver of that number, which no other has; whoever has a lower
    /// epoch, or none, is told to go.
    ///
    /// Microsoft, "Event Hubs: event consumers": at most five receivers without an epoch for a
    /// partition and group.
    pub(in crate::amqp) fn enter(
        &self,
        partition: &Partition,
        number: u64,
        name: &str,
        epoch: Option<i64>,
    ) -> Result<Place, Fault> {
        let mut all = self.lock();
        let readers = all.entry(partition.clone()).or_default();
        let highest = readers.iter().filter_map(|reader| reader.epoch).max();
        match (epoch, highest) {
            (None, Some(epoch)) => {
                return Err(stolen(format!(
                    "At least one receiver for the endpoint is created with epoch of '{epoch}', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected."
                )));
            }
            (Some(epoch), Some(highest)) if epoch < highest => {
                return Err(stolen(format!(
                    "Receiver '{name}' with a lower epoch '{epoch}' is rejected: there is one with epoch '{highest}'."
                )));
            }
            (None, None) if readers.len() >= MAX_READERS => {
                return Err(Fault::new(
                    "amqp:resource-limit-exceeded",
                    format!(
                        "Exceeded the maximum number of allowed receivers per partition in a consumer group which is {MAX_READERS}."
                    ),
                ));
            }
            _ => {}
        }
        if let Some(epoch) = epoch {
            for old in readers.drain(..) {
                let had = old.epoch.map(|it| format!(" with epoch '{it}'"));
                // It may be going by itself.
                let _ = old.evict.send(stolen(format!(
                    "New receiver '{name}' with higher epoch of '{epoch}' is created hence current receiver '{}'{} is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used.",
                    old.name,
                    had.unwrap_or_default()
                )));
            }
        }
        let (evict, evicted) = oneshot::channel();
        readers.push(Reader {
            number,
            name: name.to_owned(),
            epoch,
            evict,
        });
        drop(all);
        Ok(Place {
            owners: self.clone(),
            partition: partition.clone(),
            number,
            evicted,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Partition, Vec<Reader>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.owners.lock();
        if let Some(readers) = all.get_mut(&self.partition) {
            readers.retain(|reader| reader.number != self.number);
            if readers.is_empty() {
                all.remove(&self.partition);
            }
        }
    }
}

/// What the SDKs take for "another consumer has the partition".
fn stolen(description: String) -> Fault {
    Fault::new("amqp:link:stolen", description)
}

const MAX_READERS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> Partition {
        Partition {
            hub: "h".to_owned(),
            group: "$Default".to_owned(),
            number: 0,
        }
    }

    #[test]
    fn the_higher_epoch_has_it_and_the_same_one_takes_over() {
        let owners = Owners::default();
        let enter = |number, epoch| owners.enter(&partition(), number, "r", epoch);
        let mut plain = enter(1, None).unwrap();
        let mut first = enter(2, Some(1)).unwrap();
        assert_eq!(
            plain.evicted.try_recv().unwrap().condition,
            "amqp:link:stolen"
        );
        assert_eq!(enter(3, None).unwrap_err().condition, "amqp:link:stolen");
        assert_eq!(enter(4, Some(0)).unwrap_err().condition, "amqp:link:stolen");
        assert!(first.evicted.try_recv().is_err());
        let second = enter(5, Some(1)).unwrap();
        assert_eq!(
            first.evicted.try_recv().unwrap().condition,
            "amqp:link:stolen"
        );
        // The one that was told to go leaves the place of the other alone.
        drop((plain, first));
        assert!(enter(6, None).is_err());
        drop(second);
        assert!(enter(7, None).is_ok() && owners.lock().is_empty());
    }

    #[test]
    fn five_share_a_partition_and_other_groups_do_not_count() {
        let owners = Owners::default();
        let places: Vec<_> = (0..5)
            .map(|number| owners.enter(&partition(), number, "r", None).unwrap())
            .collect();
        let sixth = owners.enter(&partition(), 6, "r", None);
        assert_eq!(sixth.unwrap_err().condition, "amqp:resource-limit-exceeded");
        let other = Partition {
            group: "g".to_owned(),
            ..partition()
        };
        assert!(owners.enter(&other, 7, "r", None).is_ok());
        drop(places);
        assert!(owners.enter(&partition(), 8, "r", None).is_ok());
    }
}
