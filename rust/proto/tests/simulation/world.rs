//! One device, one hub, the way between them, and what must hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use iothub_proto::network::{self, GateConfig};
use iothub_proto::{
    Client, Command, CommandId, Config, Disconnect, Errno, Event, Instant, MethodId,
    MethodResponse, Qos, Telemetry,
};

const MIN: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What can go wrong, in parts of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    closed: u32,
    failed: u32,
    silent: u32,
    swallowed: u32,
    refused: u32,
    duplicated: u32,
    network: u32,
    slow: u32,
    oversize: u32,
    at: Option<(Fault, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection ends right after the command.
    Closed,
    /// The call fails.
    Failed,
    /// From now on nothing comes through in either direction, and nobody says so.
    Silent,
    /// The hub gets it and does not answer.
    Swallowed,
}

impl Faults {
    /// Some seeds are calm, some are wild.
    pub(crate) fn random(seed: u64) -> Self {
        let mut random = Random(seed ^ 0x5EED);
        let mut some = |most| {
            if random.chance(500) {
                random.below(most)
            } else {
                0
            }
        };
        Self {
            closed: some(150),
            failed: some(150),
            silent: some(100),
            swallowed: some(150),
            refused: some(300),
            duplicated: some(300),
            network: some(100),
            slow: some(300),
            oversize: some(50),
            at: None,
        }
    }

    pub(crate) fn at(fault: Option<(Fault, u32)>) -> Self {
        Self {
            at: fault,
            ..Self::default()
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mixed = self.0 ^ (self.0 >> 29);
        (mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32) as u32
    }

    fn below(&mut self, bound: u32) -> u32 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    fn chance(&mut self, thousandths: u32) -> bool {
        self.below(1000) < thousandths
    }
}

#[derive(Clone, Debug)]
enum Fact {
    Connack(u8),
    Suback(u16, bool),
    Puback(u16),
    Publish(String, Vec<u8>),
    Oversize,
    Closed,
    Network(network::Fact),
}

/// The connection as the platform has it.
#[derive(Debug, Default)]
struct Connection {
    /// Nothing comes through.
    dead: bool,
    greeted: bool,
    subscribed: bool,
}

#[derive(Debug, Default)]
struct Hub {
    /// Numbers of the messages in the order of their first arrival, and how often each came.
    arrivals: Vec<u32>,
    seen: BTreeMap<u32, u32>,
    desired: u64,
    reported: u64,
    calls: u32,
    answered: BTreeSet<u32>,
}

pub(crate) struct World {
    seed: u64,
    random: Random,
    faults: Faults,
    now: Instant,
    client: Client<1024>,
    inbox: VecDeque<Fact>,
    on_the_way: Vec<(Instant, Fact)>,
    connection: Option<Connection>,
    hub: Hub,
    wanted: bool,
    network_up: bool,
    suspended: bool,
    pub(crate) commands: u32,

    /// Numbers of accepted messages by id, QoS 1 apart.
    kept: BTreeMap<u32, u32>,
    once: BTreeSet<u32>,
    sent: BTreeSet<u32>,
    next_message: u32,
    reports: BTreeSet<u32>,
    gets: BTreeSet<u32>,
    waiting: Vec<MethodId>,
    twin: Option<u64>,
    last_connect: Option<Instant>,
    aborted: bool,
    open: bool,
    ready: u32,
    causes: BTreeSet<String>,
    unmatched: u32,
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        let mut config = Config::new("hub.example", "dev1");
        config.gate = GateConfig::new();
        config.keep_alive = KEEP_ALIVE;
        config.seed = seed;
        config.backoff.max = Duration::from_secs(60);
        config.backoff.authorisation_max = Duration::from_secs(120);
        Self {
            seed,
            random: Random(seed),
            faults,
            now: Instant::from_millis(1_000),
            client: Client::new(&config).unwrap(),
            inbox: VecDeque::new(),
            on_the_way: Vec::new(),
            connection: None,
            hub: Hub::default(),
            wanted: false,
            network_up: false,
            suspended: false,
            commands: 0,
            kept: BTreeMap::new(),
            once: BTreeSet::new(),
            sent: BTreeSet::new(),
            next_message: 0,
            reports: BTreeSet::new(),
            gets: BTreeSet::new(),
            waiting: Vec::new(),
            twin: None,
            last_connect: None,
            aborted: true,
            open: false,
            ready: 0,
            causes: BTreeSet::new(),
            unmatched: 0,
        }
    }

