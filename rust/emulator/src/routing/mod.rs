//! Message routing: which endpoint a message goes to, and bringing it there.
//!
//! Endpoints follow what is stored at their own pace: each has a place in telemetry and in the
//! events, which moves on when a batch has been handed over. After a kill a batch may come twice,
//! and none is left out that is still kept. The built-in endpoint `events` is a log of its own:
//! telemetry is put there with its storing, events soon after theirs, each once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::blobs::Blobs;
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::hub::events::{self, Source};
use crate::hub::partitions::{Enriches, Takes};
use crate::hub::registry;
use crate::hub::service::Service;
use crate::hub::telemetry::{self, Message};
use crate::journal::Event;
use crate::stop::stopped;

mod avro;
mod container;
mod endpoint;
mod record;
mod resource;
mod rules;

use endpoint::{DeliveryError, EVENTS, Endpoint, Means};
pub(crate) use rules::Rules;

/// The routing of all hubs.
#[derive(Debug)]
pub(crate) struct Routing {
    service: Arc<Service>,
    blobs: Arc<Blobs>,
    /// Where files of endpoints are, a folder a hub.
    folder: PathBuf,
    rules: RwLock<HashMap<String, Arc<Rules>>>,
    changed: Notify,
    /// How endpoints are, by hub and name: `healthy`, or what went wrong.
    health: RwLock<HashMap<(String, String), String>>,
}

impl Routing {
    /// Routes nothing before [`Routing::run`].
    pub(crate) fn new(service: Arc<Service>, blobs: Arc<Blobs>, folder: PathBuf) -> Self {
        Self {
            service,
            blobs,
            folder,
            rules: RwLock::default(),
            changed: Notify::new(),
            health: RwLock::default(),
        }
    }

    /// The rules of a hub as they were given, and how its endpoints are.
    pub(crate) async fn show(&self, hub: &str) -> Result<Value, Refusal> {
        let of = hub.to_owned();
        let mut shown = self.service.store.read(move |c| stored(c, &of)).await?;
        let health = self.health.read().unwrap_or_else(PoisonError::into_inner);
        let of_hub = health.iter().filter(|((of, _), _)| of == hub);
        let health: Map<String, Value> = of_hub
            .map(|((_, name), how)| (name.clone(), json!(how)))
            .collect();
        shown.insert("health".to_owned(), Value::Object(health));
        Ok(Value::Object(shown))
    }

    /// The rules of a hub as its property `routing`.
    pub(crate) fn property(&self, hub: &str) -> Value {
        let rules = self.of_hub(hub).unwrap_or_default();
        resource::to_property(&rules.document)
    }

