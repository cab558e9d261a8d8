//! The hubs of this process: those that it was started with, and those that management made.

use std::fmt;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rusqlite::{Connection, params};
use serde_json::{Map, Value, json};

use crate::auth::policy::{self, Policy};
use crate::code::{ErrorCode, Refusal};
use crate::fields;
use crate::host::{Host, MANAGED_DOMAIN};
use crate::id;

/// One hub as management knows it.
#[derive(Clone)]
pub(crate) struct Hub {
    /// The host name.
    pub host: String,
    /// The name, under which management finds it.
    pub name: String,
    /// Whether the process was started with it; else management made it, and can delete it.
    pub given: bool,
    /// `location`, `tags`, `sku`, `properties` and `resourcegroup`, as they were written last.
    pub document: Map<String, Value>,
    /// Grows with each change of the document.
    pub etag: i64,
}

/// Without the document, which has keys in it.
impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("host", &self.host)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a hub can refuse shared access signatures for, under the names of its properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    /// A shared access policy.
    Policy,
    /// A device.
    Device,
    /// A module.
    Module,
}

impl Signer {
    /// Who signs as a device, or behind a slash as its module.
    pub(crate) fn of(id: &str) -> Self {
        match id::split(id) {
            (_, None) => Self::Device,
            (_, Some(_)) => Self::Module,
        }
    }

    fn property(self) -> &'static str {
        match self {
            Self::Policy => "disableLocalAuth",
            Self::Device => "disableDeviceSAS",
            Self::Module => "disableModuleSAS",
        }
    }
}

/// All hubs; the first one is the default.
#[derive(Debug)]
pub(crate) struct Hubs(RwLock<Vec<Hub>>);

impl Hubs {
    /// The hubs that a process is started with.
    pub(crate) fn given(hosts: &[String]) -> Self {
        Self(RwLock::new(
            hosts.iter().map(|host| Hub::given(host)).collect(),
        ))
    }

    /// The hubs that the process is started with, the first of which may have a name of its own,
    /// and those of before.
    pub(crate) fn load(
        c: &Connection,
        hosts: &[String],
        name: Option<&str>,
    ) -> Result<Self, Refusal> {
        let hubs = Self::given(hosts);
        let mut all = hubs.write();
        if let (Some(first), Some(name)) = (all.first_mut(), name) {
            name.clone_into(&mut first.name);
        }
        let mut select = c.prepare("SELECT host, name, document, etag FROM hubs ORDER BY host")?;
        let kept = select.query_map([], |row| {
            let document: String = row.get("document")?;
            Ok(Hub {
                host: row.get("host")?,
                name: row.get("name")?,
                given: false,
                document: serde_json::from_str(&document).unwrap_or_default(),
                etag: row.get("etag")?,
            })
        })?;
        for hub in kept {
            let hub = hub?;
            match all.iter_mut().find(|it| it.is_at(&hub.host)) {
                Some(given) => {
                    given.document = hub.document;
                    given.etag = hub.etag;
                }
                // One that the command line had once is not management's to bring back.
                None if hub.host == host_of(&hub.name) => all.push(hub),
                None => {}
            }
        }
        drop(all);
        Ok(hubs)
    }

    /// All of them, the default one first.
    pub(crate) fn all(&self) -> Vec<Hub> {
        self.read().clone()
    }

