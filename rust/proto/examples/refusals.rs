//! Time until a device is ready again after each kind of refusal and after a dead link, over 50
//! seeds of the jitter: `cargo run --release -p iothub-proto --example refusals`. The table of
//! docs/reliability.md.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an example")]

use std::time::Duration;

use iothub_proto::{
    Client, Command, Config, ConnackCode, Disconnect, Errno, Instant, Phase, Qos, Telemetry, dps,
    reconnect::Failures,
};

const SEEDS: u64 = 50;
const ROUND_TRIP: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(240);
/// After so long a device counts as lost.
const END: Duration = Duration::from_secs(24 * 3600);
const DPS: &str = "global.azure-devices-provisioning.net";
const NOT_AUTHORISED: u8 = 5;
const BUSY: u8 = 3;

/// What becomes of a connect.
#[derive(Clone, Copy)]
enum Answer {
    /// The call fails.
    Unreachable,
    Connack(u8),
}

struct Scenario {
    name: &'static str,
    /// Time from the event to ready, `None` after [`END`].
    run: fn(u64) -> Option<Duration>,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "CONNACK 5 once",
        run: |seed| back_after(seed, &[Answer::Connack(NOT_AUTHORISED)]),
    },
    Scenario {
        name: "CONNACK 3 once",
        run: |seed| back_after(seed, &[Answer::Connack(BUSY)]),
    },
    Scenario {
        name: "CONNACK 5 once, after four failed connects",
        run: |seed| {
            let mut device = Device::new(seed, |_| ());
            device.fail_connects(4);
            device.answers.push(Answer::Connack(NOT_AUTHORISED));
            device.until(|device| device.answers.is_empty());
            device.time_to_ready()
        },
    },
    Scenario {
        name: "the same, and a power cycle, after which the hub refuses once more",
        run: |seed| {
            let mut device = Device::new(seed, |_| ());
            device.fail_connects(4);
            device.answers.push(Answer::Connack(NOT_AUTHORISED));
            device.until(|device| {
                let refused = Disconnect::Connack(ConnackCode::NotAuthorised);
                device.client.status().last_disconnect == Some(refused)
            });
            let failures = device.client.status().failures;
            let mut device = Device::new(seed ^ 0xFF, |config| config.failures = failures);
            device.answers.push(Answer::Connack(NOT_AUTHORISED));
            device.time_to_ready()
        },
    },
    Scenario {
        name: "device deleted at its hub, DPS assigns another",
        run: |seed| moved(seed, 0),
    },
    Scenario {
        name: "the same, after four failed connects",
        run: |seed| moved(seed, 4),
    },
    Scenario {
        name: "DPS refuses once (404201)",
        run: |seed| {
            let mut device = Device::new(seed, |config| {
                config.dps = Some(dps::Config::new("0ne0", "dev1"));
                config.hostname = "";
                config.device_id = "";
            });
            device.dps_refusals = 1;
            device.until(|device| device.dps_refusals == 0);
            device.time_to_ready()
        },
    },
    Scenario {
        name: "disabled at the hub for an hour; from when it is enabled",
        run: |seed| {
            let mut device = Device::new(seed, |_| ());
            device.always = Some(Answer::Connack(NOT_AUTHORISED));
            let enabled = device.now + Duration::from_secs(3600);
            device.until(|device| device.now >= enabled);
            device.always = None;
            device.time_to_ready()
        },
    },
    Scenario {
        name: "20th of 20 resets, 5 s after ready each, with a message acknowledged between",
        run: |seed| {
            let mut device = Device::new(seed, |_| ());
            for _ in 0..20 {
                device.until(Device::is_ready);
                device.client.send(&Telemetry::new(b"1")).unwrap();
                let reset = device.now + Duration::from_secs(5);
                device.until(|device| device.now >= reset);
                device.close();
            }
            device.time_to_ready()
        },
    },
    Scenario {
        name: "dead link where QoS 0 alone is written, once a minute; keep-alive 240 s",
        run: |seed| {
            let mut device = Device::new(seed, |_| ());
            device.qos0_every = Some(Duration::from_secs(60));
            device.until(Device::is_ready);
            let dead = device.now + Duration::from_secs(30);
            device.until(|device| device.now >= dead);
            device.is_dead = true;
            device.time_to_ready()
        },
    },
    Scenario {
        name: "dead link where nothing is written; keep-alive 240 s",
        run: |seed| {
            let mut device = Device::new(seed, |_| ());
            device.until(Device::is_ready);
            let dead = device.now + Duration::from_secs(30);
            device.until(|device| device.now >= dead);
            device.is_dead = true;
            device.time_to_ready()
        },
    },
];

