//! The whole client: the input is a schedule of requests, inputs, calls that succeed or fail, and
//! time. No panic, no loop, no connect without the abort before it or closer than the minimum, no
//! lost event.
#![no_main]

use std::time::Duration;

use iothub_proto::network::{self, Peer};
use iothub_proto::{
    Client, Command, Config, Errno, Event, Instant, MethodId, MethodResponse, Property, Qos,
    Telemetry, dps, outbox,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let kind = input.byte();
    let mut config = Config::new("hub.example", "dev1");
    config.network.enabled = kind & 1 != 0;
    config.reconnect = kind & 2 != 0;
    config.request_twin = kind & 4 != 0;
    config.seed = u64::from(kind);
    if kind & 8 != 0 {
        config.dps = Some(dps::Config::new("0ne0", "reg1"));
        config.assignment = (kind & 16 != 0).then_some(dps::Assignment {
            hostname: "hub.example",
            device_id: "dev1",
        });
    }
    if kind & 32 != 0 {
        config.outbox = outbox::Policy::DropOldest;
    }
    let mut run = Run {
        client: Client::new(&config).expect("the configuration is good"),
        now: Instant::from_millis(0),
        aborted: true,
        last_connect: None,
        rids: Vec::new(),
        calls: Vec::new(),
        packets: Vec::new(),
    };
    while !input.0.is_empty() {
        run.step(&mut input);
        run.events();
    }
    assert_eq!(run.client.status().counters.events_lost, 0);
});

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    fn text(&mut self) -> &'a str {
        let bytes = self.bytes();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

struct Run {
    client: Client<512>,
    now: Instant,
    aborted: bool,
    last_connect: Option<Instant>,
    rids: Vec<String>,
    calls: Vec<MethodId>,
    packets: Vec<u16>,
}

impl Run {
    fn step(&mut self, input: &mut Input<'_>) {
        let now = self.now;
        match input.byte() % 22 {
            0 => drop(self.client.connect(now)),
            1 => drop(self.client.disconnect(now)),
            2 => {
                let mut message = Telemetry::new(input.bytes());
                if input.byte() & 1 == 0 {
                    message.qos = Qos::AtMostOnce;
                }
                let property = [Property {
                    name: input.text(),
                    value: Some(input.text()),
                }];
                message.properties = &property;
                let _ = self.client.send(&message);
            }
            3 => drop(
                self.client
                    .report(b"{\"a\":1}", Some(u64::from(input.byte()))),
            ),
            4 => drop(self.client.report(input.bytes(), None)),
            5 => drop(self.client.request_twin()),
            6 => {
                if let Some(request) = self.calls.pop() {
                    let answer = MethodResponse {
                        request,
                        status: i32::from(input.byte()),
                        payload: input.bytes(),
                    };
                    let _ = self.client.respond(&answer);
                }
            }
            7 => drop(self.client.reprovision(now)),
            8 => self.client.handle_network(now, network_input(input.byte())),
            9 => self
                .client
                .handle_connack(now, input.byte() % 8, input.byte() & 1 == 0),
            10 => {
                let id = self.packet(input);
                self.client.handle_suback(now, id, input.byte() % 8 != 0);
            }
            11 => {
                let id = self.packet(input);
                self.client.handle_puback(now, id);
            }
            12 => self.client.handle_pingresp(now),
            13 if input.byte() & 1 == 0 => self.client.handle_oversize(now),
            13 => {
                let topic = input.bytes();
                let event = self.client.handle_message(now, topic, None);
                assert!(matches!(event, Some(Event::Oversize { .. } | Event::UnknownTopic(_))));
            }
            14 => self.client.handle_disconnect(now, Errno(-104)),
            15 => {
                let mut address = [0; 16];
                for (to, from) in address.iter_mut().zip(input.bytes()) {
                    *to = *from;
                }
                self.client.handle_peer(Peer::V6(address));
            }
            16 | 17 => {
                let time = u64::from(input.byte()).pow(2);
                self.now = now + Duration::from_millis(time * 10);
                self.client.handle_timeout(self.now);
            }
            18 => {
                if let Some(at) = self.client.poll_timeout() {
                    self.now = now.max(at);
                    self.client.handle_timeout(self.now);
                }
            }
            19 => {
                let topic = self.topic(input);
                self.publish(&topic, input.bytes());
            }
            _ => self.command(input),
        }
    }

