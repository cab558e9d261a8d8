//! A WebSocket as a stream of bytes: where a message ends means nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};
use futures_util::{Sink, Stream};
use sync_wrapper::SyncWrapper;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The payloads of the binary messages, one after the other. Pings are answered while it is read.
///
/// A text message is an error of the kind `InvalidData`, as MQTT 3.1.1, section 6, has it, and
/// AMQP's binding too.
#[derive(Debug)]
pub(crate) struct ByteStream {
    socket: SyncWrapper<WebSocket>,
    /// What has come and has not been read.
    rest: Bytes,
}

impl ByteStream {
    pub(super) fn new(socket: WebSocket) -> Self {
        Self {
            socket: SyncWrapper::new(socket),
            rest: Bytes::new(),
        }
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(self.socket.get_mut()).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(text())),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let taken = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = &bytes[..bytes.len().min(FRAME)];
        let mut socket = Pin::new(self.socket.get_mut());
        ready!(socket.as_mut().poll_ready(cx)).map_err(io::Error::other)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        socket.start_send(message).map_err(io::Error::other)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(self.socket.get_mut()).poll_flush(cx);
        flushed.map_err(io::Error::other)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(self.socket.get_mut()).poll_close(cx);
        closed.map_err(io::Error::other)
    }
}

fn text() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a text message, where only binary ones carry the protocol",
    )
}

/// The largest message that is sent.
const FRAME: usize = 256 * 1024;
