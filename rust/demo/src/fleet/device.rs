//! One device: the core, driven over a connection of its own.

use std::{sync::Arc, time::Duration};

use iothub_host::packets::{self, Incoming};
use iothub_proto::{
    Client, Command, CommandId, Config, Disconnect, Errno, Event, Instant, MethodRequest,
    MethodResponse, Telemetry,
    pnp::{Acknowledgement, Patch, Value},
};
use tokio::sync::watch;

use super::{
    Shared,
    identity::Identity,
    link::{KEEP_ALIVE, Link, errno},
    world::World,
};
use crate::Error;

/// Bytes of the core's outbox: some fifteen messages.
const OUTBOX: usize = 4096;

/// A device that has not been started.
pub(super) struct Device {
    id: String,
    client: Box<Client<OUTBOX, false>>,
    identity: Identity,
    world: World,
    link: Option<Link>,
    shared: Arc<Shared>,
    is_ready: bool,
    /// Whether the twin has been told what the device runs.
    is_reported: bool,
    /// What the last failure said of itself; the core keeps its number alone.
    failure: Option<String>,
}

/// A command whose bytes are no longer in the core's buffer.
enum Action {
    Connect(Vec<u8>),
    Write(Vec<u8>),
    Disconnect,
    Abort,
    /// The modem attaches by itself here, and there is no DPS.
    Nothing,
}

impl Device {
    pub(super) fn new(
        id: String,
        identity: Identity,
        mut world: World,
        shared: Arc<Shared>,
    ) -> Result<Self, Error> {
        let mut config = Config::new(&shared.target.hostname, &id);
        config.network.enabled = false;
        config.keep_alive = KEEP_ALIVE;
        config.seed = world.seed();
        let client = Client::new(&config).map_err(|error| Error::new(format!("{id}: {error}")))?;
        Ok(Self {
            id,
            client: Box::new(client),
            identity,
            world,
            link: None,
            shared,
            is_ready: false,
            is_reported: false,
            failure: None,
        })
    }

    /// Until `end` says that it is enough; then it disconnects.
    pub(super) async fn run(mut self, start: Duration, mut end: watch::Receiver<bool>) {
        let start = tokio::time::Instant::from_std(self.shared.begin) + start;
        tokio::select! {
            () = tokio::time::sleep_until(start) => {}
            () = is_over(&mut end) => return,
        }
        // It was never started before.
        let _ = self.client.connect(self.shared.now());
        loop {
            self.advance();
            if let Some((id, action)) = self.next_action() {
                let result = self.execute(action).await;
                self.client.complete(self.shared.now(), id, result);
                continue;
            }
            let wake = self.wake();
            tokio::select! {
                biased;
                () = is_over(&mut end) => break,
                received = receive(&mut self.link) => self.handle_received(received).await,
                () = tokio::time::sleep_until(wake) => self.ping().await,
            }
        }
        // What is not connected has nothing to end.
        let _ = self.client.disconnect(self.shared.now());
        while let Some((id, action)) = self.next_action() {
            let result = self.execute(action).await;
            self.client.complete(self.shared.now(), id, result);
        }
        self.drain_events();
    }