    /// The rules that a hub is to have by a property `routing`, to be [set](Self::set), or what is
    /// wrong with it.
    pub(crate) fn read_property(
        &self,
        hub: &str,
        property: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Refusal> {
        let known = self.of_hub(hub).unwrap_or_default();
        let rules = resource::from_property(property, &known.document)?;
        Rules::parse(&rules)?;
        Ok(rules)
    }

    /// How the endpoints of a hub are: the id or name of each, and what went wrong, or `None` where
    /// nothing has gone there yet.
    pub(crate) fn endpoints(&self, hub: &str) -> Vec<(String, Option<String>)> {
        let rules = self.of_hub(hub).unwrap_or_default();
        let health = self.health.read().unwrap_or_else(PoisonError::into_inner);
        let given = rules.document.get("endpoints").and_then(Value::as_array);
        let all = given.into_iter().flatten().map(|endpoint| {
            let text = |name: &str| endpoint[name].as_str().map(str::to_owned);
            let name = text("name").unwrap_or_default();
            let how = health.get(&(hub.to_owned(), name.clone())).cloned();
            (text("id").unwrap_or(name), how)
        });
        all.collect()
    }

    /// Takes rules in place of those before; endpoints that are new begin with what comes from now
    /// on.
    pub(crate) async fn set(&self, hub: &str, document: Map<String, Value>) -> Result<(), Refusal> {
        let rules = Rules::parse(&document)?;
        let (owned, sources) = (hub.to_owned(), rules.sources());
        let mut names: Vec<String> = rules.endpoints.iter().map(|it| it.name.clone()).collect();
        if rules.events_come_here() {
            names.push(EVENTS.to_owned());
        }
        let text = Value::Object(document).to_string();
        let save = self.service.store.run(move |c| {
            events::set_sources(c, &owned, &sources)?;
            c.execute(
                "INSERT OR REPLACE INTO routing_rules (hub, document) VALUES (?1, ?2)",
                [&owned, &text],
            )?;
            let telemetry = telemetry::last(c)?;
            let events = events::last(c)?;
            for name in &names {
                c.execute(
                    "INSERT OR IGNORE INTO route_places (hub, endpoint, telemetry, events) VALUES (?1, ?2, ?3, ?4)",
                    params![owned, name, telemetry, events],
                )?;
            }
            let mut select = c.prepare("SELECT endpoint FROM route_places WHERE hub = ?1")?;
            let known = select.query_map([&owned], |row| row.get::<_, String>(0))?;
            for gone in known.collect::<Result<Vec<_>, _>>()? {
                if !names.contains(&gone) {
                    c.execute(
                        "DELETE FROM route_places WHERE hub = ?1 AND endpoint = ?2",
                        [&owned, &gone],
                    )?;
                }
            }
            Ok(())
        });
        save.await?;
        let before = self.of_hub(hub).unwrap_or_default();
        for endpoint in &rules.endpoints {
            let is_new = !before.endpoints.iter().any(|it| it.name == endpoint.name);
            if let (Some(kind), true) = (endpoint.stands_for, is_new) {
                let name = &endpoint.name;
                let what = format!(
                    "endpoint '{name}' is of the kind {kind}, which is not asked from here: its messages come out in routes/{hub}/{name}.jsonl"
                );
                self.service.journal.record(Event {
                    hub: Some(hub.to_owned()),
                    ..Event::info("routing", what)
                });
            }
        }
        self.take(hub, rules);
        self.changed.notify_one();
        Ok(())
    }

    fn take(&self, hub: &str, rules: Rules) {
        let mut health = self.health.write().unwrap_or_else(PoisonError::into_inner);
        health.retain(|(of, _), _| of != hub);
        drop(health);
        let rules = Arc::new(rules);
        let takes = (!rules.take_all_telemetry()).then(|| takes(Arc::clone(&rules)));
        let partitions = &self.service.ring.partitions;
        partitions.set_takes(hub, takes);
        let enriches = rules.enriches(EVENTS).then(|| enriches(Arc::clone(&rules)));
        partitions.set_enriches(hub, enriches);
        let mut all = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(hub.to_owned(), rules);
    }

    /// Forgets a hub that is deleted.
    pub(crate) fn forget(&self, hub: &str) {
        self.take(hub, Rules::default());
        self.changed.notify_one();
    }

    fn of_hub(&self, hub: &str) -> Option<Arc<Rules>> {
        let all = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        all.get(hub).cloned()
    }

    /// Takes the rules that were kept.
    pub(crate) async fn load(&self) -> Result<(), Refusal> {
        for hub in self.service.hubs.all() {
            let of = hub.host.clone();
            let document = self.service.store.read(move |c| stored(c, &of)).await?;
            // An older emulator has kept it with the hub, without effect.
            let property = || hub.document.get("properties")?.get("routing")?.as_object();
            if let (true, Some(property)) = (document.is_empty(), property()) {
                if let Ok(rules) = self.read_property(&hub.host, property) {
                    self.set(&hub.host, rules).await?;
                }
                continue;
            }
            let hub = hub.host;
            // What an older emulator took and this one does not is shown as it was given, and
            // routes nothing.
            if let Ok(rules) = Rules::parse(&document) {
                self.take(&hub, rules);
            }
        }
        Ok(())
    }

    /// Brings messages to endpoints until `stop` becomes true.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let mut tasks = JoinSet::new();
            for hub in self.service.hubs.hosts() {
                let Some(rules) = self.of_hub(&hub) else {
                    continue;
                };
                if rules.events_come_here() {
                    let (routing, rules, hub) =
                        (Arc::clone(&self), Arc::clone(&rules), hub.clone());
                    tasks.spawn(routing.append(hub, rules));
                }
                for endpoint in &rules.endpoints {
                    let (routing, rules, hub) =
                        (Arc::clone(&self), Arc::clone(&rules), hub.clone());
                    tasks.spawn(routing.follow(hub, rules, endpoint.name.clone()));
                }
            }
            tokio::select! {
                // What was handed over and is not noted yet comes again under the new rules.
                () = self.changed.notified() => {}
                () = stopped(&mut stop) => return,
            }
        }
    }

    /// Puts events of a hub into its built-in endpoint, beside telemetry, which comes there when it
    /// is stored.
    async fn append(self: Arc<Self>, hub: String, rules: Arc<Rules>) {
        let mut wait = BACKOFF_MIN;
        loop {
            match self.append_next(&hub, &rules).await {
                Ok(true) => wait = BACKOFF_MIN,
                Ok(false) => tokio::time::sleep(POLL).await,
                Err(refusal) => {
                    self.note_health(&hub, EVENTS, &refusal.reason);
                    wait = (wait * 2).min(BACKOFF_MAX);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn append_next(&self, hub: &str, rules: &Arc<Rules>) -> Result<bool, Refusal> {
        let of = hub.to_owned();
        let news = self.service.store.read(move |c| {
            Ok(match place(c, &of, EVENTS)? {
                Some((_, events)) => events::after(c, &of, events, STEP)?,
                None => Vec::new(),
            })
        });
        let news = news.await?;
        let Some((_, last)) = news.last() else {
            return Ok(false);
        };
        let (hub, rules, last) = (hub.to_owned(), Arc::clone(rules), last.seq);
        let ring = Arc::clone(&self.service.ring);
        let appended = self.service.store.run(move |c| {
            // An older task may have had its turn in between.
            let Some((_, events)) = place(c, &hub, EVENTS)? else {
                return Ok(());
            };
            let telemetry = telemetry::last(c)?;
            for (source, message) in news.iter().filter(|(_, it)| it.seq > events) {
                let twin = rules.twin(c, message)?;
                let (_, endpoints) = rules.decide(*source, message, twin.as_ref());
                if endpoints.contains(&EVENTS) {
                    ring.partitions.place_event(c, message, telemetry)?;
                }
            }
            c.execute(
                "UPDATE route_places SET events = max(events, ?3) WHERE hub = ?1 AND endpoint = ?2",
                params![hub, EVENTS, last],
            )?;
            Ok(())
        });
        appended.await?;
        let appended = &self.service.ring.partitions.appended;
        appended.send_modify(|count| *count = count.wrapping_add(1));
        Ok(true)
    }

    /// Hands over what an endpoint has not had, batch after batch.
    async fn follow(self: Arc<Self>, hub: String, rules: Arc<Rules>, name: String) {
        let mut news = self.service.telemetry.subscribe();
        let mut wait = BACKOFF_MIN;
        loop {
            match self.step(&hub, &rules, &name).await {
                Ok(Step::More) => {
                    wait = BACKOFF_MIN;
                    continue;
                }
                Ok(Step::Nothing) => wait = BACKOFF_MIN,
                Ok(Step::NotBefore(at)) => {
                    tokio::select! {
                        () = self.service.clock.reaches(at) => {}
                        // By then there may be as many bytes as a batch has.
                        () = tokio::time::sleep(SIZE_CHECK) => {}
                    }
                    continue;
                }
                Err(why) => {
                    self.note_health(&hub, &name, &why.to_string());
                    wait = (wait * 2).min(BACKOFF_MAX);
                    tokio::time::sleep(wait).await;
                    continue;
                }
            }
            tokio::select! {
                // Lagging is no harm: the storage has what was missed.
                _ = news.recv() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Hands the next batch over, unless it is to wait for more.
    async fn step(&self, hub: &str, rules: &Arc<Rules>, name: &str) -> Result<Step, DeliveryError> {
        let endpoint = rules.endpoints.iter().find(|it| it.name == name);
        let (wait_ms, enough) = endpoint.and_then(Endpoint::waits).unwrap_or((0, 0));
        let (owned_hub, owned_name, owned_rules) =
            (hub.to_owned(), name.to_owned(), Arc::clone(rules));
        let read = self
            .service
            .store
            .read(move |c| next(c, &owned_hub, &owned_name, &owned_rules, enough));
        let Some(batch) = read.await? else {
            return Ok(Step::Nothing);
        };
        let now = self.service.clock.now();
        let due = batch.first.map(|first| first.saturating_add(wait_ms));
        if let Some(due) = due.filter(|due| *due > now && !batch.is_full(enough)) {
            return Ok(Step::NotBefore(due));
        }
        if let Some(endpoint) = endpoint.filter(|_| !batch.lines.is_empty()) {
            let means = Means {
                folder: &self.folder.join(hub),
                blobs: &self.blobs,
                partitions: self.service.ring.partitions.count(hub),
                now,
            };
            endpoint.deliver(means, batch.lines).await?;
            self.note_health(hub, name, HEALTHY);
        }
        let (hub, name) = (hub.to_owned(), name.to_owned());
        let save = self.service.store.run(move |c| {
            c.execute(
                "UPDATE route_places SET telemetry = ?3, events = ?4 WHERE hub = ?1 AND endpoint = ?2",
                params![hub, name, batch.telemetry, batch.events],
            )?;
            Ok(())
        });
        save.await?;
        Ok(Step::More)
    }

    fn note_health(&self, hub: &str, name: &str, how: &str) {
        let key = (hub.to_owned(), name.to_owned());
        let mut health = self.health.write().unwrap_or_else(PoisonError::into_inner);
        let before = health.insert(key, how.to_owned());
        drop(health);
        if before.as_deref() != Some(how) {
            let event = match how {
                HEALTHY => Event::info("routing", format!("endpoint '{name}' takes messages")),
                why => {
                    let reason = format!("endpoint '{name}': {why}");
                    Event::refusal(
                        "routing",
                        &Refusal::new(ErrorCode::ServiceUnavailable, reason),
                    )
                }
            };
            self.service.journal.record(Event {
                hub: Some(hub.to_owned()),
                ..event
            });
        }
    }

    /// Where a message would go: the routes it takes, and the endpoints.
    pub(crate) async fn test(
        &self,
        hub: &str,
        source: Source,
        message: Message,
    ) -> Result<Value, Refusal> {
        let rules = self.of_hub(hub).unwrap_or_default();
        let (hub, id) = (hub.to_owned(), message.device_id.clone());
        let twin = self
            .service
            .store
            .read(move |c| twin_of(c, &hub, &id))
            .await?;
        let (routes, endpoints) = rules.decide(source, &message, twin.as_ref());
        Ok(json!({"routes": routes, "endpointNames": endpoints}))
    }
}

/// What came of handing a batch over.
enum Step {
    More,
    Nothing,
    /// It waits for others until then.
    NotBefore(UnixMs),
}

/// What an endpoint is to get next, and its place afterwards.
struct Batch {
    lines: Vec<Value>,
    /// When the first of them was accepted.
    first: Option<UnixMs>,
    /// Of their bodies.
    bytes: usize,
    telemetry: i64,
    events: i64,
}

impl Batch {
    /// Whether it waits for no more: there are `enough` bytes, or as many messages as one may have.
    fn is_full(&self, enough: usize) -> bool {
        self.bytes >= enough || self.lines.len() >= MAX_MESSAGES
    }
}

/// A page of what has come since the endpoint's place, or pages until the batch is full; `None` if
/// nothing has come.
fn next(
    c: &Connection,
    hub: &str,
    name: &str,
    rules: &Rules,
    enough: usize,
) -> Result<Option<Batch>, Refusal> {
    let Some((telemetry, events)) = place(c, hub, name)? else {
        return Ok(None);
    };
    let mut batch = Batch {
        lines: Vec::new(),
        first: None,
        bytes: 0,
        telemetry,
        events,
    };
    loop {
        let (messages, _) = telemetry::after(c, batch.telemetry, None, STEP)?;
        let others = events::after(c, hub, batch.events, STEP)?;
        let of_devices = messages.iter().filter(|it| it.hub == hub);
        let of_devices = of_devices.map(|it| (Source::DeviceMessages, it.as_ref()));
        let all = of_devices.chain(others.iter().map(|(source, it)| (*source, it)));
        for (source, message) in all {
            let twin = rules.twin(c, message)?;
            let (_, endpoints) = rules.decide(source, message, twin.as_ref());
            if endpoints.contains(&name) {
                let line = rules.enriched(name, source, message, twin.as_ref());
                batch.lines.push(line);
                batch.bytes += message.body.len();
                let first = batch.first.unwrap_or(message.enqueued);
                batch.first = Some(first.min(message.enqueued));
            }
        }
        batch.telemetry = messages.last().map_or(batch.telemetry, |it| it.seq);
        batch.events = others.last().map_or(batch.events, |(_, it)| it.seq);
        let is_end = messages.is_empty() && others.is_empty();
        if is_end || batch.is_full(enough) {
            let has_moved = (batch.telemetry, batch.events) != (telemetry, events);
            return Ok(has_moved.then_some(batch));
        }
    }
}

/// How far an endpoint has come in telemetry and in events.
fn place(c: &Connection, hub: &str, endpoint: &str) -> Result<Option<(i64, i64)>, Refusal> {
    let mut select = c.prepare_cached(
        "SELECT telemetry, events FROM route_places WHERE hub = ?1 AND endpoint = ?2",
    )?;
    let place = select.query_row([hub, endpoint], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(place.optional()?)
}

/// Which messages of devices rules lead to the built-in endpoint.
fn takes(rules: Arc<Rules>) -> Takes {
    Arc::new(move |c, message| {
        let twin = rules.twin(c, message)?;
        let (_, endpoints) = rules.decide(Source::DeviceMessages, message, twin.as_ref());
        Ok(endpoints.contains(&EVENTS))
    })
}

/// What rules write into messages of the built-in endpoint.
fn enriches(rules: Arc<Rules>) -> Enriches {
    Arc::new(move |c, message| {
        let twin = rules.twin(c, message)?;
        let added = rules.enrichments(EVENTS, message, twin.as_ref());
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let added = added.into_iter();
        Ok(added
            .map(|(key, value)| (key.to_owned(), text(value)))
            .collect())
    })
}

impl Rules {
    /// The sender's twin, if a condition or an enrichment looks at it.
    fn twin(&self, c: &Connection, message: &Message) -> Result<Option<Value>, Refusal> {
        match self.needs_twin() {
            true => twin_of(c, &message.hub, &message.device_id),
            false => Ok(None),
        }
    }
}

fn twin_of(c: &Connection, hub: &str, id: &str) -> Result<Option<Value>, Refusal> {
    Ok(registry::find(c, hub, id)?.map(|device| device.twin_json(None, 0)))
}

fn stored(c: &Connection, hub: &str) -> Result<Map<String, Value>, Refusal> {
    let text: Option<String> = c
        .query_row(
            "SELECT document FROM routing_rules WHERE hub = ?1",
            [hub],
            |row| row.get(0),
        )
        .optional()?;
    Ok(text
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default())
}

/// How an endpoint is that takes messages.
pub(crate) const HEALTHY: &str = "healthy";
/// Messages that are handed over together.
const STEP: i64 = 100;
/// Messages of a batch that waits for others, however small they are: each takes some kilobytes.
const MAX_MESSAGES: usize = 10_000;
/// How often events are looked for; telemetry comes by itself.
const POLL: Duration = Duration::from_millis(200);
/// How often a batch that waits is looked at.
const SIZE_CHECK: Duration = Duration::from_secs(30);
const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::ring::Ring;
    use crate::properties::Properties;
    use crate::store::in_memory;

    #[test]
    fn a_batch_of_small_messages_is_bounded_in_messages() {
        let c = in_memory().unwrap();
        let document = json!({
            "endpoints": [{"name": "box", "type": "storageContainer", "containerName": "telemetry", "connectionString": "UseDevelopmentStorage=true"}],
            "routes": [{"name": "r", "source": "DeviceMessages", "condition": "true", "endpointNames": ["box"], "isEnabled": true}],
        });
        let rules = Rules::parse(document.as_object().unwrap()).unwrap();
        let place =
            "INSERT INTO route_places (hub, endpoint, telemetry, events) VALUES ('h', 'box', 0, 0)";
        c.execute(place, []).unwrap();
        let ring = Ring::new(100_000, u64::MAX, 4);
        c.execute_batch("BEGIN").unwrap();
        for _ in 0..MAX_MESSAGES + 500 {
            let message = Message::new("h", "d", Vec::new(), Properties::default(), 1);
            ring.store(&c, message).unwrap();
        }
        c.execute_batch("COMMIT").unwrap();
        let batch = next(&c, "h", "box", &rules, 1000).unwrap().unwrap();
        assert_eq!(batch.lines.len(), MAX_MESSAGES);
        assert!(batch.is_full(1000));
        // What is left waits for others.
        let from = "UPDATE route_places SET telemetry = ?1";
        c.execute(from, [batch.telemetry]).unwrap();
        let rest = next(&c, "h", "box", &rules, 1000).unwrap().unwrap();
        assert_eq!((rest.lines.len(), rest.is_full(1000)), (500, false));
    }
}
