//! SQLite behind one thread. What is submitted while a transaction is being written shares the
//! next one (group commit), and is answered only when the system has it: a killed emulator has lost
//! nothing that it answered. With `sync` the disk has it, and a power cut loses nothing either.

use std::any::Any;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::code::{ErrorCode, Refusal};

/// The handle of the storage thread; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    jobs: mpsc::Sender<Job>,
}

/// Runs inside the transaction; what it returns runs after the commit and learns whether it worked.
type Job = Box<dyn FnOnce(&Connection) -> Done + Send>;
type Done = Box<dyn FnOnce(&Result<(), Refusal>) + Send>;

impl Store {
    /// Opens `emulator.db` in a folder, or a database in memory.
    pub(crate) fn open(folder: Option<&Path>, sync: bool) -> Result<Self, String> {
        let connection = match folder {
            Some(folder) => {
                std::fs::create_dir_all(folder).map_err(|error| {
                    format!("data folder {} cannot be made: {error}", folder.display())
                })?;
                ignore(folder)?;
                let path = folder.join("emulator.db");
                private(&path)?;
                let opened = Connection::open(&path).and_then(|it| prepare(it, sync));
                opened.map_err(|error| format!("{} cannot be used: {error}", path.display()))?
            }
            None => Connection::open_in_memory()
                .and_then(|it| prepare(it, sync))
                .map_err(|error| format!("a database in memory cannot be made: {error}"))?,
        };
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || serve(&connection, &queue))
            .map_err(|error| format!("the storage thread cannot be started: {error}"))?;
        Ok(Self { jobs })
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

    /// The same without waiting. `after` runs on the storage thread, in the order of submission, so
    /// that what it announces is in the order of the commits; it must not block.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
        after: impl FnOnce(Result<T, Refusal>) + Send + 'static,
    ) {
        let job: Job = Box::new(move |connection| {
            let result = in_savepoint(connection, job);
            Box::new(move |commit| {
                after(match commit {
                    Ok(()) => result,
                    Err(refusal) => Err(refusal.clone()),
                });
            })
        });
        // The thread ends only with the last handle.
        let _ = self.jobs.send(job);
    }
}

fn in_savepoint<T>(
    connection: &Connection,
    job: impl FnOnce(&Connection) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    connection.prepare_cached("SAVEPOINT job")?.execute([])?;
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(connection)))
        .unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
    if result.is_err() {
        connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    connection.prepare_cached("RELEASE job")?.execute([])?;
    result
}

fn serve(connection: &Connection, queue: &mpsc::Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let mut done = Vec::new();
        let begun = connection.execute_batch("BEGIN").map_err(Refusal::from);
        let jobs = std::iter::once(first).chain(queue.try_iter().take(MAX_BATCH - 1));
        done.extend(jobs.map(|job| job(connection)));
        let committed = begun.and_then(|()| {
            connection.execute_batch("COMMIT").map_err(|error| {
                // After a failed commit (a full disk) the transaction may still be open.
                let _ = connection.execute_batch("ROLLBACK");
                Refusal::from(error)
            })
        });
        for after in done {
            after(&committed);
        }
    }
    // Folds the write-ahead log into the file; without it the next start does so.
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
}

fn prepare(connection: Connection, sync: bool) -> rusqlite::Result<Connection> {
    connection.busy_timeout(Duration::from_secs(5))?;
    let synchronous = if sync { "FULL" } else { "NORMAL" };
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; \
         PRAGMA temp_store = MEMORY;"
    ))?;
    connection.set_prepared_statement_cache_capacity(128);
    // One commit, since each of them waits for the disk.
    connection.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;"))?;
    Ok(connection)
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(ErrorCode::ServerError, format!("storage failed: {error}"))
    }
}

fn stopped() -> Refusal {
    Refusal::new(ErrorCode::ServiceUnavailable, "the emulator is stopping")
}

fn panicked(panic: &(dyn Any + Send)) -> Refusal {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Refusal::new(
        ErrorCode::ServerError,
        format!("a fault of the emulator: {text}"),
    )
}

const MAX_BATCH: usize = 512;

const SCHEMA: &str = include_str!("store.sql");

/// Keeps the keys of a folder that was made here out of a repository that it may lie in.
fn ignore(folder: &Path) -> Result<(), String> {
    let path = folder.join(".gitignore");
    if path.exists() {
        return Ok(());
    }
    std::fs::write(&path, "*\n")
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

/// Makes the file, if it is missing, so that only its owner can read it: it holds the registry's keys.
fn private(path: &std::path::Path) -> Result<(), String> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
