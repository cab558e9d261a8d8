//! GET with a range over the simulated network, with or without TLS, on a connection that is kept.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};

use rustls::ClientConnection;

use super::{Cause, Target};
use crate::{
    errno::Errno,
    log,
    modem::{Simulated, Socket},
    tls,
};

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The whole length, by Content-Range or Content-Length.
    pub(super) total: Option<u32>,
    pub(super) body: Vec<u8>,
}

/// A connection to the server of images.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Arc<Socket>,
    tls: Option<ClientConnection>,
    closes: bool,
}

impl Connection {
    /// Resolves, connects, shakes hands; `opened` gets the socket before, so that a cancel can close it.
    pub(super) fn open(
        modem: &Simulated,
        target: &Target,
        timeout: Duration,
        opened: impl FnOnce(&Arc<Socket>),
    ) -> Result<Self, Cause> {
        let Target {
            host, port, tls, ..
        } = target;
        let refused = |reason: &dyn std::fmt::Display| {
            log::warning!(super::TARGET, "{host}, port {port}: {reason}");
        };
        let address = modem.resolve(host).map_err(|error| {
            refused(&error);
            Cause::Connect
        })?;
        let socket = modem
            .connect_tcp(address, *port, timeout)
            .map_err(|errno| {
                refused(&format_args!("{errno:?}"));
                Cause::Connect
            })?;
        opened(&socket);
        let limits = socket
            .stream()
            .set_read_timeout(Some(timeout))
            .and_then(|()| socket.stream().set_write_timeout(Some(timeout)));
        limits.map_err(|_| Cause::Connect)?;
        let tls = match tls {
            false => None,
            true => Some(
                Self::handshake(modem, target, &socket, timeout).map_err(|error| {
                    refused(&error);
                    // Time and network may be better next time, credentials are not.
                    match error.errno {
                        Errno::CONNREFUSED | Errno::OPNOTSUPP => Cause::Tls,
                        _ => Cause::Connect,
                    }
                })?,
            ),
        };
        // The handshake has its own.
        let _ = socket.stream().set_read_timeout(Some(timeout));
        Ok(Self {
            socket,
            tls,
            closes: false,
        })
    }

    fn handshake(
        modem: &Simulated,
        target: &Target,
        socket: &Socket,
        timeout: Duration,
    ) -> Result<ClientConnection, tls::TlsError> {
        let config = tls::config(&modem.credentials, &target.sec_tags)?;
        tls::handshake(socket, config, &target.host, timeout)
    }

    /// Whether the server lets another request follow.
    pub(super) fn is_open(&self) -> bool {
        !self.closes
    }

    /// Bytes `from` to `from + len` of the file.
    pub(super) fn get(&mut self, target: &Target, from: u32, len: u32) -> io::Result<Answer> {
        let Target { host, path, .. } = target;
        let last = u64::from(from) + u64::from(len) - 1;
        let request = format!(
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes={from}-{last}\r\nConnection: keep-alive\r\n\r\n"
        );
        self.with(|stream| stream.write_all(request.as_bytes()))?;
        let mut received = Vec::new();
        let (mut answer, length, closes) = loop {
            if let Some(head) = head(&received)? {
                received.drain(..head.len);
                break (head.answer, head.length, head.closes);
            }
            if received.len() > HEAD_MAX {
                return Err(invalid("the head of the answer does not end"));
            }
            self.more(&mut received)?;
        };
        self.closes = closes;
        // A server without ranges sends the whole file: what is more than was asked for is left in it.
        let wanted = match answer.status {
            206 => length,
            200 => length.min(from as usize + len as usize),
            _ => 0,
        };
        self.closes |= wanted < length;
        while received.len() < wanted {
            self.more(&mut received)?;
        }
        received.truncate(wanted);
        if answer.status == 200 {
            received.drain(..wanted.min(from as usize));
        }
        answer.body = received;
        Ok(answer)
    }

    fn more(&mut self, received: &mut Vec<u8>) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let count = self.with(|stream| stream.read(&mut buffer))?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        received.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(())
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut dyn Stream) -> R) -> R {
        let mut socket = self.socket.stream();
        match &mut self.tls {
            None => f(&mut socket),
            Some(tls) => f(&mut rustls::Stream::new(tls, &mut socket)),
        }
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

struct Head {
    answer: Answer,
    /// Bytes of the head itself.
    len: usize,
    /// Bytes of the body.
    length: usize,
    closes: bool,
}

/// The head of an answer; `None` while it is not complete.
fn head(received: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let len = match response.parse(received).map_err(io::Error::other)? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(len) => len,
    };
    let header = |name: &str| {
        let found = response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let length = header("content-length").and_then(|length| length.trim().parse::<usize>().ok());
    let range = header("content-range").and_then(|range| range.rsplit_once('/'));
    let total = range.map_or(
        length.and_then(|length| u32::try_from(length).ok()),
        |(_, total)| total.trim().parse().ok(),
    );
    let status = response.code.unwrap_or(0);
    if matches!(status, 200 | 206) && length.is_none() {
        return Err(invalid("the answer has no Content-Length"));
    }
    Ok(Some(Head {
        closes: header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
        answer: Answer {
            status,
            total,
            body: Vec::new(),
        },
        len,
        length: length.unwrap_or(0),
    }))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

const HEAD_MAX: usize = 8192;
