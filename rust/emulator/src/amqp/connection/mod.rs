//! A connection, from its first byte to its last: one task, which owns its sessions and links.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, ReadHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use self::link::{Delivery, MAX_AHEAD, Role, Session, ahead};
use self::outlet::{Command, LinkId};
use self::served::Device;
use super::Amqp;
use super::access::{Claim, Claims};
use super::codec::MAX_FRAME;
use super::codec::frame::{Fields, Frame};
use super::codec::performative;
use super::transport::{Reader, Stream, Writer, halves};
use crate::clock::UnixMs;
use crate::code::{ErrorCode, Refusal};
use crate::dps::Request;
use crate::journal::Event;
use crate::random;
use crate::stop::stopped;

mod attach;
mod cbs;
mod cloud_to_device;
mod device;
mod ending;
mod incoming;
mod link;
pub(super) mod outlet;
mod registration;
mod sasl;
mod served;

/// Where a connection comes from.
pub(crate) struct Peer {
    /// The number of the connection.
    pub number: u64,
    /// Its address.
    pub address: SocketAddr,
    /// What it presented in the TLS handshake, leaf first.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Its place among those that have proved nothing yet.
    pub unproved: OwnedSemaphorePermit,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(
    amqp: Arc<Amqp>,
    stream: Box<dyn Stream>,
    peer: Peer,
    stop: watch::Receiver<bool>,
) {
    let (mut reader, writer) = halves(stream, amqp.service.settings.write_timeout);
    let (commands, queue) = mpsc::unbounded_channel();
    let mut connection = Connection {
        hub: amqp.service.hub("").to_owned(),
        named: String::new(),
        amqp,
        number: peer.number,
        address: peer.address,
        unproved: Some(peer.unproved),
        certificates: peer.certificates,
        devices: BTreeMap::new(),
        registration: None,
        writer,
        max_frame: MAX_FRAME,
        idle: None,
        claims: Claims::default(),
        sessions: BTreeMap::new(),
        commands,
        links: 0,
        partial: 0,
        incoming: Arc::new(Semaphore::new(ROOM)),
        outgoing: Arc::new(Semaphore::new(ROOM)),
    };
    let time_limit = connection.amqp.service.settings.connect_timeout;
    let opened = match tokio::time::timeout(time_limit, connection.open(&mut reader)).await {
        Ok(opened) => opened,
        Err(_) => Err(Refusal::new(
            ErrorCode::InvalidOperation,
            format!("no AMQP open within {time_limit:?}"),
        )),
    };
    match opened {
        Ok(()) => {
            let end = connection.run(&mut reader, queue, stop).await;
            connection.finish(end).await;
        }
        Err(refusal) => {
            connection.record(Event::refusal("refused", &refusal));
            connection.writer.close().await;
        }
    }
}

/// How a connection ended.
enum End {
    /// The peer sent close.
    Goodbye,
    /// Anything else.
    Closed(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Closed(refusal)
    }
}

struct Connection {
    amqp: Arc<Amqp>,
    number: u64,
    address: SocketAddr,
    /// Given back with the first proof.
    unproved: Option<OwnedSemaphorePermit>,
    writer: Writer,
    /// The largest frame that the peer takes.
    max_frame: usize,
    /// How often the peer wants to hear something.
    idle: Option<Duration>,
    /// The hub that is meant.
    hub: String,
    /// The host name under which the peer connects.
    named: String,
    claims: Claims,
    /// What the peer presented in the TLS handshake, leaf first.
    certificates: Vec<CertificateDer<'static>>,
    /// The devices that it serves, by their ids.
    devices: BTreeMap<String, Device>,
    /// Of a device that came to the provisioning service.
    registration: Option<Arc<Request>>,
    /// By their channels, which are the peer's as well.
    sessions: BTreeMap<u16, Session>,
    commands: mpsc::UnboundedSender<Command>,
    /// Links until now.
    links: u64,
    /// Bytes of deliveries that are not whole.
    partial: usize,
    /// Room for whole ones until the storage is done with them, and for what is to be sent until it
    /// is written.
    incoming: Arc<Semaphore>,
    outgoing: Arc<Semaphore>,
}

type Half = ReadHalf<Box<dyn Stream>>;

impl Connection {
    async fn open<R: AsyncRead + Unpin>(&mut self, reader: &mut Reader<R>) -> Result<(), Refusal> {
        self.negotiate(reader).await?;
        self.writer.flush().await?;
        let (code, fields) = reader.frame(false).await?.body.unwrap_or_default();
        if code != performative::OPEN {
            return Err(invalid("the first frame is not open"));
        }
        self.named = fields.str(1).unwrap_or_default().to_owned();
        self.hub = self.amqp.service.hub(&self.named).to_owned();
        let max_frame = fields
            .uint(2)
            .map_or(MAX_FRAME, |it| it.try_into().unwrap_or(MAX_FRAME));
        // 512 bytes are the least that the standard allows.
        self.max_frame = max_frame.clamp(512, MAX_FRAME);
        // Often enough that one sign of life may be late.
        self.idle = fields
            .uint(4)
            .filter(|it| *it > 0)
            .map(|it| Duration::from_millis((u64::from(it) / 2).max(100)));
        performative::open(
            &mut self.writer.waiting,
            &random::guid(),
            CHANNEL_MAX,
            IDLE_MS,
        );
        self.writer.flush().await
    }

