//! Brings configurations to the twins that they are for: when one changes, and every so often,
//! since twins change too.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};

use super::deployment::{self, Modules};
use super::table::{self, Configuration};
use crate::code::Refusal;
use crate::etag::IfMatch;
use crate::hub::query::{Aggregation, Collection, Query};
use crate::hub::registry::{self, Kind};
use crate::hub::service::Service;
use crate::id;
use crate::journal::Event;
use crate::stop::stopped;

/// What applies configurations.
#[derive(Debug)]
pub(crate) struct Configurations {
    service: Arc<Service>,
    changed: Notify,
}

/// A configuration with its query, while it is applied.
struct Rule {
    configuration: Configuration,
    query: Query,
    desired: Vec<(String, Value)>,
    targeted: i64,
    applied: i64,
}

impl Rule {
    fn counts(&self) -> (i64, i64) {
        (self.targeted, self.applied)
    }
}

/// What one walk has found: the rules with their counts, and whether anything was written.
type Walked = Result<(Vec<Rule>, bool), Refusal>;

impl Configurations {
    /// Applies nothing before [`Configurations::run`].
    pub(crate) fn new(service: Arc<Service>) -> Self {
        Self {
            service,
            changed: Notify::new(),
        }
    }

    /// Has them looked at soon.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Applies configurations until `stop` becomes true.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            for hub in self.service.hubs.hosts() {
                let first = self.apply(&hub).await;
                // What was written shows in the counts of a second look.
                let result = match first {
                    Ok(true) => self.apply(&hub).await.map(drop),
                    other => other.map(drop),
                };
                if let Err(refusal) = result {
                    self.service.journal.record(Event {
                        hub: Some(hub),
                        ..Event::refusal("configuration", &refusal)
                    });
                }
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(EVERY) => {}
                () = stopped(&mut stop) => return,
            }
        }
    }

    /// Looks at all once; `true` if it has written anything.
    async fn apply(&self, hub: &str) -> Result<bool, Refusal> {
        let mut wrote = false;
        let of = hub.to_owned();
        let mut all = self
            .service
            .store
            .read(move |c| table::list(c, &of))
            .await?;
        all.sort_by_key(|it| std::cmp::Reverse(it.rank()));
        let (mut for_devices, mut for_modules, mut for_edge) = (vec![], vec![], vec![]);
        for configuration in all {
            let Some(query) = configuration.target()? else {
                self.note_counts(hub, configuration, (0, 0)).await?;
                continue;
            };
            let rules = match (configuration.modules(), query.collection()) {
                (Some(_), _) => &mut for_edge,
                (None, Collection::Modules) => &mut for_modules,
                (None, _) => &mut for_devices,
            };
            rules.push(Rule {
                desired: configuration.desired(),
                configuration,
                query,
                targeted: 0,
                applied: 0,
            });
        }
        for (what, rules) in [
            (What::Devices, for_devices),
            (What::Modules, for_modules),
            (What::Deployments, for_edge),
        ] {
            if rules.is_empty() {
                continue;
            }
            let (rules, some) = match what {
                What::Devices => self.walk(hub, Kind::Device, rules).await?,
                What::Modules => self.walk(hub, Kind::Module, rules).await?,
                What::Deployments => self.deploy(hub, rules).await?,
            };
            wrote |= some;
            for rule in rules {
                let counts = rule.counts();
                self.note_counts(hub, rule.configuration, counts).await?;
            }
        }
        Ok(wrote)
    }

    /// Notes how many a configuration targets and has been applied to, and the results of its own
    /// metrics, where they are new.
    async fn note_counts(
        &self,
        hub: &str,
        known: Configuration,
        counts: (i64, i64),
    ) -> Result<(), Refusal> {
        let results = self.measure(hub, &known).await?;
        if (known.targeted, known.applied) == counts && known.results == results {
            return Ok(());
        }
        let of = hub.to_owned();
        let note = move |c: &Connection| table::note(c, &of, &known.id, counts, &results);
        self.service.store.run(note).await
    }

    /// Goes through all identities of a kind, a step at a time.
    async fn walk(&self, hub: &str, kind: Kind, mut rules: Vec<Rule>) -> Walked {
        let mut wrote = false;
        let online = Arc::new(self.service.connections.online(hub));
        let mut after = Some(String::new());
        while let Some(behind) = after {
            let (of, online) = (hub.to_owned(), Arc::clone(&online));
            let step = self.service.store.read(move |c| {
                let page = registry::page(c, &of, kind, &behind, STEP)?;
                let mut changes: Vec<(String, Map<String, Value>)> = Vec::new();
                let mut statuses = Vec::new();
                for device in page.devices {
                    if device.id.ends_with(deployment::AGENT) {
                        continue;
                    }
                    let twin = device.twin_json(online.get(&device.id).copied(), 0);
                    let (patch, status) = decide(&mut rules, &twin);
                    if status != device.configurations {
                        statuses.push((device.id.clone(), status));
                    }
                    if !patch.is_empty() {
                        changes.push((device.id, patch));
                    }
                }
                Ok((rules, changes, statuses, page.next))
            });
            let (so_far, changes, statuses, next) = step.await?;
            rules = so_far;
            self.note_statuses(hub, statuses).await?;
            for (id, patch) in changes {
                wrote = true;
                self.write(hub, id, patch).await?;
            }
            after = next;
        }
        Ok((rules, wrote))
    }

    /// Goes through all IoT Edge devices; each gets the deployment with the highest priority, and
    /// the layers over it.
    async fn deploy(&self, hub: &str, mut rules: Vec<Rule>) -> Walked {
        let mut wrote = false;
        let online = Arc::new(self.service.connections.online(hub));
        let mut after = Some(String::new());
        while let Some(behind) = after {
            let (of, online) = (hub.to_owned(), Arc::clone(&online));
            let step = self.service.store.read(move |c| {
                let page = registry::page(c, &of, Kind::Device, &behind, STEP)?;
                let mut plans = Vec::new();
                for device in page.devices.into_iter().filter(|device| device.iot_edge) {
                    let twin = device.twin_json(online.get(&device.id).copied(), 0);
                    plans.push((device.id, choose(&mut rules, &twin)));
                }
                Ok((rules, plans, page.next))
            });
            let (so_far, plans, next) = step.await?;
            rules = so_far;
            let mut statuses = Vec::new();
            for (id, (contents, mut status)) in plans {
                if !contents.is_empty() {
                    let (of, device) = (hub.to_owned(), id.clone());
                    let change = self.service.change_twins(move |c, now| {
                        deployment::apply(c, &of, &device, &contents, now)
                    });
                    match change.await {
                        Ok(count) => wrote |= count > 0,
                        // The other devices get theirs.
                        Err(refusal) if refusal.code.status() < 500 => {
                            not_applied(&mut rules, &mut status);
                            let event = Event::refusal("configuration", &refusal);
                            self.service.journal.record(event.of(hub, &id));
                        }
                        Err(refusal) => return Err(refusal),
                    }
                }
                statuses.push((id::of_module(&id, deployment::AGENT), status));
            }
            self.note_statuses(hub, statuses).await?;
            after = next;
        }
        Ok((rules, wrote))
    }

    /// Writes beside each twin which configurations are about it.
    async fn note_statuses(
        &self,
        hub: &str,
        statuses: Vec<(String, Map<String, Value>)>,
    ) -> Result<(), Refusal> {
        if statuses.is_empty() {
            return Ok(());
        }
        let hub = hub.to_owned();
        let note = move |c: &Connection| table::note_statuses(c, &hub, statuses);
        self.service.store.run(note).await
    }

    async fn write(
        &self,
        hub: &str,
        id: String,
        desired: Map<String, Value>,
    ) -> Result<(), Refusal> {
        let document = json!({"properties": {"desired": desired}});
        let document = document.as_object().cloned().unwrap_or_default();
        // One that has gone meanwhile needs nothing.
        let note = |_: &Connection, _: &str, _: &Result<_, Refusal>| Ok(());
        self.service
            .write_twins(hub.to_owned(), vec![id], document, IfMatch::Any, note)
            .await
    }

    /// The number of rows of each of its metrics.
    async fn measure(
        &self,
        hub: &str,
        configuration: &Configuration,
    ) -> Result<Map<String, Value>, Refusal> {
        let mut results = Map::new();
        let reported = configuration.reported_metrics().into_iter();
        let reported = reported.map(|(name, query)| (name.to_owned(), query));
        for (name, text) in configuration.metrics().into_iter().chain(reported) {
            let query = Arc::new(Query::parse(&text)?);
            let kind = match query.collection() {
                Collection::Modules => Kind::Module,
                _ => Kind::Device,
            };
            let online = Arc::new(self.service.connections.online(hub));
            let (mut count, mut after) = (0_i64, Some(String::new()));
            let mut aggregation = Aggregation::default();
            while let Some(behind) = after {
                let (of, query, online) = (hub.to_owned(), Arc::clone(&query), Arc::clone(&online));
                let step = self.service.store.read(move |c| {
                    let page = registry::page(c, &of, kind, &behind, STEP)?;
                    let mut found = 0;
                    for device in page.devices {
                        let twin = device.twin_json(online.get(&device.id).copied(), 0);
                        match query.is_aggregate() {
                            true => query.add(&mut aggregation, &twin)?,
                            false => found += i64::from(query.row(twin).is_some()),
                        }
                    }
                    Ok((found, aggregation, page.next))
                });
                let (found, so_far, next) = step.await?;
                count += found;
                aggregation = so_far;
                after = next;
            }
            let value = match query.is_aggregate() {
                true => query.finish(aggregation).first().and_then(|row| {
                    let mut numbers = row.as_object()?.values().filter(|it| it.is_number());
                    numbers.next_back().cloned()
                }),
                false => Some(json!(count)),
            };
            results.insert(name, value.unwrap_or_else(|| json!(0)));
        }
        Ok(results)
    }
}

