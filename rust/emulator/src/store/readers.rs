//! Reading without the storage thread: on connections of their own, so that who reads much holds up
//! nobody who writes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::attempt::{panicked, stopped};
use crate::code::Refusal;

/// A few connections that only read; whoever finds them all in use waits.
///
/// A job should be short: what reads a whole table reads it in pieces, a job each, so that others
/// have their turn.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    path: Arc<PathBuf>,
    free: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path: Arc::new(path),
            free: Arc::default(),
            turns: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Where the database is.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Runs a job on a thread that may block. It sees everything that was committed before.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| stopped())?;
        let readers = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let free = readers.lock().pop();
            let connection = free.map_or_else(|| readers.connect(), Ok)?;
            let result = job(&connection);
            readers.lock().push(connection);
            result
        });
        match done.await {
            Ok(result) => result,
            Err(error) => Err(match error.try_into_panic() {
                Ok(panic) => panicked(panic.as_ref()),
                Err(_) => stopped(),
            }),
        }
    }

    fn connect(&self) -> Result<Connection, Refusal> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&*self.path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch("PRAGMA temp_store = MEMORY")?;
        Ok(connection)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const READERS: usize = 2;
