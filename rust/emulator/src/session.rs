//! A device's connection to a hub, from CONNECT to the close.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::OptionalExtension as _;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::authenticate::{self, Admitted, Credentials};
use crate::c2d;
use crate::code::{ErrorCode, Refusal};
use crate::connections::{Command, Handle, MethodAnswer};
use crate::faults::Point;
use crate::journal::Event;
use crate::link::{Link, read_refusal};
use crate::properties::Properties;
use crate::registry;
use crate::service::{Service, stopped, throttled};
use crate::telemetry;
use crate::topic::{Feature, Topic};
use crate::username::is_device_id;
use crate::wire::{Connect, Packet, Publish, write};

/// Who the device says it is.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The host name in the user name.
    pub host: String,
    /// The device id in the user name.
    pub device_id: String,
    /// The module id in the user name.
    pub module_id: Option<String>,
    /// The model that the device announces.
    pub model_id: Option<String>,
    /// The client's name.
    pub client_type: Option<String>,
}

/// Lets the device in or refuses it, and serves it until its connection ends.
pub(crate) async fn serve(
    service: Arc<Service>,
    number: u64,
    mut link: Link,
    connect: Connect,
    claim: Claim,
    stop: watch::Receiver<bool>,
) {
    let hub = service.hub(&claim.host).to_owned();
    let admitted = match admit(&service, &hub, &link, &connect, &claim).await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            let event = Event::refusal("refused", &refusal).of(&hub, &claim.device_id);
            service.journal.record(event.on(number, link.peer));
            link.writer.push(&write::connack(false, 5));
            link.writer.close().await;
            return;
        }
    };
    if let Some(fault) = service.faults.strike(Point::Connack, &claim.device_id) {
        let refusal = Refusal::new(
            ErrorCode::ServiceUnavailable,
            format!("CONNACK code {} by a fault on command", fault.number),
        );
        let event = Event::refusal("refused", &refusal).of(&hub, &claim.device_id);
        service.journal.record(event.on(number, link.peer));
        link.writer.push(&write::connack(
            false,
            u8::try_from(fault.number).unwrap_or(3),
        ));
        link.writer.close().await;
        return;
    }
    let (handle, commands, older) = service.connections.enter(number, &hub, &claim.device_id);
    if let Some(older) = older {
        older.command(Command::Close(Refusal::new(
            ErrorCode::ConnectionForcefullyClosedOnNewConnection,
            format!("connection #{number} from {} took over", link.peer),
        )));
    }
    let keep_alive = match connect.keep_alive {
        0 => None,
        seconds => Some((Duration::from_millis(u64::from(seconds) * 1500)).min(MAX_SILENCE)),
    };
    let mut session = Session {
        service,
        handle,
        hub,
        device_id: claim.device_id,
        features: BTreeMap::new(),
        clean: connect.clean_session,
        held: 0,
        requests: 0,
        mailbox: Mailbox::default(),
        link,
    };
    let peer = session.link.peer;
    let client = claim
        .client_type
        .map(|client| format!(", client {client}"))
        .unwrap_or_default();
    let resumed = session.resume(&admitted, claim.model_id).await;
    let note = match (&resumed, connect.clean_session) {
        (Ok(true), _) => "session resumed",
        (_, true) => "clean session",
        _ => "new session",
    };
    session.record(Event::info(
        "connected",
        format!(
            "{}, keep-alive {} s, {note}{client}",
            admitted.how, connect.keep_alive
        ),
    ));
    let until = admitted.until.map(|until| {
        let left = u64::try_from(until - session.service.clock.now()).unwrap_or(0);
        Instant::now() + Duration::from_millis(left)
    });
    let end = match resumed {
        Ok(present) => {
            session.link.writer.push(&write::connack(present, 0));
            session.run(commands, stop, keep_alive, until).await
        }
        Err(refusal) => {
            session.link.writer.push(&write::connack(false, 5));
            End::Closed(refusal)
        }
    };
    session.finish(end, connect.will, number, peer).await;
}

