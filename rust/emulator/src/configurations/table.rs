//! Configurations as rows, and what each of them says.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value, json};

use super::deployment::{self, AGENT, Modules};
use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};
use crate::etag::{IfMatch, check_etag, etag};
use crate::fields;
use crate::hub::query::Query;

/// One configuration.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// Lower-case.
    pub id: String,
    /// Grows with each change.
    pub etag: i64,
    /// The request.
    pub document: Map<String, Value>,
    created: UnixMs,
    updated: UnixMs,
    /// Identities for which the condition held when it was last looked at.
    pub targeted: i64,
    /// Of these, those that have all of its properties.
    pub applied: i64,
    /// The results of its own metrics.
    pub results: Map<String, Value>,
}

impl Configuration {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let object = |text: String| serde_json::from_str(&text).unwrap_or_default();
        Ok(Self {
            id: row.get("id")?,
            etag: row.get("etag")?,
            document: object(row.get("document")?),
            created: row.get("created")?,
            updated: row.get("updated")?,
            targeted: row.get("targeted")?,
            applied: row.get("applied")?,
            results: object(row.get("results")?),
        })
    }

    /// The highest wins where two set the same property; of equal ones the latest.
    pub(super) fn rank(&self) -> (i64, UnixMs) {
        let priority = self.document.get("priority").and_then(fields::integer);
        (priority.unwrap_or_default(), self.created)
    }

    /// Whether it is for modules.
    pub(super) fn is_for_modules(&self) -> bool {
        self.content("moduleContent").is_some()
    }

    /// The desired properties that it sets, by their paths without `properties.desired`.
    pub(super) fn desired(&self) -> Vec<(String, Value)> {
        let content = self
            .content("deviceContent")
            .or(self.content("moduleContent"));
        let content = content.cloned().unwrap_or_default();
        let all = content.into_iter().filter_map(|(path, value)| {
            let rest = path.strip_prefix(DESIRED)?;
            Some((rest.trim_start_matches('.').to_owned(), value))
        });
        all.collect()
    }

    fn content(&self, name: &str) -> Option<&Map<String, Value>> {
        let content = self.document.get("content")?.get(name)?.as_object();
        content.filter(|content| !content.is_empty())
    }

    /// The content for modules of IoT Edge devices; with it this is a deployment.
    pub(super) fn modules(&self) -> Option<&Modules> {
        self.content("modulesContent")
    }

    /// The query for what it targets; `None` if it targets nothing.
    pub(super) fn target(&self) -> Result<Option<Query>, Refusal> {
        let condition = self.document.get("targetCondition").and_then(Value::as_str);
        target(condition.unwrap_or_default(), self.is_for_modules())
    }

    /// Whether it targets anything.
    fn has_target(&self) -> bool {
        let condition = self.document.get("targetCondition").and_then(Value::as_str);
        !condition.unwrap_or_default().trim().is_empty()
    }

    /// The configuration's own metrics: names and queries.
    pub(super) fn metrics(&self) -> Vec<(String, String)> {
        let queries = self
            .document
            .get("metrics")
            .and_then(|it| it.get("queries"));
        let queries = queries
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let all = queries.into_iter();
        all.filter_map(|(name, query)| Some((name, query.as_str()?.to_owned())))
            .collect()
    }

    /// Of a deployment: what the agents of its devices say became of it, as names and queries.
    pub(super) fn reported_metrics(&self) -> Vec<(&'static str, String)> {
        if self.modules().is_none() {
            return Vec::new();
        }
        let of = |condition: &str| {
            format!(
                "{} AND properties.desired.$version = properties.reported.lastDesiredVersion \
                 AND properties.reported.lastDesiredStatus.code {condition}",
                self.applied_query()
            )
        };
        vec![
            ("reportedSuccessfulCount", of("= 200")),
            ("reportedFailedCount", of("!= 200")),
        ]
    }

    fn applied_query(&self) -> String {
        let status = format!("configurations.[[{}]].status = 'Applied'", self.id);
        match (self.modules(), self.is_for_modules()) {
            (Some(_), _) => format!(
                "SELECT deviceId FROM devices.modules WHERE moduleId = '{AGENT}' AND {status}"
            ),
            (None, true) => {
                format!("SELECT deviceId, moduleId FROM devices.modules WHERE {status}")
            }
            (None, false) => format!("SELECT deviceId FROM devices WHERE {status}"),
        }
    }

    /// The queries behind its counts.
    fn system_queries(&self) -> Map<String, Value> {
        let condition = self.document.get("targetCondition").and_then(Value::as_str);
        let condition = condition.unwrap_or_default().trim();
        let columns = match self.is_for_modules() {
            true => "deviceId, moduleId",
            false => "deviceId",
        };
        let edge = match self.modules() {
            Some(_) => "capabilities.iotEdge = true",
            None => "",
        };
        let targeted = match (condition, edge) {
            ("", _) => None,
            ("*", "") if self.is_for_modules() => {
                Some(format!("SELECT {columns} FROM devices.modules"))
            }
            ("*", "") => Some(format!("SELECT {columns} FROM devices")),
            ("*", edge) => Some(format!("SELECT {columns} FROM devices WHERE {edge}")),
            (given, _) if given.to_ascii_uppercase().starts_with("FROM ") => {
                Some(format!("SELECT {columns} {given}"))
            }
            (given, "") => Some(format!("SELECT {columns} FROM devices WHERE {given}")),
            (given, edge) => Some(format!(
                "SELECT {columns} FROM devices WHERE {edge} AND ({given})"
            )),
        };
        let targeted = targeted.map(|query| ("targetedCount", query));
        let applied = Some(("appliedCount", self.applied_query()));
        let all = targeted.into_iter().chain(applied);
        let all = all.chain(self.reported_metrics());
        all.map(|(name, query)| (name.to_owned(), json!(query)))
            .collect()
    }

    /// Azure's JSON.
    pub(crate) fn to_json(&self) -> Value {
        let mut shown = self.document.clone();
        let mut set = |name: &str, value: Value| shown.insert(name.to_owned(), value);
        set("id", json!(self.id));
        set("schemaVersion", json!("1.0"));
        set("priority", json!(self.rank().0));
        set("createdTimeUtc", json!(rfc3339(self.created)));
        set("lastUpdatedTimeUtc", json!(rfc3339(self.updated)));
        set("etag", json!(etag(self.etag)));
        let mut counts = json!({"targetedCount": self.targeted, "appliedCount": self.applied});
        let mut own = self.results.clone();
        for (name, _) in self.reported_metrics() {
            counts[name] = own.shift_remove(name).unwrap_or_else(|| json!(0));
        }
        let system = json!({"results": counts, "queries": self.system_queries()});
        set("systemMetrics", system);
        let queries: Map<String, Value> = self
            .metrics()
            .into_iter()
            .map(|(name, query)| (name, json!(query)))
            .collect();
        set("metrics", json!({"results": own, "queries": queries}));
        Value::Object(shown)
    }
}