    async fn run(
        &mut self,
        reader: &mut Reader<Half>,
        mut queue: mpsc::UnboundedReceiver<Command>,
        mut stop: watch::Receiver<bool>,
    ) -> End {
        let service = Arc::clone(&self.amqp.service);
        let begun = Instant::now();
        let time_limit = service.settings.connect_timeout;
        let (mut heard, mut written) = (begun, begun);
        let mut armed: Option<UnixMs> = None;
        let mut expiry: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(pending());
        loop {
            let more = !queue.is_empty() || reader.has_piece();
            if !more || self.writer.is_full() {
                if !self.writer.waiting.is_empty() {
                    written = Instant::now();
                }
                if let Err(refusal) = self.writer.flush().await {
                    return refusal.into();
                }
                // Links that were cut short by a full buffer go on.
                self.send_all();
                if !self.writer.waiting.is_empty() {
                    continue;
                }
            }
            if armed != self.next_end() {
                armed = self.next_end();
                expiry = match armed {
                    Some(at) => {
                        let clock = Arc::clone(&service.clock);
                        Box::pin(async move { clock.reaches(at).await })
                    }
                    None => Box::pin(pending()),
                };
            }
            let heartbeat = async {
                match self.idle {
                    Some(idle) => tokio::time::sleep_until(written + idle).await,
                    None => pending().await,
                }
            };
            let unproved = async {
                match self.unproved {
                    Some(_) => tokio::time::sleep_until(begun + time_limit).await,
                    None => pending().await,
                }
            };
            let step = tokio::select! {
                biased;
                Some(command) = queue.recv() => {
                    self.obey(command);
                    Ok(())
                }
                piece = reader.frame(false) => {
                    heard = Instant::now();
                    match piece {
                        Ok(frame) => self.handle(frame).await,
                        Err(refusal) => Err(refusal.into()),
                    }
                }
                () = heartbeat => {
                    performative::empty(&mut self.writer.waiting);
                    Ok(())
                }
                () = tokio::time::sleep_until(heard + SILENCE) => Err(closed(format!(
                    "nothing was heard for {} s", SILENCE.as_secs()
                )).into()),
                () = unproved => Err(Refusal::new(
                    ErrorCode::Unauthorized,
                    format!("no token within {time_limit:?}"),
                ).into()),
                () = &mut expiry => {
                    self.expire();
                    Ok(())
                }
                () = stopped(&mut stop) => Err(Refusal::new(
                    ErrorCode::ServiceUnavailable,
                    "the emulator is stopping",
                ).into()),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn handle(&mut self, frame: Frame) -> Result<(), End> {
        let channel = frame.channel;
        let Some((code, fields)) = frame.body else {
            return Ok(());
        };
        if code == performative::CLOSE {
            return Err(End::Goodbye);
        }
        if code == performative::BEGIN {
            return Ok(self.begin(channel, &fields)?);
        }
        if !self.sessions.contains_key(&channel) {
            return Err(invalid(&format!(
                "a frame on channel {channel}, where no session was begun"
            ))
            .into());
        }
        match code {
            performative::ATTACH => self.attach(channel, fields).await?,
            performative::FLOW => self.flow(channel, &fields)?,
            performative::TRANSFER => self.transfer(channel, &fields, &frame.payload).await?,
            performative::DISPOSITION => self.disposition(channel, &fields),
            performative::DETACH => self.detached(channel, &fields),
            performative::END => {
                if let Some(session) = self.sessions.remove(&channel) {
                    self.give_back(session.unsettled.into_values());
                    performative::end(&mut self.writer.waiting, channel, None);
                }
            }
            _ => return Err(invalid(&format!("a frame of kind {code:#x}")).into()),
        }
        Ok(())
    }

    fn begin(&mut self, channel: u16, fields: &Fields) -> Result<(), Refusal> {
        if channel > CHANNEL_MAX || self.sessions.contains_key(&channel) {
            return Err(invalid(&format!(
                "a session was begun on channel {channel}, which is in use or above {CHANNEL_MAX}"
            )));
        }
        let session = Session::new(
            fields.uint(1).unwrap_or_default(),
            fields.uint(2).unwrap_or_default(),
        );
        performative::begin(
            &mut self.writer.waiting,
            channel,
            session.window,
            HANDLE_MAX,
        );
        self.sessions.insert(channel, session);
        Ok(())
    }

    /// Windows and credit that the peer gives.
    fn flow(&mut self, channel: u16, fields: &Fields) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&channel) else {
            return Ok(());
        };
        // Without a number the peer has not seen the beginning of the session.
        let next = fields.uint(0).unwrap_or_default();
        let end = next.wrapping_add(fields.uint(1).unwrap_or_default().min(MAX_AHEAD));
        session.remote_window = ahead(end, session.window.next_outgoing);
        let echo = fields.bool(9);
        let Some(handle) = fields.uint(4) else {
            if echo {
                performative::flow(&mut self.writer.waiting, channel, session.window, None);
            }
            self.send_all();
            return Ok(());
        };
        let answer = match session.links.get_mut(&handle) {
            None if session.ended.contains(&handle) => return Ok(()),
            None => {
                return Err(invalid(&format!(
                    "flow for handle {handle}, where no link is attached"
                )));
            }
            Some(link) => match &mut link.role {
                Role::Incoming(incoming) => echo.then(|| incoming.flow(handle)),
                Role::Outgoing(outgoing) => {
                    // Before the first delivery is known of, its count is the one of the attach.
                    let count = fields.uint(5).unwrap_or_default();
                    outgoing.limit =
                        count.wrapping_add(fields.uint(6).unwrap_or_default().min(MAX_AHEAD));
                    let drain = fields.bool(8);
                    outgoing.credit.send_replace(outlet::Credit {
                        limit: outgoing.limit,
                        drain,
                    });
                    if drain && outgoing.task.is_none() && outgoing.queue.is_empty() {
                        outgoing.count = outgoing.limit;
                        Some(outgoing.flow(handle))
                    } else {
                        echo.then(|| outgoing.flow(handle))
                    }
                }
            },
        };
        if answer.is_some() {
            performative::flow(&mut self.writer.waiting, channel, session.window, answer);
        }
        self.send_all();
        Ok(())
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Deliver(id, batch) => {
                let room = batch.room;
                let deliveries = batch
                    .messages
                    .into_iter()
                    .map(|(message, settlement)| Delivery {
                        message,
                        written: 0,
                        id: None,
                        settlement,
                        _room: Some(Arc::clone(&room)),
                    });
                match self.outgoing(id) {
                    Some(link) => link.queue.extend(deliveries),
                    // The link has gone: what it was to send goes to another.
                    None => {
                        let unsettled =
                            deliveries.filter_map(|mut it| Some((id, it.settlement.take()?)));
                        let unsettled: Vec<_> = unsettled.collect();
                        self.give_back(unsettled);
                    }
                }
                self.send_link(id);
            }
            Command::Drained(id, limit) => {
                if let Some(link) = self.outgoing(id)
                    && link.queue.is_empty()
                {
                    link.count = limit;
                    let flow = link.flow(id.handle);
                    if let Some(session) = self.sessions.get(&id.channel) {
                        performative::flow(
                            &mut self.writer.waiting,
                            id.channel,
                            session.window,
                            Some(flow),
                        );
                    }
                }
            }
            Command::Settle(id, delivery, outcome) => self.settle(id, delivery, &outcome),
            Command::Done(id) => self.done(id),
            Command::Hub(device, command) => self.obey_hub(&device, command),
            Command::Respond(id, reply_to, message) => self.respond(id, &reply_to, message),
            Command::Detach(id, fault) => self.detach(id, &fault),
        }
    }

