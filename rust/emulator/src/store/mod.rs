//! SQLite behind one connection that writes. What is submitted while a transaction is being written
//! shares the next one (group commit), and is answered only when the system has it: a killed
//! emulator has lost nothing that it answered. With `sync` the disk has it, and a power cut loses
//! nothing either.
//!
//! What a device sends most often, telemetry and reports, is not written to its tables at once:
//! what is to be done there is put away as one row for each transaction, and done [`later`], many
//! at once and before anybody reads.
//!
//! The storage thread does what may take long. What a device waits for and is short is done where
//! it was asked for, without a change of threads, as long as the connection is free
//! ([`Store::enqueue`]).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use self::attempt::stopped;
use self::queue::{BUSY_TIME_LIMIT, Job, Place, Queue};
use self::readers::Readers;
use crate::code::Refusal;
use crate::file::Mode as _;

mod attempt;
mod later;
mod queue;
mod readers;

pub(crate) use attempt::attempt;
pub(crate) use later::Later;

/// The handle of the storage thread; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    owner: Arc<Owner>,
    reading: Reading,
}

/// Lets the storage thread end with the last handle.
#[derive(Debug)]
struct Owner(Arc<Queue>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Where jobs run that only read.
#[derive(Clone, Debug)]
enum Reading {
    /// Beside the storage thread, over the same file.
    Beside(Readers),
    /// On the storage thread, which alone has a database in memory; one at a time.
    There(Arc<tokio::sync::Mutex<()>>),
}

impl Store {
    /// Opens `emulator.db` in a folder, or a database in memory.
    pub(crate) fn open(folder: Option<&Path>, sync: bool) -> Result<Self, OpenError> {
        let connection = match folder {
            Some(folder) => connect(folder, sync)?,
            None => Connection::open_in_memory()
                .and_then(|it| prepare(it, sync))
                .map_err(OpenError::Memory)?,
        };
        Self::over(connection, folder, sync)
    }

    /// Opens a folder for one long transaction. Where nobody else has it open, that is without a
    /// write-ahead log, since the index of a long one takes much memory; the next start brings it
    /// back.
    pub(crate) fn open_for_import(folder: &Path) -> Result<Self, OpenError> {
        let connection = connect(folder, true)?;
        // Refused while others have it open.
        let _ = connection.execute_batch("PRAGMA journal_mode = DELETE");
        let _ = connection.execute_batch("PRAGMA cache_size = -32768");
        Self::over(connection, Some(folder), true)
    }

    fn over(connection: Connection, folder: Option<&Path>, sync: bool) -> Result<Self, OpenError> {
        let place = match (folder, sync) {
            (None, _) => Place::Memory,
            (Some(_), false) => Place::File,
            (Some(_), true) => Place::Disk,
        };
        let queue = Arc::new(Queue::new(connection, place));
        let served = Arc::clone(&queue);
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || served.serve())
            .map_err(OpenError::Thread)?;
        let reading = match folder {
            Some(folder) => Reading::Beside(Readers::new(folder.join(DATABASE))),
            None => Reading::There(Arc::default()),
        };
        let owner = Arc::new(Owner(queue));
        Ok(Self { owner, reading })
    }

    /// Runs a job in a transaction and answers after the commit. A job that fails leaves no trace.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.submit(job, move |result| {
            // Nobody may be waiting any more; the job has been done all the same.
            let _ = answer.send(result);
        });
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Runs a job that only reads, beside the storage thread where there is a file.
    ///
    /// It should be short; what reads a whole table does so in pieces. In memory, where it has to
    /// run on the storage thread, one such job at a time stands before those that write.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        match &self.reading {
            Reading::Beside(readers) => {
                if self.owner.0.is_left() {
                    // Every job is preceded by what is left.
                    self.run(|_| Ok(())).await?;
                }
                readers.run(job).await
            }
            Reading::There(turn) => {
                let _turn = turn.lock().await;
                self.run(job).await
            }
        }
    }

    /// A file without a name for what is too large for memory, on the disk of the database where
    /// that has one. It is gone with its handle.
    pub(crate) fn scratch(&self) -> std::io::Result<std::fs::File> {
        match &self.reading {
            Reading::Beside(readers) => tempfile::tempfile_in(readers.folder()),
            Reading::There(_) => tempfile::tempfile(),
        }
    }

    /// The same as [`Store::run`] without waiting. `after` runs on the storage thread, in the order
    /// of submission, so that what it announces is in the order of the commits; it must not block.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
        after: impl FnOnce(Result<T, Refusal>) + Send + 'static,
    ) {
        self.owner.0.call(Job::alone(job, after));
    }

    /// The same as [`Store::submit`] for a job that is short, and done by
    /// [`Store::execute_pending`], which whoever enqueues calls before it waits for anything.
    ///
    /// It either fails before it writes, or because the storage does
    /// ([`ServerError`](crate::code::ErrorCode::ServerError)): then all that were done with it
    /// fail. What is left for [`Later`] it lets be executed before it reads the tables, unless it
    /// knows what they will hold.
    pub(crate) fn enqueue<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection, &mut Later) -> Result<T, Refusal> + Send + 'static,
        after: impl FnOnce(Result<T, Refusal>) + Send + 'static,
    ) {
        self.owner.0.push(Job::short(job, after));
    }

    /// Does what is enqueued, here if the connection is free; else whoever has it does.
    pub(crate) fn execute_pending(&self) {
        self.owner.0.execute_pending();
    }

    /// Whether others enqueue at the same time, so that it pays to let them before
    /// [`Store::execute_pending`].
    pub(crate) fn is_busy(&self) -> bool {
        self.owner.0.is_busy()
    }
}