/// A condition over twins of devices, or of modules as `FROM devices.modules WHERE …`; `*` is all,
/// and nothing is none.
fn target(condition: &str, modules: bool) -> Result<Option<Query>, Refusal> {
    let condition = condition.trim();
    let collection = if modules {
        "devices.modules"
    } else {
        "devices"
    };
    let text = match condition {
        "" => return Ok(None),
        "*" => format!("SELECT * FROM {collection}"),
        _ if condition.to_ascii_uppercase().starts_with("FROM ") => format!("SELECT * {condition}"),
        _ => format!("SELECT * FROM {collection} WHERE {condition}"),
    };
    Query::parse(&text).map(Some)
}

/// Checks a condition, of devices or of modules.
pub(crate) fn check_condition(condition: &str) -> Result<(), Refusal> {
    target(condition, false).map(|_| ())
}

/// Creates or updates a configuration from Azure's JSON.
pub(crate) fn put(
    c: &Connection,
    hub: &str,
    id: &str,
    mut document: Map<String, Value>,
    if_match: &IfMatch,
    now: UnixMs,
) -> Result<Configuration, Refusal> {
    let known = find(c, hub, id)?;
    match (&known, if_match) {
        (Some(_), IfMatch::Absent) => {
            return Err(Refusal::new(
                ErrorCode::ConfigurationAlreadyExists,
                format!("there is a configuration '{id}' already; If-Match changes it"),
            ));
        }
        (Some(known), _) => check_etag(if_match, known.etag, &format!("configuration '{id}'"))?,
        (None, IfMatch::Tag(_)) => return Err(missing(id)),
        (None, _) => {}
    }
    if known.is_none() {
        check_id(id)?;
        let count: i64 = c.query_row(
            "SELECT count(*) FROM configurations WHERE hub = ?1",
            [hub],
            |row| row.get(0),
        )?;
        if count >= MAX_CONFIGURATIONS {
            return Err(invalid(format!(
                "a hub may have {MAX_CONFIGURATIONS} configurations"
            )));
        }
    }
    let given = document.get("id").and_then(Value::as_str);
    if given.is_some_and(|given| given != id) {
        return Err(invalid(format!("id in the body is not '{id}' of the path")));
    }
    for made_here in [
        "id",
        "etag",
        "schemaVersion",
        "systemMetrics",
        "createdTimeUtc",
        "lastUpdatedTimeUtc",
    ] {
        document.remove(made_here);
    }
    let mut configuration = Configuration {
        id: id.to_owned(),
        etag: known.as_ref().map_or(1, |known| known.etag + 1),
        document,
        created: known.as_ref().map_or(now, |known| known.created),
        updated: now,
        targeted: known.as_ref().map_or(0, |known| known.targeted),
        applied: known.as_ref().map_or(0, |known| known.applied),
        results: known.map(|known| known.results).unwrap_or_default(),
    };
    check(&configuration)?;
    if !configuration.has_target() {
        (configuration.targeted, configuration.applied) = (0, 0);
        forget_statuses(c, hub, id)?;
    }
    c.execute(
        "INSERT INTO configurations (hub, id, etag, document, created, updated, targeted, applied) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (hub, id) DO UPDATE \
         SET etag = ?3, document = ?4, updated = ?6, targeted = ?7, applied = ?8",
        params![
            hub,
            id,
            configuration.etag,
            Value::Object(configuration.document.clone()).to_string(),
            configuration.created,
            configuration.updated,
            configuration.targeted,
            configuration.applied
        ],
    )?;
    Ok(configuration)
}

