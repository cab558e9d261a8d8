//! One device, one hub, the way between them, and what must hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use iothub_proto::network;
use iothub_proto::{
    Client, Command, CommandId, Config, Disconnect, Errno, Event, Instant, MethodId,
    MethodResponse, Phase, Qos, Telemetry,
};

const MIN: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const SILENCE: Duration = Duration::from_secs(30);
const STABLE_AFTER: Duration = Duration::from_secs(60);
/// The back-off's longest wait, and that after a refusal.
const MAX: Duration = Duration::from_secs(60);
const REFUSED_MIN: Duration = Duration::from_secs(30);
const REFUSED_MAX: Duration = Duration::from_secs(120);
const WINDOW: usize = 4;
/// Turns a packet id into one that the client never uses here.
const FOREIGN: u16 = 0x4000;

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
        let mut chance_of = |most| {
            if random.chance(500) {
                random.below(most)
            } else {
                0
            }
        };
        Self {
            closed: chance_of(150),
            failed: chance_of(150),
            silent: chance_of(100),
            swallowed: chance_of(150),
            refused: chance_of(300),
            duplicated: chance_of(300),
            network: chance_of(100),
            slow: chance_of(300),
            oversize: chance_of(50),
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
enum Input {
    Connack(u8),
    Suback(u16, bool),
    Puback(u16),
    Publish(String, Vec<u8>),
    Oversize,
    Closed,
    Network(network::Input),
}

/// The connection as the platform has it.
#[derive(Debug, Default)]
struct Connection {
    /// Nothing comes through.
    dead: bool,
    accepted: bool,
    subscribed: bool,
}

/// What the client may have in flight on this connection, and what it has received.
#[derive(Debug, Default)]
struct Session {
    /// Numbers of messages by packet id.
    messages: BTreeMap<u16, u32>,
    reports: BTreeSet<u32>,
    subscribe: Option<u16>,
    suback: bool,
    ready: Option<Instant>,
    received: Option<Instant>,
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
    inbox: VecDeque<Input>,
    in_transit: Vec<(Instant, Input)>,
    session: Session,
    /// Numbers of messages that were written on any connection.
    written: BTreeSet<u32>,
    /// Failures in a row: transient ones, and refusals.
    failures: (u32, u32),
    last_command: Option<CommandId>,
    connection: Option<Connection>,
    hub: Hub,
    wanted: bool,
    network_up: bool,
    suspended: bool,
    pub(crate) commands: u32,

    /// Numbers of accepted messages by id, QoS 1 apart.
    qos1: BTreeMap<u32, u32>,
    qos0: BTreeSet<u32>,
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
        config.network = network::Config::new();
        config.keep_alive = KEEP_ALIVE;
        config.seed = seed;
        config.backoff.max = MAX;
        config.backoff.authorisation_min = REFUSED_MIN;
        config.backoff.authorisation_max = REFUSED_MAX;
        config.backoff.stable_after = STABLE_AFTER;
        config.timeouts.silence = SILENCE;
        Self {
            seed,
            random: Random(seed),
            faults,
            now: Instant::from_millis(1_000),
            client: Client::new(&config).unwrap(),
            inbox: VecDeque::new(),
            in_transit: Vec::new(),
            session: Session::default(),
            written: BTreeSet::new(),
            failures: (0, 0),
            last_command: None,
            connection: None,
            hub: Hub::default(),
            wanted: false,
            network_up: false,
            suspended: false,
            commands: 0,
            qos1: BTreeMap::new(),
            qos0: BTreeSet::new(),
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
            5 => self.connect_or_disconnect(),
            6 => {
                if let Ok(id) = self.client.request_twin() {
                    self.gets.insert(id.as_u32());
                }
            }
            7..10 => self.hub_acts(),
            _ => {}
        }
        if self.random.chance(self.faults.network) {
            let inputs = [
                network::Input::Deactivated,
                network::Input::Searching,
                network::Input::Detached,
                network::Input::Suspended,
                network::Input::Ipv6Down,
                network::Input::Resumed,
            ];
            let input = inputs[self.random.below(6) as usize];
            match input {
                network::Input::Suspended => self.suspended = true,
                network::Input::Resumed => self.suspended = false,
                // A dual stack without IPv6 has IPv4.
                network::Input::Ipv6Down => {}
                _ => self.network_up = false,
            }
            self.inbox.push_back(Input::Network(input));
        }
        if !self.has_network() && self.random.chance(300) {
            self.network_returns();
        }
        if self.random.chance(self.faults.oversize) && self.connection.is_some() {
            self.inbox.push_back(Input::Oversize);
        }
        self.drive();
        let wait = Duration::from_millis(u64::from(self.random.below(20_000)));
        self.pass(wait);
    }

    /// Without further faults everything that was accepted arrives.
    pub(crate) fn finish(&mut self) {
        self.faults = Faults::default();
        if let Some(connection) = &self.connection
            && connection.dead
        {
            self.inbox.push_back(Input::Closed);
        }
        if !self.wanted {
            self.connect_or_disconnect();
        }
        self.network_returns();
        self.drive();
        let end = self.now + Duration::from_secs(1200);
        while self.now < end && !self.is_finished() {
            self.drive();
            self.pass(Duration::from_secs(5));
        }
        assert!(
            self.is_finished(),
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

    fn is_finished(&self) -> bool {
        let status = self.client.status();
        status.phase == iothub_proto::Phase::Ready && status.outbox_used == 0
    }

    fn check_end(&self) {
        let seed = self.seed;
        for (id, number) in &self.qos1 {
            assert!(
                self.hub.seen.contains_key(number),
                "seed {seed}: message {number} lost"
            );
            assert!(
                self.sent.contains(id),
                "seed {seed}: message {number} never reported as sent"
            );
        }
        for id in &self.qos0 {
            assert!(
                self.sent.contains(id),
                "seed {seed}: {id} never reported as sent"
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
        let is_qos0 = self.random.chance(200);
        if is_qos0 {
            message.qos = Qos::AtMostOnce;
        }
        if let Ok(id) = self.client.send(&message) {
            if is_qos0 {
                self.qos0.insert(id.as_u32());
            } else {
                self.qos1.insert(id.as_u32(), self.next_message);
            }
            self.next_message += 1;
        }
    }

    fn report(&mut self) {
        if let Ok(id) = self.client.report(br#"{"a":1}"#, None) {
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
            let _ = self.client.respond(&answer);
        }
    }

    fn connect_or_disconnect(&mut self) {
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
        use network::Input::{Activated, Ipv6Up, Registered, Resumed};
        let inputs = [
            Activated { reason: None },
            Registered { roaming: false },
            Ipv6Up,
            Resumed,
        ];
        self.inbox.extend(inputs.map(Input::Network));
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
            2 => self.deliver(Input::Publish(
                "devices/dev1/messages/devicebound/%24.mid=1".into(),
                b"c2d".to_vec(),
            )),
            _ => self.deliver(Input::Publish(
                "$iothub/twin/res/200/?$rid=77".into(),
                Vec::new(),
            )),
        }
    }

    fn call(&mut self) {
        let rid = self.hub.calls;
        self.hub.calls += 1;
        self.deliver(Input::Publish(
            format!("$iothub/methods/POST/led/?$rid={rid}"),
            b"1".to_vec(),
        ));
    }

    fn publish(&mut self, topic: &str, version: u64) {
        self.deliver(Input::Publish(
            format!("{topic}{version}"),
            b"{\"a\":null}".to_vec(),
        ));
    }

    /// Puts an input on its way to the device, if there is a way.
    fn deliver(&mut self, input: Input) {
        let subscribed = match (&self.connection, &input) {
            (Some(connection), Input::Publish(..)) => connection.subscribed && !connection.dead,
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
            self.in_transit.push((self.now + delay, input.clone()));
        }
    }

    fn hub_receives(&mut self, topic: &str, payload: &[u8], message_id: u16, qos: u8) {
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
                self.deliver(Input::Puback(message_id));
                if self.random.chance(300) {
                    self.deliver(Input::Puback(message_id ^ FOREIGN));
                }
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
            self.deliver(Input::Publish(
                format!("$iothub/twin/res/{status}/?$rid={}", rid(topic)),
                body.into_bytes(),
            ));
        } else if topic.starts_with("$iothub/twin/PATCH/properties/reported/") {
            self.hub.reported += 1;
            let status = if refuse { 500 } else { 204 };
            self.deliver(Input::Publish(
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
            while let Some(input) = self.inbox.pop_front() {
                self.handle(input);
            }
            self.drain_events();
            let Some((id, command)) = self.client.poll_command(self.now, &mut buffer) else {
                break;
            };
            self.execute(id, command);
            calls += 1;
            assert!(calls < 200, "seed {}: a loop", self.seed);
        }
        self.check_progress();
    }

    fn check_progress(&self) {
        let is_open = matches!(self.client.status().phase, Phase::Connected | Phase::Ready);
        if let (true, Some(received)) = (is_open, self.session.received) {
            assert!(
                self.now < received + KEEP_ALIVE + SILENCE,
                "seed {}: a silent link is kept",
                self.seed
            );
        }
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
        for steps in 0.. {
            assert!(steps < 10_000, "seed {}: a timer without end", self.seed);
            let timer = self.client.poll_timeout();
            let arrival = self.in_transit.iter().map(|(at, _)| *at).min();
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
                .in_transit
                .extract_if(.., |(at, _)| *at <= now)
                .collect();
            self.inbox
                .extend(arrived.into_iter().map(|(_, input)| input));
            if timer.is_some_and(|at| at <= now) {
                self.client.handle_timeout(now);
            }
            self.drive();
        }
        self.now = end;
    }

    fn execute(&mut self, id: CommandId, command: Command<'_>) {
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
                self.session = Session::default();
                if !failed {
                    self.connection = Some(Connection {
                        dead: silent,
                        accepted: true,
                        subscribed: false,
                    });
                    if !swallowed {
                        let refused = self.random.chance(self.faults.refused);
                        let code = if refused {
                            self.random.below(7) as u8
                        } else {
                            0
                        };
                        self.deliver(Input::Connack(code));
                    }
                }
            }
            Command::Subscribe { message_id, .. } => {
                let connection = self.connection.as_mut().expect("SUBSCRIBE on a connection");
                assert!(connection.accepted);
                self.session.subscribe.get_or_insert(message_id);
                connection.dead |= silent;
                if !failed && !connection.dead {
                    connection.subscribed = true;
                    if !swallowed {
                        let granted = !self.random.chance(self.faults.refused / 8);
                        self.deliver(Input::Suback(message_id, granted));
                    }
                    if self.random.chance(300) {
                        let granted = self.random.chance(500);
                        self.deliver(Input::Suback(message_id ^ FOREIGN, granted));
                    }
                }
            }
            Command::Publish {
                message_id,
                topic,
                payload,
                qos,
                dup,
            } => {
                self.check_publish(message_id, topic, payload, qos, dup);
                if let Some(rid) = topic.strip_prefix("$iothub/twin/GET/?$rid=") {
                    self.gets.insert(rid.parse().unwrap());
                }
                let connection = self.connection.as_mut().expect("PUBLISH on a connection");
                connection.dead |= silent;
                if !failed && !connection.dead {
                    let before = self.in_transit.len();
                    self.hub_receives(topic, payload, message_id, qos);
                    if swallowed {
                        self.in_transit.truncate(before);
                    }
                }
            }
            Command::Disconnect => self.connection = None,
            Command::Abort => {
                // A scripted fault fails once, random ones may go on: the abort must work in the
                // end.
                self.aborted |= !failed;
                if !failed {
                    self.connection = None;
                    // What mqtt_helper's thread still had to say.
                    self.in_transit
                        .retain(|(_, input)| matches!(input, Input::Network(_)));
                    if self.random.chance(500) {
                        self.inbox.push_back(Input::Closed);
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
            self.inbox.push_back(Input::Closed);
            if self.random.chance(500) {
                result = Err(Errno(-104));
            }
        }
        // Inputs may overtake the completion.
        if self.random.chance(300) {
            let now = self.now;
            let early: Vec<_> = self
                .in_transit
                .extract_if(.., |(at, _)| *at <= now + MIN)
                .collect();
            self.inbox.extend(early.into_iter().map(|(_, input)| input));
            while let Some(input) = self.inbox.pop_front() {
                self.handle(input);
                self.drain_events();
            }
        }
        let earlier = self.last_command.replace(id);
        self.complete_stale(earlier);
        self.client.complete(self.now, id, result);
        self.drain_events();
        self.complete_stale(Some(id));
    }

    /// The completion of an earlier command changes nothing, whatever it says.
    fn complete_stale(&mut self, id: Option<CommandId>) {
        let Some(id) = id.filter(|_| self.random.chance(20)) else {
            return;
        };
        let before = format!("{:?}", self.client);
        self.client.complete(self.now, id, Err(Errno(-5)));
        let after = format!("{:?}", self.client);
        assert_eq!(before, after, "seed {}: a stale completion", self.seed);
    }

    fn check_publish(&mut self, message_id: u16, topic: &str, payload: &[u8], qos: u8, dup: bool) {
        let seed = self.seed;
        if let Some((_, rid)) = topic.split_once("reported/?$rid=") {
            assert!(self.session.reports.insert(rid.parse().unwrap()));
            assert!(
                self.session.reports.len() <= WINDOW,
                "seed {seed}: too many reports in flight"
            );
        }
        if qos == 0 {
            assert!(!dup);
            return;
        }
        let number = std::str::from_utf8(payload).unwrap().parse().unwrap();
        let other = self.session.messages.insert(message_id, number);
        assert_eq!(other, None, "seed {seed}: packet id {message_id} twice");
        assert!(
            self.session.messages.len() <= WINDOW,
            "seed {seed}: too many messages in flight"
        );
        let is_new = self.written.insert(number);
        assert!(!(dup && is_new), "seed {seed}: {number} is no duplicate");
    }

    /// The wait after a failure lies in the window of its class.
    fn check_back_off(&mut self, cause: Disconnect, retry_in: Option<Duration>) {
        if let Some(ready) = self.session.ready.take() {
            if self.now == ready + STABLE_AFTER {
                // The timer and the end at one moment: either may be first.
                self.failures.0 = self.client.status().failures.transient.saturating_sub(1);
            } else if self.now > ready + STABLE_AFTER {
                self.failures = (0, 0);
            }
        }
        let (attempt, min, max) = match cause {
            Disconnect::Requested | Disconnect::NetworkLost => (0, MIN, MIN),
            Disconnect::Connack(code) if code.is_authorisation() => {
                self.failures.1 += 1;
                (self.failures.1, REFUSED_MIN, REFUSED_MAX)
            }
            _ => {
                self.failures.0 += 1;
                (self.failures.0, MIN, MAX)
            }
        };
        let failures = self.client.status().failures;
        assert_eq!(
            (failures.transient, failures.refused_by_hub),
            self.failures,
            "seed {}: {cause:?}",
            self.seed
        );
        let Some(wait) = retry_in else { return };
        let longest = (min * 3u32.saturating_pow(attempt.min(9))).min(max);
        let shortest = if attempt == 0 {
            Duration::ZERO
        } else {
            min.max(longest / 3)
        };
        assert!(
            (shortest..=longest.max(MIN)).contains(&wait),
            "seed {}: {wait:?} after {cause:?}, number {attempt}",
            self.seed
        );
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

    fn handle(&mut self, input: Input) {
        let now = self.now;
        if !matches!(input, Input::Network(_) | Input::Closed | Input::Oversize) {
            self.session.received = Some(now);
        }
        match input {
            Input::Connack(code) => self.client.handle_connack(now, code, false),
            Input::Suback(id, granted) => {
                self.session.suback |= granted && self.session.subscribe == Some(id);
                self.client.handle_suback(now, id, granted);
            }
            Input::Puback(id) => {
                self.session.messages.remove(&id);
                self.client.handle_puback(now, id);
            }
            Input::Oversize => self.client.handle_oversize(now),
            Input::Closed => self.client.handle_disconnect(now, Errno(-104)),
            Input::Network(input) => self.client.handle_network(now, input),
            Input::Publish(topic, payload) => {
                let event = self.client.handle_publish(now, topic.as_bytes(), &payload);
                self.drain_events();
                if let Some(event) = event {
                    self.check_event(&event);
                }
            }
        }
        self.drain_events();
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            self.check_event(&event);
        }
    }

    /// Every event is one that may be.
    fn check_event(&mut self, event: &Event<'_>) {
        let seed = self.seed;
        match event {
            Event::Sent(id) => {
                let id = id.as_u32();
                assert!(
                    self.qos1.contains_key(&id) || self.qos0.contains(&id),
                    "seed {seed}"
                );
                assert!(self.sent.insert(id), "seed {seed}: {id} sent twice");
                if let Some(number) = self.qos1.get(&id) {
                    self.failures = (0, 0);
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
                self.session.reports.remove(&request.as_u32());
                if matches!(event, Event::Reported { .. }) {
                    self.failures = (0, 0);
                }
            }
            Event::Twin(document) => {
                assert!(
                    self.gets.contains(&document.request.as_u32()),
                    "seed {seed}"
                );
                self.twin = Some(document.version);
                self.failures = (0, 0);
            }
            Event::TwinFailed { request, .. } => {
                assert!(self.gets.contains(&request.as_u32()), "seed {seed}");
            }
            Event::Desired(desired) => self.twin = Some(desired.version),
            Event::Method(call) => self.waiting.push(call.id),
            Event::Ready => {
                assert!(self.session.suback, "seed {seed}: ready without a SUBACK");
                self.session.ready = Some(self.now);
                self.failures.1 = 0;
                self.ready += 1;
            }
            Event::Disconnected { cause, retry_in } => {
                self.check_back_off(*cause, *retry_in);
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
pub(crate) struct Coverage {
    causes: BTreeSet<String>,
    messages: usize,
    resent: u32,
    ready: u32,
    unmatched: u32,
}

impl Coverage {
    pub(crate) fn add(&mut self, world: &World) {
        self.causes.extend(world.causes.iter().cloned());
        self.messages += world.qos1.len();
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
