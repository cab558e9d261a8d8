//! Jobs for the connection that writes, and who does them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::Connection;

use super::attempt::{attempt, panicked};
use super::later::Later;
use crate::code::{ErrorCode, Refusal};

/// What waits, and the connection, which one thread has at a time.
///
/// Whoever gives the connection back looks again at what waits: somebody may have found it taken.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    bell: Condvar,
    held: Mutex<Held>,
    place: Place,
    /// Jobs of the latest transaction that was done where it was asked for.
    latest: AtomicUsize,
    /// Whether statements are left for later.
    is_left: AtomicBool,
    /// Roughly the pages that such transactions have written since the write-ahead log was folded.
    pages: AtomicUsize,
}

/// What one thread has at a time.
struct Held {
    connection: Connection,
    later: Later,
    /// What SQLite counts changes of other processes with.
    version: i64,
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
    /// Whether it is short, and fails only with all that are done with it. What is left for later
    /// it lets be executed where it needs that.
    short: bool,
    run: Run,
}

type Run = Box<dyn FnOnce(&Connection, &mut Later) -> Done + Send>;

/// What follows a job.
struct Done {
    /// Why all that are done with it fail.
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
        let run = move |c: &Connection, _: &mut Later| Done {
            failed: None,
            after: answered(attempt(c, job), after),
        };
        Self {
            short: false,
            run: Box::new(run),
        }
    }

    /// One that is short, and fails before it writes or with all that are done with it.
    pub(super) fn short<T: Send + 'static>(
        job: impl FnOnce(&Connection, &mut Later) -> Result<T, Refusal> + Send + 'static,
        after: impl FnOnce(Result<T, Refusal>) + Send + 'static,
    ) -> Self {
        let run = move |c: &Connection, later: &mut Later| {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(c, later)))
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
            short: true,
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
            held: Mutex::new(Held {
                connection,
                later: Later::new(place != Place::Memory),
                version: 0,
            }),
            place,
            is_left: AtomicBool::new(false),
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

    /// Whether statements are left for later that readers of the tables need.
    pub(super) fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Acquire)
    }

    /// Does short jobs that wait, as long as the connection is free and nothing long stands before
    /// them.
    pub(super) fn execute_pending(&self) {
        for _ in 0..TURNS {
            if self.place == Place::Disk || self.is_long() {
                break;
            }
            let mut held = match self.held.try_lock() {
                Ok(held) => held,
                Err(TryLockError::Poisoned(held)) => held.into_inner(),
                // Whoever has it looks again.
                Err(TryLockError::WouldBlock) => return,
            };
            if !self.is_short_first() {
                break;
            }
            // Where another process writes, the storage thread waits for it, and nobody here.
            let begun = match self.place {
                Place::File => begin_at_once(&held.connection),
                Place::Memory | Place::Disk => begin(&held.connection),
            };
            if begun.is_err() {
                break;
            }
            let jobs = self.take(|job| job.short);
            self.latest.store(jobs.len(), Ordering::Relaxed);
            let pages = self.transact(&mut held, begun, jobs);
            if self.place == Place::File {
                self.pages.fetch_add(pages, Ordering::Relaxed);
            }
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
                let mut held = self.lock();
                if self.is_long() {
                    self.pages.store(0, Ordering::Relaxed);
                    let fold = "PRAGMA wal_checkpoint(PASSIVE)";
                    let _ = held.connection.execute_batch(fold);
                }
                let jobs = self.take(|_| true);
                if !jobs.is_empty() {
                    let turns = self.place == Place::File;
                    if turns {
                        fold_at_commit(&held.connection, true);
                    }
                    let begun = self.begin(&held, &jobs);
                    self.transact(&mut held, begun, jobs);
                    if turns {
                        fold_at_commit(&held.connection, false);
                    }
                }
                drop(held);
                if self.waiting().jobs.is_empty() {
                    break;
                }
            }
        }
        let mut held = self.lock();
        if !held.later.is_empty() {
            held.later.demand();
            let begun = begin(&held.connection);
            self.transact(&mut held, begun, Vec::new());
        }
        // Folds the write-ahead log into the file; without it the next start does so.
        let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
        let _ = held.connection.execute_batch(fold);
    }

    /// Begins a transaction, which writes if anything is left for later, or may be.
    fn begin(&self, held: &Held, jobs: &[Job]) -> rusqlite::Result<()> {
        match self.place != Place::Memory && writes(held, jobs) {
            true => run(&held.connection, "BEGIN IMMEDIATE"),
            false => begin(&held.connection),
        }
    }

    /// Does jobs in one transaction; says roughly how many pages that has written.
    fn transact(&self, held: &mut Held, begun: rusqlite::Result<()>, jobs: Vec<Job>) -> usize {
        let others = match jobs.iter().all(|job| job.short) {
            true => 2,
            false => PAGES + jobs.len(),
        };
        let bytes = transact(held, self.place, begun, jobs, &self.is_left);
        let settled = match held.later.is_empty() {
            true => SETTLED,
            false => 0,
        };
        others + bytes / PAGE + settled
    }

    /// Whether the write-ahead log should be folded into the file. SQLite does so at a commit, but
    /// where others wait for the same thread, nobody is to wait for the disk.
    fn is_long(&self) -> bool {
        self.pages.load(Ordering::Relaxed) >= MAX_PAGES
    }

    /// Whether a short job is the first that waits. Only whoever has the connection takes it.
    fn is_short_first(&self) -> bool {
        self.waiting().jobs.front().is_some_and(|job| job.short)
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

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Does jobs in one transaction, which has begun or not, and then what follows them. Says how many
/// bytes were put away for later.
fn transact(
    held: &mut Held,
    place: Place,
    begun: rusqlite::Result<()>,
    jobs: Vec<Job>,
    is_left: &AtomicBool,
) -> usize {
    let writes = place != Place::Memory && writes(held, &jobs);
    let Held {
        connection,
        later,
        version,
    } = held;
    let connection = &*connection;
    let run = |text: &str| run(connection, text);
    let mut whole = begun.map_err(Refusal::from).and_then(|()| match writes {
        true => later.begin(connection, version),
        false => later.catch_up(connection),
    });
    let mut done = Vec::with_capacity(jobs.len());
    for job in jobs {
        if !job.short {
            whole = whole.and_then(|()| settle(connection, later));
        }
        let it = (job.run)(connection, later);
        whole = whole.and(it.failed.map_or(Ok(()), Err));
        done.push(it.after);
    }
    let mut bytes = 0;
    let committed = whole.and_then(|()| {
        bytes = later.finish(connection)?;
        Ok(run("COMMIT")?)
    });
    match &committed {
        Ok(()) => later.committed(),
        Err(_) => {
            // After a failed commit (a full disk) the transaction may still be open.
            let _ = run("ROLLBACK");
            later.rolled_back();
        }
    }
    is_left.store(!later.is_empty(), Ordering::Release);
    for after in done {
        after(&committed);
    }
    bytes
}

/// Whether a transaction of these jobs writes as a rule, because of what is left for later.
fn writes(held: &Held, jobs: &[Job]) -> bool {
    !held.later.is_empty() || jobs.iter().any(|job| job.short)
}

/// Executes what was left for later, before a job that may read and write any table.
fn settle(c: &Connection, later: &mut Later) -> Result<(), Refusal> {
    later.settle(c)?;
    later.touch();
    Ok(())
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

/// What it takes to do what was left for later.
const SETTLED: usize = 32;

/// Bytes of a page.
const PAGE: usize = 4096;

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

    fn held() -> Held {
        Held {
            connection: in_memory().unwrap(),
            later: Later::new(true),
            version: 0,
        }
    }

    fn transact(held: &mut Held, jobs: Vec<Job>) {
        let begun = begin(&held.connection);
        let is_left = AtomicBool::default();
        super::transact(held, Place::File, begun, jobs, &is_left);
        assert_eq!(is_left.into_inner(), !held.later.is_empty());
    }

    const LEFT: &str = "INSERT INTO settings VALUES (?1, '')";

    fn leave(later: &mut Later, key: &str) {
        later.put(None, LEFT, [key.to_owned().into()]);
    }

    #[test]
    fn what_is_left_for_later_is_there_for_every_other_job() {
        let (mut held, told) = (held(), Told::default());
        let leaves = |key| {
            let job = move |_: &Connection, later: &mut Later| {
                leave(later, key);
                Ok(())
            };
            Job::short(job, tell(&told, key))
        };
        let sees = |count: usize| {
            let seen = tell(&told, "seen");
            let job = move |c: &Connection| {
                assert_eq!(keys(c).len(), count);
                Ok(())
            };
            Job::alone(job, seen)
        };
        transact(&mut held, vec![leaves("a"), leaves("b")]);
        assert!(keys(&held.connection).is_empty());
        assert_eq!(told.lock().unwrap().len(), 2);
        // Within a transaction, and over transactions.
        let generation = held.later.generation();
        let jobs = vec![leaves("c"), sees(3), leaves("d"), sees(4), leaves("e")];
        transact(&mut held, jobs);
        assert_ne!(held.later.generation(), generation);
        transact(&mut held, vec![sees(5)]);
        assert!(held.later.is_empty());
        assert!(told.lock().unwrap().iter().all(|(_, is_ok)| *is_ok));
    }

    #[test]
    fn what_is_left_by_a_job_that_fails_is_never_done() {
        let (mut held, told) = (held(), Told::default());
        let job = |key, then: Result<(), Refusal>| {
            let job = move |_: &Connection, later: &mut Later| {
                leave(later, key);
                then
            };
            Job::short(job, tell(&told, key))
        };
        let failed = || Err(Refusal::new(ErrorCode::ServerError, "no"));
        transact(&mut held, vec![job("kept", Ok(()))]);
        transact(&mut held, vec![job("a", Ok(())), job("b", failed())]);
        // Beside what stands alone it takes everything along, as a commit that fails does.
        let alone = Job::alone(|c| insert(c, "alone"), tell(&told, "alone"));
        transact(&mut held, vec![alone, job("c", failed())]);
        let last = Job::alone(|c| insert(c, "last"), tell(&told, "last"));
        transact(&mut held, vec![last]);
        assert_eq!(keys(&held.connection), ["kept", "last"]);
        let expected = [
            ("kept", true),
            ("a", false),
            ("b", false),
            ("alone", false),
            ("c", false),
            ("last", true),
        ];
        assert_eq!(*told.lock().unwrap(), expected);
    }

    #[test]
    fn what_is_left_is_done_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let open = || crate::store::connect(folder.path(), false).unwrap();
        let told = Told::default();
        let queue = Queue::new(open(), Place::File);
        let job = |_: &Connection, later: &mut Later| {
            leave(later, "a");
            Ok(())
        };
        queue.push(Job::short(job, tell(&told, "a")));
        queue.execute_pending();
        assert!(queue.is_left() && keys(&queue.lock().connection).is_empty());
        queue.close();
        queue.serve();
        assert_eq!(keys(&queue.lock().connection), ["a"]);
        assert_eq!(keys(&open()), ["a"]);
    }

    #[test]
    fn another_process_that_opens_the_folder_does_what_is_left_and_it_is_not_done_twice() {
        let folder = tempfile::tempdir().unwrap();
        let open = || crate::store::connect(folder.path(), false).unwrap();
        let told = Told::default();
        let queue = Queue::new(open(), Place::File);
        let job = |key: &'static str| {
            let job = move |_: &Connection, later: &mut Later| {
                leave(later, key);
                Ok(())
            };
            Job::short(job, tell(&told, key))
        };
        queue.push(job("a"));
        queue.execute_pending();
        let other = open();
        assert_eq!(keys(&other), ["a"]);
        // A second time it would be no new key.
        for key in ["b", "c"] {
            queue.push(job(key));
            queue.execute_pending();
        }
        let last = |c: &Connection, later: &mut Later| {
            later.settle(c)?;
            insert(c, "d")
        };
        queue.push(Job::short(last, tell(&told, "d")));
        queue.execute_pending();
        assert_eq!(keys(&other), ["a", "b", "c", "d"]);
        assert!(told.lock().unwrap().iter().all(|(_, is_ok)| *is_ok));
    }

    #[test]
    fn a_short_job_that_fails_takes_all_along_and_one_that_stands_alone_nobody() {
        let mut held = held();
        let told = Told::default();
        let short = |key, then: Result<(), Refusal>| {
            let job = move |c: &Connection, _: &mut Later| insert(c, key).and(then);
            Job::short(job, tell(&told, key))
        };
        let refused = |code| Err(Refusal::new(code, "no"));
        let late = Job::short(
            move |_, _| refused(ErrorCode::DeviceNotFound),
            tell(&told, "late"),
        );
        let none = Job::alone(
            move |c| insert(c, "none").and(refused(ErrorCode::ServerError)),
            tell(&told, "none"),
        );
        let alone = |key| Job::alone(move |c| insert(c, key), tell(&told, key));
        transact(&mut held, vec![short("a", Ok(())), late, none, alone("b")]);
        let failed = refused(ErrorCode::ServerError);
        transact(&mut held, vec![short("c", Ok(())), short("d", failed)]);
        let failed = refused(ErrorCode::ServerError);
        transact(&mut held, vec![alone("e"), short("f", failed), alone("g")]);
        transact(&mut held, vec![short("h", Ok(()))]);
        assert_eq!(keys(&held.connection), ["a", "b", "h"]);
        let expected = [
            ("a", true),
            ("late", false),
            ("none", false),
            ("b", true),
            ("c", false),
            ("d", false),
            ("e", false),
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
        let early = move |c: &Connection, _: &mut Later| {
            again.push(Job::short(|c, _| insert(c, "late"), late));
            // As another thread would, meanwhile: the connection is in use.
            again.execute_pending();
            insert(c, "early")
        };
        queue.push(Job::short(early, tell(&told, "early")));
        queue.execute_pending();
        assert_eq!(*told.lock().unwrap(), [("early", true), ("late", true)]);
        assert_eq!(keys(&queue.lock().connection), ["early", "late"]);
    }

    #[test]
    fn where_another_process_writes_the_storage_thread_waits_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let open = || crate::store::connect(folder.path(), false).unwrap();
        let (other, told) = (open(), Told::default());
        let queue = Queue::new(open(), Place::File);
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        queue.push(Job::short(|c, _| insert(c, "a"), tell(&told, "a")));
        queue.execute_pending();
        assert!(told.lock().unwrap().is_empty() && queue.waiting().called);
        std::thread::scope(|scope| {
            scope.spawn(|| queue.serve());
            other.execute_batch("COMMIT").unwrap();
            queue.close();
        });
        assert_eq!(*told.lock().unwrap(), [("a", true)]);
        // Nothing is left open of it.
        queue.push(Job::short(|c, _| insert(c, "b"), tell(&told, "b")));
        queue.execute_pending();
        assert_eq!(keys(&other), ["a", "b"]);
    }

    #[test]
    fn what_is_long_or_waits_for_the_disk_is_left_to_the_storage_thread() {
        let told = Told::default();
        let queue = Queue::new(in_memory().unwrap(), Place::Memory);
        queue.push(Job::alone(|c| insert(c, "long"), tell(&told, "long")));
        queue.push(Job::short(
            |c, _| insert(c, "behind"),
            tell(&told, "behind"),
        ));
        queue.execute_pending();
        let disk = Queue::new(in_memory().unwrap(), Place::Disk);
        disk.push(Job::short(|c, _| insert(c, "disk"), tell(&told, "disk")));
        disk.execute_pending();
        assert!(told.lock().unwrap().is_empty());
        assert!(queue.waiting().called && disk.waiting().called);
        queue.close();
        queue.serve();
        assert_eq!(*told.lock().unwrap(), [("long", true), ("behind", true)]);
    }
}
