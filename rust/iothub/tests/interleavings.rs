//! The inbox and the turn, as they are in `src/`, under every order in which their threads can run: two threads of C that
//! push facts, the driver, and mqtt_helper's thread with a message. Whether a wake is lost shows as a deadlock.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::{
    Mutex as StdMutex,
    atomic::{AtomicBool, Ordering},
};

use loom::{sync::Arc, thread};

#[path = "../src/inbox.rs"]
#[allow(dead_code, unreachable_pub)]
mod inbox;
#[path = "../src/turn.rs"]
#[allow(dead_code, unreachable_pub)]
mod turn;

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

use inbox::Fact;
use sync::Waiter;
use turn::Turn;

const DRIVER: usize = 1;
const HELPER: usize = 2;

/// What the handler was told, in order, and whether it is being told.
#[derive(Default)]
struct Handler {
    told: StdMutex<Vec<u16>>,
    inside: AtomicBool,
}

impl Handler {
    fn tell(&self, what: u16) {
        let _turn = Turn::take();
        assert!(
            !self.inside.swap(true, Ordering::SeqCst),
            "two threads at once"
        );
        // Another thread gets its chance here.
        sync::with(|_| ());
        self.told.lock().unwrap().push(what);
        self.inside.store(false, Ordering::SeqCst);
    }

    /// As `take_facts` of the driver.
    fn take_facts(&self) {
        let _turn = Turn::take();
        while let Some(fact) = inbox::pop() {
            if let Fact::Puback { message_id } = fact {
                self.tell(message_id);
            }
        }
    }
}

fn push(message_id: u16) {
    inbox::push(Fact::Puback { message_id });
}

/// As the driver: until so much was told.
fn drive(handler: &Handler, all: usize) {
    sync::be(DRIVER);
    loop {
        handler.take_facts();
        if handler.told.lock().unwrap().len() >= all {
            return;
        }
        Waiter::Driver.wait(None);
    }
}

/// Every order with at most so many preemptions; that a thread waits is none. One model at a time,
/// since the inbox is a static.
fn model(preemptions: impl Into<Option<usize>>, check: impl Fn() + Sync + Send + 'static) {
    static ONE: StdMutex<()> = StdMutex::new(());
    let _one = ONE.lock();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions.into();
    builder.check(check);
}

/// Every order there is: the inbox without the turn.
#[test]
fn no_wake_of_two_producers_is_lost() {
    model(None, || {
        let producers = [1, 2].map(|id| thread::spawn(move || push(id)));
        let mut popped = 0;
        loop {
            while inbox::pop().is_some() {
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

/// Every order there is: the turn without the inbox.
#[test]
fn two_threads_are_never_inside_the_handler_at_once() {
    model(None, || {
        let handler = Arc::new(Handler::default());
        let helper = {
            let handler = Arc::clone(&handler);
            thread::spawn(move || {
                sync::be(HELPER);
                handler.tell(1);
            })
        };
        sync::be(DRIVER);
        handler.tell(2);
        helper.join().unwrap();
        assert_eq!(handler.told.lock().unwrap().len(), 2);
    });
}

#[test]
fn no_fact_of_two_producers_is_lost() {
    model(4, || {
        let handler = Arc::new(Handler::default());
        let producers = [1, 2].map(|id| thread::spawn(move || push(id)));
        drive(&handler, 2);
        for producer in producers {
            producer.join().unwrap();
        }
        assert!(inbox::pop().is_none());
    });
}

#[test]
fn a_message_comes_after_what_came_before_it() {
    model(3, || {
        let handler = Arc::new(Handler::default());
        let helper = {
            let handler = Arc::clone(&handler);
            // mqtt_helper's thread: an acknowledgement, then a message.
            thread::spawn(move || {
                sync::be(HELPER);
                push(1);
                let turn = Turn::take();
                handler.take_facts();
                handler.tell(2);
                drop(turn);
                Waiter::Driver.wake();
            })
        };
        drive(&handler, 2);
        helper.join().unwrap();
        assert_eq!(*handler.told.lock().unwrap(), [1, 2]);
    });
}

/// Two threads of C that push, the driver, and mqtt_helper's thread inside the handler.
#[test]
fn two_producers_the_driver_and_the_handler() {
    model(2, || {
        let handler = Arc::new(Handler::default());
        let producers = [1, 2].map(|id| thread::spawn(move || push(id)));
        let helper = {
            let handler = Arc::clone(&handler);
            thread::spawn(move || {
                sync::be(HELPER);
                let turn = Turn::take();
                handler.take_facts();
                handler.tell(3);
                assert!(turn::is_mine());
                drop(turn);
                Waiter::Driver.wake();
            })
        };
        drive(&handler, 3);
        helper.join().unwrap();
        for producer in producers {
            producer.join().unwrap();
        }
    });
}
