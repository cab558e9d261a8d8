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
    /// The same of all that is in [`Handle::take_answers`].
    Answered,
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

/// Requests of the device that are done, in the order in which they were.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Whole packets.
    pub packets: Vec<u8>,
    /// The bytes of the requests that were held until now.
    pub held: usize,
    /// How many there were.
    pub requests: usize,
    /// Whether a command came behind them, which nothing may overtake.
    closed: bool,
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
    answers: Mutex<Answers>,
    /// Whether the connection's task is about to look at them, so that nobody need wake it.
    is_awake: AtomicBool,
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
        let mut answers = self.answers();
        answers.closed = answers.requests > 0;
        drop(answers);
        self.send(command);
    }

    fn send(&self, command: Command) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.commands.try_send(command) {
            self.overflow.notify_one();
        }
    }

    /// Answers a request of the device with a whole packet, or with nothing, in the order of the
    /// other commands; `held` are the bytes of the request that were held until now.
    pub(crate) fn answer_request(&self, answer: Vec<u8>, held: usize) {
        let mut answers = self.answers();
        let is_first = answers.requests == 0;
        let waits = self.commands.capacity() < self.commands.max_capacity();
        if answers.closed || is_first && waits {
            drop(answers);
            return self.send(Command::Done { answer, held });
        }
        answers.requests += 1;
        answers.held += held;
        match answers.packets.is_empty() {
            true => answers.packets = answer,
            false => answers.packets.extend_from_slice(&answer),
        }
        drop(answers);
        if is_first && !self.is_awake.load(Ordering::SeqCst) {
            self.send(Command::Answered);
        }
    }

    /// The connection's task does something after which it takes its answers.
    pub(crate) fn while_awake(&self, something: impl FnOnce()) {
        self.is_awake.store(true, Ordering::SeqCst);
        something();
        self.is_awake.store(false, Ordering::SeqCst);
    }

    /// What was answered since the last time.
    pub(crate) fn take_answers(&self) -> Answers {
        std::mem::take(&mut self.answers())
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a method request its id, and expects the answer to it.
    ///
    /// Ids are a hexadecimal counter from 1 in each connection, as the real hub's are: Nordic's
    /// library keeps 7 characters of them.
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
            answers: Mutex::default(),
            is_awake: AtomicBool::new(false),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_commands_come_in_the_order_in_which_they_were_given() {
        let connections = Connections::default();
        let (handle, mut commands, _) = connections.enter(1, "h", "d");
        let shown = |handle: &Handle| {
            let answers = handle.take_answers();
            (answers.packets, answers.held, answers.requests)
        };
        // Two at once wake once.
        handle.answer_request(vec![1], 10);
        handle.answer_request(vec![2], 20);
        assert!(matches!(commands.try_recv(), Ok(Command::Answered)));
        assert!(commands.try_recv().is_err());
        assert_eq!(shown(&handle), (vec![1, 2], 30, 2));
        // What is asked in between is not overtaken.
        handle.answer_request(vec![3], 1);
        handle.command(Command::Mailbox);
        handle.answer_request(vec![4], 1);
        assert!(matches!(commands.try_recv(), Ok(Command::Answered)));
        assert_eq!(shown(&handle), (vec![3], 1, 1));
        handle.answer_request(vec![5], 1);
        assert!(matches!(commands.try_recv(), Ok(Command::Mailbox)));
        for packet in [4, 5] {
            let Ok(Command::Done { answer, .. }) = commands.try_recv() else {
                panic!("no answer {packet}");
            };
            assert_eq!(answer, [packet]);
        }
        // Whoever is about to look is not woken.
        handle.while_awake(|| handle.answer_request(vec![6], 1));
        assert!(commands.try_recv().is_err());
        assert_eq!(shown(&handle), (vec![6], 1, 1));
    }
}
