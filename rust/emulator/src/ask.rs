//! One question to a running emulator, over its plain port of REST.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum AskError {
    /// Nobody is reached, or what is said is no HTTP.
    Failed(SocketAddr, Box<dyn std::error::Error>),
    /// It takes longer than it may.
    TimedOut(SocketAddr),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(at, error) => write!(f, "{at} does not answer: {error}"),
            Self::TimedOut(at) => {
                write!(f, "{at} does not answer within {} s", TIME_LIMIT.as_secs())
            }
        }
    }
}

impl std::error::Error for AskError {}

/// Status and body of a GET.
pub(crate) async fn get(
    http: SocketAddr,
    path: &str,
    token: Option<&str>,
) -> Result<(u16, Vec<u8>), AskError> {
    let at = reachable(http);
    match tokio::time::timeout(TIME_LIMIT, answer(at, path, token)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(AskError::Failed(at, error)),
        Err(_) => Err(AskError::TimedOut(at)),
    }
}

async fn answer(
    at: SocketAddr,
    path: &str,
    token: Option<&str>,
) -> Result<(u16, Vec<u8>), Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(at).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::get(path).header("host", at.to_string());
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = sender.send_request(request.body(Body::empty())?).await?;
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(Body::new(response.into_body()), MAX_BODY).await?;
    Ok((status, body.to_vec()))
}

/// What listens on all addresses is asked on loopback.
pub(crate) fn reachable(mut at: SocketAddr) -> SocketAddr {
    if at.ip().is_unspecified() {
        at.set_ip(match at.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    at
}

const TIME_LIMIT: Duration = Duration::from_secs(5);
const MAX_BODY: usize = 1 << 20;