    /// The host names of all hubs, the default one first.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.read().iter().map(|hub| hub.host.clone()).collect()
    }

    /// The host name of the default hub.
    pub(crate) fn first(&self) -> String {
        self.read()
            .first()
            .map_or_else(String::new, |hub| hub.host.clone())
    }

    /// The hub with a host name, which may have a port.
    pub(crate) fn at(&self, host: &str) -> Option<Hub> {
        self.read().iter().find(|hub| hub.is_at(host)).cloned()
    }

    /// The hub that management means by a name: its own, or its host name.
    pub(crate) fn named(&self, name: &str) -> Option<Hub> {
        let all = self.read();
        let by_name = all.iter().find(|hub| hub.name.eq_ignore_ascii_case(name));
        by_name
            .or_else(|| all.iter().find(|hub| hub.is_at(name)))
            .cloned()
    }

    /// Whether the properties of a hub refuse tokens of a kind.
    pub(crate) fn refuses(&self, host: &str, signer: Signer) -> bool {
        let all = self.read();
        let hub = all.iter().find(|hub| hub.is_at(host));
        hub.and_then(|hub| hub.document.get("properties")?.get(signer.property()))
            .and_then(fields::boolean)
            .unwrap_or(false)
    }

    /// The shared access policies of a hub; `key` is the one that those have which nobody has
    /// changed.
    pub(crate) fn policies(&self, host: &str, key: &str) -> Vec<Policy> {
        let all = self.read();
        let hub = all.iter().find(|hub| hub.is_at(host));
        let kept = hub.and_then(|hub| hub.document.get("properties")?.get(POLICIES));
        policy::HUB.policies(kept, key)
    }

    /// Whether management has made a consumer group of a hub's events.
    pub(crate) fn has_consumer_group(&self, host: &str, name: &str) -> bool {
        let all = self.read();
        let hub = all.iter().find(|hub| hub.is_at(host));
        hub.is_some_and(|hub| {
            hub.consumer_groups()
                .any(|it| it.eq_ignore_ascii_case(name))
        })
    }

    /// The policy of a hub that has everything, with the key that it has now; `key` if nobody has
    /// changed it.
    pub(crate) fn owner_key(&self, host: &str, key: &str) -> String {
        let all = self.policies(host, key);
        let owner = all.into_iter().find(|it| it.name == policy::OWNER);
        owner.map_or_else(|| key.to_owned(), |it| it.keys[0].clone())
    }

    /// Takes a hub in, or its change; it must have been [saved](Hub::save) before.
    pub(crate) fn put(&self, hub: Hub) {
        let mut all = self.write();
        match all.iter_mut().find(|it| it.is_at(&hub.host)) {
            Some(known) => *known = hub,
            None => all.push(hub),
        }
    }

    /// Forgets a hub; it must have been [deleted](Hub::delete) before.
    pub(crate) fn remove(&self, host: &str) {
        self.write().retain(|hub| !hub.is_at(host));
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Hub>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Hub>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    fn given(host: &str) -> Self {
        let name = match Host::parse(host) {
            Host::Name(name) => name.split('.').next().unwrap_or(name),
            Host::Address(_) => host,
        };
        Self {
            host: host.to_owned(),
            name: name.to_owned(),
            given: true,
            document: Map::new(),
            etag: 1,
        }
    }

    /// A hub that management makes.
    pub(crate) fn made(name: &str) -> Result<Self, Refusal> {
        // Microsoft, "Naming rules and restrictions for Azure resources": 3 to 50, alphanumerics
        // and hyphens.
        let fits = (3..=50).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-');
        if !fits {
            return Err(Refusal::new(
                ErrorCode::ArgumentInvalid,
                format!(
                    "hub name '{name}' must have 3 to 50 letters, digits or hyphens, and no hyphen at either end"
                ),
            ));
        }
        Ok(Self {
            host: host_of(name),
            name: name.to_owned(),
            given: false,
            document: Map::new(),
            etag: 0,
        })
    }

    /// How many partitions it was given for its events, if it was.
    pub(crate) fn partition_count(&self) -> Option<u32> {
        let events = self.document.get("properties")?.get("eventHubEndpoints")?;
        let count = fields::integer(events.get("events")?.get("partitionCount")?)?;
        u32::try_from(count).ok()
    }

    /// The consumer groups of its events that management has made.
    pub(crate) fn consumer_groups(&self) -> impl Iterator<Item = &str> {
        let made = self.document.get(CONSUMER_GROUPS).and_then(Value::as_array);
        made.into_iter().flatten().filter_map(Value::as_str)
    }

    fn is_at(&self, host: &str) -> bool {
        Host::parse(host).is_same(Host::parse(&self.host))
    }

    /// Writes it to the storage.
    pub(crate) fn save(&self, c: &Connection) -> Result<(), Refusal> {
        c.execute(
            "INSERT OR REPLACE INTO hubs (host, name, document, etag) VALUES (?1, ?2, ?3, ?4)",
            params![
                self.host,
                self.name,
                json!(self.document).to_string(),
                self.etag
            ],
        )?;
        Ok(())
    }

    /// Removes it from the storage, and everything that is its own. Telemetry ages out of the ring.
    pub(crate) fn delete(&self, c: &Connection) -> Result<(), Refusal> {
        c.execute(
            "DELETE FROM partition_log WHERE partition IN (SELECT id FROM partitions WHERE hub = ?1)",
            [&self.host],
        )?;
        let mut select = c.prepare(
            "SELECT tables.name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns \
             WHERE tables.type = 'table' AND columns.name = 'hub' AND tables.name != 'telemetry'",
        )?;
        let tables = select.query_map([], |row| row.get::<_, String>(0))?;
        for table in tables.collect::<Result<Vec<_>, _>>()? {
            c.execute(
                &format!("DELETE FROM \"{table}\" WHERE hub = ?1"),
                [&self.host],
            )?;
        }
        c.execute("DELETE FROM certificates WHERE scope = ?1", [&self.host])?;
        c.execute("DELETE FROM hubs WHERE host = ?1", [&self.host])?;
        Ok(())
    }
}

