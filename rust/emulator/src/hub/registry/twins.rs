//! Writes to a twin, by the service and by the device.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value, json};

use super::{Device, TOUCH, invalid, not_registered, require, touch_activity};
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::etag::{IfMatch, check_etag};
use crate::hub::events::{self, Source};
use crate::hub::twin::{self, Section};
use crate::store::Later;

/// What the service may change in a twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TwinWrite {
    /// PATCH: merges.
    Patch,
    /// PUT: replaces tags and desired properties.
    Replace,
}

/// A changed twin, and what the device is to be told.
#[derive(Clone, Debug)]
pub(crate) struct TwinChange {
    /// The device afterwards.
    pub device: Device,
    /// The change of the desired properties with `$version`, if there was one.
    pub notification: Option<(i64, Value)>,
}

/// Applies a write of the service side.
pub(crate) fn write_twin(
    connection: &Connection,
    hub: &str,
    id: &str,
    how: TwinWrite,
    document: &Map<String, Value>,
    if_match: &IfMatch,
    now: UnixMs,
) -> Result<TwinChange, Refusal> {
    let mut device = require(connection, hub, id)?;
    check_etag(
        if_match,
        device.twin_version,
        &format!("the twin of '{id}'"),
    )?;
    let object = |value: Option<&Value>, name: &str| match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object.clone())),
        Some(_) => Err(invalid(format!("{name} must be a JSON object"))),
    };
    let mut tags = object(document.get("tags"), "tags")?;
    let desired = document
        .get("properties")
        .and_then(|properties| properties.get("desired"));
    let mut desired = object(desired, "properties.desired")?;
    if how == TwinWrite::Replace {
        device.tags.clear();
        tags = tags.or_else(|| Some(Map::new()));
        desired = desired.or_else(|| Some(Map::new()));
    }
    if let Some(tags) = &tags {
        twin::patch_tags(&mut device.tags, tags)?;
    }
    let mut notification = None;
    if let Some(desired) = &desired {
        let kind = twin::Kind::Desired;
        match how {
            TwinWrite::Patch => device.desired.patch(kind, desired, now)?,
            TwinWrite::Replace => device.desired.replace(kind, desired, now)?,
        }
        let mut patch = twin::without_reserved(desired);
        patch.insert("$version".to_owned(), json!(device.desired.version));
        notification = Some((device.desired.version, Value::Object(patch)));
    }
    device.twin_version += 1;
    device.save(connection)?;
    let operation = match how {
        TwinWrite::Patch => "updateTwin",
        TwinWrite::Replace => "replaceTwin",
    };
    let body = || {
        let mut body = json!({"version": device.twin_version});
        if let Some(tags) = &tags {
            body["tags"] = json!(tags);
        }
        if let Some((_, patch)) = &notification {
            body["properties"] = json!({"desired": patch});
        }
        body
    };
    events::note(
        connection,
        hub,
        id,
        Source::TwinChange,
        operation,
        body,
        now,
    )?;
    Ok(TwinChange {
        device,
        notification,
    })
}

/// What devices report, and how their reported properties are as long as nobody else writes them.
#[derive(Debug, Default)]
pub(crate) struct Reports(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// What it is known of.
    generation: u64,
    /// By hub and id.
    twins: HashMap<String, Reported>,
    /// Whether a route of a hub asks for changes of twins.
    routed: HashMap<String, bool>,
}

#[derive(Debug)]
struct Reported {
    section: Section,
    twin_version: i64,
    last_activity: UnixMs,
}

impl Reports {
    /// Applies a device's patch of its reported properties; returns the new version. What is to be
    /// written is left for later.
    pub(crate) fn apply(
        &self,
        connection: &Connection,
        later: &mut Later,
        (hub, id): (&str, &str),
        body: &[u8],
        base: Option<i64>,
        now: UnixMs,
    ) -> Result<i64, Refusal> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.generation != later.generation() || known.twins.len() >= MAX_KNOWN {
            // What is not known is read from the tables.
            later.settle(connection)?;
            *known = Known {
                generation: later.generation(),
                ..Known::default()
            };
        }
        if known.is_routed(connection, hub)? {
            drop(known);
            later.settle(connection)?;
            later.touch();
            return report(connection, (hub, id), body, base, now);
        }
        // No name of a hub has a slash.
        let key = format!("{hub}/{id}");
        let mut reported = match known.twins.remove(&key) {
            Some(reported) => reported,
            None => read(connection, hub, id)?,
        };
        if let Err((is_whole, refusal)) = reported.change(body, base, now) {
            // What has become too large is read again.
            match is_whole {
                true => drop(known.twins.insert(key, reported)),
                false => later.settle(connection)?,
            }
            return Err(refusal);
        }
        let version = reported.section.version;
        let values = [
            hub.to_owned().into(),
            id.to_owned().into(),
            text(&reported.section.properties).into(),
            text(&reported.section.metadata).into(),
            version.into(),
            reported.twin_version.into(),
        ];
        later.put(Some(key.clone()), UPDATE, values);
        if now.saturating_sub(reported.last_activity) >= ACTIVITY {
            reported.last_activity = now;
            let values = [hub.to_owned().into(), id.to_owned().into(), now.into()];
            later.put(Some(format!("activity {key}")), TOUCH, values);
        }
        known.twins.insert(key, reported);
        Ok(version)
    }
}

