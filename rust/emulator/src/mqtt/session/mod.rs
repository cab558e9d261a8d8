//! A device's connection to a hub, from CONNECT to the close.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

pub(crate) use self::admission::Claim;
use self::admission::admit;
use self::filters::Subscriptions;
use self::mailbox::Mailbox;
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::faults::Point;
use crate::hub::c2d;
use crate::hub::connections::{Command, Handle};
use crate::hub::events;
use crate::hub::registry;
use crate::hub::service::Service;
use crate::journal::Event;
use crate::mqtt::link::{Link, read_refusal, refused};
use crate::mqtt::topic::Topic;
use crate::mqtt::wire::{Connect, Packet, Publish, write};
use crate::stop::stopped;

mod admission;
mod cloud_to_device;
mod filters;
mod mailbox;
mod methods;
mod resumption;
mod subscriptions;
mod telemetry;
mod twin;

/// Lets the device in or refuses it, and serves it until its connection ends.
pub(crate) async fn serve(
    service: Arc<Service>,
    number: u64,
    mut link: Link,
    connect: Connect,
    claim: Claim,
    stop: watch::Receiver<bool>,
) {
    let hub = service.hub(&claim.host);
    let admitted = match admit(&service, &hub, &link, &connect, &claim).await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            let event = Event::refusal("refused", &refusal).of(&hub, &claim.id);
            service.journal.record(event.on(number, link.peer));
            link.writer.push(&write::connack(false, refused(&refusal)));
            link.writer.close().await;
            return;
        }
    };
    if let Some(fault) = service.faults.trigger(Point::Connack, &claim.id) {
        let refusal = Refusal::new(
            ErrorCode::ServiceUnavailable,
            format!("CONNACK code {} by a fault on command", fault.number),
        );
        let event = Event::refusal("refused", &refusal).of(&hub, &claim.id);
        service.journal.record(event.on(number, link.peer));
        link.writer.push(&write::connack(
            false,
            u8::try_from(fault.number).unwrap_or(3),
        ));
        link.writer.close().await;
        return;
    }
    let (handle, commands, older) = service.connections.enter(number, &hub, &claim.id);
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
        device_id: claim.id,
        subscriptions: Subscriptions::default(),
        clean: connect.clean_session,
        reduced: !claim.versioned,
        held: 0,
        requests: 0,
        enqueued: false,
        mailbox: Mailbox::default(),
        link,
    };
    session.note_activity();
    let peer = session.link.peer;
    let client = claim
        .client_type
        .map(|client| format!(", client {client}"))
        .unwrap_or_default();
    let reduced = match session.reduced {
        true => ", without api-version: no twin and no methods",
        false => "",
    };
    let resumed = session.resume(&admitted, claim.model_id).await;
    let note = match (&resumed, connect.clean_session) {
        (Ok(true), _) => "session resumed",
        (_, true) => "clean session",
        _ => "new session",
    };
    session.record(Event::info(
        "connected",
        format!(
            "{}, keep-alive {} s, {note}{client}{reduced}",
            admitted.how, connect.keep_alive
        ),
    ));
    let end = match resumed {
        Ok(present) => {
            session.link.writer.push(&write::connack(present, 0));
            session
                .run(commands, stop, keep_alive, admitted.until)
                .await
        }
        Err(refusal) => {
            let packet = write::connack(false, refused(&refusal));
            session.link.writer.push(&packet);
            End::Closed(refusal)
        }
    };
    session.finish(end, connect.will, number, peer).await;
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
    subscriptions: Subscriptions,
    clean: bool,
    /// Without `api-version` in the user name: telemetry and cloud-to-device messages only.
    reduced: bool,
    /// Bytes of requests that the storage has not answered yet.
    held: usize,
    /// The number of those requests.
    requests: usize,
    /// Whether the storage is still to be told to do them.
    enqueued: bool,
    mailbox: Mailbox,
    link: Link,
}