fn back_after(seed: u64, answers: &[Answer]) -> Option<Duration> {
    let mut device = Device::new(seed, |_| ());
    device.answers = answers.to_vec();
    device.until(|device| device.answers.is_empty());
    device.time_to_ready()
}

/// The assigned hub refuses the device for good; DPS assigns another hub, which accepts it.
fn moved(seed: u64, failed_connects: usize) -> Option<Duration> {
    let mut device = Device::new(seed, |config| {
        config.dps = Some(dps::Config::new("0ne0", "dev1"));
        config.assignment = Some(dps::Assignment {
            hostname: "hub.example",
            device_id: "dev1",
        });
        config.hostname = "";
        config.device_id = "";
    });
    device.fail_connects(failed_connects);
    device.deleted = Some("hub.example");
    device.time_to_ready()
}

struct Device {
    client: Client<4096>,
    now: Instant,
    in_transit: Vec<(Instant, Reply)>,
    is_connected: bool,
    is_dead: bool,
    /// Answers to the next connects to a hub, the first at the end; afterwards all are accepted.
    answers: Vec<Answer>,
    always: Option<Answer>,
    /// The hub that refuses the device for good.
    deleted: Option<&'static str>,
    dps_refusals: u32,
    qos0_every: Option<Duration>,
    /// The platform pings so long after the last write.
    last_write: Instant,
    next_qos0: Instant,
}

enum Reply {
    Connack(u8),
    Suback(u16),
    Puback(u16),
    Pingresp,
    Publish(String, Vec<u8>),
}

