//! A stream of bytes as frames: a reader with limits, and a writer that gives up on a peer that
//! does not read.

use std::time::Duration;

use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split,
};

use super::codec::frame::{self, Frame, Header, Piece};
use crate::code::{ErrorCode, Refusal};

/// What AMQP is spoken over: TLS, or a WebSocket.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Cuts what the peer sends. [`Reader::next`] is cancel safe.
#[derive(Debug)]
pub(super) struct Reader<R> {
    io: R,
    buffer: Vec<u8>,
    start: usize,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(io: R) -> Self {
        Self {
            io,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// Whether the next piece is there already, so that `next` will not wait.
    pub(super) fn has_piece(&self) -> bool {
        let unread = &self.buffer[self.start..];
        matches!(frame::length(unread), Ok(Some(length)) if unread.len() >= length)
    }

    /// The next header or frame.
    pub(super) async fn next(&mut self) -> Result<Piece, Refusal> {
        loop {
            let unread = &self.buffer[self.start..];
            if let Some(length) = frame::length(unread).map_err(malformed)?
                && let Some(bytes) = unread.get(..length)
            {
                let piece = frame::parse(bytes).map_err(malformed)?;
                self.start += length;
                return Ok(piece);
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            match self.io.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(closed("the peer closed the connection".to_owned())),
                Ok(_) => {}
                Err(error) => return Err(closed(format!("the connection broke: {error}"))),
            }
        }
    }

    /// The next frame of one of the two layers.
    pub(super) async fn frame(&mut self, sasl: bool) -> Result<Frame, Refusal> {
        match self.next().await? {
            Piece::Frame(frame) if frame.sasl == sasl => Ok(frame),
            Piece::Frame(_) | Piece::Header(_) => Err(Refusal::new(
                ErrorCode::IotHubFormatError,
                match sasl {
                    true => "SASL was begun, and something else came",
                    false => "AMQP was begun, and something else came",
                },
            )),
        }
    }
}

/// Collects frames and writes them together.
pub(super) struct Writer {
    io: WriteHalf<Box<dyn Stream>>,
    /// What waits to be written.
    pub(super) waiting: Vec<u8>,
    timeout: Duration,
}

impl Writer {
    /// Whether so much waits that it should be written before more is made.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= BATCH
    }

    /// Puts the beginning of a layer behind the rest.
    pub(super) fn header(&mut self, header: Header) {
        self.waiting.extend(header.bytes());
    }

    /// Writes what waits.
    pub(super) async fn flush(&mut self) -> Result<(), Refusal> {
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
                "the peer has not read for {} s",
                self.timeout.as_secs()
            ))),
        };
        self.waiting.clear();
        self.waiting.shrink_to(2 * BATCH);
        result
    }

    /// Writes what waits and closes in an orderly way.
    pub(super) async fn close(mut self) {
        if self.flush().await.is_ok() {
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.io.shutdown()).await;
        }
    }
}

/// Both halves of a stream.
pub(super) fn halves(
    stream: Box<dyn Stream>,
    timeout: Duration,
) -> (Reader<ReadHalf<Box<dyn Stream>>>, Writer) {
    let (read, write) = split(stream);
    let writer = Writer {
        io: write,
        waiting: Vec::new(),
        timeout,
    };
    (Reader::new(read), writer)
}

fn malformed(error: frame::Error) -> Refusal {
    Refusal::new(ErrorCode::IotHubFormatError, error.to_string())
}

fn closed(reason: String) -> Refusal {
    Refusal::new(ErrorCode::DeviceConnectionClosedRemotely, reason)
}

const BATCH: usize = 64 * 1024;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