impl Session {
    async fn run(
        &mut self,
        mut commands: mpsc::Receiver<Command>,
        mut stop: watch::Receiver<bool>,
        keep_alive: Option<Duration>,
        until: Option<UnixMs>,
    ) -> End {
        self.link.reader.set_limit(MAX_PACKET);
        let handle = Arc::clone(&self.handle);
        let service = Arc::clone(&self.service);
        let expired = async {
            match until {
                Some(until) => service.clock.reaches(until).await,
                None => pending().await,
            }
        };
        let overflow = handle.overflow.notified();
        let stopping = stopped(&mut stop);
        let limit = keep_alive.unwrap_or(MAX_SILENCE);
        let silence = sleep(limit);
        tokio::pin!(expired, overflow, stopping, silence);
        let mut heard = Instant::now();
        if let Err(refusal) = self.deliver().await {
            return refusal.into();
        }
        loop {
            while let Ok(command) = commands.try_recv() {
                if let Err(end) = self.execute(command).await {
                    return end;
                }
                if self.link.writer.is_full() {
                    break;
                }
            }
            let paused = self.held >= MAX_HELD || self.requests >= MAX_REQUESTS;
            let more = !paused && self.link.reader.has_packet();
            if self.enqueued && !more {
                self.enqueued = false;
                if service.store.is_busy() {
                    yield_now().await;
                }
                handle.while_awake(|| service.store.execute_pending());
                self.take_answers();
                continue;
            }
            // Writes go out together, as long as there is more to do right now.
            if (!more || self.link.writer.is_full())
                && let Err(refusal) = self.link.writer.flush().await
            {
                return refusal.into();
            }
            let step = tokio::select! {
                biased;
                Some(command) = commands.recv() => self.execute(command).await,
                () = &mut overflow => {
                    Err(closed("the device does not read what it is sent").into())
                }
                packet = self.link.reader.next(), if !paused => {
                    heard = Instant::now();
                    match packet {
                        Ok(packet) => self.handle(packet).await,
                        Err(error) => Err(read_refusal(&error).into()),
                    }
                }
                () = &mut silence, if keep_alive.is_some() && !paused => {
                    // Set once for many packets.
                    if heard.elapsed() < limit {
                        silence.as_mut().reset(heard + limit);
                        continue;
                    }
                    Err(closed(&format!(
                        "nothing was heard for {} s, one and a half times the keep-alive",
                        limit.as_secs_f32()
                    )).into())
                }
                () = &mut expired => Err(Refusal::new(ErrorCode::IotHubUnauthorized, "the token expired").into()),
                () = &mut stopping => {
                    Err(Refusal::new(ErrorCode::ServiceUnavailable, "the emulator is stopping").into())
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Notes that the device sent or gets something.
    fn note_activity(&self) {
        let now = self.service.clock.now();
        self.handle.activity.store(now, Ordering::Relaxed);
    }

    async fn handle(&mut self, packet: Packet) -> Result<(), End> {
        self.note_activity();
        let faults = &self.service.faults;
        if let Some(fault) = faults.trigger(Point::Stall, &self.device_id) {
            tokio::time::sleep(Duration::from_millis(fault.number)).await;
        }
        let message =
            matches!(packet, Packet::Publish(_)) && faults.trigger_at_message(&self.device_id);
        if message || faults.trigger_at_byte(&self.device_id, self.link.reader.total()) {
            let reason = "the connection was dropped by a fault on command";
            return Err(Refusal::new(ErrorCode::GatewayFailureCoreReceive, reason).into());
        }
        match packet {
            Packet::Publish(publish) => Ok(self.receive(publish)?),
            Packet::Puback(packet_id) => Ok(self.acknowledged(packet_id).await?),
            Packet::Subscribe(packet_id, filters) => {
                Ok(self.subscribe(packet_id, &filters).await?)
            }
            Packet::Unsubscribe(packet_id, filters) => {
                Ok(self.unsubscribe(packet_id, &filters).await?)
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
        let Publish {
            topic,
            payload,
            qos,
            packet_id,
            retain,
        } = publish;
        match Topic::parse_hub(&self.device_id, &topic)? {
            Topic::Telemetry { bag } => {
                let message = self.message(bag, payload, qos, retain)?;
                self.store_telemetry(message, packet_id);
            }
            Topic::TwinGet { rid } => self.twin_get(rid, packet_id),
            Topic::TwinPatch { rid, version } => self.twin_patch(rid, version, payload, packet_id),
            Topic::MethodResponse { status, rid } => {
                self.method_response(status, rid, &payload);
                if qos == 1 {
                    self.link.writer.push(&write::puback(packet_id));
                }
            }
            Topic::Register { .. } | Topic::OperationStatus { .. } => {}
        }
        Ok(())
    }

    async fn execute(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Done { answer, held } => {
                self.held = self.held.saturating_sub(held);
                self.requests = self.requests.saturating_sub(1);
                self.link.writer.push(&answer);
                Ok(())
            }
            Command::Answered => {
                self.take_answers();
                Ok(())
            }
            Command::Late(packet) => {
                self.send(&packet);
                Ok(())
            }
            Command::Desired { version, patch } => {
                let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
                self.send(&write::publish(&topic, patch.as_bytes(), None, false));
                Ok(())
            }
            Command::Call {
                rid,
                method,
                payload,
            } => {
                let topic = format!("$iothub/methods/POST/{method}/?$rid={rid}");
                self.send(&write::publish(&topic, payload.as_bytes(), None, false));
                Ok(())
            }
            Command::Mailbox => Ok(self.deliver().await?),
            Command::Close(refusal) => Err(refusal.into()),
        }
    }

    fn take_answers(&mut self) {
        let answers = self.handle.take_answers();
        self.held = self.held.saturating_sub(answers.held);
        self.requests = self.requests.saturating_sub(answers.requests);
        self.link.writer.push(&answers.packets);
    }

    fn send(&mut self, packet: &[u8]) {
        self.note_activity();
        self.link.writer.push(packet);
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
            self.send_will(will);
        }
        let (hub, id, now) = (
            self.hub.clone(),
            self.device_id.clone(),
            self.service.clock.now(),
        );
        let (policy, activity) = (self.service.settings.c2d, self.handle.last_activity());
        let unlocked = self.service.store.run(move |c| {
            c2d::unlock(c, Some(number), policy)?;
            match mine {
                true => {
                    registry::touch(c, &hub, &id, activity, now, None)?;
                    events::note_connection(c, &hub, &id, false, now)
                }
                false => Ok(()),
            }
        });
        let _ = unlocked.await;
        // A newer connection of the same device may be waiting for what was locked here.
        self.service.wake(&self.hub, &self.device_id);
        self.link.writer.close().await;
    }

    fn hold(&mut self, bytes: usize) -> usize {
        self.held += bytes;
        self.requests += 1;
        bytes
    }

    /// Answers, unless a fault wants it late or never.
    fn answer(&mut self, point: Point, packet: Vec<u8>) {
        match self.service.faults.trigger(point, &self.device_id) {
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
    handle.command(Command::Late(packet));
}

fn closed(reason: &str) -> Refusal {
    Refusal::new(ErrorCode::DeviceConnectionClosedRemotely, reason)
}

/// The service's longest silence: 29.45 minutes.
const MAX_SILENCE: Duration = Duration::from_secs(1767);
/// 256 KiB of message, and its topic.
const MAX_PACKET: usize = crate::hub::telemetry::MAX_MESSAGE + 64 * 1024;

/// Beyond these, reading pauses until the storage has caught up.
const MAX_REQUESTS: usize = 128;
const MAX_HELD: usize = 512 * 1024;
