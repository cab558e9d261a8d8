//! Jobs for the connection that writes, and who does them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::Connection;

use super::attempt::{attempt, panicked};
use crate::code::{ErrorCode, Refusal};

/// What waits, and the connection, which one thread has at a time.
///
/// Whoever gives the connection back looks again at what waits: somebody may have found it taken.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    bell: Condvar,
    connection: Mutex<Connection>,
    place: Place,
    /// Jobs of the latest transaction that was done where it was asked for.
    latest: AtomicUsize,
    /// Roughly the pages that such transactions have written since the write-ahead log was folded.
    pages: AtomicUsize,
}

/// Where the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Memory,
    /// A commit is done when the system has it.
    File,
    /// A commit waits for the disk, so that only the storage thread may do it.
    Disk,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Whether the storage thread is to look.
    called: bool,
    /// Whether it sleeps.
    asleep: bool,
    closed: bool,
}

/// Runs inside the transaction.
pub(super) struct Job {
    /// Whether it is short, and fails only with those beside it.
    shared: bool,
    run: Box<dyn FnOnce(&Connection) -> Done + Send>,
}

/// What follows a job.
struct Done {
    /// Why those that were done with it fail.
    failed: Option<Refusal>,
    /// Runs after the commit and learns whether it worked.
    after: After,
}

type After = Box<dyn FnOnce(&Result<(), Refusal>) + Send>;

impl Job {
    /// One that leaves no trace if it fails, whatever it has written.
    pub(super) fn alone<T: Send + 'static>(
        job: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
        after: impl FnOnce(Result<T, Refusal>) + Send + 'static,
    ) -> Self {
        let run = move |c: &Connection| Done {
            failed: None,
            after: answered(attempt(c, job), after),
        };
        Self {
            shared: false,
            run: Box::new(run),
        }
    }

    /// One that is short, and fails before it writes or with all that are done with it.
    pub(super) fn shared<T: Send + 'static>(
        job: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
        after: impl FnOnce(Result<T, Refusal>) + Send + 'static,
    ) -> Self {
        let run = move |c: &Connection| {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(c)))
                .unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
            let failed = match &result {
                Err(refusal) if refusal.code == ErrorCode::ServerError => Some(refusal.clone()),
                _ => None,
            };
            Done {
                failed,
                after: answered(result, after),
            }
        };
        Self {
            shared: true,
            run: Box::new(run),
        }
    }
}

fn answered<T: Send + 'static>(
    result: Result<T, Refusal>,
    after: impl FnOnce(Result<T, Refusal>) + Send + 'static,
) -> After {
    Box::new(move |commit| {
        after(match commit {
            Ok(()) => result,
            Err(refusal) => Err(refusal.clone()),
        });
    })
}

impl Queue {
    /// Takes the connection.
    pub(super) fn new(connection: Connection, place: Place) -> Self {
        fold_at_commit(&connection, place != Place::File);
        Self {
            waiting: Mutex::default(),
            bell: Condvar::new(),
            connection: Mutex::new(connection),
            place,
            latest: AtomicUsize::new(0),
            pages: AtomicUsize::new(0),
        }
    }

    /// Puts a job behind the others, for [`Queue::execute_pending`].
    pub(super) fn push(&self, job: Job) {
        self.waiting().jobs.push_back(job);
    }

    /// Puts a job behind the others and calls the storage thread.
    pub(super) fn call(&self, job: Job) {
        let mut waiting = self.waiting();
        waiting.jobs.push_back(job);
        self.ring(waiting);
    }

