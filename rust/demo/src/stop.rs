//! Ctrl-C and SIGTERM: caught for the process, looked at by whoever waits.

use std::{
    io,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::Error;

/// A signal is the process's, and so is this.
static WANTED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// From now on both are noted instead of ending the process; `tell` is called at the first.
pub(crate) fn catch(tell: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let first = first().map_err(|source| Error::io("signals cannot be caught", source))?;
    std::thread::spawn(move || {
        first();
        *state() = true;
        WANTED.1.notify_all();
        tell();
    });
    Ok(())
}

/// What waits for the first of them; later ones change nothing.
#[cfg(unix)]
fn first() -> io::Result<impl FnOnce()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    Ok(move || {
        let _ = signals.forever().next();
        std::mem::forget(signals);
    })
}

/// As on Unix; and the end of the input, for a process whose parent has said that it keeps it open.
#[cfg(not(unix))]
fn first() -> io::Result<impl FnOnce()> {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&asked))?;
    }
    if std::env::var_os(PARENT).is_some() {
        let asked = Arc::clone(&asked);
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            asked.store(true, Ordering::Release);
        });
    }
    Ok(move || {
        while !asked.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(50));
        }
    })
}

/// The variable that tells a child that its input ends when it is to end, or when its parent is
/// gone.
#[cfg(not(unix))]
pub(crate) const PARENT: &str = "IOTHUB_DEMO_PARENT";

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