    fn outgoing(&mut self, id: LinkId) -> Option<&mut link::Outgoing> {
        match &mut self.sessions.get_mut(&id.channel)?.link(id)?.role {
            Role::Outgoing(outgoing) => Some(outgoing),
            Role::Incoming(_) => None,
        }
    }

    fn send_link(&mut self, id: LinkId) {
        let frame = self.max_frame;
        if let Some(session) = self.sessions.get_mut(&id.channel) {
            session.send(id.handle, frame, SEND, &mut self.writer.waiting);
        }
    }

    fn send_all(&mut self) {
        for session in self.sessions.values_mut() {
            let handles: Vec<u32> = session.links.keys().copied().collect();
            for handle in handles {
                if !session.send(handle, self.max_frame, SEND, &mut self.writer.waiting) {
                    return;
                }
            }
        }
    }

    /// Notes a proof.
    fn prove(&mut self, claim: Claim) {
        if self.unproved.take().is_some() {
            let what = format!("AMQP, policy '{}'", claim.policy);
            self.record(Event::info("connected", what));
        }
        self.claims.add(claim);
    }

    fn record(&self, event: Event) {
        let journal = &self.amqp.service.journal;
        journal.record(event.on(self.number, self.address));
    }
}

fn invalid(reason: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidOperation, reason)
}

fn closed(reason: String) -> Refusal {
    Refusal::new(ErrorCode::DeviceConnectionClosedRemotely, reason)
}

/// Sessions, and links in each.
const CHANNEL_MAX: u16 = 63;
const HANDLE_MAX: u32 = 127;

/// What is asked of the peer, and how long it is waited for: the standard wants to hear of half of
/// that.
const IDLE_MS: u32 = 240_000;
const SILENCE: Duration = Duration::from_millis(2 * IDLE_MS as u64);

/// Bytes that a connection may have under way in each direction; who sends more waits.
const ROOM: usize = 4 * 1024 * 1024;

/// Bytes that are made before they are written.
const SEND: usize = 256 * 1024;