    /// The application or the hub does something, and time passes.
    pub(crate) fn step(&mut self) {
        match self.random.below(12) {
            0..3 => self.send(),
            3 => self.report(),
            4 => self.respond(),
            5 => self.toggle(),
            6 => {
                if let Ok(id) = self.client.request_twin(self.now) {
                    self.gets.insert(id.as_u32());
                }
            }
            7..10 => self.hub_acts(),
            _ => {}
        }
        if self.random.chance(self.faults.network) {
            let facts = [
                network::Fact::Deactivated,
                network::Fact::Searching,
                network::Fact::Detached,
                network::Fact::Suspended,
                network::Fact::Ipv6Down,
                network::Fact::Resumed,
            ];
            let fact = facts[self.random.below(6) as usize];
            match fact {
                network::Fact::Suspended => self.suspended = true,
                network::Fact::Resumed => self.suspended = false,
                // A dual stack without IPv6 has IPv4.
                network::Fact::Ipv6Down => {}
                _ => self.network_up = false,
            }
            self.inbox.push_back(Fact::Network(fact));
        }
        if !self.has_network() && self.random.chance(300) {
            self.network_returns();
        }
        if self.random.chance(self.faults.oversize) && self.connection.is_some() {
            self.inbox.push_back(Fact::Oversize);
        }
        self.drive();
        let patience = Duration::from_millis(u64::from(self.random.below(20_000)));
        self.pass(patience);
    }

    /// Without further faults everything that was accepted arrives.
    pub(crate) fn settle(&mut self) {
        self.faults = Faults::default();
        if let Some(connection) = &self.connection
            && connection.dead
        {
            self.inbox.push_back(Fact::Closed);
        }
        if !self.wanted {
            self.toggle();
        }
        self.network_returns();
        self.drive();
        let end = self.now + Duration::from_secs(1200);
        while self.now < end && !self.is_settled() {
            self.drive();
            self.pass(Duration::from_secs(5));
        }
        assert!(
            self.is_settled(),
            "seed {}: {:?}",
            self.seed,
            self.client.status()
        );
        self.hub.desired += 1;
        self.publish(
            "$iothub/twin/PATCH/properties/desired/?$version=",
            self.hub.desired,
        );
        let calls = self.hub.calls;
        self.call();
        self.drive();
        self.pass(Duration::from_secs(60));
        assert!(
            self.hub.answered.contains(&calls),
            "seed {}: a method hangs",
            self.seed
        );
        assert_eq!(
            self.twin,
            Some(self.hub.desired),
            "seed {}: twin out of step",
            self.seed
        );
        self.check_end();
    }

    fn is_settled(&self) -> bool {
        let status = self.client.status();
        status.phase == iothub_proto::Phase::Ready && status.outbox_used == 0
    }

    fn check_end(&self) {
        let seed = self.seed;
        for (id, number) in &self.kept {
            assert!(
                self.hub.seen.contains_key(number),
                "seed {seed}: message {number} lost"
            );
            assert!(
                self.sent.contains(id),
                "seed {seed}: message {number} never told as sent"
            );
        }
        for id in &self.once {
            assert!(
                self.sent.contains(id),
                "seed {seed}: {id} never told as sent"
            );
        }
        let mut sorted = self.hub.arrivals.clone();
        sorted.sort_unstable();
        assert_eq!(self.hub.arrivals, sorted, "seed {seed}: out of order");
        assert!(
            self.reports.is_empty(),
            "seed {seed}: reports without an end {:?}",
            self.reports
        );
        let counters = self.client.status().counters;
        assert_eq!(counters.events_lost, 0, "seed {seed}");
        assert_eq!(counters.dropped, 0, "seed {seed}");
    }

    // The application.

    fn send(&mut self) {
        let payload = self.next_message.to_string();
        let mut message = Telemetry::new(payload.as_bytes());
        let once = self.random.chance(200);
        if once {
            message.qos = Qos::AtMostOnce;
        }
        if let Ok(id) = self.client.send(self.now, &message) {
            if once {
                self.once.insert(id.as_u32());
            } else {
                self.kept.insert(id.as_u32(), self.next_message);
            }
            self.next_message += 1;
        }
    }

    fn report(&mut self) {
        if let Ok(id) = self.client.report(self.now, br#"{"a":1}"#, None) {
            assert!(self.reports.insert(id.as_u32()), "a request id twice");
        }
    }

    fn respond(&mut self) {
        if let Some(request) = self.waiting.pop() {
            let answer = MethodResponse {
                request,
                status: 200,
                payload: b"{}",
            };
            // It may have gone with its connection, or have timed out.
            let _ = self.client.respond(self.now, &answer);
        }
    }

