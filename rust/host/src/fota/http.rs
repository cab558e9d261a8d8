//! GET with a range over the simulated network, with or without TLS, on a connection that is kept.
//! HTTP itself is ureq-proto's. No answer is read beyond what was asked for.

use std::{
    fmt,
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};

use rustls::ClientConnection;
use ureq_proto::{
    BodyMode,
    client::{
        Call, RecvBodyResult, RecvResponseResult, RedirectAuthHeaders, SendRequestResult,
        header_raw, state::RecvResponse,
    },
    http::{HeaderMap, Request, Uri, header},
};

use super::source::{Cause, Source, TARGET};
use crate::{
    errno::Errno,
    log,
    modem::{Simulated, Socket},
    tls,
};

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Bytes from where they were asked for, of a file of so many.
    Part { body: Vec<u8>, total: u64 },
    /// Nothing is there from where it was asked for: the file has so many bytes.
    End { total: u64 },
    /// The file is elsewhere.
    Redirect(Location),
    /// By this status.
    Refused(u16),
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Error {
    /// The connection ended, or stood still.
    Transfer(io::Error),
    /// The answer is none that can be gone on with, however often it is asked for.
    Answer(String),
}

impl Error {
    fn answer(error: impl fmt::Display) -> Self {
        Self::Answer(error.to_string())
    }

    pub(super) const fn cause(&self) -> Cause {
        match self {
            Self::Transfer(_) => Cause::Transfer,
            Self::Answer(_) => Cause::Answer,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transfer(error) => error.fmt(f),
            Self::Answer(what) => write!(f, "the answer cannot be used: {what}"),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Transfer(error)
    }
}

impl From<ureq_proto::Error> for Error {
    fn from(error: ureq_proto::Error) -> Self {
        Self::answer(error)
    }
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    tls: bool,
    /// A name, or an address without brackets.
    host: String,
    port: u16,
    /// Without its first `/`, with its query.
    path: String,
}

impl Location {
    pub(super) fn of(source: &Source) -> Self {
        Self {
            tls: source.tls,
            host: source.host.clone(),
            port: source.port,
            path: source.path.clone(),
        }
    }

    fn from_uri(uri: &Uri) -> Result<Self, Error> {
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => {
                return Err(Error::answer(
                    "a redirect to another scheme than http or https",
                ));
            }
        };
        let host = uri.host().unwrap_or_default();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return Err(Error::answer("a redirect without a host"));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            path: path.strip_prefix('/').unwrap_or(path).to_owned(),
        })
    }

    fn uri(&self) -> String {
        let Self {
            tls,
            host,
            port,
            path,
        } = self;
        let scheme = if *tls { "https" } else { "http" };
        if host.contains(':') {
            format!("{scheme}://[{host}]:{port}/{path}")
        } else {
            format!("{scheme}://{host}:{port}/{path}")
        }
    }
}

/// Without the query, which may be a signature, and so a key.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uri = self.uri();
        f.write_str(uri.split('?').next().unwrap_or_default())
    }
}

/// A connection to the server of images.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Arc<Socket>,
    tls: Option<ClientConnection>,
    closes: bool,
}