/// Where a hub's document has its policies.
pub(crate) const POLICIES: &str = "authorizationPolicies";

/// Where it has its consumer groups, beside what clients write.
pub(crate) const CONSUMER_GROUPS: &str = "consumerGroups";
/// The consumer group that each hub has.
pub(crate) const DEFAULT_CONSUMER_GROUP: &str = "$Default";

/// The host name of a hub that management makes.
fn host_of(name: &str) -> String {
    format!("{}.{MANAGED_DOMAIN}", name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[tokio::test]
    async fn what_management_made_is_there_again() {
        let store = Store::open(None, false).unwrap();
        let kept = store.run(|c| {
            let given = hosts(&["first.localhost", "127.0.0.1"]);
            let hubs = Hubs::load(c, &given, Some("one"))?;
            let mut made = Hub::made("Made-1")?;
            made.document.insert(
                "properties".to_owned(),
                json!({"disableDeviceSAS": "true", "disableLocalAuth": false}),
            );
            made.save(c)?;
            hubs.put(made);
            let mut first = hubs.named("ONE").unwrap();
            first
                .document
                .insert("tags".to_owned(), json!({"site": "roof"}));
            first.save(c)?;
            Hubs::load(c, &given, Some("one"))
        });
        let hubs = kept.await.unwrap();
        let names: Vec<_> = hubs.all().into_iter().map(|hub| hub.name).collect();
        assert_eq!(names, ["one", "127.0.0.1", "Made-1"]);
        assert_eq!(
            hubs.named("first.localhost").unwrap().document["tags"],
            json!({"site": "roof"})
        );
        let made = "made-1.azure-devices.localhost:8444";
        assert!(hubs.refuses(made, Signer::Device) && !hubs.refuses(made, Signer::Policy));
        assert!(!hubs.refuses("first.localhost", Signer::Device));
        hubs.remove(made);
        assert_eq!(hubs.hosts(), ["first.localhost", "127.0.0.1"]);
    }

    #[tokio::test]
    async fn a_hub_of_a_former_command_line_does_not_come_back() {
        let store = Store::open(None, false).unwrap();
        let kept = store.run(|c| {
            let hubs = Hubs::load(c, &hosts(&["a.localhost", "b.localhost"]), None)?;
            hubs.at("b.localhost").unwrap().save(c)?;
            Hubs::load(c, &hosts(&["a.localhost"]), None)
        });
        assert_eq!(kept.await.unwrap().hosts(), ["a.localhost"]);
    }

    #[tokio::test]
    async fn with_a_hub_goes_what_is_its_own() {
        let store = Store::open(None, false).unwrap();
        let left = store.run(|c| {
            for hub in ["made.azure-devices.localhost", "other.localhost"] {
                c.execute("INSERT INTO sessions VALUES (?1, 'd', '')", [hub])?;
                let ca = "INSERT INTO certificates VALUES (?1, 'ca', x'', 1, NULL, 1, 0, 0)";
                c.execute(ca, [hub])?;
            }
            Hub::made("made")?.delete(c)?;
            let mut select =
                c.prepare("SELECT hub FROM sessions UNION ALL SELECT scope FROM certificates")?;
            let left = select.query_map([], |row| row.get::<_, String>(0))?;
            Ok(left.collect::<Result<Vec<_>, _>>()?)
        });
        assert_eq!(left.await.unwrap(), ["other.localhost", "other.localhost"]);
    }

    #[test]
    fn names_are_those_that_azure_takes() {
        for name in ["abc", "iot-hub001-0xacc5-dev", "A1b"] {
            assert!(Hub::made(name).is_ok(), "{name}");
        }
        let long = "x".repeat(51);
        for name in ["", "ab", "-abc", "abc-", "a.b.c", "a b c", "äöü", &long] {
            assert!(Hub::made(name).is_err(), "{name}");
        }
    }
}
