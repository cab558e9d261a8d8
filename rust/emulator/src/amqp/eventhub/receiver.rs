//! One receiver of a partition: the past from the storage, then what comes, as fast as its peer
//! gives credit.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};

use super::event::{self, Origin};
use super::filter::Start;
use super::owners::Place;
use crate::amqp::connection::outlet::{Outlet, Step};
use crate::code::Refusal;
use crate::hub::events::Source;
use crate::hub::partitions::{Entry, Partition};
use crate::hub::registry;
use crate::hub::service::Service;
use crate::hub::telemetry::Message;

/// The task behind a receiver's link. It ends with the link.
#[derive(Debug)]
pub(in crate::amqp) struct Receiver {
    pub service: Arc<Service>,
    pub partition: Partition,
    pub outlet: Outlet,
    pub place: Place,
    pub start: Start,
}

impl Receiver {
    /// Sends until it is told to go.
    pub(in crate::amqp) async fn run(self) {
        let Self {
            service,
            partition,
            outlet,
            mut place,
            start,
        } = self;
        let end = outlet.end();
        // Subscribed before the past is read, so that nothing falls between the two.
        let live = service.telemetry.subscribe();
        let appended = service.ring.partitions.appended.subscribe();
        let sender = Sender {
            origins: Origins::new(Arc::clone(&service)),
            service,
            partition,
            outlet,
            live,
            appended,
        };
        tokio::select! {
            evicted = &mut place.evicted => {
                if let Ok(fault) = evicted {
                    end.detach(fault);
                }
            }
            Err(refusal) = sender.run(start) => end.detach((&refusal).into()),
        }
    }
}

struct Sender {
    service: Arc<Service>,
    partition: Partition,
    outlet: Outlet,
    live: broadcast::Receiver<Arc<Message>>,
    /// Changes with what is no telemetry.
    appended: watch::Receiver<u64>,
    origins: Origins,
}

impl Sender {
    async fn run(mut self, start: Start) -> Result<(), Refusal> {
        let partition = self.partition.clone();
        let position = move |c: &rusqlite::Connection| start.position(c, &partition);
        let mut last = self.service.store.read(position).await?;
        let mut behind = true;
        loop {
            let room = self.outlet.room().await;
            if behind {
                self.appended.mark_unchanged();
                let partition = self.partition.clone();
                let read = self
                    .service
                    .store
                    .read(move |c| partition.after(c, last, room.min(PAGE)));
                let page = read.await?;
                (last, behind) = (page.last, page.more);
                self.send(&page.messages).await?;
                continue;
            }
            let first = tokio::select! {
                received = self.live.recv() => received,
                Ok(()) = self.appended.changed() => {
                    behind = true;
                    continue;
                }
                step = self.outlet.idle() => match step {
                    Step::Again => continue,
                    Step::Gone => return Ok(()),
                },
            };
            let mut batch = Vec::new();
            let mut next = Some(first.map_err(|error| match error {
                RecvError::Lagged(_) => TryRecvError::Lagged(0),
                RecvError::Closed => TryRecvError::Closed,
            }));
            while let Some(received) = next.take() {
                match received {
                    Ok(message) => {
                        if let Some(at) = self.partition.place_of(&message)
                            && at.sequence > last
                        {
                            // What stands between is in the storage.
                            if at.sequence != last + 1 {
                                behind = true;
                                break;
                            }
                            last = at.sequence;
                            batch.push(Entry {
                                at,
                                source: Source::DeviceMessages,
                                message,
                            });
                        }
                        if batch.len() < room.min(PAGE) {
                            next = Some(self.live.try_recv());
                        }
                    }
                    Err(TryRecvError::Empty) => {}
                    // What was missed is in the storage.
                    Err(TryRecvError::Lagged(_)) => behind = true,
                    Err(TryRecvError::Closed) => return Ok(()),
                }
            }
            self.send(&batch).await?;
        }
    }

    async fn send(&mut self, entries: &[Entry]) -> Result<(), Refusal> {
        self.origins.learn(entries).await?;
        let enriched = self.enrichments(entries).await?;
        for (at, entry) in entries.iter().enumerate() {
            let added = enriched.get(at).map_or(&[][..], Vec::as_slice);
            let encoded = event::encode(entry, self.origins.of(&entry.message), added);
            self.outlet.send(encoded).await;
        }
        self.outlet.flush().await;
        Ok(())
    }
}

impl Sender {
    /// What routing adds to each; nothing at all where it adds nothing.
    async fn enrichments(&self, entries: &[Entry]) -> Result<Vec<Vec<(String, String)>>, Refusal> {
        let partitions = &self.service.ring.partitions;
        let Some(enriches) = partitions.enriches(&self.partition.hub) else {
            return Ok(Vec::new());
        };
        let messages = entries.iter().map(|entry| Arc::clone(&entry.message));
        let messages: Vec<Arc<Message>> = messages.collect();
        let read = self.service.store.read(move |c| {
            let added = messages.iter().map(|message| enriches(c, message));
            added.collect()
        });
        read.await
    }
}

/// What the registry says of senders, kept for a while.
struct Origins {
    service: Arc<Service>,
    known: HashMap<String, Origin>,
    none: Origin,
    since: Instant,
}

impl Origins {
    fn new(service: Arc<Service>) -> Self {
        Self {
            service,
            known: HashMap::new(),
            none: Origin::default(),
            since: Instant::now(),
        }
    }

    fn of(&self, message: &Message) -> &Origin {
        self.known.get(&message.device_id).unwrap_or(&self.none)
    }

    async fn learn(&mut self, entries: &[Entry]) -> Result<(), Refusal> {
        if self.since.elapsed() > KEEP || self.known.len() > MAX_KNOWN {
            self.known.clear();
            self.since = Instant::now();
        }
        let unknown: BTreeSet<(String, String)> = entries
            .iter()
            .map(|entry| &entry.message)
            .filter(|message| !self.known.contains_key(&message.device_id))
            .map(|message| (message.hub.clone(), message.device_id.clone()))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let found = self.service.store.read(move |c| {
            let mut found = HashMap::new();
            for (hub, id) in unknown {
                let device = registry::find(c, &hub, &id)?;
                found.insert(id, device.map(Origin::of).unwrap_or_default());
            }
            Ok(found)
        });
        self.known.extend(found.await?);
        Ok(())
    }
}

/// Messages of one reading.
const PAGE: usize = 256;

const KEEP: Duration = Duration::from_secs(10);
const MAX_KNOWN: usize = 10_000;
