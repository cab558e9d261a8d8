//! Devices by the page: whatever there may be of them, a page costs what is on it.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

use super::Device;
use super::device::firmware;
use crate::clock::UnixMs;
use crate::code::Refusal;
use crate::hub::query::{Condition, Plan};

/// Devices in the order of their ids, and after which id the next ones come; `None` at the end.
#[derive(Debug)]
pub(crate) struct Page {
    pub devices: Vec<Device>,
    pub next: Option<String>,
}

/// Which identities are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Devices.
    Device,
    /// Modules of devices, whose ids have a slash.
    Module,
    /// Devices and modules.
    Any,
}

/// The identities of a hub behind `after`.
pub(crate) fn page(
    c: &Connection,
    hub: &str,
    kind: Kind,
    after: &str,
    limit: usize,
) -> Result<Page, Refusal> {
    let behind = [text(hub), text(after)];
    let from = match kind {
        Kind::Device => DEVICES,
        Kind::Module => MODULES,
        Kind::Any => ALL,
    };
    select(c, from, &behind, limit)
}

/// Those devices behind `after` that a plan finds; the condition is still to be asked of each.
pub(crate) fn search(
    c: &Connection,
    hub: &str,
    plan: &Plan,
    after: &str,
    limit: usize,
) -> Result<Page, Refusal> {
    match plan {
        Plan::Ids(ids) => {
            // Those that are wanted are few, so that what follows is, too.
            let mut ids: Vec<&str> = ids
                .iter()
                .map(String::as_str)
                .filter(|id| *id > after)
                .collect();
            ids.sort_unstable();
            ids.dedup();
            let next = (ids.len() > limit).then(|| ids.get(limit.saturating_sub(1)).copied());
            let mut devices = Vec::new();
            for id in ids.iter().take(limit).filter(|id| !id.contains('/')) {
                devices.extend(super::find(c, hub, id)?);
            }
            Ok(Page {
                devices,
                next: next.flatten().map(str::to_owned),
            })
        }
        Plan::Tag(document, value) => {
            let parameters = [text(hub), text(document), value.clone(), text(after)];
            select(c, BY_TAG, &parameters, limit)
        }
        Plan::Disabled => {
            let parameters = [text(hub), text(after)];
            select(c, BY_STATUS, &parameters, limit)
        }
        Plan::Scan(conditions) if conditions.is_empty() => page(c, hub, Kind::Device, after, limit),
        Plan::Scan(conditions) => scan(c, hub, conditions, after, limit),
    }
}