/// What is walked through.
#[derive(Clone, Copy)]
enum What {
    Devices,
    Modules,
    Deployments,
}

/// The contents for a device's modules, the deployment before its layers, and how it stands with
/// each rule that it is a target of; counts it for them.
///
/// Rules come in the order of their ranks. A layer counts above the deployment that it has to stand
/// on, and not below.
fn choose(rules: &mut [Rule], twin: &Value) -> (Vec<Modules>, Map<String, Value>) {
    let mut statuses = Map::new();
    let targets: Vec<usize> = (0..rules.len())
        .filter(|&index| rules[index].query.row(twin.clone()).is_some())
        .collect();
    let modules = |index: usize| rules[index].configuration.modules();
    let base = targets
        .iter()
        .position(|&index| modules(index).is_some_and(deployment::is_base));
    let in_effect = base.map_or(0, |base| base + 1);
    let contents = targets[..in_effect].iter().rev();
    let contents = contents.filter_map(|&index| modules(index).cloned());
    let contents = contents.collect();
    for (place, &index) in targets.iter().enumerate() {
        let is_applied = place < in_effect;
        let rule = &mut rules[index];
        rule.targeted += 1;
        rule.applied += i64::from(is_applied);
        statuses.insert(rule.configuration.id.clone(), status(is_applied));
    }
    (contents, statuses)
}

