//! Accepts MQTT connections: TCP, TLS, CONNECT; then the hub or the provisioning service takes
//! over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{
    AlertDescription, CertificateError, Error, InvalidMessage, OtherError, PeerIncompatible,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::code::{ErrorCode, Refusal};
use crate::dps::Dps;
use crate::hub::service::Service;
use crate::id;
use crate::journal::Event;
use crate::mqtt::link::{Link, read_refusal, refused};
use crate::mqtt::provisioning;
use crate::mqtt::session;
use crate::mqtt::username::UserName;
use crate::mqtt::wire::{Connect, Packet, ReadError, write};
use crate::stop::stopped;
use crate::websocket::Incoming;

/// Where a connection came in.
enum Arrived {
    Tcp(TcpStream, SocketAddr),
    WebSocket(Box<Incoming>),
}

/// Accepts until `stop` becomes true: at the port of MQTT, and what came as a WebSocket.
pub(crate) async fn serve(
    dps: Arc<Dps>,
    listener: TcpListener,
    tls: TlsAcceptor,
    mut websockets: mpsc::Receiver<Incoming>,
    mut stop: watch::Receiver<bool>,
) {
    let service = &dps.hub;
    let most = service.settings.max_unproved;
    let unproved = Arc::new(Semaphore::new(most));
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted.map(|(it, peer)| Arrived::Tcp(it, peer)),
            Some(incoming) = websockets.recv() => Ok(Arrived::WebSocket(Box::new(incoming))),
            Some(_) = tasks.join_next() => continue,
            () = stopped(&mut stop) => break,
        };
        let arrived = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors: others must go first.
                service.journal.record(Event::refusal(
                    "refused",
                    &unavailable(format!("accept failed: {error}")),
                ));
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&unproved).try_acquire_owned() else {
            let refusal = unavailable(format!("{most} connections have not sent CONNECT yet"));
            let peer = match arrived {
                Arrived::Tcp(_, peer) => peer,
                Arrived::WebSocket(incoming) => incoming.peer,
            };
            service
                .journal
                .record(Event::refusal("refused", &refusal).on(0, peer));
            continue;
        };
        let (dps, tls, stop) = (Arc::clone(&dps), tls.clone(), stop.clone());
        tasks.spawn(async move {
            let number = dps.hub.connections.next_number();
            let opened = open(&dps.hub, number, arrived, tls).await;
            drop(permit);
            if let Some((link, connect)) = opened {
                dispatch(dps, number, link, connect, stop).await;
            }
        });
    }
    // Every session sees `stop`, says so in the log and closes.
    let all = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_secs(3), all).await;
}

/// TLS handshake and CONNECT, each within the time that is allowed.
async fn open(
    service: &Service,
    number: u64,
    arrived: Arrived,
    tls: TlsAcceptor,
) -> Option<(Link, Connect)> {
    let settings = &service.settings;
    let (time_limit, timeout) = (settings.connect_timeout, settings.write_timeout);
    let (peer, opened) = match arrived {
        Arrived::Tcp(stream, peer) => {
            let opened = handshake(stream, tls, time_limit).await;
            (peer, opened.map(|it| Link::over_tls(it, peer, timeout)))
        }
        Arrived::WebSocket(incoming) => {
            (incoming.peer, Ok(Link::over_websocket(*incoming, timeout)))
        }
    };
    let refuse = |refusal: Refusal| {
        service
            .journal
            .record(Event::refusal("refused", &refusal).on(number, peer));
    };
    let mut link = match opened {
        Ok(link) => link,
        Err(refusal) => {
            refuse(refusal);
            return None;
        }
    };
    let refusal = match tokio::time::timeout(time_limit, link.reader.next()).await {
        Ok(Ok(Packet::Connect(connect))) => return Some((link, *connect)),
        Ok(Ok(_)) => Refusal::new(
            ErrorCode::InvalidOperation,
            "the first packet is not CONNECT",
        ),
        Ok(Err(error)) => {
            if let ReadError::Level(_) = error {
                link.writer.push(&write::connack(false, 1));
            }
            let refusal = read_refusal(&error);
            refuse(match error {
                ReadError::Closed { .. } | ReadError::Io(_) => Refusal::new(
                    refusal.code,
                    format!(
                        "{} before CONNECT: maybe it does not trust the hub's certificate",
                        refusal.reason
                    ),
                ),
                _ => refusal,
            });
            link.writer.close().await;
            return None;
        }
        Err(_) => Refusal::new(
            ErrorCode::InvalidOperation,
            format!("no CONNECT within {time_limit:?}"),
        ),
    };
    refuse(refusal);
    link.writer.close().await;
    None
}

