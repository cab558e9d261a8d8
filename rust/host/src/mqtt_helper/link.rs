//! One connection: TCP and TLS, written by any thread, read by the helper's.

use std::{
    io::{self, Read as _, Write as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustls::ClientConnection;

use crate::{edge::uptime, errno::Errno, lock, modem::Socket, radio, tls};

/// A connection whose TLS handshake is done.
#[derive(Debug)]
pub(crate) struct Link {
    socket: Arc<Socket>,
    tls: Mutex<ClientConnection>,
    /// The server has accepted the CONNECT packet.
    accepted: AtomicBool,
    last_write: Mutex<Instant>,
}

/// What waiting for the server came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Readable,
    TimedOut,
    /// The network went away.
    Error,
}

impl Link {
    pub(crate) fn new(socket: Arc<Socket>, tls: ClientConnection) -> Self {
        Self {
            socket,
            tls: Mutex::new(tls),
            accepted: AtomicBool::new(false),
            last_write: Mutex::new(Instant::now()),
        }
    }

    pub(crate) fn accept(&self) {
        self.accepted.store(true, Ordering::Release);
    }

    pub(crate) fn is_accepted(&self) -> bool {
        self.accepted.load(Ordering::Acquire)
    }

    /// Bounds each write, and stops the one that is under way when it is over (`SO_SNDTIMEO`).
    pub(crate) fn set_send_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.socket.stream().set_write_timeout(Some(timeout))
    }

    pub(crate) fn set_nodelay(&self) -> Result<(), Errno> {
        self.socket
            .stream()
            .set_nodelay(true)
            .map_err(|error| Errno::from(&error))
    }

    /// Writes the parts, each on its own as Zephyr does with header and payload.
    pub(crate) fn send(&self, parts: &[&[u8]]) -> Result<(), Errno> {
        let mut tls = lock(&self.tls);
        for part in parts {
            if !part.is_empty() {
                self.write(&mut tls, part)
                    .map_err(|error| self.errno(&error))?;
                radio::with(|radio| radio.carry(uptime(), part.len() as u64, 0));
            }
        }
        *lock(&self.last_write) = Instant::now();
        Ok(())
    }

    fn write(&self, tls: &mut ClientConnection, part: &[u8]) -> io::Result<()> {
        tls.writer().write_all(part)?;
        tls::flush(&self.socket, tls)
    }

    /// Tells the server that nothing more comes, where that can be told at once.
    pub(crate) fn send_close_notify(&self) {
        let mut tls = lock(&self.tls);
        tls.send_close_notify();
        // The connection ends in any case.
        let _ = tls::flush(&self.socket, &mut tls);
    }

    /// How long since something was written.
    pub(crate) fn idle(&self) -> Duration {
        lock(&self.last_write).elapsed()
    }

    /// Waits until there is something to read, or the end of the connection.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Waited {
        // 0 would be no timeout at all.
        let timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
        let stream = self.socket.stream();
        let peeked = stream
            .set_read_timeout(timeout)
            .and_then(|()| stream.peek(&mut [0]));
        match peeked {
            _ if self.socket.is_network_down() => Waited::Error,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Waited::TimedOut,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Waited::TimedOut,
            _ => Waited::Readable,
        }
    }

    /// Appends what has arrived; `false` when nothing more can come.
    pub(crate) fn receive(&self, bytes: &mut Vec<u8>) -> Result<bool, Errno> {
        let mut tls = lock(&self.tls);
        match tls.read_tls(&mut self.socket.stream()) {
            Ok(0) => return Ok(false),
            Ok(count) => radio::with(|radio| radio.carry(uptime(), 0, count as u64)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(self.errno(&error)),
        }
        let processed = tls.process_new_packets();
        tls::flush(&self.socket, &mut tls).map_err(|error| self.errno(&error))?;
        processed.map_err(|_| Errno::CONNRESET)?;
        match tls.reader().read_to_end(bytes) {
            // After a close_notify.
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(self.errno(&error)),
        }
    }

    /// Closes the socket, whoever uses it.
    pub(crate) fn close(&self) {
        self.socket.close();
    }

    fn errno(&self, error: &io::Error) -> Errno {
        if self.socket.is_network_down() {
            Errno::NETDOWN
        } else if self.socket.is_closed() {
            Errno::NOTCONN
        } else {
            Errno::from(error)
        }
    }
}