impl Known {
    fn is_routed(&mut self, c: &Connection, hub: &str) -> Result<bool, Refusal> {
        if let Some(is_routed) = self.routed.get(hub) {
            return Ok(*is_routed);
        }
        let is_routed = events::is_wanted(c, hub, Source::TwinChange)?;
        self.routed.insert(hub.to_owned(), is_routed);
        Ok(is_routed)
    }
}

impl Reported {
    /// Applies a patch; what is wrong with it, and whether all is as it was.
    fn change(
        &mut self,
        body: &[u8],
        base: Option<i64>,
        now: UnixMs,
    ) -> Result<Map<String, Value>, (bool, Refusal)> {
        if let Some(base) = base
            && base != self.section.version
        {
            let refusal = Refusal::new(
                ErrorCode::PreconditionFailed,
                format!(
                    "the patch builds on version {base}, and the reported properties are at {}",
                    self.section.version
                ),
            );
            return Err((true, refusal));
        }
        let patch = twin::parse_object(body).map_err(|refusal| (true, refusal))?;
        twin::check(&patch).map_err(|refusal| (true, refusal))?;
        let section = std::mem::take(&mut self.section);
        let kind = twin::Kind::Reported;
        self.section = section
            .patched(kind, &patch, now)
            .map_err(|refusal| (false, refusal))?;
        self.twin_version += 1;
        Ok(patch)
    }
}

/// Reads no more of a row than a report needs.
fn read(c: &Connection, hub: &str, id: &str) -> Result<Reported, Refusal> {
    let mut select = c.prepare_cached(
        "SELECT reported, reported_metadata, reported_version, twin_version, last_activity \
         FROM devices WHERE hub = ?1 AND id = ?2",
    )?;
    let object = |row: &Row<'_>, column| -> rusqlite::Result<Map<String, Value>> {
        let text = row.get_ref(column)?.as_bytes()?;
        Ok(serde_json::from_slice(text).unwrap_or_default())
    };
    let found = select.query_row([hub, id], |row| {
        let section = Section {
            properties: object(row, 0)?,
            metadata: object(row, 1)?,
            version: row.get(2)?,
        };
        Ok(Reported {
            section,
            twin_version: row.get(3)?,
            last_activity: row.get(4)?,
        })
    });
    found.optional()?.ok_or_else(|| not_registered(hub, id))
}

/// The same as [`Reports::apply`] at once, with an event for whoever asks for it.
pub(crate) fn report(
    connection: &Connection,
    (hub, id): (&str, &str),
    body: &[u8],
    base: Option<i64>,
    now: UnixMs,
) -> Result<i64, Refusal> {
    let mut reported = read(connection, hub, id)?;
    let patch = reported
        .change(body, base, now)
        .map_err(|(_, refusal)| refusal)?;
    let Reported {
        section: reported,
        twin_version,
        last_activity,
    } = reported;
    connection.prepare_cached(UPDATE)?.execute(params![
        hub,
        id,
        text(&reported.properties),
        text(&reported.metadata),
        reported.version,
        twin_version
    ])?;
    if now.saturating_sub(last_activity) >= ACTIVITY {
        touch_activity(connection, hub, id, now)?;
    }
    let body = || {
        let mut shown = patch.clone();
        shown.insert("$version".to_owned(), json!(reported.version));
        json!({"version": twin_version, "properties": {"reported": shown}})
    };
    events::note(
        connection,
        hub,
        id,
        Source::TwinChange,
        "updateTwin",
        body,
        now,
    )?;
    Ok(reported.version)
}

fn text(object: &Map<String, Value>) -> String {
    serde_json::to_string(object).unwrap_or_default()
}

const UPDATE: &str = "UPDATE devices SET reported = ?3, reported_metadata = ?4, reported_version = ?5, \
    twin_version = ?6 WHERE hub = ?1 AND id = ?2";

/// Twins of which the reported properties are known at the most.
const MAX_KNOWN: usize = 4096;