async fn handshake(
    stream: TcpStream,
    tls: TlsAcceptor,
    time_limit: Duration,
) -> Result<TlsStream<TcpStream>, Refusal> {
    let _ = stream.set_nodelay(true);
    let why = match tokio::time::timeout(time_limit, tls.accept(stream)).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(error)) => format!("TLS handshake failed: {}", explain(&error)),
        Err(_) => format!("no TLS handshake within {time_limit:?}"),
    };
    Err(Refusal::new(ErrorCode::Unauthorized, why))
}

async fn dispatch(
    dps: Arc<Dps>,
    number: u64,
    mut link: Link,
    connect: Connect,
    stop: watch::Receiver<bool>,
) {
    let service = Arc::clone(&dps.hub);
    if *stop.borrow() {
        let refusal = unavailable("the emulator is stopping".to_owned());
        let event = Event::refusal("refused", &refusal).on(number, link.peer);
        service
            .journal
            .record(event.of(&service.hub(""), &connect.client_id));
        link.writer.push(&write::connack(false, refused(&refusal)));
        link.writer.close().await;
        return;
    }
    let text = connect.user_name.as_deref().unwrap_or_default();
    match UserName::parse(text) {
        Ok(UserName::Hub {
            host,
            device_id,
            module_id,
            model_id,
            client_type,
            api_version,
        }) => {
            let id = module_id.map_or_else(
                || device_id.clone(),
                |module| id::of_module(&device_id, &module),
            );
            let identity = session::Claim {
                host,
                id,
                model_id,
                client_type,
                versioned: api_version.is_some(),
            };
            session::serve(service, number, link, connect, identity, stop).await;
        }
        Ok(UserName::Provisioning {
            id_scope,
            registration_id,
            api_version,
            ..
        }) => {
            provisioning::serve(
                dps,
                number,
                link,
                connect,
                (id_scope, registration_id, api_version),
                stop,
            )
            .await;
        }
        Err(refusal) => {
            let event = Event::refusal("refused", &refusal).on(number, link.peer);
            service
                .journal
                .record(event.of(&service.hub(""), &connect.client_id));
            link.writer.push(&write::connack(false, 5));
            link.writer.close().await;
        }
    }
}

/// Says in words what a failed handshake means.
fn explain(error: &std::io::Error) -> String {
    let cause = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    if let Some(Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) = cause
        && let Some(refusal) = why.downcast_ref::<Refusal>()
    {
        return refusal.reason.clone();
    }
    let hint = cause.map_or("", hint);
    format!("{error}{hint}")
}

fn hint(error: &Error) -> &'static str {
    use AlertDescription::{
        BadCertificate, CertificateExpired, CertificateUnknown, ProtocolVersion, UnknownCA,
    };
    use PeerIncompatible::{
        NoCipherSuitesInCommon, ServerTlsVersionIsDisabledByOurConfig, Tls12NotOffered,
        Tls12NotOfferedOrEnabled,
    };
    match error {
        Error::AlertReceived(UnknownCA) => {
            ": the device does not trust the CA of the hub's certificate"
        }
        Error::AlertReceived(BadCertificate | CertificateUnknown) => {
            ": the device does not accept the hub's certificate (host name, validity or chain)"
        }
        Error::AlertReceived(CertificateExpired) => {
            ": the device says that the hub's certificate has expired"
        }
        Error::PeerIncompatible(NoCipherSuitesInCommon) => {
            ": the device offers no cipher suite that is spoken here"
        }
        Error::AlertReceived(ProtocolVersion)
        | Error::PeerIncompatible(
            ServerTlsVersionIsDisabledByOurConfig | Tls12NotOffered | Tls12NotOfferedOrEnabled,
        ) => ": only TLS 1.2 is spoken here",
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            ": the peer does not speak TLS"
        }
        _ => "",
    }
}

fn unavailable(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ServiceUnavailable, reason)
}
