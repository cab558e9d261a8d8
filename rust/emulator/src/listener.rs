//! Accepts MQTT connections: TCP, TLS, CONNECT; then the hub or the provisioning service takes over.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::code::{ErrorCode, Refusal};
use crate::dps;
use crate::journal::Event;
use crate::link::{Link, read_refusal};
use crate::service::{Service, stopped};
use crate::session;
use crate::username::UserName;
use crate::wire::{Connect, Packet, ReadError, write};

/// Accepts until `stop` becomes true.
pub(crate) async fn serve(
    service: Arc<Service>,
    listener: TcpListener,
    tls: TlsAcceptor,
    mut stop: watch::Receiver<bool>,
) {
    let most = service.settings.max_unproved;
    let unproved = Arc::new(Semaphore::new(most));
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            () = stopped(&mut stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors: others must go first.
                service.journal.record(Event::refusal(
                    "refused",
                    &unavailable(format!("accept failed: {error}")),
                ));
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&unproved).try_acquire_owned() else {
            let refusal = unavailable(format!("{most} connections have not sent CONNECT yet"));
            service
                .journal
                .record(Event::refusal("refused", &refusal).on(0, peer));
            continue;
        };
        let (service, tls, stop) = (Arc::clone(&service), tls.clone(), stop.clone());
        tasks.spawn(async move {
            let number = service.connections.next_number();
            let opened = open(&service, number, stream, peer, tls).await;
            drop(permit);
            if let Some((link, connect)) = opened {
                dispatch(service, number, link, connect, stop).await;
            }
        });
    }
    // Every session sees `stop`, says so in the log and closes.
    let all = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(3), all).await;
}

/// TLS handshake and CONNECT, each within the time that is allowed.
async fn open(
    service: &Service,
    number: u64,
    stream: TcpStream,
    peer: SocketAddr,
    tls: TlsAcceptor,
) -> Option<(Link, Connect)> {
    let refuse = |refusal: Refusal| {
        service
            .journal
            .record(Event::refusal("refused", &refusal).on(number, peer));
    };
    let _ = stream.set_nodelay(true);
    let patience = service.settings.connect_timeout;
    let stream = match tokio::time::timeout(patience, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            refuse(Refusal::new(
                ErrorCode::Unauthorized,
                format!("TLS handshake failed: {}", explain(&error)),
            ));
            return None;
        }
        Err(_) => {
            refuse(Refusal::new(
                ErrorCode::Unauthorized,
                format!("no TLS handshake within {patience:?}"),
            ));
            return None;
        }
    };
    let mut link = Link::new(stream, peer, service.settings.write_timeout);
    let refusal = match tokio::time::timeout(patience, link.reader.next()).await {
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
            format!("no CONNECT within {patience:?}"),
        ),
    };
    refuse(refusal);
    link.writer.close().await;
    None
}

async fn dispatch(
    service: Arc<Service>,
    number: u64,
    mut link: Link,
    connect: Connect,
    stop: watch::Receiver<bool>,
) {
    let text = connect.user_name.as_deref().unwrap_or_default();
    match UserName::parse(text) {
        Ok(UserName::Hub {
            host,
            device_id,
            module_id,
            model_id,
            client_type,
            ..
        }) => {
            let identity = session::Claim {
                host,
                device_id,
                module_id,
                model_id,
                client_type,
            };
            session::serve(service, number, link, connect, identity, stop).await;
        }
        Ok(UserName::Provisioning {
            id_scope,
            registration_id,
            ..
        }) => {
            dps::serve(
                service,
                number,
                link,
                connect,
                (id_scope, registration_id),
                stop,
            )
            .await;
        }
        Err(refusal) => {
            let event = Event::refusal("refused", &refusal).on(number, link.peer);
            service
                .journal
                .record(event.of(service.hub(""), &connect.client_id));
            link.writer.push(&write::connack(false, 5));
            link.writer.close().await;
        }
    }
}

/// Says in words what the device's side of a failed handshake means.
fn explain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let hint = match text.as_str() {
        it if it.contains("UnsupportedCertVersion") => {
            ": the device's certificate is not X.509 version 3 (openssl makes version 1 without extensions)"
        }
        it if it.contains("UnknownCA") => {
            ": the device does not trust the CA of the hub's certificate"
        }
        it if it.contains("BadCertificate") || it.contains("CertificateUnknown") => {
            ": the device does not accept the hub's certificate (host name, validity or chain)"
        }
        it if it.contains("CertificateExpired") => {
            ": the device says that the hub's certificate has expired"
        }
        it if it.contains("NoCipherSuitesInCommon") => {
            ": the device offers no cipher suite that is spoken here"
        }
        it if it.contains("ProtocolVersion") || it.contains("Tls12NotOffered") => {
            ": only TLS 1.2 is spoken here"
        }
        it if it.contains("InvalidContentType") => ": the peer does not speak TLS",
        _ => "",
    };
    format!("{text}{hint}")
}

fn unavailable(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ServiceUnavailable, reason)
}
