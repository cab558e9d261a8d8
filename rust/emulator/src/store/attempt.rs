//! A job that fails, and what it leaves.

use std::any::Any;

use rusqlite::Connection;

use crate::code::{ErrorCode, Refusal};

/// Does a job as a part of another: if it fails, it leaves no trace, and the other goes on.
pub(crate) fn attempt<T>(
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

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(ErrorCode::ServerError, format!("storage failed: {error}"))
    }
}

pub(super) fn stopped() -> Refusal {
    Refusal::new(ErrorCode::ServiceUnavailable, "the emulator is stopping")
}

pub(super) fn panicked(panic: &(dyn Any + Send)) -> Refusal {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Refusal::new(
        ErrorCode::ServerError,
        format!("a fault of the emulator: {text}"),
    )
}
