//! One MQTT connection as packets: a reader with limits and a writer that gives up on a peer that
//! does not read.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::code::{ErrorCode, Refusal};
use crate::mqtt::wire::{ReadError, Reader};
use crate::websocket::Incoming;

/// What packets come and go over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin> Stream for T {}

/// The connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Packets of the device.
    pub reader: Reader<ReadHalf<Box<dyn Stream>>>,
    /// Packets to the device.
    pub writer: Writer,
    /// The peer's address.
    pub peer: SocketAddr,
    /// What the peer presented in the handshake, leaf first.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Whether it came over the HTTPS port.
    pub is_websocket: bool,
}

/// Collects packets and writes them together.
#[derive(Debug)]
pub(crate) struct Writer {
    io: WriteHalf<Box<dyn Stream>>,
    waiting: Vec<u8>,
    timeout: Duration,
}

impl Link {
    /// Takes a stream whose handshake is done.
    pub(crate) fn over_tls(
        stream: TlsStream<TcpStream>,
        peer: SocketAddr,
        timeout: Duration,
    ) -> Self {
        let (_, tls) = stream.get_ref();
        let certificates = tls.peer_certificates().unwrap_or_default();
        let certificates = certificates
            .iter()
            .map(|it| it.clone().into_owned())
            .collect();
        Self::new(Box::new(stream), peer, certificates, timeout)
    }

    /// Takes a WebSocket.
    pub(crate) fn over_websocket(incoming: Incoming, timeout: Duration) -> Self {
        let Incoming {
            stream,
            peer,
            certificates,
        } = incoming;
        Self {
            is_websocket: true,
            ..Self::new(Box::new(stream), peer, certificates, timeout)
        }
    }

    fn new(
        stream: Box<dyn Stream>,
        peer: SocketAddr,
        certificates: Vec<CertificateDer<'static>>,
        timeout: Duration,
    ) -> Self {
        let (read, write) = split(stream);
        Self {
            reader: Reader::new(read, CONNECT_LIMIT),
            writer: Writer {
                io: write,
                waiting: Vec::new(),
                timeout,
            },
            peer,
            certificates,
            is_websocket: false,
        }
    }
}

impl Writer {
    /// Puts a packet behind the others.
    pub(crate) fn push(&mut self, packet: &[u8]) {
        self.waiting.extend_from_slice(packet);
    }

    /// Whether so much waits that it should be written before more is made.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= BATCH
    }

    /// Writes what waits.
    pub(crate) async fn flush(&mut self) -> Result<(), Refusal> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let write = async {
            self.io.write_all(&self.waiting).await?;
            self.io.flush().await
        };
        let result = match tokio::time::timeout(self.timeout, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(closed(format!(
                "the connection broke while writing: {error}"
            ))),
            Err(_) => Err(closed(format!(
                "the device has not read for {} s",
                self.timeout.as_secs()
            ))),
        };
        self.waiting.clear();
        self.waiting.shrink_to(IDLE_BUFFER);
        result
    }

    /// Writes what waits and closes in an orderly way.
    pub(crate) async fn close(mut self) {
        if self.flush().await.is_ok() {
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.io.shutdown()).await;
        }
    }
}

/// Turns what went wrong with reading into a reason.
pub(crate) fn read_refusal(error: &ReadError) -> Refusal {
    let code = match error {
        ReadError::Closed { .. } | ReadError::Io(_) => ErrorCode::DeviceConnectionClosedRemotely,
        ReadError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        ReadError::Malformed(_) => ErrorCode::IotHubFormatError,
        ReadError::Level(_) => ErrorCode::InvalidProtocolVersion,
    };
    Refusal::new(code, error.to_string())
}

/// The return code of a CONNACK that refuses: 3 where the fault is the emulator's own or passes,
/// else 5, which is what the real hub answers to every CONNECT that it does not let in.
pub(crate) fn refused(refusal: &Refusal) -> u8 {
    match refusal.code {
        ErrorCode::ServerError | ErrorCode::ServiceUnavailable | ErrorCode::ThrottlingException => {
            3
        }
        _ => 5,
    }
}

fn closed(reason: String) -> Refusal {
    Refusal::new(ErrorCode::DeviceConnectionClosedRemotely, reason)
}

/// A CONNECT may carry a will of 64 KiB.
const CONNECT_LIMIT: usize = 80 * 1024;
const BATCH: usize = 64 * 1024;
/// What a connection that waits may keep.
const IDLE_BUFFER: usize = 256;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