/// Takes back that rules are applied to a device, which has refused what they say.
fn not_applied(rules: &mut [Rule], statuses: &mut Map<String, Value>) {
    for rule in rules {
        if let Some(shown) = statuses.get_mut(&rule.configuration.id)
            && *shown == status(true)
        {
            *shown = status(false);
            rule.applied -= 1;
        }
    }
}

fn status(is_applied: bool) -> Value {
    json!({"status": if is_applied { "Applied" } else { "Targeted" }})
}

/// What is to change in the desired properties of a twin, and how it stands with each rule that it
/// is a target of; counts it for them.
///
/// Rules come in the order of their ranks: a property that one has set is not for those behind it.
fn decide(rules: &mut [Rule], twin: &Value) -> (Map<String, Value>, Map<String, Value>) {
    let desired = twin
        .pointer("/properties/desired")
        .cloned()
        .unwrap_or_default();
    let mut set: Vec<String> = Vec::new();
    let (mut patch, mut statuses) = (Map::new(), Map::new());
    for rule in rules {
        if rule.query.row(twin.clone()).is_none() {
            continue;
        }
        rule.targeted += 1;
        let mut is_applied = true;
        for (path, value) in &rule.desired {
            let overlaps = |known: &String| {
                let inside = |a: &str, b: &str| {
                    a == b || a.strip_prefix(b).is_some_and(|it| it.starts_with('.'))
                };
                inside(known, path) || inside(path, known)
            };
            if set.iter().any(overlaps) {
                is_applied = false;
                continue;
            }
            set.push(path.clone());
            let names: Vec<&str> = path.split('.').collect();
            let there = names.iter().try_fold(&desired, |at, name| at.get(*name));
            if !is_set(there, value) {
                is_applied = false;
                deployment::insert(&mut patch, &names, value);
            }
        }
        rule.applied += i64::from(is_applied);
        statuses.insert(rule.configuration.id.clone(), status(is_applied));
    }
    (patch, statuses)
}

/// Whether a patch with a value would change nothing.
fn is_set(there: Option<&Value>, wanted: &Value) -> bool {
    match (there, wanted) {
        (None, Value::Null) => true,
        (Some(Value::Object(there)), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, value)| is_set(there.get(name), value)),
        (there, wanted) => there == Some(wanted),
    }
}

/// Identities that are looked at together.
const STEP: usize = 100;
/// Azure looks every five minutes.
const EVERY: Duration = Duration::from_secs(5);