async fn admit(
    service: &Service,
    hub: &str,
    link: &Link,
    connect: &Connect,
    claim: &Claim,
) -> Result<Admitted, Refusal> {
    if let Some(module) = &claim.module_id {
        return Err(Refusal::new(
            ErrorCode::InvalidOperation,
            format!("module '{module}': module identities are not emulated"),
        ));
    }
    if !is_device_id(&claim.device_id) {
        return Err(Refusal::new(
            ErrorCode::IotHubFormatError,
            format!("'{}' is no device id", claim.device_id),
        ));
    }
    if connect.client_id != claim.device_id {
        return Err(Refusal::new(
            ErrorCode::IotHubUnauthorized,
            format!(
                "the client id is '{}', and the user name says '{}'",
                connect.client_id, claim.device_id
            ),
        ));
    }
    let credentials = Credentials {
        host: claim.host.clone(),
        certificates: link.certificates.clone(),
        password: connect.password.clone(),
    };
    let (hub, device_id, now) = (hub.to_owned(), claim.device_id.clone(), service.clock.now());
    let enforce = service.switches.enforce_x509;
    service
        .store
        .run(move |c| authenticate::admit(c, &hub, &device_id, &credentials, enforce, now))
        .await
}

/// How a connection ended.
enum End {
    /// The device sent DISCONNECT.
    Goodbye,
    /// Anything else.
    Closed(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Closed(refusal)
    }
}

struct Session {
    service: Arc<Service>,
    handle: Arc<Handle>,
    hub: String,
    device_id: String,
    /// With the granted quality of service.
    features: BTreeMap<Feature, u8>,
    clean: bool,
    /// Bytes of requests that the storage has not answered yet.
    held: usize,
    /// The number of those requests.
    requests: usize,
    mailbox: Mailbox,
    link: Link,
}

/// Cloud-to-device messages on their way, oldest first.
#[derive(Default)]
struct Mailbox {
    next_packet_id: u16,
    flying: VecDeque<(u16, i64)>,
}

impl Session {
    /// Takes up the stored session, or clears it; `true` if there was one.
    async fn resume(
        &mut self,
        admitted: &Admitted,
        model_id: Option<String>,
    ) -> Result<bool, Refusal> {
        let (hub, id, clean) = (self.hub.clone(), self.device_id.clone(), self.clean);
        let (now, discards) = (
            self.service.clock.now(),
            self.service.switches.clean_session_discards_c2d,
        );
        let model_id = model_id.filter(|model| *model != admitted.device.model_id);
        let stored = self.service.store.run(move |c| {
            // Whoever disables a device drops its connection afterwards: one of the two sees the other.
            if !registry::require(c, &hub, &id)?.enabled {
                return Err(Refusal::new(
                    ErrorCode::DeviceDisabled,
                    format!("device '{id}' is disabled"),
                ));
            }
            registry::touch(c, &hub, &id, now, model_id.as_deref())?;
            if clean {
                c.execute(
                    "DELETE FROM sessions WHERE hub = ?1 AND device = ?2",
                    [&hub, &id],
                )?;
                if discards {
                    c2d::purge(c, &hub, &id, now)?;
                }
                return Ok(None);
            }
            let mut select =
                c.prepare_cached("SELECT features FROM sessions WHERE hub = ?1 AND device = ?2")?;
            Ok(select
                .query_row([&hub, &id], |row| row.get::<_, String>(0))
                .optional()?)
        });
        let Some(stored) = stored.await? else {
            self.save_features().await?;
            return Ok(false);
        };
        let stored: BTreeMap<String, u8> = serde_json::from_str(&stored).unwrap_or_default();
        for feature in Feature::HUB {
            if let Some(&qos) = stored.get(feature.name()) {
                self.features.insert(feature, qos);
            }
        }
        self.publish_features();
        Ok(true)
    }

