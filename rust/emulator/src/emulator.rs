//! Starting and stopping.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::OptionalExtension as _;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::c2d;
use crate::clock::Clock;
use crate::connections::Connections;
use crate::faults::Faults;
use crate::journal::{Journal, LogFormat};
use crate::listener;
use crate::rest::{self, Access, Api, Peer, TlsListener};
use crate::sas;
use crate::service::{Service, Switches, stopped};
use crate::store::Store;
use crate::tls::{self, ServerCertificate};

/// How to start.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The hub's host name.
    pub hostname: String,
    /// Where devices connect: MQTT over TLS 1.2.
    pub mqtt: SocketAddr,
    /// REST and page.
    pub http: SocketAddr,
    /// The same over HTTPS, for service clients that speak nothing else.
    pub https: Option<SocketAddr>,
    /// Host names of further hubs in this process, to which devices can be provisioned.
    pub more_hubs: Vec<String>,
    /// The provisioning service's id scope.
    pub id_scope: String,
    /// Refuses devices with symmetric keys, as a hub with `disableDeviceSAS` does.
    pub enforce_x509: bool,
    /// Takes CA certificates as verified when they are uploaded.
    pub verified_on_upload: bool,
    /// The folder of the database; `None` keeps nothing.
    pub data_dir: Option<PathBuf>,
    /// The server's certificate.
    pub identity: Identity,
    /// Where the event log goes.
    pub log: LogFormat,
    /// What REST asks for beyond loopback.
    pub token: Option<String>,
}

/// The server's certificate.
#[derive(Clone)]
pub enum Identity {
    /// One is made, with a CA of its own: see [`Emulator::ca_pem`].
    Generate,
    /// PEM text.
    Pem {
        /// The chain, leaf first.
        chain: String,
        /// The leaf's key.
        key: String,
    },
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generate => "Generate",
            Self::Pem { .. } => "Pem { .. }",
        })
    }
}

impl Options {
    /// Azure's port for devices and 8080 for the page, both on loopback; nothing is kept.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            mqtt: SocketAddr::from(([127, 0, 0, 1], 8883)),
            http: SocketAddr::from(([127, 0, 0, 1], 8080)),
            https: None,
            more_hubs: Vec::new(),
            id_scope: "0ne00000001".to_owned(),
            enforce_x509: false,
            verified_on_upload: false,
            data_dir: None,
            identity: Identity::Generate,
            log: LogFormat::Off,
            token: None,
        }
    }
}

/// Why it did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on: taken, or not of this machine.
    Listen {
        /// What for: `mqtt` or `http`.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The certificate or key of the server is of no use.
    Identity(String),
    /// The data folder is of no use.
    Storage(String),
    /// The REST side would be open to others without a token.
    TokenRequired(SocketAddr),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen {
                what,
                address,
                error,
            } => {
                write!(f, "cannot listen on {address} for {what}: {error}")?;
                if error.kind() == std::io::ErrorKind::AddrInUse {
                    write!(
                        f,
                        "; end the other program or choose another port with --{what}"
                    )?;
                }
                Ok(())
            }
            Self::Identity(what) | Self::Storage(what) => f.write_str(what),
            Self::TokenRequired(address) => {
                write!(
                    f,
                    "{address} is not loopback: REST needs a token there (--token-file)"
                )
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// A running emulator. Dropping it ends it at once; [`Emulator::shutdown`] ends it in good order.
#[derive(Debug)]
pub struct Emulator {
    mqtt: SocketAddr,
    http: SocketAddr,
    https: Option<SocketAddr>,
    ca_pem: Option<String>,
    service_key: String,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Emulator {
    /// Binds the ports, opens the storage and serves until it is shut down.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let open = [Some(options.http), options.https]
            .into_iter()
            .flatten()
            .find(|it| !it.ip().is_loopback());
        if let (Some(address), None) = (open, &options.token) {
            return Err(StartError::TokenRequired(address));
        }
        let mqtt = listen("mqtt", options.mqtt).await?;
        let http = listen("http", options.http).await?;
        let https = match options.https {
            Some(address) => Some(listen("https", address).await?),
            None => None,
        };
        let (certificate, ca_pem) = identity(&options)?;
        let config =
            tls::server_config(Arc::clone(&certificate), true).map_err(StartError::Identity)?;
        let store = Store::open(options.data_dir.as_deref()).map_err(StartError::Storage)?;
        let service_key = service_key(&store).await?;
        let clock = Arc::new(Clock::default());
        let service = Arc::new(Service {
            hubs: std::iter::once(&options.hostname)
                .chain(&options.more_hubs)
                .cloned()
                .collect(),
            id_scope: options.id_scope.clone(),
            switches: Switches {
                enforce_x509: options.enforce_x509,
                verified_on_upload: options.verified_on_upload,
                ..Switches::default()
            },
            store,
            clock: Arc::clone(&clock),
            journal: Journal::new(clock, options.log),
            connections: Connections::default(),
            faults: Faults::default(),
            telemetry: broadcast::channel(1024).0,
            certificate: Arc::clone(&certificate),
        });
        let access = Arc::new(Access {
            token: options.token,
            service_key: service_key.clone(),
        });
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let https_bound = match (&https, options.https) {
            (Some(listener), Some(wanted)) => Some(address("https", listener, wanted)?),
            _ => None,
        };
        let (mqtt_addr, http_addr) = (
            address("mqtt", &mqtt, options.mqtt)?,
            address("http", &http, options.http)?,
        );
        let router = rest::router(Api {
            service: Arc::clone(&service),
            access,
            mqtt: mqtt_addr,
            ca_pem: ca_pem.as_deref().map(Arc::from),
        });
        tasks.spawn(listener::serve(
            Arc::clone(&service),
            mqtt,
            TlsAcceptor::from(config),
            stopping.clone(),
        ));
        if let (Some(https), Some(address)) = (https, https_bound) {
            let config = tls::server_config(certificate, false).map_err(StartError::Identity)?;
            let failed = |error| StartError::Listen {
                what: "https",
                address,
                error,
            };
            let listener = TlsListener::new(https, TlsAcceptor::from(config)).map_err(failed)?;
            tasks.spawn(serve_http(listener, router.clone(), stopping.clone()));
        }
        tasks.spawn(serve_http(http, router, stopping.clone()));
        tasks.spawn(sweep(service, stopping));
        Ok(Self {
            mqtt: mqtt_addr,
            http: http_addr,
            https: https_bound,
            ca_pem,
            service_key,
            stop,
            tasks,
        })
    }

    /// Where devices connect.
    pub fn mqtt_addr(&self) -> SocketAddr {
        self.mqtt
    }

    /// Where REST and page are.
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// Where REST is over HTTPS.
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.https
    }

    /// The CA that devices must trust, if the identity was made here.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The key of the policy `iothubowner`, for service clients' connection strings.
    pub fn service_key(&self) -> &str {
        &self.service_key
    }

    /// Closes all connections with a reason, and ends.
    pub async fn shutdown(mut self) {
        // Nobody listens only if all tasks have ended already.
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(5), all).await;
    }
}

async fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| StartError::Listen {
            what,
            address,
            error,
        })
}

fn address(
    what: &'static str,
    listener: &TcpListener,
    address: SocketAddr,
) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| StartError::Listen {
        what,
        address,
        error,
    })
}

fn identity(options: &Options) -> Result<(Arc<ServerCertificate>, Option<String>), StartError> {
    match &options.identity {
        Identity::Pem { chain, key } => Ok((
            ServerCertificate::from_pem(chain, key).map_err(StartError::Identity)?,
            None,
        )),
        Identity::Generate => {
            let kept = options
                .data_dir
                .as_deref()
                .map(read_generated)
                .transpose()?
                .flatten();
            let generated = match kept {
                Some(kept) => kept,
                None => {
                    let made = tls::generate(&names(options)).map_err(StartError::Identity)?;
                    if let Some(folder) = &options.data_dir {
                        keep_generated(folder, &made)?;
                    }
                    made
                }
            };
            let certificate = ServerCertificate::from_pem(&generated.chain_pem, &generated.key_pem);
            Ok((
                certificate.map_err(StartError::Identity)?,
                Some(generated.ca_pem),
            ))
        }
    }
}

fn names(options: &Options) -> Vec<String> {
    let mut names = vec![options.hostname.clone()];
    names.extend(options.more_hubs.iter().cloned());
    for name in [
        "localhost",
        "127.0.0.1",
        "::1",
        "global.azure-devices-provisioning.net",
    ] {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let bound = options.mqtt.ip();
    if !bound.is_loopback() && !bound.is_unspecified() {
        names.push(bound.to_string());
    }
    names
}

fn read_generated(folder: &Path) -> Result<Option<tls::Generated>, StartError> {
    let read = |name: &str| match std::fs::read_to_string(folder.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StartError::Identity(format!(
            "{}: {error}",
            folder.join(name).display()
        ))),
    };
    Ok(match (read(CA_FILE)?, read(CHAIN_FILE)?, read(KEY_FILE)?) {
        (Some(ca_pem), Some(chain_pem), Some(key_pem)) => Some(tls::Generated {
            ca_pem,
            chain_pem,
            key_pem,
        }),
        _ => None,
    })
}

fn keep_generated(folder: &Path, generated: &tls::Generated) -> Result<(), StartError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(KEY_FILE);
        let mut key = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        key.write_all(generated.key_pem.as_bytes())?;
        std::fs::write(folder.join(CHAIN_FILE), &generated.chain_pem)?;
        std::fs::write(folder.join(CA_FILE), &generated.ca_pem)
    };
    write().map_err(|error| StartError::Storage(format!("{}: {error}", folder.display())))
}

async fn service_key(store: &Store) -> Result<String, StartError> {
    let key = store.run(|c| {
        c2d::unlock(c, None)?;
        let known = c
            .query_row(
                "SELECT value FROM settings WHERE key = 'service key'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(known) = known {
            return Ok(known);
        }
        let key = sas::random_key();
        c.execute(
            "INSERT INTO settings (key, value) VALUES ('service key', ?1)",
            [&key],
        )?;
        Ok(key)
    });
    key.await
        .map_err(|refusal| StartError::Storage(refusal.to_string()))
}

async fn serve_http<L>(listener: L, router: axum::Router, mut stop: watch::Receiver<bool>)
where
    L: axum::serve::Listener,
    L::Addr: fmt::Debug,
    Peer: for<'a> axum::extract::connect_info::Connected<axum::serve::IncomingStream<'a, L>>,
{
    let service = router.into_make_service_with_connect_info::<Peer>();
    // Streams never end by themselves, so that open connections are cut instead of waited for.
    tokio::select! {
        _ = axum::serve(listener, service) => {}
        () = stopped(&mut stop) => {}
    }
}

/// Lets locks and messages of the cloud-to-device queues run out.
async fn sweep(service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stopped(&mut stop) => return,
        }
        let now = service.clock.now();
        if let Ok(woken) = service.store.run(move |c| c2d::sweep(c, now)).await {
            for (hub, device) in woken {
                service.wake(&hub, &device);
            }
        }
    }
}

const CA_FILE: &str = "server-ca.pem";
const CHAIN_FILE: &str = "server-chain.pem";
const KEY_FILE: &str = "server-key.pem";
