//! Nordic's mqtt_helper, warts included: one static client, and one thread that waits on a
//! semaphore and then runs the poll loop until the connection ends.
//!
//! No lock is held while a callback runs. What the real one does that a caller must know:
//! - `connect` returns after DNS, TCP, TLS and the CONNECT packet, all on the caller's thread.
//! - A write that fails inside of `publish`, `subscribe` or `disconnect` calls `on_disconnect` on
//!   the caller's thread, before the call returns.
//! - Out of CONNECTING there is no way but [`Helper::abort`], or the end of the keep-alive time.
//! - The thread's last deed in its loop is to abort the client, whichever connection it has by
//!   then: one that was made inside of `on_disconnect` does not live.

mod connect;
mod link;
pub mod packets;
mod session;

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
    time::Duration,
};

use crate::{
    Options,
    errno::Errno,
    lock, log,
    modem::{Simulated, Socket},
};
pub(crate) use connect::ConnectParams;
use link::Link;
pub(crate) use packets::Publish;
pub(crate) use session::run;

/// Log target.
const TARGET: &str = "mqtt_helper";

/// How long an abort waits for the helper's thread to leave its loop.
const ABORT_TIMEOUT: Duration = Duration::from_secs(10);

/// `enum mqtt_state`; the real one passes TRANSPORT_CONNECTED without stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Uninit,
    Disconnected,
    TransportConnecting,
    Connecting,
    Connected,
    Disconnecting,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Uninit => "not initialised",
            Self::Disconnected => "disconnected",
            Self::TransportConnecting => "connecting over TLS",
            Self::Connecting => "waiting for CONNACK",
            Self::Connected => "connected",
            Self::Disconnecting => "disconnecting",
        }
    }
}

/// An MQTT event, as `on_all_events` sees it.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    Connack {
        code: u8,
    },
    Disconnect {
        result: i32,
    },
    Publish {
        topic: &'a str,
        /// Of the payload.
        length: usize,
        message_id: Option<u16>,
        /// Set by `iothub_platform_mqtt_discard`.
        discarded: bool,
    },
    Puback,
    Suback {
        message_id: u16,
        codes: &'a mut [u8],
    },
    Pingresp,
}

/// The callbacks of `struct mqtt_helper_cfg`.
pub(crate) trait Callbacks: Send + Sync {
    /// `false`: the event goes no further.
    fn all_events(&self, event: &mut Event<'_>) -> bool;
    fn connack(&self, code: u8, session_present: bool);
    fn disconnect(&self, result: i32);
    fn publish(&self, topic: &mut [u8], payload: &mut [u8]);
    fn puback(&self, message_id: u16, result: i32);
    fn suback(&self, message_id: u16, result: i32);
    fn pingresp(&self);
    fn message_too_large(&self);
}

/// The one client.
pub(crate) struct Helper {
    inner: Mutex<Inner>,
    changed: Condvar,
    modem: Arc<Simulated>,
    settings: Settings,
}

struct Inner {
    state: State,
    callbacks: Option<Arc<dyn Callbacks>>,
    /// The connection that is being made, for an abort to close.
    connecting: Option<Arc<Socket>>,
    /// An abort came while there was nothing to close yet.
    aborted: bool,
    /// The client's connection: there is one from the CONNECT packet to the end.
    link: Option<Arc<Link>>,
    peer: Option<IpAddr>,
    /// The semaphore that the thread waits on.
    poll: bool,
    /// The thread is in its loop.
    polling: bool,
    thread: Option<ThreadId>,
}

struct Settings {
    port: u16,
    sec_tags: Vec<u32>,
    send_timeout: Duration,
    rx_tx_buffer: usize,
    payload_buffer: usize,
    keep_alive: Duration,
    clean_session: bool,
}

impl Helper {
    pub(crate) fn new(options: &Options, modem: Arc<Simulated>) -> Self {
        let settings = Settings {
            port: options.port,
            sec_tags: [Some(options.sec_tag), options.secondary_sec_tag]
                .into_iter()
                .flatten()
                .collect(),
            send_timeout: options.send_timeout,
            rx_tx_buffer: options.rx_tx_buffer,
            payload_buffer: options.payload_buffer,
            keep_alive: options.keep_alive,
            clean_session: options.clean_session,
        };
        let inner = Inner {
            state: State::Uninit,
            callbacks: None,
            connecting: None,
            aborted: false,
            link: None,
            peer: None,
            poll: false,
            polling: false,
            thread: None,
        };
        Self {
            inner: Mutex::new(inner),
            changed: Condvar::new(),
            modem,
            settings,
        }
    }

