//! HTTP and HTTPS connections. Whoever is slow with the handshake or with the head of a request is
//! cut off, and holds up nobody meanwhile.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::auth::tls;
use crate::stop::stopped;

/// The address of whoever asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What the client presented in the TLS handshake, leaf first; nothing over plain HTTP.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientCertificates(pub(crate) Arc<[CertificateDer<'static>]>);

/// How connections are encrypted.
#[derive(Clone, Debug)]
pub(crate) struct Encryption {
    /// For devices and services.
    pub config: Arc<ServerConfig>,
    /// For browsers, which end a WebSocket where they are asked for a certificate.
    pub browsers: Arc<ServerConfig>,
}

impl Encryption {
    async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let config = match tls::is_browsers(&begun.client_hello()) {
            true => &self.browsers,
            false => &self.config,
        };
        begun.into_stream(Arc::clone(config)).await
    }
}

/// How one port is served.
#[derive(Clone)]
pub(crate) struct Port {
    /// The paths.
    pub router: Router,
    /// `None` for plain HTTP.
    pub tls: Option<Encryption>,
    /// For the TLS handshake, and for the head of each request.
    pub time_limit: Duration,
}

/// Serves until `stop` becomes true. Streams never end by themselves, so that open connections are
/// cut then instead of waited for.
///
/// Where every place is taken, the connection gives way that has been silent longest: one that asks
/// nothing, or does not send the rest of what it asks. Streams have places of their own, fewer than
/// there are, and do not give way.
pub(crate) async fn serve(listener: TcpListener, port: Port, mut stop: watch::Receiver<bool>) {
    let seats = Arc::new(Seats::default());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = stopped(&mut stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (port, seats) = (port.clone(), Arc::clone(&seats));
                let seat = seats.take();
                connections.spawn(async move {
                    tokio::select! {
                        () = connection(stream, Peer(peer), port, Arc::clone(&seat)) => {}
                        () = seat.given_away.notified() => {}
                    }
                    seats.leave(&seat);
                });
            }
            // Out of file descriptors: others must go first.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The places for connections.
#[derive(Debug, Default)]
struct Seats {
    taken: Mutex<HashMap<u64, Arc<Seat>>>,
    clock: Arc<AtomicU64>,
}

/// The place of a connection.
#[derive(Debug)]
pub(crate) struct Seat {
    number: u64,
    /// Grows over all connections: when this one last began to ask something.
    active: AtomicU64,
    streams: AtomicBool,
    given_away: Notify,
    clock: Arc<AtomicU64>,
}

impl Seats {
    /// A place; whoever has been silent longest loses theirs if there is none.
    fn take(&self) -> Arc<Seat> {
        let number = self.clock.fetch_add(1, Ordering::Relaxed);
        let seat = Arc::new(Seat {
            number,
            active: AtomicU64::new(number),
            streams: AtomicBool::new(false),
            given_away: Notify::new(),
            clock: Arc::clone(&self.clock),
        });
        let mut taken = self.lock();
        if taken.len() >= MAX_CONNECTIONS {
            let silent = taken
                .values()
                .filter(|seat| !seat.streams.load(Ordering::Relaxed))
                .min_by_key(|seat| seat.active.load(Ordering::Relaxed))
                .map(|seat| seat.number);
            if let Some(silent) = silent.and_then(|number| taken.remove(&number)) {
                silent.given_away.notify_one();
            }
        }
        taken.insert(number, Arc::clone(&seat));
        seat
    }

    fn leave(&self, seat: &Seat) {
        self.lock().remove(&seat.number);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Seat>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Whoever asks is not silent.
    fn touch(&self) {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        self.active.store(now, Ordering::Relaxed);
    }

    /// From here on it streams.
    pub(crate) fn stream(&self) {
        self.streams.store(true, Ordering::Relaxed);
    }
}

async fn connection(stream: TcpStream, peer: Peer, port: Port, seat: Arc<Seat>) {
    let _ = stream.set_nodelay(true);
    match port.tls.clone() {
        None => requests(stream, peer, ClientCertificates::default(), port, seat).await,
        Some(tls) => {
            let handshake = tokio::time::timeout(port.time_limit, tls.accept(stream));
            if let Ok(Ok(stream)) = handshake.await {
                let (_, session) = stream.get_ref();
                let chain = session.peer_certificates().unwrap_or_default();
                let chain = chain.iter().map(|it| it.clone().into_owned()).collect();
                requests(stream, peer, ClientCertificates(chain), port, seat).await;
            }
        }
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    certificates: ClientCertificates,
    port: Port,
    seat: Arc<Seat>,
) {
    // A layer would copy every route for each connection.
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        seat.touch();
        let about = request.extensions_mut();
        about.insert(ConnectInfo(peer));
        about.insert(certificates.clone());
        about.insert(Arc::clone(&seat));
        TowerToHyperService::new(port.router.clone()).call(request)
    });
    // An error here is a client that broke off.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(port.time_limit)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

const MAX_CONNECTIONS: usize = 2048;

/// Of these may stream.
pub(crate) const MAX_STREAMS: usize = 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn the_one_that_is_silent_longest_gives_way() {
        let seats = Seats::default();
        let first = seats.take();
        let reader = seats.take();
        let second = seats.take();
        for _ in 3..MAX_CONNECTIONS {
            seats.take();
        }
        reader.stream();
        first.touch();
        seats.take();
        let taken = |seat: &Seat| seats.lock().contains_key(&seat.number);
        assert!(taken(&first) && taken(&reader) && !taken(&second));
        assert_eq!(seats.lock().len(), MAX_CONNECTIONS);
        seats.leave(&first);
        seats.take();
        assert_eq!(seats.lock().len(), MAX_CONNECTIONS);
    }

    #[tokio::test]
    async fn who_asks_is_not_silent() {
        let seats = Seats::default();
        let (asks, silent) = (seats.take(), seats.take());
        let port = Port {
            router: Router::new(),
            tls: None,
            time_limit: Duration::from_secs(5),
        };
        let (mut client, server) = tokio::io::duplex(4096);
        let peer = Peer(SocketAddr::from(([127, 0, 0, 1], 1)));
        let certificates = ClientCertificates::default();
        let served = tokio::spawn(requests(
            server,
            peer,
            certificates,
            port,
            Arc::clone(&asks),
        ));
        let request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        served.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        let active = |seat: &Seat| seat.active.load(Ordering::Relaxed);
        assert!(active(&asks) > active(&silent));
    }
}
