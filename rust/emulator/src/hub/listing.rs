//! Devices as people look for them: by a part of the id, by the state that they are in, by a query; in an order, and a
//! page at a time, so that the cost of a page does not grow with the hub.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::clock::UnixMs;
use crate::code::Refusal;
use crate::hub::c2d;
use crate::hub::query::{Plan, Query};
use crate::hub::registry::{self, Device};
use crate::hub::service::Service;
use crate::hub::telemetry;

/// What is looked for, and in which order it comes.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// A part of the id, in any case; empty for all.
    pub find: String,
    /// The state that they are in.
    pub state: Option<State>,
    /// A condition over twins, as a query that names no columns.
    pub query: Option<Query>,
    /// What comes first.
    pub sort: Sort,
}

/// In what state a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It has a connection.
    Connected,
    /// It has none.
    Disconnected,
    /// The registry turns it down.
    Disabled,
    /// Its latest attempt was turned down, and it has no connection.
    Refused,
    /// It has never had a connection.
    NeverSeen,
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// By the id.
    #[default]
    Id,
    /// Those that were active last.
    LatestFirst,
    /// Those that were active longest ago, or never.
    OldestFirst,
}

/// The place of a device in the order; the next page begins behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    /// Whether it stands among those that are connected; not used where ids are the order.
    pub live: bool,
    /// When it was last active; not used where ids are the order.
    pub activity: UnixMs,
    /// The id.
    pub id: String,
}

/// A page of devices, and the mark behind which the next one begins.
pub(crate) async fn page(
    service: &Service,
    hub: &str,
    listing: Listing,
    after: Option<Mark>,
    size: usize,
) -> Result<(Vec<Value>, Option<Mark>), Refusal> {
    let view = Arc::new(View::new(service, hub, listing));
    let mut next = Some(after.unwrap_or_else(|| view.first()));
    let mut rows = Vec::new();
    while let Some(after) = next.take() {
        let (view, missing) = (Arc::clone(&view), size - rows.len());
        let step = move |c: &Connection| {
            let found = view.step(c, &after)?;
            let mut rows = Vec::new();
            for device in found.devices {
                let mark = view.mark(&device);
                rows.extend(view.row(c, &device)?);
                if rows.len() == missing {
                    return Ok((rows, Some(mark)));
                }
            }
            Ok((rows, found.next))
        };
        let (more, behind) = service.store.read(step).await?;
        rows.extend(more);
        next = behind;
        if rows.len() == size {
            break;
        }
    }
    for row in &mut rows {
        add_visits(service, hub, row);
    }
    Ok((rows, next))
}

/// One device, as it stands in a page.
pub(crate) async fn one(service: &Service, hub: &str, id: &str) -> Result<Value, Refusal> {
    let live = service.connections.find(hub, id);
    let live = live.map(|handle| handle.last_activity());
    let (of, wanted) = (hub.to_owned(), id.to_owned());
    let read = service.store.read(move |c| {
        let device = registry::require(c, &of, &wanted)?;
        Ok(device.summary_json(live, c2d::count(c, &of, &wanted)?))
    });
    let mut row = read.await?;
    add_visits(service, hub, &mut row);
    Ok(row)
}

/// How many there are of each state.
pub(crate) async fn counts(service: &Service, hub: &str) -> Result<Value, Refusal> {
    let connected = service.connections.online_devices(hub);
    let refused = service.journal.refused(hub).into_iter();
    let refused: Vec<String> = refused.filter(|id| !connected.contains_key(id)).collect();
    let of = hub.to_owned();
    let read = service.store.read(move |c| {
        let (all, enabled) = registry::count(c, &of)?;
        Ok(json!({
            "totalDeviceCount": all,
            "enabledDeviceCount": enabled,
            "disabledDeviceCount": all - enabled,
            "neverSeenDeviceCount": registry::count_never_seen(c, &of)?,
            "refusedDeviceCount": registry::count_registered(c, &of, &refused)?,
            "lastTelemetry": telemetry::last(c)?,
        }))
    });
    let mut counts = read.await?;
    counts["connectedDeviceCount"] = json!(connected.len());
    Ok(counts)
}