    fn packet(&self, input: &mut Input<'_>) -> u16 {
        let at = usize::from(input.byte());
        *self
            .packets
            .iter()
            .rev()
            .nth(at % 8)
            .unwrap_or(&(at as u16))
    }

    fn topic(&self, input: &mut Input<'_>) -> Vec<u8> {
        let kind = input.byte();
        let rid = self.rids.last().map_or("1", String::as_str);
        let number = input.byte();
        match kind % 9 {
            0 => format!("$iothub/twin/res/200/?$rid={rid}&$version={number}"),
            1 => format!(
                "$iothub/twin/res/{}/?$rid={rid}",
                200 + u32::from(number) * 2
            ),
            2 => format!("$iothub/twin/PATCH/properties/desired/?$version={number}"),
            3 => format!("$iothub/methods/POST/led/?$rid={number}"),
            4 => format!(
                "$dps/registrations/res/{}/?$rid={rid}&retry-after={number}",
                200 + u32::from(number) * 2
            ),
            5 => format!("$dps/registrations/res/200/?$rid={rid}"),
            6 => "devices/dev1/messages/devicebound/%24.mid=1".into(),
            _ => return input.bytes().to_vec(),
        }
        .into_bytes()
    }

    fn publish(&mut self, topic: &[u8], payload: &[u8]) {
        const BODIES: [&[u8]; 5] = [
            br#"{"desired":{"$version":4},"reported":{}}"#,
            br#"{"operationId":"4.x","status":"assigning"}"#,
            br#"{"status":"assigned","registrationState":{"assignedHub":"h","deviceId":"d"}}"#,
            br#"{"status":"disabled"}"#,
            b"{}",
        ];
        let payload = match payload {
            [at] => BODIES[usize::from(*at) % BODIES.len()],
            other => other,
        };
        match self.client.handle_publish(self.now, topic, payload) {
            Some(Event::Method(call)) => self.calls.push(call.id),
            Some(Event::Twin(document)) => {
                let _ = document.desired().number("$version");
                let _ = document.reported().members().count();
            }
            Some(Event::C2d(message)) => {
                let _ = message.properties.find("$.mid");
            }
            _ => {}
        }
    }

    fn command(&mut self, input: &mut Input<'_>) {
        let mut buffer = [0; 4096];
        let Some((id, command)) = self.client.poll_command(self.now, &mut buffer) else {
            return;
        };
        let fate = input.byte();
        match command {
            Command::Connect { .. } => {
                assert!(self.aborted, "a connect before the abort");
                assert!(
                    self.last_connect
                        .is_none_or(|last| self.now >= last + Duration::from_secs(1)),
                    "two connects too close"
                );
                self.aborted = false;
                self.last_connect = Some(self.now);
            }
            Command::Abort => self.aborted |= fate & 1 == 0,
            Command::Subscribe { message_id, .. } => self.packets.push(message_id),
            Command::Publish {
                message_id, topic, ..
            } => {
                assert_ne!(message_id, 0);
                self.packets.push(message_id);
                if let Some((_, rid)) = topic.split_once("$rid=") {
                    self.rids
                        .push(rid.split('&').next().unwrap_or_default().into());
                }
            }
            _ => {}
        }
        self.events();
        if fate & 2 != 0 {
            self.step(input);
            self.events();
        }
        let result = if fate & 1 == 0 {
            Ok(())
        } else {
            Err(Errno(-5))
        };
        self.client.complete(self.now, id, result);
    }

    fn events(&mut self) {
        while self.client.poll_event().is_some() {}
    }
}

fn network_input(number: u8) -> network::Input {
    match number % 14 {
        0 => network::Input::Registered {
            roaming: number > 99,
        },
        1 => network::Input::NotRegistered,
        2 => network::Input::Searching,
        3 => network::Input::Denied,
        4 => network::Input::UiccFail,
        5 => network::Input::Activated { reason: None },
        6 => network::Input::Activated {
            reason: Some(number / 14),
        },
        7 => network::Input::Deactivated,
        8 => network::Input::Ipv6Up,
        9 => network::Input::Ipv6Down,
        10 => network::Input::Esm(i32::from(number / 2)),
        11 => network::Input::Detached,
        12 => network::Input::Suspended,
        _ => network::Input::Resumed,
    }
}
