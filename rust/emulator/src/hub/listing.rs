//! Devices as people look for them: by a part of the id, by the state that they are in, by a query;
//! in an order, and a page at a time, so that the cost of a page does not grow with the hub.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::clock::UnixMs;
use crate::code::Refusal;
use crate::hub::c2d;
use crate::hub::orders::{Of, Placed};
use crate::hub::query::{Plan, Query};
use crate::hub::registry::{self, Device};
use crate::hub::service::Service;
use crate::hub::telemetry;

pub(crate) use crate::hub::orders::{Column, Direction};

/// What is looked for, and in which order it comes.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// A part of the id, in any case; empty for all.
    pub find: String,
    /// The state that they are in.
    pub state: Option<DeviceState>,
    /// A condition over twins, as a query that names no columns.
    pub query: Option<Query>,
    /// What comes first.
    pub sort: Sort,
}

/// In what state a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceState {
    /// It has a connection.
    Connected,
    /// It has none.
    Disconnected,
    /// The registry turns it down.
    Disabled,
    /// The latest attempt was turned down, and it has no connection.
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
    /// By what another column shows; what is empty there comes last, whatever the direction.
    By(Column, Direction),
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
    /// What its column orders it by; not used in the other orders.
    pub place: String,
}

/// A page of devices, and the mark behind which the next one begins.
pub(crate) async fn page(
    service: &Service,
    hub: &str,
    listing: Listing,
    after: Option<Mark>,
    size: usize,
) -> Result<(Vec<Value>, Option<Mark>), Refusal> {
    let mut view = View::new(service, hub, listing);
    if let Sort::By(column, direction) = view.listing.sort {
        let of = Of {
            hub: hub.to_owned(),
            find: view.listing.find.to_ascii_lowercase(),
            is_refused: view.listing.state == Some(DeviceState::Refused),
            column,
            direction,
        };
        let kept = after.as_ref().and_then(|_| service.orders.find(&of));
        let placed = match kept {
            Some(placed) => placed,
            None => {
                let placed = Arc::new(in_order(service, &view, column, direction).await?);
                service.orders.keep(of, Arc::clone(&placed));
                placed
            }
        };
        view.source = Source::Placed(placed);
    }
    let view = Arc::new(view);
    let mut next = Some(after.unwrap_or_else(|| view.first()));
    let mut rows = Vec::new();
    while let Some(after) = next.take() {
        let (view, missing) = (Arc::clone(&view), size - rows.len());
        let step = move |c: &Connection| {
            let found = view.step(c, &after)?;
            let mut rows = Vec::new();
            for device in found.devices {
                let mark = view.mark(&device, &found.places);
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
    /// These, each with its place, and which end comes first.
    Placed(Arc<Placed>),
}

/// What a step looked at.
#[derive(Default)]
struct Step {
    devices: Vec<Device>,
    next: Option<Mark>,
    /// Where the order is a column's: the place of each device.
    places: HashMap<String, String>,
}

/// The devices of a listing by a column. No index has that order, so all of them are read.
async fn in_order(
    service: &Service,
    view: &View,
    column: Column,
    direction: Direction,
) -> Result<Placed, Refusal> {
    let (hub, find) = (view.hub.clone(), view.listing.find.to_ascii_lowercase());
    let online: HashSet<String> = view.online.keys().cloned().collect();
    let refused: HashSet<String> = service.journal.refused(&view.hub).into_iter().collect();
    let state = view.listing.state;
    let read = service.store.read(move |c| {
        let mut rows = Vec::new();
        registry::each(
            c,
            &hub,
            column == Column::Tags,
            column == Column::Firmware,
            |it| {
                let is_refused = !online.contains(&it.id) && refused.contains(&it.id);
                let is_in_state = state != Some(DeviceState::Refused) || is_refused;
                if !is_in_state || !(find.is_empty() || it.id.to_ascii_lowercase().contains(&find))
                {
                    return;
                }
                let place = match column {
                    Column::Id => it.id.clone(),
                    Column::State => match (online.contains(&it.id), it.enabled, is_refused) {
                        (true, ..) => "0",
                        (_, false, _) => "4",
                        (.., true) => "2",
                        _ if it.last_activity == 0 => "3",
                        _ => "1",
                    }
                    .to_owned(),
                    // Of the journal, which is asked below.
                    Column::Reason => it.status_reason.filter(|_| !it.enabled).unwrap_or_default(),
                    Column::Tags => it.tags,
                    Column::Firmware => it.firmware.unwrap_or_default(),
                };
                rows.push((natural(&place), it.id));
            },
        )?;
        Ok(rows)
    });
    let mut rows = read.await?;
    if column == Column::Reason {
        for (place, id) in &mut rows {
            let visits = service.journal.visits(&view.hub, id);
            let event = match view.online.contains_key(id) {
                true => visits.connected,
                false if place.is_empty() => visits.ended,
                false => continue,
            };
            *place = event.map(|it| natural(&it.shown())).unwrap_or_default();
        }
    }
    Ok(Placed::new(direction, rows))
}

/// A text whose order is that of people: in any case, and 2.9 before 2.10. It is a part of the mark
/// of a page, hence short.
fn natural(text: &str) -> String {
    let mut made = String::new();
    let mut rest = text;
    while made.len() < LONGEST_PLACE
        && let Some(first) = rest.chars().next()
    {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let length = digits.max(first.len_utf8());
        let (part, behind) = rest.split_at(length);
        match digits {
            0 => made.extend(part.chars().flat_map(char::to_lowercase)),
            _ => made.push_str(&format!("{part:0>12}")),
        }
        rest = behind;
    }
    made
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
            Sort::Id | Sort::By(..) => Mark::default(),
            Sort::LatestFirst => Mark {
                live: true,
                activity: UnixMs::MAX,
                ..Mark::default()
            },
            Sort::OldestFirst => Mark {
                live: self.listing.state == Some(DeviceState::Connected),
                activity: UnixMs::MIN,
                ..Mark::default()
            },
        }
    }

    fn mark(&self, device: &Device, places: &HashMap<String, String>) -> Mark {
        let live = self.online.get(&device.id);
        Mark {
            live: live.is_some(),
            activity: live.copied().unwrap_or(device.last_activity),
            id: device.id.clone(),
            place: places.get(&device.id).cloned().unwrap_or_default(),
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
            Source::Placed(placed) => {
                let rest = placed.behind(&after.place, &after.id);
                let some: Vec<_> = rest.iter().take(STEP).cloned().collect();
                let mut step = self.known(c, some.iter().map(|(_, id)| id.as_str()))?;
                let last = some.last().filter(|_| rest.len() > some.len());
                step.next = last.map(|(place, id)| Mark {
                    id: id.clone(),
                    place: place.clone(),
                    ..Mark::default()
                });
                step.places = some.into_iter().map(|(place, id)| (id, place)).collect();
                return Ok(step);
            }
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
            ..Step::default()
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
                ..Mark::default()
            });
            devices.extend(registry::find(c, &self.hub, id)?);
        }
        let next = next.filter(|_| ids.next().is_some());
        Ok(Step {
            devices,
            next,
            ..Step::default()
        })
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
            let others = self.listing.state != Some(DeviceState::Connected);
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
                ..Mark::default()
            }),
            _ => (!latest_first).then(|| Mark {
                live: true,
                activity: UnixMs::MIN,
                ..Mark::default()
            }),
        };
        devices.retain(|device| !self.online.contains_key(&device.id));
        Ok(Step {
            devices,
            next,
            ..Step::default()
        })
    }

    /// What is shown of a device, if it is one of those that are looked for.
    fn row(&self, c: &Connection, device: &Device) -> Result<Option<Value>, Refusal> {
        let live = self.online.get(&device.id).copied();
        let has_part = |id: &str| {
            let part = self.listing.find.to_ascii_lowercase();
            part.is_empty() || id.to_ascii_lowercase().contains(&part)
        };
        let is_in_state = match self.listing.state {
            None | Some(DeviceState::Refused) => true,
            Some(DeviceState::Connected) => live.is_some(),
            Some(DeviceState::Disconnected) => live.is_none(),
            Some(DeviceState::Disabled) => !device.enabled,
            Some(DeviceState::NeverSeen) => live.is_none() && device.last_activity == 0,
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
        if listing.state == Some(DeviceState::Refused) {
            let mut ids = refused();
            ids.retain(|id| !online.contains_key(id));
            ids.sort_unstable();
            return Self::Ids(ids);
        }
        if listing.state == Some(DeviceState::NeverSeen) {
            return Self::NeverSeen;
        }
        if matches!(listing.sort, Sort::LatestFirst | Sort::OldestFirst) {
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
            (Some(DeviceState::Connected), _) => {
                let mut ids: Vec<String> = online.keys().cloned().collect();
                ids.sort_unstable();
                Self::Ids(ids)
            }
            (_, Some(plan)) => Self::Plan(plan),
            (Some(DeviceState::Disabled), None) => Self::Plan(Plan::Disabled),
            _ if !listing.find.is_empty() => Self::Named,
            _ => Self::Plan(Plan::Scan(Vec::new())),
        }
    }
}

/// About so many bytes of a text decide about its place.
const LONGEST_PLACE: usize = 200;

/// Devices that one step looks at.
const STEP: usize = 250;
