//! `iothub-emulator health`: a container without any other program asks with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Asks `/ready`; the error says what was answered.
pub(crate) async fn ask(http: SocketAddr) -> Result<(), String> {
    let at = reachable(http);
    let asked = tokio::time::timeout(PATIENCE, status(at));
    match asked.await {
        Ok(Ok(200)) => {
            println!("{at} is ready");
            Ok(())
        }
        Ok(Ok(status)) => Err(format!("{at} is not ready: it answers with {status}")),
        Ok(Err(error)) => Err(format!("{at} does not answer: {error}")),
        Err(_) => Err(format!(
            "{at} does not answer within {} s",
            PATIENCE.as_secs()
        )),
    }
}

async fn status(at: SocketAddr) -> Result<u16, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(at).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get("/ready").header("host", at.to_string());
    let response = sender.send_request(request.body(Body::empty())?).await?;
    Ok(response.status().as_u16())
}

/// What listens on all addresses is asked on loopback.
fn reachable(mut at: SocketAddr) -> SocketAddr {
    if at.ip().is_unspecified() {
        at.set_ip(match at.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    at
}

const PATIENCE: Duration = Duration::from_secs(5);