/// How many devices there are, and how many of them are enabled.
pub(crate) fn count(c: &Connection, hub: &str) -> Result<(i64, i64), Refusal> {
    let mut count = c.prepare_cached("SELECT status, devices FROM device_counts WHERE hub = ?1")?;
    let states = count.query_map([hub], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    let (mut all, mut enabled) = (0, 0);
    for state in states {
        let (status, number) = state?;
        all += number;
        enabled += if status == "enabled" { number } else { 0 };
    }
    Ok((all, enabled))
}

/// The devices behind `after` whose ids have `part` in them, in any case.
pub(crate) fn named(
    c: &Connection,
    hub: &str,
    part: &str,
    after: &str,
    limit: usize,
) -> Result<Page, Refusal> {
    let end = nth(c, BY_ID, hub, after, SCAN_IDS)?;
    let mut sql = format!("SELECT id FROM {BY_ID} AND instr(lower(id), lower(?)) > 0");
    let mut parameters = vec![text(hub), text(after), text(part)];
    if let Some(end) = &end {
        sql += " AND id <= ?";
        parameters.push(text(end));
    }
    let mut select = c.prepare_cached(&format!("{sql} ORDER BY id LIMIT {limit}"))?;
    let ids = select.query_map(params_from_iter(&parameters), |row| row.get::<_, String>(0))?;
    let ids = ids.collect::<Result<Vec<String>, _>>()?;
    let next = match ids.last() {
        Some(last) if ids.len() == limit => Some(last.clone()),
        _ => end,
    };
    let mut devices = Vec::new();
    for id in &ids {
        devices.extend(super::find(c, hub, id)?);
    }
    Ok(Page { devices, next })
}

/// Those behind `after` that have never been connected.
pub(crate) fn never_seen(
    c: &Connection,
    hub: &str,
    after: &str,
    limit: usize,
) -> Result<Page, Refusal> {
    select(c, NEVER_SEEN, &[text(hub), text(after)], limit)
}

/// What of a device a column of the list is ordered by.
#[derive(Debug)]
pub(crate) struct Brief {
    pub id: String,
    pub enabled: bool,
    pub status_reason: Option<String>,
    pub last_activity: UnixMs,
    /// JSON, or empty if there is none or it was not asked for.
    pub tags: String,
    /// The version that it says it runs, if that was asked for.
    pub firmware: Option<String>,
}

/// Each device of a hub, in the order of the ids.
pub(crate) fn each(
    c: &Connection,
    hub: &str,
    with_tags: bool,
    with_firmware: bool,
    mut seen: impl FnMut(Brief),
) -> Result<(), Refusal> {
    let mut select = c.prepare_cached(
        "SELECT id, status, status_reason, last_activity, iif(?2 AND tags != '{}', tags, ''), iif(?3, reported, '') \
         FROM devices WHERE hub = ?1 AND instr(id, '/') = 0 ORDER BY id",
    )?;
    let mut rows = select.query(rusqlite::params![hub, with_tags, with_firmware])?;
    while let Some(row) = rows.next()? {
        let reported: String = row.get(5)?;
        seen(Brief {
            id: row.get(0)?,
            enabled: row.get::<_, String>(1)? == "enabled",
            status_reason: row.get(2)?,
            last_activity: row.get(3)?,
            tags: row.get(4)?,
            firmware: firmware(&serde_json::from_str(&reported).unwrap_or_default()),
        });
    }
    Ok(())
}

/// How many have never been connected.
pub(crate) fn count_never_seen(c: &Connection, hub: &str) -> Result<i64, Refusal> {
    let mut count = c.prepare_cached(&format!("SELECT count(*) FROM {NEVER_SEEN}"))?;
    Ok(count.query_row([hub, ""], |row| row.get(0))?)
}

/// How many of these ids are registered.
pub(crate) fn count_registered(c: &Connection, hub: &str, ids: &[String]) -> Result<i64, Refusal> {
    let mut count = c.prepare_cached("SELECT count(*) FROM devices WHERE hub = ? AND id = ?")?;
    let mut all = 0;
    for id in ids {
        all += count.query_row(rusqlite::params![hub, id], |row| row.get::<_, i64>(0))?;
    }
    Ok(all)
}

/// Devices by their last activity as it is stored, the latest first or the one that is longest ago;
/// behind a moment and an id.
pub(crate) fn by_activity(
    c: &Connection,
    hub: &str,
    latest_first: bool,
    (activity, id): (UnixMs, &str),
    limit: usize,
) -> Result<Vec<Device>, Refusal> {
    let (sign, order) = if latest_first {
        ("<", "DESC")
    } else {
        (">", "ASC")
    };
    let mut select = c.prepare_cached(&format!(
        "SELECT * FROM devices INDEXED BY devices_by_activity WHERE hub = ?1 AND (last_activity, id) {sign} (?2, ?3) \
         AND instr(id, '/') = 0 \
         ORDER BY last_activity {order}, id {order} LIMIT {limit}"
    ))?;
    let devices = select.query_map(rusqlite::params![hub, activity, id], Device::from_row)?;
    Ok(devices.collect::<Result<_, _>>()?)
}

fn select(c: &Connection, from: &str, parameters: &[Sql], limit: usize) -> Result<Page, Refusal> {
    let mut select = c.prepare_cached(&format!("SELECT d.* FROM {from} LIMIT {limit}"))?;
    let devices = select.query_map(params_from_iter(parameters), Device::from_row)?;
    let devices = devices.collect::<Result<Vec<Device>, _>>()?;
    let next = devices
        .last()
        .filter(|_| devices.len() == limit)
        .map(|last| last.id.clone());
    Ok(Page { devices, next })
}

/// Looks at a bounded number of rows, however few the conditions let through.
fn scan(
    c: &Connection,
    hub: &str,
    conditions: &[Condition],
    after: &str,
    limit: usize,
) -> Result<Page, Refusal> {
    let end = nth(
        c,
        "devices WHERE hub = ? AND id > ?",
        hub,
        after,
        limit.max(SCAN),
    )?;
    let mut sql =
        "SELECT * FROM devices WHERE hub = ? AND id > ? AND instr(id, '/') = 0".to_owned();
    let mut parameters = vec![text(hub), text(after)];
    if let Some(end) = &end {
        sql += " AND id <= ?";
        parameters.push(text(end));
    }
    for condition in conditions {
        sql += " AND ";
        sql += &condition.sql;
        parameters.extend(condition.parameters.iter().cloned());
    }
    let mut select = c.prepare_cached(&(sql + " ORDER BY id"))?;
    let devices = select.query_map(params_from_iter(&parameters), Device::from_row)?;
    let devices = devices.collect::<Result<_, _>>()?;
    Ok(Page { devices, next: end })
}

/// The id behind which a step ends that looks at `count` rows; `None` if there are no more.
fn nth(
    c: &Connection,
    from: &str,
    hub: &str,
    after: &str,
    count: usize,
) -> Result<Option<String>, Refusal> {
    let mut select = c.prepare_cached(&format!(
        "SELECT id FROM {from} ORDER BY id LIMIT 1 OFFSET ?"
    ))?;
    let offset = i64::try_from(count).unwrap_or(i64::MAX);
    let id = select.query_row(rusqlite::params![hub, after, offset], |row| row.get(0));
    Ok(id.optional()?)
}

fn text(text: &str) -> Sql {
    Sql::Text(text.to_owned())
}

/// The order of the tables is that of the index, which is the order of the ids.
const BY_TAG: &str = "device_tags AS t CROSS JOIN devices AS d ON d.hub = t.hub AND d.id = t.id \
    WHERE t.hub = ? AND t.path = (SELECT fullkey FROM json_tree(?) WHERE atom IS NOT NULL) \
    AND t.value = ? AND t.id > ? AND instr(t.id, '/') = 0 ORDER BY t.id";

const ALL: &str = "devices AS d WHERE d.hub = ? AND d.id > ? ORDER BY d.id";

const DEVICES: &str =
    "devices AS d WHERE d.hub = ? AND d.id > ? AND instr(d.id, '/') = 0 ORDER BY d.id";

const MODULES: &str =
    "devices AS d WHERE d.hub = ? AND d.id > ? AND instr(d.id, '/') > 0 ORDER BY d.id";

const BY_STATUS: &str = "devices AS d INDEXED BY devices_by_status WHERE d.hub = ? AND d.status = 'disabled' AND d.id > ? \
    AND instr(d.id, '/') = 0 ORDER BY d.id";

const BY_ID: &str =
    "devices INDEXED BY devices_by_id WHERE hub = ? AND id > ? AND instr(id, '/') = 0";

const NEVER_SEEN: &str = "devices AS d INDEXED BY devices_never_seen WHERE d.hub = ? AND d.last_activity = 0 AND d.id > ? \
    AND instr(d.id, '/') = 0 ORDER BY d.id";

/// Ids that one step of a search looks at.
const SCAN_IDS: usize = 50_000;

/// Rows that one step of a scan looks at.
const SCAN: usize = 500;
