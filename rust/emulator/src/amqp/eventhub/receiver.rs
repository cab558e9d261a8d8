//! One receiver of a partition: the past from the storage, then what comes, as fast as its peer gives credit.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::event::{self, Origin};
use super::filter::Start;
use super::owners::Place;
use crate::amqp::connection::outlet::{Outlet, Step};
use crate::code::Refusal;
use crate::hub::partitions::Partition;
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
        let sender = Sender {
            origins: Origins::new(Arc::clone(&service)),
            service,
            partition,
            outlet,
            live,
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
    origins: Origins,
}

impl Sender {
    async fn run(mut self, start: Start) -> Result<(), Refusal> {
        let mut last = self.service.store.read(move |c| start.position(c)).await?;
        let mut behind = true;
        loop {
            let room = self.outlet.room().await;
            if behind {
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
                        if message.seq > last {
                            last = message.seq;
                            if self.partition.has(&message.hub, &message.device_id) {
                                batch.push(message);
                            }
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

    async fn send(&mut self, messages: &[Arc<Message>]) -> Result<(), Refusal> {
        self.origins.learn(messages).await?;
        for message in messages {
            let encoded = event::encode(message, self.origins.of(message));
            self.outlet.send(encoded).await;
        }
        self.outlet.flush().await;
        Ok(())
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

    async fn learn(&mut self, messages: &[Arc<Message>]) -> Result<(), Refusal> {
        if self.since.elapsed() > KEEP || self.known.len() > MAX_KNOWN {
            self.known.clear();
            self.since = Instant::now();
        }
        let unknown: BTreeSet<(String, String)> = messages
            .iter()
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
