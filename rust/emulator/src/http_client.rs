//! One request over plain HTTP to another program: a webhook, or a storage.

use std::{fmt, io};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::code::{ErrorCode, Refusal};

/// A request.
#[derive(Debug)]
pub(crate) struct Call<'c> {
    /// For example POST.
    pub method: Method,
    /// From [`parse`].
    pub uri: &'c Uri,
    /// Beside `Host` and `Connection`.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
    /// The largest answer that is taken.
    pub limit: usize,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status, whichever it is.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// Nobody is reached there.
    Unreachable(io::Error),
    /// A header or a path that HTTP has not.
    Request(axum::http::Error),
    /// What the other side says is no HTTP, or ends early.
    Http(hyper::Error),
    /// A body that ends early, or is larger than what is taken.
    Body(axum::Error),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => error.fmt(f),
            Self::Request(error) => error.fmt(f),
            Self::Http(error) => error.fmt(f),
            Self::Body(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}

/// An address that can be called; the refusal begins with `what`.
pub(crate) fn parse(what: &str, url: &str) -> Result<Uri, Refusal> {
    let uri = url.parse::<Uri>().ok();
    let plain = uri.filter(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
    plain.ok_or_else(|| {
        Refusal::new(
            ErrorCode::ArgumentInvalid,
            format!("{what} '{url}' must begin with http:// here"),
        )
    })
}

/// Asks once. The caller sets the deadline.
pub(crate) async fn call(call: Call<'_>) -> Result<Answer, CallError> {
    let Call {
        method,
        uri,
        mut headers,
        body,
        limit,
    } = call;
    let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80));
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((name, port)).await;
    let stream = stream.map_err(CallError::Unreachable)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(CallError::Http)?;
    // It ends with the answer; what went wrong shows there.
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, format!("{host}:{port}"))
        .header(header::CONNECTION, "close")
        .body(Body::from(body))
        .map_err(CallError::Request)?;
    for (name, value) in headers.drain() {
        if let Some(name) = name {
            request.headers_mut().insert(name, value);
        }
    }
    let response = sender.send_request(request).await;
    let (parts, body) = response.map_err(CallError::Http)?.into_parts();
    let bytes = axum::body::to_bytes(Body::new(body), limit).await;
    connection.abort();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body: bytes.map_err(CallError::Body)?.to_vec(),
    })
}
