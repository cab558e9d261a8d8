//! The driver on a platform without process, threads or C: what it does stands in a transcript,
//! `> …` for a call of C and `* …` for what the application's handler was told. The lock is a
//! `RefCell`: a call of C or of the handler with the lock held panics.
#![allow(clippy::unwrap_used, reason = "tests")]

extern crate std;

mod backlogs;
mod outbox_in_flash;
mod values_in_flash;

use core::{
    cell::{Cell, RefCell},
    time::Duration,
};
use std::{collections::VecDeque, format, rc::Rc, string::String, vec::Vec};

use iothub_proto::{Capacity, Config, Disconnect, Error, Telemetry, fota::Policy, network, outbox};

use super::*;
use crate::state::{DeviceClient, State};

const BUFFER: usize = 1024;
const REGISTERED: Input = Input::Network(network::Input::Registered { roaming: false });
const ACTIVATED: Input = Input::Network(network::Input::Activated { reason: None });
const CONNACK: Input = Input::Connack {
    code: 0,
    session_present: false,
};

type HandlerCall = fn(&mut DeviceClient, Instant);

struct World {
    state: RefCell<State>,
    /// Not mounted, but in its own tests.
    outbox: RefCell<FlashOutbox<Memory>>,
    updates: RefCell<Updates>,
    now: RefCell<Instant>,
    inputs: RefCell<VecDeque<Input>>,
    transcript: RefCell<Vec<String>>,
    /// What the next call that begins so returns.
    failure: RefCell<Option<(&'static str, i32)>>,
    /// What another thread is told during the next call that begins so: it handles it before the
    /// call returns.
    interruption: RefCell<Option<(&'static str, Input)>>,
    /// The `$rid` of each request that was written.
    rids: RefCell<Vec<String>>,
    /// What the handler calls at the next event.
    handler: RefCell<Option<HandlerCall>>,
    /// How often the modem was told that nothing is on its way.
    releases: Cell<u32>,
}

impl World {
    fn new(attach: bool, change: fn(&mut Config<'_>)) -> Self {
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

    fn client<R>(&self, f: impl FnOnce(&mut DeviceClient, Instant) -> R) -> R {
        let now = self.now();
        self.with(|state| f(state.client().unwrap(), now))
    }

    /// As mqtt_helper and the modem: the driver finds it at its next pass.
    fn push(&self, input: Input) {
        self.inputs.borrow_mut().push_back(input);
    }

    fn passes(&self, time: Duration) {
        let mut now = self.now.borrow_mut();
        *now = *now + time;
    }

    /// What was done and told since it was asked last.
    fn transcript(&self) -> Vec<String> {
        self.transcript.take()
    }

    fn write(&self, line: String) {
        self.transcript.borrow_mut().push(line);
    }

    fn call(&self, line: String) -> Result<(), i32> {
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
struct Memory {
    bytes: Rc<RefCell<Vec<u8>>>,
    sector_size: u32,
    /// How often each sector was read from its beginning on.
    begun: Rc<RefCell<Vec<u32>>>,
}

impl Memory {
    fn new(sector_size: u32, sectors: u32) -> Self {
        let size = (sector_size * sectors) as usize;
        Self {
            bytes: Rc::new(RefCell::new(std::vec![0xFF; size])),
            sector_size,
            begun: Rc::new(RefCell::new(std::vec![0; sectors as usize])),
        }
    }

    /// What it holds, in a partition of another shape that begins at the same place.
    fn as_partition(&self, sector_size: u32, sectors: u32) -> Self {
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
fn run(driver: &mut Driver<&World>) -> Option<Instant> {
    driver.run_once(&mut [0; BUFFER])
}

fn is(transcript: &[String], expected: &[&str]) {
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
fn ready(world: &World) -> Driver<&World> {
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
fn subscribe_id(world: &World) -> u16 {
    let transcript = world.transcript.borrow();
    let mut ids = transcript
        .iter()
        .filter_map(|line| line.strip_prefix("> subscribe "));
    ids.next_back().unwrap().parse().unwrap()
}

#[test]
fn events_are_told_before_the_next_command() {
    let world = World::new(false, |_| {});
    let mut driver = Driver::new(&world, Attempts::default());
    world.client(|client, now| client.connect(now)).unwrap();
    assert_ne!(run(&mut driver), None, "CONNACK is waited for");
    is(
        &world.transcript(),
        &["* Connecting { attempt: 1 }", "> connect", "* Peer(V4("],
    );
    // CONNACK while the message is written: it is told before the subscription goes out.
    world.push(CONNACK);
    let message = Telemetry::json(b"1");
    world.client(|client, _| client.send(&message)).unwrap();
    run(&mut driver);
    is(
        &world.transcript(),
        &["* Connected", "> subscribe", "> publish 2 1"],
    );
}

#[test]
fn what_came_before_a_message_is_told_before_it() {
    let world = World::new(false, |_| {});
    let mut driver = ready(&world);
    let message = Telemetry::json(b"1");
    world.client(|client, _| client.send(&message)).unwrap();
    run(&mut driver);
    is(&world.transcript(), &["> publish 2 1"]);
    world.push(Input::Puback { message_id: 2 });
    world.push(Input::Pingresp);
    handle_publish(
        &world,
        b"devices/device/messages/devicebound/",
        Some(b"from the cloud"),
    );
    is(
        &world.transcript(),
        &["* Sent(", "* Pingresp", "* C2d 14 bytes"],
    );
    // A message alone does not make the driver's thread run; there is nothing left for it.
    run(&mut driver);
    is(&world.transcript(), &[]);
}

#[test]
fn the_modem_is_told_once_that_nothing_is_on_its_way() {
    let world = World::new(false, |_| {});
    let mut driver = ready(&world);
    run(&mut driver);
    let before = world.releases.get();
    run(&mut driver);
    assert_eq!(world.releases.get(), before, "nothing was on its way");

    let message = Telemetry::json(b"1");
    world.client(|client, _| client.send(&message)).unwrap();
    run(&mut driver);
    assert_eq!(world.releases.get(), before, "the PUBACK is to come");
    world.push(Input::Puback { message_id: 2 });
    run(&mut driver);
    assert_eq!(world.releases.get(), before + 1);
    run(&mut driver);
    assert_eq!(world.releases.get(), before + 1);

    world.client(|client, _| client.request_twin()).unwrap();
    run(&mut driver);
    assert_eq!(world.releases.get(), before + 1, "the twin is to come");
    let rid = world.rids.borrow().last().cloned().unwrap();
    let topic = format!("$iothub/twin/res/200/?$rid={rid}");
    handle_publish(
        &world,
        topic.as_bytes(),
        Some(br#"{"desired":{"$version":1},"reported":{"$version":1}}"#),
    );
    run(&mut driver);
    assert_eq!(world.releases.get(), before + 2);

    world.push(Input::Disconnected { result: -104 });
    run(&mut driver);
    assert_eq!(
        world.releases.get(),
        before + 2,
        "there is no connection to let go of"
    );
}

#[test]
fn a_message_before_the_start_is_nobodys() {
    let world = World::new(false, |_| {});
    world.state.replace(State::new());
    handle_publish(
        &world,
        b"devices/device/messages/devicebound/",
        Some(b"early"),
    );
    is(&world.transcript(), &[]);
}

#[test]
fn the_handler_may_call_the_client() {
    let world = World::new(false, |_| {});
    let mut driver = ready(&world);
    world.handler.replace(Some(|client, _| {
        client
            .send(&Telemetry::json(b"\"from the handler\""))
            .unwrap();
    }));
    world.push(Input::Pingresp);
    run(&mut driver);
    is(
        &world.transcript(),
        &["* Pingresp", "> publish 2 \"from the handler\""],
    );
}

#[test]
fn lte_is_switched_on_where_that_is_the_drivers_business_alone() {
    for attach in [true, false] {
        // The gate asks for it; the application has said who may.
        let world = World::new(attach, |config| config.network.enabled = true);
        let mut driver = Driver::new(&world, Attempts::default());
        world.client(|client, now| client.connect(now)).unwrap();
        run(&mut driver);
        let transcript = world.transcript();
        if attach {
            is(&transcript, &["> attach"]);
        } else {
            is(&transcript, &[]);
        }
        world.push(REGISTERED);
        world.push(ACTIVATED);
        world.push(Input::Network(network::Input::Ipv6Up));
        run(&mut driver);
        let transcript = world.transcript();
        assert!(transcript.contains(&"> connect".into()), "{transcript:?}");
    }
}

#[test]
fn a_modem_that_has_stopped_is_started_again_and_lte_only_where_it_was_on() {
    for connect in [true, false] {
        let world = World::new(true, |_| {});
        let mut driver = Driver::new(&world, Attempts::default());
        if connect {
            world.client(|client, now| client.connect(now)).unwrap();
        }
        run(&mut driver);
        world.transcript();
        world.push(Input::ModemStopped { fault: 1 });
        let due = run(&mut driver).unwrap();
        assert_eq!(due, (&world).now() + Duration::from_secs(10));
        world.passes(Duration::from_millis(9_999));
        run(&mut driver);
        assert!(world.transcript().iter().all(|line| line.starts_with('*')));
        world.failure.replace(Some(("> ShutDown", -5)));
        world.passes(Duration::from_millis(1));
        let due = run(&mut driver).unwrap();
        is(&world.transcript(), &["> ShutDown"]);
        assert_eq!(due, (&world).now() + Duration::from_secs(10));
        world.passes(Duration::from_secs(10));
        let due = run(&mut driver);
        let calls = world.transcript();
        if connect {
            is(&calls, &["> ShutDown", "> Initialise", "> SwitchOn"]);
        } else {
            is(&calls, &["> ShutDown", "> Initialise"]);
            assert_eq!(due, None);
        }
    }
}

#[test]
fn without_a_sim_lte_is_switched_off_and_on() {
    let world = World::new(true, |_| {});
    let mut driver = Driver::new(&world, Attempts::default());
    world.client(|client, now| client.connect(now)).unwrap();
    run(&mut driver);
    world.push(Input::Network(network::Input::UiccFail));
    run(&mut driver);
    world.transcript();
    world.passes(Duration::from_secs(299));
    run(&mut driver);
    is(&world.transcript(), &[]);
    world.passes(Duration::from_secs(1));
    run(&mut driver);
    is(&world.transcript(), &["> SwitchOff", "> SwitchOn"]);
}

#[test]
fn a_completion_of_a_connection_that_has_ended_does_nothing() {
    let world = World::new(false, |_| {});
    let mut driver = Driver::new(&world, Attempts::default());
    let message = Telemetry::json(b"1");
    world.client(|client, _| client.send(&message)).unwrap();
    world.client(|client, now| client.connect(now)).unwrap();
    run(&mut driver);
    world.push(CONNACK);
    world.transcript();
    // The connection ends while SUBSCRIBE is written, which succeeds all the same.
    let end = Input::Disconnected { result: -104 };
    world.interruption.replace(Some(("> subscribe", end)));
    let due = run(&mut driver).unwrap();
    is(
        &world.transcript(),
        &[
            "* Connected",
            "> subscribe",
            "* Disconnected",
            "> abort",
            "> store 1",
        ],
    );
    assert!(due > (&world).now(), "the back-off runs");
    // The next connection begins anew, with everything of its own.
    world.passes(Duration::from_secs(3));
    run(&mut driver);
    is(
        &world.transcript(),
        &["* Connecting { attempt: 2 }", "> connect", "* Peer"],
    );
    world.push(CONNACK);
    run(&mut driver);
    is(
        &world.transcript(),
        &["* Connected", "> subscribe", "> publish"],
    );
}

#[test]
fn a_failed_call_ends_the_connection_and_not_the_driver() {
    let world = World::new(false, |_| {});
    let mut driver = Driver::new(&world, Attempts::default());
    world.failure.replace(Some(("> connect", -113)));
    world.client(|client, now| client.connect(now)).unwrap();
    let due = run(&mut driver).unwrap();
    let transcript = world.transcript();
    is(
        &transcript,
        &[
            "* Connecting",
            "> connect",
            "* Disconnected { cause: ConnectFailed(Errno(-113))",
            "> abort",
            "> store 1",
        ],
    );
    assert!(due > (&world).now() && due <= (&world).now() + Duration::from_secs(3));
}

#[test]
fn the_loss_of_the_network_does_not_make_the_back_off_grow() {
    let world = World::new(true, |_| {});
    let mut driver = Driver::new(&world, Attempts::default());
    world.client(|client, now| client.connect(now)).unwrap();
    run(&mut driver);
    for attempt in 1..=5 {
        world.push(REGISTERED);
        world.push(ACTIVATED);
        world.push(Input::Network(network::Input::Ipv6Up));
        run(&mut driver);
        world.push(CONNACK);
        run(&mut driver);
        world.push(Input::Suback {
            message_id: subscribe_id(&world),
            granted: true,
        });
        run(&mut driver);
        let transcript = world.transcript();
        assert!(
            transcript.contains(&"* Connecting { attempt: 1 }".into()),
            "{attempt}: {transcript:#?}"
        );
        world.push(Input::Network(network::Input::Detached));
        run(&mut driver);
        let transcript = world.transcript();
        let end = Event::Disconnected {
            cause: Disconnect::NetworkLost,
            retry_in: None,
        };
        assert!(
            transcript.contains(&format!("* {end:?}")),
            "{transcript:#?}"
        );
        assert!(
            !transcript.iter().any(|line| line.starts_with("> store")),
            "{transcript:#?}"
        );
        // Longer than two connects have to lie apart.
        world.passes(Duration::from_secs(5));
    }
}

#[test]
fn failed_connects_are_stored_up_to_nine_and_forgotten_once_one_is_good() {
    let world = World::new(false, |config| config.backoff.max = Duration::from_secs(2));
    let mut driver = Driver::new(&world, Attempts::default());
    world.client(|client, now| client.connect(now)).unwrap();
    let mut stored = Vec::new();
    for _ in 0..11 {
        world.failure.replace(Some(("> connect", -111)));
        run(&mut driver);
        world.passes(Duration::from_secs(5));
        let transcript = world.transcript();
        assert_eq!(
            transcript
                .iter()
                .filter(|line| *line == "> connect")
                .count(),
            1,
            "{transcript:?}"
        );
        stored.extend(
            transcript
                .into_iter()
                .filter(|line| line.starts_with("> store")),
        );
    }
    let expected: Vec<_> = (1..=9).map(|n| format!("> store {n}")).collect();
    assert_eq!(stored, expected);
    assert_eq!(world.failure.take(), None);

    let mut stored = Attempts::default();
    assert!(stored.update(&world.client(|client, _| client.status().failures)));
    let mut driver = Driver::new(&world, stored);
    world.failure.replace(Some(("> connect", -111)));
    run(&mut driver);
    assert!(
        !world
            .transcript()
            .iter()
            .any(|line| line.starts_with("> store"))
    );
}

#[test]
fn a_full_outbox_is_the_senders_to_know() {
    let world = World::new(false, |config| config.outbox = outbox::Policy::Reject);
    let refused = loop {
        let message = Telemetry::json(&[b'1'; 200]);
        if let Err(error) = world.client(|client, _| client.send(&message)) {
            break error;
        }
    };
    assert_eq!(refused, Error::Capacity(Capacity::Outbox));
    run(&mut Driver::new(&world, Attempts::default()));
    is(&world.transcript(), &[]);
}

/// An updater whose first report is due once there is a connection.
fn with_updates(world: &World) {
    let config = fota::Config {
        version: "1.0.0",
        by_text: false,
        confirmed: true,
        record: &[],
        policy: Policy {
            reboot: true,
            progress_step: 10,
            attempts: 3,
            trial_s: 600,
            retry_s: 60,
        },
    };
    world.updates.borrow_mut().boot(world.now(), &config);
}

/// The hub's answer to the last report.
fn answer(world: &World, status: u16) {
    let rid = world.rids.borrow_mut().pop().unwrap();
    let topic = format!("$iothub/twin/res/{status}/?$rid={rid}&$version=2");
    handle_publish(world, topic.as_bytes(), Some(b""));
}

#[test]
fn answers_to_the_updaters_reports_are_its_own() {
    let world = World::new(false, |_| {});
    with_updates(&world);
    let mut driver = ready(&world);
    // The hub believes in an update that there is none of: the updater reports, and the client
    // sends that at once.
    let twin =
        br#"{"desired":{"$version":1},"reported":{"firmware":{"fwUpdateStatus":"applying"},"$version":1}}"#;
    world.client(|client, _| client.request_twin()).unwrap();
    run(&mut driver);
    let rid = world.rids.borrow_mut().pop().unwrap();
    let topic = format!("$iothub/twin/res/200/?$rid={rid}");
    handle_publish(&world, topic.as_bytes(), Some(twin));
    is(&world.transcript(), &["> publish", "* Twin("]);
    let due = run(&mut driver);
    assert_eq!(due, Some((&world).now()));
    run(&mut driver);
    let transcript = world.transcript();
    assert!(
        transcript.len() == 1 && transcript[0].contains(r#"{"firmware":{"fwUpdateStatus""#),
        "{transcript:?}"
    );
    // Refused for now: it is the updater that tries again.
    answer(&world, 503);
    is(&world.transcript(), &[]);
    run(&mut driver);
    is(&world.transcript(), &[]);
    world.passes(Duration::from_secs(10));
    run(&mut driver);
    run(&mut driver);
    is(&world.transcript(), &["> publish"]);
    answer(&world, 204);
    is(&world.transcript(), &[]);

    // The application's own.
    world
        .client(|client, _| client.report(br#"{"a":1}"#, None))
        .unwrap();
    run(&mut driver);
    is(&world.transcript(), &["> publish"]);
    answer(&world, 204);
    is(&world.transcript(), &["* Reported"]);
    world
        .client(|client, _| client.report(br#"{"a":1}"#, None))
        .unwrap();
    run(&mut driver);
    answer(&world, 503);
    is(&world.transcript(), &["> publish", "* ReportFailed"]);
}

#[test]
fn without_updates_every_answer_is_the_applications() {
    let world = World::new(false, |_| {});
    let mut driver = ready(&world);
    world
        .client(|client, _| client.report(br#"{"a":1}"#, None))
        .unwrap();
    run(&mut driver);
    answer(&world, 204);
    is(&world.transcript(), &["> publish", "* Reported"]);
}
