//! A device on a fake clock, whose commands and events are written down as a transcript:
//! `> …` is what it tells the driver to do, `* …` what it tells the application.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test support")]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use iothub_proto::{Client, Command, Config, Errno, Event, Instant, network};

pub(crate) const HUB: &str = "hub.example";
pub(crate) const USER: &str = "hub.example/dev1/?api-version=2021-04-12&DeviceClientType=t";
pub(crate) const SUBSCRIBE: &str = "twin/res/# 0, twin/PATCH/properties/desired/# 0, methods/POST/# 0, devices/+/messages/devicebound/# 1";

/// More steps of one kind than any test takes: a loop.
const ENDLESS: u32 = 10_000;

/// Bytes of outbox in these tests.
pub(crate) const OUTBOX: usize = 2048;

pub(crate) struct Device {
    pub(crate) client: Client<OUTBOX>,
    pub(crate) now: Instant,
    log: Vec<String>,
    failures: Vec<(&'static str, i32)>,
    last_packet: u16,
}

pub(crate) fn config() -> Config<'static> {
    let mut config = Config::new(HUB, "dev1");
    config.client_type = "t";
    config.network.enabled = false;
    config
}

impl Device {
    /// Without waiting for the network and without the twin, unless `change` says otherwise. No
    /// connection yet.
    pub(crate) fn new(change: impl FnOnce(&mut Config<'static>)) -> Self {
        let mut config = config();
        config.request_twin = false;
        change(&mut config);
        Self {
            client: Client::new(&config).unwrap(),
            now: Instant::from_millis(1000),
            log: Vec::new(),
            failures: Vec::new(),
            last_packet: 0,
        }
    }

    /// Ready, with an empty transcript.
    pub(crate) fn ready(change: impl FnOnce(&mut Config<'static>)) -> Self {
        let mut device = Self::new(change);
        device.act(|client, now| client.connect(now).unwrap());
        device.connack(0);
        device.suback(true);
        assert!(
            device.log.iter().any(|line| line == "* Ready"),
            "{:?}",
            device.log
        );
        device.log.clear();
        device
    }

    /// Calls the client, and drains.
    pub(crate) fn act<T>(&mut self, act: impl FnOnce(&mut Client<OUTBOX>, Instant) -> T) -> T {
        let result = act(&mut self.client, self.now);
        self.drain();
        result
    }

    pub(crate) fn connack(&mut self, code: u8) {
        self.act(|client, now| client.handle_connack(now, code, false));
    }

    /// For the last SUBSCRIBE in the transcript.
    pub(crate) fn suback(&mut self, granted: bool) {
        let id = self.last_id("> subscribe ");
        self.act(|client, now| client.handle_suback(now, id, granted));
    }

    /// For the last PUBLISH at QoS 1 in the transcript.
    pub(crate) fn puback(&mut self) {
        let id = self.last_id("> publish1 ");
        self.act(|client, now| client.handle_puback(now, id));
    }

    pub(crate) fn closed(&mut self) {
        self.act(|client, now| client.handle_disconnect(now, Errno(-104)));
    }

    pub(crate) fn network(&mut self, input: network::Input) {
        self.act(|client, now| client.handle_network(now, input));
    }

    pub(crate) fn publish(&mut self, topic: &str, payload: &str) {
        self.publish_bytes(topic.as_bytes(), payload.as_bytes());
    }

    pub(crate) fn publish_bytes(&mut self, topic: &[u8], payload: &[u8]) {
        if let Some(event) = self.client.handle_publish(self.now, topic, payload) {
            self.log
                .push(format!("* {}", describe(&event)).trim_end().into());
        }
        self.drain();
    }

    /// The next command whose line begins so fails with this number.
    pub(crate) fn fail(&mut self, command: &'static str, errno: i32) {
        self.failures.push((command, errno));
    }

    /// Lets time pass, serving each timer when it is due.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        let mut timers = 0;
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            timers += 1;
            assert!(timers < ENDLESS, "a timer without end");
            self.act(|client, now| client.handle_timeout(now));
        }
        self.now = end;
    }

    /// Lets time pass until the next timer, and returns how long that was.
    pub(crate) fn wait_for_timer(&mut self) -> Duration {
        let due = self.client.poll_timeout().expect("a timer runs");
        let time = due.saturating_duration_since(self.now);
        self.wait(time);
        time
    }

    /// Lets time pass, timer by timer, until a new line has this in it.
    pub(crate) fn wait_until(&mut self, text: &str) {
        let mut seen = self.log.len();
        for timers in 0.. {
            let fresh = self.log.get(seen..).unwrap_or_default();
            if fresh.iter().any(|line| line.contains(text)) {
                return;
            }
            seen = self.log.len();
            assert!(
                timers < ENDLESS,
                "never {text}: {:?}",
                self.log.iter().rev().take(8).collect::<Vec<_>>()
            );
            self.wait_for_timer();
        }
    }