    /// Lets the storage thread end when it has done what waits.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        self.ring(waiting);
    }

    /// Whether the latest transaction was shared.
    pub(super) fn is_busy(&self) -> bool {
        self.latest.load(Ordering::Relaxed) > 1
    }

    /// Does short jobs that wait, as long as the connection is free and nothing long stands before
    /// them.
    pub(super) fn execute_pending(&self) {
        for _ in 0..TURNS {
            if self.place == Place::Disk || self.is_long() {
                break;
            }
            let connection = match self.connection.try_lock() {
                Ok(connection) => connection,
                Err(TryLockError::Poisoned(connection)) => connection.into_inner(),
                // Whoever has it looks again.
                Err(TryLockError::WouldBlock) => return,
            };
            if !self.is_short_first() {
                break;
            }
            // Where another process writes, the storage thread waits for it, and nobody here.
            let begun = match self.place {
                Place::File => begin_at_once(&connection),
                Place::Memory | Place::Disk => begin(&connection),
            };
            if begun.is_err() {
                break;
            }
            let jobs = self.take(|job| job.shared);
            self.latest.store(jobs.len(), Ordering::Relaxed);
            if self.place == Place::File {
                self.pages.fetch_add(PAGES + jobs.len(), Ordering::Relaxed);
            }
            transact(&connection, begun, jobs);
        }
        let waiting = self.waiting();
        if !waiting.jobs.is_empty() {
            self.ring(waiting);
        }
    }

    /// The storage thread.
    pub(super) fn serve(&self) {
        while self.called() {
            loop {
                let connection = self.lock();
                if self.is_long() {
                    self.pages.store(0, Ordering::Relaxed);
                    let _ = connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)");
                }
                let jobs = self.take(|_| true);
                if !jobs.is_empty() {
                    let turns = self.place == Place::File;
                    if turns {
                        fold_at_commit(&connection, true);
                    }
                    transact(&connection, begin(&connection), jobs);
                    if turns {
                        fold_at_commit(&connection, false);
                    }
                }
                drop(connection);
                if self.waiting().jobs.is_empty() {
                    break;
                }
            }
        }
        // Folds the write-ahead log into the file; without it the next start does so.
        let _ = self.lock().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// Whether the write-ahead log should be folded into the file. SQLite does so at a commit, but
    /// where others wait for the same thread, nobody is to wait for the disk.
    fn is_long(&self) -> bool {
        self.pages.load(Ordering::Relaxed) >= MAX_PAGES
    }

    /// Whether a short job is the first that waits. Only whoever has the connection takes it.
    fn is_short_first(&self) -> bool {
        self.waiting().jobs.front().is_some_and(|job| job.shared)
    }

    /// Waits until the storage thread is called; `false` if that will not happen any more.
    fn called(&self) -> bool {
        let mut waiting = self.waiting();
        while !waiting.called && !waiting.closed {
            waiting.asleep = true;
            let woken = self.bell.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
            waiting.asleep = false;
        }
        waiting.called = false;
        !waiting.closed || !waiting.jobs.is_empty()
    }

    fn ring(&self, mut waiting: MutexGuard<'_, Waiting>) {
        waiting.called = true;
        let asleep = waiting.asleep;
        drop(waiting);
        if asleep {
            self.bell.notify_one();
        }
    }

    /// The first jobs, as long as they are `wanted`.
    fn take(&self, wanted: impl Fn(&Job) -> bool) -> Vec<Job> {
        let mut waiting = self.waiting();
        let most = waiting.jobs.iter().take(MAX_BATCH);
        let count = most.take_while(|job| wanted(job)).count();
        waiting.jobs.drain(..count).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

fn run(connection: &Connection, text: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(text)?.execute([])?;
    Ok(())
}

fn begin(connection: &Connection) -> rusqlite::Result<()> {
    run(connection, "BEGIN")
}

/// Begins a transaction that may write, or fails where another process has one.
fn begin_at_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    let begun = run(connection, "BEGIN IMMEDIATE");
    connection.busy_timeout(BUSY_TIME_LIMIT)?;
    begun
}

/// Does jobs in one transaction, which has begun or not, and then what follows them.
fn transact(connection: &Connection, begun: rusqlite::Result<()>, jobs: Vec<Job>) {
    let run = |text: &str| run(connection, text);
    let mut done = Vec::with_capacity(jobs.len());
    let is_whole = jobs.iter().all(|job| job.shared);
    let mut jobs = jobs.into_iter().peekable();
    while let Some(job) = jobs.next() {
        let first = done.len();
        if !job.shared {
            done.push(((job.run)(connection), Ok(())));
            continue;
        }
        let all = |c: &Connection| {
            done.push(((job.run)(c), Ok(())));
            while let Some(job) = jobs.next_if(|job| job.shared) {
                done.push(((job.run)(c), Ok(())));
            }
            let mut failed = done.iter().skip(first).filter_map(|it| it.0.failed.clone());
            failed.next().map_or(Ok(()), Err)
        };
        let together = match is_whole {
            // Then the transaction is what leaves no trace: a savepoint would copy every page once
            // more.
            true => all(connection).inspect_err(|_| {
                let _ = run("ROLLBACK").and_then(|()| run("BEGIN"));
            }),
            false => attempt(connection, all),
        };
        if together.is_err() {
            for (_, result) in done.iter_mut().skip(first) {
                result.clone_from(&together);
            }
        }
    }
    let committed = begun.and_then(|()| {
        run("COMMIT").inspect_err(|_| {
            // After a failed commit (a full disk) the transaction may still be open.
            let _ = run("ROLLBACK");
        })
    });
    let committed = committed.map_err(Refusal::from);
    for (done, result) in done {
        match committed {
            Ok(()) => (done.after)(&result),
            Err(_) => (done.after)(&committed),
        }
    }
}

/// Whether a commit folds the write-ahead log when that has become long.
fn fold_at_commit(connection: &Connection, on: bool) {
    let pages = if on { MAX_PAGES } else { 0 };
    let _ = connection.execute_batch(&format!("PRAGMA wal_autocheckpoint = {pages}"));
}

/// How long a statement waits for another process.
pub(super) const BUSY_TIME_LIMIT: Duration = Duration::from_secs(5);

/// Jobs in a transaction.
const MAX_BATCH: usize = 512;