    fn toggle(&mut self) {
        if !self.wanted {
            self.client.connect(self.now).unwrap();
            self.wanted = true;
        } else if self.random.chance(200) {
            self.client.disconnect(self.now).unwrap();
            self.wanted = false;
        }
    }

    // The network and the hub.

    fn has_network(&self) -> bool {
        self.network_up && !self.suspended
    }

    fn network_returns(&mut self) {
        use network::Fact::{Activated, Ipv6Up, Registered, Resumed};
        let facts = [
            Activated { reason: None },
            Registered { roaming: false },
            Ipv6Up,
            Resumed,
        ];
        self.inbox.extend(facts.map(Fact::Network));
        self.network_up = true;
        self.suspended = false;
    }

    fn hub_acts(&mut self) {
        match self.random.below(4) {
            0 => {
                self.hub.desired += 1 + u64::from(self.random.chance(200));
                self.publish(
                    "$iothub/twin/PATCH/properties/desired/?$version=",
                    self.hub.desired,
                );
            }
            1 => self.call(),
            2 => self.deliver(Fact::Publish(
                "devices/dev1/messages/devicebound/%24.mid=1".into(),
                b"c2d".to_vec(),
            )),
            _ => self.deliver(Fact::Publish(
                "$iothub/twin/res/200/?$rid=77".into(),
                Vec::new(),
            )),
        }
    }

    fn call(&mut self) {
        let rid = self.hub.calls;
        self.hub.calls += 1;
        self.deliver(Fact::Publish(
            format!("$iothub/methods/POST/led/?$rid={rid}"),
            b"1".to_vec(),
        ));
    }

    fn publish(&mut self, topic: &str, version: u64) {
        self.deliver(Fact::Publish(
            format!("{topic}{version}"),
            b"{\"a\":null}".to_vec(),
        ));
    }

    /// Puts a fact on its way to the device, if there is a way.
    fn deliver(&mut self, fact: Fact) {
        let subscribed = match (&self.connection, &fact) {
            (Some(connection), Fact::Publish(..)) => connection.subscribed && !connection.dead,
            (Some(connection), _) => !connection.dead,
            (None, _) => false,
        };
        if !subscribed {
            return;
        }
        // Re-ordered freely among what is on its way.
        let most = if self.random.chance(self.faults.slow) {
            90_000
        } else {
            300
        };
        let copies = 1 + u32::from(self.random.chance(self.faults.duplicated));
        for _ in 0..copies {
            let delay = Duration::from_millis(u64::from(self.random.below(most)));
            self.on_the_way.push((self.now + delay, fact.clone()));
        }
    }