    /// The transcript since the last look is exactly this; one line each, empty lines ignored.
    #[track_caller]
    pub(crate) fn expect(&mut self, transcript: &str) {
        let expected: Vec<_> = transcript
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        assert_eq!(self.log, expected);
        self.log.clear();
    }

    #[track_caller]
    pub(crate) fn silent(&mut self) {
        self.expect("");
    }

    /// The transcript since the last look.
    pub(crate) fn take(&mut self) -> Vec<String> {
        core::mem::take(&mut self.log)
    }

    /// Drops the transcript until now.
    pub(crate) fn skip(&mut self) {
        self.log.clear();
    }

    pub(crate) fn drain(&mut self) {
        let mut buffer = [0; 4096];
        for commands in 0.. {
            assert!(commands < ENDLESS, "commands without end");
            self.drain_events();
            let Some((id, command)) = self.client.poll_command(self.now, &mut buffer) else {
                break;
            };
            let line = render(&command);
            if let Command::Subscribe { message_id, .. } | Command::Publish { message_id, .. } =
                command
            {
                self.last_packet = message_id;
            }
            self.drain_events();
            let failure = self
                .failures
                .iter()
                .position(|(prefix, _)| line.starts_with(prefix))
                .map(|at| Errno(self.failures.remove(at).1));
            self.log.push(line);
            self.client
                .complete(self.now, id, failure.map_or(Ok(()), Err));
        }
        self.drain_events();
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            self.log
                .push(format!("* {}", describe(&event)).trim_end().into());
        }
    }

    /// The packet id of the last SUBSCRIBE or PUBLISH, also of one that has left the transcript.
    pub(crate) fn last_packet(&self) -> u16 {
        self.last_packet
    }

    fn last_id(&self, prefix: &str) -> u16 {
        let line = self.log.iter().rfind(|line| line.starts_with(prefix));
        let line = line.unwrap_or_else(|| panic!("no `{prefix}` in {:?}", self.log));
        let id = line.trim_start_matches(prefix).split(' ').next();
        id.and_then(|id| id.parse().ok()).expect("a packet id")
    }
}

/// A command as one line.
pub(crate) fn render(command: &Command<'_>) -> String {
    match command {
        Command::Attach => "> attach".into(),
        Command::Connect {
            hostname,
            client_id,
            user_name,
        } => format!(
            "> connect {} {client_id} {user_name}",
            hostname.to_str().unwrap()
        ),
        Command::Subscribe {
            message_id,
            filters,
        } => {
            assert_ne!(*message_id, 0);
            let filters: Vec<_> = filters
                .iter()
                .map(|filter| {
                    format!(
                        "{} {}",
                        filter.topic.trim_start_matches("$iothub/"),
                        filter.qos
                    )
                })
                .collect();
            format!("> subscribe {message_id} {}", filters.join(", "))
        }
        Command::Publish {
            message_id,
            topic,
            payload,
            qos,
            dup,
        } => {
            assert_ne!(*message_id, 0);
            let dup = if *dup { " dup" } else { "" };
            let payload = String::from_utf8_lossy(payload);
            format!("> publish{qos} {message_id}{dup} {topic} {payload}")
                .trim_end()
                .into()
        }
        Command::Disconnect => "> disconnect".into(),
        Command::Abort => "> abort".into(),
        Command::StoreAssignment {
            hostname,
            device_id,
        } => format!("> store {hostname} {device_id}"),
        Command::EraseAssignment => "> erase".into(),
    }
}

/// An event as one line.
pub(crate) fn describe(event: &Event<'_>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match event {
        Event::C2d(message) => format!(
            "C2d {} {}",
            text(message.properties.as_bytes()),
            text(message.payload)
        ),
        Event::Twin(document) => format!("Twin {} {}", document.version, text(document.json)),
        Event::Desired(desired) => format!("Desired {} {}", desired.version, text(desired.patch)),
        Event::Method(call) => format!(
            "Method {}{} {}",
            call.component
                .map(|name| format!("{name}*"))
                .unwrap_or_default(),
            call.name,
            text(call.payload)
        ),
        Event::UnknownTopic(topic) => format!("UnknownTopic {}", text(topic)),
        Event::Sent(id) => format!("Sent {}", id.as_u32()),
        Event::Dropped(id) => format!("Dropped {}", id.as_u32()),
        Event::Disconnected { cause, retry_in } => match retry_in {
            Some(_) => format!("Disconnected {cause:?}, again"),
            None => format!("Disconnected {cause:?}"),
        },
        other => format!("{other:?}"),
    }
}