/// Transactions in a row for others, before the storage thread is called.
const TURNS: usize = 4;

/// Pages of the write-ahead log before it is folded, as SQLite has it.
const MAX_PAGES: usize = 1000;

/// What a transaction writes at least.
const PAGES: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::store::in_memory;

    type Told = Arc<Mutex<Vec<(&'static str, bool)>>>;

    fn insert(c: &Connection, key: &str) -> Result<(), Refusal> {
        c.execute("INSERT INTO settings VALUES (?1, '')", [key])?;
        Ok(())
    }

    fn tell(told: &Told, key: &'static str) -> impl FnOnce(Result<(), Refusal>) + Send + 'static {
        let told = Arc::clone(told);
        move |result| told.lock().unwrap().push((key, result.is_ok()))
    }

    fn keys(c: &Connection) -> Vec<String> {
        let mut all = c.prepare("SELECT key FROM settings ORDER BY key").unwrap();
        let keys = all.query_map([], |row| row.get(0)).unwrap();
        keys.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn what_fails_takes_those_beside_it_along_and_no_others() {
        let c = in_memory().unwrap();
        let told = Told::default();
        let shared = |key, then: Result<(), Refusal>| {
            let job = move |c: &Connection| insert(c, key).and(then);
            Job::shared(job, tell(&told, key))
        };
        let refused = |code| Err(Refusal::new(code, "no"));
        let alone = Job::alone(|c| insert(c, "between"), tell(&told, "between"));
        let jobs = vec![
            shared("a", Ok(())),
            shared("b", refused(ErrorCode::ServerError)),
            alone,
            shared("c", Ok(())),
            Job::shared(
                move |_| refused(ErrorCode::DeviceNotFound),
                tell(&told, "d"),
            ),
            shared("e", Ok(())),
        ];
        transact(&c, begin(&c), jobs);
        // The same without anything between.
        let whole = vec![
            shared("f", Ok(())),
            shared("g", refused(ErrorCode::ServerError)),
        ];
        transact(&c, begin(&c), whole);
        transact(&c, begin(&c), vec![shared("h", Ok(()))]);
        assert_eq!(keys(&c), ["between", "c", "e", "h"]);
        let expected = [
            ("a", false),
            ("b", false),
            ("between", true),
            ("c", true),
            ("d", false),
            ("e", true),
            ("f", false),
            ("g", false),
            ("h", true),
        ];
        assert_eq!(*told.lock().unwrap(), expected);
    }

    #[test]
    fn who_finds_the_connection_taken_is_served_by_whoever_has_it() {
        let queue = Arc::new(Queue::new(in_memory().unwrap(), Place::Memory));
        let told = Told::default();
        let (again, late) = (Arc::clone(&queue), tell(&told, "late"));
        let early = move |c: &Connection| {
            again.push(Job::shared(|c| insert(c, "late"), late));
            // As another thread would, meanwhile: the connection is in use.
            again.execute_pending();
            insert(c, "early")
        };
        queue.push(Job::shared(early, tell(&told, "early")));
        queue.execute_pending();
        assert_eq!(*told.lock().unwrap(), [("early", true), ("late", true)]);
        assert_eq!(keys(&queue.lock()), ["early", "late"]);
    }

    #[test]
    fn where_another_process_writes_the_storage_thread_waits_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let open = || crate::store::connect(folder.path(), false).unwrap();
        let (other, told) = (open(), Told::default());
        let queue = Queue::new(open(), Place::File);
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        queue.push(Job::shared(|c| insert(c, "a"), tell(&told, "a")));
        queue.execute_pending();
        assert!(told.lock().unwrap().is_empty() && queue.waiting().called);
        std::thread::scope(|scope| {
            scope.spawn(|| queue.serve());
            other.execute_batch("COMMIT").unwrap();
            queue.close();
        });
        assert_eq!(*told.lock().unwrap(), [("a", true)]);
        // Nothing is left open of it.
        queue.push(Job::shared(|c| insert(c, "b"), tell(&told, "b")));
        queue.execute_pending();
        assert_eq!(keys(&other), ["a", "b"]);
    }

    #[test]
    fn what_is_long_or_waits_for_the_disk_is_left_to_the_storage_thread() {
        let told = Told::default();
        let queue = Queue::new(in_memory().unwrap(), Place::Memory);
        queue.push(Job::alone(|c| insert(c, "long"), tell(&told, "long")));
        queue.push(Job::shared(|c| insert(c, "behind"), tell(&told, "behind")));
        queue.execute_pending();
        let disk = Queue::new(in_memory().unwrap(), Place::Disk);
        disk.push(Job::shared(|c| insert(c, "disk"), tell(&told, "disk")));
        disk.execute_pending();
        assert!(told.lock().unwrap().is_empty());
        assert!(queue.waiting().called && disk.waiting().called);
        queue.close();
        queue.serve();
        assert_eq!(*told.lock().unwrap(), [("long", true), ("behind", true)]);
    }
}
