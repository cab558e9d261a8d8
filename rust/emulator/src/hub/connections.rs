//! Who is connected now: one connection per device id.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::clock::UnixMs;
use crate::code::Refusal;

/// What the service asks of a connection's task.
#[derive(Debug)]
pub(crate) enum Command {
    /// A request of the device is done; `answer` is a whole packet, or empty.
    Done {
        /// The packet.
        answer: Vec<u8>,
        /// The bytes of the request that were held until now.
        held: usize,
    },
    /// An answer that was held back on purpose.
    Late(Vec<u8>),
    /// A change of the desired properties.
    Desired {
        /// The version that it makes.
        version: i64,
        /// JSON, `null` where a property goes.
        patch: String,
    },
    /// A method to call.
    Call {
        /// With which the device answers.
        rid: String,
        /// The method's name.
        method: String,
        /// JSON.
        payload: String,
    },
    /// There may be a cloud-to-device message.
    Mailbox,
    /// The end.
    Close(Refusal),
}

/// A device's answer to a method.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MethodAnswer {
    /// Any integer.
    pub status: i64,
    /// JSON; null if the answer was empty.
    pub payload: Value,
}

/// One live connection, seen from outside of its task.
#[derive(Debug)]
pub(crate) struct Handle {
    /// The number of the connection.
    pub number: u64,
    /// The hub's host name.
    pub hub: String,
    /// The device.
    pub device_id: String,
    /// Whether the device listens for methods.
    pub methods: AtomicBool,
    /// Whether the device listens for changes of its desired properties.
    pub desired: AtomicBool,
    /// When the device last sent or got something.
    pub activity: AtomicI64,
    /// Fires when the device does not read what it is sent.
    pub overflow: Notify,
    commands: mpsc::Sender<Command>,
    /// Method requests until now.
    requests: AtomicU64,
    pending: Mutex<HashMap<String, oneshot::Sender<Answered>>>,
}

impl Handle {
    /// When the device last sent or got something.
    pub(crate) fn last_activity(&self) -> UnixMs {
        self.activity.load(Ordering::Relaxed)
    }

    /// Hands a command over; a device that does not read loses its connection instead.
    pub(crate) fn command(&self, command: Command) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.commands.try_send(command) {
            self.overflow.notify_one();
        }
    }

    /// Gives a method request its id, and expects the answer to it.
    ///
    /// Ids are a hexadecimal counter from 1 in each connection, as the real hub's are: Nordic's library
    /// keeps 7 characters of them.
    pub(crate) fn expect_answer(&self) -> (String, oneshot::Receiver<Answered>) {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let rid = format!("{number:x}");
        let (answer, answered) = oneshot::channel();
        self.pending().insert(rid.clone(), answer);
        (rid, answered)
    }

    /// Forgets a method request that ran out of time.
    pub(crate) fn forget_answer(&self, rid: &str) {
        self.pending().remove(rid);
    }

    /// Delivers an answer; `false` if nobody waits for it.
    pub(crate) fn answer(&self, rid: &str, answer: Answered) -> bool {
        let waiting = self.pending().remove(rid);
        waiting.is_some_and(|waiting| waiting.send(answer).is_ok())
    }

    /// Whoever waits for an answer is told that there will be none.
    pub(crate) fn drop_answers(&self) {
        self.pending().clear();
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Answered>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of a method request: an answer, or why what came is none.
pub(crate) type Answered = Result<MethodAnswer, Refusal>;

type Key = (String, String);

/// The table of live connections.
#[derive(Debug)]
pub(crate) struct Connections {
    numbers: AtomicU64,
    live: Mutex<HashMap<Key, Arc<Handle>>>,
    changed: watch::Sender<u64>,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            numbers: AtomicU64::new(0),
            live: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Connections {
    /// A number for a new connection.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Enters a connection; the one that it takes over from is returned.
    pub(crate) fn enter(
        &self,
        number: u64,
        hub: &str,
        device_id: &str,
    ) -> (Arc<Handle>, mpsc::Receiver<Command>, Option<Arc<Handle>>) {
        let (commands, queue) = mpsc::channel(COMMANDS);
        let handle = Arc::new(Handle {
            number,
            hub: hub.to_owned(),
            device_id: device_id.to_owned(),
            methods: AtomicBool::new(false),
            desired: AtomicBool::new(false),
            activity: AtomicI64::new(0),
            overflow: Notify::new(),
            commands,
            requests: AtomicU64::new(0),
            pending: Mutex::default(),
        });
        let key = (hub.to_owned(), device_id.to_owned());
        let older = self.live().insert(key, Arc::clone(&handle));
        self.announce();
        (handle, queue, older)
    }

    /// Takes a connection out, unless a newer one is in its place; `true` if it was in.
    pub(crate) fn leave(&self, handle: &Handle) -> bool {
        let key = (handle.hub.clone(), handle.device_id.clone());
        let mut live = self.live();
        let mine = live
            .get(&key)
            .is_some_and(|entered| entered.number == handle.number);
        if mine {
            live.remove(&key);
        }
        drop(live);
        handle.drop_answers();
        self.announce();
        mine
    }

    /// The live connection of a device.
    pub(crate) fn find(&self, hub: &str, device_id: &str) -> Option<Arc<Handle>> {
        self.live()
            .get(&(hub.to_owned(), device_id.to_owned()))
            .cloned()
    }

    /// The connected devices and modules of a hub, and when each of them was last active.
    pub(crate) fn online(&self, hub: &str) -> HashMap<String, UnixMs> {
        self.live()
            .iter()
            .filter(|((of, _), _)| of == hub)
            .map(|((_, id), handle)| (id.clone(), handle.last_activity()))
            .collect()
    }

    /// The same without modules.
    pub(crate) fn online_devices(&self, hub: &str) -> HashMap<String, UnixMs> {
        let mut online = self.online(hub);
        online.retain(|id, _| !id.contains('/'));
        online
    }

    /// All live connections.
    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        self.live().values().cloned().collect()
    }

    /// Ticks when somebody connects, goes or subscribes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Lets [`Connections::changes`] tick.
    pub(crate) fn announce(&self) {
        self.changed
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    fn live(&self) -> MutexGuard<'_, HashMap<Key, Arc<Handle>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const COMMANDS: usize = 1024;
