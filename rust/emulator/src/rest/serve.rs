//! HTTP and HTTPS connections. Whoever is slow with the handshake or with the head of a request is
//! cut off, and holds up nobody meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::service::stopped;

/// The address of whoever asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// How one port is served.
#[derive(Clone)]
pub(crate) struct Port {
    /// The paths.
    pub router: Router,
    /// `None` for plain HTTP.
    pub tls: Option<TlsAcceptor>,
    /// For the TLS handshake, and for the head of each request.
    pub patience: Duration,
}

/// Serves until `stop` becomes true. Streams never end by themselves, so that open connections are
/// cut then instead of waited for.
pub(crate) async fn serve(listener: TcpListener, port: Port, mut stop: watch::Receiver<bool>) {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let permit = Arc::clone(&free).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            Some(_) = connections.join_next() => continue,
            () = stopped(&mut stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let port = port.clone();
                connections.spawn(async move {
                    connection(stream, Peer(peer), port).await;
                    drop(permit);
                });
            }
            // Out of file descriptors: others must go first.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(stream: TcpStream, peer: Peer, port: Port) {
    let _ = stream.set_nodelay(true);
    match port.tls.clone() {
        None => requests(stream, peer, port).await,
        Some(tls) => {
            let handshake = tokio::time::timeout(port.patience, tls.accept(stream));
            if let Ok(Ok(stream)) = handshake.await {
                requests(stream, peer, port).await;
            }
        }
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    port: Port,
) {
    let router = port.router.layer(Extension(ConnectInfo(peer)));
    // An error here is a client that broke off.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(port.patience)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
}

const MAX_CONNECTIONS: usize = 2048;
