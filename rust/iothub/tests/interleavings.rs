//! The inbox and the handler lock, as they are in `src/`, under every order in which their threads
//! can run: two threads of C that push inputs, the driver, and mqtt_helper's thread with a message.
//! Whether a wake is lost shows as a deadlock.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::{
    Mutex as StdMutex,
    atomic::{AtomicBool, Ordering},
};

use loom::{sync::Arc, thread};

#[path = "../src/handler_lock.rs"]
#[allow(dead_code, unreachable_pub)]
mod handler_lock;
#[path = "../src/inbox.rs"]
#[allow(dead_code, unreachable_pub)]
mod inbox;

/// As `src/sync.rs`, on loom's primitives.
mod sync {
    use critical_section::CriticalSection;
    use loom::sync::{Condvar, Mutex};

    loom::lazy_static! {
        static ref SECTION: Mutex<()> = Mutex::new(());
        static ref DRIVER: Flag = Flag::new();
        static ref HANDLER: Flag = Flag::new();
    }

    loom::thread_local! {
        static ID: std::cell::Cell<usize> = std::cell::Cell::new(0);
    }

    pub(crate) fn with<R>(f: impl FnOnce(CriticalSection<'_>) -> R) -> R {
        let _guard = SECTION.lock().unwrap();
        // SAFETY: of the threads of a model one at a time gets here, and no two models run at once.
        f(unsafe { CriticalSection::new() })
    }

    pub(crate) fn thread_id() -> usize {
        ID.with(|id| id.get())
    }

    /// Each thread says which it is.
    pub(crate) fn be(id: usize) {
        ID.with(|own| own.set(id));
    }

    #[derive(Clone, Copy)]
    pub(crate) enum Waiter {
        Driver,
        Handler,
    }

    /// As the platforms have it: a wake that came before is not lost, and two are as one.
    struct Flag {
        woken: Mutex<bool>,
        changed: Condvar,
    }

    impl Flag {
        fn new() -> Self {
            Self {
                woken: Mutex::new(false),
                changed: Condvar::new(),
            }
        }

        fn wait(&self) {
            let mut woken = self.woken.lock().unwrap();
            while !*woken {
                woken = self.changed.wait(woken).unwrap();
            }
            *woken = false;
        }

        fn wake(&self) {
            *self.woken.lock().unwrap() = true;
            self.changed.notify_one();
        }
    }

    impl Waiter {
        pub(crate) fn wait(self, _deadline_ms: Option<u64>) {
            match self {
                Self::Driver => DRIVER.wait(),
                Self::Handler => HANDLER.wait(),
            }
        }

        pub(crate) fn wake(self) {
            match self {
                Self::Driver => DRIVER.wake(),
                Self::Handler => HANDLER.wake(),
            }
        }
    }
}

use handler_lock::HandlerLock;
use inbox::{Inbox, Input};
use sync::Waiter;

const DRIVER: usize = 1;
const HELPER: usize = 2;

/// What the threads share, what the handler was told, in order, and whether it is being told.
struct Shared {
    inbox: Inbox,
    lock: HandlerLock,
    told: StdMutex<Vec<u16>>,
    inside: AtomicBool,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inbox: Inbox::new(),
            lock: HandlerLock::new(),
            told: StdMutex::default(),
            inside: AtomicBool::new(false),
        })
    }

    fn push(&self, message_id: u16) {
        self.inbox.push(Input::Puback { message_id });
    }

    fn tell(&self, what: u16) {
        let _guard = self.lock.lock();
        assert!(
            !self.inside.swap(true, Ordering::SeqCst),
            "two threads at once"
        );
        // Another thread gets its chance here.
        sync::with(|_| ());
        self.told.lock().unwrap().push(what);
        self.inside.store(false, Ordering::SeqCst);
    }

    /// As `handle_inputs` of the driver.
    fn handle_inputs(&self) {
        let _guard = self.lock.lock();
        while let Some(input) = self.inbox.pop() {
            if let Input::Puback { message_id } = input {
                self.tell(message_id);
            }
        }
    }
}

/// As the driver: until so much was told.
fn drive(shared: &Shared, all: usize) {
    sync::be(DRIVER);
    loop {
        shared.handle_inputs();
        if shared.told.lock().unwrap().len() >= all {
            return;
        }
        Waiter::Driver.wait(None);
    }
}

/// Every order with at most so many preemptions; that a thread waits is none. One model at a time,
/// since the waits are statics.
fn model(preemptions: impl Into<Option<usize>>, check: impl Fn() + Sync + Send + 'static) {
    static ONE: StdMutex<()> = StdMutex::new(());
    let _one = ONE.lock();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions.into();
    builder.check(check);
}

/// Every order there is: the inbox without the handler lock.
#[test]
fn no_wake_of_two_producers_is_lost() {
    model(None, || {
        let shared = Shared::new();
        let producers = [1, 2].map(|id| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.push(id))
        });
        let mut popped = 0;
        loop {
            while shared.inbox.pop().is_some() {
                popped += 1;
            }
            if popped == 2 {
                break;
            }
            Waiter::Driver.wait(None);
        }
        for producer in producers {
            producer.join().unwrap();
        }
    });
}

/// Every order there is: the handler lock without the inbox.
#[test]
fn two_threads_are_never_inside_the_handler_at_once() {
    model(None, || {
        let shared = Shared::new();
        let helper = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                sync::be(HELPER);
                shared.tell(1);
            })
        };
        sync::be(DRIVER);
        shared.tell(2);
        helper.join().unwrap();
        assert_eq!(shared.told.lock().unwrap().len(), 2);
    });
}

#[test]
fn no_input_of_two_producers_is_lost() {
    model(4, || {
        let shared = Shared::new();
        let producers = [1, 2].map(|id| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.push(id))
        });
        drive(&shared, 2);
        for producer in producers {
            producer.join().unwrap();
        }
        assert!(shared.inbox.pop().is_none());
    });
}

#[test]
fn a_message_comes_after_what_came_before_it() {
    model(3, || {
        let shared = Shared::new();
        let helper = {
            let shared = Arc::clone(&shared);
            // mqtt_helper's thread: an acknowledgement, then a message.
            thread::spawn(move || {
                sync::be(HELPER);
                shared.push(1);
                let guard = shared.lock.lock();
                shared.handle_inputs();
                shared.tell(2);
                drop(guard);
                Waiter::Driver.wake();
            })
        };
        drive(&shared, 2);
        helper.join().unwrap();
        assert_eq!(*shared.told.lock().unwrap(), [1, 2]);
    });
}

/// Two threads of C that push, the driver, and mqtt_helper's thread inside the handler.
#[test]
fn two_producers_the_driver_and_the_handler() {
    model(2, || {
        let shared = Shared::new();
        let producers = [1, 2].map(|id| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.push(id))
        });
        let helper = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                sync::be(HELPER);
                let guard = shared.lock.lock();
                shared.handle_inputs();
                shared.tell(3);
                assert!(shared.lock.is_mine());
                drop(guard);
                Waiter::Driver.wake();
            })
        };
        drive(&shared, 3);
        helper.join().unwrap();
        for producer in producers {
            producer.join().unwrap();
        }
    });
}
