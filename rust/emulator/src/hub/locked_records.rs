//! What a service is to be told: records in batches, each under a lock until the service has taken
//! it.

use rusqlite::{Connection, params};
use serde_json::Value;

use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::random;

/// A table of records, of which a batch is handed out at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Records {
    /// With the columns `seq`, `hub`, `record`, `created`, `lock_token` and `locked_until`.
    pub table: &'static str,
    /// How many at a time.
    pub batch: i64,
    /// In messages for people.
    pub what: &'static str,
}

/// Records that are handed out together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Batch {
    /// With which the batch is completed or given back.
    pub lock_token: String,
    /// Azure's JSON, oldest first.
    pub records: Vec<Value>,
}

impl Records {
    /// Adds a record.
    pub(crate) fn write(
        self,
        c: &Connection,
        hub: &str,
        record: &Value,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        let Self { table, .. } = self;
        c.prepare_cached(&format!(
            "INSERT INTO {table} (hub, record, created) VALUES (?1, ?2, ?3)"
        ))?
        .execute(params![hub, record.to_string(), now])?;
        Ok(())
    }

    /// Locks the oldest records of a hub; `None` if there is nothing to tell.
    pub(crate) fn receive(
        self,
        c: &Connection,
        hub: &str,
        now: UnixMs,
    ) -> Result<Option<Batch>, Refusal> {
        let Self { table, batch, .. } = self;
        let lock_token = random::guid();
        let mut lock = c.prepare_cached(&format!(
            "UPDATE {table} SET lock_token = ?2, locked_until = ?3 WHERE seq IN \
             (SELECT seq FROM {table} WHERE hub = ?1 AND ifnull(locked_until, 0) <= ?4 \
              ORDER BY seq LIMIT ?5)"
        ))?;
        lock.execute(params![hub, lock_token, now + LOCK_MS, now, batch])?;
        let mut select = c.prepare_cached(&format!(
            "SELECT record FROM {table} WHERE lock_token = ?1 ORDER BY seq"
        ))?;
        let records = select
            .query_map([&lock_token], |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        let records: Vec<Value> = records
            .iter()
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect();
        Ok((!records.is_empty()).then_some(Batch {
            lock_token,
            records,
        }))
    }

    /// Forgets a batch that the service has taken.
    pub(crate) fn complete(
        self,
        c: &Connection,
        hub: &str,
        token: &str,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        let Self { table, .. } = self;
        let gone = c.execute(
            &format!(
                "DELETE FROM {table} WHERE hub = ?1 AND lock_token = ?2 AND locked_until > ?3"
            ),
            params![hub, token, now],
        )?;
        self.held(gone)
    }

    /// Gives a batch back, for the next one who asks.
    pub(crate) fn abandon(
        self,
        c: &Connection,
        hub: &str,
        token: &str,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        let Self { table, .. } = self;
        let given = c.execute(
            &format!(
                "UPDATE {table} SET lock_token = NULL, locked_until = NULL \
                 WHERE hub = ?1 AND lock_token = ?2 AND locked_until > ?3"
            ),
            params![hub, token, now],
        )?;
        self.held(given)
    }

    /// Lets records run out that nobody asked for.
    pub(crate) fn sweep(self, c: &Connection, ttl_ms: i64, now: UnixMs) -> Result<(), Refusal> {
        let Self { table, .. } = self;
        c.prepare_cached(&format!("DELETE FROM {table} WHERE created <= ?1"))?
            .execute([now - ttl_ms])?;
        Ok(())
    }

    fn held(self, records: usize) -> Result<(), Refusal> {
        match records {
            0 => Err(Refusal::new(
                ErrorCode::DeviceMessageLockLost,
                format!(
                    "no {} is held under this lock token; it ends after a minute",
                    self.what
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// Azure's default.
const LOCK_MS: i64 = 60_000;