fn connect(folder: &Path, sync: bool) -> Result<Connection, OpenError> {
    std::fs::create_dir_all(folder).map_err(|error| OpenError::Folder(folder.to_owned(), error))?;
    ignore(folder)?;
    let path = folder.join(DATABASE);
    private(&path)?;
    let opened = Connection::open(&path).and_then(|it| prepare(it, sync));
    opened.map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy) => OpenError::InUse(path),
        _ => OpenError::Database(path, error),
    })
}

/// A database in memory without a thread, for the fuzz targets.
pub(crate) fn in_memory() -> rusqlite::Result<Connection> {
    Connection::open_in_memory().and_then(|it| prepare(it, false))
}

/// Folds the write-ahead log of a folder's database into its file, which is then whole without it.
/// It waits while others read, write or fold.
pub(crate) fn fold(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join("emulator.db");
    let failed = |error| OpenError::Database(path.clone(), error);
    let connection = Connection::open(&path).map_err(failed)?;
    let deadline = Instant::now() + FOLD_TIME_LIMIT;
    loop {
        let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            row.get::<_, bool>(0)
        });
        match busy.map_err(failed)? {
            false => return Ok(()),
            true if Instant::now() > deadline => {
                return Err(OpenError::InUse(path));
            }
            // The storage thread folds too when it ends, and SQLite does not wait for that.
            true => thread::sleep(Duration::from_millis(10)),
        }
    }
}

const FOLD_TIME_LIMIT: Duration = Duration::from_secs(5);

/// Refuses a folder whose database is gone while what belongs to it is still there: it would look
/// like a hub that is empty.
///
/// `begun` says whether an emulator has run on the folder before.
pub(crate) fn check(folder: &Path, begun: bool) -> Result<(), OpenError> {
    let size = |name: &str| std::fs::metadata(folder.join(name)).map(|it| it.len()).ok();
    let (database, log) = (size("emulator.db"), size("emulator.db-wal"));
    let log = log.is_some_and(|bytes| bytes > 0);
    let what = match database {
        Some(0) if log => "is empty, and its write-ahead log beside it is not",
        Some(0) if begun => "is empty, though an emulator has run on this folder",
        None if log => "is missing, and its write-ahead log is there",
        _ => return Ok(()),
    };
    Err(OpenError::Lost(folder.join("emulator.db"), what))
}

/// Why there is no storage.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The folder cannot be made.
    Folder(PathBuf, std::io::Error),
    /// A file of the folder cannot be written.
    File(PathBuf, std::io::Error),
    /// The file is no database of an emulator, or is locked.
    Database(PathBuf, rusqlite::Error),
    /// There is no memory for one.
    Memory(rusqlite::Error),
    /// The thread cannot be started.
    Thread(std::io::Error),
    /// Others do not let go of the file.
    InUse(PathBuf),
    /// The database is gone while what belongs to it is there: how.
    Lost(PathBuf, &'static str),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path, error) => {
                write!(f, "data folder {} cannot be made: {error}", path.display())
            }
            Self::File(path, error) => write!(f, "{} cannot be written: {error}", path.display()),
            Self::Database(path, error) => write!(f, "{} cannot be used: {error}", path.display()),
            Self::Memory(error) => write!(f, "a database in memory cannot be made: {error}"),
            Self::Thread(error) => write!(f, "the storage thread cannot be started: {error}"),
            Self::InUse(path) => write!(
                f,
                "{} is in use, as by an import: try again when that has ended",
                path.display()
            ),
            Self::Lost(path, what) => write!(
                f,
                "{} {what}: put the file back, or remove emulator.db and emulator.db-wal to begin with nothing",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}

fn prepare(connection: Connection, sync: bool) -> rusqlite::Result<Connection> {
    connection.busy_timeout(BUSY_TIME_LIMIT)?;
    let synchronous = if sync { "FULL" } else { "NORMAL" };
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; \
         PRAGMA temp_store = MEMORY;"
    ))?;
    connection.set_prepared_statement_cache_capacity(128);
    // One commit, since each of them waits for the disk.
    connection.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;"))?;
    // A database of before devices had parents.
    if connection.prepare("SELECT parent FROM devices").is_err() {
        connection.execute_batch("ALTER TABLE devices ADD COLUMN parent TEXT")?;
    }
    // A database of before there were modules.
    if connection
        .prepare("SELECT managed_by FROM devices")
        .is_err()
    {
        connection.execute_batch("ALTER TABLE devices ADD COLUMN managed_by TEXT")?;
    }
    // A database of before twins named their configurations.
    if connection
        .prepare("SELECT configurations FROM devices")
        .is_err()
    {
        connection.execute_batch(
            "ALTER TABLE devices ADD COLUMN configurations TEXT NOT NULL DEFAULT '{}'",
        )?;
    }
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version < 1 {
        connection.execute_batch(&format!("BEGIN; {INDEX_TAGS} COMMIT;"))?;
    }
    if version < 2 {
        connection.execute_batch(&format!("BEGIN; {COUNT_DEVICES} COMMIT;"))?;
    }
    later::execute_left(&connection)?;
    connection.execute_batch(
        "CREATE INDEX IF NOT EXISTS devices_configured ON devices (hub, id) WHERE configurations != '{}'",
    )?;
    Ok(connection)
}

