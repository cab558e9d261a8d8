//! What `platform.c` does on Linux, for systems without its pthreads: the clock, waiters, locks. It
//! is compiled and tested on every system, so that it stays whole.

use std::{
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

/// Milliseconds since the first call.
pub(crate) fn uptime_ms() -> i64 {
    static BOOT: OnceLock<Instant> = OnceLock::new();
    let uptime = BOOT.get_or_init(Instant::now).elapsed();
    i64::try_from(uptime.as_millis()).unwrap_or(i64::MAX)
}

/// One who waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    woken: bool,
    /// Uptime of the last progress, or the end of its rest; 0 before the first.
    alive_ms: i64,
}

impl Waiter {
    pub(crate) const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                woken: false,
                alive_ms: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// Until it is woken, or until that uptime; `i64::MAX` is without end.
    pub(crate) fn wait(&self, deadline_ms: i64) {
        let mut state = self.state();
        let is_over = deadline_ms <= uptime_ms();
        if !is_over {
            state.alive_ms = deadline_ms;
        }
        while !state.woken {
            let left = deadline_ms.saturating_sub(uptime_ms());
            if left <= 0 {
                break;
            }
            let left = Duration::from_millis(left.unsigned_abs()).min(LONGEST);
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        // A deadline that was over before is no progress.
        if state.woken || !is_over {
            state.alive_ms = uptime_ms();
        }
        state.woken = false;
    }

    pub(crate) fn wake(&self) {
        self.state().woken = true;
        self.changed.notify_one();
    }

    /// For the watchdog.
    pub(crate) fn alive_ms(&self) -> i64 {
        self.state().alive_ms
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lock that is taken by one call of C and given back by another.
#[derive(Debug)]
pub(crate) struct Lock {
    taken: Mutex<bool>,
    free: Condvar,
}

impl Lock {
    pub(crate) const fn new() -> Self {
        Self {
            taken: Mutex::new(false),
            free: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.free.wait_while(taken, |taken| *taken);
        *waited.unwrap_or_else(PoisonError::into_inner) = true;
    }

    pub(crate) fn unlock(&self) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.free.notify_one();
    }
}

/// A number of this thread's own, never 0.
pub(crate) fn thread_id() -> usize {
    thread_local! {
        static MARK: u8 = const { 0 };
    }
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

/// Some systems know no moment that is much farther away.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn a_wake_before_the_wait_is_not_lost_and_counts_once() {
        let waiter = Waiter::new();
        waiter.wake();
        waiter.wake();
        waiter.wait(i64::MAX);
        assert!(waiter.alive_ms() <= uptime_ms());
        waiter.wait(uptime_ms() + 1);
        let before = waiter.alive_ms();
        waiter.wait(0);
        assert_eq!(
            waiter.alive_ms(),
            before,
            "a deadline of the past is no progress"
        );
    }

    #[test]
    fn one_who_waits_without_end_is_woken_by_another_thread() {
        let waiter = Arc::new(Waiter::new());
        let waits = Arc::clone(&waiter);
        let thread = thread::spawn(move || waits.wait(i64::MAX));
        while waiter.alive_ms() != i64::MAX {
            thread::yield_now();
        }
        waiter.wake();
        thread.join().unwrap();
        assert_ne!(waiter.alive_ms(), i64::MAX);
    }

    #[test]
    fn a_lock_is_held_by_one_thread() {
        static LOCK: Lock = Lock::new();
        static COUNT: Mutex<(u32, u32)> = Mutex::new((0, 0));
        let threads = [(); 4].map(|()| {
            thread::spawn(|| {
                for _ in 0..1000 {
                    LOCK.lock();
                    let (one, other) = *COUNT.lock().unwrap();
                    assert_eq!(one, other);
                    COUNT.lock().unwrap().0 += 1;
                    thread::yield_now();
                    COUNT.lock().unwrap().1 += 1;
                    LOCK.unlock();
                }
            })
        });
        threads.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(*COUNT.lock().unwrap(), (4000, 4000));
    }

    #[test]
    fn each_thread_has_a_number_of_its_own() {
        let here = thread_id();
        assert_eq!(here, thread_id());
        let other = thread::spawn(thread_id).join().unwrap();
        assert!(here != 0 && other != 0 && here != other);
    }
}