    /// `mqtt_helper_init`.
    pub(crate) fn init(&self, callbacks: Arc<dyn Callbacks>) -> Result<(), Errno> {
        let mut inner = self.in_state(&[State::Uninit, State::Disconnected])?;
        inner.callbacks = Some(callbacks);
        inner.state = State::Disconnected;
        Ok(())
    }

    /// `mqtt_helper_deinit`.
    pub(crate) fn deinit(&self) -> Result<(), Errno> {
        let mut inner = self.in_state(&[State::Disconnected])?;
        inner.callbacks = None;
        inner.state = State::Uninit;
        Ok(())
    }

    /// `mqtt_helper_disconnect`.
    pub(crate) fn disconnect(&self) -> Result<(), Errno> {
        let link = {
            let mut inner = self.in_state(&[State::Connected])?;
            inner.state = State::Disconnecting;
            inner.link.clone()
        };
        let result = match &link {
            Some(link) => self.send(link, &[&packets::disconnect()]),
            None => Err(Errno::NOTCONN),
        };
        match (&result, link) {
            (Ok(()), Some(link)) => {
                link.send_close_notify();
                self.close(&link, 0);
            }
            (Ok(()), None) => {}
            // The second call of on_disconnect in a row, after the one from the failed write.
            (Err(errno), _) => {
                log::error!(TARGET, "DISCONNECT could not be sent: {errno}");
                let callbacks = self.set_state(State::Disconnected);
                if let Some(callbacks) = callbacks {
                    callbacks.disconnect(errno.code());
                }
            }
        }
        result
    }

    /// `mqtt_helper_subscribe`.
    pub(crate) fn subscribe(&self, message_id: u16, filters: &[(&[u8], u8)]) -> Result<(), Errno> {
        let link = self.connected(message_id)?;
        let packet = self.check_size(packets::subscribe(message_id, filters)?)?;
        self.send(&link, &[&packet])
    }

    /// `mqtt_helper_publish`.
    pub(crate) fn publish(&self, message: &Publish<'_>) -> Result<(), Errno> {
        let link = self.connected(message.message_id)?;
        let (header, payload) = packets::publish(message)?;
        self.send(&link, &[&self.check_size(header)?, payload])
    }

    /// `iothub_platform_mqtt_abort`.
    pub(crate) fn abort(&self) -> Result<(), Errno> {
        let (connecting, link) = {
            let mut inner = self.inner();
            if inner.thread == Some(thread::current().id()) {
                drop(inner);
                log::error!(TARGET, "an abort from a callback would wait for itself");
                return Err(Errno::DEADLK);
            }
            inner.aborted = true;
            (inner.connecting.clone(), inner.link.clone())
        };
        if let Some(socket) = connecting {
            socket.close();
        }
        if let Some(link) = link {
            self.close(&link, Errno::CONNABORTED.code());
        }
        let inner = self.inner();
        let busy = |inner: &mut Inner| {
            inner.poll || inner.polling || inner.state == State::TransportConnecting
        };
        let waited = self.changed.wait_timeout_while(inner, ABORT_TIMEOUT, busy);
        let (mut inner, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            drop(inner);
            log::error!(
                TARGET,
                "the helper's thread is still in its loop: does a callback wait?"
            );
            return Err(Errno::TIMEDOUT);
        }
        if inner.state != State::Uninit {
            // Somebody's on_all_events kept the end of the connection to itself.
            inner.state = State::Disconnected;
        }
        Ok(())
    }

