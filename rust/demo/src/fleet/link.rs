//! One connection: TLS and MQTT frames.

use std::{io, sync::Arc, time::Duration};

use iothub_host::packets::{self, Inbox, Incoming};
use iothub_proto::Errno;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Shared, identity::Identity};

/// A connection that is open.
pub(super) struct Link {
    stream: TlsStream<TcpStream>,
    inbox: Inbox,
    /// When a PINGREQ is due.
    ping: Instant,
}

impl Link {
    /// TCP and TLS.
    pub(super) async fn open(shared: &Shared, identity: &Identity) -> io::Result<Self> {
        // It is closed when the fleet ends.
        let permit = shared.handshakes.acquire().await;
        let _permit = permit.map_err(|_| io::ErrorKind::Interrupted)?;
        let target = &shared.target;
        let open = async {
            let tcp = TcpStream::connect(target.address).await?;
            tcp.set_nodelay(true)?;
            TlsConnector::from(Arc::clone(&identity.0))
                .connect(target.server_name.clone(), tcp)
                .await
        };
        let stream = timeout(SEND_TIMEOUT, open).await;
        Ok(Self {
            stream: stream.map_err(|_| io::ErrorKind::TimedOut)??,
            inbox: Inbox::new(BUFFER, BUFFER),
            ping: Instant::now() + KEEP_ALIVE,
        })
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let written = timeout(SEND_TIMEOUT, async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        });
        written
            .await
            .map_err(|_| TIMED_OUT)?
            .map_err(|error| errno(&error))?;
        self.ping = Instant::now() + KEEP_ALIVE;
        Ok(())
    }

    /// When [`Link::ping`] is to be called.
    pub(super) fn ping_at(&self) -> Instant {
        self.ping
    }

    pub(super) async fn ping(&mut self) -> Result<(), Errno> {
        self.write(&packets::pingreq()).await
    }

    /// Waits for bytes; may be given up at any time.
    pub(super) async fn receive(&mut self) -> Result<(), Errno> {
        match self.stream.read_buf(self.inbox.bytes()).await {
            Ok(0) => Err(NOT_CONNECTED),
            Ok(_) => Ok(()),
            Err(error) => Err(errno(&error)),
        }
    }

    /// The next packet of those that have arrived.
    pub(super) fn packet(&mut self) -> Result<Option<Incoming>, Errno> {
        self.inbox
            .next_packet()
            .map_err(|error| Errno(error.code()))
    }

    /// Lets the payload of a packet go by that has no room.
    pub(super) fn discard(&mut self, length: usize) {
        self.inbox.discard(length);
    }
}

/// As the device's sockets say it.
pub(super) fn errno(error: &io::Error) -> Errno {
    match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => Errno(-number),
        (None, io::ErrorKind::TimedOut) => TIMED_OUT,
        (None, _) => ABORTED,
    }
}

/// As mqtt_helper is built on the device.
const BUFFER: usize = 4096;

/// Of the device's MQTT, and what it tells the hub.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(240);

/// The longest wait for TCP and TLS, and for a write.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);

const TIMED_OUT: Errno = Errno(-110);
const ABORTED: Errno = Errno(-103);
const NOT_CONNECTED: Errno = Errno(-128);