fn add_visits(service: &Service, hub: &str, row: &mut Value) {
    let visits = service
        .journal
        .visits(hub, row["deviceId"].as_str().unwrap_or_default());
    row["connected"] = json!(visits.connected.as_deref());
    row["ended"] = json!(visits.ended.as_deref());
}

/// A listing with what the hub knew when it was asked.
struct View {
    hub: String,
    listing: Listing,
    online: HashMap<String, UnixMs>,
    source: Source,
}

/// Where candidates come from; the rest of the listing is asked of each.
enum Source {
    /// These, in the order of the ids.
    Ids(Vec<String>),
    NeverSeen,
    /// Those whose id has the part.
    Named,
    Plan(Plan),
    /// Those that are connected by their activity, and all others by what is stored of theirs.
    Activity(Vec<(UnixMs, String)>),
}

/// What a step looked at.
struct Step {
    devices: Vec<Device>,
    next: Option<Mark>,
}

impl View {
    fn new(service: &Service, hub: &str, listing: Listing) -> Self {
        let online = service.connections.online_devices(hub);
        let refused = || service.journal.refused(hub);
        let source = Source::new(&listing, &online, refused);
        Self {
            hub: hub.to_owned(),
            listing,
            online,
            source,
        }
    }

    /// The mark before all.
    fn first(&self) -> Mark {
        match self.listing.sort {
            Sort::Id => Mark::default(),
            Sort::LatestFirst => Mark {
                live: true,
                activity: UnixMs::MAX,
                id: String::new(),
            },
            Sort::OldestFirst => Mark {
                live: self.listing.state == Some(State::Connected),
                activity: UnixMs::MIN,
                id: String::new(),
            },
        }
    }

    fn mark(&self, device: &Device) -> Mark {
        let live = self.online.get(&device.id);
        Mark {
            live: live.is_some(),
            activity: live.copied().unwrap_or(device.last_activity),
            id: device.id.clone(),
        }
    }

    fn step(&self, c: &Connection, after: &Mark) -> Result<Step, Refusal> {
        let found = match &self.source {
            Source::Ids(ids) => {
                let begin = ids.partition_point(|id| *id <= after.id);
                let rest = ids.get(begin..).unwrap_or_default();
                return self.known(c, rest.iter().map(String::as_str));
            }
            Source::Activity(live) => return self.step_by_activity(c, live, after),
            Source::NeverSeen => registry::never_seen(c, &self.hub, &after.id, STEP)?,
            Source::Named => registry::named(c, &self.hub, &self.listing.find, &after.id, STEP)?,
            Source::Plan(plan) => registry::search(c, &self.hub, plan, &after.id, STEP)?,
        };
        let next = found.next.map(|id| Mark {
            id,
            ..Mark::default()
        });
        Ok(Step {
            devices: found.devices,
            next,
        })
    }

