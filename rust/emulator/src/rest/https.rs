//! HTTPS for service clients that speak nothing else.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The address of whoever asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Hands out connections whose handshake is done; a slow one holds up nobody.
#[derive(Debug)]
pub(crate) struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    /// Accepts on a listener.
    pub(crate) fn new(listener: TcpListener, tls: TlsAcceptor) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (shaken, ready) = mpsc::channel(64);
        tokio::spawn(async move {
            let open = Arc::new(Semaphore::new(MAX_HANDSHAKES));
            while let Ok(permit) = Arc::clone(&open).acquire_owned().await {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = shaken.closed() => return,
                };
                let Ok((stream, peer)) = accepted else {
                    continue;
                };
                let (tls, shaken) = (tls.clone(), shaken.clone());
                tokio::spawn(async move {
                    let handshake = tokio::time::timeout(PATIENCE, tls.accept(stream));
                    if let Ok(Ok(stream)) = handshake.await {
                        let _ = shaken.send((stream, peer)).await;
                    }
                    drop(permit);
                });
            }
        });
        Ok(Self { ready, address })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

const MAX_HANDSHAKES: usize = 256;
const PATIENCE: Duration = Duration::from_secs(10);