fn check(configuration: &Configuration) -> Result<(), Refusal> {
    let content = configuration
        .document
        .get("content")
        .and_then(Value::as_object);
    let content = content.ok_or_else(|| invalid("'content' is missing".to_owned()))?;
    for name in ["deviceContent", "moduleContent"] {
        let Some(properties) = content.get(name).filter(|it| !it.is_null()) else {
            continue;
        };
        let properties = properties.as_object();
        let properties =
            properties.ok_or_else(|| invalid(format!("content.{name} must be an object")))?;
        let other = properties.keys().find(|path| {
            let rest = path.strip_prefix(DESIRED);
            !rest.is_some_and(|rest| {
                rest.starts_with('.') && !rest[1..].split('.').any(str::is_empty)
            })
        });
        if let Some(path) = other {
            return Err(invalid(format!(
                "content.{name}: '{path}' must be {DESIRED}. and the path of a property"
            )));
        }
    }
    match content.get("modulesContent") {
        None | Some(Value::Null) => {}
        Some(Value::Object(modules)) => deployment::check(modules)?,
        Some(_) => {
            return Err(invalid(
                "content.modulesContent must be an object".to_owned(),
            ));
        }
    }
    let priority = configuration.document.get("priority");
    if priority.is_some_and(|it| !it.is_null() && fields::integer(it).is_none_or(|it| it < 0)) {
        return Err(invalid("priority must be a number from 0".to_owned()));
    }
    configuration.target()?;
    for (name, query) in configuration.metrics() {
        Query::parse(&query)
            .map_err(|refusal| invalid(format!("metric '{name}': {}", refusal.reason)))?;
    }
    Ok(())
}

/// Deletes a configuration; what it has set stays.
pub(crate) fn delete(
    c: &Connection,
    hub: &str,
    id: &str,
    if_match: &IfMatch,
) -> Result<(), Refusal> {
    let known = require(c, hub, id)?;
    check_etag(if_match, known.etag, &format!("configuration '{id}'"))?;
    c.execute(
        "DELETE FROM configurations WHERE hub = ?1 AND id = ?2",
        [hub, id],
    )?;
    forget_statuses(c, hub, id)
}