impl Connection {
    /// Resolves, connects, shakes hands; `opened` gets the socket before, so that a cancel can
    /// close it.
    pub(super) fn open(
        modem: &Simulated,
        location: &Location,
        sec_tags: &[u32],
        timeout: Duration,
        opened: impl FnOnce(&Arc<Socket>),
    ) -> Result<Self, Cause> {
        let Location { host, port, .. } = location;
        let refused = |reason: &dyn fmt::Display| {
            log::warning!(TARGET, "{host}, port {port}: {reason}");
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
        let tls = match location.tls {
            false => None,
            true => Some(
                Self::handshake(modem, host, sec_tags, &socket, timeout).map_err(|error| {
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
        host: &str,
        sec_tags: &[u32],
        socket: &Socket,
        timeout: Duration,
    ) -> Result<ClientConnection, tls::TlsError> {
        let config = tls::config(&modem.credentials, sec_tags)?;
        tls::handshake(socket, config, host, timeout)
    }

    /// Whether the server lets another request follow.
    pub(super) fn is_open(&self) -> bool {
        !self.closes
    }

    /// Bytes `from` to `from + len` of the file.
    pub(super) fn get(
        &mut self,
        location: &Location,
        from: u32,
        len: u32,
    ) -> Result<Answer, Error> {
        let from = u64::from(from);
        let end = from + u64::from(len);
        let range = format!("bytes={from}-{}", end - 1);
        let request = header_raw(Request::get(location.uri()), "Range", range.as_bytes())
            .body(())
            .map_err(Error::answer)?;
        let mut call = Call::new(request)?.proceed();
        let mut head = [0; HEAD_MAX];
        let len = call.write(&mut head)?;
        // Until the body is read to its end, nothing can follow.
        self.closes = true;
        self.with(|stream| stream.write_all(head.get(..len).unwrap_or_default()))?;
        let Some(SendRequestResult::RecvResponse(mut call)) = call.proceed()? else {
            return Err(Error::answer("the request is too long"));
        };
        let mut received = Vec::new();
        let mut unread = HEAD_MAX;
        let response = loop {
            let (used, response) = call.try_response(&received, false)?;
            received.drain(..used);
            if let Some(response) = response {
                break response;
            }
            unread = unread
                .checked_sub(used)
                .filter(|unread| received.len() <= *unread)
                .ok_or_else(|| Error::answer("its head does not end"))?;
            self.more(&mut received)?;
        };
        let headers = response.headers();
        match response.status().as_u16() {
            206 => {
                let Some(Range { first, last, total }) = Range::of(headers) else {
                    return Err(Error::answer("a part without its range"));
                };
                if total <= from {
                    return Ok(Answer::End { total });
                }
                if first != from || last >= end.min(total) {
                    return Err(Error::answer("its range is not the one that was asked for"));
                }
                let body = self.body(call, received, last + 1 - from, None)?;
                Ok(Answer::Part { body, total })
            }
            // A server without ranges sends the whole file: what is more than was asked for is left
            // in it.
            200 => {
                let total = length(headers)
                    .ok_or_else(|| Error::answer("a whole file without its length"))?;
                if total <= from {
                    return Ok(Answer::End { total });
                }
                let mut body = self.body(call, received, total, Some(end.min(total)))?;
                body.drain(..usize::try_from(from).unwrap_or(usize::MAX).min(body.len()));
                Ok(Answer::Part { body, total })
            }
            416 => {
                Ok(total_of_none(headers)
                    .map_or(Answer::Refused(416), |total| Answer::End { total }))
            }
            301 | 302 | 303 | 307 | 308 => {
                let to = self.redirect(call, received)?;
                if location.tls && !to.tls {
                    return Err(Error::answer("a redirect from https to http"));
                }
                Ok(Answer::Redirect(to))
            }
            status => Ok(Answer::Refused(status)),
        }
    }

    /// A body of this length, or the first `limit` bytes of it.
    fn body(
        &mut self,
        call: Call<RecvResponse>,
        mut received: Vec<u8>,
        length: u64,
        limit: Option<u64>,
    ) -> Result<Vec<u8>, Error> {
        let Some(RecvResponseResult::RecvBody(mut call)) = call.proceed() else {
            return Err(Error::answer("it has no body"));
        };
        if call.body_mode() != BodyMode::LengthDelimited(length) {
            return Err(Error::answer("its body has not the length of its range"));
        }
        let limit = usize::try_from(limit.unwrap_or(length)).map_err(Error::answer)?;
        let mut body = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let (used, written) = call.read(&received, &mut buffer)?;
            received.drain(..used);
            body.extend_from_slice(buffer.get(..written).unwrap_or_default());
            if body.len() >= limit || call.can_proceed() {
                break;
            }
            if used == 0 {
                self.more(&mut received)?;
            }
        }
        body.truncate(limit);
        if let Some(RecvBodyResult::Cleanup(call)) = call.proceed() {
            self.closes = call.must_close_connection() || !received.is_empty();
        }
        Ok(body)
    }

    /// Where the file is instead.
    fn redirect(
        &mut self,
        call: Call<RecvResponse>,
        mut received: Vec<u8>,
    ) -> Result<Location, Error> {
        let mut call = match call.proceed() {
            Some(RecvResponseResult::Redirect(call)) => call,
            Some(RecvResponseResult::RecvBody(mut call)) => {
                let mut unread = HEAD_MAX;
                while !call.can_proceed() {
                    let mut buffer = [0; 4096];
                    let (used, _) = call.read(&received, &mut buffer)?;
                    received.drain(..used);
                    unread = unread
                        .checked_sub(used)
                        .ok_or_else(|| Error::answer("the page of a redirect does not end"))?;
                    if used == 0 {
                        self.more(&mut received)?;
                    }
                }
                match call.proceed() {
                    Some(RecvBodyResult::Redirect(call)) => call,
                    _ => return Err(Error::answer("a redirect to nowhere")),
                }
            }
            _ => return Err(Error::answer("a redirect to nowhere")),
        };
        let next = call.as_new_call(RedirectAuthHeaders::Never)?;
        let next = next.ok_or_else(|| Error::answer("a redirect to nowhere"))?;
        Location::from_uri(next.uri())
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

/// `Content-Range: bytes first-last/total`, with which a part comes (RFC 9110, 14.4).
struct Range {
    first: u64,
    last: u64,
    total: u64,
}

impl Range {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let (range, total) = content_range(headers)?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some(Self {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
            total: total.parse().ok()?,
        })
        .filter(|range| range.first <= range.last)
    }
}

/// `Content-Range: bytes */total`, with which no part comes.
fn total_of_none(headers: &HeaderMap) -> Option<u64> {
    content_range(headers)?.strip_prefix("*/")?.parse().ok()
}

fn content_range(headers: &HeaderMap) -> Option<&str> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    Some(range.trim().strip_prefix("bytes")?.trim_start())
}

fn length(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    length.trim().parse().ok()
}

/// Bytes of a head, of a request or an answer, and of the page that comes with a redirect.
const HEAD_MAX: usize = 16 * 1024;
