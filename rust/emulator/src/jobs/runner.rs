//! What begins jobs when their time has come, and ends them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::table::{self, Job, find, insert, require};
use crate::blobs::Blobs;
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::hub::service::Service;
use crate::journal::Event;
use crate::stop::stopped;

/// What runs jobs.
#[derive(Debug)]
pub(crate) struct Jobs {
    pub(super) service: Arc<Service>,
    pub(super) blobs: Arc<Blobs>,
    changed: Notify,
    /// Whose turn it is to write twins: one job at a time, so that devices wait for no more than
    /// one slice.
    pub(super) turn: tokio::sync::Mutex<()>,
    running: Mutex<HashSet<(String, String)>>,
}

impl Jobs {
    /// Nothing runs before [`Jobs::run`].
    pub(crate) fn new(service: Arc<Service>, blobs: Arc<Blobs>) -> Self {
        Self {
            service,
            blobs,
            changed: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            running: Mutex::default(),
        }
    }

    /// Adds a job; it begins when its time has come.
    pub(crate) async fn add(&self, job: Job) -> Result<Value, Refusal> {
        let added = self.service.store.run(move |c| {
            insert(c, &job)?;
            job.to_json(c)
        });
        let added = added.await?;
        self.changed.notify_one();
        Ok(added)
    }

    /// Cancels a job; one that has ended stays as it is, and is refused.
    pub(crate) async fn cancel(&self, hub: String, id: String) -> Result<Value, Refusal> {
        let now = self.service.clock.now();
        let cancelled = self.service.store.run(move |c| {
            let job = require(c, &hub, &id)?;
            if !table::end(c, &hub, &id, "cancelled", None, now)? {
                return Err(Refusal::new(
                    ErrorCode::InvalidOperation,
                    format!("job '{id}' is {} already", job.status),
                ));
            }
            require(c, &hub, &id)?.to_json(c)
        });
        cancelled.await
    }

    /// Runs what is due until `stop` becomes true; what has begun goes on at the next start.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        loop {
            let unfinished = self.service.store.read(table::unfinished).await;
            let now = self.service.clock.now();
            let mut next = None;
            for job in unfinished.unwrap_or_default() {
                if job.start > now && job.status != "running" {
                    next = Some(next.map_or(job.start, |next: UnixMs| next.min(job.start)));
                } else if tasks.len() < AT_ONCE && self.enter(&job) {
                    tasks.spawn(Arc::clone(&self).one(job));
                }
            }
            let due = async {
                match next {
                    Some(next) => self.service.clock.reaches(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                Some(_) = tasks.join_next() => {}
                () = due => {}
                () = stopped(&mut stop) => return,
            }
        }
    }

    /// Whether it is the first to run a job.
    fn enter(&self, job: &Job) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert((job.hub.clone(), job.id.clone()))
    }

    async fn one(self: Arc<Self>, job: Job) {
        let (now, begun) = (self.service.clock.now(), job.clone());
        let runs = self
            .service
            .store
            .run(move |c| table::begin(c, &begun, now))
            .await;
        let result = match runs {
            Ok(true) if job.is_schedule() => self.schedule(&job).await,
            Ok(true) => self.transfer(&job).await,
            Ok(false) => Ok(()),
            Err(refusal) => Err(refusal),
        };
        let (status, failure) = match &result {
            Ok(()) => ("completed", None),
            Err(refusal) => ("failed", Some(refusal.reason.clone())),
        };
        let event = match &result {
            Ok(()) => Event::info("job", format!("job '{}' has ended", job.id)),
            Err(refusal) => {
                let reason = format!("job '{}': {}", job.id, refusal.reason);
                Event::refusal("job", &Refusal::new(refusal.code, reason))
            }
        };
        let (key, now) = ((job.hub.clone(), job.id.clone()), self.service.clock.now());
        let ended = self
            .service
            .store
            .run(move |c| table::end(c, &job.hub, &job.id, status, failure.as_deref(), now));
        if ended.await == Ok(true) {
            self.service.journal.record(Event {
                hub: Some(key.0.clone()),
                ..event
            });
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&key);
    }

    /// Whether somebody has cancelled it.
    pub(super) async fn is_over(&self, job: &Job) -> Result<bool, Refusal> {
        let (hub, id) = (job.hub.clone(), job.id.clone());
        let found = self.service.store.read(move |c| find(c, &hub, &id)).await?;
        Ok(found.is_none_or(|job| job.ended.is_some()))
    }
}

/// Jobs that run at the same time.
const AT_ONCE: usize = 10;