    fn hub_hears(&mut self, topic: &str, payload: &[u8], message_id: u16, qos: u8) {
        let rid = |topic: &str| -> u32 {
            let rid = topic.split("$rid=").nth(1).unwrap();
            rid.split('&').next().unwrap().parse().unwrap()
        };
        let refuse = self.random.chance(self.faults.refused);
        if topic == "devices/dev1/messages/events/" {
            let number = std::str::from_utf8(payload).unwrap().parse().unwrap();
            let times = self.hub.seen.entry(number).or_insert(0);
            *times += 1;
            if *times == 1 {
                self.hub.arrivals.push(number);
            }
            if qos == 1 {
                self.deliver(Fact::Puback(message_id));
            }
        } else if topic.starts_with("$iothub/twin/GET/") {
            let (status, body) = if refuse {
                (429, String::new())
            } else {
                let version = self.hub.desired;
                (
                    200,
                    format!(r#"{{"desired":{{"$version":{version}}},"reported":{{}}}}"#),
                )
            };
            self.deliver(Fact::Publish(
                format!("$iothub/twin/res/{status}/?$rid={}", rid(topic)),
                body.into_bytes(),
            ));
        } else if topic.starts_with("$iothub/twin/PATCH/properties/reported/") {
            self.hub.reported += 1;
            let status = if refuse { 500 } else { 204 };
            self.deliver(Fact::Publish(
                format!(
                    "$iothub/twin/res/{status}/?$rid={}&$version={}",
                    rid(topic),
                    self.hub.reported
                ),
                Vec::new(),
            ));
        } else if topic.starts_with("$iothub/methods/res/") {
            self.hub.answered.insert(rid(topic));
        } else {
            panic!("seed {}: {topic}", self.seed);
        }
    }

    // The driver.

    /// Hands in what has arrived, and makes the calls that are due.
    fn drive(&mut self) {
        let mut buffer = [0; 2048];
        let mut calls = 0;
        loop {
            while let Some(fact) = self.inbox.pop_front() {
                self.hand_in(fact);
            }
            self.events();
            let Some((id, command)) = self.client.poll_command(self.now, &mut buffer) else {
                break;
            };
            self.call_platform(id, command);
            calls += 1;
            assert!(calls < 200, "seed {}: a loop", self.seed);
        }
        self.check_progress();
    }

    fn check_progress(&self) {
        if self.wanted && self.has_network() {
            let timer = self.client.poll_timeout();
            assert!(
                timer.is_some_and(|at| at > self.now),
                "seed {}: neither progress nor a timer: {timer:?} {:?}",
                self.seed,
                self.client.status()
            );
        }
    }

    /// Lets time pass, with everything that is due in it.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timer = self.client.poll_timeout();
            let arrival = self.on_the_way.iter().map(|(at, _)| *at).min();
            let Some(next) = timer
                .into_iter()
                .chain(arrival)
                .min()
                .filter(|at| *at <= end)
            else {
                break;
            };
            self.now = self.now.max(next);
            let now = self.now;
            let arrived: Vec<_> = self
                .on_the_way
                .extract_if(.., |(at, _)| *at <= now)
                .collect();
            self.inbox.extend(arrived.into_iter().map(|(_, fact)| fact));
            if timer.is_some_and(|at| at <= now) {
                self.client.handle_timeout(now);
            }
            self.drive();
        }
        self.now = end;
    }

    fn call_platform(&mut self, id: CommandId, command: Command<'_>) {
        let at = self.commands;
        self.commands += 1;
        let scripted = self
            .faults
            .at
            .filter(|(_, when)| *when == at)
            .map(|(fault, _)| fault);
        let mut fault = |kind, chance| scripted == Some(kind) || self.random.chance(chance);
        let failed = fault(Fault::Failed, self.faults.failed);
        let silent = fault(Fault::Silent, self.faults.silent);
        let swallowed = fault(Fault::Swallowed, self.faults.swallowed);
        let closed = fault(Fault::Closed, self.faults.closed);
        let mut result = if failed { Err(Errno(-5)) } else { Ok(()) };
        match command {
            Command::Attach if !failed => self.network_returns(),
            Command::Attach => {}
            Command::Connect { .. } => {
                self.check_connect();
                self.open = true;
                if !failed {
                    self.connection = Some(Connection {
                        dead: silent,
                        greeted: true,
                        subscribed: false,
                    });
                    if !swallowed {
                        let refused = self.random.chance(self.faults.refused);
                        let code = if refused {
                            self.random.below(7) as u8
                        } else {
                            0
                        };
                        self.deliver(Fact::Connack(code));
                    }
                }
            }
            Command::Subscribe { message_id, .. } => {
                let connection = self.connection.as_mut().expect("SUBSCRIBE on a connection");
                assert!(connection.greeted);
                connection.dead |= silent;
                if !failed && !connection.dead {
                    connection.subscribed = true;
                    if !swallowed {
                        let granted = !self.random.chance(self.faults.refused / 8);
                        self.deliver(Fact::Suback(message_id, granted));
                    }
                }
            }
            Command::Publish {
                message_id,
                topic,
                payload,
                qos,
                dup: _,
            } => {
                if let Some(rid) = topic.strip_prefix("$iothub/twin/GET/?$rid=") {
                    self.gets.insert(rid.parse().unwrap());
                }
                let connection = self.connection.as_mut().expect("PUBLISH on a connection");
                connection.dead |= silent;
                if !failed && !connection.dead {
                    let before = self.on_the_way.len();
                    self.hub_hears(topic, payload, message_id, qos);
                    if swallowed {
                        self.on_the_way.truncate(before);
                    }
                }
            }
            Command::Disconnect => self.connection = None,
            Command::Abort => {
                // A script fails once, dice may go on: the abort must work some day.
                self.aborted |= !failed;
                if !failed {
                    self.connection = None;
                    // What mqtt_helper's thread still had to say.
                    self.on_the_way
                        .retain(|(_, fact)| matches!(fact, Fact::Network(_)));
                    if self.random.chance(500) {
                        self.inbox.push_back(Fact::Closed);
                    }
                }
            }
            Command::StoreAssignment { .. } | Command::EraseAssignment => panic!("no DPS here"),
        }
        if (closed || failed) && self.connection.is_some() {
            // As mqtt_helper does from within the call.
            self.connection = Some(Connection {
                dead: true,
                ..Connection::default()
            });
            self.inbox.push_back(Fact::Closed);
            if self.random.chance(500) {
                result = Err(Errno(-104));
            }
        }
        // Facts may overtake the completion.
        if self.random.chance(300) {
            let now = self.now;
            let early: Vec<_> = self
                .on_the_way
                .extract_if(.., |(at, _)| *at <= now + MIN)
                .collect();
            self.inbox.extend(early.into_iter().map(|(_, fact)| fact));
            while let Some(fact) = self.inbox.pop_front() {
                self.hand_in(fact);
                self.events();
            }
        }
        self.client.complete(self.now, id, result);
        self.events();
    }

    fn check_connect(&mut self) {
        let seed = self.seed;
        assert!(self.aborted, "seed {seed}: a connect before the abort");
        assert!(
            self.has_network(),
            "seed {seed}: a connect without a network"
        );
        if let Some(last) = self.last_connect {
            assert!(
                self.now >= last + MIN,
                "seed {seed}: two connects too close"
            );
        }
        self.last_connect = Some(self.now);
        self.aborted = false;
    }

    fn hand_in(&mut self, fact: Fact) {
        let now = self.now;
        match fact {
            Fact::Connack(code) => self.client.handle_connack(now, code, false),
            Fact::Suback(id, granted) => self.client.handle_suback(now, id, granted),
            Fact::Puback(id) => self.client.handle_puback(now, id),
            Fact::Oversize => self.client.handle_oversize(now),
            Fact::Closed => self.client.handle_disconnect(now, Errno(-104)),
            Fact::Network(fact) => self.client.handle_network(now, fact),
            Fact::Publish(topic, payload) => {
                let event = self.client.handle_publish(now, topic.as_bytes(), &payload);
                self.events();
                if let Some(event) = event {
                    self.judge(&event);
                }
            }
        }
        self.events();
    }

    fn events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            self.judge(&event);
        }
    }

    /// Every event is one that may be.
    fn judge(&mut self, event: &Event<'_>) {
        let seed = self.seed;
        match event {
            Event::Sent(id) => {
                let id = id.as_u32();
                assert!(
                    self.kept.contains_key(&id) || self.once.contains(&id),
                    "seed {seed}"
                );
                assert!(self.sent.insert(id), "seed {seed}: {id} sent twice");
                if let Some(number) = self.kept.get(&id) {
                    assert!(
                        self.hub.seen.contains_key(number),
                        "seed {seed}: sent, but not there"
                    );
                }
            }
            Event::Reported { request, .. } | Event::ReportFailed { request, .. } => {
                assert!(
                    self.reports.remove(&request.as_u32()),
                    "seed {seed}: unknown request"
                );
            }
            Event::Twin(document) => {
                assert!(
                    self.gets.contains(&document.request.as_u32()),
                    "seed {seed}"
                );
                self.twin = Some(document.version);
            }
            Event::TwinFailed { request, .. } => {
                assert!(self.gets.contains(&request.as_u32()), "seed {seed}");
            }
            Event::Desired(desired) => self.twin = Some(desired.version),
            Event::Method(call) => self.waiting.push(call.id),
            Event::Ready => self.ready += 1,
            Event::Disconnected { cause, .. } => {
                assert!(
                    self.open || *cause == Disconnect::Requested,
                    "seed {seed}: {cause:?} twice"
                );
                self.open = false;
                let name = format!("{cause:?}");
                self.causes.insert(name.split('(').next().unwrap().into());
            }
            Event::UnmatchedAnswer { .. } => self.unmatched += 1,
            Event::Dropped(id) => panic!("seed {seed}: {id:?} dropped"),
            Event::UnknownTopic(topic) => panic!("seed {seed}: {topic:?}"),
            _ => {}
        }
    }
}

/// That the simulation gets everywhere.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    causes: BTreeSet<String>,
    messages: usize,
    resent: u32,
    ready: u32,
    unmatched: u32,
}

impl Reached {
    pub(crate) fn add(&mut self, world: &World) {
        self.causes.extend(world.causes.iter().cloned());
        self.messages += world.kept.len();
        self.resent += world.client.status().counters.resent;
        self.ready += world.ready;
        self.unmatched += world.unmatched;
    }

    pub(crate) fn assert_everything_happened(&self) {
        let causes: Vec<_> = self.causes.iter().map(String::as_str).collect();
        assert_eq!(
            causes,
            [
                "Closed",
                "Connack",
                "ConnackTimeout",
                "ConnectFailed",
                "LinkSilent",
                "NetworkLost",
                "Oversize",
                "PubackTimeout",
                "Requested",
                "SubackTimeout",
                "SubscribeRefused",
                "WriteFailed"
            ]
        );
        assert!(
            self.messages > 0 && self.resent > 0 && self.ready > 0 && self.unmatched > 0,
            "{self:?}"
        );
    }
}
