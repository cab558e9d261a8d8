//! Jobs as rows: what was asked, how far it is, and what became of each device.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value, json};

use crate::clock::{UnixMs, rfc3339};
use crate::code::{ErrorCode, Refusal};

/// One job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// The hub's host name.
    pub hub: String,
    /// By whoever made it, or made up.
    pub id: String,
    /// `scheduleUpdateTwin`, `scheduleDeviceMethod`, `import` or `export`.
    pub kind: String,
    /// Azure's word for how it stands.
    pub status: String,
    /// The request.
    pub document: Map<String, Value>,
    /// When it was made.
    pub created: UnixMs,
    /// When it is to begin, and when it began.
    pub start: UnixMs,
    /// When it ended.
    pub ended: Option<UnixMs>,
    /// Why it failed.
    pub failure: Option<String>,
    /// Lines of an import that are done; of a schedule, whether its devices are listed.
    pub done: i64,
    /// All there is to do, if it is known.
    pub total: i64,
}

impl Job {
    /// Whether a schedule over devices, and not an import or an export.
    pub(crate) fn is_schedule(&self) -> bool {
        self.kind.starts_with("schedule")
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let text: String = row.get("document")?;
        Ok(Self {
            hub: row.get("hub")?,
            id: row.get("id")?,
            kind: row.get("kind")?,
            status: row.get("status")?,
            document: serde_json::from_str(&text).unwrap_or_default(),
            created: row.get("created")?,
            start: row.get("start")?,
            ended: row.get("ended")?,
            failure: row.get("failure")?,
            done: row.get("done")?,
            total: row.get("total")?,
        })
    }

    /// Azure's JSON, with how many devices stand how.
    pub(crate) fn to_json(&self, c: &Connection) -> Result<Value, Refusal> {
        let time = |at: Option<UnixMs>| at.map(rfc3339);
        let begun = !["queued", "scheduled", "enqueued"].contains(&self.status.as_str());
        let mut shown = self.document.clone();
        let mut set = |name: &str, value: Value| shown.insert(name.to_owned(), value);
        set("jobId", json!(self.id));
        set("type", json!(self.kind));
        set("status", json!(self.status));
        set("failureReason", json!(self.failure));
        if self.is_schedule() {
            set("createdTime", json!(rfc3339(self.created)));
            set("startTime", json!(rfc3339(self.start)));
            set("endTime", json!(time(self.ended)));
            set("statusMessage", Value::Null);
            set("deviceJobStatistics", statistics(c, &self.hub, &self.id)?);
        } else {
            set("startTimeUtc", json!(time(begun.then_some(self.start))));
            set("endTimeUtc", json!(time(self.ended)));
            let progress = match (self.status.as_str(), self.total) {
                ("completed", _) => 100,
                (_, total) if total > 0 => self.done * 100 / total,
                _ => 0,
            };
            set("progress", json!(progress));
        }
        Ok(Value::Object(shown))
    }
}

fn statistics(c: &Connection, hub: &str, id: &str) -> Result<Value, Refusal> {
    let mut count = c.prepare_cached(
        "SELECT status, count(*) FROM device_jobs WHERE hub = ?1 AND job = ?2 GROUP BY status",
    )?;
    let rows = count.query_map([hub, id], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let of = |wanted: &[&str]| -> i64 {
        let rows = rows.iter().filter(|(it, _)| wanted.contains(&it.as_str()));
        rows.map(|(_, count)| count).sum()
    };
    Ok(json!({
        "deviceCount": rows.iter().map(|(_, count)| count).sum::<i64>(),
        "failedCount": of(&["failed", "cancelled"]),
        "succeededCount": of(&["completed"]),
        "runningCount": of(&["running"]),
        "pendingCount": of(&["pending"]),
    }))
}

/// Adds a job; the oldest that have ended go where there are too many.
pub(crate) fn insert(c: &Connection, job: &Job) -> Result<(), Refusal> {
    if find(c, &job.hub, &job.id)?.is_some() {
        return Err(Refusal::new(
            ErrorCode::JobAlreadyExists,
            format!("there is a job '{}' already", job.id),
        ));
    }
    let count: i64 = c.query_row(
        "SELECT count(*) FROM jobs WHERE hub = ?1",
        [&job.hub],
        |row| row.get(0),
    )?;
    if count >= MAX_JOBS {
        let oldest: Option<String> = c
            .query_row(
                "SELECT id FROM jobs WHERE hub = ?1 AND ended IS NOT NULL ORDER BY ended LIMIT 1",
                [&job.hub],
                |row| row.get(0),
            )
            .optional()?;
        let oldest = oldest.ok_or_else(|| {
            Refusal::new(
                ErrorCode::ThrottlingException,
                format!("{count} jobs are waiting or running already"),
            )
        })?;
        c.execute(
            "DELETE FROM device_jobs WHERE hub = ?1 AND job = ?2",
            [&job.hub, &oldest],
        )?;
        c.execute(
            "DELETE FROM jobs WHERE hub = ?1 AND id = ?2",
            [&job.hub, &oldest],
        )?;
    }
    c.execute(
        "INSERT INTO jobs (hub, id, kind, status, document, created, start) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            job.hub,
            job.id,
            job.kind,
            job.status,
            Value::Object(job.document.clone()).to_string(),
            job.created,
            job.start
        ],
    )?;
    Ok(())
}