/// How old the row's moment of the latest activity may become in milliseconds: there is an index
/// over it, and the connection has the exact one.
const ACTIVITY: i64 = 1000;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Authentication, find};
    use super::*;
    use crate::store::Store;

    /// What devices are told that report so, and what is in the registry then.
    async fn reported(is_later: bool, between: fn(usize) -> bool) -> (Vec<String>, Vec<Value>) {
        let store = Store::open(None, false).unwrap();
        let devices = store.run(|c| {
            ["a", "b"]
                .into_iter()
                .try_for_each(|id| Device::new("h", id, Authentication::None, 0)?.save(c))
        });
        devices.await.unwrap();
        let (reports, told) = (
            Arc::new(Reports::default()),
            Arc::new(Mutex::new(Vec::new())),
        );
        let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(4000));
        let bodies = [
            r#"{"a":1}"#.to_owned(),
            r#"{"b":{"c":[1,2]},"$version":7}"#.to_owned(),
            "{".to_owned(),
            r#"{"a":null,"b":{"d":true}}"#.to_owned(),
            r#"{"bad.name":1}"#.to_owned(),
            large,
        ];
        for count in 0..240 {
            let id = ["a", "b", "gone"][count / 2 % 3];
            let body = match count % 7 {
                // Fits eight times.
                6 => format!(r#"{{"n{count}":"{}"}}"#, "x".repeat(3500)),
                other => bodies[other].clone(),
            };
            let base = (count % 11 == 0).then_some(3);
            let now = i64::try_from(count).unwrap() * 300;
            let told = Arc::clone(&told);
            let tell = move |version: Result<i64, Refusal>| {
                let text = version.map_or_else(|it| it.to_string(), |it| it.to_string());
                told.lock().unwrap().push(text);
            };
            let reports = Arc::clone(&reports);
            store.enqueue(
                move |c, later| match is_later {
                    true => reports.apply(c, later, ("h", id), body.as_bytes(), base, now),
                    false => report(c, ("h", id), body.as_bytes(), base, now),
                },
                tell,
            );
            if count % 3 == 0 {
                store.execute_pending();
            }
            if between(count) {
                let (how, patch) = (TwinWrite::Patch, json!({"tags": {"count": count}}));
                let patch = patch.as_object().cloned().unwrap();
                let written = store.run(move |c| {
                    write_twin(c, "h", "a", how, &patch, &IfMatch::Any, now)?;
                    c.execute("UPDATE devices SET reported = '{}' WHERE id = 'b'", [])?;
                    Ok(())
                });
                written.await.unwrap();
            }
        }
        store.execute_pending();
        let twins = store.run(|c| {
            let all = ["a", "b"].into_iter().map(|id| {
                let device =
                    find(c, "h", id)?.map(|it| (it.twin_json(None, 0), it.reported.metadata));
                Ok(json!(device))
            });
            all.collect::<Result<Vec<_>, Refusal>>()
        });
        let twins = twins.await.unwrap();
        let told = std::mem::take(&mut *told.lock().unwrap());
        (told, twins)
    }

    #[tokio::test]
    async fn reports_that_are_left_for_later_come_to_the_same_as_at_once() {
        for between in [|_| false, |count| count % 13 == 0] {
            let (now, later) = (
                reported(false, between).await,
                reported(true, between).await,
            );
            assert_eq!(now.0.len(), 240);
            assert_eq!(now, later);
        }
    }

    #[tokio::test]
    async fn a_change_that_a_route_asks_for_is_an_event_at_once() {
        let store = Store::open(None, false).unwrap();
        let reports = Arc::new(Reports::default());
        let begun = store.run(|c| {
            Device::new("h", "d", Authentication::None, 0)?.save(c)?;
            events::set_sources(c, "h", &[])
        });
        begun.await.unwrap();
        let report = |body: &'static str| {
            let reports = Arc::clone(&reports);
            store.enqueue(
                move |c, later| reports.apply(c, later, ("h", "d"), body.as_bytes(), None, 0),
                |version| assert!(version.is_ok()),
            );
            store.execute_pending();
        };
        report(r#"{"a":1}"#);
        let asked = store.run(|c| events::set_sources(c, "h", &[Source::TwinChange]));
        asked.await.unwrap();
        report(r#"{"a":2}"#);
        report(r#"{"a":3}"#);
        let kept = store.run(|c| events::after(c, "h", 0, 10)).await.unwrap();
        let bodies = kept.iter().map(|(_, it)| String::from_utf8_lossy(&it.body));
        let bodies: Vec<_> = bodies.map(|it| it.contains(r#""a":1"#)).collect();
        assert_eq!(bodies, [false, false]);
    }
}