    /// `iothub_platform_mqtt_nodelay`.
    pub(crate) fn nodelay(&self) -> Result<(), Errno> {
        let link = self.inner().link.clone();
        link.ok_or(Errno::NOTCONN)?.set_nodelay()
    }

    /// `iothub_platform_mqtt_peer`: the address as the device sees it.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.inner().peer
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// The lock, if the state is one of these.
    fn in_state(&self, wanted: &[State]) -> Result<MutexGuard<'_, Inner>, Errno> {
        let inner = self.inner();
        if wanted.contains(&inner.state) {
            return Ok(inner);
        }
        let state = inner.state;
        drop(inner);
        let wanted: Vec<_> = wanted.iter().map(|state| state.name()).collect();
        log::error!(
            TARGET,
            "refused while {}: allowed only while {}",
            state.name(),
            wanted.join(" or ")
        );
        Err(Errno::OPNOTSUPP)
    }

    fn set_state(&self, state: State) -> Option<Arc<dyn Callbacks>> {
        let mut inner = self.inner();
        inner.state = state;
        inner.callbacks.clone()
    }

    fn connected(&self, message_id: u16) -> Result<Arc<Link>, Errno> {
        if message_id == 0 {
            log::error!(TARGET, "0 is no message id");
            return Err(Errno::INVAL);
        }
        let inner = self.in_state(&[State::Connected])?;
        inner.link.clone().ok_or(Errno::NOTCONN)
    }

    fn check_size(&self, packet: Vec<u8>) -> Result<Vec<u8>, Errno> {
        let room = self.settings.rx_tx_buffer;
        if packet.len() > room {
            log::error!(
                TARGET,
                "a packet of {} bytes without its payload does not fit the transmit buffer of {room} \
                 (CONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE)",
                packet.len()
            );
            return Err(Errno::NOMEM);
        }
        Ok(packet)
    }

    /// Writes; a failure ends the connection and is told on this thread.
    fn send(&self, link: &Arc<Link>, parts: &[&[u8]]) -> Result<(), Errno> {
        link.send(parts)
            .inspect_err(|errno| self.close(link, errno.code()))
    }

    /// Ends this connection, unless that was done before, and tells the application.
    fn close(&self, link: &Arc<Link>, result: i32) {
        let ours = self
            .inner()
            .link
            .take_if(|current| Arc::ptr_eq(current, link))
            .is_some();
        link.close();
        if ours {
            self.tell_disconnect(result);
        }
    }

    /// Whether a payload of that many bytes fits the payload buffer.
    pub(crate) fn has_room_for(&self, length: usize) -> bool {
        length <= self.settings.payload_buffer
    }

    /// Offers an event to on_all_events; the callbacks, if it goes further.
    fn offer(&self, event: &mut Event<'_>) -> Option<Arc<dyn Callbacks>> {
        let callbacks = self.inner().callbacks.clone()?;
        callbacks.all_events(event).then_some(callbacks)
    }

    fn tell_disconnect(&self, result: i32) {
        if let Some(callbacks) = self.offer(&mut Event::Disconnect { result }) {
            self.set_state(State::Disconnected);
            callbacks.disconnect(result);
        }
    }

    fn tell_connack(&self, code: u8, session_present: bool) {
        if let Some(callbacks) = self.offer(&mut Event::Connack { code }) {
            let accepted = code == 0;
            self.set_state(if accepted {
                State::Connected
            } else {
                State::Disconnected
            });
            callbacks.connack(code, session_present);
        }
    }
}

impl fmt::Debug for Helper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Helper")
            .field("state", &self.inner().state)
            .finish_non_exhaustive()
    }
}