/// Finds a job.
pub(crate) fn find(c: &Connection, hub: &str, id: &str) -> Result<Option<Job>, Refusal> {
    let mut select = c.prepare_cached("SELECT * FROM jobs WHERE hub = ?1 AND id = ?2")?;
    Ok(select.query_row([hub, id], Job::from_row).optional()?)
}

/// Finds a job, or refuses with `JobNotFound`.
pub(crate) fn require(c: &Connection, hub: &str, id: &str) -> Result<Job, Refusal> {
    find(c, hub, id)?
        .ok_or_else(|| Refusal::new(ErrorCode::JobNotFound, format!("there is no job '{id}'")))
}

/// All jobs of a hub, the latest first.
pub(crate) fn list(c: &Connection, hub: &str) -> Result<Vec<Job>, Refusal> {
    let mut select =
        c.prepare_cached("SELECT * FROM jobs WHERE hub = ?1 ORDER BY created DESC, id LIMIT ?2")?;
    let jobs = select.query_map(params![hub, MAX_JOBS], Job::from_row)?;
    Ok(jobs.collect::<Result<_, _>>()?)
}

/// Jobs that have not ended, in the order in which they are to begin.
pub(crate) fn unfinished(c: &Connection) -> Result<Vec<Job>, Refusal> {
    let mut select = c.prepare_cached("SELECT * FROM jobs WHERE ended IS NULL ORDER BY start")?;
    let jobs = select.query_map([], Job::from_row)?;
    Ok(jobs.collect::<Result<_, _>>()?)
}

/// Notes that a job runs; `false` if it has ended meanwhile.
pub(crate) fn begin(c: &Connection, job: &Job, now: UnixMs) -> Result<bool, Refusal> {
    if job.status != "running" {
        c.execute(
            "UPDATE jobs SET status = 'running', start = ?3 WHERE hub = ?1 AND id = ?2 AND ended IS NULL",
            params![job.hub, job.id, now],
        )?;
    }
    // A device that was being asked when the emulator ended is asked again.
    c.execute(
        "UPDATE device_jobs SET status = 'pending' WHERE hub = ?1 AND job = ?2 AND status = 'running'",
        [&job.hub, &job.id],
    )?;
    Ok(find(c, &job.hub, &job.id)?.is_some_and(|job| job.ended.is_none()))
}

/// Notes how far an import is, or that the devices of a schedule are listed.
pub(crate) fn advance(c: &Connection, job: &Job, done: usize, total: usize) -> Result<(), Refusal> {
    let number = |it: usize| i64::try_from(it).unwrap_or(i64::MAX);
    c.execute(
        "UPDATE jobs SET done = ?3, total = ?4 WHERE hub = ?1 AND id = ?2",
        params![job.hub, job.id, number(done), number(total)],
    )?;
    Ok(())
}

/// Ends a job, and what of it has not been done; one that has ended stays as it is.
pub(crate) fn end(
    c: &Connection,
    hub: &str,
    id: &str,
    status: &str,
    failure: Option<&str>,
    now: UnixMs,
) -> Result<bool, Refusal> {
    let ended = c.execute(
        "UPDATE jobs SET status = ?3, failure = ?4, ended = ?5 WHERE hub = ?1 AND id = ?2 AND ended IS NULL",
        params![hub, id, status, failure, now],
    )?;
    if ended == 1 {
        let rest = if status == "cancelled" {
            "cancelled"
        } else {
            "failed"
        };
        let error =
            json!({"error": {"code": "JobCancelled", "description": failure.unwrap_or(status)}});
        c.execute(
            "UPDATE device_jobs SET status = ?3, outcome = ?4, updated = ?5 \
             WHERE hub = ?1 AND job = ?2 AND status IN ('pending', 'running')",
            params![hub, id, rest, error.to_string(), now],
        )?;
    }
    Ok(ended == 1)
}