pub(crate) const DATABASE: &str = "emulator.db";

pub(crate) const SCHEMA: &str = include_str!("store.sql");

/// For a database of before tags had an index.
const INDEX_TAGS: &str = "INSERT OR IGNORE INTO device_tags \
    SELECT hub, fullkey, atom, devices.id FROM devices, json_tree(devices.tags) WHERE atom IS NOT NULL; \
    PRAGMA user_version = 1;";

/// For a database of before devices were counted.
const COUNT_DEVICES: &str = "DELETE FROM device_counts; \
    INSERT INTO device_counts SELECT hub, status, count(*) FROM devices WHERE instr(id, '/') = 0 GROUP BY hub, status; \
    PRAGMA user_version = 2;";

/// Keeps the keys of a folder that was made here out of a repository that it may lie in.
fn ignore(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join(".gitignore");
    if path.exists() {
        return Ok(());
    }
    std::fs::write(&path, "*\n").map_err(|error| OpenError::File(path.to_owned(), error))
}

/// Makes the file, if it is missing, so that only its owner can read it: it holds the registry's
/// keys.
fn private(path: &Path) -> Result<(), OpenError> {
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .owned(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| OpenError::File(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::ErrorCode;

    #[tokio::test]
    async fn a_job_that_fails_leaves_no_trace_and_harms_no_other() {
        let store = Store::open(None, true).unwrap();
        let set = |value: &'static str, then: Result<(), Refusal>| {
            store.run(move |c| {
                c.execute("INSERT INTO settings (key, value) VALUES (?1, ?1)", [value])?;
                then
            })
        };
        let bad = Refusal::new(ErrorCode::ArgumentInvalid, "no");
        let (kept, dropped) = tokio::join!(set("a", Ok(())), set("b", Err(bad.clone())));
        assert_eq!((kept, dropped), (Ok(()), Err(bad)));
        let keys = store.run(|c| {
            let mut all = c.prepare("SELECT key FROM settings")?;
            let keys = all.query_map([], |row| row.get::<_, String>(0))?;
            Ok(keys.collect::<Result<Vec<_>, _>>()?)
        });
        assert_eq!(keys.await.unwrap(), ["a"]);
    }

    #[tokio::test]
    async fn a_panic_in_a_job_is_an_answer() {
        let store = Store::open(None, true).unwrap();
        let answer: Result<(), _> = store.run(|_| panic!("boom")).await;
        assert!(answer.unwrap_err().reason.contains("boom"));
        assert_eq!(store.run(|_| Ok(1)).await, Ok(1));
    }

    #[test]
    fn devices_are_counted_as_they_come_and_go() {
        let c = in_memory().unwrap();
        let row = |id: &str, status: &str| {
            c.execute(
                "INSERT INTO devices (hub, id, generation_id, etag, status, status_updated, auth_type, iot_edge, created) \
                 VALUES ('h', ?1, '', 1, ?2, 0, 'sas', 0, 0) \
                 ON CONFLICT (hub, id) DO UPDATE SET status = ?2",
                [id, status],
            )
            .unwrap();
        };
        let counted = || -> Vec<(String, i64)> {
            let mut all = c
                .prepare("SELECT status, devices FROM device_counts ORDER BY status")
                .unwrap();
            let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
            rows.unwrap().collect::<Result<_, _>>().unwrap()
        };
        let expected = |disabled, enabled| {
            vec![
                ("disabled".to_owned(), disabled),
                ("enabled".to_owned(), enabled),
            ]
        };
        for (id, status) in [
            ("a", "enabled"),
            ("b", "enabled"),
            ("c", "disabled"),
            ("a/module", "enabled"),
            ("b", "disabled"),
            ("a", "enabled"),
        ] {
            row(id, status);
        }
        assert_eq!(counted(), expected(2, 1));
        c.execute("DELETE FROM devices WHERE id IN ('b', 'a/module')", [])
            .unwrap();
        assert_eq!(counted(), expected(1, 1));
        // What an older emulator has left is counted anew.
        c.execute_batch("DELETE FROM device_counts; PRAGMA user_version = 1")
            .unwrap();
        let c = prepare(c, false).unwrap();
        let total = c.query_row("SELECT sum(devices) FROM device_counts", [], |row| {
            row.get::<_, i64>(0)
        });
        assert_eq!(total.unwrap(), 2);
    }
}
