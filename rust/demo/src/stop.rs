//! Ctrl-C and SIGTERM: caught for the process, looked at by whoever waits.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::Error;

/// A signal is the process's, and so is this.
static WANTED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// From now on both are noted instead of ending the process; `tell` is called at the first.
pub(crate) fn catch(tell: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .map_err(|source| Error::io("signals cannot be caught", source))?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            *state() = true;
            WANTED.1.notify_all();
            tell();
        }
        // Later ones change nothing.
        signals.forever().for_each(drop);
    });
    Ok(())
}

/// Whether one has come.
pub(crate) fn wanted() -> bool {
    *state()
}

/// What a step says that was not done, or not to its end, because one has come.
pub(crate) fn check() -> Result<(), Error> {
    match wanted() {
        true => Err(Error::new("interrupted")),
        false => Ok(()),
    }
}

/// Waits for one; whether it has come.
pub(crate) fn wait(at_most: Duration) -> bool {
    let waited = WANTED
        .1
        .wait_timeout_while(state(), at_most, |wanted| !*wanted);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

fn state() -> MutexGuard<'static, bool> {
    WANTED.0.lock().unwrap_or_else(PoisonError::into_inner)
}