/// Adds devices to a job, which wait.
pub(crate) fn add_devices(
    c: &Connection,
    job: &Job,
    devices: &[String],
    now: UnixMs,
) -> Result<(), Refusal> {
    let mut insert = c.prepare_cached(
        "INSERT OR IGNORE INTO device_jobs (hub, job, device, status, created, updated) VALUES (?1, ?2, ?3, 'pending', ?4, ?4)",
    )?;
    for device in devices {
        insert.execute(params![job.hub, job.id, device, now])?;
    }
    Ok(())
}

/// Devices that wait for a job.
pub(crate) fn pending(c: &Connection, job: &Job, limit: usize) -> Result<Vec<String>, Refusal> {
    let mut select = c.prepare_cached(
        "SELECT device FROM device_jobs WHERE hub = ?1 AND job = ?2 AND status = 'pending' ORDER BY device LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let devices = select.query_map(params![job.hub, job.id, limit], |row| row.get(0))?;
    Ok(devices.collect::<Result<_, _>>()?)
}

/// Notes what became of a device, unless the job has ended.
pub(crate) fn finish_device(
    c: &Connection,
    job: &Job,
    device: &str,
    result: &Result<Value, Refusal>,
    now: UnixMs,
) -> Result<(), Refusal> {
    let (status, outcome) = match result {
        Ok(outcome) => ("completed", outcome.clone()),
        Err(refusal) => (
            "failed",
            json!({"error": {"code": refusal.code.name(), "description": refusal.reason}}),
        ),
    };
    set_device(c, job, device, status, Some(&outcome), now)
}

/// Notes how a device of a job stands, unless it is done with.
pub(crate) fn set_device(
    c: &Connection,
    job: &Job,
    device: &str,
    status: &str,
    outcome: Option<&Value>,
    now: UnixMs,
) -> Result<(), Refusal> {
    let mut update = c.prepare_cached(
        "UPDATE device_jobs SET status = ?4, outcome = ?5, updated = ?6 \
         WHERE hub = ?1 AND job = ?2 AND device = ?3 AND status IN ('pending', 'running')",
    )?;
    let outcome = outcome.map(Value::to_string);
    update.execute(params![job.hub, job.id, device, status, outcome, now])?;
    Ok(())
}

/// A page of what became of devices, behind a job and a device; for queries over `devices.jobs`.
pub(crate) fn outcomes(
    c: &Connection,
    hub: &str,
    after: (&str, &str),
    limit: usize,
) -> Result<Vec<Value>, Refusal> {
    let mut select = c.prepare_cached(
        "SELECT d.*, j.kind, j.start FROM device_jobs AS d JOIN jobs AS j ON j.hub = d.hub AND j.id = d.job \
         WHERE d.hub = ?1 AND (d.job, d.device) > (?2, ?3) ORDER BY d.job, d.device LIMIT ?4",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = select.query_map(params![hub, after.0, after.1, limit], |row| {
        let status: String = row.get("status")?;
        let updated = rfc3339(row.get("updated")?);
        let text: Option<String> = row.get("outcome")?;
        let outcome: Value = text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let ended = !["pending", "running"].contains(&status.as_str());
        let mut shown = json!({
            "deviceId": row.get::<_, String>("device")?,
            "jobId": row.get::<_, String>("job")?,
            "jobType": row.get::<_, String>("kind")?,
            "status": status,
            "startTimeUtc": rfc3339(row.get("start")?),
            "endTimeUtc": ended.then_some(&updated),
            "createdDateTimeUtc": rfc3339(row.get("created")?),
            "lastUpdatedDateTimeUtc": updated,
        });
        match outcome.get("error") {
            Some(error) => shown["error"] = error.clone(),
            None => shown["outcome"] = outcome,
        }
        Ok(shown)
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A text of a request.
pub(super) fn text<'d>(document: &'d Map<String, Value>, name: &str) -> Option<&'d str> {
    let text = document.get(name).and_then(Value::as_str);
    text.filter(|text| !text.is_empty())
}

/// Jobs that are kept of a hub.
const MAX_JOBS: i64 = 1000;