    /// Time has passed.
    fn advance(&mut self) {
        let now = self.shared.now();
        if self.world.loses_network(now) {
            self.shared.counts.network_losses.increment();
            if self.link.take().is_some() {
                self.failure = Some(FAULT.to_owned());
                self.client.handle_disconnect(now, NETWORK_DOWN);
            }
        }
        self.client.handle_timeout(now);
        if let Some(body) = self.world.sample(now) {
            match self.client.send(&Telemetry::json(body.as_bytes())) {
                Ok(_) => self.shared.counts.accepted.increment(),
                Err(_) => self.shared.counts.outbox_full.increment(),
            }
        }
        self.drain_events();
        if self.is_ready && !self.is_reported {
            self.is_reported = self.client.report(RUNS.as_bytes(), None).is_ok();
        }
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            self.count(&event);
        }
    }

    fn count(&mut self, event: &Event<'_>) {
        let counts = &self.shared.counts;
        match event {
            Event::Connected { .. } => counts.connects.increment(),
            Event::Ready => {
                counts.ready.increment();
                self.is_ready = true;
            }
            Event::Disconnected { cause, .. } => {
                let failure = self.failure.take();
                if *cause != Disconnect::Requested {
                    let failure = failure.unwrap_or_else(|| cause.to_string());
                    self.shared.note(&self.id, failure);
                }
                match (self.is_ready, cause) {
                    (_, Disconnect::Requested) => {}
                    (true, _) => counts.disconnects.increment(),
                    (false, _) => counts.failed.increment(),
                }
                if self.is_ready {
                    counts.ready.decrement();
                }
                self.is_ready = false;
            }
            Event::Sent(_) => counts.acknowledged.increment(),
            Event::Dropped(_) => counts.dropped.increment(),
            Event::C2d(_) => counts.c2d.increment(),
            _ => {}
        }
    }

    fn next_action(&mut self) -> Option<(CommandId, Action)> {
        let mut buffer = [0; BUFFER];
        let now = self.shared.now();
        let (id, command) = self.client.poll_command(now, &mut buffer)?;
        Some((id, Action::of(&command)))
    }

    async fn execute(&mut self, action: Action) -> Result<(), Errno> {
        match action {
            Action::Connect(_) if !self.world.has_network() => {
                self.failure = Some(FAULT.to_owned());
                Err(NETWORK_DOWN)
            }
            Action::Connect(packet) => {
                let open = Link::open(&self.shared, &self.identity).await;
                let mut link = open.map_err(|error| {
                    self.failure = Some(error.to_string());
                    errno(&error)
                })?;
                link.write(&packet).await?;
                self.link = Some(link);
                Ok(())
            }
            Action::Write(packet) => match &mut self.link {
                Some(link) => link.write(&packet).await,
                None => Err(NETWORK_DOWN),
            },
            Action::Disconnect => {
                if let Some(mut link) = self.link.take() {
                    // The connection ends in any case.
                    let _ = link.write(&packets::disconnect()).await;
                }
                self.client.handle_disconnect(self.shared.now(), Errno(0));
                Ok(())
            }
            Action::Abort => {
                self.link = None;
                Ok(())
            }
            Action::Nothing => Ok(()),
        }
    }

    /// The moment at which something is due, whatever arrives.
    fn wake(&self) -> tokio::time::Instant {
        let core = self.client.poll_timeout();
        let next = core.map_or(self.world.next(), |core| core.min(self.world.next()));
        let next = tokio::time::Instant::from_std(self.shared.begin)
            + Duration::from_millis(next.as_millis());
        self.link
            .as_ref()
            .map_or(next, |link| next.min(link.ping_at()))
    }

    async fn ping(&mut self) {
        let Some(link) = &mut self.link else { return };
        if link.ping_at() <= tokio::time::Instant::now()
            && let Err(cause) = link.ping().await
        {
            self.link = None;
            self.client.handle_disconnect(self.shared.now(), cause);
        }
    }

    async fn handle_received(&mut self, received: Result<(), Errno>) {
        let mut outcome = received;
        while outcome.is_ok() {
            let Some(link) = &mut self.link else { return };
            outcome = match link.packet() {
                Ok(None) => return,
                Ok(Some(packet)) => self.handle_packet(packet).await,
                Err(cause) => Err(cause),
            };
            self.drain_events();
        }
        if let Err(cause) = outcome {
            self.link = None;
            self.client.handle_disconnect(self.shared.now(), cause);
            self.drain_events();
        }
    }

    async fn handle_packet(&mut self, packet: Incoming) -> Result<(), Errno> {
        let now = self.shared.now();
        match packet {
            Incoming::Connack {
                code,
                session_present,
            } => self.client.handle_connack(now, code, session_present),
            Incoming::Suback { message_id, codes } => {
                let granted = codes.iter().all(|code| *code < 0x80);
                self.client.handle_suback(now, message_id, granted);
            }
            Incoming::Puback { message_id } => self.client.handle_puback(now, message_id),
            Incoming::Pingresp => self.client.handle_pingresp(now),
            Incoming::Publish(publish) => {
                self.acknowledge(publish.packet_id()).await?;
                let payload = publish.payload();
                let topic = publish.topic_name().as_bytes();
                let event = self.client.handle_publish(now, topic, payload.as_slice());
                if let Some(event) = event {
                    self.answer(now, &event);
                }
            }
            Incoming::Oversize {
                topic,
                length,
                message_id,
            } => {
                if let Some(link) = &mut self.link {
                    link.discard(length);
                }
                self.acknowledge(message_id).await?;
                // A method's caller is told by the core.
                let _ = self.client.handle_message(now, topic.as_bytes(), None);
            }
            Incoming::Other(_) => {}
        }
        Ok(())
    }

    /// Before it is handed over, as mqtt_helper does.
    async fn acknowledge(&mut self, message_id: Option<u16>) -> Result<(), Errno> {
        let (Some(message_id), Some(link)) = (message_id, &mut self.link) else {
            return Ok(());
        };
        let packet = packets::puback(message_id).map_err(|error| Errno(error.code()))?;
        link.write(&packet).await
    }

    /// What the application does with what arrives.
    fn answer(&mut self, now: Instant, event: &Event<'_>) {
        self.count(event);
        match event {
            Event::Twin(twin) => self.desired(now, twin.json, "/desired", twin.version),
            Event::Desired(desired) => self.desired(now, desired.patch, "", desired.version),
            Event::Method(request) => self.method(request),
            _ => {}
        }
    }

    fn desired(&mut self, now: Instant, json: &[u8], path: &str, version: u64) {
        let document: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
        let Some(wanted) = document.pointer(&format!("{path}/telemetryInterval")) else {
            return;
        };
        if wanted.is_null() {
            return;
        }
        let is_good = wanted
            .as_u64()
            .is_some_and(|seconds| self.world.set_interval(now, seconds));
        let value = Value::Number(i64::try_from(self.world.interval()).unwrap_or(i64::MAX));
        let answer = match is_good {
            true => Acknowledgement::accepted(value, version),
            false => Acknowledgement::refused(value, version, "1 to 86400 seconds"),
        };
        let mut buffer = [0; 256];
        let patch = Patch::new(&mut buffer).and_then(|mut patch| {
            patch.acknowledge("telemetryInterval", &answer)?;
            patch.finish()
        });
        // A full outbox: the next twin, after a reconnect, is answered again.
        let _ = patch.and_then(|patch| self.client.report(patch, None));
    }

    fn method(&mut self, request: &MethodRequest<'_>) {
        let (status, payload) = match (request.component, request.name) {
            (None, "led") => (200, request.payload),
            _ => (404, br#"{"error":"no such method"}"#.as_slice()),
        };
        let response = MethodResponse {
            request: request.id,
            status,
            payload,
        };
        // What cannot be answered is answered with 504 by the core, in time.
        if self.client.respond(&response).is_ok() {
            self.shared.counts.methods.increment();
        }
    }
}