/// Takes it from the twins that name it.
fn forget_statuses(c: &Connection, hub: &str, id: &str) -> Result<(), Refusal> {
    c.execute(
        "UPDATE devices SET configurations = json_remove(configurations, '$.\"' || ?2 || '\"') \
         WHERE hub = ?1 AND configurations != '{}'",
        [hub, id],
    )?;
    Ok(())
}

/// Finds a configuration.
pub(crate) fn find(c: &Connection, hub: &str, id: &str) -> Result<Option<Configuration>, Refusal> {
    let mut select = c.prepare_cached("SELECT * FROM configurations WHERE hub = ?1 AND id = ?2")?;
    Ok(select
        .query_row([hub, id], Configuration::from_row)
        .optional()?)
}

/// Finds a configuration, or refuses with `ConfigurationNotFound`.
pub(crate) fn require(c: &Connection, hub: &str, id: &str) -> Result<Configuration, Refusal> {
    find(c, hub, id)?.ok_or_else(|| missing(id))
}

/// All configurations of a hub, in the order of their ids.
pub(crate) fn list(c: &Connection, hub: &str) -> Result<Vec<Configuration>, Refusal> {
    let mut select = c.prepare_cached("SELECT * FROM configurations WHERE hub = ?1 ORDER BY id")?;
    let all = select.query_map([hub], Configuration::from_row)?;
    Ok(all.collect::<Result<_, _>>()?)
}

/// Notes what was found when it was last looked at.
pub(super) fn note(
    c: &Connection,
    hub: &str,
    id: &str,
    (targeted, applied): (i64, i64),
    results: &Map<String, Value>,
) -> Result<(), Refusal> {
    c.prepare_cached(
        "UPDATE configurations SET targeted = ?3, applied = ?4, results = ?5 WHERE hub = ?1 AND id = ?2",
    )?
    .execute(params![hub, id, targeted, applied, json!(results).to_string()])?;
    Ok(())
}

/// Notes which configurations are about each twin; one that was deleted since it was looked at is
/// about none.
pub(super) fn note_statuses(
    c: &Connection,
    hub: &str,
    statuses: Vec<(String, Map<String, Value>)>,
) -> Result<(), Refusal> {
    let known = list(c, hub)?.into_iter().filter(Configuration::has_target);
    let known: HashSet<String> = known.map(|it| it.id).collect();
    let mut update = c.prepare_cached(
        "UPDATE devices SET configurations = ?3 WHERE hub = ?1 AND id = ?2 AND configurations != ?3",
    )?;
    for (id, mut status) in statuses {
        status.retain(|name, _| known.contains(name));
        update.execute(params![hub, id, json!(status).to_string()])?;
    }
    Ok(())
}

fn check_id(id: &str) -> Result<(), Refusal> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-+%_*!'".contains(&byte);
    match (1..=128).contains(&id.len()) && id.bytes().all(allowed) {
        true => Ok(()),
        false => Err(invalid(format!(
            "configuration '{id}' must have 1 to 128 lower-case letters, digits or any of - + % _ * ! '"
        ))),
    }
}

fn missing(id: &str) -> Refusal {
    Refusal::new(
        ErrorCode::ConfigurationNotFound,
        format!("there is no configuration '{id}'"),
    )
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

const DESIRED: &str = "properties.desired";
/// Azure's limit.
const MAX_CONFIGURATIONS: i64 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::registry;
    use crate::store::Store;

    #[tokio::test]
    async fn a_twin_names_none_that_was_deleted_while_it_was_looked_at() {
        let store = Store::open(None, false).unwrap();
        let found = store.run(|c| {
            registry::put(c, "hub", "dev", &json!({}), &IfMatch::Absent, 1)?;
            for (id, condition) in [("kept", "*"), ("off", "")] {
                let document = json!({"targetCondition": condition, "content": {}});
                let document = document.as_object().cloned().unwrap();
                put(c, "hub", id, document, &IfMatch::Absent, 1)?;
            }
            let seen = json!({"kept": 1, "off": 2, "deleted": 3});
            let seen = seen.as_object().cloned().unwrap();
            note_statuses(c, "hub", vec![("dev".to_owned(), seen)])?;
            registry::require(c, "hub", "dev")
        });
        let named = Value::Object(found.await.unwrap().configurations);
        assert_eq!(named, json!({"kept": 1}));
    }
}
