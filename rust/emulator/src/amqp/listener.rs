//! Accepts AMQP connections, over TLS and as WebSockets.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Amqp;
use super::connection::{self, Peer};
use super::transport::Stream;
use crate::code::{ErrorCode, Refusal};
use crate::journal::Event;
use crate::stop::stopped;
use crate::websocket::Incoming;

/// What arrives: over TCP the handshake of TLS is still to come.
enum Arrived {
    Tcp(TcpStream),
    WebSocket(Box<Incoming>),
}

/// Accepts until `stop` becomes true: at the port of AMQP, and what came as a WebSocket.
pub(crate) async fn serve(
    amqp: Arc<Amqp>,
    listener: TcpListener,
    tls: TlsAcceptor,
    mut websockets: mpsc::Receiver<Incoming>,
    mut stop: watch::Receiver<bool>,
) {
    let service = Arc::clone(&amqp.service);
    let most = service.settings.max_unproved;
    let unproved = Arc::new(Semaphore::new(most));
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted.map(|(it, peer)| (Arrived::Tcp(it), peer)),
            Some(incoming) = websockets.recv() => {
                let peer = incoming.peer;
                Ok((Arrived::WebSocket(Box::new(incoming)), peer))
            }
            Some(_) = tasks.join_next() => continue,
            () = stopped(&mut stop) => break,
        };
        let refuse = |reason: String| {
            let refusal = Refusal::new(ErrorCode::ServiceUnavailable, reason);
            Event::refusal("refused", &refusal)
        };
        let (arrived, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors: others must go first.
                let event = refuse(format!("accept failed: {error}"));
                service.journal.record(event);
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&unproved).try_acquire_owned() else {
            let event = refuse(format!("{most} AMQP connections have proved nothing yet"));
            service.journal.record(event.on(0, address));
            continue;
        };
        let mut peer = Peer {
            certificates: Vec::new(),
            number: service.connections.next_number(),
            address,
            unproved: permit,
        };
        let (amqp, tls, stop) = (Arc::clone(&amqp), tls.clone(), stop.clone());
        tasks.spawn(async move {
            let opened = match arrived {
                Arrived::WebSocket(incoming) => {
                    peer.certificates = incoming.certificates;
                    Ok(Box::new(incoming.stream) as Box<dyn Stream>)
                }
                Arrived::Tcp(stream) => {
                    let time_limit = amqp.service.settings.connect_timeout;
                    handshake(stream, tls, time_limit).await.map(|stream| {
                        let shown = stream.get_ref().1.peer_certificates();
                        let shown = shown.unwrap_or_default().iter();
                        peer.certificates = shown.map(|it| it.clone().into_owned()).collect();
                        Box::new(stream) as Box<dyn Stream>
                    })
                }
            };
            match opened {
                Ok(stream) => connection::serve(amqp, stream, peer, stop).await,
                Err(refusal) => {
                    let event = Event::refusal("refused", &refusal);
                    let journal = &amqp.service.journal;
                    journal.record(event.on(peer.number, peer.address));
                }
            }
        });
    }
    // Every connection sees `stop`, says so in the log and closes.
    let all = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_secs(3), all).await;
}

async fn handshake(
    stream: TcpStream,
    tls: TlsAcceptor,
    time_limit: Duration,
) -> Result<TlsStream<TcpStream>, Refusal> {
    let _ = stream.set_nodelay(true);
    let why = match tokio::time::timeout(time_limit, tls.accept(stream)).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(error)) => format!("TLS handshake failed: {error}"),
        Err(_) => format!("no TLS handshake within {time_limit:?}"),
    };
    Err(Refusal::new(ErrorCode::Unauthorized, why))
}