impl Device {
    fn new(seed: u64, change: impl FnOnce(&mut Config<'static>)) -> Self {
        let mut config = Config::new("hub.example", "dev1");
        config.network.enabled = false;
        config.request_twin = false;
        config.keep_alive = KEEP_ALIVE;
        config.seed = seed;
        config.failures = Failures::default();
        change(&mut config);
        let mut client = Client::new(&config).unwrap();
        let now = Instant::from_millis(1000);
        client.connect(now).unwrap();
        Self {
            client,
            now,
            in_transit: Vec::new(),
            is_connected: false,
            is_dead: false,
            answers: Vec::new(),
            always: None,
            deleted: None,
            dps_refusals: 0,
            qos0_every: None,
            last_write: now,
            next_qos0: now,
        }
    }

    fn fail_connects(&mut self, count: usize) {
        self.answers = vec![Answer::Unreachable; count];
        self.until(|device| device.answers.is_empty());
    }

    fn is_ready(&self) -> bool {
        self.client.status().phase == Phase::Ready && !self.is_dead
    }

    fn time_to_ready(&mut self) -> Option<Duration> {
        let start = self.now;
        self.until(|device| {
            device.is_ready() || device.now.saturating_duration_since(start) >= END
        });
        let time = self.now.saturating_duration_since(start);
        (time < END).then_some(time)
    }

    fn close(&mut self) {
        self.is_connected = false;
        self.is_dead = false;
        self.in_transit.clear();
        self.client.handle_disconnect(self.now, Errno(-104));
    }

    /// Lets time pass, event by event.
    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            self.drain();
            if done(self) {
                return;
            }
            let second = self.now + Duration::from_secs(1);
            let arrival = self.in_transit.iter().map(|(at, _)| *at).min();
            let timer = self.client.poll_timeout();
            let next = [Some(second), arrival, timer].into_iter().flatten().min();
            self.now = self.now.max(next.unwrap_or(second));
            self.platform();
            self.client.handle_timeout(self.now);
        }
    }

    fn platform(&mut self) {
        let now = self.now;
        let arrived: Vec<_> = self
            .in_transit
            .extract_if(.., |(at, _)| *at <= now)
            .collect();
        for (_, reply) in arrived {
            match reply {
                Reply::Connack(code) => self.client.handle_connack(now, code, false),
                Reply::Suback(id) => self.client.handle_suback(now, id, true),
                Reply::Puback(id) => self.client.handle_puback(now, id),
                Reply::Pingresp => self.client.handle_pingresp(now),
                Reply::Publish(topic, body) => {
                    self.client.handle_publish(now, topic.as_bytes(), &body);
                }
            }
        }
        if self.is_connected && now >= self.last_write + KEEP_ALIVE {
            self.last_write = now;
            self.reply(Reply::Pingresp);
        }
        if let Some(every) = self.qos0_every
            && now >= self.next_qos0
        {
            self.next_qos0 = now + every;
            let mut message = Telemetry::new(b"1");
            message.qos = Qos::AtMostOnce;
            self.client.send(&message).expect("room in the outbox");
        }
    }

    fn reply(&mut self, reply: Reply) {
        if !self.is_dead {
            self.in_transit.push((self.now + ROUND_TRIP, reply));
        }
    }

    fn drain(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            while self.client.poll_event().is_some() {}
            let now = self.now;
            let Some((id, command)) = self.client.poll_command(now, &mut buffer) else {
                return;
            };
            let mut result = Ok(());
            let mut replies = Vec::new();
            match command {
                Command::Connect { hostname, .. } => {
                    let hostname = hostname.to_str().unwrap();
                    let answer = if hostname == DPS {
                        Answer::Connack(0)
                    } else if self.deleted == Some(hostname) {
                        Answer::Connack(NOT_AUTHORISED)
                    } else {
                        let next = self.answers.pop();
                        next.or(self.always).unwrap_or(Answer::Connack(0))
                    };
                    match answer {
                        Answer::Unreachable => result = Err(Errno(-113)),
                        Answer::Connack(code) => {
                            self.is_connected = true;
                            self.is_dead = false;
                            replies.push(Reply::Connack(code));
                        }
                    }
                }
                Command::Subscribe { message_id, .. } => replies.push(Reply::Suback(message_id)),
                Command::Publish {
                    message_id,
                    topic,
                    qos,
                    ..
                } => {
                    if qos == 1 {
                        replies.push(Reply::Puback(message_id));
                    }
                    if topic.starts_with("$dps/") {
                        let (status, body) = if self.dps_refusals > 0 {
                            self.dps_refusals -= 1;
                            (404, r#"{"errorCode":404201}"#)
                        } else {
                            (
                                200,
                                r#"{"status":"assigned","registrationState":{"assignedHub":"hub2.example","deviceId":"dev1"}}"#,
                            )
                        };
                        let (_, rid) = topic.split_once("$rid=").unwrap();
                        replies.push(Reply::Publish(
                            format!("$dps/registrations/res/{status}/?$rid={rid}"),
                            body.into(),
                        ));
                    }
                }
                Command::Disconnect | Command::Abort => {
                    self.is_connected = false;
                    self.in_transit.clear();
                }
                Command::Attach | Command::StoreAssignment { .. } | Command::EraseAssignment => {}
            }
            self.last_write = now;
            for reply in replies {
                self.reply(reply);
            }
            self.client.complete(now, id, result);
        }
    }
}

fn main() {
    println!("| | min | median | max |");
    println!("|---|--:|--:|--:|");
    for scenario in SCENARIOS {
        let mut times: Vec<_> = (0..SEEDS).map(|seed| (scenario.run)(seed)).collect();
        times.sort_by_key(|time| time.unwrap_or(Duration::MAX));
        let shown = |at: usize| match times[at] {
            Some(time) => format!("{} s", time.as_secs()),
            None => "not in 24 h".into(),
        };
        let (min, median, max) = (shown(0), shown(times.len() / 2), shown(times.len() - 1));
        println!("| {} | {min} | {median} | {max} |", scenario.name);
    }
}