    /// The first of these that are registered.
    fn known<'i>(
        &self,
        c: &Connection,
        mut ids: impl Iterator<Item = &'i str>,
    ) -> Result<Step, Refusal> {
        let mut devices = Vec::new();
        let mut next = None;
        for id in ids.by_ref().take(STEP) {
            next = Some(Mark {
                live: true,
                activity: self.online.get(id).copied().unwrap_or_default(),
                id: id.to_owned(),
            });
            devices.extend(registry::find(c, &self.hub, id)?);
        }
        let next = next.filter(|_| ids.next().is_some());
        Ok(Step { devices, next })
    }

    fn step_by_activity(
        &self,
        c: &Connection,
        live: &[(UnixMs, String)],
        after: &Mark,
    ) -> Result<Step, Refusal> {
        let latest_first = self.listing.sort == Sort::LatestFirst;
        if after.live {
            let behind = |(activity, id): &&(UnixMs, String)| {
                let order = (*activity, id.as_str()).cmp(&(after.activity, after.id.as_str()));
                // Before all stands the latest moment without an id.
                match latest_first {
                    true => order.is_lt() || (after.activity == UnixMs::MAX && after.id.is_empty()),
                    false => order.is_gt(),
                }
            };
            let rest = live.iter().filter(behind).map(|(_, id)| id.as_str());
            let mut step = self.known(c, rest)?;
            let others = self.listing.state != Some(State::Connected);
            if step.next.is_none() && latest_first && others {
                step.next = Some(Mark {
                    activity: UnixMs::MAX,
                    ..Mark::default()
                });
            }
            return Ok(step);
        }
        let place = (after.activity, after.id.as_str());
        let mut devices = registry::by_activity(c, &self.hub, latest_first, place, STEP)?;
        let next = match devices.last() {
            Some(last) if devices.len() == STEP => Some(Mark {
                live: false,
                activity: last.last_activity,
                id: last.id.clone(),
            }),
            _ => (!latest_first).then(|| Mark {
                live: true,
                activity: UnixMs::MIN,
                id: String::new(),
            }),
        };
        devices.retain(|device| !self.online.contains_key(&device.id));
        Ok(Step { devices, next })
    }

    /// What is shown of a device, if it is one of those that are looked for.
    fn row(&self, c: &Connection, device: &Device) -> Result<Option<Value>, Refusal> {
        let live = self.online.get(&device.id).copied();
        let has_part = |id: &str| {
            let part = self.listing.find.to_ascii_lowercase();
            part.is_empty() || id.to_ascii_lowercase().contains(&part)
        };
        let is_in_state = match self.listing.state {
            None | Some(State::Refused) => true,
            Some(State::Connected) => live.is_some(),
            Some(State::Disconnected) => live.is_none(),
            Some(State::Disabled) => !device.enabled,
            Some(State::NeverSeen) => live.is_none() && device.last_activity == 0,
        };
        if !is_in_state || !has_part(&device.id) {
            return Ok(None);
        }
        let waiting = c2d::count(c, &device.hub, &device.id)?;
        if let Some(query) = &self.listing.query
            && query.row(device.twin_json(live, waiting)).is_none()
        {
            return Ok(None);
        }
        Ok(Some(device.summary_json(live, waiting)))
    }
}

impl Source {
    fn new(
        listing: &Listing,
        online: &HashMap<String, UnixMs>,
        refused: impl FnOnce() -> Vec<String>,
    ) -> Self {
        if listing.state == Some(State::Refused) {
            let mut ids = refused();
            ids.retain(|id| !online.contains_key(id));
            ids.sort_unstable();
            return Self::Ids(ids);
        }
        if listing.state == Some(State::NeverSeen) {
            return Self::NeverSeen;
        }
        if listing.sort != Sort::Id {
            let live = online.iter().map(|(id, activity)| (*activity, id.clone()));
            let mut live: Vec<(UnixMs, String)> = live.collect();
            live.sort_unstable();
            if listing.sort == Sort::LatestFirst {
                live.reverse();
            }
            return Self::Activity(live);
        }
        let plan = listing.query.as_ref().map(Query::plan);
        match (listing.state, plan) {
            (Some(State::Connected), _) => {
                let mut ids: Vec<String> = online.keys().cloned().collect();
                ids.sort_unstable();
                Self::Ids(ids)
            }
            (_, Some(plan)) => Self::Plan(plan),
            (Some(State::Disabled), None) => Self::Plan(Plan::Disabled),
            _ if !listing.find.is_empty() => Self::Named,
            _ => Self::Plan(Plan::Scan(Vec::new())),
        }
    }
}

/// Devices that one step looks at.
const STEP: usize = 250;