impl Action {
    fn of(command: &Command<'_>) -> Self {
        let packet = match command {
            Command::Connect {
                client_id,
                user_name,
                ..
            } => packets::connect(&packets::Connect {
                client_id: client_id.as_bytes(),
                user_name: user_name.as_bytes(),
                password: b"",
                keep_alive_s: u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX),
                clean_session: false,
            })
            .map(Action::Connect),
            Command::Subscribe {
                message_id,
                filters,
            } => {
                let filters: Vec<_> = filters
                    .iter()
                    .map(|filter| (filter.topic.as_bytes(), filter.qos))
                    .collect();
                packets::subscribe(*message_id, &filters).map(Action::Write)
            }
            Command::Publish {
                message_id,
                topic,
                payload,
                qos,
                dup,
            } => packets::publish(&packets::Publish {
                topic: topic.as_bytes(),
                payload,
                message_id: *message_id,
                qos: *qos,
                dup: *dup,
                retain: false,
            })
            .map(|(mut header, payload)| {
                header.extend_from_slice(payload);
                Action::Write(header)
            }),
            Command::Disconnect => Ok(Action::Disconnect),
            Command::Abort => Ok(Action::Abort),
            _ => Ok(Action::Nothing),
        };
        // The core makes no packet that MQTT does not have.
        packet.unwrap_or(Action::Abort)
    }
}

/// The fleet is to end.
async fn is_over(end: &mut watch::Receiver<bool>) {
    // So it is where nobody is left to say so.
    let _ = end.wait_for(|end| *end).await;
}

/// Bytes, where there is a connection; else never.
async fn receive(link: &mut Option<Link>) -> Result<(), Errno> {
    match link {
        Some(link) => link.receive().await,
        None => std::future::pending().await,
    }
}

/// What the twin is told when the device is ready for the first time.
const RUNS: &str = concat!(
    r#"{"dev":{"v":{"appV":""#,
    env!("CARGO_PKG_VERSION"),
    r#"","brdV":"fleet"}}}"#
);

/// Of the core's buffer for a command, as on the device.
const BUFFER: usize = 4096;

/// Of a loss that was asked for.
const FAULT: &str = "its network is gone, as --faulty wants it";

/// `-ENETDOWN`.
const NETWORK_DOWN: Errno = Errno(-100);