    async fn run(
        &mut self,
        mut commands: mpsc::Receiver<Command>,
        mut stop: watch::Receiver<bool>,
        keep_alive: Option<Duration>,
        until: Option<Instant>,
    ) -> End {
        self.link.reader.set_limit(MAX_PACKET);
        let handle = Arc::clone(&self.handle);
        let mut heard = Instant::now();
        if self.features.contains_key(&Feature::CloudToDevice)
            && let Err(refusal) = self.deliver().await
        {
            return refusal.into();
        }
        loop {
            let paused = self.held >= MAX_HELD || self.requests >= MAX_REQUESTS;
            // Writes go out together, as long as there is more to do right now.
            let more = !commands.is_empty() || (!paused && self.link.reader.has_packet());
            if (!more || self.link.writer.is_full())
                && let Err(refusal) = self.link.writer.flush().await
            {
                return refusal.into();
            }
            let silence = async {
                match keep_alive {
                    Some(limit) if !paused => tokio::time::sleep_until(heard + limit).await,
                    _ => pending().await,
                }
            };
            let expired = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => pending().await,
                }
            };
            let step = tokio::select! {
                biased;
                Some(command) = commands.recv() => self.obey(command).await,
                () = handle.overflow.notified() => {
                    Err(closed("the device does not read what it is sent").into())
                }
                packet = self.link.reader.next(), if !paused => {
                    heard = Instant::now();
                    match packet {
                        Ok(packet) => self.handle(packet).await,
                        Err(error) => Err(read_refusal(&error).into()),
                    }
                }
                () = silence => Err(closed(&format!(
                    "nothing was heard for {} s, one and a half times the keep-alive",
                    keep_alive.unwrap_or_default().as_secs_f32()
                )).into()),
                () = expired => Err(Refusal::new(ErrorCode::IotHubUnauthorized, "the token expired").into()),
                () = stopped(&mut stop) => {
                    Err(Refusal::new(ErrorCode::ServiceUnavailable, "the emulator is stopping").into())
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn handle(&mut self, packet: Packet) -> Result<(), End> {
        let faults = &self.service.faults;
        if let Some(fault) = faults.strike(Point::Stall, &self.device_id) {
            tokio::time::sleep(Duration::from_millis(fault.number)).await;
        }
        let message =
            matches!(packet, Packet::Publish(_)) && faults.strike_message(&self.device_id);
        if message || faults.strike_at_byte(&self.device_id, self.link.reader.total()) {
            let reason = "the connection was dropped by a fault on command";
            return Err(Refusal::new(ErrorCode::GatewayFailureCoreReceive, reason).into());
        }
        match packet {
            Packet::Publish(publish) => Ok(self.receive(publish)?),
            Packet::Puback(packet_id) => Ok(self.settle(packet_id).await?),
            Packet::Subscribe(packet_id, filters) => {
                Ok(self.subscribe(packet_id, &filters).await?)
            }
            Packet::Unsubscribe(packet_id, filters) => {
                for filter in &filters {
                    if let Ok(feature) = Feature::parse(Some(&self.device_id), filter) {
                        self.features.remove(&feature);
                    }
                }
                self.publish_features();
                self.save_features().await?;
                self.link.writer.push(&write::unsuback(packet_id));
                Ok(())
            }
            Packet::Pingreq => {
                self.answer(Point::Pingresp, write::pingresp());
                Ok(())
            }
            Packet::Disconnect => Err(End::Goodbye),
            Packet::Connect(_) => Err(Refusal::new(
                ErrorCode::InvalidOperation,
                "a second CONNECT on the same connection",
            )
            .into()),
        }
    }

    fn receive(&mut self, publish: Publish) -> Result<(), Refusal> {
        if publish.qos == 2 {
            return Err(Refusal::new(
                ErrorCode::InvalidOperation,
                format!(
                    "PUBLISH with QoS 2 to '{}': the service has no QoS 2",
                    publish.topic
                ),
            ));
        }
        match Topic::parse_hub(&self.device_id, &publish.topic)? {
            Topic::Telemetry { bag } => {
                let message = self.message(bag, &publish)?;
                self.store_telemetry(message, publish.packet_id);
            }
            Topic::TwinGet { rid } => self.twin_get(rid, publish.packet_id),
            Topic::TwinPatch { rid, version } => self.twin_patch(rid, version, &publish),
            Topic::MethodResponse { status, rid } => {
                self.method_response(status, rid, &publish);
                if publish.qos == 1 {
                    self.link.writer.push(&write::puback(publish.packet_id));
                }
            }
            Topic::Register { .. } | Topic::OperationStatus { .. } => {}
        }
        Ok(())
    }

    fn message(&self, bag: &str, publish: &Publish) -> Result<telemetry::Message, Refusal> {
        let mut properties = Properties::parse(bag).map_err(|part| {
            Refusal::new(
                ErrorCode::IotHubFormatError,
                format!("property '{part}' is not percent-encoded UTF-8"),
            )
        })?;
        let size = publish.payload.len() + properties.size();
        if size > MAX_MESSAGE {
            return Err(Refusal::new(
                ErrorCode::MessageTooLarge,
                format!(
                    "a message of {size} bytes with its properties is larger than {MAX_MESSAGE}"
                ),
            ));
        }
        if publish.retain {
            properties
                .application
                .push(("mqtt-retain".to_owned(), Some("true".to_owned())));
        }
        Ok(telemetry::Message::new(
            &self.hub,
            &self.device_id,
            publish.payload.clone(),
            properties,
            publish.qos,
        ))
    }

    fn store_telemetry(&mut self, mut message: telemetry::Message, packet_id: u16) {
        let held = self.hold(message.body.len());
        let service = Arc::clone(&self.service);
        let handle = Arc::clone(&self.handle);
        message.enqueued = service.clock.now();
        let fault = match packet_id {
            0 => None,
            _ => service.faults.strike(Point::Puback, &self.device_id),
        };
        let runtime = tokio::runtime::Handle::current();
        let keep = service.switches.keep_telemetry;
        self.service.store.submit(
            move |c| message.store(c, keep),
            move |result| match result {
                Ok(message) => {
                    let _ = service.telemetry.send(message);
                    let answer = if packet_id == 0 {
                        Vec::new()
                    } else {
                        write::puback(packet_id)
                    };
                    match fault {
                        None => handle.command(Command::Done { answer, held }),
                        Some(fault) => {
                            handle.command(Command::Done {
                                answer: Vec::new(),
                                held,
                            });
                            if let Some(delay) = fault.delay_ms {
                                runtime.spawn(send_later(handle, delay, answer));
                            }
                        }
                    }
                }
                // Without a place to keep it there is no acknowledgement.
                Err(refusal) => handle.command(Command::Close(refusal)),
            },
        );
    }

    fn twin_get(&mut self, rid: &str, packet_id: u16) {
        let (hub, id, given) = (self.hub.clone(), self.device_id.clone(), rid);
        let rid = rid.to_owned();
        self.ask(given, packet_id, 0, move |c| {
            let device = registry::require(c, &hub, &id)?;
            let body = serde_json::json!({
                "desired": device.desired.for_device(),
                "reported": device.reported.for_device(),
            });
            Ok((
                format!("$iothub/twin/res/200/?$rid={rid}"),
                body.to_string(),
            ))
        });
    }

    fn twin_patch(&mut self, rid: &str, base: Option<i64>, publish: &Publish) {
        let (hub, id, given) = (self.hub.clone(), self.device_id.clone(), rid);
        let rid = rid.to_owned();
        let (body, now) = (publish.payload.clone(), self.service.clock.now());
        let service = Arc::clone(&self.service);
        let held = body.len();
        self.ask(
            given,
            publish.packet_id,
            held,
            move |c| match registry::report(c, &hub, &id, &body, base, now) {
                Ok(version) => Ok((
                    format!("$iothub/twin/res/204/?$rid={rid}&$version={version}"),
                    String::new(),
                )),
                Err(refusal) => {
                    service
                        .journal
                        .record(Event::refusal("twin", &refusal).of(&hub, &id));
                    Ok((
                        format!("$iothub/twin/res/{}/?$rid={rid}", refusal.code.status()),
                        error_body(&refusal),
                    ))
                }
            },
        );
    }

    /// Lets the storage answer a request on a twin topic.
    fn ask(
        &mut self,
        rid: &str,
        packet_id: u16,
        bytes: usize,
        job: impl FnOnce(&rusqlite::Connection) -> Result<(String, String), Refusal> + Send + 'static,
    ) {
        let held = self.hold(bytes);
        let handle = Arc::clone(&self.handle);
        let listens = self.features.contains_key(&Feature::TwinResponses);
        let fault = self.service.faults.strike(Point::Throttle, &self.device_id);
        let rid = rid.to_owned();
        let job = move |c: &rusqlite::Connection| match fault {
            None => job(c),
            Some(fault) => {
                let refusal = throttled(fault.number, "the twin request");
                Ok((
                    format!("$iothub/twin/res/{}/?$rid={rid}", fault.number),
                    error_body(&refusal),
                ))
            }
        };
        self.service.store.submit(job, move |result| match result {
            Ok((topic, body)) => {
                let mut answer = if packet_id == 0 {
                    Vec::new()
                } else {
                    write::puback(packet_id)
                };
                if listens {
                    answer.extend(write::publish(&topic, body.as_bytes(), None, false));
                }
                handle.command(Command::Done { answer, held });
            }
            Err(refusal) => handle.command(Command::Close(refusal)),
        });
    }

    fn method_response(&mut self, status: i64, rid: &str, publish: &Publish) {
        let payload = match publish.payload.as_slice() {
            [] => Value::Null,
            body => match serde_json::from_slice(body) {
                Ok(payload) => payload,
                Err(error) => {
                    let reason = format!("the answer to request '{rid}' is not JSON: {error}");
                    let refusal = Refusal::new(ErrorCode::ArgumentInvalid, reason);
                    self.record(Event::refusal("method", &refusal));
                    return;
                }
            },
        };
        if !self.handle.answer(rid, MethodAnswer { status, payload }) {
            let reason = format!("an answer to request '{rid}', for which nobody waits");
            let refusal = Refusal::new(ErrorCode::InvalidOperation, reason);
            self.record(Event::refusal("method", &refusal));
        }
    }

    async fn subscribe(&mut self, packet_id: u16, filters: &[(String, u8)]) -> Result<(), Refusal> {
        let mut granted = Vec::new();
        for (filter, qos) in filters {
            let feature = Feature::parse(Some(&self.device_id), filter)?;
            self.features.insert(feature, (*qos).min(1));
            granted.push((*qos).min(1));
        }
        self.publish_features();
        self.save_features().await?;
        let names: Vec<&str> = filters
            .iter()
            .filter_map(|(filter, _)| Feature::parse(Some(&self.device_id), filter).ok())
            .map(Feature::name)
            .collect();
        self.record(Event::info("subscribed", names.join(", ")));
        self.answer(Point::Suback, write::suback(packet_id, &granted));
        self.deliver().await
    }

    async fn save_features(&self) -> Result<(), Refusal> {
        if self.clean {
            return Ok(());
        }
        let features: BTreeMap<&str, u8> = self
            .features
            .iter()
            .map(|(it, qos)| (it.name(), *qos))
            .collect();
        let text = serde_json::to_string(&features).unwrap_or_default();
        let (hub, id) = (self.hub.clone(), self.device_id.clone());
        let save = self.service.store.run(move |c| {
            c.execute(
                "INSERT OR REPLACE INTO sessions (hub, device, features) VALUES (?1, ?2, ?3)",
                [hub, id, text],
            )?;
            Ok(())
        });
        save.await
    }

    fn publish_features(&self) {
        let has = |feature| self.features.contains_key(&feature);
        self.handle
            .methods
            .store(has(Feature::Methods), Ordering::Release);
        self.handle
            .desired
            .store(has(Feature::DesiredChanges), Ordering::Release);
        self.service.connections.announce();
    }

    async fn obey(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Done { answer, held } => {
                self.held = self.held.saturating_sub(held);
                self.requests = self.requests.saturating_sub(1);
                self.link.writer.push(&answer);
                Ok(())
            }
            Command::Send(packet) => {
                self.link.writer.push(&packet);
                Ok(())
            }
            Command::Mailbox => Ok(self.deliver().await?),
            Command::Close(refusal) => Err(refusal.into()),
        }
    }

    /// Hands out waiting cloud-to-device messages, as many as may fly at once.
    async fn deliver(&mut self) -> Result<(), Refusal> {
        let Some(&qos) = self.features.get(&Feature::CloudToDevice) else {
            return Ok(());
        };
        let room = MAX_FLYING.saturating_sub(self.mailbox.flying.len());
        let (hub, id, number) = (self.hub.clone(), self.device_id.clone(), self.handle.number);
        let (policy, now) = (self.service.switches.c2d, self.service.clock.now());
        let locked = self.service.store.run(move |c| {
            let locked = c2d::lock(c, &hub, &id, number, room, policy, now)?;
            if qos == 0 {
                for message in &locked {
                    c2d::settle(c, &hub, &id, message.seq, c2d::Outcome::Success, now)?;
                }
            }
            Ok(locked)
        });
        for message in locked.await? {
            let topic = message.topic(&self.device_id);
            let packet = if qos == 0 {
                write::publish(&topic, &message.body, None, false)
            } else {
                let (packet_id, again) = self.mailbox.packet_id(message.seq);
                write::publish(
                    &topic,
                    &message.body,
                    Some(packet_id),
                    again || message.delivery_count > 1,
                )
            };
            self.record(Event::info(
                "c2d",
                format!("message '{}' handed out", message.message_id),
            ));
            self.link.writer.push(&packet);
        }
        Ok(())
    }

    async fn settle(&mut self, packet_id: u16) -> Result<(), Refusal> {
        let seq = match self.mailbox.flying.front() {
            Some(&(expected, seq)) if expected == packet_id => seq,
            Some((expected, _)) => {
                return Err(Refusal::new(
                    ErrorCode::InvalidOperation,
                    format!(
                        "PUBACK {packet_id} out of order: {expected} comes first [MQTT-4.6.0-2]"
                    ),
                ));
            }
            None => {
                return Err(Refusal::new(
                    ErrorCode::InvalidOperation,
                    format!("PUBACK {packet_id} for a message that was never sent"),
                ));
            }
        };
        self.mailbox.flying.pop_front();
        let (hub, id, now) = (
            self.hub.clone(),
            self.device_id.clone(),
            self.service.clock.now(),
        );
        let settle = self
            .service
            .store
            .run(move |c| c2d::settle(c, &hub, &id, seq, c2d::Outcome::Success, now));
        if !settle.await? {
            let refusal = Refusal::new(
                ErrorCode::DeviceMessageLockLost,
                format!("PUBACK {packet_id} came after the message had gone"),
            );
            self.record(Event::refusal("c2d", &refusal));
        }
        self.deliver().await
    }

    async fn finish(
        mut self,
        end: End,
        will: Option<Publish>,
        number: u64,
        peer: std::net::SocketAddr,
    ) {
        let mine = self.service.connections.leave(&self.handle);
        let graceful = matches!(end, End::Goodbye);
        match &end {
            End::Goodbye => self.record(Event::info("closed", "the device sent DISCONNECT")),
            End::Closed(refusal) => {
                let event = Event::refusal("closed", refusal).of(&self.hub, &self.device_id);
                self.service.journal.record(event.on(number, peer));
            }
        }
        if let Some(will) = will.filter(|_| !graceful) {
            self.send_will(&will);
        }
        let (hub, id, now) = (
            self.hub.clone(),
            self.device_id.clone(),
            self.service.clock.now(),
        );
        let unlocked = self.service.store.run(move |c| {
            c2d::unlock(c, Some(number))?;
            if mine {
                registry::touch(c, &hub, &id, now, None)
            } else {
                Ok(())
            }
        });
        let _ = unlocked.await;
        // A newer connection of the same device may be waiting for what was locked here.
        self.service.wake(&self.hub, &self.device_id);
        self.link.writer.close().await;
    }

    fn send_will(&mut self, will: &Publish) {
        let message = match Topic::parse_hub(&self.device_id, &will.topic) {
            Ok(Topic::Telemetry { bag }) => self.message(bag, will),
            Ok(_) => Err(Refusal::new(
                ErrorCode::InvalidOperation,
                "the will's topic is not for telemetry",
            )),
            Err(refusal) => Err(refusal),
        };
        match message {
            Ok(mut message) => {
                message
                    .properties
                    .insert("iothub-MessageType".to_owned(), Value::from("Will"));
                self.store_telemetry(message, 0);
            }
            Err(refusal) => self.record(Event::refusal("will", &refusal)),
        }
    }

    fn hold(&mut self, bytes: usize) -> usize {
        self.held += bytes;
        self.requests += 1;
        bytes
    }

    /// Answers, unless a fault wants it late or never.
    fn answer(&mut self, point: Point, packet: Vec<u8>) {
        match self.service.faults.strike(point, &self.device_id) {
            None => self.link.writer.push(&packet),
            Some(fault) => {
                if let Some(delay) = fault.delay_ms {
                    tokio::spawn(send_later(Arc::clone(&self.handle), delay, packet));
                }
            }
        }
    }

    fn record(&self, event: Event) {
        let event = event.of(&self.hub, &self.device_id);
        self.service
            .journal
            .record(event.on(self.handle.number, self.link.peer));
    }
}

async fn send_later(handle: Arc<Handle>, delay_ms: u64, packet: Vec<u8>) {
    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    handle.command(Command::Send(packet));
}

impl Mailbox {
    /// The packet id of a message; `true` if it is flying already.
    fn packet_id(&mut self, seq: i64) -> (u16, bool) {
        if let Some(&(packet_id, _)) = self.flying.iter().find(|(_, flying)| *flying == seq) {
            return (packet_id, true);
        }
        // At most MAX_FLYING are taken, so that a free one comes soon.
        self.next_packet_id = self.next_packet_id.checked_add(1).unwrap_or(1);
        self.flying.push_back((self.next_packet_id, seq));
        (self.next_packet_id, false)
    }
}

/// The body of an answer with an error status.
pub(crate) fn error_body(refusal: &Refusal) -> String {
    serde_json::json!({
        "errorCode": refusal.code.number(),
        "trackingId": c2d::guid(),
        "message": refusal.reason,
    })
    .to_string()
}

fn closed(reason: &str) -> Refusal {
    Refusal::new(ErrorCode::DeviceConnectionClosedRemotely, reason)
}

/// The service's longest silence: 29.45 minutes.
const MAX_SILENCE: Duration = Duration::from_secs(1767);
/// 256 KiB of message, and its topic.
const MAX_PACKET: usize = MAX_MESSAGE + 64 * 1024;
const MAX_MESSAGE: usize = 256 * 1024;
/// Beyond these, reading pauses until the storage has caught up.
const MAX_REQUESTS: usize = 128;
const MAX_HELD: usize = 512 * 1024;
/// Cloud-to-device messages without their PUBACK.
const MAX_FLYING: usize = 16;
