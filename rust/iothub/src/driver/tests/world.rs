//! The platform: what the driver does stands in a transcript.

extern crate std;

use core::{
    cell::{Cell, RefCell},
    time::Duration,
};
use std::{collections::VecDeque, format, rc::Rc, string::String, vec::Vec};

use iothub_proto::{Config, network};

use crate::{
    driver::*,
    state::{DeviceClient, State},
};

pub(super) const BUFFER: usize = 1024;
pub(super) const REGISTERED: Input = Input::Network(network::Input::Registered { roaming: false });
pub(super) const ACTIVATED: Input = Input::Network(network::Input::Activated { reason: None });
pub(super) const CONNACK: Input = Input::Connack {
    code: 0,
    session_present: false,
};

pub(super) type HandlerCall = fn(&mut DeviceClient, Instant);

pub(super) struct World {
    pub state: RefCell<State>,
    /// Not mounted, but in its own tests.
    pub outbox: RefCell<FlashOutbox<Memory>>,
    pub updates: RefCell<Updates>,
    pub now: RefCell<Instant>,
    pub inputs: RefCell<VecDeque<Input>>,
    pub transcript: RefCell<Vec<String>>,
    /// What the next call that begins so returns.
    pub failure: RefCell<Option<(&'static str, i32)>>,
    /// What another thread is told during the next call that begins so: it handles it before the
    /// call returns.
    pub interruption: RefCell<Option<(&'static str, Input)>>,
    /// The `$rid` of each request that was written.
    pub rids: RefCell<Vec<String>>,
    /// What the handler calls at the next event.
    pub handler: RefCell<Option<HandlerCall>>,
    /// How often the modem was told that nothing is on its way.
    pub releases: Cell<u32>,
}

impl World {
    pub(super) fn new(attach: bool, change: fn(&mut Config<'_>)) -> Self {
        let mut config = Config::new("hub.example", "device");
        config.network.enabled = attach;
        config.request_twin = false;
        change(&mut config);
        let mut state = State::new();
        state.start(&config, attach).unwrap();
        Self {
            state: RefCell::new(state),
            outbox: RefCell::new(FlashOutbox::new(Memory::default())),
            updates: RefCell::new(Updates::new()),
            now: RefCell::new(Instant::from_millis(1000)),
            inputs: RefCell::default(),
            transcript: RefCell::default(),
            failure: RefCell::default(),
            interruption: RefCell::default(),
            rids: RefCell::default(),
            handler: RefCell::default(),
            releases: Cell::new(0),
        }
    }

    pub(super) fn client<R>(&self, f: impl FnOnce(&mut DeviceClient, Instant) -> R) -> R {
        let now = self.now();
        self.with(|state| f(state.client().unwrap(), now))
    }

    /// As mqtt_helper and the modem: the driver finds it at its next pass.
    pub(super) fn push(&self, input: Input) {
        self.inputs.borrow_mut().push_back(input);
    }

    pub(super) fn passes(&self, time: Duration) {
        let mut now = self.now.borrow_mut();
        *now = *now + time;
    }

    /// What was done and told since it was asked last.
    pub(super) fn transcript(&self) -> Vec<String> {
        self.transcript.take()
    }

    pub(super) fn write(&self, line: String) {
        self.transcript.borrow_mut().push(line);
    }

    pub(super) fn call(&self, line: String) -> Result<(), i32> {
        let interrupted = self
            .interruption
            .borrow_mut()
            .take_if(|(call, _)| line.starts_with(*call));
        let failed = self
            .failure
            .borrow_mut()
            .take_if(|(call, _)| line.starts_with(*call));
        // The locks are free, whoever holds one would panic here.
        self.with(|_| ());
        self.with_outbox(|_| ());
        self.write(line);
        if let Some((_, input)) = interrupted {
            self.push(input);
            handle_inputs(self);
        }
        failed.map_or(Ok(()), |(_, errno)| Err(errno))
    }
}

/// Flash that another world may have afterwards.
#[derive(Clone)]
pub(super) struct Memory {
    pub bytes: Rc<RefCell<Vec<u8>>>,
    pub sector_size: u32,
    /// How often each sector was read from its beginning on.
    pub begun: Rc<RefCell<Vec<u32>>>,
}

impl Memory {
    pub(super) fn new(sector_size: u32, sectors: u32) -> Self {
        let size = (sector_size * sectors) as usize;
        Self {
            bytes: Rc::new(RefCell::new(std::vec![0xFF; size])),
            sector_size,
            begun: Rc::new(RefCell::new(std::vec![0; sectors as usize])),
        }
    }

    /// What it holds, in a partition of another shape that begins at the same place.
    pub(super) fn as_partition(&self, sector_size: u32, sectors: u32) -> Self {
        let mut bytes = self.bytes.borrow().clone();
        bytes.resize((sector_size * sectors) as usize, 0xFF);
        Self {
            bytes: Rc::new(RefCell::new(bytes)),
            sector_size,
            begun: Rc::new(RefCell::new(std::vec![0; sectors as usize])),
        }
    }
}

impl Default for Memory {
    /// 16 sectors of 1 KiB.
    fn default() -> Self {
        Self::new(1024, 16)
    }
}

impl store::Flash for Memory {
    fn geometry(&mut self) -> store::Geometry {
        store::Geometry {
            sector_size: self.sector_size,
            sectors: self.bytes.borrow().len() as u32 / self.sector_size,
            write_size: 4,
        }
    }

    fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Errno> {
        if at.is_multiple_of(self.sector_size) {
            self.begun.borrow_mut()[(at / self.sector_size) as usize] += 1;
        }
        let at = at as usize;
        bytes.copy_from_slice(&self.bytes.borrow()[at..at + bytes.len()]);
        Ok(())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        let at = at as usize;
        self.bytes.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn erase(&mut self, at: u32, len: u32) -> Result<(), Errno> {
        self.bytes.borrow_mut()[at as usize..(at + len) as usize].fill(0xFF);
        Ok(())
    }
}

impl Access for &World {
    fn now(self) -> Instant {
        *self.now.borrow()
    }

    fn with<R>(self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.state.borrow_mut())
    }
}

impl Platform for &World {
    const UPDATES: bool = true;

    const OUTBOX: bool = true;

    const RELEASE: bool = true;

    type Flash = Memory;

    type HandlerGuard = ();

    fn with_updates<R>(self, f: impl FnOnce(&mut Updates) -> R) -> R {
        f(&mut self.updates.borrow_mut())
    }

    fn with_outbox<R>(self, f: impl FnOnce(&mut FlashOutbox<Memory>) -> R) -> R {
        f(&mut self.outbox.borrow_mut())
    }

    fn lock_handler(self) {}

    fn next_input(self) -> Option<Input> {
        self.inputs.borrow_mut().pop_front()
    }

    fn notify(self, notice: Notice<'_>) {
        if let Some(handler) = self.handler.take() {
            self.client(handler);
        }
        self.with_updates(|_| ());
        self.write(match notice {
            Notice::Event(Event::C2d(message), raw) => {
                assert_eq!(raw.unwrap().payload, message.payload);
                format!("* C2d {} bytes", message.payload.len())
            }
            Notice::Event(event, _) => format!("* {event:?}"),
            Notice::Pingresp => "* Pingresp".into(),
        });
    }

    fn execute(self, command: &Command<'_>) -> (Result<(), Errno>, Option<Peer>) {
        let (line, peer) = match *command {
            Command::Attach => ("> attach".into(), None),
            Command::Connect { .. } => ("> connect".into(), Some(Peer::V4([192, 0, 2, 1]))),
            Command::Subscribe { message_id, .. } => (format!("> subscribe {message_id}"), None),
            Command::Publish {
                message_id,
                topic,
                payload,
                dup,
                ..
            } => {
                if let Some((_, rid)) = topic.split_once("$rid=") {
                    self.rids.borrow_mut().push(rid.into());
                }
                let payload = core::str::from_utf8(payload).unwrap();
                let dup = if dup { " dup" } else { "" };
                (format!("> publish {message_id} {payload}{dup}"), None)
            }
            Command::Disconnect => ("> disconnect".into(), None),
            Command::Abort => ("> abort".into(), None),
            Command::StoreAssignment { .. } => ("> store assignment".into(), None),
            Command::EraseAssignment => ("> erase assignment".into(), None),
        };
        match self.call(line) {
            Ok(()) => (Ok(()), peer),
            Err(errno) => (Err(Errno(errno)), None),
        }
    }

    fn execute_step(self, step: Step) -> Result<(), Errno> {
        self.call(format!("> {step:?}")).map_err(Errno)
    }

    fn release(self) {
        self.releases.set(self.releases.get() + 1);
    }

    fn update_inputs(self) -> ncs::fota::TransferEvents {
        ncs::fota::TransferEvents {
            progress: None,
            erase: None,
            version: None,
            end: None,
        }
    }

    fn execute_update(self, command: &fota::Command<'_>) -> Result<(), Errno> {
        let line = match command {
            fota::Command::Store(_) => "> store record",
            fota::Command::Start(_) => "> start transfer",
            fota::Command::Cancel => "> cancel transfer",
            fota::Command::Apply => "> apply",
            fota::Command::Confirm => "> confirm",
            fota::Command::Reboot => "> reboot",
            fota::Command::Report(_) | fota::Command::RequestTwin => panic!("the client's"),
        };
        self.call(line.into()).map_err(Errno)
    }

    fn store_attempts(self, attempts: &Attempts) {
        self.write(format!("> store {}", attempts.failures().transient));
    }
}

/// One pass; when the next is due.
pub(super) fn run(driver: &mut Driver<&World>) -> Option<Instant> {
    driver.run_once(&mut [0; BUFFER])
}

pub(super) fn is(transcript: &[String], expected: &[&str]) {
    assert!(
        transcript.len() == expected.len()
            && transcript
                .iter()
                .zip(expected)
                .all(|(line, beginning)| line.starts_with(beginning)),
        "{transcript:#?} is not {expected:#?}"
    );
}

/// Connected with every subscription granted, without a modem; the transcript is empty.
pub(super) fn ready(world: &World) -> Driver<&World> {
    let mut driver = Driver::new(world, Attempts::default());
    world.client(|client, now| client.connect(now)).unwrap();
    run(&mut driver);
    world.push(CONNACK);
    run(&mut driver);
    let id = subscribe_id(world);
    world.push(Input::Suback {
        message_id: id,
        granted: true,
    });
    run(&mut driver);
    assert_eq!(world.transcript().last().unwrap(), "* Ready");
    driver
}

/// The packet id of the subscription in the transcript.
pub(super) fn subscribe_id(world: &World) -> u16 {
    let transcript = world.transcript.borrow();
    let mut ids = transcript
        .iter()
        .filter_map(|line| line.strip_prefix("> subscribe "));
    ids.next_back().unwrap().parse().unwrap()
}
