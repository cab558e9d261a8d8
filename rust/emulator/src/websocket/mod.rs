//! Byte streams over WebSocket (RFC 6455): a path of the HTTPS port hands each connection to the
//! door whose subprotocol the client asked for.
//!
//! A door gives [`routes`] its subprotocol (`mqtt`, `AMQPWSB10`) and the sending half of a channel,
//! and takes from the receiving half what it would otherwise have accepted itself: see
//! [`Incoming`]. Who may do what is for the protocol inside to decide; the paths ask for nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, Extension};
use axum::response::Response;
use axum::routing::any;
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use crate::code::{ErrorCode, Refusal};
use crate::rest::{Api, ClientCertificates, Failure, Peer};

mod stream;

pub(crate) use stream::ByteStream;

/// A connection whose upgrade is done.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// What the client sends in binary messages, and what it is sent.
    pub stream: ByteStream,
    /// The client's address.
    pub peer: SocketAddr,
    /// What the client presented in the TLS handshake, leaf first.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// Who takes the connections of a subprotocol.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// As in `Sec-WebSocket-Protocol`.
    pub subprotocol: &'static str,
    /// The way in.
    pub streams: mpsc::Sender<Incoming>,
}

impl Door {
    /// A door for a subprotocol, and where its connections come out.
    pub(crate) fn new(subprotocol: &'static str) -> (Self, mpsc::Receiver<Incoming>) {
        let (streams, incoming) = mpsc::channel(WAITING);
        let door = Self {
            subprotocol,
            streams,
        };
        (door, incoming)
    }
}

/// One path with its doors.
///
/// `iothub-no-client-cert` and whatever else stands in the query is let be: a client that is to
/// show no certificate shows none.
pub(crate) fn routes(path: &str, doors: Vec<Door>) -> Router<Api> {
    let doors: Arc<[Door]> = doors.into();
    Router::new().route(
        path,
        any(move |peer, certificates, upgrade| {
            open(Arc::clone(&doors), peer, certificates, upgrade)
        }),
    )
}

async fn open(
    doors: Arc<[Door]>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    certificates: Option<Extension<ClientCertificates>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let upgrade = upgrade.map_err(|why| invalid(format!("not a WebSocket: {why}")))?;
    let upgrade = upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .max_write_buffer_size(MAX_WRITE)
        .protocols(doors.iter().map(|door| door.subprotocol));
    let chosen = upgrade.selected_protocol().and_then(|it| it.to_str().ok());
    let Some(door) = doors.iter().find(|door| Some(door.subprotocol) == chosen) else {
        let known: Vec<_> = doors.iter().map(|door| door.subprotocol).collect();
        return Err(invalid(format!(
            "the header Sec-WebSocket-Protocol must name one of: {}",
            known.join(", ")
        )));
    };
    let streams = door.streams.clone();
    let certificates = certificates.map(|Extension(ClientCertificates(chain))| chain.to_vec());
    Ok(upgrade.on_upgrade(move |socket| async move {
        let incoming = Incoming {
            stream: ByteStream::new(socket),
            peer,
            certificates: certificates.unwrap_or_default(),
        };
        // A door that has gone lets the connection fall.
        let _ = streams.send(incoming).await;
    }))
}

fn invalid(reason: String) -> Failure {
    Failure(Refusal::new(ErrorCode::ArgumentInvalid, reason))
}

/// Upgrades that wait for their door.
const WAITING: usize = 64;
/// The largest message that a client may send; MQTT's largest packet has a quarter of it.
const MAX_MESSAGE: usize = 1024 * 1024;
/// What may wait to be sent; a writer waits beyond that.
const MAX_WRITE: usize = 2 * 1024 * 1024;
